//! Steady sessions, which most polls find: short messages pass between the stream and the engine at once.

use super::SessionTransport;
use super::uplink::Uplink;

impl SessionTransport {
    /// Ends a general path: publishes the numbers of messages, of which the fast paths publish only their own, and
    /// decides whether the session is steady.
    pub(super) fn settle(&mut self) {
        self.publish();
        self.is_steady = self.compute_steady();
    }

    /// Returns whether a connection carries the session, and nothing waits or is incomplete in either direction.
    ///
    /// Reads and writes of short messages then take the fast path.
    pub(super) fn compute_steady(&self) -> bool {
        #[cfg(test)]
        if IS_STEADY_DISABLED.get() {
            return false;
        }
        self.stream.is_some()
            && !self.has_own_frames()
            && self.reset == 0
            && self.is_told_attached
            && !self.is_closing
            && !self.has_sent_objects
            && self.short_lived.is_none()
            && self.up.is_between_messages()
            && self.down.is_sent()
    }

    /// Passes a read that is a whole, short message, unless an acknowledgement is due after it. Returns whether it
    /// was passed; otherwise nothing has happened.
    // PERF: most reads of a steady session. General path: `process`. budget: session64
    #[inline(always)]
    pub(super) fn pass_short(&mut self, input: &[u8]) -> bool {
        let received = self.up.received() + 1;
        if !Uplink::is_short_message(input) || self.is_ack_due(received, input.len()) {
            return false;
        }
        self.up.on_short_message();
        self.unacknowledged_bytes += input.len();
        self.link.publish_received(received);
        true
    }
}

#[cfg(test)]
thread_local! {
    /// Whether every session of this thread takes the general paths.
    pub(crate) static IS_STEADY_DISABLED: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
    /// Number of reads, writes and flushes of this thread that took the fast path.
    pub(crate) static TAKEN: std::cell::Cell<[u32; 3]> = const { std::cell::Cell::new([0; 3]) };
}

/// Counts an operation that took the fast path.
#[cfg(test)]
pub(super) fn count_taken(operation: usize) {
    let mut taken = TAKEN.get();
    taken[operation] += 1;
    TAKEN.set(taken);
}
