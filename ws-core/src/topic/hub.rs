//! The public handle of a set of topics.

use std::fmt;
use std::sync::Arc;

use super::Topic;
#[cfg(any(test, feature = "nats"))]
use super::broker::Broker;
use super::channel::Channel;
#[cfg(feature = "json")]
use super::codec;
use super::codec::Codec;
use super::registry::Registry;
use crate::error::BrokerError;

/// The topics of a server: of one process ([`Hub::local`]), or of many (`Hub::nats`).
///
/// A hub is cheap to clone, and usually the router's state or a part of it. Hubs are isolated: subscribers
/// in one hub do not receive messages published in another.
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// # #[derive(serde::Deserialize, serde::Serialize)] struct Line { text: String }
/// #[websocket(path = "/rooms/{room}")]
/// struct Guest { room: Topic<Line> }
///
/// #[websocket]
/// impl Guest {
///     #[on_upgrade]
///     fn join(Path(room): Path<String>, State(hub): State<Hub>) -> Self {
///         Self { room: hub.topic(format!("room:{room}")) }
///     }
///     #[on_open]
///     fn open(&mut self, cx: &mut Context<Self>) {
///         cx.subscribe(&self.room);
///     }
///     #[on_text]
///     fn text(&mut self, text: String) -> Result<(), PublishError> {
///         self.room.publish(Line { text })?;
///         Ok(())
///     }
///     #[on_info]
///     fn line(&mut self, line: Arc<Line>) -> Json<Arc<Line>> {
///         Json(line)
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let hub = Hub::local();
/// let _router = Router::new().mount::<Guest>().with_state(hub.clone()); // .serve("0.0.0.0:8080")
///
/// let guest = || TestClient::<Guest>::upgrade("/rooms/lobby").state(hub.clone()).open();
/// let (mut anna, mut ben) = (guest().await.unwrap(), guest().await.unwrap());
/// anna.send("hello").await;
/// assert_eq!(ben.text().await, r#"{"text":"hello"}"#);
/// # }
/// ```
#[derive(Clone)]
pub struct Hub(pub(super) Arc<Registry>);

impl Hub {
    /// Creates a hub of this process, without a broker.
    ///
    /// ```
    /// # use ws_core::Hub;
    /// let hub = Hub::local();
    /// assert_eq!(hub.topic::<String>("room:lobby").name(), "room:lobby");
    /// ```
    pub fn local() -> Self {
        Self(Arc::default())
    }

    #[cfg(any(test, feature = "nats"))]
    pub(super) fn with_broker(broker: Box<dyn Broker>) -> Self {
        Self(Arc::new(Registry::with_broker(broker)))
    }

    pub(super) fn registry(&self) -> &Arc<Registry> {
        &self.0
    }

    /// Returns the topic of this name, with values encoded as JSON. Any name is valid. All calls with the
    /// same name and type return the same topic, which is freed with its last handle.
    ///
    /// Across processes only the name identifies a topic, because Rust's type names are not stable: give
    /// topics of different types different names. With a broker a name may take 400 bytes, where letters,
    /// digits, `_` and `-` count as one byte and all other bytes as three. A topic with a longer name can be
    /// created but not used ([`PublishError::Name`](crate::PublishError::Name)).
    ///
    /// ```
    /// use ws_core::{Hub, Topic};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let hub = Hub::local();
    /// let (numbers, same): (Topic<u32>, Topic<u32>) = (hub.topic("numbers"), hub.topic("numbers"));
    /// let numbers = numbers.history(16);
    /// assert_eq!(same.position().await, numbers.position().await);
    /// # }
    /// ```
    #[cfg(feature = "json")]
    pub fn topic<T>(&self, name: impl AsRef<str>) -> Topic<T>
    where
        T: codec::JsonValue + Send + Sync + 'static,
    {
        self.topic_with(name, codec::JsonCodec)
    }

    /// Returns the topic of this name, with values encoded by `codec`; [`Codec`] has an example.
    ///
    /// The first call that creates the topic sets its codec. Use the same codec in all calls.
    pub fn topic_with<T, C>(&self, name: impl AsRef<str>, codec: C) -> Topic<T>
    where
        T: Send + Sync + 'static,
        C: Codec<T>,
    {
        Topic(Channel::open(&self.0, name.as_ref(), Some(Box::new(codec))))
    }

