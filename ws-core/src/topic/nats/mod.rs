//! Topics of several processes, carried by a NATS server.
//!
//! A [`NatsTopic`] is the topic of one process. Without a history, its messages go through a
//! [`publish_queue`] to a NATS subject and from there to the [`subscriber`]s of other processes. With a
//! history, they go through an [`archive`] to a JetStream [`history_stream`] and from there to all
//! processes. [`presence`] uses a key-value store.

mod acceptance;
mod accounting;
mod archive;
mod close;
mod connect;
mod connection;
mod consumer;
mod epoch;
mod history_publisher;
mod history_stream;
mod invalid_topic;
mod last_messages;
mod node_requests;
mod options;
mod presence;
mod progress;
mod publish_queue;
mod publish_window;
mod recovery;
mod refusals;
mod request;
mod sender;
mod sequence;
mod slow_consumer;
mod status;
mod subject;
mod subscribed_history;
mod subscriber;
mod topic;
mod tracker;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};

#[cfg(doc)]
use async_nats::ConnectOptions;
use async_nats::Event;
use bytes::Bytes;
use connect::Servers;
use connection::NatsConnection;
use invalid_topic::InvalidTopic;
pub use options::NatsOptions;
use slow_consumer::SUBSCRIPTION_CAPACITY;
use tokio::sync::mpsc;
use topic::NatsTopic;

use super::Hub;
use super::broker::{BoxFuture, Broker, ProcessAnswer, RemoteEvents, RemoteTopic, RequestHandler};
#[cfg(feature = "inspect")]
use super::report::BrokerReport;
use crate::error::{BrokerError, HubError};
use crate::metrics::BrokerMetrics;

/// Maximum number of commands queued in the client. A [`publish_queue`] precedes it and reports an
/// overflow to the publisher.
const CLIENT_CAPACITY: usize = 256;

impl Hub {
    /// Connects to a NATS server or cluster. All processes connected to it share the hub's topics.
    ///
    /// Handlers stay the same: a server that outgrows one process changes this one line. The guide
    /// describes what the hub guarantees when the [server is away](crate::guide::topics).
    ///
    /// The address is `nats://host:4222`, or several addresses of one cluster separated by commas. One
    /// reachable server is enough: it reports the others. Credentials are part of the address, as
    /// `nats://user:password@host` or `nats://token@host`, percent-encoded as in any URL (`%40` for `@`).
    /// One `tls://host` requires TLS from all servers. Histories and presence need a server with JetStream
    /// (`nats-server -js`, 2.9 or later).
    ///
    /// # Errors
    ///
    /// [`HubError`] if no server is reachable, which is tried once, or if the server rejects the
    /// credentials. A connection that is lost later is restored, however long that takes.
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

    /// Like [`nats`](Self::nats), with [replicas](NatsOptions::replicas), credentials, certificates and the
    /// client's other [`ConnectOptions`].
    ///
    /// [`ConnectOptions`] alone are accepted as well. User and password in the address take precedence over
    /// those in the options.
    ///
    /// The hub itself sets some options: no echo, the event callback, and the capacities of the client and
    /// of subscriptions. With `retry_on_initial_connect` the hub starts without a server.
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
        // The client's callback exists before the connection that it notifies.
        let late_connection = Arc::new(OnceLock::<Weak<NatsConnection>>::new());
        let callback_connection = Arc::clone(&late_connection);
        let was_connected = Arc::new(AtomicBool::new(false));
        let metrics = BrokerMetrics::default();
        let options = options
            .no_echo()
            .client_capacity(CLIENT_CAPACITY)
            .subscription_capacity(SUBSCRIPTION_CAPACITY)
            .event_callback(move |event| {
                match &event {
                    Event::Connected => metrics.on_connected(),
                    Event::Disconnected | Event::Closed => metrics.on_disconnected(),
                    _ => {}
                }
                let is_reconnect = event == Event::Connected && was_connected.swap(true, Ordering::Relaxed);
                if let Some(connection) = callback_connection.get().and_then(Weak::upgrade) {
                    connection.on_event(&event, is_reconnect);
                }
                std::future::ready(())
            });
        let client = servers.connect(options).await?;
        let connection = NatsConnection::start(client, replicas);
        // This is the only place that sets the cell.
        let _ = late_connection.set(Arc::downgrade(&connection));
        Ok(Self::with_broker(Box::new(NatsBroker(connection))))
    }
}

/// NATS as the broker of a hub.
struct NatsBroker(Arc<NatsConnection>);

impl Broker for NatsBroker {
    fn open_topic(&self, topic: &str, events: Weak<dyn RemoteEvents>) -> Arc<dyn RemoteTopic> {
        match subject::token(topic) {
            Ok(token) => NatsTopic::new(&self.0, token, events),
            Err(_) => Arc::new(InvalidTopic::new(topic, self.0.node)),
        }
    }

    fn request(&self, request: Bytes) -> mpsc::Receiver<ProcessAnswer> {
        self.0.request(request)
    }

    fn serve_requests(&self, handler: Weak<dyn RequestHandler>) {
        self.0.serve_requests(handler);
    }

    fn flush(&self) -> BoxFuture<Result<(), BrokerError>> {
        Box::pin(Arc::clone(&self.0).flush())
    }

    fn close(&self) -> BoxFuture<Result<(), BrokerError>> {
        self.0.close()
    }

    #[cfg(feature = "inspect")]
    fn report(&self) -> BrokerReport {
        let (server, statistics) = (self.0.client.server_info(), self.0.client.statistics());
        BrokerReport {
            is_connected: self.0.is_connected(),
            server: format!("NATS {} {}", server.version, server.server_name),
            received: statistics.in_messages.load(Ordering::Relaxed),
            sent: statistics.out_messages.load(Ordering::Relaxed),
            connects: statistics.connects.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests;
