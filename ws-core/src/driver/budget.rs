//! Fairness: how much a connection does before other tasks of the thread run.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context as TaskContext, Poll};

use tokio::task::{coop, unconstrained};

use crate::handler::Handler;

/// Iterations in one poll of a connection's task.
pub(super) const MAX_ITERATIONS: u8 = 16;

/// Mailbox messages in one iteration, and also published messages in one iteration.
const MAX_MAILBOX_MESSAGES: u8 = 64;

/// Timers in one iteration.
const MAX_TIMERS: u8 = 16;

/// Outputs of futures in one iteration.
const MAX_COMPLETED: u8 = 16;

/// Read-ahead messages in one iteration. Each may have run a slow async method, so timers and the mailbox
/// are due after a few.
const MAX_READ_AHEAD_MESSAGES: u8 = 16;

/// Work that a poll may still do, also across async methods that are ready at once.
///
/// Such methods must not block the thread, nor the mailbox the socket, nor the socket the mailbox and the
/// timers.
///
/// Each source of work has a share of an iteration. The shares survive a pending method: otherwise a mailbox
/// that fills while its methods are pending would be all that the handler ever gets.
pub(super) struct IterationBudget {
    iterations: u8,
    pub(super) read_ahead: Share,
    pub(super) timers: Share,
    pub(super) mailbox: Share,
    pub(super) published: Share,
    pub(super) completed: Share,
}

/// The number of items that one source of work may still give in this iteration.
pub(super) struct Share(u8);

impl Share {
    /// Returns whether the other sources are next.
    #[inline]
    pub(super) fn is_used_up(&self) -> bool {
        self.0 == 0
    }

    /// Counts an item that was taken. A source without items is not charged.
    #[inline]
    pub(super) fn charge(&mut self) {
        self.0 = self.0.saturating_sub(1);
    }
}

impl Default for IterationBudget {
    fn default() -> Self {
        Self::new()
    }
}

impl IterationBudget {
    fn new() -> Self {
        Self {
            iterations: MAX_ITERATIONS,
            read_ahead: Share(MAX_READ_AHEAD_MESSAGES),
            timers: Share(MAX_TIMERS),
            mailbox: Share(MAX_MAILBOX_MESSAGES),
            published: Share(MAX_MAILBOX_MESSAGES),
            completed: Share(MAX_COMPLETED),
        }
    }

    /// Returns whether the poll has to end.
    pub(super) fn is_exhausted(&self) -> bool {
        self.iterations == 0
    }

    /// Counts an iteration, and refills the shares.
    pub(super) fn next_iteration(&mut self) {
        *self = Self { iterations: self.iterations.saturating_sub(1), ..Self::new() };
    }

    /// Refills the budget at the end of a poll that has left nothing to do, or that yields to the runtime.
    pub(super) fn reset(&mut self) {
        *self = Self::new();
    }

    /// Refills the iterations at the end of a poll with a pending method. The shares stay as they are.
    pub(super) fn end_pending_poll(&mut self) {
        self.iterations = MAX_ITERATIONS;
    }
}

/// Polls without tokio's coop budget, which the driver shares with the handler.
///
/// A method that has exhausted that budget would otherwise leave the socket unread and the timer unarmed.
/// [`IterationBudget`] limits the driver instead.
pub(super) fn without_coop_budget<R>(
    task: &mut TaskContext<'_>,
    poll: impl FnOnce(&mut TaskContext<'_>) -> Poll<R>,
) -> Poll<R> {
    let mut poll = Some(poll);
    let poll = poll_fn(|task| poll.take().map_or(Poll::Pending, |poll| poll(task)));
    pin!(unconstrained(poll)).poll(task)
}

/// Like [`without_coop_budget`], but uses the coop budget unless a method has exhausted it.
// PERF: `unconstrained` costs instructions in every read, and is rarely needed. budget: text64
#[inline(always)]
pub(super) fn without_exhausted_budget<H: Handler, R>(
    task: &mut TaskContext<'_>,
    poll: impl FnOnce(&mut TaskContext<'_>) -> Poll<R>,
) -> Poll<R> {
    if is_coop_budget_exhausted::<H>() { without_coop_budget(task, poll) } else { poll(task) }
}

/// Returns whether a method has exhausted tokio's coop budget. Sync methods do not use the budget,
/// and a poll of the driver needs less than all of it.
// PERF: checked for every read; a constant for sync handlers. budget: text64
#[inline(always)]
pub(super) fn is_coop_budget_exhausted<H: Handler>() -> bool {
    H::ASYNC && !coop::has_budget_remaining()
}
