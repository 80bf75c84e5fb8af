//! Losses among the messages that are read from a history.

use async_nats::Error;

use super::sequence::{MessageId, Stamp};
use super::tracker::{Earlier, SequenceCheck, SequenceTracker};

/// A message of a history: its offset, its headers if a hub has sent it, and the message.
pub(super) type StoredMessage<M> = (u64, Option<Stamp>, M);

/// Maximum number of messages that are read to find out where a sender was at an offset.
const MAX_EARLIER: u64 = 4096;

/// The history of a topic, to be read from the broker.
pub(super) trait HistoryReader: Sync {
    type Message: Send;

    /// Reads the messages from an offset on. Returns `None` if there are more than `limit`.
    fn read_from(
        &self,
        offset: u64,
        limit: u64,
    ) -> impl Future<Output = Result<Option<Vec<StoredMessage<Self::Message>>>, Error>> + Send;

    /// Returns whether a message of another topic is at an offset.
    fn has_other_topic_at(&self, offset: u64) -> impl Future<Output = Result<bool, Error>> + Send;

    /// Returns the offset of the first message of the stream, of any topic.
    fn first_offset(&self) -> u64;

    /// Returns the maximum number of messages of a topic that the history promises.
    fn max_len(&self) -> usize;
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

/// Reads the messages after an offset, and finds out whether some are missing.
pub(super) async fn messages_after<R: HistoryReader>(
    reader: &R,
    start: u64,
) -> Result<MessagesAfter<R::Message>, Error> {
    let messages = reader.read_from(start, u64::MAX).await?.unwrap_or_default();
    let after = messages.iter().filter(|(offset, ..)| *offset > start).count();
    let end = messages.last().map_or(start, |(offset, ..)| (*offset).max(start));
    let has_start = messages.iter().any(|(offset, ..)| *offset == start);
    if !has_start && !has_all_after(reader, start, after).await? {
        let accounted = Accounted { items: Vec::new(), has_unknown_loss: true };
        return Ok(MessagesAfter { accounted, is_complete: false, is_unchanged: after == 0, end });
    }
    let accounted = match account(messages, Some(start), Earlier::Unread) {
        Ok(accounted) => accounted,
        Err(from) => {
            let (mut messages, earlier) = read_earlier(reader, from, start).await?;
            // Messages that were stored meanwhile arrive at the subscription.
            messages.retain(|(offset, ..)| *offset <= end);
            let accounted = account(messages, Some(start), earlier);
            accounted.map_err(|_| "a history that was read leaves a doubt")?
        }
    };
    let is_complete = !accounted.has_unknown_loss;
    Ok(MessagesAfter { accounted, is_complete, is_unchanged: after == 0, end })
}

/// Reads the messages from an offset on, or those after `start` only if there are too many.
pub(super) async fn read_earlier<R: HistoryReader>(
    reader: &R,
    from: u64,
    start: u64,
) -> Result<(Vec<StoredMessage<R::Message>>, Earlier), Error> {
    if let Some(messages) = reader.read_from(from, MAX_EARLIER).await? {
        let is_complete = reader.first_offset() <= from + 1 && messages.len() <= reader.max_len();
        return Ok((messages, Earlier::Read { is_complete }));
    }
    let messages = reader.read_from(start, u64::MAX).await?.unwrap_or_default();
    Ok((messages, Earlier::Read { is_complete: false }))
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