    /// Returns the topic of this name for values of any type, without serde and without a codec. Its values stay
    /// in this process, also if the hub has a broker.
    ///
    /// Handlers subscribe to it, join it and watch it as any other topic. A history is in memory, as in a hub
    /// of one process. The values cannot be [forwarded](crate::Context::forward) to clients: the handler's
    /// `#[on_error]` then gets [`PublishError::NoCodec`](crate::PublishError::NoCodec).
    ///
    /// A topic of [`topic`](Self::topic) with this name is another topic.
    ///
    /// ```
    /// # use ws_core::{prelude::*, test::TestClient};
    /// use std::time::Instant;
    ///
    /// /// Has no serde: an `Instant` means nothing elsewhere.
    /// struct Tick(Instant);
    ///
    /// # #[websocket] struct Clock { ticks: Topic<Tick> }
    /// #[websocket]
    /// impl Clock {
    ///     #[on_open]
    ///     fn open(&mut self, cx: &mut Context<Self>) {
    ///         cx.subscribe(&self.ticks);
    ///     }
    ///     #[on_info]
    ///     fn tick(&mut self, tick: Arc<Tick>) -> String {
    ///         format!("published {} s ago", tick.0.elapsed().as_secs())
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let ticks = Hub::local().local_topic("ticks");
    /// let mut client = TestClient::open(Clock { ticks: ticks.clone() }).await;
    /// ticks.publish(Tick(Instant::now())).unwrap();
    /// assert_eq!(client.text().await, "published 0 s ago");
    /// # }
    /// ```
    pub fn local_topic<T: Send + Sync + 'static>(&self, name: impl AsRef<str>) -> Topic<T> {
        Topic(Channel::open(&self.0, name.as_ref(), None))
    }

    /// Waits until the broker has everything that was published before with success, and has stored the
    /// messages that belong to a history. Subscribers of this process do not depend on it. A hub of one
    /// process has nothing to wait for.
    ///
    /// Use this where an answer promises that a message arrived; otherwise it is not needed. The call takes one
    /// round trip, and up to ten seconds. Cancellation is safe: the messages are sent all the same.
    ///
    /// # Errors
    ///
    /// A [`BrokerError`]: some messages may not have arrived. Messages lost with an earlier connection to
    /// the broker are not covered; `#[on_lagged]` reports those.
    ///
    /// ```
    /// use ws_core::{BoxError, Hub, Topic};
    ///
    /// async fn order(hub: &Hub, orders: &Topic<u32>, number: u32) -> Result<(), BoxError> {
    ///     orders.publish(number)?;
    ///     Ok(hub.flush().await?) // From here on the order arrives, even if this process dies.
    /// }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let hub = Hub::local();
    /// order(&hub, &hub.topic("orders"), 7).await.unwrap();
    /// # }
    /// ```
    pub async fn flush(&self) -> Result<(), BrokerError> {
        self.0.flush().await
    }

    /// Closes the hub, for all its clones. A server calls this last, after its connections have ended.
    ///
    /// When it returns:
    /// - the broker has everything that was published before with success, as after [`flush`](Self::flush);
    /// - the members of this process have left. Otherwise other processes remove them some seconds later;
    /// - the subscriptions and the connection to the broker have ended.
    ///
    /// From the start of the call, [`Topic::publish`] returns
    /// [`PublishError::Closed`](crate::PublishError::Closed), and handlers that subscribe or join get an
    /// error in `#[on_error]`. Connections stay open, but receive no more messages. With a broker, `#[on_lagged]`
    /// of those that are subscribed, or that watch members, gets a `0`.
    ///
    /// Closing takes up to eleven seconds. Cancellation is safe: closing continues in the background as long as
    /// the runtime does. A second call waits again and returns the same result. A hub that is dropped
    /// without this call sends its messages as well, but no call waits for them.
    ///
    /// # Errors
    ///
    /// A [`BrokerError`]: some published messages may not have arrived, or other processes remove the members
    /// some seconds later. The hub is closed in any case. If the connection to the broker was lost, it ends
    /// after a reconnect, or with the runtime.
    ///
    /// ```
    /// # use ws_core::{prelude::*, BoxError};
    /// # #[websocket(path = "/")] struct Guest { room: Topic<String> }
    /// #[websocket]
    /// impl Guest {
    /// #   #[on_upgrade]
    /// #   fn join(State(hub): State<Hub>) -> Self { Self { room: hub.topic("room:lobby") } }
    ///     #[on_close]
    ///     fn closed(&mut self) {
    ///         let _ = self.room.publish("a guest has left".to_owned());
    ///     }
    /// }
    ///
    /// async fn run(hub: Hub, stop: impl Future<Output = ()> + Send + 'static) -> Result<(), BoxError> {
    ///     let router = Router::new().mount::<Guest>().with_state(hub.clone());
    ///     router.serve_with_shutdown("127.0.0.1:0", stop).await?;
    ///     // All connections have ended. Closing sends what they published last.
    ///     Ok(hub.close().await?)
    /// }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// # let hub = Hub::local();
    /// # run(hub.clone(), async {}).await.unwrap();
    /// let error = hub.topic("room:lobby").publish("too late".to_owned()).unwrap_err();
    /// assert!(matches!(error, PublishError::Closed));
    /// # }
    /// ```
    pub async fn close(&self) -> Result<(), BrokerError> {
        self.0.close().await
    }
}

#[cfg(test)]
impl Hub {
    /// Returns the number of topics, in use or retained.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").finish_non_exhaustive()
    }
}
