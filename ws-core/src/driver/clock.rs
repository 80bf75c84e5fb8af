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
    /// Whether that is no later than the idle timeout, as it was and as it will be put off.
    is_for_idle: bool,
    waker: Option<Waker>,
}

/// The runtime's clock, which tests can set.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

impl<'a> Clock<'a> {
    pub(super) fn new(sleep: Pin<&'a mut Sleep>) -> Self {
        Self { sleep, armed: None, is_for_idle: false, waker: None }
    }

    /// Whether it wakes that task. One that is spawned stays the same.
    #[inline(always)]
    pub(super) fn wakes(&self, task: &Task<'_>) -> bool {
        self.waker.as_ref().is_some_and(|waker| waker.will_wake(task.waker()))
    }

    /// Remembers the task, which everything that wakes it must be told.
    pub(super) fn register(&mut self, task: &Task<'_>) {
        self.waker = Some(task.waker().clone());
        // The sleep wakes the old task, so it is to be armed again.
        self.armed = None;
        self.is_for_idle = false;
    }

    /// Whether it will wake the connection at `deadline`, or before.
    pub(super) fn fires_by(&self, deadline: Instant) -> bool {
        self.armed.is_some_and(|armed| armed <= deadline) && !self.sleep.is_elapsed()
    }

    /// Notes the idle timeout, if the clock is set for that or for something before; or that there is none.
    pub(super) fn note_idle(&mut self, timeout: Option<Instant>) {
        self.is_for_idle = timeout.is_none_or(|timeout| self.fires_by(timeout));
    }

    /// Whether it will wake the connection at the timeout that was noted, however far that was put off, or
    /// before.
    #[inline(always)]
    pub(super) fn is_set_for_idle(&self) -> bool {
        self.is_for_idle && !self.sleep.is_elapsed()
    }

    /// Asks to be woken at `deadline`; true if it has passed.
    pub(super) fn poll(&mut self, task: &mut Task<'_>, deadline: Option<Instant>) -> bool {
        let Some(deadline) = deadline else { return false };
        if self.fires_by(deadline) {
            return false;
        }
        self.sleep.as_mut().reset(deadline.into());
        self.armed = Some(deadline);
        self.is_for_idle = false;
        let passed = unhindered(task, |task| self.sleep.as_mut().poll(task)).is_ready();
        if passed {
            self.armed = None;
        }
        passed
    }
}
