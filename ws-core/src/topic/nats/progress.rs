//! The progress of a subscriber in a history.
//!
//! Pure: the caller reads the stream and reports what this returns.

use std::collections::HashMap;

use super::epoch::{Resume, StreamPosition};
use super::sequence::{MessageId, Stamp};
use super::tracker::{Earlier, SequenceCheck, SequenceTracker};
use crate::topic::broker::Loss;
use crate::topic::position::Position;

/// Maximum number of senders whose unstored marks a subscriber remembers.
const MAX_UNSTORED_MARKS: usize = 1024;

/// What a subscriber retains from one follower of its stream to the next.
#[derive(Default)]
pub(super) struct StreamProgress {
    /// `None` until the first start.
    tracker: Option<SequenceTracker>,
    position: Option<StreamPosition>,
    /// The message at the position.
    last_id: Option<MessageId>,
    /// See [`Resume::catch_up`].
    catch_up: u64,
    /// The stream sends the last received message again, if it still has it. If it does not, messages after
    /// it may be gone as well.
    is_unproven: bool,
    /// Last number of each sender that an unstored mark has reported as lost.
    unstored_marks: HashMap<(u64, u64), u64>,
    /// Clients have messages up to this offset from recoveries.
    recovered_until: u64,
    /// Messages up to this offset are not delivered, because clients have them from the previous epoch.
    skip_until: u64,
}

/// Start of a follower.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FollowFrom {
    pub(super) offset: u64,
    /// An unknown number of messages may be lost.
    pub(super) has_gap: bool,
}

/// Returns how many messages a follower does not request, given how many the stream has from its start on.
///
/// The stream of a hub has the history and one message before it. A larger one, of an operator, has more. The
/// oldest ones are then treated as if the stream had discarded them.
pub(super) fn surplus(pending: u64, max_len: usize) -> u64 {
    let max_len = max_len as u64;
    if pending > max_len.saturating_add(1) { pending - max_len } else { 0 }
}

/// What a message of the stream means for the subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// Nothing, or a gap of unknown size before it.
    Skipped { has_gap: bool },
    /// A message to deliver, after lost ones.
    Message { has_gap: bool, loss: Option<Loss> },
    /// Lost messages.
    Mark { has_gap: bool, loss: Option<Loss> },
    /// Messages from this offset on are needed: the caller [learns](StreamProgress::learn) them, and passes
    /// the message again.
    Doubtful(u64),
    /// Another message is at the position than before: the stream has lost its end.
    Replaced,
}

impl StreamProgress {
    /// Starts or continues in a stream of this epoch, with these first and last offsets.
    pub(super) fn resume(&mut self, epoch: u64, first: u64, last: u64) -> FollowFrom {
        let Resume { position, catch_up, has_gap } = Resume::new(self.position, epoch, first, last);
        let before = self.position.unwrap_or(position);
        let tracker = self.tracker.get_or_insert_with(|| SequenceTracker::after(position.offset));
        if before.epoch != epoch {
            tracker.continue_after(last, self.recovered_until > before.offset);
            self.recovered_until = self.recovered_until.min(last);
            self.skip_until = self.recovered_until;
        } else if has_gap {
            tracker.on_skipped(before.offset);
        }
        (self.position, self.catch_up, self.is_unproven) = (Some(position), catch_up, position.is_message);
        let offset = if position.is_message { position.offset } else { position.offset + 1 };
        FollowFrom { offset, has_gap }
    }

    /// Returns whether a follower has started.
    pub(super) fn is_started(&self) -> bool {
        self.position.is_some()
    }

    /// Returns whether the last position is that of a message of the topic.
    pub(super) fn is_at_message(&self) -> bool {
        self.position.is_some_and(|position| position.is_message)
    }

    /// Returns the offset of the last message in a stream of this epoch, if the subscriber has received one.
    pub(super) fn last_message(&self, epoch: u64) -> Option<u64> {
        let position = self.position.filter(|position| position.is_message && position.epoch == epoch);
        position.map(|position| position.offset)
    }

    /// Returns the epoch of the stream; 0 before the first start.
    pub(super) fn epoch(&self) -> u64 {
        self.position.map_or(0, |position| position.epoch)
    }

    /// Returns the offset up to which earlier messages are to be learned.
    pub(super) fn start(&self) -> u64 {
        self.tracker.as_ref().map_or(0, SequenceTracker::start)
    }

    /// Records a message from before the start.
    pub(super) fn learn(&mut self, id: &MessageId, offset: u64) {
        if let Some(tracker) = &mut self.tracker {
            tracker.learn(id, offset);
        }
    }

    /// Records that a client has the messages up to an offset, in an epoch. The position may be before it.
    pub(super) fn recover(&mut self, epoch: u64, end: u64) {
        if self.epoch() == epoch {
            self.recovered_until = self.recovered_until.max(end);
        } else {
            // The messages that the stream has not lost have the same offsets in the new epoch.
            self.skip_until = self.skip_until.max(end.min(self.catch_up));
            if let Some(tracker) = &mut self.tracker {
                tracker.on_recovered_elsewhere();
            }
        }
    }

