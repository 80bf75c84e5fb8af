//! The histories at the broker: a JetStream stream for each size of one.

use std::collections::HashMap;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_nats::jetstream::Message;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, PullConsumer, pull};
use async_nats::jetstream::context::ContextBuilder;
use async_nats::jetstream::stream::{Config, DiscardPolicy, Info, StorageType, Stream};
use async_nats::{Client, Error, jetstream};
use futures_util::StreamExt;
use futures_util::future::join_all;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::REQUEST_TIMEOUT;
use super::publish_queue::PublishQueue;
use crate::topic::history::History;

/// How many may read histories of one size at the same time,
const MAX_CONCURRENT_READS: usize = 32;
/// and how many may begin to follow one.
const MAX_CONCURRENT_STARTS: usize = 64;

/// How long the server keeps a consumer whose process has died, or has not been able to delete it.
const INACTIVE_THRESHOLD: Duration = Duration::from_secs(30);

/// How often the server says that there is nothing. It is gone when it does not, twice over.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// How many consumers are deleted at the same time, of which there may be many after a reconnect.
const MAX_CONCURRENT_DELETES: u32 = 64;
static DELETE_PERMITS: Semaphore = Semaphore::const_new(MAX_CONCURRENT_DELETES as usize);

/// More than this is not asked of a broker: so many messages of a topic,
pub(super) const MAX_LEN: usize = 1_000_000;
/// for so long.
const MAX_TTL: Duration = Duration::from_hours(24 * 365);

/// The histories of all sizes. What one of them waits for holds up no other: each has a queue, turns and
/// acknowledgements of its own.
pub(super) struct HistoryStreams {
    client: Client,
    replicas: usize,
    runtime: Handle,
    /// How many bytes wait in all queues together.
    queued_bytes: Arc<AtomicUsize>,
    archives: Mutex<Archives>,
}

#[derive(Default)]
struct Archives {
    by_limits: HashMap<(i64, u64), Archive>,
    /// Whether nothing is taken any more.
    is_closed: bool,
}

/// The histories of one size, and what waits to be sent there.
#[derive(Clone)]
pub(super) struct Archive {
    pub(super) history_stream: Arc<HistoryStream>,
    pub(super) queue: Arc<PublishQueue>,
}

impl HistoryStreams {
    pub(super) fn new(client: Client, replicas: usize, runtime: Handle) -> Self {
        Self { client, replicas, runtime, queued_bytes: Arc::default(), archives: Mutex::default() }
    }

    /// Those of a size. It does not wait.
    pub(super) fn archive(&self, history: History) -> Archive {
        let mut archives = lock(&self.archives);
        let is_closed = archives.is_closed;
        let archive = archives.by_limits.entry(stream_limits(history)).or_insert_with(|| {
            // A context has a task.
            let _entered = self.runtime.enter();
            let jetstream = ContextBuilder::new().timeout(REQUEST_TIMEOUT).build(self.client.clone());
            let history_stream = Arc::new(HistoryStream::new(jetstream.clone(), self.replicas, history));
            let (queue, publisher) = PublishQueue::new(Some(Arc::clone(&self.queued_bytes)));
            if !is_closed {
                self.runtime.spawn(publisher.publish_to_stream(jetstream, Arc::clone(&history_stream)));
            }
            Archive { history_stream, queue: Arc::new(queue) }
        });
        archive.clone()
    }

    /// When the broker keeps all that was pushed before, or has not said so in time; then nothing more
    /// is taken, if this is the last. One that gets no answer holds up no other here either.
    pub(super) async fn flush(&self, is_last: bool) {
        let queues: Vec<_> = {
            let mut archives = lock(&self.archives);
            archives.is_closed |= is_last;
            archives.by_limits.values().map(|archive| Arc::clone(&archive.queue)).collect()
        };
        join_all(queues.iter().map(|queue| queue.flush(is_last))).await;
    }

    /// Of how many messages it is not known whether they are kept, since this was asked last.
    pub(super) fn take_unconfirmed(&self) -> u64 {
        lock(&self.archives).by_limits.values().map(|archive| archive.queue.take_unconfirmed()).sum()
    }
}

/// The histories of one size: a stream of the broker.
pub(super) struct HistoryStream {
    jetstream: jetstream::Context,
    replicas: usize,
    pub(super) history: History,
    /// As it was seen last.
    cached: Mutex<Option<Stream>>,
    /// Those who read one.
    pub(super) read_permits: Semaphore,
    /// Those who begin to follow one: after a reconnect that is everybody.
    pub(super) start_permits: Semaphore,
}

impl HistoryStream {
    fn new(jetstream: jetstream::Context, replicas: usize, history: History) -> Self {
        Self {
            jetstream,
            replicas,
            history,
            cached: Mutex::default(),
            read_permits: Semaphore::new(MAX_CONCURRENT_READS),
            start_permits: Semaphore::new(MAX_CONCURRENT_STARTS),
        }
    }

    /// The stream, made if there is none.
    pub(super) async fn stream(&self) -> Result<Stream, Error> {
        let cached = lock(&self.cached).clone();
        if let Some(stream) = cached {
            return Ok(stream);
        }
        let (len, ttl) = stream_limits(self.history);
        let config = Config {
            name: format!("WS_HISTORY_{len}_{ttl}"),
            description: Some("what was published in topics, for those who come back".into()),
            subjects: vec![history_subject(self.history, "*")],
            // One more than is asked for: the message that somebody has seen last is a proof that
            // what follows it is all there.
            max_messages_per_subject: len + 1,
            max_age: Duration::from_secs(ttl),
            discard: DiscardPolicy::Old,
            storage: StorageType::File,
            num_replicas: self.replicas,
            ..Config::default()
        };
        let stream = timeout(2 * REQUEST_TIMEOUT, self.jetstream.get_or_create_stream(config)).await??;
        warn_if_underreplicated(&stream, self.replicas);
        *lock(&self.cached) = Some(stream.clone());
        Ok(stream)
    }

