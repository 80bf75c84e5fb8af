//! Detection of duplicates and losses by the numbers of messages.

use std::collections::HashMap;

use super::sequence::{MessageId, Stamp};
#[cfg(doc)]
use crate::topic::broker::Loss;

/// Maximum number of senders that a [`SequenceTracker`] remembers. Beyond it, the least recently active
/// half is evicted.
const MAX_SENDERS: usize = 4096;

/// Result of checking a message against the messages received before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SequenceCheck {
    /// The message is new. `Some` is the number of messages lost before it; 0 means an unknown number.
    New(Option<u64>),
    /// The message was received before, or was reported as lost.
    Duplicate,
    /// The answer is in the history, from this offset up to the start of the tracker. The caller
    /// [learns](SequenceTracker::learn) the messages there and checks again.
    Doubtful(u64),
    /// The message was sent again, and later ones of its sender may have been received. The message counts as
    /// a loss of unknown size, and is not recorded.
    Late,
}

/// Knowledge of a history before the start of a tracker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Earlier {
    /// The caller can read it.
    Unread,
    /// The caller has read it. `is_complete` if the history has discarded nothing of it.
    Read { is_complete: bool },
}

/// The messages that a subscriber expects of a sender from which it has received none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    /// None before the sender's first message: without a history, nothing tells when the sender began.
    Core,
    /// All that are stored after this offset.
    After(u64),
    /// None before the first one: the subscriber requested some messages, not all.
    Anywhere,
}

impl Start {
    fn offset(self) -> u64 {
        match self {
            Self::After(offset) => offset,
            Self::Core | Self::Anywhere => 0,
        }
    }
}

/// The last sequence number of each sender to one subject.
pub(super) struct SequenceTracker {
    /// By node and topic.
    senders: HashMap<(u64, u64), SenderProgress>,
    start: Start,
    /// The history has replaced another one.
    is_continued: bool,
    /// Number of messages checked so far; orders senders by their last activity.
    clock: u64,
}

struct SenderProgress {
    /// Number of the first message received; 0 once a loss before it was reported.
    first: u64,
    /// Number up to which all messages have been received or reported as lost.
    last: u64,
    /// Offset of the last message.
    offset: u64,
    last_active: u64,
    /// Messages up to this offset may be older than the subscription, although the sender is known.
    old_until: u64,
    /// The history has replaced another one, and the sender has sent no new message since. A message that was
    /// sent again may be older than those that subscribers have recovered from the previous history.
    is_unsettled: bool,
    /// See [`Loss::exact_until`].
    exact_until: u64,
    /// The history has replaced another one, from which clients have recovered messages that were not received
    /// here. The number of messages lost before the next one differs between clients.
    is_uncertain: bool,
}

impl SequenceTracker {
    /// Creates a tracker for a topic without a history.
    pub(super) fn core() -> Self {
        Self::new(Start::Core)
    }

    /// Creates a tracker for the messages of a history after `offset`.
    pub(super) fn after(offset: u64) -> Self {
        Self::new(Start::After(offset))
    }

    /// Creates a tracker for a part of a history.
    pub(super) fn anywhere() -> Self {
        Self::new(Start::Anywhere)
    }

    fn new(start: Start) -> Self {
        Self { senders: HashMap::new(), start, is_continued: false, clock: 0 }
    }

    /// Returns the offset after which the tracker expects all messages; 0 without one.
    pub(super) fn start(&self) -> u64 {
        self.start.offset()
    }

    /// Continues in a history that has replaced the previous one, after this offset. `has_recovered` if clients
    /// have recovered messages of the previous history that were not received here.
    pub(super) fn continue_after(&mut self, offset: u64, has_recovered: bool) {
        (self.start, self.is_continued) = (Start::After(offset), true);
        for sender in self.senders.values_mut() {
            (sender.offset, sender.old_until, sender.is_unsettled) = (0, 0, true);
            sender.exact_until = 0;
        }
        if has_recovered {
            self.on_recovered_elsewhere();
        }
    }

    /// Records that a client has recovered messages of another history that may not have been received here.
    pub(super) fn on_recovered_elsewhere(&mut self) {
        self.senders.values_mut().for_each(|sender| sender.is_uncertain = true);
    }

