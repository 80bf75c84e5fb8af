//! The history that a subscriber follows.

use std::sync::{Arc, Mutex};

use async_nats::jetstream::stream::{Info, Stream};
use async_nats::{Error, Subject};

use super::accounting::read_earlier;
use super::consumer::{EphemeralConsumer, StreamFollower};
use super::history_stream::{HistoryStream, stream_len};
use super::last_messages::consumer_for_last;
use super::progress::{StreamProgress, surplus};
use super::recovery::StreamReader;
use super::tracker::Earlier;
use crate::sync::lock;

/// The history that a subscriber follows.
pub(super) struct SubscribedHistory {
    pub(super) stream: Arc<HistoryStream>,
    pub(super) subject: Subject,
    /// Subject of marks that the stream does not store.
    pub(super) mark_subject: Subject,
    /// Shared with recoveries, which learn from it whether a loss is not stored.
    pub(super) progress: Arc<Mutex<StreamProgress>>,
}

/// A started follower.
pub(super) struct StartedFollower {
    pub(super) messages: StreamFollower,
    /// The first message follows some that were not requested, because they exceed the history.
    pub(super) has_surplus: bool,
    /// See [`stream_len`].
    pub(super) stream_len: Option<u64>,
}

impl SubscribedHistory {
    /// Follows the stream from an offset on. Of the messages that the stream has, the follower requests those of
    /// the history.
    pub(super) async fn follow(
        &self,
        stream: &Stream,
        info: &Info,
        from: u64,
    ) -> Result<StartedFollower, Error> {
        let (max_len, max_payload) = (self.stream.max_len(), self.stream.max_payload());
        let mut consumer = EphemeralConsumer::create(stream, &self.subject, from).await?;
        let has_surplus = surplus(consumer.pending(), max_len) > 0;
        let mut omitted = 0;
        if has_surplus {
            consumer = consumer_for_last(stream, &self.subject, info, max_len as u64).await?;
            omitted = consumer.pending().saturating_sub(max_len as u64);
        }
        let messages = StreamFollower::follow(consumer, omitted, max_payload).await?;
        Ok(StartedFollower { messages, has_surplus, stream_len: stream_len(info) })
    }

    /// Learns the messages from an offset up to the start of the subscription. Another message is `known`.
    pub(super) async fn read_earlier(&self, from: u64, known: u64) -> Result<Earlier, Error> {
        let _permit = self.stream.read_permits.acquire().await;
        let (stream, info) = self.stream.stream_and_info().await?;
        let start = lock(&self.progress).start();
        let reader = StreamReader::new(&stream, &info, &self.subject, self.stream.max_len());
        let (messages, earlier) = read_earlier(&reader, from, start, known).await?;
        let mut progress = lock(&self.progress);
        for (offset, stamp, _) in messages.iter().filter(|(offset, ..)| *offset <= start) {
            if let Some(stamp) = stamp {
                progress.learn(&stamp.id, *offset);
            }
        }
        Ok(earlier)
    }
}
