//! Topics of many processes, over a NATS server.
//!
//! A value that nobody keeps goes from [`topic`](topic::NatsTopic), a topic of this process, through the
//! [`publish_queue`] to a subject of its own, and from there to the [`subscriber`]s of other processes. One that
//! is kept goes to a JetStream [`stream`], and from there to everybody. [`presence`] is in a key-value
//! store.

mod close;
mod connect;
mod history_stream;
mod invalid_topic;
mod last_messages;
mod options;
mod presence;
mod publish_queue;
mod recovery;
mod sequence;
mod slow_consumer;
mod subject;
mod subscriber;
mod topic;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

#[cfg(doc)]
use async_nats::ConnectOptions;
use async_nats::client::RequestErrorKind;
use async_nats::connection::State;
use async_nats::jetstream::context::ContextBuilder;
use async_nats::{Client, Event};
use close::ShutdownState;
use connect::Servers;
use history_stream::HistoryStreams;
use invalid_topic::InvalidTopic;
pub use options::NatsOptions;
use presence::{Bucket, PresenceAnnouncer};
use publish_queue::PublishQueue;
use tokio::runtime::Handle;
use tokio::sync::watch;
use topic::NatsTopic;

use super::Hub;
use super::broker::{BoxFuture, Broker, RemoteEvents, RemoteTopic};
use super::position;
use crate::error::{BrokerError, HubError};

/// How long somebody waits for an answer of the server before it goes on without.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// How many messages of a subscription may wait until they are handed to the subscribers, which takes
/// microseconds. What is more is lost, and told.
const SUBSCRIPTION_CAPACITY: usize = 8192;

/// How many commands may wait in the client. Before that stands the [`publish_queue`], which says so.
const CLIENT_CAPACITY: usize = 256;

/// A subject without listeners: a question that the server answers itself.
const PROBE_SUBJECT: &str = "ws.nobody";

/// How often it is asked, for ten seconds each. It says nothing if we may not.
const MAX_PROBES: usize = 6;

impl Hub {
    /// A hub of all processes that are connected to a NATS server, or to a cluster of them: what is
    /// published in one is heard in all. Handlers need not know; a server that has grown out of one
    /// process changes this line.
    ///
    /// The address is `nats://host:4222`, or several of one cluster with commas between: one that answers
    /// is enough, and says where the others are. With `nats://user:password@host` or `nats://token@host`
    /// it says who we are, and what is not a letter or digit there is written as in every URL, `%40` for
    /// `@`. One `tls://host` makes it TLS with all of them. Histories and presence need a server with
    /// JetStream (`nats-server -js`, 2.9 or later). The guide says what is promised when the
    /// [server is away](crate::guide::topics).
    ///
    /// # Errors
    ///
    /// [`HubError`] if no server can be reached, which is tried once, or does not let us in. A connection
    /// that is lost later is made anew, for as long as it takes.
    ///
    /// ```no_run
    /// # use ws_core::prelude::*;
    /// # #[websocket(path = "/rooms/{room}")]
    /// # struct Guest { room: Topic<String> }
    /// # #[websocket]
    /// # impl Guest {
    /// #     #[on_upgrade]
    /// #     fn join(Path(room): Path<String>, State(hub): State<Hub>) -> Self {
    /// #         Self { room: hub.topic(format!("room:{room}")) }
    /// #     }
    /// # }
    /// #[tokio::main]
    /// async fn main() -> Result<(), ws_core::BoxError> {
    ///     let hub = Hub::nats("nats://127.0.0.1:4222").await?;
    ///     Router::new().mount::<Guest>().with_state(hub).serve("0.0.0.0:8080").await?;
    ///     Ok(())
    /// }
    /// ```
    pub async fn nats(url: &str) -> Result<Self, HubError> {
        Self::nats_with(NatsOptions::new(), url).await
    }

    /// The same, with [replicas](NatsOptions::replicas), credentials, certificates and whatever else the
    /// client can be told by its [`ConnectOptions`], which will do alone. What the address says of user
    /// and password counts before them.
    ///
    /// What the hub needs for itself it sets: no echo, its event callback, and the capacities of the
    /// client and of subscriptions. With `retry_on_initial_connect` it begins without the server, as it
    /// goes on without one.
    ///
    /// # Errors
    ///
    /// Those of [`nats`](Self::nats).
    ///
    /// ```no_run
    /// # async fn start() -> Result<(), ws_core::BoxError> {
    /// use ws_core::{Hub, async_nats::ConnectOptions};
    ///
    /// let options = ConnectOptions::with_credentials_file("chat.creds").await?;
    /// let options = options.add_root_certificates("ca.pem".into()).require_tls(true);
    /// let hub = Hub::nats_with(options, "tls://nats.example.com:4222").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn nats_with(options: impl Into<NatsOptions>, url: &str) -> Result<Self, HubError> {
        let NatsOptions { client: options, replicas } = options.into();
        let servers = Servers::parse(url)?;
        let weak_connection = Arc::new(OnceLock::<Weak<NatsConnection>>::new());
        let (reconnects, callback_connection) = (watch::Sender::new(0), Arc::clone(&weak_connection));
        let was_connected = Arc::new(AtomicBool::new(false));
        let options = options
            .no_echo()
            .client_capacity(CLIENT_CAPACITY)
            .subscription_capacity(SUBSCRIPTION_CAPACITY)
            .event_callback(move |event| {
                let is_reconnect = event == Event::Connected && was_connected.swap(true, Ordering::Relaxed);
                if let Some(connection) = callback_connection.get().and_then(Weak::upgrade) {
                    connection.on_event(&event, is_reconnect);
                }
                std::future::ready(())
            });
        let client = servers.connect(options).await?;
        let connection = NatsConnection::start(client, replicas, reconnects);
        // Set once, here.
        let _ = weak_connection.set(Arc::downgrade(&connection));
        Ok(Self::with_broker(Box::new(NatsBroker(connection))))
    }
}