    /// Records that the history may have had messages after an offset that were not received here.
    pub(super) fn on_skipped(&mut self, offset: u64) {
        for sender in self.senders.values_mut() {
            sender.exact_until = sender.exact_until.min(offset);
        }
    }

    /// Returns [`Loss::exact_until`] of the messages lost before this one, which is not recorded yet.
    pub(super) fn exact_until(&self, stamp: &Stamp) -> u64 {
        let Some(sender) = self.senders.get(&stamp.id.sender()) else { return u64::MAX };
        // The message of the base was stored, or a mark in its place, and was not received.
        let is_skipped = stamp.base.is_some_and(|base| base.number > sender.last);
        if is_skipped { sender.exact_until.min(sender.offset) } else { sender.exact_until }
    }

    /// Records that the history has discarded messages before an offset. The loss was reported.
    pub(super) fn skip(&mut self, offset: u64) {
        if let Start::After(start) = &mut self.start {
            *start = offset.saturating_sub(1).max(*start);
        }
    }

    fn knows(&self, id: &MessageId) -> bool {
        self.senders.contains_key(&id.sender())
    }

    /// Returns whether a message with this number was received or reported as lost.
    pub(super) fn has_accounted_for(&self, id: &MessageId) -> bool {
        self.senders.get(&id.sender()).is_some_and(|sender| sender.last >= id.sequence)
    }

    /// Records a message from before the start, so that later ones are checked against it.
    pub(super) fn learn(&mut self, id: &MessageId, offset: u64) {
        self.clock += 1;
        let clock = self.clock;
        let is_unsettled = self.is_continued && offset <= self.start();
        if !self.knows(id) {
            self.make_room();
        }
        let sender = self.senders.entry(id.sender()).or_insert(SenderProgress {
            first: id.sequence,
            last: 0,
            offset,
            last_active: clock,
            old_until: 0,
            is_unsettled,
            exact_until: u64::MAX,
            is_uncertain: false,
        });
        if id.sequence > sender.last {
            sender.exact_until = u64::MAX;
        }
        sender.last = sender.last.max(id.sequence);
        sender.offset = sender.offset.max(offset);
        sender.last_active = clock;
    }

    /// Like [`check`](Self::check), for messages up to the offset `until` of which some may be older than the
    /// subscription: those of a sender that is not known are duplicates.
    pub(super) fn check_old(&mut self, stamp: &Stamp, offset: u64, until: u64) -> SequenceCheck {
        let id = &stamp.id;
        if self.senders.get(&id.sender()).is_none_or(|sender| offset <= sender.old_until) {
            self.learn(id, offset);
            if let Some(sender) = self.senders.get_mut(&id.sender()) {
                sender.old_until = until;
            }
            return SequenceCheck::Duplicate;
        }
        self.check(stamp, offset, Earlier::Unread)
    }

    /// Records a message at an offset, which is 0 without a history. Returns whether the message is new and
    /// how many were lost before it. A doubtful message is not recorded.
    pub(super) fn check(&mut self, stamp: &Stamp, offset: u64, earlier: Earlier) -> SequenceCheck {
        let id = &stamp.id;
        // A message accounts for its own number, a mark reports it as lost.
        let own = u64::from(!id.is_mark());
        if let Some(sender) = self.senders.get_mut(&id.sender()) {
            if id.sequence < sender.last + own {
                return SequenceCheck::Duplicate;
            }
            if sender.is_unsettled && stamp.is_repeated {
                return SequenceCheck::Late;
            }
            sender.is_unsettled &= id.is_mark() || offset <= self.start.offset();
            let missed = id.sequence - sender.last - own;
            // Without a history, a mark after a failure also reports losses before the first message.
            let base = stamp.base.map_or(u64::MAX, |base| base.number);
            let is_head_lost =
                self.start == Start::Core && id.is_mark() && sender.first > base.saturating_add(1);
            if is_head_lost {
                sender.first = 0;
            }
            self.clock += 1;
            (sender.last, sender.last_active) = (id.sequence, self.clock);
            (sender.offset, sender.exact_until) = (sender.offset.max(offset), u64::MAX);
            let is_uncertain = std::mem::take(&mut sender.is_uncertain) && missed > 0;
            let unknown = (is_head_lost || is_uncertain).then_some(0);
            return SequenceCheck::New(unknown.or((missed > 0).then_some(missed)));
        }
        let missed = match self.before_first(stamp, earlier) {
            Ok(before) => before.map(|before| id.sequence.saturating_sub(before + own)),
            Err(doubt) => match doubt {
                Doubt::Read(from) => return SequenceCheck::Doubtful(from),
                Doubt::Unknown if stamp.is_repeated => return SequenceCheck::Late,
                Doubt::Unknown => {
                    self.learn(id, offset);
                    return SequenceCheck::New(Some(0));
                }
            },
        };
        self.learn(id, offset);
        SequenceCheck::New(missed.filter(|missed| *missed > 0))
    }

