//! Histories on the broker: one JetStream stream for all topics whose histories have the same limits.

use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_nats::jetstream::stream::{Config, DiscardPolicy, Info, StorageType, Stream};
use async_nats::{Error, jetstream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::request::REQUEST_TIMEOUT;
use crate::sync::lock;
use crate::topic::history::History;

/// Maximum number of concurrent reads of one stream.
const MAX_CONCURRENT_READS: usize = 32;

/// Maximum number of followers that one stream starts concurrently.
const MAX_CONCURRENT_STARTS: usize = 64;

/// Maximum number of messages per topic that a hub configures.
pub(super) const MAX_LEN: usize = 1_000_000;

/// Maximum age of messages that a hub configures.
const MAX_TTL: Duration = Duration::from_hours(24 * 365);

/// The stream of all histories with the same limits. The hub creates it when it first needs it.
pub(super) struct HistoryStream {
    jetstream: jetstream::Context,
    replicas: usize,
    history: History,
    /// The stream as last opened. `None` before the first use and after an error.
    cached: Mutex<Option<Stream>>,
    /// Limits concurrent reads.
    pub(super) read_permits: Semaphore,
    /// Limits concurrent starts of followers. After a reconnect all followers start again.
    pub(super) start_permits: Semaphore,
}

impl HistoryStream {
    pub(super) fn new(jetstream: jetstream::Context, replicas: usize, history: History) -> Self {
        Self {
            jetstream,
            replicas,
            history,
            cached: Mutex::default(),
            read_permits: Semaphore::new(MAX_CONCURRENT_READS),
            start_permits: Semaphore::new(MAX_CONCURRENT_STARTS),
        }
    }

    /// Returns the maximum number of messages of one topic.
    pub(super) fn max_len(&self) -> usize {
        self.history.len.min(MAX_LEN)
    }

    /// Opens the stream, and creates it if it does not exist.
    pub(super) async fn stream(&self) -> Result<Stream, Error> {
        let cached = self.cached().clone();
        if let Some(stream) = cached {
            return Ok(stream);
        }
        let (len, ttl) = limits(self.history);
        let config = Config {
            name: format!("WS_HISTORY_{len}_{ttl}"),
            description: Some("messages of topics, for subscribers that reconnect".into()),
            subjects: vec![history_subject(self.history, "*")],
            // The stream retains one more message than the history. If a subscriber's last message is
            // still there, nothing after it is missing.
            max_messages_per_subject: len + 1,
            max_age: Duration::from_secs(ttl),
            discard: DiscardPolicy::Old,
            storage: StorageType::File,
            num_replicas: self.replicas,
            ..Config::default()
        };
        let stream = timeout(2 * REQUEST_TIMEOUT, self.jetstream.get_or_create_stream(config)).await??;
        warn_if_underreplicated(&stream, self.replicas);
        *self.cached() = Some(stream.clone());
        Ok(stream)
    }

    /// Makes the next use open the stream again, because an error may mean that the stream is gone.
    pub(super) fn invalidate(&self) {
        *self.cached() = None;
    }

    fn cached(&self) -> MutexGuard<'_, Option<Stream>> {
        lock(&self.cached)
    }
}

/// Logs a warning if a stream has fewer replicas than requested.
pub(super) fn warn_if_underreplicated(stream: &Stream, requested: usize) {
    let Config { name, num_replicas, .. } = &stream.cached_info().config;
    if *num_replicas < requested {
        tracing::warn!(
            stream = name,
            replicas = num_replicas,
            requested,
            "a stream has fewer replicas than requested"
        );
    }
}

/// Returns a history's number of messages per topic and their maximum age in seconds.
pub(super) fn limits(history: History) -> (i64, u64) {
    let ttl = history.ttl.clamp(Duration::from_secs(1), MAX_TTL);
    let seconds = ttl.as_secs() + u64::from(ttl.subsec_nanos() > 0);
    // `MAX_LEN` fits.
    (i64::try_from(history.len.min(MAX_LEN)).unwrap_or(i64::MAX), seconds)
}

/// Returns the subject of a topic's messages in the stream of its history.
pub(super) fn history_subject(history: History, token: &str) -> String {
    let (len, ttl) = limits(history);
    format!("ws.h.{len}_{ttl}.{token}")
}

/// Returns the epoch of a stream, which is its creation time.
pub(super) fn epoch(info: &Info) -> u64 {
    let since = SystemTime::from(info.created).duration_since(UNIX_EPOCH).unwrap_or_default();
    // Nanoseconds since 1970 fit until the year 2554.
    u64::try_from(since.as_nanos()).unwrap_or_default()
}