/// When the server has seen to all that it was told before, or does not answer.
async fn round_trip(client: &Client) {
    for _ in 0..MAX_PROBES {
        // Nobody listens there, which the server says at once.
        match client.request(PROBE_SUBJECT, "".into()).await {
            Err(error) if error.kind() == RequestErrorKind::TimedOut => {}
            _ => return,
        }
    }
}

/// The hub's way to the broker.
struct NatsBroker(Arc<NatsConnection>);

impl Broker for NatsBroker {
    fn open_topic(&self, topic: &str, events: Weak<dyn RemoteEvents>) -> Arc<dyn RemoteTopic> {
        match subject::token(topic) {
            Ok(token) => NatsTopic::new(&self.0, token, events),
            Err(_) => Arc::new(InvalidTopic::new(topic, self.0.node)),
        }
    }

    fn flush(&self) -> BoxFuture<Result<(), BrokerError>> {
        Box::pin(Arc::clone(&self.0).flush())
    }

    fn close(&self) -> BoxFuture<Result<(), BrokerError>> {
        self.0.close()
    }
}

/// The connection to the broker, and all that is there once in a process.
struct NatsConnection {
    client: Client,
    /// Who is there,
    bucket: Bucket,
    /// and those of this process.
    announcer: PresenceAnnouncer,
    /// What tells this hub from all others.
    node: u64,
    /// The runtime in which the hub was made, and in which all of it runs.
    runtime: Handle,
    /// What nobody keeps,
    publish_queue: PublishQueue,
    /// and what the broker keeps.
    streams: HistoryStreams,
    /// How often the connection was made anew, or ended for good.
    reconnects: watch::Sender<u64>,
    topics: Mutex<HashMap<u64, Weak<NatsTopic>>>,
    next_topic_id: AtomicU64,
    shutdown: ShutdownState,
}

impl NatsConnection {
    fn start(client: Client, replicas: usize, reconnects: watch::Sender<u64>) -> Arc<Self> {
        let (runtime, node) = (Handle::current(), position::new_epoch());
        let bucket = Bucket {
            jetstream: ContextBuilder::new().timeout(REQUEST_TIMEOUT).build(client.clone()),
            replicas,
        };
        let streams = HistoryStreams::new(client.clone(), replicas, runtime.clone());
        let (publish_queue, publisher) = PublishQueue::new(None);
        runtime.spawn(publisher.publish_core(client.clone()));
        let announcer = PresenceAnnouncer::start(&runtime, bucket.clone(), node);
        let (topics, next_topic_id) = (Mutex::default(), AtomicU64::new(0));
        Arc::new(Self {
            client,
            bucket,
            announcer,
            node,
            runtime,
            publish_queue,
            streams,
            reconnects,
            topics,
            next_topic_id,
            shutdown: ShutdownState::default(),
        })
    }

    fn is_closed(&self) -> bool {
        self.shutdown.has_started()
    }

    fn is_connected(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    fn on_event(self: &Arc<Self>, event: &Event, is_reconnect: bool) {
        match event {
            Event::Connected if is_reconnect => {
                self.reconnects.send_modify(|count| *count += 1);
                let connection = Arc::downgrade(self);
                let client = self.client.clone();
                self.runtime.spawn(async move {
                    // The subscriptions are made anew first; what comes before that is lost too.
                    round_trip(&client).await;
                    if let Some(connection) = connection.upgrade() {
                        connection.topics().iter().for_each(|topic| topic.reconnected());
                    }
                });
            }
            Event::SlowConsumer(_) => {
                self.topics().iter().for_each(|topic| topic.on_slow_consumer());
            }
            _ => {}
        }
    }

    /// The topics of this process.
    fn topics(&self) -> Vec<Arc<NatsTopic>> {
        self.lock().values().filter_map(Weak::upgrade).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Weak<NatsTopic>>> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