    /// Returns the last number of an unknown sender that was accounted for before the start. `None` if the
    /// subscriber expects nothing from before this message.
    fn before_first(&self, stamp: &Stamp, earlier: Earlier) -> Result<Option<u64>, Doubt> {
        let is_mark = stamp.id.is_mark();
        let Start::After(start) = self.start else {
            // A mark addresses subscribers that were disconnected and may have lost messages.
            return if is_mark && self.start == Start::Core { Err(Doubt::Unknown) } else { Ok(None) };
        };
        // A sender of an earlier version.
        let Some(base) = stamp.base else {
            return if is_mark { Err(Doubt::Unknown) } else { Ok(None) };
        };
        // Subscribers may have recovered later messages of the sender from the previous history.
        if self.is_continued && stamp.is_repeated {
            return Err(Doubt::Unknown);
        }
        if base.offset > start {
            // The sender has begun after the start, or a message of it that was stored after the start is
            // gone.
            return if base.number == 0 { Ok(Some(0)) } else { Err(Doubt::Unknown) };
        }
        let is_next = base.number + 1 == stamp.id.sequence && !is_mark && !stamp.is_repeated;
        if is_next {
            return Ok(Some(base.number));
        }
        // Subscribers may have received messages of the previous history from before the subscription.
        if self.is_continued {
            return Err(Doubt::Unknown);
        }
        if base.offset == start {
            return Ok(Some(base.number));
        }
        match earlier {
            Earlier::Unread => Err(Doubt::Read(base.offset)),
            // The message of the base is not there either, unless the sender has begun with this one.
            Earlier::Read { is_complete: true } if base.number == 0 => Ok(Some(0)),
            Earlier::Read { .. } => Err(Doubt::Unknown),
        }
    }

    /// Evicts the least recently active half of the senders if there are too many.
    fn make_room(&mut self) {
        if self.senders.len() < MAX_SENDERS {
            return;
        }
        let mut times: Vec<u64> = self.senders.values().map(|sender| sender.last_active).collect();
        let half = times.len() / 2;
        let (_, middle, _) = times.select_nth_unstable(half);
        let middle = *middle;
        let evicted = self.senders.values().filter(|sender| sender.last_active < middle);
        let last_evicted = evicted.map(|sender| sender.offset).max().unwrap_or(0);
        // An evicted sender is unknown again, and all of its messages up to here were accounted for.
        if let Start::After(start) = &mut self.start {
            *start = last_evicted.max(*start);
        }
        self.senders.retain(|_, sender| sender.last_active >= middle);
    }
}

/// Why the number before a sender's first message is not known.
enum Doubt {
    /// The history from this offset on has the answer.
    Read(u64),
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::super::sequence::{Audience, Base};
    use super::*;

    fn stamp(number: u64, base: Option<(u64, u64)>) -> Stamp {
        let id = MessageId { node: 1, topic_id: 0, sequence: number, audience: Audience::All };
        Stamp { id, base: base.map(|(number, offset)| Base { number, offset }), is_repeated: false }
    }

    fn mark(number: u64, base: Option<(u64, u64)>) -> Stamp {
        let stamp = stamp(number, base);
        Stamp { id: MessageId { audience: Audience::Mark, ..stamp.id }, ..stamp }
    }

