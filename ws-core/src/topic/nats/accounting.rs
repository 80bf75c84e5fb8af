//! Losses among the messages that are read from a history.

use async_nats::Error;

use super::sequence::{MessageId, Stamp};
use super::tracker::{Earlier, SequenceCheck, SequenceTracker};

/// A message of a history: its offset, its headers if a hub has sent it, and the message.
pub(super) type StoredMessage<M> = (u64, Option<Stamp>, M);

/// Maximum number of messages that are read to find out where a sender was at an offset.
const MAX_EARLIER: u64 = 4096;

/// The error of a read that does not have all messages that are known to exist.
pub(super) const BEHIND: &str = "a replica of the stream is behind";

/// The history of a topic, to be read from the broker.
///
/// The stream may have more messages of the topic than the history. No read has more than one message in
/// addition to the history: the one before the others.
pub(super) trait HistoryReader: Sync {
    type Message: Send;

    /// Reads the messages from an offset on. Reads nothing and returns `None` if there are more than `limit`.
    fn read_from(
        &self,
        offset: u64,
        limit: u64,
    ) -> impl Future<Output = Result<Option<Vec<StoredMessage<Self::Message>>>, Error>> + Send;

    /// Reads the first messages from an offset on, up to `len`.
    fn read_first(
        &self,
        offset: u64,
        len: u64,
    ) -> impl Future<Output = Result<Vec<StoredMessage<Self::Message>>, Error>> + Send;

    /// Returns whether a message of another topic is at an offset.
    fn has_other_topic_at(&self, offset: u64) -> impl Future<Output = Result<bool, Error>> + Send;

    /// Returns the offset of the first message of the stream, of any topic.
    fn first_offset(&self) -> u64;

    /// Returns the maximum number of messages of a topic that the history promises, or fewer if the stream does
    /// not store that many.
    fn max_len(&self) -> usize;
}

/// Returns the maximum number of messages that are read at once: the history, and the message before.
fn read_limit<R: HistoryReader>(reader: &R) -> u64 {
    (reader.max_len() as u64).saturating_add(1)
}

/// The messages after an offset.
pub(super) struct MessagesAfter<M> {
    pub(super) accounted: Accounted<M>,
    /// No message is missing, except for those that are reported.
    pub(super) is_complete: bool,
    /// There are no messages after the offset.
    pub(super) is_unchanged: bool,
    /// Offset of the last message.
    pub(super) end: u64,
}

/// Reads the messages after an offset, and finds out whether some are missing. Returns `None` if there are more
/// than the history has.
pub(super) async fn messages_after<R: HistoryReader>(
    reader: &R,
    start: u64,
) -> Result<Option<MessagesAfter<R::Message>>, Error> {
    let Some(messages) = reader.read_from(start, read_limit(reader)).await? else { return Ok(None) };
    let after = messages.iter().filter(|(offset, ..)| *offset > start).count();
    let end = messages.last().map_or(start, |(offset, ..)| (*offset).max(start));
    let has_start = messages.iter().any(|(offset, ..)| *offset == start);
    if !has_start && !has_all_after(reader, start, after).await? {
        let accounted = Accounted { items: Vec::new(), has_unknown_loss: true };
        return Ok(Some(MessagesAfter { accounted, is_complete: false, is_unchanged: after == 0, end }));
    }
    let accounted = match account(messages, Some(start), Earlier::Unread) {
        Ok(accounted) => accounted,
        Err(from) => {
            let (mut messages, earlier) = read_earlier(reader, from, start, end).await?;
            // Messages that were stored meanwhile arrive at the subscription.
            messages.retain(|(offset, ..)| *offset <= end);
            let accounted = account(messages, Some(start), earlier);
            accounted.map_err(|_| "a history that was read leaves a doubt")?
        }
    };
    let is_complete = !accounted.has_unknown_loss;
    Ok(Some(MessagesAfter { accounted, is_complete, is_unchanged: after == 0, end }))
}

/// Reads the messages from an offset on, or the first ones from `start` on only if there are too many.
///
/// # Errors
///
/// A failed request, or the message at the offset `known` is not there: a replica that is behind has answered.
pub(super) async fn read_earlier<R: HistoryReader>(
    reader: &R,
    from: u64,
    start: u64,
    known: u64,
) -> Result<(Vec<StoredMessage<R::Message>>, Earlier), Error> {
    let limit = read_limit(reader);
    let (messages, is_complete, is_cut) = match reader.read_from(from, limit.min(MAX_EARLIER)).await? {
        Some(messages) => {
            let is_complete = reader.first_offset() <= from + 1 && messages.len() <= reader.max_len();
            (messages, is_complete, false)
        }
        None => {
            let messages = reader.read_first(start, limit).await?;
            let is_cut = messages.len() as u64 >= limit;
            (messages, false, is_cut)
        }
    };
    // The messages after the history's length are not read. A recovery has `known` among those before.
    if !is_cut && messages.last().is_none_or(|(offset, ..)| *offset < known) {
        return Err(BEHIND.into());
    }
    Ok((messages, Earlier::Read { is_complete }))
}

/// Returns whether no message after `start` can be missing, although no message is at `start`.
///
/// The stream discards old messages, and then its first sequence is greater than `start`. It also discards
/// messages if the topic has too many, and then the topic has more than the history's length. An operator may
/// have removed messages; then nothing is at `start`.
async fn has_all_after<R: HistoryReader>(reader: &R, start: u64, after: usize) -> Result<bool, Error> {
    let first = reader.first_offset();
    if first > start + 1 || after > reader.max_len() {
        return Ok(false);
    }
    Ok(start == 0 || first == start + 1 || reader.has_other_topic_at(start).await?)
}

