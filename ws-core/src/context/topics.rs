//! The commands of a handler to its subscriptions.

use std::sync::Arc;

use super::Context;
use crate::error::{BrokerError, HandlerError, PublishError};
use crate::handler::{DeliverTo, Handler};
use crate::topic::{
    Channel, Delivery, PublishAck, Published, QueueSubscriber, Recovering, Recovery, Since, Subscribed,
    SubscriptionKind, Subscriptions, Topic,
};

/// Topics.
impl<H: Handler> Context<H> {
    /// Subscribes the handler to a topic.
    ///
    /// The messages that are published from now on reach the `#[on_info]` for `Arc<T>` or for
    /// [`Published<T>`]; the handler needs exactly one of the two. The handler also receives the messages
    /// that it publishes itself: see [`publish_to_others`](Self::publish_to_others).
    ///
    /// The subscription ends with the connection. A second call for the same topic has no effect. Await
    /// the result only to wait for the broker, and to learn whether it accepts: see [`Subscribed`].
    ///
    /// Subscribing fails if the name of the topic is too long for the broker, or if the hub is closed.
    /// `#[on_error]` gets the error, as for the other commands for topics.
    ///
    /// ```
    /// # use ws_core::{prelude::*, test::TestClient};
    /// # #[websocket] struct Guest { room: Topic<String> }
    /// #[websocket]
    /// impl Guest {
    ///     #[on_open]
    ///     fn open(&mut self, cx: &mut Context<Self>) {
    ///         cx.subscribe(&self.room);
    ///     }
    ///     #[on_info]
    ///     fn receive(&mut self, line: Arc<String>) -> String {
    ///         line.to_uppercase()
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let room = Hub::local().topic::<String>("room:lobby");
    /// let mut client = TestClient::open(Guest { room: room.clone() }).await;
    /// room.publish("hello".to_owned()).unwrap();
    /// assert_eq!(client.text().await, "HELLO");
    /// # }
    /// ```
    pub fn subscribe<T, M>(&mut self, topic: &Topic<T>) -> Subscribed
    where
        T: DeliverTo<H, M> + Send + Sync + 'static,
    {
        let convert = |message: &Published<T>| Some(Delivery::Info(T::info(message)));
        let started = self.attach(topic, SubscriptionKind::Handler, convert, |channel, subscriber| {
            channel.subscribe(Box::new(subscriber), SubscriptionKind::Handler)
        });
        Subscribed::new(started, topic.0.wait_subscribed())
    }

    /// Subscribes the handler to a topic, starting with messages from its history.
    ///
    /// The handler first receives the messages since [`since`](Since), and then the messages that are
    /// published from now on, in order and each message once. A returning client gives the [`Position`]
    /// of the last message that it received ([`Published::position`]). A new client can get the
    /// [last](Since::Last) messages. The topic needs a [history](Topic::history).
    ///
    /// If the history does not contain all requested messages any more, or if `since` requests none, the
    /// handler receives only the messages from now on, and
    /// [`Recovery::recovered`](crate::Recovery::recovered) is `false`.
    ///
    /// Recovered messages do not count against `mailbox`, and `overflow` does not apply to them. A second
    /// call restarts the subscription at `since` and discards the messages of the topic that are still
    /// queued.
    ///
    /// [`Position`]: crate::Position
    ///
    /// ```
    /// # use ws_core::{prelude::*, test::TestClient};
    /// # #[websocket] struct Guest { room: Topic<String>, since: Option<Position> }
    /// #[websocket]
    /// impl Guest {
    ///     #[on_open]
    ///     async fn open(&mut self, cx: &mut Context<Self>) -> Option<&'static str> {
    ///         let recovery = cx.subscribe_from(&self.room, self.since).await;
    ///         (!recovery.recovered).then_some("reload, please")
    ///     }
    ///     #[on_info]
    ///     fn receive(&mut self, line: Published<String>) -> Json<(Option<Position>, Published<String>)> {
    ///         Json((line.position(), line))
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let room = Hub::local().topic::<String>("room:lobby").history(256);
    /// let since = room.position().await;
    /// room.publish("you missed this".to_owned()).unwrap();
    /// let mut client = TestClient::open(Guest { room: room.clone(), since }).await;
    /// assert!(client.text().await.ends_with(r#","you missed this"]"#));
    /// # }
    /// ```
    pub fn subscribe_from<T, M>(&mut self, topic: &Topic<T>, since: impl Into<Since>) -> Recovering
    where
        T: DeliverTo<H, M> + Send + Sync + 'static,
    {
        let convert = |message: &Published<T>| Some(Delivery::Info(T::info(message)));
        self.recover(topic, SubscriptionKind::Handler, convert, since.into())
    }

