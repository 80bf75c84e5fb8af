//! The outbox and its high-water mark, for those who wait until the client has read.

use super::Connection;
use crate::options::Overflow;

/// The progress towards a call of `#[on_drain]`.
///
/// ```text
///               a write above the mark                   before a read, below the mark
///   Unreached ──────────────────────────▶ Reached ─────────────────────────────────────▶ Due
///       ▲                                    ▲      a write above the mark                │
///       │                                    └────────────────────────────────────────────┤
///       └──────────────────────────────── take_drained ───────────────────────────────────┘
/// ```
///
/// The read comes first, because a method that fills the outbox each time would otherwise stop all reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HighWater {
    /// The outbox was not above its mark since the last `#[on_drain]`.
    Unreached,
    /// The outbox was above its mark.
    Reached,
    /// The outbox is below its mark, and the client had its turn.
    Due,
}

/// What the stream did with the bytes that it was offered last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LastWrite {
    /// It sent all of them.
    Accepted,
    /// It sent fewer, because the client reads too slowly. Streams that buffer, for example TLS, may hold the
    /// others.
    Refused,
    /// It failed. Nothing more is sent.
    Failed,
}

impl Connection {
    /// Returns whether published messages wait in their queue, where the `overflow` option applies, until the
    /// client has read.
    ///
    /// A policy that drops messages needs them in the queue as soon as the socket accepts no more bytes. A
    /// connection that drains gets no newer ones, so it sends those that wait. Between the fragments of a message,
    /// no other message can be sent.
    #[inline]
    pub(crate) fn holds_published(&self) -> bool {
        self.is_above_high_water()
            || self.has_unfinished_message()
            || (self.last_write == LastWrite::Refused
                && self.options().overflow != Overflow::Close
                && self.is_open())
    }

    /// Handles a write after which the stream has sent all bytes that it was offered.
    // PERF: called for every write, and usually changes nothing. budget: text64
    #[inline(always)]
    pub(crate) fn on_write_completed(&mut self) {
        if self.last_write == LastWrite::Refused {
            self.last_write = LastWrite::Accepted;
            self.metrics.on_outbox_empty();
        }
    }

    /// Handles a write after which the stream has not sent all bytes that it was offered.
    #[cold]
    pub(crate) fn on_write_refused(&mut self) {
        if self.is_above_high_water() {
            self.metrics.on_above_high_water();
        }
        if self.last_write == LastWrite::Accepted {
            self.last_write = LastWrite::Refused;
        }
    }

    /// Returns whether the outbox is below its high-water mark and the stream has sent what it was offered.
    // PERF: part of the check of every iteration, and stricter than `holds_published`. budget: text64
    #[inline(always)]
    pub(super) fn is_keeping_up(&self) -> bool {
        self.last_write == LastWrite::Accepted && !self.is_above_high_water()
    }

    /// Returns whether an `#[on_drain]` follows, now or after the next read.
    #[inline]
    pub(crate) fn has_drained(&self) -> bool {
        self.high_water != HighWater::Unreached && !self.is_above_high_water() && self.is_open()
    }

    /// Records that the client has its turn to be read.
    #[inline]
    pub(crate) fn on_read_turn(&mut self) {
        if self.high_water == HighWater::Reached && !self.is_above_high_water() {
            self.high_water = HighWater::Due;
        }
    }

    /// Returns whether `#[on_drain]` is due, and begins anew.
    pub(crate) fn take_drained(&mut self) -> bool {
        let is_due = self.high_water == HighWater::Due && self.has_drained();
        if is_due {
            self.high_water = HighWater::Unreached;
        }
        is_due
    }
}
