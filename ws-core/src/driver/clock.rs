//! The one timer of a connection.

use std::future::Future;
use std::task::Context as Task;
use std::time::Instant;

use tokio::time::sleep_until;

use super::links::Links;
use super::pace::unhindered;

/// The runtime's clock, which tests can set.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

impl Links {
    /// Asks to be woken at `deadline`; true if it has passed.
    ///
    /// The timer is not moved when a deadline moves back, as the idle timeout does with each byte: it fires
    /// too early, once, and is then set again.
    pub(super) fn poll_clock(&mut self, task: &mut Task<'_>, deadline: Option<Instant>) -> bool {
        let Some(deadline) = deadline.map(tokio::time::Instant::from) else { return false };
        if self.is_armed
            && let Some(sleep) = &self.sleep
            && sleep.deadline() <= deadline
            && !sleep.is_elapsed()
        {
            return false;
        }
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        sleep.as_mut().reset(deadline);
        let passed = unhindered(task, |task| sleep.as_mut().poll(task)).is_ready();
        self.is_armed = !passed;
        passed
    }
}
