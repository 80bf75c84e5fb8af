//! The one timer of a connection.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};
use std::time::Instant;

use tokio::time::{Sleep, sleep_until};

use super::budget::without_coop_budget;

/// The timer that wakes a connection for its next deadline. Allocated with the first deadline.
#[derive(Default)]
pub(super) struct DeadlineTimer(Option<Pin<Box<Sleep>>>);

/// Result of arming the timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Armed {
    /// The timer already fires at the deadline or earlier.
    Already,
    /// The timer was moved to the deadline.
    Anew,
    /// The deadline has passed.
    Passed,
}

impl DeadlineTimer {
    /// Drops the timer, because it would wake another task.
    pub(super) fn disarm(&mut self) {
        self.0 = None;
    }

    /// Returns whether the timer will wake the connection at `deadline` or earlier.
    pub(super) fn fires_by(&self, deadline: Instant) -> bool {
        self.is_armed_for(deadline) && !self.is_elapsed()
    }

    /// Like [`fires_by`](Self::fires_by), but also true for a timer that has just fired on another thread,
    /// and so has already woken the connection.
    pub(super) fn is_armed_for(&self, deadline: Instant) -> bool {
        self.0.as_ref().is_some_and(|sleep| sleep.deadline() <= deadline.into())
    }

    /// Returns whether the timer has fired.
    // PERF: checked in every poll. budget: text64
    #[inline(always)]
    pub(super) fn is_elapsed(&self) -> bool {
        self.0.as_ref().is_some_and(|sleep| sleep.is_elapsed())
    }

    /// Arms the timer for `deadline`.
    ///
    /// A timer that fires earlier stays as it is, because each byte from the client postpones the idle
    /// timeout. The timer then fires once too early and is armed again.
    pub(super) fn poll_deadline(&mut self, task: &mut TaskContext<'_>, deadline: Instant) -> Armed {
        if self.fires_by(deadline) {
            return Armed::Already;
        }
        let deadline = tokio::time::Instant::from(deadline);
        let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        sleep.as_mut().reset(deadline);
        match without_coop_budget(task, |task| sleep.as_mut().poll(task)) {
            Poll::Ready(()) => Armed::Passed,
            Poll::Pending => Armed::Anew,
        }
    }
}
