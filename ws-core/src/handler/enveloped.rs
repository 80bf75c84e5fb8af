//! Handlers whose messages have names.

use std::marker::PhantomData;

use serde_json::value::RawValue;

use crate::envelope::{CallError, Envelope, Incoming};
use crate::reply::{MessageProtocol, MessageSet};

/// A handler that is declared with an [`Envelope`]: `#[websocket(envelope = …)]`.
///
/// Name this trait in bounds; do not implement it by hand.
///
/// ```
/// # use serde::Serialize;
/// # use serde_json::{Result, to_writer};
/// use ws_core::{CallError, Envelope, Enveloped, Incoming, prelude::*};
///
/// /// The messages are `name parameters`, without calls.
/// struct Words;
///
/// impl Envelope for Words {
///     type Id = ();
///
///     fn open(text: &str) -> Incoming<'_, ()> {
///         let Some((name, params)) = text.split_once(' ') else { return Incoming::Other };
///         Incoming::Message { name: name.into(), params: serde_json::from_str(params).ok() }
///     }
///     // …
/// #   fn write_message<T: Serialize + ?Sized>(name: &str, params: &T, out: &mut Vec<u8>) -> Result<()> {
/// #       out.extend_from_slice(name.as_bytes());
/// #       out.push(b' ');
/// #       to_writer(out, params)
/// #   }
/// #   fn write_call<T: Serialize + ?Sized>(_: u64, name: &str, params: &T, out: &mut Vec<u8>) -> Result<()> {
/// #       Self::write_message(name, params, out)
/// #   }
/// #   fn write_answer<T: Serialize + ?Sized>(
/// #       _: &(),
/// #       _: std::result::Result<&T, &CallError>,
/// #       _: &mut Vec<u8>,
/// #   ) -> Result<()> {
/// #       Ok(())
/// #   }
/// }
///
/// #[websocket(path = "/chat", envelope = Words)]
/// #[derive(Default)]
/// struct Chat;
/// # #[websocket] impl Chat { #[on_text] fn other(&mut self, _: &str) {} }
///
/// /// Returns whether a handler's envelope reads a text.
/// fn is_named<H: Enveloped>(text: &str) -> bool {
///     !matches!(H::Envelope::open(text), Incoming::Other)
/// }
/// assert!(is_named::<Chat>("typing {}"));
/// assert!(!is_named::<Chat>("hello"));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no envelope, which says how names and parameters are written",
    label = "`envelope = …` is missing in the declaration of `{Self}`",
    note = "write `#[websocket(envelope = JsonRpc)]` or `#[websocket(envelope = Tagged)]` above its `struct` or `enum`"
)]
pub trait Enveloped: Sized {
    /// The format of the messages.
    type Envelope: Envelope;
    /// The messages that the handler sends: the enum of the option `sends`, or any reply.
    #[doc(hidden)]
    type Sends: MessageSet;
}

/// The form of the messages of a handler `H` with an envelope.
#[derive(Debug)]
pub struct NamedMessages<H>(PhantomData<fn() -> H>);

impl<H: Enveloped> MessageProtocol for NamedMessages<H> {
    type Sends = H::Sends;
    type Envelope = H::Envelope;
    const HAS_ENVELOPE: bool = true;

    fn read_answers(text: &str, found: &mut dyn FnMut(u64, Result<&RawValue, CallError>)) -> bool {
        match H::Envelope::open(text) {
            Incoming::Answer { id, answer } => {
                found(id, answer);
                true
            }
            // A batch with anything else is for the handler.
            Incoming::Batch(entries)
                if entries.iter().all(|entry| matches!(entry, Incoming::Answer { .. })) =>
            {
                for entry in entries {
                    if let Incoming::Answer { id, answer } = entry {
                        found(id, answer);
                    }
                }
                true
            }
            _ => false,
        }
    }

    #[cfg(feature = "test-util")]
    fn describe(text: &str) -> Option<String> {
        Some(crate::envelope::describe::<H::Envelope>(text))
    }
}
