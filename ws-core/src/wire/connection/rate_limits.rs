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