    /// Forwards the messages of a topic to the client, without the handler. Cowboy has no equivalent.
    ///
    /// A message is encoded, framed and compressed once for all clients that it is forwarded to. The
    /// subscription ends with the connection.
    ///
    /// The handler may subscribe to the topic as well. If the client reads too slowly, the option
    /// `overflow` applies, and `#[on_lagged]` gets the number of dropped messages.
    /// [`forward_from`](Self::forward_from) starts with messages of the history.
    ///
    /// ```
    /// # use ws_core::{prelude::*, test::TestClient};
    /// # #[websocket(overflow = latest)] struct Ticker { prices: Topic<f64> }
    /// #[websocket]
    /// impl Ticker {
    ///     #[on_open]
    ///     fn open(&mut self, cx: &mut Context<Self>) {
    ///         cx.forward(&self.prices);
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let prices = Hub::local().topic::<f64>("prices");
    /// let mut client = TestClient::open(Ticker { prices: prices.clone() }).await;
    /// prices.publish(2.5).unwrap();
    /// assert_eq!(client.text().await, "2.5");
    /// # }
    /// ```
    pub fn forward<T: Send + Sync + 'static>(&mut self, topic: &Topic<T>) -> Subscribed {
        let convert = |message: &Published<T>| message.frame().cloned().map(Delivery::Frame);
        let started = self.attach(topic, SubscriptionKind::Client, convert, |channel, subscriber| {
            channel.subscribe(Box::new(subscriber), SubscriptionKind::Client)
        });
        Subscribed::new(started, topic.0.wait_subscribed())
    }

    /// Like [`forward`](Self::forward), but starts with messages from the topic's history, as
    /// [`subscribe_from`](Self::subscribe_from) does for the handler.
    ///
    /// The client first gets the messages since [`since`](Since), and then the messages that are published from
    /// now on, in order and each message once. The awaited result tells the handler whether all requested
    /// messages are sent ([`Recovery::recovered`]); if not, the client gets only the messages from now on.
    ///
    /// Forwarded messages carry no positions. A client that reconnects needs a position from elsewhere: from its
    /// page ([`Topic::position`]), from its own last message ([`PublishAck`]), or in the messages themselves. A
    /// handler whose client needs the position of each message [subscribes](Self::subscribe_from), and sends
    /// them itself.
    ///
    /// A stored message that was not encoded before is encoded now, once for all clients. A message that the
    /// codec cannot encode counts as missed, in `#[on_lagged]`.
    ///
    /// ```
    /// # use ws_core::{prelude::*, test::TestClient};
    /// # #[websocket] struct Guest { room: Topic<String>, since: Option<Position> }
    /// #[websocket]
    /// impl Guest {
    ///     #[on_open]
    ///     async fn open(&mut self, cx: &mut Context<Self>) -> Option<&'static str> {
    ///         let recovery = cx.forward_from(&self.room, self.since).await;
    ///         (!recovery.recovered).then_some("reload, please")
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let room = Hub::local().topic::<String>("room:lobby").history(256);
    /// let since = room.position().await;
    /// room.publish("you missed this".to_owned()).unwrap();
    /// let mut client = TestClient::open(Guest { room: room.clone(), since }).await;
    /// assert_eq!(client.text().await, r#""you missed this""#);
    /// # }
    /// ```
    pub fn forward_from<T>(&mut self, topic: &Topic<T>, since: impl Into<Since>) -> Recovering
    where
        T: Send + Sync + 'static,
    {
        let convert = |message: &Published<T>| message.frame().cloned().map(Delivery::Frame);
        self.recover(topic, SubscriptionKind::Client, convert, since.into())
    }

    /// Ends [`subscribe`](Self::subscribe) and [`forward`](Self::forward) for a topic. Returns `false` if
    /// neither was active.
    ///
    /// Messages that were published before may still arrive.
    ///
    /// ```
    /// # use ws_core::{prelude::*, test::TestClient};
    /// # #[websocket] struct Guest { room: Topic<String> }
    /// #[websocket]
    /// impl Guest {
    ///     #[on_text]
    ///     fn command(&mut self, text: &str, cx: &mut Context<Self>) {
    ///         match text {
    ///             "mute" => _ = cx.unsubscribe(&self.room),
    ///             _ => _ = cx.forward(&self.room),
    ///         }
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// # let room = Hub::local().topic::<String>("room:lobby");
    /// # let mut client = TestClient::open(Guest { room: room.clone() }).await;
    /// # for (command, expect) in [("listen", 1), ("mute", 0)] {
    /// #     client.send(command).await;
    /// #     assert_eq!(room.subscribers(), expect);
    /// # }
    /// # }
    /// ```
    pub fn unsubscribe<T: Send + Sync + 'static>(&mut self, topic: &Topic<T>) -> bool {
        self.detach(topic, &[SubscriptionKind::Handler, SubscriptionKind::Client])
    }

    /// Publishes a value to all subscribers except this connection. Returns the acknowledgement of the message,
    /// with its position: see [`PublishAck`].
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`Topic::publish`].
    ///
    /// ```
    /// # use ws_core::{prelude::*, test::TestClient};
    /// # #[websocket] struct Guest { room: Topic<String> }
    /// #[websocket]
    /// impl Guest {
    ///     #[on_open]
    ///     fn open(&mut self, cx: &mut Context<Self>) {
    ///         cx.forward(&self.room);
    ///     }
    ///     #[on_text]
    ///     fn publish(&mut self, text: String, cx: &mut Context<Self>) -> Result<(), PublishError> {
    ///         cx.publish_to_others(&self.room, text)?;
    ///         Ok(())
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let room = Hub::local().topic::<String>("room:lobby");
    /// let mut anna = TestClient::open(Guest { room: room.clone() }).await;
    /// let mut ben = TestClient::open(Guest { room }).await;
    /// anna.send("hello").await;
    /// assert_eq!(ben.text().await, r#""hello""#);
    /// anna.expect_nothing().await;
    /// # }
    /// ```
    pub fn publish_to_others<T>(&mut self, topic: &Topic<T>, value: T) -> Result<PublishAck, PublishError>
    where
        T: Send + Sync + 'static,
    {
        let own = self.session().subscriptions.as_ref().map(|subscriptions| subscriptions.queue.id());
        topic.0.publish(value, own)
    }

    /// Starts a subscription of one kind at `since`, in place of the one there is.
    fn recover<T: Send + Sync + 'static>(
        &mut self,
        topic: &Topic<T>,
        kind: SubscriptionKind,
        convert: fn(&Published<T>) -> Option<Delivery<H::Info>>,
        since: Since,
    ) -> Recovering {
        self.detach(topic, &[kind]);
        // The topic's queued messages are recovered again. Dropped after the session is unlocked, because
        // dropping them runs user code.
        let key = topic.0.key_for(kind);
        let _waiting =
            self.session().subscriptions.as_ref().map(|subscriptions| subscriptions.queue.take_pending(key));
        // Encoding runs user code, so it happens before the session is locked.
        let _frames = (kind == SubscriptionKind::Client).then(|| topic.0.encode_history(since)).flatten();
        let mut recovering = None;
        // `add_subscription` has stored an error for `#[on_error]`.
        let _ = self.attach(topic, kind, convert, |channel, subscriber| {
            let (slot, found) = channel.subscribe_from(Box::new(subscriber), kind, since);
            recovering = Some(found);
            slot
        });
        recovering.unwrap_or_else(|| Recovering::ready(Recovery::default()))
    }

    /// Adds a subscription of one kind to a topic, unless there is one. `take` converts a message of the
    /// topic for this handler.
    pub(super) fn attach<T, X>(
        &mut self,
        topic: &Topic<T>,
        kind: SubscriptionKind,
        convert: fn(&X) -> Option<Delivery<H::Info>>,
        begin: impl FnOnce(&Arc<Channel<T>>, QueueSubscriber<H::Info, X>) -> usize,
    ) -> Result<(), BrokerError>
    where
        T: Send + Sync + 'static,
    {
        let key = topic.0.key_for(kind);
        self.add_subscription(topic, kind, |channel, subscriptions| {
            Ok(begin(channel, QueueSubscriber { queue: Arc::clone(&subscriptions.queue), key, convert }))
        })
    }

    pub(super) fn add_subscription<T: Send + Sync + 'static>(
        &mut self,
        topic: &Topic<T>,
        kind: SubscriptionKind,
        begin: impl FnOnce(&Arc<Channel<T>>, &Subscriptions<H::Info>) -> Result<usize, BrokerError>,
    ) -> Result<(), BrokerError> {
        let (channel, key) = (&topic.0, topic.0.key());
        let mut session = self.session();
        if let Err(error) = channel.check(kind) {
            let broker_error = BrokerError::from_publish_error(&error);
            session.fail(HandlerError::Method(error.into()));
            return Err(broker_error);
        }
        // The connection is closing.
        let Some(subscriptions) = session.open_subscriptions() else { return Err(BrokerError::Closed) };
        if !subscriptions.contains(key, kind) {
            let slot = begin(channel, subscriptions)?;
            subscriptions.add(Arc::clone(channel) as _, key, kind, slot);
        }
        Ok(())
    }

    pub(super) fn detach<T: Send + Sync + 'static>(
        &mut self,
        topic: &Topic<T>,
        kinds: &[SubscriptionKind],
    ) -> bool {
        // Dropped after the session is unlocked, because dropping runs user code.
        let removed;
        let mut session = self.session();
        removed =
            session.subscriptions.as_mut().map(|subscriptions| subscriptions.remove(topic.0.key(), kinds));
        removed.as_ref().is_some_and(|removed| !removed.is_empty())
    }
}