    /// It may be gone.
    pub(super) fn invalidate(&self) {
        *lock(&self.cached) = None;
    }
}

/// Says that fewer servers keep it than shall.
pub(super) fn warn_if_underreplicated(stream: &Stream, asked: usize) {
    let Config { name, num_replicas, .. } = &stream.cached_info().config;
    if *num_replicas < asked {
        tracing::warn!(
            stream = name,
            replicas = num_replicas,
            asked,
            "a stream has fewer replicas than it shall"
        );
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many messages, and for how many seconds.
fn stream_limits(history: History) -> (i64, u64) {
    let ttl = history.ttl.clamp(Duration::from_secs(1), MAX_TTL);
    let seconds = ttl.as_secs() + u64::from(ttl.subsec_nanos() > 0);
    // It fits, being at most a million.
    (i64::try_from(history.len.min(MAX_LEN)).unwrap_or(i64::MAX), seconds)
}

/// Where the messages of a topic go.
pub(super) fn history_subject(history: History, token: &str) -> String {
    let (len, ttl) = stream_limits(history);
    format!("ws.h.{len}_{ttl}.{token}")
}

/// What names a stream: when it was made.
pub(super) fn epoch(info: &Info) -> u64 {
    let since = SystemTime::from(info.created).duration_since(UNIX_EPOCH).unwrap_or_default();
    // Nanoseconds since 1970 fit until the year 2554.
    u64::try_from(since.as_nanos()).unwrap_or_default()
}

/// How long the broker may take for an answer; then it is asked once more. In a cluster of which a server
/// is away, some questions get none: while a leader is elected, or if a consumer is given to the one that
/// is away, as servers do in one case of three.
const ATTEMPTS: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];

/// Asks until there is an answer, for eight seconds at the most.
pub(super) async fn request_with_retry<T, E, F>(request: impl Fn() -> F) -> Result<T, Error>
where
    E: Into<Error>,
    F: Future<Output = Result<T, E>>,
{
    for limit in ATTEMPTS {
        if let Ok(answer) = timeout(limit, request()).await {
            return answer.map_err(Into::into);
        }
    }
    Err("the broker does not answer".into())
}

/// A consumer for once: dropped, it is deleted, if the server can be told.
pub(super) struct EphemeralConsumer {
    pub(super) pull: PullConsumer,
    /// Where it is deleted: in the runtime of the hub.
    stream: Stream,
    runtime: Handle,
}

impl Drop for EphemeralConsumer {
    fn drop(&mut self) {
        let (stream, name) = (self.stream.clone(), self.pull.cached_info().name.clone());
        self.runtime.spawn(timeout(REQUEST_TIMEOUT, async move {
            let _permit = DELETE_PERMITS.acquire().await;
            // If it cannot be told, it ends by itself, only later.
            let _ = stream.delete_consumer(&name).await;
        }));
    }
}

/// When those are deleted that were dropped before, of all hubs, or the server could not be told.
pub(super) async fn deletions_finished() {
    // Turns are given in the order in which they are asked for.
    let _permits = DELETE_PERMITS.acquire_many(MAX_CONCURRENT_DELETES).await;
}

/// A consumer of a subject's messages from a sequence number on. Nothing is acknowledged: what gets
/// lost is asked for again, by another one.
pub(super) async fn create_ephemeral_consumer(
    stream: &Stream,
    subject: &str,
    from: u64,
) -> Result<EphemeralConsumer, Error> {
    let deliver_policy = match from {
        0 => DeliverPolicy::All,
        start_sequence => DeliverPolicy::ByStartSequence { start_sequence },
    };
    let config = || pull::Config {
        deliver_policy,
        ack_policy: AckPolicy::None,
        filter_subject: subject.to_owned(),
        inactive_threshold: INACTIVE_THRESHOLD,
        memory_storage: true,
        ..pull::Config::default()
    };
    let pull = request_with_retry(|| stream.create_consumer(config())).await?;
    Ok(EphemeralConsumer { pull, stream: stream.clone(), runtime: Handle::current() })
}

/// The messages of a subject as they come.
pub(super) struct StreamFollower {
    messages: pull::Stream,
    _consumer: EphemeralConsumer,
    /// Which of the consumer's comes next.
    next: u64,
}

impl StreamFollower {
    /// Those from a sequence number on; also how many there are already.
    pub(super) async fn start(stream: &Stream, subject: &str, from: u64) -> Result<(Self, u64), Error> {
        let consumer = create_ephemeral_consumer(stream, subject, from).await?;
        let pending = consumer.pull.cached_info().num_pending;
        let messages = consumer.pull.stream().heartbeat(HEARTBEAT).messages().await?;
        Ok((Self { messages, _consumer: consumer, next: 1 }, pending))
    }

    /// The next message. An error says that another consumer is needed, perhaps of another stream:
    /// that is not left to the client, which would not say so.
    pub(super) async fn next(&mut self) -> Result<Message, Error> {
        let message = self.messages.next().await.ok_or("the consumer has ended")??;
        if message.info()?.consumer_sequence != self.next {
            return Err("a message was lost on the way from the consumer".into());
        }
        self.next += 1;
        Ok(message)
    }
}
