//! How much a connection does before others get their turn.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context as TaskContext, Poll};

use tokio::task::{coop, unconstrained};

use crate::handler::Handler;

/// Reads, and rounds of mail, in a turn.
pub(super) const MAX_ITERATIONS: u8 = 16;

/// Messages of the mailbox in a round, and as many that were published.
const MAX_MAILBOX_MESSAGES: u8 = 64;

/// Messages that were read ahead in a round. Each may have taken an async method its time, so that
/// timers and mail are due after a few.
const MAX_READ_AHEAD_MESSAGES: u8 = 16;

/// Counts what a turn has done, over the async methods that it ran: one that never waits must not
/// keep the thread, nor mail the socket, nor the socket mail and timers.
pub(super) struct IterationBudget {
    iterations: u8,
    mailbox: u8,
    published: u8,
    ahead: u8,
}

impl Default for IterationBudget {
    fn default() -> Self {
        Self::new()
    }
}

impl IterationBudget {
    pub(super) fn new() -> Self {
        Self {
            iterations: MAX_ITERATIONS,
            mailbox: MAX_MAILBOX_MESSAGES,
            published: MAX_MAILBOX_MESSAGES,
            ahead: MAX_READ_AHEAD_MESSAGES,
        }
    }

    /// Whether the turn is over.
    pub(super) fn is_exhausted(&self) -> bool {
        self.iterations == 0
    }

    /// Everything has been looked at.
    pub(super) fn next_iteration(&mut self) {
        *self = Self { iterations: self.iterations.saturating_sub(1), ..Self::new() };
    }

    /// Whether one more message that was read ahead may be handled in this round.
    pub(super) fn take_read_ahead(&mut self) -> bool {
        try_take(&mut self.ahead)
    }

    /// Whether one more message may be taken from the mailbox in this round.
    pub(super) fn take_mailbox(&mut self) -> bool {
        try_take(&mut self.mailbox)
    }

    /// Whether one more message of a topic may be taken in this round.
    pub(super) fn take_published(&mut self) -> bool {
        try_take(&mut self.published)
    }

    /// The turn is over. What was read ahead counts on, for it fills up while a method waits.
    pub(super) fn reset(&mut self) {
        *self = Self { ahead: self.ahead, ..Self::new() };
    }
}

fn try_take(remaining: &mut u8) -> bool {
    let allowed = *remaining > 0;
    *remaining = remaining.saturating_sub(1);
    allowed
}

/// Polls the driver's own I/O and clock without the runtime's budget, which it shares with the
/// handler: a method that has used it up would leave the socket unread and the timer unset. What a
/// connection may do in a turn is counted here instead.
pub(super) fn without_coop_budget<R>(
    task: &mut TaskContext<'_>,
    poll: impl FnOnce(&mut TaskContext<'_>) -> Poll<R>,
) -> Poll<R> {
    let mut poll = Some(poll);
    let poll = poll_fn(|task| poll.take().map_or(Poll::Pending, |poll| poll(task)));
    pin!(unconstrained(poll)).poll(task)
}

/// The same in a turn, where it costs something and is most often not needed: only if a method may have
/// used up the budget.
#[inline(always)]
pub(super) fn without_exhausted_budget<H: Handler, R>(
    task: &mut TaskContext<'_>,
    poll: impl FnOnce(&mut TaskContext<'_>) -> Poll<R>,
) -> Poll<R> {
    if is_coop_budget_exhausted::<H>() { without_coop_budget(task, poll) } else { poll(task) }
}

/// Whether a method may have used up the budget. Sync ones use none, and what the driver needs in a turn
/// is less than that.
#[inline(always)]
pub(super) fn is_coop_budget_exhausted<H: Handler>() -> bool {
    H::ASYNC && !coop::has_budget_remaining()
}
