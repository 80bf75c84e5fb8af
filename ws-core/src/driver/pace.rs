//! How much a connection does before others get their turn.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context as Task, Poll};

use tokio::task::{coop, unconstrained};

use crate::handler::Handler;

/// Reads, and rounds of mail, in a turn.
pub(super) const ROUNDS: u8 = 16;

/// Messages of the mailbox in a round, and as many that were published.
const MAIL: u8 = 64;

/// Messages that were read ahead in a round. Each may have taken an async method its time, so that
/// timers and mail are due after a few.
const AHEAD: u8 = 16;

/// Counts what a turn has done, over the async methods that it ran: one that never waits must not
/// keep the thread, nor mail the socket, nor the socket mail and timers.
pub(super) struct Pace {
    rounds: u8,
    mail: u8,
    published: u8,
    ahead: u8,
}

impl Default for Pace {
    fn default() -> Self {
        Self::new()
    }
}

impl Pace {
    pub(super) fn new() -> Self {
        Self { rounds: ROUNDS, mail: MAIL, published: MAIL, ahead: AHEAD }
    }

    /// Whether the turn may go on.
    pub(super) fn goes_on(&self) -> bool {
        self.rounds > 0
    }

    /// Everything has been looked at.
    pub(super) fn next_round(&mut self) {
        *self = Self { rounds: self.rounds.saturating_sub(1), ..Self::new() };
    }

    /// Whether one more message that was read ahead may be handled in this round.
    pub(super) fn takes_ahead(&mut self) -> bool {
        take(&mut self.ahead)
    }

    /// Whether one more message may be taken from the mailbox in this round.
    pub(super) fn takes_mail(&mut self) -> bool {
        take(&mut self.mail)
    }

    /// Whether one more message of a topic may be taken in this round.
    pub(super) fn takes_published(&mut self) -> bool {
        take(&mut self.published)
    }

    /// The turn is over. What was read ahead counts on, for it fills up while a method waits.
    pub(super) fn rest(&mut self) {
        *self = Self { ahead: self.ahead, ..Self::new() };
    }
}

fn take(left: &mut u8) -> bool {
    let takes = *left > 0;
    *left = left.saturating_sub(1);
    takes
}

/// Polls the driver's own I/O and clock without the runtime's budget, which it shares with the
/// handler: a method that has used it up would leave the socket unread and the timer unset. What a
/// connection may do in a turn is counted here instead.
pub(super) fn unhindered<R>(task: &mut Task<'_>, poll: impl FnOnce(&mut Task<'_>) -> Poll<R>) -> Poll<R> {
    let mut poll = Some(poll);
    let poll = poll_fn(|task| poll.take().map_or(Poll::Pending, |poll| poll(task)));
    pin!(unconstrained(poll)).poll(task)
}

/// The same in a turn, where it costs something and is most often not needed: only if a method may have
/// used up the budget.
#[inline(always)]
pub(super) fn unhindered_if_spent<H: Handler, R>(
    task: &mut Task<'_>,
    poll: impl FnOnce(&mut Task<'_>) -> Poll<R>,
) -> Poll<R> {
    if is_spent::<H>() { unhindered(task, poll) } else { poll(task) }
}

/// Whether a method may have used up the budget. Sync ones use none, and what the driver needs in a turn
/// is less than that.
#[inline(always)]
pub(super) fn is_spent<H: Handler>() -> bool {
    H::ASYNC && !coop::has_budget_remaining()
}
