//! The connection to the broker and everything that exists once per hub.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use async_nats::connection::State;
use async_nats::jetstream::context::ContextBuilder;
use async_nats::{Client, Event};
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::archive::HistoryStreams;
use super::presence::{Bucket, PresenceAnnouncer};
use super::publish_queue::PublishQueue;
use super::refusals::Refusals;
use super::request::{REQUEST_TIMEOUT, round_trip};
use super::status::{ConnectionStatus, StatusReceiver};
use crate::error::BrokerError;
use crate::sync::lock;
use crate::topic::position;

/// A topic of this process, as the connection notifies it.
pub(super) trait ConnectionEvents: Send + Sync {
    /// The connection was lost and exists again, with all its subscriptions.
    fn reconnected(&self);

    /// Some subscription of the client, perhaps this topic's, has dropped messages.
    fn slow_consumer(&self);
}

/// A hub's connection to the broker.
pub(super) struct NatsConnection {
    pub(super) client: Client,
    /// The store of the members of all processes.
    pub(super) bucket: Bucket,
    /// The members of this process.
    pub(super) announcer: PresenceAnnouncer,
    /// Random number that identifies this hub.
    pub(super) node: u64,
    /// The runtime in which the hub was created. All tasks of the hub run there.
    pub(super) runtime: Handle,
    /// Messages of topics without a history.
    pub(super) publish_queue: PublishQueue,
    /// Messages of topics with a history.
    pub(super) streams: HistoryStreams,
    /// What the server refuses.
    pub(super) refusals: Arc<Refusals>,
    status: watch::Sender<ConnectionStatus>,
    topics: Mutex<HashMap<u64, Weak<dyn ConnectionEvents>>>,
    next_topic_id: AtomicU64,
    /// Result of closing the hub. Locked while the hub closes, so that concurrent calls wait for it.
    pub(super) close_outcome: tokio::sync::Mutex<Option<Result<(), BrokerError>>>,
}

impl NatsConnection {
    /// Starts the hub's tasks in the current runtime.
    pub(super) fn start(client: Client, replicas: usize) -> Arc<Self> {
        let (runtime, node) = (Handle::current(), position::new_epoch());
        let jetstream = ContextBuilder::new().timeout(REQUEST_TIMEOUT).build(client.clone());
        let bucket = Bucket { jetstream, replicas };
        let refusals = Arc::<Refusals>::default();
        let streams = HistoryStreams::new(client.clone(), Arc::clone(&refusals), replicas, runtime.clone());
        let (publish_queue, publisher) = PublishQueue::new(None);
        runtime.spawn(publisher.publish_core(client.clone()));
        let announcer = PresenceAnnouncer::start(&runtime, bucket.clone(), node);
        Arc::new(Self {
            client,
            bucket,
            announcer,
            node,
            runtime,
            publish_queue,
            streams,
            refusals,
            status: watch::Sender::new(ConnectionStatus::Open),
            topics: Mutex::default(),
            next_topic_id: AtomicU64::new(0),
            close_outcome: tokio::sync::Mutex::default(),
        })
    }

    pub(super) fn status(&self) -> StatusReceiver {
        self.status.subscribe()
    }

    pub(super) fn is_closed(&self) -> bool {
        *self.status.borrow() == ConnectionStatus::Closed
    }

    /// Marks the hub as closed, which ends searches and presence watchers.
    pub(super) fn set_closed(&self) {
        self.status.send_replace(ConnectionStatus::Closed);
    }

    pub(super) fn is_connected(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    /// Handles an event of the client.
    pub(super) fn on_event(self: &Arc<Self>, event: &Event, is_reconnect: bool) {
        match event {
            Event::Connected if is_reconnect => {
                self.refusals.on_connected();
                // Notifies the receivers; the value stays the same.
                self.status.send_modify(|_| ());
                let connection = Arc::downgrade(self);
                let client = self.client.clone();
                self.runtime.spawn(async move {
                    // The client subscribes again first. Messages published until then are lost as well.
                    round_trip(&client).await;
                    if let Some(connection) = connection.upgrade() {
                        connection.publish_queue.reconnected();
                        connection.streams.reconnected();
                        connection.topics().iter().for_each(|topic| topic.reconnected());
                    }
                });
            }
            Event::SlowConsumer(_) => {
                self.topics().iter().for_each(|topic| topic.slow_consumer());
            }
            Event::ServerError(error) => self.refusals.on_server_error(error),
            Event::ClientError(error) => self.refusals.on_client_error(error),
            _ => {}
        }
    }

    /// Returns a number for a new topic, which no other topic of this hub ever has.
    pub(super) fn next_topic_id(&self) -> u64 {
        self.next_topic_id.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn add_topic(&self, id: u64, topic: Weak<dyn ConnectionEvents>) {
        self.lock_topics().insert(id, topic);
    }

    pub(super) fn remove_topic(&self, id: u64) {
        self.lock_topics().remove(&id);
    }

    fn topics(&self) -> Vec<Arc<dyn ConnectionEvents>> {
        self.lock_topics().values().filter_map(Weak::upgrade).collect()
    }

    fn lock_topics(&self) -> MutexGuard<'_, HashMap<u64, Weak<dyn ConnectionEvents>>> {
        lock(&self.topics)
    }
}
