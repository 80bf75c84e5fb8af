//! Histories on the broker: one JetStream stream for all topics whose histories have the same limits.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_nats::jetstream::stream::{Config, DiscardPolicy, Info, StorageType, Stream};
use async_nats::{Error, Statistics, jetstream};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use super::consumer::StoredTimes;
use super::epoch::{DESCRIPTION, EndCheck, SeenEnd, StreamEnd, created, describe, described, epoch};
use super::request::{REQUEST_TIMEOUT, request_with_retry};
use crate::sync::lock;
use crate::topic::history::History;
use crate::topic::position::new_epoch;

/// Maximum number of concurrent reads of one stream.
const MAX_CONCURRENT_READS: usize = 32;

/// Maximum number of followers that one stream starts concurrently.
const MAX_CONCURRENT_STARTS: usize = 64;

/// Maximum number of messages per topic that a hub configures.
pub(super) const MAX_LEN: usize = 1_000_000;

/// Maximum age of messages that a hub configures.
const MAX_TTL: Duration = Duration::from_hours(24 * 365);

/// How often the end of a stream is read before the stream counts as one that has lost its end. A server
/// that has just started may answer from an older state.
const END_CONFIRMATIONS: u32 = 3;

/// Delay between two of these reads.
const END_CONFIRMATION_DELAY: Duration = Duration::from_millis(500);

/// The stream of all histories with the same limits. The hub creates it when it first needs it.
pub(super) struct HistoryStream {
    jetstream: jetstream::Context,
    replicas: usize,
    history: History,
    statistics: Arc<Statistics>,
    /// The stream as last opened, and [`connects`](Self::connects) then. `None` before the first use and after
    /// an error.
    cached: Mutex<Option<(Stream, u64)>>,
    /// The end of the stream that this process has seen.
    seen_end: Mutex<SeenEnd>,
    /// Number of changes of the epoch that this process has seen.
    epoch_changes: watch::Sender<u64>,
    /// Limits concurrent reads.
    pub(super) read_permits: Semaphore,
    /// Limits concurrent starts of followers. After a reconnect all followers start again.
    pub(super) start_permits: Semaphore,
}

impl HistoryStream {
    pub(super) fn new(jetstream: jetstream::Context, replicas: usize, history: History) -> Self {
        Self {
            statistics: jetstream.client().statistics(),
            jetstream,
            replicas,
            history,
            cached: Mutex::default(),
            seen_end: Mutex::default(),
            epoch_changes: watch::Sender::new(0),
            read_permits: Semaphore::new(MAX_CONCURRENT_READS),
            start_permits: Semaphore::new(MAX_CONCURRENT_STARTS),
        }
    }

    /// Returns the maximum number of messages of one topic.
    pub(super) fn max_len(&self) -> usize {
        self.history.len.min(MAX_LEN)
    }

    /// Returns the server's limit of the size of a message, in bytes.
    pub(super) fn max_payload(&self) -> usize {
        self.jetstream.client().max_payload()
    }

    /// Opens the stream, and creates it if it does not exist. After a reconnect the stream is opened again,
    /// because the server may have restarted without the end of the stream.
    pub(super) async fn stream(&self) -> Result<Stream, Error> {
        let connects = self.connects();
        let cached = self.cached().clone();
        if let Some((stream, _)) = cached.filter(|(_, opened_in)| *opened_in == connects) {
            return Ok(stream);
        }
        // Boxed, because the future is large and rarely needed.
        let stream = Box::pin(self.open_and_check()).await?;
        *self.cached() = Some((stream.clone(), connects));
        Ok(stream)
    }

    async fn open_and_check(&self) -> Result<Stream, Error> {
        let seen_end = self.seen_end();
        let stream = timeout(2 * REQUEST_TIMEOUT, self.open()).await??;
        warn_if_underreplicated(&stream, self.replicas);
        self.confirm_end(&stream, stream.cached_info().clone(), seen_end, false).await?;
        Ok(stream)
    }

    /// Opens the stream and reads its state.
    pub(super) async fn stream_and_info(&self) -> Result<(Stream, Info), Error> {
        let connects = self.connects();
        let stream = self.stream().await?;
        let seen_end = self.seen_end();
        let info = request_with_retry(|| stream.get_info()).await?;
        if self.connects() != connects {
            return Err("the connection was replaced meanwhile".into());
        }
        let info = self.confirm_end(&stream, info, seen_end, true).await?;
        Ok((stream, info))
    }

    /// Returns how often the client has connected.
    fn connects(&self) -> u64 {
        self.statistics.connects.load(Ordering::Relaxed)
    }

    fn name(&self) -> String {
        let (len, ttl) = limits(self.history);
        format!("WS_HISTORY_{len}_{ttl}")
    }

