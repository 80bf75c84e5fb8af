//! The commands of a handler to its subscriptions.

use std::sync::Arc;

use super::Context;
use crate::error::{BrokerError, HandlerError, PublishError};
use crate::handler::{DeliverTo, Handler, InfoOf};
use crate::topic::{
    Channel, Delivery, Joined, Presence, PublishAck, Published, QueueSubscriber, Recovering, Recovery, Since,
    Subscribed, SubscriptionKind, Subscriptions, Topic,
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
    /// the result only to wait for the broker: see [`Subscribed`].
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
        self.attach(topic, SubscriptionKind::Handler, convert, |channel, subscriber| {
            channel.subscribe(Box::new(subscriber), SubscriptionKind::Handler)
        });
        Subscribed::new(topic.0.wait_subscribed())
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
        self.detach(topic, &[SubscriptionKind::Handler]);
        // The topic's queued messages are recovered again. Dropped after the session is unlocked, because
        // dropping them runs user code.
        let _waiting = self.session().subscriptions.as_ref().map(|subscriptions| {
            subscriptions.queue.take_pending(topic.0.key_for(SubscriptionKind::Handler))
        });
        let since = since.into();
        let mut recovering = None;
        let convert = |message: &Published<T>| Some(Delivery::Info(T::info(message)));
        self.attach(topic, SubscriptionKind::Handler, convert, |channel, subscriber| {
            let (slot, found) = channel.subscribe_from(Box::new(subscriber), since);
            recovering = Some(found);
            slot
        });
        recovering.unwrap_or_else(|| Recovering::ready(Recovery::default()))
    }

    /// Forwards the messages of a topic to the client, without the handler. Cowboy has no equivalent.
    ///
    /// A message is encoded, framed and compressed once for all clients that it is forwarded to. The
    /// subscription ends with the connection.
    ///
    /// The handler may subscribe to the topic as well. If the client reads too slowly, the option
    /// `overflow` applies, and `#[on_lagged]` gets the number of dropped messages. Forwarded messages
    /// carry no positions: a handler whose client needs them [subscribes](Self::subscribe_from) and sends
    /// them itself.
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
        self.attach(topic, SubscriptionKind::Client, convert, |channel, subscriber| {
            channel.subscribe(Box::new(subscriber), SubscriptionKind::Client)
        });
        Subscribed::new(topic.0.wait_subscribed())
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

    /// Makes this connection a member of a topic, with a name that [`Topic::members`] lists.
    ///
    /// The membership ends with the connection, or with [`leave`](Self::leave). A second call replaces the
    /// membership. Names need not be unique. With a broker, a name must fit into one message.
    ///
    /// Await the result to learn whether the broker has registered the member: see [`Joined`]. If a process
    /// dies, other processes remove its members after fifteen seconds.
    ///
    /// ```
    /// # use ws_core::{prelude::*, test::TestClient};
    /// # #[websocket] struct Guest { room: Topic<String>, name: &'static str }
    /// #[websocket]
    /// impl Guest {
    ///     #[on_open]
    ///     fn open(&mut self, cx: &mut Context<Self>) {
    ///         cx.watch(&self.room);
    ///         cx.join(&self.room, self.name);
    ///     }
    ///     #[on_info]
    ///     fn presence(&mut self, presence: Presence) -> String {
    ///         match presence {
    ///             Presence::Joined(member) => format!("{} has joined", member.name),
    ///             Presence::Left(member) => format!("{} has left", member.name),
    ///         }
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let room = Hub::local().topic::<String>("room:lobby");
    /// let mut anna = TestClient::open(Guest { room: room.clone(), name: "anna" }).await;
    /// assert_eq!(anna.text().await, "anna has joined");
    /// let mut ben = TestClient::open(Guest { room: room.clone(), name: "ben" }).await;
    /// assert_eq!(anna.text().await, "ben has joined");
    /// assert_eq!(room.members().await.len(), 2);
    /// ben.abort().await;
    /// assert_eq!(anna.text().await, "ben has left");
    /// # }
    /// ```
    pub fn join<T: Send + Sync + 'static>(&mut self, topic: &Topic<T>, name: &str) -> Joined {
        self.detach(topic, &[SubscriptionKind::Member]);
        let mut pending = None;
        let added = self.add_subscription(topic, SubscriptionKind::Member, |channel, _| {
            let (slot, joined) = channel.join(name)?;
            pending = Some(joined);
            Ok(slot)
        });
        pending.unwrap_or_else(|| Joined::ready(added))
    }

    /// Ends [`join`](Self::join) for a topic. Returns `false` if the connection was not a member.
    ///
    /// ```
    /// # use ws_core::{prelude::*, test::TestClient};
    /// # #[websocket] struct Guest { room: Topic<String> }
    /// #[websocket]
    /// impl Guest {
    ///     #[on_text]
    ///     fn status(&mut self, status: &str, cx: &mut Context<Self>) {
    ///         if status == "invisible" {
    ///             cx.leave(&self.room);
    ///         } else {
    ///             cx.join(&self.room, status);
    ///         }
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// # let room = Hub::local().topic::<String>("room:lobby");
    /// # let mut client = TestClient::open(Guest { room: room.clone() }).await;
    /// # for (status, expect) in [("busy", 1), ("away", 1), ("invisible", 0)] {
    /// #     client.send(status).await;
    /// #     assert_eq!(room.members().await.len(), expect);
    /// # }
    /// # }
    /// ```
    pub fn leave<T: Send + Sync + 'static>(&mut self, topic: &Topic<T>) -> bool {
        self.detach(topic, &[SubscriptionKind::Member])
    }

    /// Subscribes the handler to the members of a topic.
    ///
    /// The handler's `#[on_info]` for [`Presence`] first receives a [`Presence::Joined`] for each present
    /// member, including this connection if it is a member. Then it receives each change. [`Presence`] has
    /// an example.
    ///
    /// Await the result to wait until the members of other processes are queued for the handler. The wait
    /// ends after up to five seconds; members that are not known by then follow later.
    pub fn watch<T>(&mut self, topic: &Topic<T>) -> Subscribed
    where
        T: Send + Sync + 'static,
        Presence: InfoOf<H>,
    {
        let convert = |presence: &Presence| Some(Delivery::Info(presence.clone().into_info()));
        self.attach(topic, SubscriptionKind::Presence, convert, |channel, subscriber| {
            channel.watch(Box::new(subscriber))
        });
        // `others` also starts the watch at the broker, so it must be called even if the result is unused.
        Subscribed::new(topic.0.remote_members_ready())
    }

    /// Ends [`watch`](Self::watch) for a topic. Returns `false` if the handler did not watch the topic.
    ///
    /// Changes from before may still arrive.
    ///
    /// ```
    /// # use ws_core::prelude::*;
    /// # #[websocket] struct Entrance { room: Topic<String>, guests: usize }
    /// #[websocket]
    /// impl Entrance {
    ///     #[on_open]
    ///     fn open(&mut self, cx: &mut Context<Self>) {
    ///         cx.watch(&self.room);
    ///     }
    ///     #[on_info]
    ///     fn count(&mut self, _: Presence, cx: &mut Context<Self>) -> Option<&'static str> {
    ///         self.guests += 1;
    ///         (self.guests >= 100 && cx.unwatch(&self.room)).then_some("a crowd")
    ///     }
    /// }
    /// ```
    pub fn unwatch<T: Send + Sync + 'static>(&mut self, topic: &Topic<T>) -> bool {
        self.detach(topic, &[SubscriptionKind::Presence])
    }

    /// Adds a subscription of one kind to a topic, unless there is one. `take` converts a message of the
    /// topic for this handler.
    fn attach<T, X>(
        &mut self,
        topic: &Topic<T>,
        kind: SubscriptionKind,
        convert: fn(&X) -> Option<Delivery<H::Info>>,
        begin: impl FnOnce(&Arc<Channel<T>>, QueueSubscriber<H::Info, X>) -> usize,
    ) where
        T: Send + Sync + 'static,
    {
        let key = topic.0.key_for(kind);
        // `add_subscription` has stored the error for `#[on_error]`.
        let _ = self.add_subscription(topic, kind, |channel, subscriptions| {
            Ok(begin(channel, QueueSubscriber { queue: Arc::clone(&subscriptions.queue), key, convert }))
        });
    }

    fn add_subscription<T: Send + Sync + 'static>(
        &mut self,
        topic: &Topic<T>,
        kind: SubscriptionKind,
        begin: impl FnOnce(&Arc<Channel<T>>, &Subscriptions<H::Info>) -> Result<usize, BrokerError>,
    ) -> Result<(), BrokerError> {
        let (channel, key) = (&topic.0, topic.0.key());
        let mut session = self.session();
        if let Err(error) = channel.check() {
            let broker_error = BrokerError::from_publish_error(&error);
            session.failure = Some(Box::new(HandlerError::Method(error.into())));
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

    fn detach<T: Send + Sync + 'static>(&mut self, topic: &Topic<T>, kinds: &[SubscriptionKind]) -> bool {
        // Dropped after the session is unlocked, because dropping runs user code.
        let removed;
        let mut session = self.session();
        removed =
            session.subscriptions.as_mut().map(|subscriptions| subscriptions.remove(topic.0.key(), kinds));
        removed.as_ref().is_some_and(|removed| !removed.is_empty())
    }
}
