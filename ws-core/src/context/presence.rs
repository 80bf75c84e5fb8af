//! The commands of a handler to the members of a topic.

use super::Context;
use crate::handler::{Handler, InfoOf};
use crate::topic::{Delivery, Joined, Presence, Subscribed, SubscriptionKind, Topic};

/// The members of topics.
impl<H: Handler> Context<H> {
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
    /// ends after up to five seconds, with [`BrokerError::TimedOut`](crate::BrokerError::TimedOut) if members are not known by then; these
    /// follow later.
    pub fn watch<T>(&mut self, topic: &Topic<T>) -> Subscribed
    where
        T: Send + Sync + 'static,
        Presence: InfoOf<H>,
    {
        let convert = |presence: &Presence| Some(Delivery::Info(presence.clone().into_info()));
        let started = self.attach(topic, SubscriptionKind::Presence, convert, |channel, subscriber| {
            channel.watch(Box::new(subscriber))
        });
        // `others` also starts the watch at the broker, so it must be called even if the result is unused.
        Subscribed::new(started, topic.0.remote_members_ready())
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
}
