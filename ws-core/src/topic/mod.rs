//! Publish and subscribe: what is published in a topic reaches everybody who has subscribed to it.
//!
//! A value goes from [`Topic::publish`] through the topic's [`channel`] to the [`delivery_queue`] of each
//! connection, which takes it from there in its own time. If there is a [`broker`], it goes there as
//! well, and what other processes publish comes in where the channel is [`remote`].

// Where there is no broker, nobody calls what it would.
#[cfg_attr(not(feature = "nats"), allow(dead_code))]
mod broker;
mod channel;
mod codec;
mod delivery_queue;
mod history;
mod hub;
#[cfg(feature = "nats")]
mod nats;
mod position;
#[cfg_attr(not(feature = "nats"), allow(dead_code))]
mod presence;
mod published;
mod recovery_buffer;
mod registry;
mod remote;
mod retention;
mod since;
#[cfg_attr(not(feature = "nats"), allow(dead_code))]
mod subscribers;
mod subscription;

use std::fmt;
use std::sync::Arc;

pub(crate) use channel::Channel;
pub use codec::Codec;
pub(crate) use delivery_queue::{Delivery, QueueItem};
pub use history::History;
pub use hub::Hub;
#[cfg(feature = "nats")]
pub use nats::NatsOptions;
pub use position::{ParsePositionError, Position};
pub use presence::{Member, MemberId, Presence};
pub use published::Published;
pub use since::Since;
pub(crate) use subscribers::QueueSubscriber;
pub use subscription::{Joined, Recovering, Recovery, Subscribed};
pub(crate) use subscription::{SubscriptionKind, Subscriptions};

use crate::error::PublishError;

/// A topic: what is published in it reaches all who have subscribed, once, and in the order in which
/// each publisher published it. What one publishes may come before or after what another does, and not
/// for all subscribers alike, unless the topic has a [history](Self::history): that is one order for all.
///
/// [`Hub::topic`] makes one. It is cheap to clone, can go to any thread, and is forgotten when nobody has
/// it any more; a history is kept for a while.
///
/// Nobody waits for anybody: a subscriber that is too slow misses something, or ends, as its handler
/// declares with `overflow`. What is missed is told to its `#[on_lagged]`, whoever has lost it. The guide
/// has a chapter on [topics](crate::guide::topics).
///
/// ```
/// use ws_core::{Hub, Topic};
///
/// let hub = Hub::local();
/// let seconds: Topic<u64> = hub.topic("seconds");
/// seconds.publish(1)?;
/// assert_eq!((seconds.name(), seconds.subscribers()), ("seconds", 0));
/// # Ok::<_, ws_core::PublishError>(())
/// ```
pub struct Topic<T: Send + Sync + 'static>(pub(crate) Arc<Channel<T>>);