/// A part of a history in which losses are known.
pub(super) struct Accounted<M> {
    pub(super) items: Vec<AccountedItem<M>>,
    /// Messages are lost, or may be, and their number is not known.
    pub(super) has_unknown_loss: bool,
}

/// A message to deliver, or a loss to report.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum AccountedItem<M> {
    Message(u64, MessageId, M),
    /// This many messages were lost here.
    Lost(u64),
}

/// Returns the messages after the offset `start`, without duplicates and with their losses.
///
/// Without `start` the first message of each sender is the beginning, because earlier ones were not requested.
///
/// # Errors
///
/// The offset from which the caller reads the history instead, unless `earlier` is that it has done so.
pub(super) fn account<M>(
    messages: Vec<StoredMessage<M>>,
    start: Option<u64>,
    earlier: Earlier,
) -> Result<Accounted<M>, u64> {
    let mut tracker = start.map_or_else(SequenceTracker::anywhere, SequenceTracker::after);
    let mut accounted = Accounted { items: Vec::new(), has_unknown_loss: false };
    let mut read_from: Option<u64> = None;
    for (offset, stamp, message) in messages {
        let Some(stamp) = stamp else { continue };
        if start.is_some_and(|start| offset <= start) {
            tracker.learn(&stamp.id, offset);
            continue;
        }
        let missed = match tracker.check(&stamp, offset, earlier) {
            SequenceCheck::Duplicate => continue,
            SequenceCheck::Doubtful(from) => {
                read_from = Some(read_from.map_or(from, |before| before.min(from)));
                continue;
            }
            SequenceCheck::Late => {
                accounted.has_unknown_loss = true;
                continue;
            }
            SequenceCheck::New(missed) => missed,
        };
        match missed {
            None => {}
            Some(0) => accounted.has_unknown_loss = true,
            Some(missed) => accounted.items.push(AccountedItem::Lost(missed)),
        }
        if !stamp.id.is_mark() {
            accounted.items.push(AccountedItem::Message(offset, stamp.id, message));
        }
    }
    read_from.map_or(Ok(accounted), Err)
}

impl<M> Accounted<M> {
    /// Returns the number of messages.
    pub(super) fn len(&self) -> usize {
        self.items.iter().filter(|item| matches!(item, AccountedItem::Message(..))).count()
    }

    /// Removes the messages up to an offset, and the losses before them.
    pub(super) fn remove_until(&mut self, offset: u64) {
        let is_earlier =
            |item: &AccountedItem<M>| matches!(item, AccountedItem::Message(at, ..) if *at <= offset);
        let end = self.items.iter().rposition(is_earlier).map_or(0, |last| last + 1);
        self.items.drain(..end);
    }

    /// Removes all but the last `len` messages, and the losses before them.
    pub(super) fn retain_last(&mut self, len: usize) {
        let messages = self.items.iter().enumerate().rev();
        let mut messages = messages.filter(|(_, item)| matches!(item, AccountedItem::Message(..)));
        let first = len.checked_sub(1).and_then(|nth| messages.nth(nth)).map(|(at, _)| at);
        let is_all = self.len() < len;
        let end = if is_all { 0 } else { first.unwrap_or(self.items.len()) };
        self.items.drain(..end);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures_util::FutureExt;

    use super::super::sequence::{Audience, Base};
    use super::*;

    /// The answers of replicas to one read after another.
    struct Replicas(Mutex<Vec<Vec<StoredMessage<()>>>>);

    impl HistoryReader for Replicas {
        type Message = ();

        async fn read_from(&self, offset: u64, _: u64) -> Result<Option<Vec<StoredMessage<()>>>, Error> {
            let mut messages = crate::sync::lock(&self.0).remove(0);
            messages.retain(|(at, ..)| *at >= offset);
            Ok(Some(messages))
        }

        async fn read_first(&self, _: u64, _: u64) -> Result<Vec<StoredMessage<()>>, Error> {
            unreachable!("no read has too many messages")
        }

        async fn has_other_topic_at(&self, _: u64) -> Result<bool, Error> {
            Ok(true)
        }

        fn first_offset(&self) -> u64 {
            1
        }

        fn max_len(&self) -> usize {
            100
        }
    }

    #[test]
    fn answer_of_a_replica_that_is_behind_is_an_error() {
        let message = |number: u64, base: u64| {
            let id = MessageId { node: 1, topic_id: 0, sequence: number, audience: Audience::All };
            let base = Some(Base { number: base, offset: base });
            (number, Some(Stamp { id, base, is_repeated: false }), ())
        };
        let all: Vec<_> = (1..=9).map(|number| message(number, 1)).collect();
        let find = |answers: [&[StoredMessage<()>]; 2]| {
            let replicas = Replicas(Mutex::new(answers.map(<[_]>::to_vec).into()));
            messages_after(&replicas, 5).now_or_never().unwrap()
        };
        // The first read does not tell which numbers precede the position, so an earlier part is read, too.
        let found = find([&all[5..], &all]).unwrap().unwrap();
        assert!(found.is_complete && found.accounted.len() == 4 && found.end == 9);
        let error = find([&all[5..], &all[..7]]).err().unwrap();
        assert_eq!(error.to_string(), BEHIND);
    }
}
