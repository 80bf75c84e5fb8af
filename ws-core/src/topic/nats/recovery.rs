//! Reading what a subscriber missed from a history.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::stream::{Info, LastRawMessageErrorKind, Stream};
use async_nats::{Error, Subject, jetstream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::consumer::EphemeralConsumer;
use super::history_stream::{HistoryStream, epoch};
use super::request::{RETRY_DELAY, request_with_retry};
use super::sequence::{Audience, MessageId};
use super::status::{ConnectionStatus, StatusReceiver};
use super::subscriber::remote_message;
use crate::topic::broker::{RecoveredMessages, RemoteMessage};
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
        let stream = self.history_stream.stream().await?;
        let info = request_with_retry(|| stream.get_info()).await?;
        let (epoch, last) = (epoch(&info), info.state.last_sequence);
        if let Some(len) = self.since.last().filter(|len| *len > 0) {
            return self.last_messages(&stream, &info, len).await;
        }
        let is_known = |since: &Position| since.epoch == epoch && since.offset <= last;
        if let Some(since) = self.since.position().filter(is_known) {
            let found = self.messages_after(&stream, &info, since).await?;
            if found.recovered || found.is_unchanged {
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

    /// Returns the messages after a position, and whether none is missing.
    async fn messages_after(
        &self,
        stream: &Stream,
        info: &Info,
        since: Position,
    ) -> Result<RecoveredMessages, Error> {
        let consumer = EphemeralConsumer::create(stream, &self.subject, since.offset).await?;
        let messages = consumer.read_pending().await?;
        if (messages.len() as u64) < consumer.pending() {
            return Err("the stream has discarded messages meanwhile".into());
        }
        let first = messages.iter().map(|(offset, _)| *offset).find(|offset| *offset >= since.offset);
        let after = messages.iter().filter(|(offset, _)| *offset > since.offset).count();
        let found = RecoveredMessages {
            recovered: first == Some(since.offset) || self.is_complete(info, since.offset, after),
            is_unchanged: after == 0,
            position: messages.last().map_or(since, |(offset, _)| Position { offset: *offset, ..since }),
            missed: Vec::new(),
        };
        let missed = messages.into_iter().filter(|(offset, _)| *offset > since.offset);
        let missed = missed.filter_map(|(offset, message)| self.remote_message(offset, message, since.epoch));
        Ok(RecoveredMessages { missed: missed.collect(), ..found })
    }

    /// Returns whether no message after `offset` can be missing, although no message is at `offset`.
    ///
    /// The stream discards old messages, and then its first sequence is greater than `offset`. It also
    /// discards messages if the topic has too many, and then the topic has more than the history's length.
    fn is_complete(&self, info: &Info, offset: u64, after: usize) -> bool {
        info.state.first_sequence <= offset + 1 && after <= self.history_stream.max_len()
    }

    pub(super) fn remote_message(
        &self,
        offset: u64,
        message: jetstream::Message,
        epoch: u64,
    ) -> Option<RemoteMessage> {
        let message_id = MessageId::from_headers(message.headers.as_ref())?;
        if message_id.audience == Audience::Checkpoint {
            return None;
        }
        Some(remote_message(message.message, message_id, self.node, Some(Position { epoch, offset })))
    }
}