impl<T: Send + Sync + 'static> Topic<T> {
    /// Publishes a value, from wherever. It never waits: when it returns, the value is with the
    /// subscribers of this process and, if there is a broker, on its way to the others;
    /// [`Hub::flush`] waits until it is there. With a broker and a history it is on its way to all.
    ///
    /// # Errors
    ///
    /// [`PublishError::Closed`] if the hub is, [`PublishError::Encode`] if the value cannot be written,
    /// where that is needed; with a broker also the others of [`PublishError`]. Nobody gets it then, in no
    /// process.
    ///
    /// ```
    /// # use ws_core::{prelude::*, test::TestClient};
    /// # #[websocket] struct Clock(Topic<u64>);
    /// #[websocket]
    /// impl Clock {
    ///     #[on_open]
    ///     fn open(&mut self, cx: &mut Context<Self>) {
    ///         cx.forward(&self.0);
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let seconds = Hub::local().topic::<u64>("seconds");
    /// let mut client = TestClient::open(Clock(seconds.clone())).await;
    /// tokio::spawn(async move { seconds.publish(1) });
    /// assert_eq!(client.text().await, "1");
    /// # }
    /// ```
    pub fn publish(&self, value: T) -> Result<(), PublishError> {
        self.0.publish(value, None)
    }

    /// Keeps what is published from now on, for those who
    /// [subscribe from a position](crate::Context::subscribe_from): so many messages, or a
    /// [`History`] that says for how long too. Asked for twice, the larger one counts.
    ///
    /// With a broker it is kept there, and the first one counts: give a topic the same in all
    /// processes, those that only publish too. It takes a million messages at the most then, and a year.
    ///
    /// ```
    /// # use ws_core::Hub;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let room = Hub::local().topic::<String>("room:lobby").history(256);
    /// assert_eq!(room.position().await.map(|position| position.offset), Some(0));
    /// # }
    /// ```
    pub fn history(self, history: impl Into<History>) -> Self {
        self.0.enable_history(history.into());
        self
    }

    /// Where its history stands: the [`Position`] of the last message. It is for those who show something
    /// before their client is connected, as a page with what has been said until now: asked for *before*
    /// that is read, it is what the client [comes with](crate::Context::subscribe_from), so that it misses
    /// nothing between. A connection that just wants the last messages asks for
    /// [`Since::Last`] instead.
    ///
    /// `None` if the topic has no history. With a broker the server is asked, which takes two round trips;
    /// `None` then also if it does not answer within ten seconds. Messages that this process has published
    /// and that are still on their way there come behind it.
    ///
    /// ```
    /// # use ws_core::{prelude::*, test::TestClient};
    /// # #[websocket] struct Guest { room: Topic<String>, since: Option<Position> }
    /// # #[websocket]
    /// # impl Guest {
    /// #     #[on_open]
    /// #     async fn open(&mut self, cx: &mut Context<Self>) {
    /// #         assert!(cx.subscribe_from(&self.room, self.since).await.recovered);
    /// #     }
    /// #     #[on_info]
    /// #     fn heard(&mut self, line: Arc<String>) -> String {
    /// #         line.to_string()
    /// #     }
    /// # }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let room = Hub::local().topic::<String>("room:lobby").history(256);
    /// // In a handler of HTTP: first the position, then what the page shows.
    /// let since = room.position().await;
    /// let page = "nothing has been said";
    ///
    /// room.publish("hello".to_owned()).unwrap();
    /// // The page connects, with `?since=…`.
    /// let mut client = TestClient::open(Guest { room, since }).await;
    /// assert_eq!(client.text().await, "hello");
    /// # }
    /// ```
    pub async fn position(&self) -> Option<Position> {
        self.0.position().await
    }

    /// Who is there: the connections that [joined](crate::Context::join), those of a process in the
    /// order in which they did.
    ///
    /// With a broker it waits, five seconds at the most, until those of other processes are known; if
    /// the broker does not say, those that are known are all there are. They are followed from then on, so
    /// that whoever asks again within half a minute need not wait. Of other processes 100,000 are known at
    /// the most.
    ///
    /// ```
    /// # use ws_core::{prelude::*, test::TestClient};
    /// # #[websocket] struct Guest(Topic<String>);
    /// #[websocket]
    /// impl Guest {
    ///     #[on_open]
    ///     fn open(&mut self, cx: &mut Context<Self>) {
    ///         cx.join(&self.0, "anna");
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let room = Hub::local().topic::<String>("room:lobby");
    /// let _anna = TestClient::open(Guest(room.clone())).await;
    /// let names: Vec<_> = room.members().await.into_iter().map(|member| member.name).collect();
    /// assert_eq!(names, ["anna".into()]);
    /// # }
    /// ```
    pub async fn members(&self) -> Vec<Member> {
        if let Some(ready) = self.0.remote_members_ready() {
            ready.await;
        }
        self.0.members()
    }

    /// How many subscriptions this process has: those of [`subscribe`](crate::Context::subscribe) and of
    /// [`forward`](crate::Context::forward). A publisher can spare itself the trouble where nobody
    /// listens, in a hub of one process.
    ///
    /// ```
    /// # use ws_core::Hub;
    /// let prices = Hub::local().topic::<f64>("prices");
    /// assert_eq!(prices.subscribers(), 0);
    /// ```
    pub fn subscribers(&self) -> usize {
        self.0.subscribers()
    }

    /// Its name, as it was asked for.
    ///
    /// ```
    /// # use ws_core::Hub;
    /// assert_eq!(Hub::local().topic::<f64>("prices").name(), "prices");
    /// ```
    pub fn name(&self) -> &str {
        &self.0.name
    }
}

impl<T: Send + Sync + 'static> Clone for Topic<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Send + Sync + 'static> fmt::Debug for Topic<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Topic").field(&self.name()).finish()
    }
}

#[cfg(test)]
mod tests;
