//! Whether the driver's timer covers the idle timeout and the next ping.

use std::num::NonZeroU64;
use std::time::Duration;

use super::Connection;

/// An idle timeout in nanoseconds. Half as large as an optional `Duration`, and enough for 584 years. A timeout of
/// zero counts as a nanosecond.
#[derive(Clone, Copy, Debug)]
pub(super) struct IdleTimeout(NonZeroU64);

impl IdleTimeout {
    pub(super) fn new(timeout: Duration) -> Self {
        let nanos = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
        Self(NonZeroU64::new(nanos).unwrap_or(NonZeroU64::MIN))
    }

    pub(super) fn get(self) -> Duration {
        Duration::from_nanos(self.0.get())
    }
}

/// The relation of the driver's timer to the idle timeout and the next ping, if there are any.
///
/// ```text
///             on_idle_timer_armed: the driver's timer fires by the idle deadline
///   Stale ──────────────────────────────────────────────────────────────────────▶ Armed ──┐
///     ▲                                                                             │  ▲  │ bytes arrive
///     └─────────────────────────────────────────────────────────────────────────────┘  └──┘
///             set_idle_timeout: the timeout changed
///             on_ping_answered: the next ping may be due before the end of `pong_timeout`
///             on_idle_timer_lost: the timer was moved or dropped
/// ```
///
/// An armed timer stays sufficient while bytes arrive, because both deadlines only move back. The timer
/// then fires too early once, and the driver arms it again. Meanwhile the driver does not have to compare
/// deadlines in each iteration.
///
/// The driver owns the timer, so whether it has fired is not part of this state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IdleTimer {
    /// The driver has to compare its timer with [`Connection::deadline`].
    Stale,
    /// The driver's timer covers the idle timeout.
    Armed,
}

impl Connection {
    /// Returns whether the driver's timer covers all deadlines of the open connection, unless the timer has
    /// fired: the connection has only an idle timeout and pings, and they are covered.
    // PERF: replaces a comparison of deadlines in each iteration of the fast path. budget: text64
    #[inline]
    pub(crate) fn has_only_idle_timeout(&self) -> bool {
        self.idle_timer == IdleTimer::Armed && !self.has_extra_deadlines()
    }

    /// Records that the driver's timer covers the idle timeout.
    pub(crate) fn on_idle_timer_armed(&mut self) {
        self.idle_timer = IdleTimer::Armed;
    }

    /// Records that the driver moved its timer to another deadline, or dropped the timer.
    pub(crate) fn on_idle_timer_lost(&mut self) {
        self.idle_timer = IdleTimer::Stale;
    }
}
