//! The commands of a connection that are about topics.

use std::sync::Arc;

use super::Context;
use crate::error::{BrokerError, HandlerError, PublishError};
use crate::handler::{DeliverTo, Handler, InfoOf};
use crate::topic::{
    Channel, Delivery, Joined, Presence, Published, QueueSubscriber, Recovering, Recovery, Since, Subscribed,
    SubscriptionKind, Subscriptions, Topic,
};

/// Topics.
impl<H: Handler> Context<H> {
    /// Hears what is published in a topic from now on: in the `#[on_info]` for `Arc<T>`, or for
    /// [`Published<T>`], of which it needs one. It ends with the connection. Subscribing once more
    /// changes nothing. A handler hears what it publishes itself, too: see
    /// [`publish_to_others`](Self::publish_to_others).
    ///
    /// It fails only where a topic cannot be used at all, because its name is too long for a broker or the
    /// hub is closed: `#[on_error]` is told, as by all that follow.
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
    ///     fn heard(&mut self, line: Arc<String>) -> String {
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

    /// Hears what was published in a topic [since then](Since), in order, and then what is published
    /// from now on, each message once: for a client that comes back with the [`Position`] of the last
    /// message that it saw ([`Published::position`]), or for one that is new and is shown the
    /// [last](Since::Last) of them. The topic needs a [history](Topic::history).
    ///
    /// If something that was asked for is not known any more, or nothing was asked for, only what is
    /// published from now on arrives, and [`Recovery::recovered`](crate::Recovery::recovered) is false.
    ///
    /// What was kept always has room: `overflow` and `mailbox` are about what is published meanwhile.
    /// Subscribing once more begins anew from there, and what still waits of the topic is left out.
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
    ///     fn heard(&mut self, line: Published<String>) -> Json<(Option<Position>, Published<String>)> {
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
        // What still waits of it comes once more. Dropped when the session is free again.
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

    /// Sends the client what is published in a topic from now on, without asking the handler: a message
    /// is written, framed and compressed once for all who forward it. Cowboy leaves that to its users.
    ///
    /// A handler may subscribe as well, and then hears what its client gets. What does not fit is left
    /// out as `overflow` says, and told to `#[on_lagged]`. A client that needs positions to come back with
    /// is sent them by a handler that [subscribes](Self::subscribe_from).
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

    /// Ends [`subscribe`](Self::subscribe) and [`forward`](Self::forward); false if there was neither.
    /// What was published before may still arrive.
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

    /// Publishes a value for everybody but this connection.
    ///
    /// # Errors
    ///
    /// Those of [`Topic::publish`].
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
    ///     fn said(&mut self, text: String, cx: &mut Context<Self>) -> Result<(), PublishError> {
    ///         cx.publish_to_others(&self.room, text)
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
    pub fn publish_to_others<T>(&mut self, topic: &Topic<T>, value: T) -> Result<(), PublishError>
    where
        T: Send + Sync + 'static,
    {
        let own = self.session().subscriptions.as_ref().map(|subscriptions| subscriptions.queue.id());
        topic.0.publish(value, own)
    }

    /// Makes this connection a member of a topic until it ends, or [leaves](Self::leave): it is one of
    /// [`Topic::members`], under that name. Joined once more, it leaves first. Names need not differ; with
    /// a broker one has to fit into a message.
    ///
    /// Those of a process that dies without a word are missed after fifteen seconds. What comes of it
    /// is to be had by [awaiting](crate::Joined) it.
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
    ///             Presence::Joined(member) => format!("{} is here", member.name),
    ///             Presence::Left(member) => format!("{} has left", member.name),
    ///         }
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let room = Hub::local().topic::<String>("room:lobby");
    /// let mut anna = TestClient::open(Guest { room: room.clone(), name: "anna" }).await;
    /// assert_eq!(anna.text().await, "anna is here");
    /// let mut ben = TestClient::open(Guest { room: room.clone(), name: "ben" }).await;
    /// assert_eq!(anna.text().await, "ben is here");
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

    /// Ends [`join`](Self::join); false if it was not a member.
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
    /// # for (status, expect) in [("busy", 1), ("there", 1), ("invisible", 0)] {
    /// #     client.send(status).await;
    /// #     assert_eq!(room.members().await.len(), expect);
    /// # }
    /// # }
    /// ```
    pub fn leave<T: Send + Sync + 'static>(&mut self, topic: &Topic<T>) -> bool {
        self.detach(topic, &[SubscriptionKind::Member])
    }

    /// Hears who joins and leaves a topic, in the `#[on_info]` for [`Presence`], which has an example:
    /// first those who are there, as if they came now; this connection too, if it is a member.
    ///
    /// Awaited, it says that those of other processes are on their way to the handler. When they could not
    /// be learned in five seconds, they come later.
    pub fn watch<T>(&mut self, topic: &Topic<T>) -> Subscribed
    where
        T: Send + Sync + 'static,
        Presence: InfoOf<H>,
    {
        let convert = |presence: &Presence| Some(Delivery::Info(presence.clone().into_info()));
        self.attach(topic, SubscriptionKind::Presence, convert, |channel, subscriber| {
            channel.watch(Box::new(subscriber))
        });
        // It is asked for in any case: that begins it.
        Subscribed::new(topic.0.remote_members_ready())
    }

    /// Ends [`watch`](Self::watch); false if there was none. What has happened before may still arrive.
    ///
    /// ```
    /// # use ws_core::prelude::*;
    /// # #[websocket] struct Door { room: Topic<String>, guests: usize }
    /// #[websocket]
    /// impl Door {
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

    /// Ties this connection to a topic, once, by what it takes from there.
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
        // Nobody waits for it but `#[on_error]`.
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
        // The connection ends.
        let Some(subscriptions) = session.open_subscriptions() else { return Err(BrokerError::Closed) };
        if !subscriptions.contains(key, kind) {
            let slot = begin(channel, subscriptions)?;
            subscriptions.add(Arc::clone(channel) as _, key, kind, slot);
        }
        Ok(())
    }

    fn detach<T: Send + Sync + 'static>(&mut self, topic: &Topic<T>, kinds: &[SubscriptionKind]) -> bool {
        // Dropped when the session is free again: what it drops is the user's code.
        let removed;
        let mut session = self.session();
        removed =
            session.subscriptions.as_mut().map(|subscriptions| subscriptions.remove(topic.0.key(), kinds));
        removed.as_ref().is_some_and(|removed| !removed.is_empty())
    }
}