    /// Records a message of the topic at an offset, before which the history may have discarded others if
    /// `is_behind`. `None` is a message that no hub has sent.
    pub(super) fn receive(
        &mut self,
        (offset, is_behind): (u64, bool),
        stamp: Option<&Stamp>,
        earlier: Earlier,
    ) -> Received {
        let (Some(tracker), Some(position)) = (&mut self.tracker, self.position) else {
            return Received::Skipped { has_gap: false };
        };
        let mut has_gap = false;
        if self.is_unproven && offset >= position.offset {
            if offset == position.offset && self.last_id != stamp.map(|stamp| stamp.id) {
                return Received::Replaced;
            }
            has_gap = offset > position.offset;
        }
        if offset <= position.offset {
            self.is_unproven &= offset != position.offset;
            return Received::Skipped { has_gap };
        }
        // A sender whose messages are all discarded is not missed by its numbers.
        let is_skipped = is_behind && offset > position.offset + 1;
        has_gap |= is_skipped;
        if has_gap {
            tracker.on_skipped(position.offset);
        }
        let exact_until = stamp.map_or(u64::MAX, |stamp| tracker.exact_until(stamp));
        let exact_until = if has_gap { exact_until.min(position.offset) } else { exact_until };
        let checked = match stamp {
            Some(stamp) if offset <= self.skip_until => {
                tracker.learn(&stamp.id, offset);
                SequenceCheck::Duplicate
            }
            Some(stamp) if offset <= self.catch_up => tracker.check_old(stamp, offset, self.catch_up),
            Some(stamp) => tracker.check(stamp, offset, earlier),
            None => SequenceCheck::Duplicate,
        };
        if let SequenceCheck::Doubtful(from) = checked {
            return Received::Doubtful(from);
        }
        if is_skipped {
            tracker.skip(offset);
        }
        self.is_unproven = false;
        self.position = Some(StreamPosition { offset, is_message: true, ..position });
        self.last_id = stamp.map(|stamp| stamp.id);
        if let Some(stamp) = stamp
            && !self.unstored_marks.is_empty()
        {
            let reported = self.unstored_marks.get(&stamp.id.sender());
            if reported.is_some_and(|number| *number <= stamp.id.sequence) {
                self.unstored_marks.remove(&stamp.id.sender());
            }
        }
        let before = Position { epoch: position.epoch, offset };
        let loss = |missed: Option<u64>| missed.map(|missed| Loss { missed, exact_until, before });
        match (checked, stamp) {
            (SequenceCheck::New(missed), Some(stamp)) if stamp.id.is_mark() => {
                Received::Mark { has_gap, loss: loss(missed) }
            }
            (SequenceCheck::New(missed), Some(_)) => Received::Message { has_gap, loss: loss(missed) },
            (SequenceCheck::Late, _) => Received::Skipped { has_gap: true },
            _ => Received::Skipped { has_gap },
        }
    }

    /// Records a mark that the stream did not store. Returns whether it reports a loss that is not known yet.
    pub(super) fn receive_unstored_mark(&mut self, id: &MessageId) -> bool {
        let is_known = self.tracker.as_ref().is_some_and(|tracker| tracker.has_accounted_for(id));
        let reported = self.unstored_marks.get(&id.sender());
        if is_known || reported.is_some_and(|number| *number >= id.sequence) {
            return false;
        }
        if self.unstored_marks.len() >= MAX_UNSTORED_MARKS {
            self.unstored_marks.clear();
        }
        self.unstored_marks.insert(id.sender(), id.sequence);
        true
    }

    /// Returns whether messages are lost that the stream does not report.
    pub(super) fn has_unstored_marks(&self) -> bool {
        !self.unstored_marks.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::super::sequence::{Audience, Base};
    use super::*;

    #[test]
    fn next_epoch_does_not_count_what_clients_may_have_recovered() {
        let stamp = |number, audience| Stamp {
            id: MessageId { node: 1, topic_id: 0, sequence: number, audience },
            base: Some(Base::default()),
            is_repeated: false,
        };
        for (recovered, expect) in [(1, 2), (3, 0)] {
            let mut progress = StreamProgress::default();
            progress.resume(1, 1, 0);
            progress.receive((1, false), Some(&stamp(1, Audience::All)), Earlier::Unread);
            // A client has received messages up to here, also from the history.
            progress.recover(1, recovered);
            progress.resume(2, 1, 0);
            let mark = progress.receive((1, false), Some(&stamp(3, Audience::Mark)), Earlier::Unread);
            let before = Position { epoch: 2, offset: 1 };
            let loss = Loss { missed: expect, exact_until: 0, before };
            assert_eq!(mark, Received::Mark { has_gap: false, loss: Some(loss) }, "{recovered}");
        }
    }
}
