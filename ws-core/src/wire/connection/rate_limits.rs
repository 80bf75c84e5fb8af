//! Limits on messages and control frames per second.

use std::time::Instant;

use super::super::decoder::Decoded;
use super::super::rate_limiter::RateLimiter;
use super::Connection;

/// The state of [`Options::max_message_rate`](crate::Options::max_message_rate).
#[derive(Debug)]
pub(super) struct MessageRate {
    limiter: RateLimiter,
    /// Since when input may have waited because reading was stopped.
    unread_since: Option<Instant>,
}

impl MessageRate {
    pub(super) fn new(now: Instant) -> Self {
        Self { limiter: RateLimiter::new(now), unread_since: None }
    }

    /// Records that input which arrives from now on waits. The last input arrived at `last_received_at`.
    pub(super) fn on_reading_stopped(&mut self, last_received_at: Instant) {
        self.unread_since.get_or_insert(last_received_at);
    }
}

impl Connection {
    /// Returns whether the rate limits allow the message, and counts the message if they do.
    #[inline]
    pub(super) fn is_within_rate_limit(&mut self, message: &Decoded<'_>) -> bool {
        let now = self.last_received_at;
        match message {
            Decoded::Text(_) | Decoded::Binary(_) | Decoded::Part(_) => {
                // Most connections have no such limit.
                let Some(checks) = self.extras.checks_mut() else { return true };
                #[cfg(feature = "inspect")]
                checks.taps.on_received(message);
                let is_allowed = match (message, self.outbox.options().max_message_rate) {
                    // A message in parts counts once, when it begins.
                    (Decoded::Part(part), _) if !part.part().is_first() => true,
                    (_, Some(rate)) => {
                        let MessageRate { limiter, unread_since } = &mut checks.message_rate;
                        limiter.allows_delayed(rate, unread_since.unwrap_or(now), now)
                    }
                    (_, None) => true,
                };
                #[cfg(feature = "inspect")]
                self.remove_unused_checks();
                is_allowed
            }
            // Not counted, so that a client that does nothing but answer pings has no limiter.
            Decoded::Pong(payload) if payload.is_empty() && self.awaits_pong => {
                self.awaits_pong = false;
                true
            }
            Decoded::Ping(_) | Decoded::Pong(_) => {
                let Some(rate) = self.options().max_control_rate else { return true };
                self.extras.control_rate(|| RateLimiter::new(now)).allows(rate, now)
            }
            Decoded::Close(_) => true,
        }
    }

    /// Records that all input was read: later input did not wait.
    #[inline]
    pub(crate) fn on_input_drained(&mut self) {
        if let Some(checks) = self.extras.checks_mut() {
            checks.message_rate.unread_since = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::close::{CloseReason, ProtocolError};
    use crate::options::Options;
    use crate::wire::testing::frame;

    #[test]
    fn pong_to_a_ping_of_the_connection_is_not_counted() {
        let start = Instant::now();
        let options = Options { max_control_rate: Some(1), ..Options::DEFAULT };
        let ping_interval = options.ping_interval.unwrap();
        let mut wire = Connection::new(options.into(), Vec::new(), start);
        let (mut now, pong) = (start, frame(0x8a, b""));
        for _ in 0..2 {
            now += ping_interval;
            assert!(!wire.handle_timeout(now));
            wire.on_bytes_received(now);
            assert!(wire.next_message(&mut &mut pong.clone()[..]).is_some());
            assert!(wire.extras.is_empty() && wire.is_open());
        }
        // Of others, one is allowed in a second.
        assert!(wire.next_message(&mut &mut pong.clone()[..]).is_some());
        assert!(!wire.extras.is_empty() && wire.is_open());
        assert!(wire.next_message(&mut &mut pong.clone()[..]).is_none());
        assert_eq!(wire.close_reason(), Some(&CloseReason::Protocol(ProtocolError::LimitExceeded)));
        // A payload shows that the pong answers no ping of the connection.
        let options = Options { max_control_rate: Some(1), ..Options::DEFAULT };
        let mut wire = Connection::new(options.into(), Vec::new(), start);
        wire.handle_timeout(start + ping_interval);
        wire.on_bytes_received(start + ping_interval + Duration::from_millis(1));
        assert!(wire.next_message(&mut &mut frame(0x8a, b"other")[..]).is_some());
        assert!(!wire.extras.is_empty());
    }
}
