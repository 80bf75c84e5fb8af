//! The one timer of a connection.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context as Task, Waker};
use std::time::Instant;

use tokio::time::Sleep;

use super::pace::unhindered;

/// Wakes the connection at its next deadline. It is not moved when a deadline moves back, as the
/// idle timeout does with each byte: it fires too early, once, and is then set again.
pub(super) struct Clock<'a> {
    sleep: Pin<&'a mut Sleep>,
    armed: Option<Instant>,
    waker: Option<Waker>,
}

/// The runtime's clock, which tests can set.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

impl<'a> Clock<'a> {
    pub(super) fn new(sleep: Pin<&'a mut Sleep>) -> Self {
        Self { sleep, armed: None, waker: None }
    }

    /// Remembers the task; true if it is another than last time, so that everything that wakes it
    /// must be told. A task that is spawned stays the same.
    pub(super) fn register(&mut self, task: &Task<'_>) -> bool {
        if self.waker.as_ref().is_some_and(|waker| waker.will_wake(task.waker())) {
            return false;
        }
        self.waker = Some(task.waker().clone());
        // The sleep wakes the old task, so it is to be armed again.
        self.armed = None;
        true
    }

    /// Asks to be woken at `deadline`; true if it has passed.
    pub(super) fn poll(&mut self, task: &mut Task<'_>, deadline: Option<Instant>) -> bool {
        let Some(deadline) = deadline else { return false };
        if self.armed.is_some_and(|armed| armed <= deadline) && !self.sleep.is_elapsed() {
            return false;
        }
        self.sleep.as_mut().reset(deadline.into());
        self.armed = Some(deadline);
        let passed = unhindered(task, |task| self.sleep.as_mut().poll(task)).is_ready();
        if passed {
            self.armed = None;
        }
        passed
    }
}
