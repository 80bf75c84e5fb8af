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

use super::PATIENCE;
use super::outbox::Outbox;
use crate::topic::history::History;

/// How many may read histories of one size at the same time,
const MAX_READERS: usize = 32;
/// and how many may begin to follow one.
const MAX_BEGINNERS: usize = 64;

/// How long the server keeps a consumer whose process has died, or has not been able to delete it.
const INACTIVE: Duration = Duration::from_secs(30);

/// How often the server says that there is nothing. It is gone when it does not, twice over.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// How many consumers are deleted at the same time, of which there may be many after a reconnect.
const MAX_DELETERS: u32 = 64;
static DELETERS: Semaphore = Semaphore::const_new(MAX_DELETERS as usize);

/// More than this is not asked of a broker: so many messages of a topic,
pub(super) const MAX_LEN: usize = 1_000_000;
/// for so long.
const MAX_TTL: Duration = Duration::from_hours(24 * 365);

/// The histories of all sizes. What one of them waits for holds up no other: each has a queue, turns and
/// acknowledgements of its own.
pub(super) struct Streams {
    client: Client,
    replicas: usize,
    runtime: Handle,
    /// How many bytes wait in all queues together.
    waiting: Arc<AtomicUsize>,
    archives: Mutex<Archives>,
}

#[derive(Default)]
struct Archives {
    by_size: HashMap<(i64, u64), Archive>,
    /// Whether nothing is taken any more.
    is_closed: bool,
}

/// The histories of one size, and what waits to be sent there.
#[derive(Clone)]
pub(super) struct Archive {
    pub(super) histories: Arc<Histories>,
    pub(super) outbox: Arc<Outbox>,
}

impl Streams {
    pub(super) fn new(client: Client, replicas: usize, runtime: Handle) -> Self {
        Self { client, replicas, runtime, waiting: Arc::default(), archives: Mutex::default() }
    }

    /// Those of a size. It does not wait.
    pub(super) fn archive(&self, history: History) -> Archive {
        let mut archives = lock(&self.archives);
        let is_closed = archives.is_closed;
        let archive = archives.by_size.entry(size(history)).or_insert_with(|| {
            // A context has a task.
            let _entered = self.runtime.enter();
            let jetstream = ContextBuilder::new().timeout(PATIENCE).build(self.client.clone());
            let histories = Arc::new(Histories::new(jetstream.clone(), self.replicas, history));
            let (outbox, outlet) = Outbox::new(Some(Arc::clone(&self.waiting)));
            if !is_closed {
                self.runtime.spawn(outlet.store(jetstream, Arc::clone(&histories)));
            }
            Archive { histories, outbox: Arc::new(outbox) }
        });
        archive.clone()
    }

    /// When the broker keeps all that was pushed before, or has not said so in time; then nothing more
    /// is taken, if this is the last. One that gets no answer holds up no other here either.
    pub(super) async fn flush(&self, is_last: bool) {
        let outboxes: Vec<_> = {
            let mut archives = lock(&self.archives);
            archives.is_closed |= is_last;
            archives.by_size.values().map(|archive| Arc::clone(&archive.outbox)).collect()
        };
        join_all(outboxes.iter().map(|outbox| outbox.flush(is_last))).await;
    }

    /// Of how many messages it is not known whether they are kept, since this was asked last.
    pub(super) fn take_unconfirmed(&self) -> u64 {
        lock(&self.archives).by_size.values().map(|archive| archive.outbox.take_unconfirmed()).sum()
    }
}

/// The histories of one size: a stream of the broker.
pub(super) struct Histories {
    jetstream: jetstream::Context,
    replicas: usize,
    pub(super) history: History,
    /// As it was seen last.
    seen: Mutex<Option<Stream>>,
    /// Those who read one.
    pub(super) readers: Semaphore,
    /// Those who begin to follow one: after a reconnect that is everybody.
    pub(super) beginners: Semaphore,
}

impl Histories {
    fn new(jetstream: jetstream::Context, replicas: usize, history: History) -> Self {
        Self {
            jetstream,
            replicas,
            history,
            seen: Mutex::default(),
            readers: Semaphore::new(MAX_READERS),
            beginners: Semaphore::new(MAX_BEGINNERS),
        }
    }

