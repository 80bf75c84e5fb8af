//! The form of a handler's messages, as a type.

#[cfg(feature = "json")]
use std::marker::PhantomData;

#[cfg(feature = "json")]
use serde::Serialize;
#[cfg(feature = "json")]
use serde_json::value::RawValue;

#[cfg(feature = "json")]
use crate::envelope::{CallError, Envelope, Incoming, Messages};

/// The form of a handler's messages, which `#[websocket(…)]` on its type chooses.
pub trait MessageProtocol {
    /// The messages that may be sent.
    type Sends;
    /// The envelope of these messages.
    #[cfg(feature = "json")]
    type Envelope: Envelope;
    /// The envelope of these messages: none.
    #[cfg(not(feature = "json"))]
    type Envelope;
    /// Whether the messages are in an envelope. The driver routes answers only then.
    const HAS_ENVELOPE: bool = false;

    /// Passes the answers of a text to `found`, with the ids of their calls. Returns whether the text is an answer,
    /// or several.
    #[cfg(feature = "json")]
    fn read_answers(text: &str, found: &mut dyn FnMut(u64, Result<&RawValue, CallError>)) -> bool {
        let _ = (text, found);
        false
    }

    /// Describes a text for the log of a test, by its name. `None` without an envelope.
    #[cfg(feature = "test-util")]
    fn describe(text: &str) -> Option<String> {
        let _ = text;
        None
    }
}

/// The form of a handler without an envelope: all replies are sent as they are.
#[derive(Debug)]
pub enum AnyReply {}

impl MessageProtocol for AnyReply {
    type Sends = Self;
    type Envelope = Self;
}

/// The placeholder of an envelope: no message is in it, and none is written.
#[cfg(feature = "json")]
impl Envelope for AnyReply {
    type Id = ();

    fn open(_: &str) -> Incoming<'_, ()> {
        Incoming::Other
    }

    fn write_message<T: Serialize + ?Sized>(_: &str, _: &T, _: &mut Vec<u8>) -> serde_json::Result<()> {
        Ok(())
    }

    fn write_call<T: Serialize + ?Sized>(_: u64, _: &str, _: &T, _: &mut Vec<u8>) -> serde_json::Result<()> {
        Ok(())
    }

    fn write_answer<T: Serialize + ?Sized>(
        (): &(),
        _: Result<&T, &CallError>,
        _: &mut Vec<u8>,
    ) -> serde_json::Result<()> {
        Ok(())
    }
}

/// The form of a handler whose declaration has errors: whatever it sends causes no further error.
#[derive(Debug)]
pub enum Unchecked {}

impl MessageProtocol for Unchecked {
    type Sends = Self;
    type Envelope = AnyReply;
}

/// The messages that a handler may send: those of an enum, or any reply.
#[cfg(feature = "json")]
pub trait MessageSet {}

#[cfg(feature = "json")]
impl MessageSet for AnyReply {}

#[cfg(feature = "json")]
impl MessageSet for Unchecked {}

#[cfg(feature = "json")]
impl<M: Messages> MessageSet for SendsOnly<M> {}

/// The messages of an enum `M`, and nothing else.
#[cfg(feature = "json")]
#[derive(Debug)]
pub struct SendsOnly<M>(PhantomData<fn() -> M>);
