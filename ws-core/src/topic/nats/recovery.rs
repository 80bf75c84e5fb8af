//! Reading what a subscriber missed from a history.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use async_nats::jetstream::stream::{Info, LastRawMessageErrorKind, RawMessageErrorKind, Stream};
use async_nats::{Error, Message, Subject, jetstream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::accounting::{Accounted, AccountedItem, BEHIND, HistoryReader, StoredMessage, messages_after};
use super::consumer::EphemeralConsumer;
use super::epoch::epoch;
use super::history_stream::{HistoryStream, stream_len};
use super::progress::StreamProgress;
use super::request::{REQUEST_TIMEOUT, RETRY_DELAY, request_with_retry};
use super::sender::Sender;
use super::sequence::{Audience, MessageId, Stamp};
use super::status::{ConnectionStatus, StatusReceiver};
use crate::sync::lock;
use crate::topic::broker::{RecoveredItem, RecoveredMessages, RemoteMessage};
use crate::topic::position::Position;
use crate::topic::since::Since;

/// How long a search waits for its permits. Without them it recovers nothing.
const MAX_PERMIT_WAIT: Duration = Duration::from_mins(1);

/// Maximum duration of a search. A leader election takes 4 to 9 seconds and fits.
const MAX_SEARCH: Duration = Duration::from_secs(20);

/// A search in the history of one topic.
pub(super) struct HistorySearch {
    pub(super) history_stream: Arc<HistoryStream>,
    pub(super) subject: Subject,
    pub(super) node: u64,
    pub(super) status: StatusReceiver,
    /// Limits concurrent reads of this topic's history.
    pub(super) read_permits: Arc<Semaphore>,
    pub(super) since: Since,
    /// The sender of this process, if it has published in the topic.
    pub(super) sender: Arc<OnceLock<Arc<Sender>>>,
    /// The progress of the topic's subscription in this process.
    pub(super) progress: Arc<Mutex<StreamProgress>>,
}

impl HistorySearch {
    /// Returns the recovered messages. Returns `None` if the broker does not answer in time.
    pub(super) async fn run(self) -> Option<RecoveredMessages> {
        // The permits limit the load when thousands of clients return together. The topic's permit comes
        // first, so that a topic without answers does not exhaust the permits of the stream.
        let permits =
            async { (self.read_permits.acquire().await, self.history_stream.read_permits.acquire().await) };
        let Ok(_permits) = timeout(MAX_PERMIT_WAIT, permits).await else {
            tracing::warn!(
                subject = &*self.subject,
                "a subscriber recovers nothing: too many others read the same history"
            );
            return None;
        };
        let mut failure = None;
        match timeout(MAX_SEARCH, self.search_until_found(&mut failure)).await {
            Ok(found) => found,
            Err(_) => {
                tracing::warn!(?failure, subject = &*self.subject, "a history cannot be read in time");
                None
            }
        }
    }

    /// Repeats the search after errors, because a broker does not answer during a leader election.
    ///
    /// A reconnect restarts the search at once: requests sent over the previous connection get no answer.
    /// Returns `None` when the hub is closed.
    async fn search_until_found(&self, failure: &mut Option<Error>) -> Option<RecoveredMessages> {
        let mut status = self.status.clone();
        loop {
            if *status.borrow_and_update() == ConnectionStatus::Closed {
                return None;
            }
            tokio::select! {
                found = self.search() => match found {
                    Ok(found) => return Some(found),
                    Err(error) => {
                        *failure = Some(error);
                        self.history_stream.invalidate();
                        tokio::time::sleep(RETRY_DELAY).await;
                    }
                },
                Ok(()) = status.changed() => {}
            }
        }
    }

    async fn search(&self) -> Result<RecoveredMessages, Error> {
        let (stream, info) = self.history_stream.stream_and_info().await?;
        let (epoch, last) = (epoch(&info), info.state.last_sequence);
        if let Some(len) = self.since.last().filter(|len| *len > 0) {
            return self.last_messages(&stream, &info, len).await;
        }
        let is_known = |since: &Position| since.epoch == epoch && since.offset <= last;
        if let Some(since) = self.since.position().filter(is_known) {
            let found = self.messages_after(&stream, &info, since).await?;
            if let Some(found) = found.filter(|found| found.recovered || found.is_unchanged) {
                return Ok(found);
            }
        }
        // The position of a message is preferred, because it can prove later that nothing is missing.
        let offset = request_with_retry(|| self.last_offset(&stream)).await?.unwrap_or(last);
        let (recovered, position) = (self.since.last().is_some(), Position { epoch, offset });
        Ok(RecoveredMessages { recovered, is_unchanged: false, position, missed: Vec::new() })
    }

    /// Returns the offset of the topic's last message.
    async fn last_offset(&self, stream: &Stream) -> Result<Option<u64>, Error> {
        match stream.get_last_raw_message_by_subject(&self.subject).await {
            Ok(message) => Ok(Some(message.sequence)),
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Returns the messages after a position, and whether none is missing. Returns `None` if there are more than
    /// the history has.
    async fn messages_after(
        &self,
        stream: &Stream,
        info: &Info,
        since: Position,
    ) -> Result<Option<RecoveredMessages>, Error> {
        let reader = StreamReader::new(stream, info, &self.subject, self.history_stream.max_len());
        let received = lock(&self.progress).last_message(since.epoch);
        let Some(found) = messages_after(&reader, since.offset).await? else { return Ok(None) };
        self.check_end(stream, info, received, found.end).await?;
        lock(&self.progress).recover(since.epoch, found.end);
        // This process does not receive its own marks.
        let has_unstored_loss = self.sender.get().is_some_and(|sender| sender.unreported_loss().is_some())
            || lock(&self.progress).has_unstored_marks();
        Ok(Some(RecoveredMessages {
            recovered: found.is_complete && !has_unstored_loss,
            is_unchanged: found.is_unchanged && !has_unstored_loss,
            position: Position { offset: found.end, ..since },
            missed: self.recovered_items(found.accounted, since.epoch),
        }))
    }

    /// Checks that the messages up to `end` are all that precede those to be received, the last of which is
    /// `received`.
    ///
    /// The server that reads a replicated stream may be behind. It does not notice that messages are missing at
    /// the end.
    ///
    /// # Errors
    ///
    /// A failed request, or later messages exist. The search is repeated.
    pub(super) async fn check_end(
        &self,
        stream: &Stream,
        info: &Info,
        received: Option<u64>,
        end: u64,
    ) -> Result<(), Error> {
        let is_end = end >= info.state.last_sequence || received.is_some_and(|received| received <= end);
        if info.config.num_replicas <= 1 || is_end {
            return Ok(());
        }
        // The leader of the stream answers. The last message may have expired.
        let last = request_with_retry(|| self.last_offset(stream)).await?;
        if last.is_some_and(|last| end < last) { Err(BEHIND.into()) } else { Ok(()) }
    }

    /// Converts accounted messages into those for the topic.
    pub(super) fn recovered_items(
        &self,
        accounted: Accounted<jetstream::Message>,
        epoch: u64,
    ) -> Vec<RecoveredItem> {
        let convert = |item: AccountedItem<jetstream::Message>| match item {
            AccountedItem::Message(offset, id, message) => RecoveredItem::Message(remote_message(
                message.message,
                id,
                self.node,
                Some(Position { epoch, offset }),
            )),
            AccountedItem::Lost(missed) => RecoveredItem::Lost(missed),
        };
        accounted.items.into_iter().map(convert).collect()
    }
}

/// The messages of a topic in a stream.
pub(super) struct StreamReader<'a> {
    stream: &'a Stream,
    info: &'a Info,
    subject: &'a Subject,
    max_len: usize,
}

impl<'a> StreamReader<'a> {
    /// Creates a reader of a history of `max_len` messages.
    pub(super) fn new(stream: &'a Stream, info: &'a Info, subject: &'a Subject, max_len: usize) -> Self {
        let stored = stream_len(info).and_then(|stored| usize::try_from(stored).ok());
        let max_len = stored.map_or(max_len, |stored| stored.min(max_len));
        Self { stream, info, subject, max_len }
    }
}

impl HistoryReader for StreamReader<'_> {
    type Message = jetstream::Message;

    async fn read_from(
        &self,
        offset: u64,
        limit: u64,
    ) -> Result<Option<Vec<StoredMessage<Self::Message>>>, Error> {
        let consumer = EphemeralConsumer::create(self.stream, self.subject, offset).await?;
        if consumer.pending() > limit {
            return Ok(None);
        }
        read_first(&consumer, limit, limit).await.map(Some)
    }

    async fn read_first(&self, offset: u64, len: u64) -> Result<Vec<StoredMessage<Self::Message>>, Error> {
        let consumer = EphemeralConsumer::create(self.stream, self.subject, offset).await?;
        read_first(&consumer, len, len).await
    }

    async fn has_other_topic_at(&self, offset: u64) -> Result<bool, Error> {
        match timeout(REQUEST_TIMEOUT, self.stream.get_raw_message(offset)).await? {
            Ok(message) => Ok(message.subject != *self.subject),
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn first_offset(&self) -> u64 {
        self.info.state.first_sequence
    }

    fn max_len(&self) -> usize {
        self.max_len
    }
}

/// Reads the first `len` messages that a consumer had when it was created. The last `retained` of them have
/// payloads.
pub(super) async fn read_first(
    consumer: &EphemeralConsumer,
    len: u64,
    retained: u64,
) -> Result<Vec<StoredMessage<jetstream::Message>>, Error> {
    let messages = consumer.read_first(len, retained).await?;
    let stamped = messages.into_iter().map(|(offset, message)| {
        let stamp = Stamp::from_headers(message.headers.as_ref());
        (offset, stamp, message)
    });
    Ok(stamped.collect())
}

/// Converts a message of the broker into one for the topic.
pub(super) fn remote_message(
    message: Message,
    message_id: MessageId,
    node: u64,
    position: Option<Position>,
) -> RemoteMessage {
    let except = match message_id.audience {
        Audience::Except(connection) if message_id.node == node => Some(connection),
        _ => None,
    };
    RemoteMessage { payload: message.payload, position, except }
}
