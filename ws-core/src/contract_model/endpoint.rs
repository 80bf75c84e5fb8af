//! The parts of a contract that hold for a whole connection: the envelope, limits, close codes and states.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::is_false;

/// Form of named messages and calls.
///
/// The templates are whole messages with placeholders: the strings `"$name"`, `"$params"`, `"$id"`, `"$result"`,
/// `"$code"`, `"$message"` and `"$data"` stand for values. `"$id_text"` is an id that is written as a string. A member
/// `"$params": true` of an object stands for the members of the parameters, which are beside the others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct EnvelopeContract {
    /// The kind of the envelope.
    pub format: EnvelopeKind,
    /// A message without an answer.
    pub message: Value,
    /// A call.
    pub call: Value,
    /// The answer to a call.
    pub result: Value,
    /// The answer to a call that failed.
    pub error: Value,
}

/// The kind of an envelope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum EnvelopeKind {
    /// JSON-RPC 2.0, with batches: [`JsonRpc`](crate::JsonRpc).
    JsonRpc,
    /// Objects with a member for the name: [`Tagged`](crate::Tagged).
    Tagged {
        /// The member with the name.
        tag: String,
        /// The member with the parameters. `None` if they are beside the name.
        content: Option<String>,
    },
    /// An envelope of the program's own. The templates are what the envelope writes.
    Custom,
}

/// The limits that a client runs into. `None`: no limit. Times are in milliseconds, sizes in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct LimitsContract {
    /// The size of a message from the client, reassembled and inflated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_message_size: Option<u64>,
    /// The size of one frame from the client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_frame_size: Option<u64>,
    /// Messages from the client per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_message_rate: Option<u32>,
    /// The number of the client's calls that may wait for a deferred answer.
    pub max_deferred: u64,
    /// The time without a byte from the client after which the server closes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_timeout: Option<u64>,
    /// The time of silence after which the server sends a ping.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ping_interval: Option<u64>,
    /// The time after which the server ends any connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_lifetime: Option<u64>,
    /// Whether the server offers permessage-deflate (RFC 7692).
    #[serde(skip_serializing_if = "is_false")]
    pub compress: bool,
}

/// The settings of sessions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct SessionContract {
    /// How many milliseconds the server waits for a client that has lost its connection.
    pub resume: u64,
    /// How many bytes of messages the server keeps for the client.
    pub buffer: u64,
}

/// A close code that the server sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct CloseContract {
    /// The code (RFC 6455 §7.4).
    pub code: u16,
    /// The cause, in words.
    pub reason: String,
    /// Whether the handler itself closes with the code, as `contract(closes = …)` declares. Otherwise an option of the
    /// handler decides the code.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_declared: bool,
}

/// A state of a handler.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct StateContract {
    /// The name of the state's type.
    pub name: String,
    /// Whether a connection begins in this state. No state is initial if the contract cannot know it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_initial: bool,
}

/// A step from one state to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct TransitionContract {
    /// The state that is left.
    pub from: String,
    /// The state that is entered.
    pub to: String,
    /// The attribute of the method: `on_call`, `on_text`, `after`…
    pub event: String,
    /// The name of the call or message, or that of the method.
    pub name: String,
}