    async fn open(&self) -> Result<Stream, Error> {
        let (len, ttl) = limits(self.history);
        let config = Config {
            name: self.name(),
            // The server compares the whole configuration, so only one of several processes creates the
            // stream, and all use the epoch of that one.
            description: Some(describe(Some(DESCRIPTION), new_epoch())),
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
        // A cluster does not answer requests about a new stream until the stream has a leader.
        let opened = request_with_retry(|| self.jetstream.get_or_create_stream(&config)).await;
        let stream = match opened {
            Ok(stream) => stream,
            // Another process may have created the stream meanwhile.
            Err(error) => {
                request_with_retry(|| self.jetstream.get_stream(self.name())).await.map_err(|_| error)?
            }
        };
        let info = stream.cached_info();
        if described(info.config.description.as_deref()).is_some() {
            return Ok(stream);
        }
        // Positions of earlier versions, which use the creation time, stay valid.
        self.set_epoch(info, created(info)).await.or_else(|error| {
            tracing::warn!(%error, "a stream that a hub did not create has no epoch of its own");
            Ok(stream)
        })
    }

    /// Returns the end of the stream that this process has seen. It is to be read before the request whose
    /// answer is compared with it: messages that are received meanwhile may be later than the answer.
    fn seen_end(&self) -> SeenEnd {
        *lock(&self.seen_end)
    }

    /// Checks and records the end of the stream. A stream that has lost its end gets a new epoch, because the
    /// offsets behind that end will be used again. With `is_verified` the stream was checked before.
    ///
    /// `seen_end` is from before the request that `info` answers.
    async fn confirm_end(
        &self,
        stream: &Stream,
        mut info: Info,
        mut seen_end: SeenEnd,
        is_verified: bool,
    ) -> Result<Info, Error> {
        for confirmation in 0..END_CONFIRMATIONS {
            if confirmation > 0 {
                tokio::time::sleep(END_CONFIRMATION_DELAY).await;
                seen_end = self.seen_end();
                info = request_with_retry(|| stream.get_info()).await?;
            }
            let end = StreamEnd::new(&info);
            let is_lost = match seen_end.check(&end) {
                EndCheck::Kept => false,
                EndCheck::Lost => true,
                EndCheck::Unproven if is_verified => false,
                EndCheck::Unproven => Box::pin(seen_end.is_replaced(&StoredTimes(stream))).await?,
            };
            if !is_lost {
                self.observe(end);
                return Ok(info);
            }
        }
        self.renew_epoch(epoch(&info)).await;
        Err("the stream has lost its end".into())
    }

    /// Returns whether the stream has this epoch, as far as this process knows.
    pub(super) fn is_current(&self, epoch: u64) -> bool {
        lock(&self.seen_end).has_epoch(epoch)
    }

    /// Returns whether this process has used the stream.
    pub(super) fn is_used(&self) -> bool {
        !lock(&self.seen_end).has_epoch(0)
    }

    /// Returns a receiver of changes of the epoch. Messages that this process has stored may then be lost.
    pub(super) fn epoch_changes(&self) -> watch::Receiver<u64> {
        self.epoch_changes.subscribe()
    }

    fn observe(&self, end: StreamEnd) {
        if lock(&self.seen_end).observe(end) {
            self.epoch_changes.send_modify(|changes| *changes += 1);
        }
    }

    /// Records a message that the stream has.
    pub(super) fn observe_message(&self, message: StreamEnd) {
        lock(&self.seen_end).observe(message);
    }

    /// Gives the stream a new epoch, unless it has another one than `old` already.
    pub(super) async fn renew_epoch(&self, old: u64) {
        self.invalidate();
        let renewed = async {
            let stream = self.jetstream.get_stream(self.name()).await?;
            if epoch(stream.cached_info()) == old {
                self.set_epoch(stream.cached_info(), new_epoch()).await?;
            }
            Ok::<_, Error>(())
        };
        match timeout(REQUEST_TIMEOUT, renewed).await {
            Ok(Ok(())) => tracing::warn!("a stream has lost its end: histories start a new epoch"),
            Ok(Err(error)) => {
                tracing::error!(%error, "a stream has lost its end, and its epoch cannot be changed");
                // Without this the stream would not be used any more.
                *lock(&self.seen_end) = SeenEnd::default();
            }
            // The next use of the stream tries again.
            Err(_) => {}
        }
    }

    /// Changes the epoch in the stream's description. Returns the changed stream.
    async fn set_epoch(&self, info: &Info, epoch: u64) -> Result<Stream, Error> {
        let description = Some(describe(info.config.description.as_deref(), epoch));
        let config = Config { description, ..info.config.clone() };
        self.jetstream.update_stream(config).await?;
        Ok(self.jetstream.get_stream(self.name()).await?)
    }

    /// Makes the next use open the stream again, because an error may mean that the stream is gone.
    pub(super) fn invalidate(&self) {
        *self.cached() = None;
    }

    fn cached(&self) -> MutexGuard<'_, Option<(Stream, u64)>> {
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

/// Returns how many messages follow the first one of a topic when the stream is full. `None` without a limit: an
/// operator may have raised, lowered or removed the limit that the hub has configured.
pub(super) fn stream_len(info: &Info) -> Option<u64> {
    let places = u64::try_from(info.config.max_messages_per_subject).ok().filter(|places| *places > 0)?;
    Some(places - 1)
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
