//! The one timer of a connection.

use std::future::Future;
use std::pin::Pin;
use std::task::Context as TaskContext;
use std::time::Instant;

use tokio::time::{Sleep, sleep_until};

use super::budget::without_coop_budget;
use super::state::DriverState;

impl DriverState {
    /// Whether the timer will wake the connection at `deadline`, or before.
    pub(super) fn fires_by(&self, deadline: Instant) -> bool {
        self.is_armed_for(deadline) && self.sleep.as_ref().is_some_and(|sleep| !sleep.is_elapsed())
    }

    /// The same of one that may have fired just now, on another thread, and so has woken it.
    pub(super) fn is_armed_for(&self, deadline: Instant) -> bool {
        let is_by = |sleep: &Pin<Box<Sleep>>| sleep.deadline() <= deadline.into();
        self.is_armed && self.sleep.as_ref().is_some_and(is_by)
    }

    /// Notes the idle timeout, if the timer is set for that or for something before; or that there is none.
    pub(super) fn note_idle_timeout(&mut self, timeout: Option<Instant>) {
        self.covers_idle_timeout = timeout.is_none_or(|timeout| self.fires_by(timeout));
    }

    /// Whether the timer will wake the connection at the timeout that was noted, however far that was put
    /// off, or before.
    #[inline(always)]
    pub(super) fn is_armed_for_idle(&self) -> bool {
        self.covers_idle_timeout && self.sleep.as_ref().is_none_or(|sleep| !sleep.is_elapsed())
    }

    /// Asks to be woken at `deadline`; true if it has passed.
    ///
    /// The timer is not moved when a deadline moves back, as the idle timeout does with each byte: it fires
    /// too early, once, and is then set again.
    pub(super) fn poll_deadline(&mut self, task: &mut TaskContext<'_>, deadline: Option<Instant>) -> bool {
        let Some(deadline) = deadline else { return false };
        if self.fires_by(deadline) {
            return false;
        }
        let deadline = tokio::time::Instant::from(deadline);
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        sleep.as_mut().reset(deadline);
        let passed = without_coop_budget(task, |task| sleep.as_mut().poll(task)).is_ready();
        self.is_armed = !passed;
        self.covers_idle_timeout = false;
        passed
    }
}
