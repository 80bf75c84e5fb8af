//! Publishing to histories: a stream and a queue for each combination of history limits.

use std::collections::HashMap;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard};

use async_nats::Client;
use async_nats::jetstream::context::ContextBuilder;
use futures_util::future::join_all;
use tokio::runtime::Handle;

use super::history_publisher::HistoryPublisher;
use super::history_stream::{HistoryStream, limits};
use super::publish_queue::PublishQueue;
use super::refusals::Refusals;
use super::request::REQUEST_TIMEOUT;
use crate::sync::lock;
use crate::topic::history::History;

/// The history streams of a hub.
///
/// Each has its own queue, permits and acknowledgements, so that a stream without an answer delays no other.
pub(super) struct HistoryStreams {
    client: Client,
    refusals: Arc<Refusals>,
    replicas: usize,
    runtime: Handle,
    /// Total size of the payloads in all queues, in bytes.
    queued_bytes: Arc<AtomicUsize>,
    archives: Mutex<Archives>,
}

#[derive(Default)]
struct Archives {
    by_limits: HashMap<(i64, u64), Archive>,
    /// Whether the hub is closed, so that new queues accept nothing.
    is_closed: bool,
}

/// A history stream and the queue of messages to publish to it.
#[derive(Clone)]
pub(super) struct Archive {
    pub(super) history_stream: Arc<HistoryStream>,
    pub(super) queue: Arc<PublishQueue>,
}

impl HistoryStreams {
    pub(super) fn new(client: Client, refusals: Arc<Refusals>, replicas: usize, runtime: Handle) -> Self {
        Self { client, refusals, replicas, runtime, queued_bytes: Arc::default(), archives: Mutex::default() }
    }

    /// Returns the archive for a history's limits. Does not wait for the broker.
    pub(super) fn archive(&self, history: History) -> Archive {
        let mut archives = self.archives();
        let is_closed = archives.is_closed;
        let archive = archives.by_limits.entry(limits(history)).or_insert_with(|| {
            // Building a context spawns a task, and the caller may not be in a runtime.
            let _entered = self.runtime.enter();
            let jetstream = ContextBuilder::new().timeout(REQUEST_TIMEOUT).build(self.client.clone());
            let history_stream = Arc::new(HistoryStream::new(jetstream.clone(), self.replicas, history));
            let (queue, publisher) = PublishQueue::new(Some(Arc::clone(&self.queued_bytes)));
            if !is_closed {
                let (client, history_stream) = (self.client.clone(), Arc::clone(&history_stream));
                let refusals = Arc::clone(&self.refusals);
                let publisher = HistoryPublisher { publisher, client, refusals, jetstream, history_stream };
                self.runtime.spawn(publisher.run());
            }
            Archive { history_stream, queue: Arc::new(queue) }
        });
        archive.clone()
    }

    /// Waits until the broker has acknowledged, or not acknowledged in time, all messages queued before.
    ///
    /// With `is_last` the queues accept no messages afterwards. Queues are flushed concurrently.
    pub(super) async fn flush(&self, is_last: bool) {
        let queues: Vec<_> = {
            let mut archives = self.archives();
            archives.is_closed |= is_last;
            archives.by_limits.values().map(|archive| Arc::clone(&archive.queue)).collect()
        };
        join_all(queues.iter().map(|queue| queue.flush(is_last))).await;
    }

    /// Returns how many messages the broker has not acknowledged since the last call.
    pub(super) fn take_unconfirmed(&self) -> u64 {
        self.archives().by_limits.values().map(|archive| archive.queue.take_unconfirmed()).sum()
    }

    /// Finds out, after a reconnect, whether streams have lost their ends while the server was away.
    pub(super) fn reconnected(&self) {
        for archive in self.archives().by_limits.values() {
            let history_stream = Arc::clone(&archive.history_stream);
            if history_stream.is_used() {
                self.runtime.spawn(async move {
                    history_stream.invalidate();
                    // After an error, the next use of the stream finds out.
                    let _ = history_stream.stream().await;
                });
            }
        }
    }

    fn archives(&self) -> MutexGuard<'_, Archives> {
        lock(&self.archives)
    }
}
