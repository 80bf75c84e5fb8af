//! The contract of handlers as data (feature `contract`), and the schemas of their types. Vocabulary: nothing here knows
//! a connection.

mod description;
mod endpoint;
mod message;
mod schemas;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use description::Description;
pub use endpoint::{
    CloseContract, EnvelopeContract, EnvelopeKind, LimitsContract, SessionContract, StateContract,
    TransitionContract,
};
pub use message::{
    CallContract, ContentContract, ErrorContract, FrameContract, MessageContract, ParameterContract,
    SideContract,
};
pub use schemas::HasSchema;

/// The number of this format. A change of the format that an older reader would misread raises it.
pub(crate) const FORMAT: u32 = 1;

/// The data about what the handlers of a router take, answer, send and call.
///
/// `Router::contract` makes it. The data are serialized with serde, and are the same bytes for the same handlers:
/// handlers are in the order of their paths, methods in the order of their declaration, members of schemas in the order
/// of their names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Contract {
    /// The number of the format of these data: 1. A reader that knows another number must refuse the data.
    pub format: u32,
    /// The mounted handlers, in the order of their paths.
    pub handlers: Vec<HandlerContract>,
}

/// The data about what one handler takes, answers, sends and calls.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct HandlerContract {
    /// The name of the handler's type, for example `Board`.
    pub name: String,
    /// The path at which the handler is mounted, with parameters in braces: `/chat/{room}`, `/files/{*path}`.
    pub path: String,
    /// Whether the handler's `impl` has the option `contract`. If not, all members below but `subprotocols`, `limits`,
    /// `session` and `close_codes` are empty.
    pub is_described: bool,
    /// The version of `contract(version = 2)`, 1 without one. A breaking change raises it.
    #[serde(skip_serializing_if = "is_zero")]
    pub version: u32,
    /// The documentation comment of the handler's `impl`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The parameters of the path, in its order. A parameter that no `Path<T>` extracts is a string.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub path_parameters: Vec<ParameterContract>,
    /// The parameters of the query string that `Query<T>` extracts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub query: Vec<ParameterContract>,
    /// The subprotocols, the server's preference first (RFC 6455 §1.9).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subprotocols: Vec<String>,
    /// How named messages and calls are written. `None` for a handler without an envelope.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub envelope: Option<EnvelopeContract>,
    /// The limits that a client runs into.
    pub limits: LimitsContract,
    /// The settings of sessions, if the handler outlives its connections.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionContract>,
    /// Messages of the client: its calls with their answers, and its messages.
    #[serde(skip_serializing_if = "SideContract::is_empty")]
    pub client: SideContract,
    /// Messages of the server: its calls with the client's answers, and its messages.
    #[serde(skip_serializing_if = "SideContract::is_empty")]
    pub server: SideContract,
    /// The close codes that the server sends, in the order of the codes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub close_codes: Vec<CloseContract>,
    /// The states of an `enum` handler, in the order of its variants. Empty without methods of states.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub states: Vec<StateContract>,
    /// The steps from state to state.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub transitions: Vec<TransitionContract>,
    /// The named schemas that others refer to: `{"$ref": "#/schemas/Price"}` is the entry `Price` of the same handler.
    /// The name is written as it is, also with characters that a URL encodes.
    /// A type that is written otherwise than it is read has two entries, of which the client's is `PriceInput`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub schemas: BTreeMap<String, JsonSchema>,
}

/// A JSON Schema of draft 7, as an object or a bool, with members in the order of their names.
pub type JsonSchema = serde_json::Value;

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !*value
}