    /// The stream, made if there is none.
    pub(super) async fn stream(&self) -> Result<Stream, Error> {
        let seen = lock(&self.seen).clone();
        if let Some(stream) = seen {
            return Ok(stream);
        }
        let (len, ttl) = size(self.history);
        let config = Config {
            name: format!("WS_HISTORY_{len}_{ttl}"),
            description: Some("what was published in topics, for those who come back".into()),
            subjects: vec![subject(self.history, "*")],
            // One more than is asked for: the message that somebody has seen last is a proof that
            // what follows it is all there.
            max_messages_per_subject: len + 1,
            max_age: Duration::from_secs(ttl),
            discard: DiscardPolicy::Old,
            storage: StorageType::File,
            num_replicas: self.replicas,
            ..Config::default()
        };
        let stream = timeout(2 * PATIENCE, self.jetstream.get_or_create_stream(config)).await??;
        warn_of_few(&stream, self.replicas);
        *lock(&self.seen) = Some(stream.clone());
        Ok(stream)
    }

    /// It may be gone.
    pub(super) fn forget(&self) {
        *lock(&self.seen) = None;
    }
}

/// Says that fewer servers keep it than shall.
pub(super) fn warn_of_few(stream: &Stream, asked: usize) {
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
fn size(history: History) -> (i64, u64) {
    let ttl = history.ttl.clamp(Duration::from_secs(1), MAX_TTL);
    let seconds = ttl.as_secs() + u64::from(ttl.subsec_nanos() > 0);
    // It fits, being at most a million.
    (i64::try_from(history.len.min(MAX_LEN)).unwrap_or(i64::MAX), seconds)
}

/// Where the messages of a topic go.
pub(super) fn subject(history: History, token: &str) -> String {
    let (len, ttl) = size(history);
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
pub(super) async fn ask<T, E, F>(question: impl Fn() -> F) -> Result<T, Error>
where
    E: Into<Error>,
    F: Future<Output = Result<T, E>>,
{
    for patience in ATTEMPTS {
        if let Ok(answer) = timeout(patience, question()).await {
            return answer.map_err(Into::into);
        }
    }
    Err("the broker does not answer".into())
}

/// A consumer for once: dropped, it is deleted, if the server can be told.
pub(super) struct Consumer {
    pub(super) pull: PullConsumer,
    /// Where it is deleted: in the runtime of the hub.
    stream: Stream,
    runtime: Handle,
}

impl Drop for Consumer {
    fn drop(&mut self) {
        let (stream, name) = (self.stream.clone(), self.pull.cached_info().name.clone());
        self.runtime.spawn(timeout(PATIENCE, async move {
            let _turn = DELETERS.acquire().await;
            // If it cannot be told, it ends by itself, only later.
            let _ = stream.delete_consumer(&name).await;
        }));
    }
}

/// When those are deleted that were dropped before, of all hubs, or the server could not be told.
pub(super) async fn deleted() {
    // Turns are given in the order in which they are asked for.
    let _turns = DELETERS.acquire_many(MAX_DELETERS).await;
}

/// A consumer of a subject's messages from a sequence number on. Nothing is acknowledged: what gets
/// lost is asked for again, by another one.
pub(super) async fn consumer(stream: &Stream, subject: &str, from: u64) -> Result<Consumer, Error> {
    let deliver_policy = match from {
        0 => DeliverPolicy::All,
        start_sequence => DeliverPolicy::ByStartSequence { start_sequence },
    };
    let config = || pull::Config {
        deliver_policy,
        ack_policy: AckPolicy::None,
        filter_subject: subject.to_owned(),
        inactive_threshold: INACTIVE,
        memory_storage: true,
        ..pull::Config::default()
    };
    let pull = ask(|| stream.create_consumer(config())).await?;
    Ok(Consumer { pull, stream: stream.clone(), runtime: Handle::current() })
}

/// The messages of a subject as they come.
pub(super) struct Following {
    messages: pull::Stream,
    _consumer: Consumer,
    /// Which of the consumer's comes next.
    next: u64,
}

impl Following {
    /// Those from a sequence number on; also how many there are already.
    pub(super) async fn begin(stream: &Stream, subject: &str, from: u64) -> Result<(Self, u64), Error> {
        let consumer = consumer(stream, subject, from).await?;
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
