//! Whether the driver's timer covers the idle timeout.

use super::Connection;

/// Whether the driver's timer fires no later than the idle timeout.
///
/// ```text
///           on_idle_timer_armed
///   Stale ───────────────────────▶ Armed ──┐ Bytes arrive: the idle deadline moves back. The timer
///     ▲                            │   ▲   │ stays where it is, fires too early once, and is then
///     └────────────────────────────┘   └───┘ set again.
///        set_idle_timeout
/// ```
///
/// An armed timer stays sufficient, because the idle deadline only moves back. The driver therefore does
/// not have to compare deadlines in each iteration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IdleTimer {
    /// The driver has to compare its timer with [`Connection::deadline`].
    Stale,
    /// The driver's timer covers the idle timeout.
    Armed,
}

impl Connection {
    /// Returns whether the driver's timer covers all deadlines of the open connection: there is only the
    /// idle timeout, and that did not change after [`on_idle_timer_armed`](Self::on_idle_timer_armed).
    #[inline]
    pub(crate) fn has_only_idle_timeout(&self) -> bool {
        self.idle_timer == IdleTimer::Armed && !self.has_extra_deadlines()
    }

    /// Records that the driver's timer covers the idle timeout.
    pub(crate) fn on_idle_timer_armed(&mut self) {
        self.idle_timer = IdleTimer::Armed;
    }
}
