//! Envelopes: how named messages, calls and their answers are written (feature `json`).

mod call;
mod call_error;
mod calls;
mod client_call_error;
mod content;
#[cfg(feature = "test-util")]
mod describe;
mod json_rpc;
mod members;
mod messages;
mod pending_call;
mod raw_id;
mod tagged;

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

pub use call::Call;
pub use call_error::CallError;
pub(crate) use calls::Calls;
pub use client_call_error::ClientCallError;
#[cfg(feature = "test-util")]
pub(crate) use describe::{describe, shorten};
pub use json_rpc::JsonRpc;
pub use messages::Messages;
#[cfg(any(feature = "client", feature = "contract"))]
pub(crate) use messages::is_one_name;
pub(crate) use messages::write_message;
#[cfg(feature = "client")]
pub(crate) use pending_call::DEFAULT_TIMEOUT;
pub use pending_call::PendingCall;
pub use raw_id::RawId;
pub use tagged::{TagNames, Tagged, TypeTag};

/// The format of named messages and calls, for `#[websocket(envelope = …)]`.
///
/// An envelope has a name and JSON parameters, and for a call also an id, which the answer repeats. One type
/// stands for the format and has no value. Its functions only read and write: they know no connection.
///
/// Parameters are passed as raw JSON, so that a method's arguments are deserialised straight from the message.
///
/// This one is that of OCPP 1.6-J, without errors for brevity:
///
/// ```
/// use serde::Serialize;
/// use serde_json::{Result, to_writer, value::RawValue};
/// use ws_core::{CallError, Envelope, Incoming};
///
/// struct Arrays;
///
/// impl Envelope for Arrays {
///     type Id = String;
///
///     fn open(text: &str) -> Incoming<'_, String> {
///         if let Ok((2, id, name, params)) = serde_json::from_str::<(u8, String, String, &RawValue)>(text) {
///             return Incoming::Call { id, name: name.into(), params: Some(params) };
///         }
///         match serde_json::from_str::<(u8, u64, &RawValue)>(text) {
///             Ok((3, id, result)) => Incoming::Answer { id, answer: Ok(result) },
///             _ => Incoming::Other,
///         }
///     }
///
///     fn write_message<T: Serialize + ?Sized>(name: &str, params: &T, out: &mut Vec<u8>) -> Result<()> {
///         to_writer(out, &(2, "", name, params))
///     }
///
///     fn write_call<T: Serialize + ?Sized>(id: u64, name: &str, params: &T, out: &mut Vec<u8>) -> Result<()> {
///         to_writer(out, &(2, id.to_string(), name, params))
///     }
///
///     fn write_answer<T: Serialize + ?Sized>(
///         id: &String,
///         answer: std::result::Result<&T, &CallError>,
///         out: &mut Vec<u8>,
///     ) -> Result<()> {
///         match answer {
///             Ok(result) => to_writer(out, &(3, id, result)),
///             Err(error) => to_writer(out, &(4, id, "InternalError", error.message(), ())),
///         }
///     }
/// }
///
/// let opened = Arrays::open(r#"[2, "19", "Heartbeat", {}]"#);
/// assert!(matches!(opened, Incoming::Call { id, name, .. } if id == "19" && name == "Heartbeat"));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an envelope",
    label = "does not implement `Envelope`",
    note = "write `envelope = JsonRpc` or `envelope = Tagged`, or implement `ws_core::Envelope` for `{Self}`"
)]
pub trait Envelope: 'static {
    /// The id of a call from the client, as the client wrote it.
    type Id: Send + 'static;

    /// Reads a text message. Any text is possible; the function must not panic.
    fn open(text: &str) -> Incoming<'_, Self::Id>;

    /// Writes a message without an answer.
    ///
    /// # Errors
    ///
    /// Returns an error if the parameters do not serialise.
    fn write_message<T: Serialize + ?Sized>(
        name: &str,
        params: &T,
        out: &mut Vec<u8>,
    ) -> serde_json::Result<()>;

    /// Writes a call to the client. The ids of a connection begin with 1 and rise.
    ///
    /// # Errors
    ///
    /// Returns an error if the parameters do not serialise.
    fn write_call<T: Serialize + ?Sized>(
        id: u64,
        name: &str,
        params: &T,
        out: &mut Vec<u8>,
    ) -> serde_json::Result<()>;

    /// Writes the answer to a call of the client.
    ///
    /// # Errors
    ///
    /// Returns an error if the result does not serialise.
    fn write_answer<T: Serialize + ?Sized>(
        id: &Self::Id,
        answer: Result<&T, &CallError>,
        out: &mut Vec<u8>,
    ) -> serde_json::Result<()>;
}

/// A text message as an [`Envelope`] reads it.
///
/// ```
/// use ws_core::Incoming;
///
/// /// Reads `name parameters`, for example `typing {"room": "lobby"}`.
/// fn open(text: &str) -> Incoming<'_, ()> {
///     let Some((name, params)) = text.split_once(' ') else { return Incoming::Other };
///     Incoming::Message { name: name.into(), params: serde_json::from_str(params).ok() }
/// }
/// assert!(matches!(open("typing {}"), Incoming::Message { name, .. } if name == "typing"));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Incoming<'a, Id> {
    /// A call, which its `#[on_call]` answers. A name without a method is answered with
    /// [`CallError::method_not_found`], parameters that do not fit with [`CallError::invalid_params`].
    Call {
        /// The id that the answer repeats.
        id: Id,
        /// The name of the method.
        name: Cow<'a, str>,
        /// The parameters: an array, an object, or another value for a method that takes `Params<T>`.
        params: Option<&'a RawValue>,
    },
    /// A message for `#[on_message]`, which is not answered.
    Message {
        /// The name of the message.
        name: Cow<'a, str>,
        /// Like the parameters of a call.
        params: Option<&'a RawValue>,
    },
    /// The client's answer to a call of the server.
    Answer {
        /// The id of the call. 0, which no call has, for an answer whose id is not a number of the server.
        id: u64,
        /// The result, or the error with which the client answered.
        answer: Result<&'a RawValue, CallError>,
    },
    /// Several messages in one, whose answers are sent together as a JSON array, in the order in which they are
    /// ready. A `Batch` or an `Other` in a batch is ignored: an envelope returns `Invalid` for an entry that is to be
    /// answered with an error, as [`JsonRpc`] does for each entry that is not an object.
    Batch(Vec<Self>),
    /// A message that is answered with an error without a method: it has the wrong shape.
    Invalid {
        /// The id of the answer.
        id: Id,
        /// The error.
        error: CallError,
    },
    /// A message that is not in this envelope, for `#[on_text]`.
    Other,
}

#[cfg(test)]
mod testing;
