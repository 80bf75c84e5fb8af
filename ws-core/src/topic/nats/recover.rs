//! What somebody has missed of a history.

use std::sync::Arc;

use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::stream::{Info, LastRawMessageErrorKind, Stream};
use async_nats::{Error, Subject, jetstream};
use futures_util::StreamExt;

use super::PATIENCE;
use super::listen::arrival;
use super::stamp::{About, Stamp};
use super::stream::{MAX_LEN, Streams, consumer, epoch};
use crate::topic::broker::{Arrival, Found};
use crate::topic::history::History;
use crate::topic::position::Position;
use crate::topic::since::Since;

/// How many messages are asked for at once.
pub(super) const BATCH: usize = 500;

/// A search in a history.
pub(super) struct Search {
    pub(super) streams: Arc<Streams>,
    pub(super) node: u64,
    pub(super) history: History,
    pub(super) subject: Subject,
    pub(super) since: Since,
}

impl Search {
    /// What there is; `None` if the broker does not say.
    pub(super) async fn run(self) -> Option<Found> {
        // When a thousand clients come back at once, they take turns.
        let _turn = self.streams.turns.acquire().await;
        match tokio::time::timeout(2 * PATIENCE, self.search()).await {
            Ok(Ok(found)) => return Some(found),
            Ok(Err(error)) => {
                tracing::warn!(%error, subject = &*self.subject, "a history cannot be read");
                self.streams.forget(self.history);
            }
            Err(_) => tracing::warn!(subject = &*self.subject, "a history cannot be read in time"),
        }
        None
    }

    async fn search(&self) -> Result<Found, Error> {
        let stream = self.streams.stream(self.history).await?;
        let info = stream.get_info().await?;
        let (epoch, last) = (epoch(&info), info.state.last_sequence);
        if let Some(len) = self.since.last().filter(|len| *len > 0) {
            return self.last(&stream, &info, len).await;
        }
        let known = |since: &Position| since.epoch == epoch && since.offset <= last;
        if let Some(since) = self.since.position().filter(known) {
            let found = self.after(&stream, &info, since).await?;
            if found.recovered || found.is_quiet {
                return Ok(found);
            }
        }
        // That of a message, if there is one: it proves something later.
        let offset = match stream.get_last_raw_message_by_subject(&self.subject).await {
            Ok(message) => message.sequence,
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => last,
            Err(error) => return Err(error.into()),
        };
        let (recovered, position) = (self.since.last().is_some(), Position { epoch, offset });
        Ok(Found { recovered, is_quiet: false, position, missed: Vec::new() })
    }

    /// What came after a position, and whether that is all of it.
    async fn after(&self, stream: &Stream, info: &Info, since: Position) -> Result<Found, Error> {
        let consumer = consumer(stream, &self.subject, since.offset).await?;
        let pending = usize::try_from(consumer.cached_info().num_pending)?;
        let messages = read(&consumer, pending).await?;
        // It ends by itself, only later.
        let _ = stream.delete_consumer(&consumer.cached_info().name).await;
        let at = messages.iter().map(|(offset, _)| *offset).find(|offset| *offset >= since.offset);
        let after = messages.iter().filter(|(offset, _)| *offset > since.offset).count();
        let found = Found {
            recovered: at == Some(since.offset) || self.is_all_there(info, since.offset, after),
            is_quiet: after == 0,
            // What is not there now, and is not in the stream before either, has not been published.
            position: messages.last().map_or(since, |(offset, _)| Position { offset: *offset, ..since }),
            missed: Vec::new(),
        };
        let missed = messages.into_iter().filter(|(offset, _)| *offset > since.offset);
        let missed = missed.filter_map(|(offset, message)| self.arrival(offset, message, since.epoch));
        Ok(Found { missed: missed.collect(), ..found })
    }

    /// Whether nothing that came after an offset can be gone, though no message stands there. Messages
    /// go when they are old, and then the stream begins behind them; or when there are too many of the
    /// topic, and then there are as many as there may be, or the stream begins behind those.
    fn is_all_there(&self, info: &Info, offset: u64, after: usize) -> bool {
        info.state.first_sequence <= offset + 1 && after <= self.history.len.min(MAX_LEN)
    }

    pub(super) fn arrival(&self, offset: u64, message: jetstream::Message, epoch: u64) -> Option<Arrival> {
        let stamp = Stamp::of(message.headers.as_ref()).filter(|stamp| stamp.about != About::Mark)?;
        Some(arrival(message.message, stamp, self.node, Some(Position { epoch, offset })))
    }
}

/// So many messages. It fails if some of them are gone meanwhile, which says that not all is there.
async fn read(consumer: &PullConsumer, pending: usize) -> Result<Vec<(u64, jetstream::Message)>, Error> {
    let mut read = Vec::new();
    while read.len() < pending {
        let before = read.len();
        let mut batch =
            consumer.batch().max_messages(BATCH.min(pending - before)).expires(PATIENCE).messages().await?;
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
