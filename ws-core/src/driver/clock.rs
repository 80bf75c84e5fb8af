//! The one timer of a connection.

use std::future::Future;
use std::task::Context as Task;
use std::time::Instant;

use super::links::Links;
use super::pace::unhindered;

/// The runtime's clock, which tests can set.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

impl Links<'_> {
    /// Asks to be woken at `deadline`; true if it has passed.
    ///
    /// The timer is not moved when a deadline moves back, as the idle timeout does with each byte: it fires
    /// too early, once, and is then set again.
    pub(super) fn poll_clock(&mut self, task: &mut Task<'_>, deadline: Option<Instant>) -> bool {
        let Some(deadline) = deadline.map(tokio::time::Instant::from) else { return false };
        if self.is_armed && self.sleep.deadline() <= deadline && !self.sleep.is_elapsed() {
            return false;
        }
        self.sleep.as_mut().reset(deadline);
        let passed = unhindered(task, |task| self.sleep.as_mut().poll(task)).is_ready();
        self.is_armed = !passed;
        passed
    }
}
