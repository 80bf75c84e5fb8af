//! Whether a subscription has lost messages because they waited for too long.

use std::sync::atomic::{AtomicBool, Ordering};

use super::SUBSCRIPTION_CAPACITY;

/// The client says that some subscription has lost messages, not which. It is one that has as many
/// waiting as it may, and then has that many to hand on without a pause.
#[derive(Default)]
pub(super) struct SlowConsumerDetector {
    /// Some subscription has lost messages.
    is_suspect: AtomicBool,
    /// This one had so many before its last pause.
    was_full: AtomicBool,
}

impl SlowConsumerDetector {
    /// A pause, after so many messages. True if some were lost.
    pub(super) fn on_idle(&self, burst: usize) -> bool {
        let is_suspect = self.is_suspect.swap(false, Ordering::AcqRel);
        let was_full = burst >= SUBSCRIPTION_CAPACITY;
        self.was_full.store(was_full && !is_suspect, Ordering::Release);
        was_full && is_suspect
    }

    /// Some subscription has lost messages. True if it was this one, before its last pause.
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
    fn overflow_is_that_of_the_one_which_was_full() {
        let slow_consumer = SlowConsumerDetector::default();
        assert!(!slow_consumer.on_slow_consumer());
        assert!(!slow_consumer.on_idle(SUBSCRIPTION_CAPACITY - 1), "it was another one");
        assert!(!slow_consumer.on_idle(SUBSCRIPTION_CAPACITY));
        assert!(slow_consumer.on_slow_consumer(), "it is told late");
        assert!(!slow_consumer.on_slow_consumer());
        assert!(slow_consumer.on_idle(SUBSCRIPTION_CAPACITY));
        assert!(!slow_consumer.on_idle(SUBSCRIPTION_CAPACITY), "it was told already");
    }
}
