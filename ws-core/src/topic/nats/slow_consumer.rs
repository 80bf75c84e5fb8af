//! Detection of the subscription that a client's "slow consumer" event is about.

use std::sync::atomic::{AtomicBool, Ordering};

/// Maximum number of messages of one subscription that wait for delivery, which takes microseconds. The
/// client drops further messages and emits [`Event::SlowConsumer`](async_nats::Event::SlowConsumer).
pub(super) const SUBSCRIPTION_CAPACITY: usize = 8192;

/// A detector of messages that one subscription has dropped.
///
/// The client's event does not name a subscription. The one that dropped messages had a full buffer, so
/// its task receives at least [`SUBSCRIPTION_CAPACITY`] messages without becoming idle.
#[derive(Default)]
pub(super) struct SlowConsumerDetector {
    /// Some subscription has dropped messages since this one was idle.
    is_suspect: AtomicBool,
    /// This subscription's buffer was full before it was last idle.
    was_full: AtomicBool,
}

impl SlowConsumerDetector {
    /// Records that the buffer is empty after `burst` messages. Returns whether messages were dropped.
    pub(super) fn on_idle(&self, burst: usize) -> bool {
        let is_suspect = self.is_suspect.swap(false, Ordering::AcqRel);
        let was_full = burst >= SUBSCRIPTION_CAPACITY;
        self.was_full.store(was_full && !is_suspect, Ordering::Release);
        was_full && is_suspect
    }

    /// Records the client's event. Returns whether this subscription dropped messages before it was idle.
    pub(super) fn on_slow_consumer(&self) -> bool {
        if self.was_full.swap(false, Ordering::AcqRel) {
            return true;
        }
        self.is_suspect.store(true, Ordering::Release);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overflow_is_attributed_to_the_full_subscription() {
        let detector = SlowConsumerDetector::default();
        assert!(!detector.on_slow_consumer());
        assert!(!detector.on_idle(SUBSCRIPTION_CAPACITY - 1), "another subscription overflowed");
        assert!(!detector.on_idle(SUBSCRIPTION_CAPACITY));
        assert!(detector.on_slow_consumer(), "the event arrives after the burst");
        assert!(!detector.on_slow_consumer());
        assert!(detector.on_idle(SUBSCRIPTION_CAPACITY));
        assert!(!detector.on_idle(SUBSCRIPTION_CAPACITY), "the overflow was already reported");
    }
}
