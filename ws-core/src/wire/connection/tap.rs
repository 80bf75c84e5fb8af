//! Taps: receivers of a connection's messages, for an inspector.

use std::fmt;
use std::sync::Arc;

use super::super::decoder::Decoded;
use crate::message::MessageKind;

/// The direction of a message.
///
/// ```
/// use ws_core::inspect::Direction;
///
/// assert_ne!(Direction::Received, Direction::Sent);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the handler.
    Received,
    /// From the server to the client.
    Sent,
}

/// A message that passes a tap, decompressed and unmasked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TappedMessage<'a> {
    pub(crate) direction: Direction,
    pub(crate) kind: MessageKind,
    pub(crate) payload: &'a [u8],
    /// Whether the payload is a part of a message, and not all of it.
    pub(crate) is_part: bool,
}

/// The receiver of a connection's messages. Runs in the task of the connection.
pub(crate) trait MessageTap: Send + Sync {
    /// Takes a message. Returns false if the tap takes no more, which removes it.
    fn on_message(&self, message: &TappedMessage<'_>) -> bool;

    /// Returns whether the tap takes no more messages.
    fn is_ended(&self) -> bool;
}

/// The taps of one direction.
#[derive(Default)]
pub(super) struct Taps(Vec<Arc<dyn MessageTap>>);

impl Taps {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a tap, and removes those that have ended without a message since.
    pub(super) fn add(&mut self, tap: Arc<dyn MessageTap>) {
        self.0.retain(|tap| !tap.is_ended());
        self.0.push(tap);
    }

    pub(super) fn on_message(&mut self, message: &TappedMessage<'_>) {
        self.0.retain(|tap| tap.on_message(message));
    }

    /// Passes a received message to the taps. Control frames are left out.
    pub(super) fn on_received(&mut self, message: &Decoded<'_>) {
        if self.is_empty() {
            return;
        }
        let (kind, payload, is_part) = match message {
            Decoded::Text(text) => (MessageKind::Text, text.as_bytes(), false),
            Decoded::Binary(bytes) => (MessageKind::Binary, &**bytes, false),
            Decoded::Part(part) => {
                let part = part.part();
                (part.kind(), part.bytes(), !(part.is_first() && part.is_last()))
            }
            Decoded::Ping(_) | Decoded::Pong(_) | Decoded::Close(_) => return,
        };
        self.on_message(&TappedMessage { direction: Direction::Received, kind, payload, is_part });
    }
}

impl fmt::Debug for Taps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Taps").field(&self.0.len()).finish()
    }
}
