//! Where topics are found by their names, and how they end.

use std::fmt;
use std::sync::Arc;

use super::Topic;
#[cfg(feature = "nats")]
use super::broker::Broker;
#[cfg(feature = "json")]
use super::codec;
use super::codec::Codec;
use super::registry::Registry;
use crate::error::BrokerError;

/// The topics of a server: of one process ([`Hub::local`]), or of many (`Hub::nats`).
///
/// It is cheap to clone, and usually the state of the router, or a part of it. What is published in
/// one hub is not heard in another.
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// # #[derive(serde::Deserialize, serde::Serialize)] struct Said { text: String }
/// #[websocket(path = "/rooms/{room}")]
/// struct Guest { room: Topic<Said> }
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
///     fn said(&mut self, text: String) -> Result<(), PublishError> {
///         self.room.publish(Said { text })
///     }
///     #[on_info]
///     fn heard(&mut self, said: Arc<Said>) -> Json<Arc<Said>> {
///         Json(said)
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
pub struct Hub(Arc<Registry>);

impl Hub {
    /// A hub of this process: no broker, no network.
    ///
    /// ```
    /// # use ws_core::Hub;
    /// let hub = Hub::local();
    /// assert_eq!(hub.topic::<String>("room:lobby").name(), "room:lobby");
    /// ```
    pub fn local() -> Self {
        Self(Arc::default())
    }

    #[cfg(feature = "nats")]
    pub(super) fn with_broker(broker: Box<dyn Broker>) -> Self {
        Self(Arc::new(Registry::with_broker(broker)))
    }

    /// The topic of that name, whose values are written as JSON. Any name will do; whoever asks for
    /// the same name and type gets the same topic. It is forgotten when nobody has it any more.
    ///
    /// In other processes the name alone is what tells a topic from others, as types have no names that
    /// last: give topics of different types different names. There it may take 400 bytes, in which letters,
    /// digits, `_` and `-` are one and all others three; one that is longer can be asked for, but not used
    /// ([`PublishError::Name`](crate::PublishError::Name)).
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
        T: serde::Serialize + serde::de::DeserializeOwned + Send + Sync + 'static,
    {
        self.topic_with(name, codec::JsonCodec)
    }

    /// The topic of that name, whose values are written by `codec`; [`Codec`] has an example. Whoever
    /// comes first says how: give everybody the same one.
    pub fn topic_with<T, C>(&self, name: impl AsRef<str>, codec: C) -> Topic<T>
    where
        T: Send + Sync + 'static,
        C: Codec<T>,
    {
        Topic(self.0.channel(name.as_ref(), Box::new(codec)))
    }

    /// Waits until the broker has all that was published before with success, and keeps what goes to a
    /// history; the subscribers of this process have it anyway. A hub of one process has nothing to wait
    /// for. It is for those who must know, as before an answer that promises it; nobody else needs it.
    ///
    /// It takes a round trip, and ten seconds at the most. It may be cancelled: what was published is sent
    /// all the same.
    ///
    /// # Errors
    ///
    /// A [`BrokerError`]: some of it may not have got there. What was lost with a connection that was gone
    /// before this was called is not its subject, but that of `#[on_lagged]`.
    ///
    /// ```
    /// use ws_core::{BoxError, Hub, Topic};
    ///
    /// async fn order(hub: &Hub, orders: &Topic<u32>, number: u32) -> Result<(), BoxError> {
    ///     orders.publish(number)?;
    ///     Ok(hub.flush().await?) // Now the others get it, whatever becomes of this process.
    /// }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let hub = Hub::local();
    /// order(&hub, &hub.topic("orders"), 7).await.unwrap();
    /// # }
    /// ```
    pub async fn flush(&self) -> Result<(), BrokerError> {
        self.0.flush().await
    }

    /// Ends the hub, for all who have a clone of it: the last thing that a server does, after its
    /// connections have ended.
    ///
    /// When it returns, what was published before with success is with the broker, as after
    /// [`flush`](Self::flush), members of this process have left, instead of being missed some seconds
    /// later, subscriptions are over and the connection to the broker too. From the beginning on
    /// [`Topic::publish`] says [`PublishError::Closed`](crate::PublishError::Closed), and whoever
    /// subscribes or joins is told so by `#[on_error]`; nobody who is there hears anything more, but is
    /// not closed.
    ///
    /// It takes eleven seconds at the most. Cancelled, it goes on by itself for as long as the runtime does;
    /// called once more, it waits again, and says the same. A hub that is dropped without it says what it has to say as well,
    /// but nobody knows when.
    ///
    /// # Errors
    ///
    /// A [`BrokerError`]: some of what was published may not have got there, or those who have left may be
    /// missed some seconds later. The hub is closed in any case; a connection to the broker that is lost
    /// ends when it is back, or with the runtime.
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
    ///         let _ = self.room.publish("somebody has left".to_owned());
    ///     }
    /// }
    ///
    /// async fn run(hub: Hub, stop: impl Future<Output = ()> + Send + 'static) -> Result<(), BoxError> {
    ///     let router = Router::new().mount::<Guest>().with_state(hub.clone());
    ///     router.serve_with_shutdown("127.0.0.1:0", stop).await?;
    ///     // All connections have ended: what they have said goes out.
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
    /// How many topics there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").finish_non_exhaustive()
    }
}