    fn from(node: u64, stamp: Stamp) -> Stamp {
        Stamp { id: MessageId { node, ..stamp.id }, ..stamp }
    }

    #[test]
    fn gaps_are_counted() {
        let mut tracker = SequenceTracker::core();
        let mut check = |stamp: Stamp, expect: SequenceCheck| {
            assert_eq!(tracker.check(&stamp, 0, Earlier::Unread), expect, "{stamp:?}");
        };
        check(stamp(7, None), SequenceCheck::New(None));
        check(stamp(8, None), SequenceCheck::New(None));
        check(from(2, stamp(1, None)), SequenceCheck::New(None));
        check(stamp(11, None), SequenceCheck::New(Some(2)));
        check(stamp(11, None), SequenceCheck::Duplicate);
        check(stamp(9, None), SequenceCheck::Duplicate);
        check(mark(11, None), SequenceCheck::New(None));
        check(mark(13, None), SequenceCheck::New(Some(2)));
        check(stamp(14, None), SequenceCheck::New(None));
        check(mark(10, None), SequenceCheck::Duplicate);
        check(from(3, mark(5, None)), SequenceCheck::New(Some(0)));
        check(from(2, stamp(u64::MAX, None)), SequenceCheck::New(Some(u64::MAX - 2)));
    }

    #[test]
    fn mark_without_a_history_reports_losses_before_the_first_message() {
        let mut tracker = SequenceTracker::core();
        let mut check = |stamp: Stamp| tracker.check(&stamp, 0, Earlier::Unread);
        assert_eq!(check(stamp(7, None)), SequenceCheck::New(None));
        // Messages 1 to 6 may be lost, but 1 to 3 had arrived at the server.
        assert_eq!(check(mark(7, Some((3, 0)))), SequenceCheck::New(Some(0)));
        assert_eq!(check(mark(7, Some((3, 0)))), SequenceCheck::New(None));
        assert_eq!(check(from(2, stamp(4, None))), SequenceCheck::New(None));
        assert_eq!(check(from(2, mark(6, Some((3, 0))))), SequenceCheck::New(Some(2)));
    }

    #[test]
    fn history_knows_where_a_sender_begins() {
        let check = |stamp: Stamp| SequenceTracker::after(10).check(&stamp, 20, Earlier::Unread);
        // The predecessor is stored before the start.
        assert_eq!(check(stamp(6, Some((5, 8)))), SequenceCheck::New(None));
        // Exactly at the start: everything later follows it.
        assert_eq!(check(stamp(9, Some((5, 10)))), SequenceCheck::New(Some(3)));
        // The sender has begun after the start.
        assert_eq!(check(stamp(4, Some((0, 12)))), SequenceCheck::New(Some(3)));
        assert_eq!(check(mark(4, Some((0, 12)))), SequenceCheck::New(Some(4)));
        // A message after the start has expired.
        assert_eq!(check(stamp(6, Some((5, 12)))), SequenceCheck::New(Some(0)));
        // A sender of an earlier version.
        assert_eq!(check(stamp(6, None)), SequenceCheck::New(None));
        // The numbers between are before the start, or lost.
        assert_eq!(check(stamp(9, Some((5, 8)))), SequenceCheck::Doubtful(8));
        assert_eq!(check(mark(6, Some((5, 8)))), SequenceCheck::Doubtful(8));
        // A message that was sent twice may be stored after a later one.
        let repeated = Stamp { is_repeated: true, ..stamp(6, Some((5, 8))) };
        assert_eq!(check(repeated), SequenceCheck::Doubtful(8));
    }

