//! Topics of many processes, over a NATS server.
//!
//! A value that nobody keeps goes from [`line`](line::Line), a topic of this process, through the
//! [`outbox`] to a subject of its own, and from there to the [`listen`]ers of other processes. One that
//! is kept goes to a JetStream [`stream`], and from there to everybody. [`presence`] is in a key-value
//! store.

mod backlog;
mod connect;
mod end;
mod last;
mod line;
mod listen;
mod options;
mod outbox;
mod presence;
mod recover;
mod refused;
mod stamp;
mod stream;
mod subject;

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
use connect::Servers;
use end::End;
use line::Line;
pub use options::NatsOptions;
use outbox::Outbox;
use presence::{Bucket, Roster};
use refused::Refused;
use stream::Streams;
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::Hub;
use super::broker::{Broker, RemoteTopic, RemoteEvents, BoxFuture};
use super::position;
use crate::error::{BrokerError, HubError};

/// How long somebody waits for an answer of the server before it goes on without.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many messages of a subscription may wait until they are handed to the subscribers, which takes
/// microseconds. What is more is lost, and told.
const SUBSCRIPTION_CAPACITY: usize = 8192;

/// How many commands may wait in the client. Before that stands the [`outbox`], which says so.
const CLIENT_CAPACITY: usize = 256;

/// A subject without listeners: a question that the server answers itself.
const NOBODY: &str = "ws.nobody";

/// How often it is asked, for ten seconds each. It says nothing if we may not.
const MAX_QUESTIONS: usize = 6;

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
        let link = Arc::new(OnceLock::<Weak<Link>>::new());
        let (reconnects, events) = (watch::Sender::new(0), Arc::clone(&link));
        let was_connected = Arc::new(AtomicBool::new(false));
        let options = options
            .no_echo()
            .client_capacity(CLIENT_CAPACITY)
            .subscription_capacity(SUBSCRIPTION_CAPACITY)
            .event_callback(move |event| {
                let is_reconnect = event == Event::Connected && was_connected.swap(true, Ordering::Relaxed);
                if let Some(link) = events.get().and_then(Weak::upgrade) {
                    link.event(&event, is_reconnect);
                }
                std::future::ready(())
            });
        let client = servers.connect(options).await?;
        let new = Link::start(client, replicas, reconnects);
        // Set once, here.
        let _ = link.set(Arc::downgrade(&new));
        Ok(Self::with_broker(Box::new(Nats(new))))
    }
}

/// When the server has seen to all that it was told before, or does not answer.
async fn round_trip(client: &Client) {
    for _ in 0..MAX_QUESTIONS {
        // Nobody listens there, which the server says at once.
        match client.request(NOBODY, "".into()).await {
            Err(error) if error.kind() == RequestErrorKind::TimedOut => {}
            _ => return,
        }
    }
}

/// The hub's way to the broker.
struct Nats(Arc<Link>);

impl Broker for Nats {
    fn open_topic(&self, topic: &str, inlet: Weak<dyn RemoteEvents>) -> Arc<dyn RemoteTopic> {
        match subject::token(topic) {
            Ok(token) => Line::new(&self.0, token, inlet),
            Err(_) => Arc::new(Refused::new(topic, self.0.node)),
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
struct Link {
    client: Client,
    /// Who is there,
    bucket: Bucket,
    /// and those of this process.
    roster: Roster,
    /// What tells this hub from all others.
    node: u64,
    /// The runtime in which the hub was made, and in which all of it runs.
    runtime: Handle,
    /// What nobody keeps,
    outbox: Outbox,
    /// and what the broker keeps.
    streams: Streams,
    /// How often the connection was made anew, or ended for good.
    reconnects: watch::Sender<u64>,
    lines: Mutex<HashMap<u64, Weak<Line>>>,
    next_line: AtomicU64,
    end: End,
}

impl Link {
    fn start(client: Client, replicas: usize, reconnects: watch::Sender<u64>) -> Arc<Self> {
        let (runtime, node) = (Handle::current(), position::new_epoch());
        let bucket =
            Bucket { jetstream: ContextBuilder::new().timeout(PATIENCE).build(client.clone()), replicas };
        let streams = Streams::new(client.clone(), replicas, runtime.clone());
        let (outbox, outlet) = Outbox::new(None);
        runtime.spawn(outlet.send(client.clone()));
        let roster = Roster::start(&runtime, bucket.clone(), node);
        let (lines, next_line) = (Mutex::default(), AtomicU64::new(0));
        Arc::new(Self {
            client,
            bucket,
            roster,
            node,
            runtime,
            outbox,
            streams,
            reconnects,
            lines,
            next_line,
            end: End::default(),
        })
    }

    fn is_closed(&self) -> bool {
        self.end.has_begun()
    }

    fn is_connected(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    fn event(self: &Arc<Self>, event: &Event, is_reconnect: bool) {
        match event {
            Event::Connected if is_reconnect => {
                self.reconnects.send_modify(|count| *count += 1);
                let link = Arc::downgrade(self);
                let client = self.client.clone();
                self.runtime.spawn(async move {
                    // The subscriptions are made anew first; what comes before that is lost too.
                    round_trip(&client).await;
                    if let Some(link) = link.upgrade() {
                        link.lines().iter().for_each(|line| line.reconnected());
                    }
                });
            }
            Event::SlowConsumer(_) => {
                self.lines().iter().for_each(|line| line.overflown());
            }
            _ => {}
        }
    }

    /// The topics of this process.
    fn lines(&self) -> Vec<Arc<Line>> {
        self.lock().values().filter_map(Weak::upgrade).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Weak<Line>>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
