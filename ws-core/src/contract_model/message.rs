//! Messages, calls and their contents.

use serde::{Deserialize, Serialize};

use super::{JsonSchema, is_false};

/// The calls and messages of one side of a connection.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct SideContract {
    /// The calls, which the other side answers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<CallContract>,
    /// The messages without an answer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<MessageContract>,
}

impl SideContract {
    /// Returns whether this side sends nothing that is described.
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty() && self.messages.is_empty()
    }
}

/// A call, and its answer: a result or an error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct CallContract {
    /// The name in the envelope.
    pub name: String,
    /// The documentation comment of the method, or of the type of a call to the client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The parameters.
    pub content: ContentContract,
    /// The schema of the result. `{"type": "null"}` for a call whose answer has no value.
    pub result: JsonSchema,
    /// The errors that the method declares with `contract::CallErrors`. Any call may also be answered with the errors of
    /// the envelope: for JSON-RPC −32602 for parameters that do not fit, −32099 in a state without this call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ErrorContract>,
    /// The states in which the handler takes the call. Empty: always.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub states: Vec<String>,
}

/// A message without an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct MessageContract {
    /// The name in the envelope. A message without an envelope has the name of the method that takes or returns it.
    pub name: String,
    /// The documentation comment of the method, or of the variant of the `Messages` enum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Where the content is.
    pub frame: FrameContract,
    /// The content.
    pub content: ContentContract,
    /// The states in which the handler takes or sends the message. Empty: always.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub states: Vec<String>,
}

/// Where the content of a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FrameContract {
    /// In the envelope of the handler.
    Envelope,
    /// A text message is the content.
    Text,
    /// A binary message is the content.
    Binary,
}

/// The content of a message, or the parameters of a call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum ContentContract {
    /// No content: neither parameters nor a value.
    Nothing,
    /// Named parameters: an object with these members or an array in this order. Members with other names are ignored.
    Parameters {
        /// The parameters, in the order of the method's arguments.
        parameters: Vec<ParameterContract>,
    },
    /// One JSON value. [`JsonRpc`](crate::JsonRpc) writes a value that is neither an object nor an array as an array of
    /// this one element.
    Json {
        /// The schema of the value.
        schema: JsonSchema,
    },
    /// Text or bytes as they are, without a schema.
    Raw,
}

impl ContentContract {
    /// Returns a content of JSON. A value that is always `null` is none.
    pub(crate) fn json(schema: JsonSchema) -> Self {
        match schema.get("type").and_then(JsonSchema::as_str) {
            Some("null") => Self::Nothing,
            _ => Self::Json { schema },
        }
    }
}

/// A parameter of a call, a message, a path or a query string.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ParameterContract {
    /// The name.
    pub name: String,
    /// The documentation of the field, if the parameter is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether the parameter may be left out.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_optional: bool,
    /// The schema of the value. In a path or a query string, numbers and bools are written as in JSON, and strings
    /// without quotes.
    pub schema: JsonSchema,
}

/// An error that answers a call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ErrorContract {
    /// The code.
    pub code: i64,
    /// The meaning of the code.
    pub description: String,
    /// The schema of the data beside code and text. `None` if there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<JsonSchema>,
}
