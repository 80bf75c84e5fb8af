//! The messages of one history that are on their way to the broker: order, retries and marks.
//!
//! Pure: time is an argument, and the caller sends what [`PublishWindow::next`] returns.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::request::RETRY_DELAY;
use super::sender::Sender;
use super::sequence::{Audience, Base, Stamp};

/// Maximum number of messages without an outcome.
const MAX_UNACKNOWLEDGED: usize = 1024;

/// How long a message is sent again before it is given up. A leader election takes 4 to 9 seconds and fits.
pub(super) const MAX_RETRY: Duration = Duration::from_secs(20);

/// Maximum delay between two attempts to store a mark.
const MAX_MARK_DELAY: Duration = Duration::from_secs(10);

/// A message to store, with the data `D` of its publisher.
pub(super) struct WindowMessage<D> {
    pub(super) sender: Arc<Sender>,
    pub(super) sequence: u64,
    pub(super) audience: Audience,
    pub(super) payload: Bytes,
    pub(super) data: D,
}

/// A message or a mark to send now. The caller reports the [`PublishOutcome`] under the same ticket.
pub(super) struct Attempt {
    pub(super) ticket: u64,
    pub(super) sender: Arc<Sender>,
    pub(super) stamp: Stamp,
    pub(super) payload: Bytes,
}

/// The outcome of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PublishOutcome {
    /// The broker has stored the message at this offset, now or in an earlier attempt.
    Stored { offset: u64, is_duplicate: bool },
    /// The broker will not store the message.
    Refused,
    /// The broker has not stored the message, or has not answered.
    Failed,
}

/// What the caller does after an attempt.
pub(super) enum Effect<D> {
    None,
    /// The message is stored.
    Stored(D),
    /// The message is given up. A mark will follow.
    GivenUp(D),
    /// A mark cannot be stored. Subscribers are notified of the loss in another way.
    Unmarked(Arc<Sender>, u64),
}

/// The messages that were accepted and have no final outcome.
///
/// Messages of one sender are sent in order. After a failure the window waits for all outcomes, then sends
/// the failed ones again, the first one alone until it is stored. A message that was stored with a higher
/// number accounts for an earlier one of its sender, which is then given up.
pub(super) struct PublishWindow<D> {
    next_ticket: u64,
    /// Messages to be sent, in publishing order.
    waiting: BTreeMap<u64, Pending<D>>,
    /// Messages that were sent and have no outcome.
    sent: BTreeMap<u64, Pending<D>>,
    /// After a failure: when the first waiting message is sent again.
    retry_at: Option<Instant>,
    /// The first message after a failure was sent again, and has no outcome.
    is_probing: bool,
    marks: HashMap<u64, Mark>,
    /// Marks that were sent: the sender of each ticket, and the number.
    sent_marks: HashMap<u64, (u64, u64)>,
    /// Highest offset known to be stored.
    highest: u64,
    /// A message was stored at an offset that was in use before.
    has_regressed: bool,
}

struct Pending<D> {
    message: WindowMessage<D>,
    /// When the message was first sent.
    first_sent: Option<Instant>,
    /// The message was sent more than once.
    is_repeated: bool,
    /// The base of the first attempt. Later messages of the sender may be stored before the next attempt, but
    /// not before this base.
    base: Option<Base>,
    /// [`PublishWindow::highest`] when the message was last sent.
    sent_after: u64,
}

/// A loss that the history does not report yet.
struct Mark {
    sender: Arc<Sender>,
    retry_at: Instant,
    delay: Duration,
    is_sent: bool,
}

impl<D> PublishWindow<D> {
    pub(super) fn new() -> Self {
        Self {
            next_ticket: 0,
            waiting: BTreeMap::new(),
            sent: BTreeMap::new(),
            retry_at: None,
            is_probing: false,
            marks: HashMap::new(),
            sent_marks: HashMap::new(),
            highest: 0,
            has_regressed: false,
        }
    }

    /// Returns whether another message may be accepted.
    pub(super) fn has_room(&self) -> bool {
        self.retry_at.is_none() && self.waiting.is_empty() && self.sent.len() < MAX_UNACKNOWLEDGED
    }

