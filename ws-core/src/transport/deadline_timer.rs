//! The one timer of a connection.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::Context as TaskContext;
use std::time::Instant;

use tokio::task::unconstrained;
use tokio::time::{Sleep, sleep_until};

/// The timer that wakes a connection for its next deadline, over a stream of type `T`.
pub(crate) trait DeadlineTimer<T: ?Sized> {
    /// Creates a timer that is not armed.
    fn new(stream: &T) -> Self;

    /// Disarms the timer, because it would wake another task.
    fn disarm(&mut self);

    /// Returns whether the timer is armed for `deadline` or earlier. Also true if it has just fired on another
    /// thread, and so has already woken the connection.
    fn is_armed_for(&self, deadline: Instant) -> bool;

    /// Returns whether the timer has fired. Checked in every poll.
    fn is_elapsed(&self) -> bool;

    /// Arms the timer for `deadline`, whatever it was armed for. Returns whether the deadline has passed.
    fn reset(&mut self, task: &mut TaskContext<'_>, deadline: Instant) -> bool;

    /// Returns whether the timer will wake the connection at `deadline` or earlier.
    fn fires_by(&self, deadline: Instant) -> bool {
        self.is_armed_for(deadline) && !self.is_elapsed()
    }

    /// Arms the timer for `deadline`.
    ///
    /// A timer that fires earlier stays as it is, because each byte from the client postpones the idle
    /// timeout. The timer then fires once too early and is armed again.
    fn poll_deadline(&mut self, task: &mut TaskContext<'_>, deadline: Instant) -> Armed {
        if self.fires_by(deadline) {
            return Armed::Already;
        }
        if self.reset(task, deadline) { Armed::Passed } else { Armed::Anew }
    }
}

/// Result of arming the timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Armed {
    /// The timer already fires at the deadline or earlier.
    Already,
    /// The timer was moved to the deadline.
    Anew,
    /// The deadline has passed.
    Passed,
}

/// A timer of the runtime. Allocated with the first deadline.
#[derive(Debug)]
pub(crate) struct RuntimeTimer(Option<Pin<Box<Sleep>>>);

impl<T: ?Sized> DeadlineTimer<T> for RuntimeTimer {
    fn new(_: &T) -> Self {
        Self(None)
    }

    fn disarm(&mut self) {
        self.0 = None;
    }

    fn is_armed_for(&self, deadline: Instant) -> bool {
        self.0.as_ref().is_some_and(|sleep| sleep.deadline() <= deadline.into())
    }

    // PERF: checked in every poll. budget: text64
    #[inline(always)]
    fn is_elapsed(&self) -> bool {
        self.0.as_ref().is_some_and(|sleep| sleep.is_elapsed())
    }

    fn reset(&mut self, task: &mut TaskContext<'_>, deadline: Instant) -> bool {
        let deadline = tokio::time::Instant::from(deadline);
        let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        sleep.as_mut().reset(deadline);
        // A method that has exhausted tokio's coop budget would leave the timer unarmed.
        pin!(unconstrained(sleep.as_mut())).poll(task).is_ready()
    }
}