    #[test]
    fn doubts_are_resolved_by_earlier_messages() {
        let mut tracker = SequenceTracker::after(10);
        let doubtful = stamp(9, Some((5, 8)));
        assert_eq!(tracker.check(&doubtful, 20, Earlier::Unread), SequenceCheck::Doubtful(8));
        tracker.learn(&stamp(7, None).id, 9);
        let read = Earlier::Read { is_complete: false };
        assert_eq!(tracker.check(&doubtful, 20, read), SequenceCheck::New(Some(1)));
        let late = Stamp { is_repeated: true, ..stamp(8, Some((5, 8))) };
        assert_eq!(tracker.check(&late, 21, read), SequenceCheck::Duplicate);
        let late = from(3, Stamp { is_repeated: true, ..stamp(6, Some((5, 8))) });
        assert_eq!(tracker.check(&late, 22, read), SequenceCheck::Late);
        assert_eq!(tracker.check(&from(3, stamp(9, Some((8, 9)))), 23, read), SequenceCheck::New(None));
        // Nothing is there.
        let first = from(2, stamp(3, Some((0, 8))));
        for (is_complete, expect) in [(true, Some(2)), (false, Some(0))] {
            let checked = SequenceTracker::after(10).check(&first, 20, Earlier::Read { is_complete });
            assert_eq!(checked, SequenceCheck::New(expect));
        }
    }

    #[test]
    fn unknown_sender_that_repeats_itself_after_a_lost_history_is_late() {
        let mut tracker = SequenceTracker::after(1);
        tracker.continue_after(0, false);
        let repeated = |number| Stamp { is_repeated: true, ..stamp(number, Some((0, 0))) };
        assert_eq!(tracker.check(&repeated(1), 1, Earlier::Unread), SequenceCheck::Late);
        // A new message is later than all that subscribers can have received.
        assert_eq!(tracker.check(&stamp(3, Some((2, 2))), 3, Earlier::Unread), SequenceCheck::New(Some(0)));
        assert_eq!(tracker.check(&repeated(2), 4, Earlier::Unread), SequenceCheck::Duplicate);
        // In a history that has lost nothing, the sender begins here.
        let mut tracker = SequenceTracker::after(0);
        assert_eq!(tracker.check(&repeated(1), 1, Earlier::Unread), SequenceCheck::New(None));
    }

    #[test]
    fn numbers_hold_for_clients_that_have_recovered_nothing_later() {
        let mut tracker = SequenceTracker::after(0);
        let check = |tracker: &mut SequenceTracker, stamp: Stamp, offset: u64, expect: u64| {
            assert_eq!(tracker.exact_until(&stamp), expect, "{stamp:?}");
            tracker.check(&stamp, offset, Earlier::Unread)
        };
        check(&mut tracker, stamp(1, Some((0, 0))), 1, u64::MAX);
        check(&mut tracker, stamp(2, Some((1, 1))), 4, u64::MAX);
        // Message 3 is lost on its way, but 6 was stored.
        check(&mut tracker, stamp(4, Some((2, 4))), 6, u64::MAX);
        check(&mut tracker, stamp(7, Some((6, 8))), 9, 6);
        tracker.on_skipped(20);
        tracker.on_skipped(30);
        check(&mut tracker, stamp(9, Some((7, 9))), 40, 20);
        check(&mut tracker, stamp(11, Some((9, 40))), 41, u64::MAX);
        tracker.continue_after(41, false);
        assert_eq!(check(&mut tracker, mark(13, Some((0, 0))), 42, 0), SequenceCheck::New(Some(2)));
        tracker.continue_after(42, true);
        assert_eq!(check(&mut tracker, mark(15, Some((0, 0))), 43, 0), SequenceCheck::New(Some(0)));
        // Nothing is known of this sender, and clients may have had its messages.
        let other = from(2, mark(3, Some((0, 0))));
        assert_eq!(check(&mut tracker, other, 44, u64::MAX), SequenceCheck::New(Some(0)));
    }

    #[test]
    fn least_recently_active_senders_are_evicted() {
        let mut tracker = SequenceTracker::after(0);
        for node in 0..3 * MAX_SENDERS as u64 {
            let offset = 2 * node + 1;
            tracker.check(&from(node, stamp(1, Some((0, 0)))), offset, Earlier::Unread);
            // This sender stays active and is never evicted.
            let active = from(u64::MAX, stamp(node + 1, Some((0, 0))));
            assert_eq!(tracker.check(&active, offset + 1, Earlier::Unread), SequenceCheck::New(None));
        }
        assert!(tracker.senders.len() <= MAX_SENDERS);
        // An evicted sender goes on where it was.
        let again = from(0, stamp(2, Some((1, 1))));
        assert_eq!(tracker.check(&again, 1 << 20, Earlier::Unread), SequenceCheck::New(None));
    }
}
