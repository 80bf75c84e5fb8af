//! Counts of messages by kind.

use std::sync::atomic::{AtomicU64, Ordering};

use super::CountedKind;

/// The kinds that are counted, in the order of [`CountedKind`].
pub(super) const KINDS: [&str; 5] = ["text", "binary", "ping", "pong", "close"];

/// Text messages in the lower half and binary messages in the upper half, so that one addition passes both on.
///
/// A half has room for four billion messages, and each set is emptied once a second.
#[derive(Default)]
pub(super) struct DataCount(u64);

impl DataCount {
    /// Counts a text or binary message. Returns false for control frames.
    // PERF: called for every message with a constant kind. budget: text64x16
    #[inline(always)]
    pub(super) fn count(&mut self, kind: CountedKind) -> bool {
        self.0 += match kind {
            CountedKind::Text => 1,
            CountedKind::Binary => 1 << 32,
            CountedKind::Ping | CountedKind::Pong | CountedKind::Close => return false,
        };
        true
    }
}

/// The messages of many connections in one direction.
#[derive(Default)]
pub(super) struct MessageCounts {
    data: AtomicU64,
    control: [AtomicU64; 3],
}

impl MessageCounts {
    /// Moves the messages of a connection here.
    // PERF: called in every poll. budget: text64
    #[inline(always)]
    pub(super) fn take(&self, from: &mut DataCount) {
        if from.0 != 0 {
            self.data.fetch_add(std::mem::take(&mut from.0), Ordering::Relaxed);
        }
    }

    /// Counts a control frame.
    pub(super) fn count_control(&self, kind: CountedKind) {
        if let Some(count) = (kind as usize).checked_sub(2).and_then(|index| self.control.get(index)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Moves the counts to totals by kind.
    pub(super) fn drain_to(&self, totals: &mut [u64; KINDS.len()]) {
        let data = self.data.swap(0, Ordering::Relaxed);
        totals[0] += data & u64::from(u32::MAX);
        totals[1] += data >> 32;
        for (total, count) in totals[2..].iter_mut().zip(&self.control) {
            *total += count.swap(0, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_counted_apart() {
        let (mut data, counts) = (DataCount::default(), MessageCounts::default());
        let kinds = [CountedKind::Text, CountedKind::Binary, CountedKind::Ping, CountedKind::Pong];
        for (kind, times) in kinds.into_iter().chain([CountedKind::Close]).zip(1..) {
            for _ in 0..times {
                if !data.count(kind) {
                    counts.count_control(kind);
                }
            }
        }
        counts.take(&mut data);
        counts.take(&mut data);
        let mut totals = [0; 5];
        counts.drain_to(&mut totals);
        counts.drain_to(&mut totals);
        assert_eq!(totals, [1, 2, 3, 4, 5]);
    }
}
