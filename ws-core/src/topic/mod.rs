//! Publish and subscribe.
//!
//! A published value passes from [`Topic::publish`] through the topic's [`channel`] into the
//! [`delivery_queue`] of each connection, whose driver pops it. With a [`broker`] the value goes to other
//! processes as well; [`remote`] is the part of a channel that sends to the broker and receives from it. [`tagged`]
//! is about connections instead: it carries requests for those with a tag.

// Without a broker, some functions of these modules have no callers.
#[cfg_attr(not(feature = "nats"), allow(dead_code))]
mod broker;
mod channel;
mod codec;
mod delivery_queue;
#[cfg(feature = "json")]
mod envelope_codec;
mod frames;
mod history;
mod hub;
#[cfg(feature = "inspect")]
mod inspected;
mod local_connections;
#[cfg(feature = "nats")]
mod nats;
mod node_request;
mod position;
#[cfg_attr(not(feature = "nats"), allow(dead_code))]
mod presence;
mod publish_ack;
mod published;
mod receivers;
mod recovery_buffer;
mod registry;
mod remote;
#[cfg(feature = "inspect")]
mod report;
mod retention;
mod since;
#[cfg_attr(not(feature = "nats"), allow(dead_code))]
mod subscribers;
mod subscription;
mod tagged;

use std::fmt;
use std::sync::Arc;

pub(crate) use channel::Channel;
pub use codec::Codec;
pub(crate) use delivery_queue::{Delivery, QueueItem, new_connection_id};
#[cfg(feature = "json")]
pub use envelope_codec::EnvelopeCodec;
pub use history::History;
pub use hub::Hub;
#[cfg(feature = "inspect")]
pub(crate) use inspected::InspectedTopic;
#[cfg(feature = "nats")]
pub use nats::NatsOptions;
pub use position::{ParsePositionError, Position};
pub use presence::{Member, MemberId, Presence};
pub use publish_ack::PublishAck;
pub use published::Published;
pub(crate) use receivers::Receive;
#[cfg(feature = "inspect")]
pub(crate) use report::{HistoryReport, TopicReport};
pub use since::Since;
pub(crate) use subscribers::QueueSubscriber;
pub use subscription::{Joined, Recovering, Recovery, Subscribed};
pub(crate) use subscription::{SubscriptionKind, Subscriptions};
pub use tagged::{Reached, Reaching, TaggedInHub};

use crate::error::PublishError;

/// A topic: every subscriber receives each published message once.
///
/// All subscribers receive the messages of one publisher in the order in which it published them. Messages
/// of several publishers may have different orders at different subscribers, unless the topic has a
/// [history](Self::history), which gives one order for all.
///
/// [`Hub::topic`] returns a topic. A topic is cheap to clone, can move to any thread, and is freed with its
/// last handle; a history is retained for a while.
///
/// Publishers never wait for subscribers. A subscriber that is too slow misses messages or is closed, as the
/// `overflow` option of its handler selects. Its `#[on_lagged]` method reports missed messages, wherever they
/// were lost. The guide has a chapter on [topics](crate::guide::topics).
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
    /// Publishes a value. Works from any thread, and never waits.
    ///
    /// When the call returns, the subscribers of this process have the value. With a broker it is on its way
    /// to the other processes; [`Hub::flush`] waits until it arrives. With a broker and a history it is on
    /// its way to the subscribers of this process, too.
    ///
    /// The result is the acknowledgement of the message, with its position in the history: see
    /// [`PublishAck`]. Most publishers ignore it: `topic.publish(value)?;`.
    ///
    /// # Errors
    ///
    /// [`PublishError::Closed`] if the hub is closed, [`PublishError::Encode`] if the value has to be encoded
    /// and cannot be; with a broker also the other variants of [`PublishError`]. After an error, no
    /// subscriber in any process receives the value.
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
    pub fn publish(&self, value: T) -> Result<PublishAck, PublishError> {
        self.0.publish(value, None)
    }

    /// Stores messages published from now on, for connections that
    /// [subscribe from a position](crate::Context::subscribe_from).
    ///
    /// The argument is a number of messages, or a [`History`] with a time limit as well. Of several calls,
    /// the larger limits apply.
    ///
    /// With a broker, the broker stores the messages, and the first call sets the limits: use the same
    /// limits in all processes, including those that only publish. The maximum is then a million messages
    /// and one year.
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

    /// Returns the [`Position`] of the last message in the history; `None` if the topic has no history.
    ///
    /// Use it for content that is loaded before the client connects, for example a page with earlier
    /// messages. Read the position *before* that content: a client that then
    /// [subscribes from it](crate::Context::subscribe_from) misses nothing in between. A connection that only
    /// needs the last messages uses [`Since::Last`] instead.
    ///
    /// With a broker this takes two round trips. The result is also `None` if the broker does not answer
    /// within ten seconds. Messages of this process that are still on their way to the broker get later positions.
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
    /// #     fn line(&mut self, line: Arc<String>) -> String {
    /// #         line.to_string()
    /// #     }
    /// # }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let room = Hub::local().topic::<String>("room:lobby").history(256);
    /// // In an HTTP handler: first the position, then the content of the page.
    /// let since = room.position().await;
    /// let page = "no messages yet";
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

    /// Returns the members: the connections that have [joined](crate::Context::join). Those of one process
    /// are in the order in which they joined.
    ///
    /// With a broker this waits up to five seconds for the members of other processes. If the broker does
    /// not answer, the result has only the members known so far. This process then follows the members, so
    /// that another call within half a minute need not wait. Up to
    /// 100,000 members of other processes are known.
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
            // Without an answer, the members known so far are returned.
            let _ = ready.await;
        }
        self.0.members()
    }

    /// Returns the number of subscriptions of this process, by [`subscribe`](crate::Context::subscribe) or by
    /// [`forward`](crate::Context::forward). In a hub of one process, a publisher can skip its work if this
    /// is 0.
    ///
    /// ```
    /// # use ws_core::Hub;
    /// let prices = Hub::local().topic::<f64>("prices");
    /// assert_eq!(prices.subscribers(), 0);
    /// ```
    pub fn subscribers(&self) -> usize {
        self.0.subscribers()
    }

    /// Returns the name with which the topic was created.
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