    /// Returns whether all messages have their outcome.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.sent.is_empty()
    }

    /// Adds a message. Messages of one sender are added in the order of their numbers.
    pub(super) fn accept(&mut self, message: WindowMessage<D>) {
        let ticket = self.ticket();
        self.waiting.insert(
            ticket,
            Pending { message, first_sent: None, is_repeated: false, base: None, sent_after: 0 },
        );
    }

    /// Records the end of the stream, as the broker reports it.
    pub(super) fn observe(&mut self, last: u64) {
        self.highest = self.highest.max(last);
    }

    /// Returns whether the stream has lost its end since the last call.
    pub(super) fn take_regressed(&mut self) -> bool {
        std::mem::take(&mut self.has_regressed)
    }

    /// Returns the next message or mark to send, if there is one now.
    pub(super) fn next(&mut self, now: Instant) -> Option<Attempt> {
        self.next_message(now).or_else(|| self.next_mark(now))
    }

    /// Returns when [`next`](Self::next) may have an attempt without a new outcome.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        let retry = self.retry_at.filter(|_| self.sent.is_empty() && !self.waiting.is_empty());
        let marks = self.marks.values().filter(|mark| !mark.is_sent).map(|mark| mark.retry_at);
        // Marks wait for the messages of their sender.
        retry.into_iter().chain(marks.filter(|_| self.is_idle())).min()
    }

    fn next_message(&mut self, now: Instant) -> Option<Attempt> {
        if let Some(retry_at) = self.retry_at
            && (now < retry_at || !self.sent.is_empty())
        {
            return None;
        }
        let (ticket, mut pending) = self.waiting.pop_first()?;
        self.is_probing = self.retry_at.is_some();
        pending.is_repeated = pending.first_sent.is_some();
        pending.first_sent.get_or_insert(now);
        pending.sent_after = self.highest;
        let WindowMessage { sender, sequence, audience, payload, .. } = &pending.message;
        sender.begin_after(self.highest);
        sender.sent(*sequence);
        let stamp = sender.history_stamp(*sequence, *audience);
        let base = *pending.base.get_or_insert(stamp.base.unwrap_or_default());
        let stamp = Stamp { base: Some(base), is_repeated: pending.is_repeated, ..stamp };
        let attempt = Attempt { ticket, sender: Arc::clone(sender), stamp, payload: payload.clone() };
        self.sent.insert(ticket, pending);
        Some(attempt)
    }

    fn next_mark(&mut self, now: Instant) -> Option<Attempt> {
        if self.retry_at.is_some() || self.marks.is_empty() {
            return None;
        }
        // A later message that is stored reports the loss as well.
        self.marks.retain(|_, mark| mark.is_sent || mark.sender.unreported_loss().is_some());
        let messages = self.sent.values().chain(self.waiting.values());
        let under_way: HashSet<u64> = messages.map(|pending| pending.message.sender.id()).collect();
        let due = self.marks.iter().filter(|(_, mark)| !mark.is_sent && mark.retry_at <= now);
        let id = due.map(|(id, _)| *id).filter(|id| !under_way.contains(id)).min()?;
        let ticket = self.ticket();
        let mark = self.marks.get_mut(&id)?;
        let number = mark.sender.unreported_loss()?;
        mark.is_sent = true;
        mark.sender.begin_after(self.highest);
        let stamp = mark.sender.history_stamp(number, Audience::Mark);
        let attempt = Attempt { ticket, sender: Arc::clone(&mark.sender), stamp, payload: Bytes::new() };
        self.sent_marks.insert(ticket, (id, number));
        Some(attempt)
    }

    /// Records the outcome of an attempt.
    pub(super) fn on_outcome(&mut self, ticket: u64, outcome: PublishOutcome, now: Instant) -> Effect<D> {
        if let Some((sender, number)) = self.sent_marks.remove(&ticket) {
            return self.on_mark_outcome(sender, number, outcome, now);
        }
        let Some(pending) = self.sent.remove(&ticket) else { return Effect::None };
        let is_probe = std::mem::take(&mut self.is_probing);
        let (sender, sequence) = (Arc::clone(&pending.message.sender), pending.message.sequence);
        let is_over = pending.first_sent.is_some_and(|first| now.duration_since(first) >= MAX_RETRY);
        match outcome {
            PublishOutcome::Stored { offset, is_duplicate } => {
                self.on_stored(offset, is_duplicate, pending.sent_after);
                sender.stored(sequence, offset, pending.is_repeated);
                if is_probe {
                    self.retry_at = None;
                }
                Effect::Stored(pending.message.data)
            }
            PublishOutcome::Failed if !is_over && !sender.is_overtaken(sequence) => {
                self.retry_at = Some(now + RETRY_DELAY);
                self.waiting.insert(ticket, pending);
                Effect::None
            }
            PublishOutcome::Refused | PublishOutcome::Failed => {
                self.give_up(&sender, sequence, now);
                Effect::GivenUp(pending.message.data)
            }
        }
    }

    /// Gives up a waiting message whose time is over. Returns `None` if there is none.
    pub(super) fn expire(&mut self, now: Instant) -> Option<D> {
        let is_over = |pending: &Pending<D>| {
            let is_late = pending.first_sent.is_some_and(|first| now.duration_since(first) >= MAX_RETRY);
            is_late || pending.message.sender.is_overtaken(pending.message.sequence)
        };
        let ticket = self.waiting.iter().find(|(_, pending)| is_over(pending)).map(|(ticket, _)| *ticket)?;
        let pending = self.waiting.remove(&ticket)?;
        self.give_up(&pending.message.sender, pending.message.sequence, now);
        Some(pending.message.data)
    }

    /// Records that the stream may have lost messages of these senders that were stored.
    pub(super) fn on_lost_end(&mut self, senders: &[Arc<Sender>], now: Instant) {
        self.highest = 0;
        self.sent.values_mut().chain(self.waiting.values_mut()).for_each(|pending| pending.base = None);
        for sender in senders.iter().filter(|sender| sender.history_lost_end()) {
            self.add_mark(sender, now);
        }
    }

    fn give_up(&mut self, sender: &Arc<Sender>, sequence: u64, now: Instant) {
        sender.given_up(sequence);
        if self.waiting.is_empty() {
            self.retry_at = None;
        }
        self.add_mark(sender, now);
    }

    fn add_mark(&mut self, sender: &Arc<Sender>, now: Instant) {
        self.marks.entry(sender.id()).or_insert_with(|| Mark {
            sender: Arc::clone(sender),
            retry_at: now,
            delay: RETRY_DELAY,
            is_sent: false,
        });
    }

    fn on_mark_outcome(
        &mut self,
        sender: u64,
        number: u64,
        outcome: PublishOutcome,
        now: Instant,
    ) -> Effect<D> {
        let Some(mark) = self.marks.get_mut(&sender) else { return Effect::None };
        mark.is_sent = false;
        match outcome {
            PublishOutcome::Stored { offset, .. } => {
                mark.sender.stored(number, offset, false);
                self.highest = self.highest.max(offset);
                // Another loss may have followed.
                (mark.retry_at, mark.delay) = (now, RETRY_DELAY);
                if mark.sender.unreported_loss().is_none() {
                    self.marks.remove(&sender);
                }
                Effect::None
            }
            PublishOutcome::Refused | PublishOutcome::Failed => {
                mark.retry_at = now + mark.delay;
                mark.delay = (2 * mark.delay).min(MAX_MARK_DELAY);
                Effect::Unmarked(Arc::clone(&mark.sender), number)
            }
        }
    }

    fn on_stored(&mut self, offset: u64, is_duplicate: bool, sent_after: u64) {
        if is_duplicate {
            return;
        }
        if offset <= sent_after {
            self.has_regressed = true;
            self.highest = offset;
        }
        self.highest = self.highest.max(offset);
    }

    fn ticket(&mut self) -> u64 {
        self.next_ticket += 1;
        self.next_ticket
    }
}
