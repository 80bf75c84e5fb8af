//! What somebody has missed of a history.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::stream::{Info, LastRawMessageErrorKind, Stream};
use async_nats::{Error, Subject, jetstream};
use futures_util::StreamExt;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::history_stream::{HistoryStream, MAX_LEN, create_ephemeral_consumer, epoch, request_with_retry};
use super::sequence::{Audience, MessageId};
use super::subscriber::{RETRY, remote_message};
use super::{NatsConnection, REQUEST_TIMEOUT};
use crate::topic::broker::{RecoveredMessages, RemoteMessage};
use crate::topic::position::Position;
use crate::topic::since::Since;

/// How many messages are asked for at once.
pub(super) const BATCH: usize = 500;

/// How long somebody waits for a turn before it goes on without what it has missed.
const MAX_PERMIT_WAIT: Duration = Duration::from_mins(1);

/// How long a search may take. It is longer than an election, of 4 to 9 seconds.
const MAX_SEARCH: Duration = Duration::from_secs(20);

/// A search in a history.
pub(super) struct HistorySearch {
    pub(super) connection: Arc<NatsConnection>,
    pub(super) history_stream: Arc<HistoryStream>,
    pub(super) subject: Subject,
    /// The turns of this history.
    pub(super) read_permits: Arc<Semaphore>,
    pub(super) since: Since,
}

impl HistorySearch {
    /// What there is; `None` if the broker does not say.
    pub(super) async fn run(self) -> Option<RecoveredMessages> {
        let (read_permits, history_stream) =
            (Arc::clone(&self.read_permits), Arc::clone(&self.history_stream));
        // When a thousand clients come back at once, they take turns: first those of a history, so that
        // one for which the broker does not answer leaves the others some.
        let permits = async { (read_permits.acquire().await, history_stream.read_permits.acquire().await) };
        let Ok(_permits) = timeout(MAX_PERMIT_WAIT, permits).await else {
            tracing::warn!(
                subject = &*self.subject,
                "too many read a history: it has not become somebody's turn"
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

    /// Asks again if the broker does not answer, which it does not while it elects a leader; and at once
    /// when the connection is made anew: what was asked over the one before gets no answer. `None` if
    /// the hub is closed meanwhile.
    async fn search_until_found(&self, failure: &mut Option<Error>) -> Option<RecoveredMessages> {
        let mut reconnects = self.connection.reconnects.subscribe();
        loop {
            reconnects.mark_unchanged();
            if self.connection.is_closed() {
                return None;
            }
            tokio::select! {
                found = self.search() => match found {
                    Ok(found) => return Some(found),
                    Err(error) => {
                        *failure = Some(error);
                        self.history_stream.invalidate();
                        tokio::time::sleep(RETRY).await;
                    }
                },
                Ok(()) = reconnects.changed() => {}
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
        let known = |since: &Position| since.epoch == epoch && since.offset <= last;
        if let Some(since) = self.since.position().filter(known) {
            let found = self.messages_after(&stream, &info, since).await?;
            if found.recovered || found.is_unchanged {
                return Ok(found);
            }
        }
        // That of a message, if there is one: it proves something later.
        let offset = request_with_retry(|| self.last_offset(&stream)).await?.unwrap_or(last);
        let (recovered, position) = (self.since.last().is_some(), Position { epoch, offset });
        Ok(RecoveredMessages { recovered, is_unchanged: false, position, missed: Vec::new() })
    }

    /// Where the last message of the topic stands.
    async fn last_offset(&self, stream: &Stream) -> Result<Option<u64>, Error> {
        match stream.get_last_raw_message_by_subject(&self.subject).await {
            Ok(message) => Ok(Some(message.sequence)),
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// What came after a position, and whether that is all of it.
    async fn messages_after(
        &self,
        stream: &Stream,
        info: &Info,
        since: Position,
    ) -> Result<RecoveredMessages, Error> {
        let consumer = create_ephemeral_consumer(stream, &self.subject, since.offset).await?;
        let pending = usize::try_from(consumer.pull.cached_info().num_pending)?;
        let messages = read(&consumer.pull, pending).await?;
        let at = messages.iter().map(|(offset, _)| *offset).find(|offset| *offset >= since.offset);
        let after = messages.iter().filter(|(offset, _)| *offset > since.offset).count();
        let found = RecoveredMessages {
            recovered: at == Some(since.offset) || self.is_complete(info, since.offset, after),
            is_unchanged: after == 0,
            // What is not there now, and is not in the stream before either, has not been published.
            position: messages.last().map_or(since, |(offset, _)| Position { offset: *offset, ..since }),
            missed: Vec::new(),
        };
        let missed = messages.into_iter().filter(|(offset, _)| *offset > since.offset);
        let missed = missed.filter_map(|(offset, message)| self.remote_message(offset, message, since.epoch));
        Ok(RecoveredMessages { missed: missed.collect(), ..found })
    }

    /// Whether nothing that came after an offset can be gone, though no message stands there. Messages
    /// go when they are old, and then the stream begins behind them; or when there are too many of the
    /// topic, and then there are as many as there may be, or the stream begins behind those.
    fn is_complete(&self, info: &Info, offset: u64, after: usize) -> bool {
        info.state.first_sequence <= offset + 1 && after <= self.history_stream.history.len.min(MAX_LEN)
    }

    pub(super) fn remote_message(
        &self,
        offset: u64,
        message: jetstream::Message,
        epoch: u64,
    ) -> Option<RemoteMessage> {
        let message_id = MessageId::from_headers(message.headers.as_ref())
            .filter(|message_id| message_id.audience != Audience::Checkpoint)?;
        Some(remote_message(
            message.message,
            message_id,
            self.connection.node,
            Some(Position { epoch, offset }),
        ))
    }
}

/// So many messages. It fails if some of them are gone meanwhile, which says that not all is there.
async fn read(consumer: &PullConsumer, pending: usize) -> Result<Vec<(u64, jetstream::Message)>, Error> {
    let mut read = Vec::new();
    while read.len() < pending {
        let before = read.len();
        let mut batch = consumer
            .batch()
            .max_messages(BATCH.min(pending - before))
            .expires(REQUEST_TIMEOUT)
            .messages()
            .await?;
        while let Some(message) = batch.next().await {
            let message = message?;
            let offset = message.info()?.stream_sequence;
            read.push((offset, message));
        }
        if read.len() == before {
            return Err("some of them did not come".into());
        }
    }
    Ok(read)
}
