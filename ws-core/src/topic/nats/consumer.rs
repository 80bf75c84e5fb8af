//! JetStream consumers that are deleted on drop.

use std::time::{Duration, UNIX_EPOCH};

use async_nats::Error;
use async_nats::jetstream::Message;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, PullConsumer, pull};
use async_nats::jetstream::stream::{RawMessageErrorKind, Stream};
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::epoch::{StreamTimes, nanoseconds};
use super::request::{REQUEST_TIMEOUT, request_with_retry};

/// Maximum number of messages in one request of [`EphemeralConsumer::read_first`].
pub(super) const BATCH: usize = 500;

/// Maximum size of the answer to one such request, in bytes. A server closes a connection for which more than
/// `max_pending` bytes wait, 64 MiB by default. So all reads of a stream together stay below that.
const BATCH_BYTES: usize = 1 << 20;

/// Maximum size of the messages that a follower has requested and not received, in bytes. Larger messages are
/// no exception: the size is at least twice the server's `max_payload`.
const FOLLOW_BYTES: usize = 16 << 20;

/// The server's description of a batch that ends because its next message exceeds the maximum size.
const OVER_MAX_BYTES: &str = "Message Size Exceeds MaxBytes";

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

    /// Reads the first `len` of the [`pending`](Self::pending) messages, with their stream sequences. Only the
    /// last `retained` of them have payloads, so that the others take no memory.
    ///
    /// # Errors
    ///
    /// A failed request, or the stream has discarded some of these messages meanwhile.
    pub(super) async fn read_first(&self, len: u64, retained: u64) -> Result<Vec<(u64, Message)>, Error> {
        let len = usize::try_from(len.min(self.pending()))?;
        let surplus = len.saturating_sub(usize::try_from(retained).unwrap_or(usize::MAX));
        let mut messages = Vec::new();
        while messages.len() < len {
            let before = messages.len();
            let wanted = BATCH.min(len - before);
            let mut is_full = self.read_batch(wanted, BATCH_BYTES, &mut messages).await?;
            if is_full && messages.len() == before {
                // The next message is larger than a whole batch.
                is_full = self.read_batch(1, 0, &mut messages).await?;
            }
            for (_, message) in messages.iter_mut().take(surplus).skip(before) {
                message.message.payload = Bytes::new();
            }
            if messages.len() == before && !is_full {
                return Err("the stream has discarded messages meanwhile".into());
            }
        }
        Ok(messages)
    }

    /// Reads the next messages, up to `max_bytes` unless that is 0. Returns whether that limit ended the batch.
    async fn read_batch(
        &self,
        len: usize,
        max_bytes: usize,
        messages: &mut Vec<(u64, Message)>,
    ) -> Result<bool, Error> {
        let mut batch = self.pull.fetch().max_messages(len).max_bytes(max_bytes).messages().await?;
        let before = messages.len();
        loop {
            let message = match timeout(REQUEST_TIMEOUT, batch.next()).await {
                Ok(Some(Ok(message))) => message,
                Ok(None) => return Ok(false),
                // The client has no other sign of this status.
                Ok(Some(Err(error))) if error.to_string().contains(OVER_MAX_BYTES) => return Ok(true),
                Ok(Some(Err(error))) => return Err(error),
                // A batch of exactly the maximum size has no end, for which the client would wait forever.
                Err(_) if messages.len() > before => return Ok(true),
                Err(elapsed) => return Err(elapsed.into()),
            };
            let sequence = message.info()?.stream_sequence;
            messages.push((sequence, message));
        }
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
    /// Consumer sequence of the last message that [`next`](Self::next) omits.
    omitted_until: u64,
}

impl StreamFollower {
    /// Starts at a stream sequence. Also returns how many messages the stream already has. `max_payload` is the
    /// server's limit.
    pub(super) async fn start(
        stream: &Stream,
        subject: &str,
        from: u64,
        max_payload: usize,
    ) -> Result<(Self, u64), Error> {
        let consumer = EphemeralConsumer::create(stream, subject, from).await?;
        let pending = consumer.pending();
        Ok((Self::follow(consumer, 0, max_payload).await?, pending))
    }

    /// Follows a consumer, except for its first `omitted` messages.
    pub(super) async fn follow(
        consumer: EphemeralConsumer,
        omitted: u64,
        max_payload: usize,
    ) -> Result<Self, Error> {
        let max_bytes = FOLLOW_BYTES.max(max_payload.saturating_mul(2));
        let messages = consumer.pull.stream().heartbeat(HEARTBEAT).max_bytes_per_batch(max_bytes);
        let messages = messages.messages().await?;
        Ok(Self { messages, _consumer: consumer, next: 1, omitted_until: omitted })
    }

    /// Returns the next message.
    ///
    /// After an error the caller needs a new follower, perhaps of a stream that was created anew. The
    /// client's ordered consumer is not used because it replaces itself without reporting that.
    pub(super) async fn next(&mut self) -> Result<Message, Error> {
        loop {
            let message = self.messages.next().await.ok_or("the consumer has ended")??;
            if message.info()?.consumer_sequence != self.next {
                return Err("a message of the consumer was lost".into());
            }
            self.next += 1;
            if self.next > self.omitted_until + 1 {
                return Ok(message);
            }
        }
    }
}
