//! A connection with taps.
//!
//! A connection without taps executes nothing for them. Received messages pass the optional checks, and messages to the
//! client pass the encoder; both exist for other reasons, and a tap creates them where they are missing.

use std::sync::Arc;
use std::time::Instant;

use super::super::frame::Opcode;
use super::Connection;
use super::encoder::Encoder;
use super::keepalive::OptionalChecks;
use super::tap::{Direction, MessageTap, TappedMessage, Taps};
use crate::message::MessageKind;

impl Connection {
    /// Passes all messages from now on to a tap. A connection that closes has no more messages.
    pub(crate) fn tap(&mut self, tap: &Arc<dyn MessageTap>, now: Instant) {
        if self.is_closing() || self.has_write_failed() {
            return;
        }
        self.remove_unused_checks();
        let checks = self.extras.checks_or_insert_with(|| OptionalChecks::for_taps(now));
        checks.taps.add(Arc::clone(tap));
        let encoder =
            self.extras.encoder_or_insert_with(|| Encoder { deflater: None, taps: Taps::default() });
        encoder.taps.add(Arc::clone(tap));
    }

    /// Removes checks whose taps have ended.
    pub(super) fn remove_unused_checks(&mut self) {
        let is_unused =
            |checks: &OptionalChecks| checks.taps.is_empty() && checks.are_for_taps(self.options());
        if self.extras.checks().is_some_and(is_unused) {
            self.extras.drop_checks();
        }
    }

    /// Passes a message to the taps. `fragment` is whether the message begins, and whether it ends, with this fragment.
    #[cold]
    pub(super) fn tap_sent(&mut self, opcode: Opcode, payload: &[u8], fragment: Option<(bool, bool)>) {
        let encoder = self.extras.encoder_mut().filter(|encoder| !encoder.taps.is_empty());
        let Some(encoder) = encoder else { return };
        let kind = if opcode == Opcode::Text { MessageKind::Text } else { MessageKind::Binary };
        let is_part = fragment.is_some_and(|fragment| fragment != (true, true));
        encoder.taps.on_message(&TappedMessage { direction: Direction::Sent, kind, payload, is_part });
        if encoder.taps.is_empty() && encoder.deflater.is_none() {
            self.extras.drop_encoder();
        }
    }
}

#[cfg(test)]
mod tests;
