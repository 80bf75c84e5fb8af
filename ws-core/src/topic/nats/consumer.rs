//! JetStream consumers that are deleted on drop.

use std::time::{Duration, UNIX_EPOCH};

use async_nats::Error;
use async_nats::jetstream::Message;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, PullConsumer, pull};
use async_nats::jetstream::stream::{RawMessageErrorKind, Stream};
use futures_util::StreamExt;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::epoch::{StreamTimes, nanoseconds};
use super::request::{REQUEST_TIMEOUT, request_with_retry};

/// Maximum number of messages in one request of [`EphemeralConsumer::read_pending`].
pub(super) const BATCH: usize = 500;

/// How long the server retains a consumer whose process has died or could not delete it.
const INACTIVE_THRESHOLD: Duration = Duration::from_secs(30);

/// Interval of the server's heartbeats. A consumer is lost after two missing heartbeats.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// Maximum number of consumers that are deleted concurrently. A reconnect can replace a large number.
const MAX_CONCURRENT_DELETES: u32 = 64;
static DELETE_PERMITS: Semaphore = Semaphore::const_new(MAX_CONCURRENT_DELETES as usize);

/// A pull consumer without acknowledgements. Dropping it deletes it on the server, if that is reachable.
pub(super) struct EphemeralConsumer {
    pull: PullConsumer,
    stream: Stream,
    /// The hub's runtime, which runs the deletion.
    runtime: Handle,
}

impl EphemeralConsumer {
    /// Creates a consumer of a subject's messages, starting at a stream sequence.
    ///
    /// Messages are not acknowledged: a caller that loses one creates another consumer.
    pub(super) async fn create(stream: &Stream, subject: &str, from: u64) -> Result<Self, Error> {
        let deliver_policy = match from {
            0 => DeliverPolicy::All,
            start_sequence => DeliverPolicy::ByStartSequence { start_sequence },
        };
        Self::with_policy(stream, subject, deliver_policy).await
    }

    async fn with_policy(
        stream: &Stream,
        subject: &str,
        deliver_policy: DeliverPolicy,
    ) -> Result<Self, Error> {
        let config = || pull::Config {
            deliver_policy,
            ack_policy: AckPolicy::None,
            filter_subject: subject.to_owned(),
            inactive_threshold: INACTIVE_THRESHOLD,
            memory_storage: true,
            ..pull::Config::default()
        };
        let pull = request_with_retry(|| stream.create_consumer(config())).await?;
        Ok(Self { pull, stream: stream.clone(), runtime: Handle::current() })
    }

    /// Returns how many messages the stream had for the consumer when the consumer was created.
    pub(super) fn pending(&self) -> u64 {
        self.pull.cached_info().num_pending
    }

    /// Reads the [`pending`](Self::pending) messages, with their stream sequences.
    ///
    /// Returns fewer messages if the stream has discarded some of them meanwhile.
    pub(super) async fn read_pending(&self) -> Result<Vec<(u64, Message)>, Error> {
        let pending = usize::try_from(self.pending())?;
        let mut messages = Vec::new();
        while messages.len() < pending {
            let before = messages.len();
            let mut batch = self.pull.fetch().max_messages(BATCH.min(pending - before)).messages().await?;
            // The client itself never gives up waiting for the end of a batch.
            while let Some(message) = timeout(REQUEST_TIMEOUT, batch.next()).await? {
                let message = message?;
                let sequence = message.info()?.stream_sequence;
                messages.push((sequence, message));
            }
            if messages.len() == before {
                break;
            }
        }
        Ok(messages)
    }
}

impl Drop for EphemeralConsumer {
    fn drop(&mut self) {
        let (stream, name) = (self.stream.clone(), self.pull.cached_info().name.clone());
        self.runtime.spawn(timeout(REQUEST_TIMEOUT, async move {
            let _permit = DELETE_PERMITS.acquire().await;
            // After a failure the server deletes the consumer itself, after `INACTIVE_THRESHOLD`.
            let _ = stream.delete_consumer(&name).await;
        }));
    }
}

/// The times at which the messages of a stream were stored.
pub(super) struct StoredTimes<'a>(pub(super) &'a Stream);

impl StreamTimes for StoredTimes<'_> {
    async fn stored_at(&self, offset: u64) -> Result<Option<u64>, Error> {
        match timeout(REQUEST_TIMEOUT, self.0.get_raw_message(offset)).await? {
            Ok(message) => Ok(Some(nanoseconds(message.time))),
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn first_after(&self, stored_at: u64) -> Result<Option<u64>, Error> {
        let start_time = (UNIX_EPOCH + Duration::from_nanos(stored_at.saturating_add(1))).into();
        // An empty filter is for all subjects.
        let policy = DeliverPolicy::ByStartTime { start_time };
        let consumer = EphemeralConsumer::with_policy(self.0, "", policy).await?;
        if consumer.pending() == 0 {
            return Ok(None);
        }
        let mut batch = consumer.pull.fetch().max_messages(1).messages().await?;
        let first = timeout(REQUEST_TIMEOUT, batch.next()).await?.transpose()?;
        first.map(|first| first.info().map(|info| info.stream_sequence)).transpose()
    }
}

/// Waits until the deletions of all consumers dropped so far, of all hubs, have completed or failed.
pub(super) async fn deletions_finished() {
    // The semaphore grants permits in the order of the requests.
    let _permits = DELETE_PERMITS.acquire_many(MAX_CONCURRENT_DELETES).await;
}

/// The messages of a subject, as the stream receives them.
pub(super) struct StreamFollower {
    messages: pull::Stream,
    _consumer: EphemeralConsumer,
    /// The expected consumer sequence of the next message.
    next: u64,
}

impl StreamFollower {
    /// Starts at a stream sequence. Also returns how many messages the stream already has.
    pub(super) async fn start(stream: &Stream, subject: &str, from: u64) -> Result<(Self, u64), Error> {
        let consumer = EphemeralConsumer::create(stream, subject, from).await?;
        let messages = consumer.pull.stream().heartbeat(HEARTBEAT).messages().await?;
        let pending = consumer.pending();
        Ok((Self { messages, _consumer: consumer, next: 1 }, pending))
    }

    /// Returns the next message.
    ///
    /// After an error the caller needs a new follower, perhaps of a stream that was created anew. The
    /// client's ordered consumer is not used because it replaces itself without reporting that.
    pub(super) async fn next(&mut self) -> Result<Message, Error> {
        let message = self.messages.next().await.ok_or("the consumer has ended")??;
        if message.info()?.consumer_sequence != self.next {
            return Err("a message of the consumer was lost".into());
        }
        self.next += 1;
        Ok(message)
    }
}
