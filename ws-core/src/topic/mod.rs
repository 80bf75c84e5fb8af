//! Publish and subscribe: what is published in a topic reaches everybody who has subscribed to it.
//!
//! A value goes from [`Topic::publish`] through the topic's [`channel`] to the [`feed`] of each
//! connection, which takes it from there in its own time. If there is a [`broker`], it goes there as
//! well, and what other processes publish comes in where the channel is [`far`].

// Where there is no broker, nobody calls what it would.
#[cfg_attr(not(feature = "nats"), allow(dead_code))]
mod broker;
mod channel;
mod codec;
mod commands;
mod far;
mod feed;
mod held;
mod history;
mod hub;
#[cfg(feature = "nats")]
mod nats;
mod position;
#[cfg_attr(not(feature = "nats"), allow(dead_code))]
mod presence;
mod published;
mod subscription;
#[cfg_attr(not(feature = "nats"), allow(dead_code))]
mod taps;

use std::fmt;
use std::sync::Arc;

use channel::Channel;
pub use codec::Codec;
pub(crate) use feed::{Delivery, Fed};
pub use history::History;
pub use hub::Hub;
#[cfg(feature = "nats")]
pub use nats::NatsOptions;
pub use position::{ParsePositionError, Position};
pub use presence::{Member, MemberId, Presence};
pub use published::{HeardBy, Published};
pub(crate) use subscription::Topics;
pub use subscription::{Recovering, Recovery, Subscribed};

use crate::error::PublishError;

/// A topic: what is published in it reaches all who have subscribed, in the order in which each
/// publisher published it. [`Hub::topic`] makes one. It is cheap to clone and can go to any thread.
///
/// Nobody waits for anybody: a subscriber that is too slow misses something, or ends, as its handler
/// declares with `overflow`. The guide has a chapter on [topics](crate::guide::topics).
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
pub struct Topic<T: Send + Sync + 'static>(Arc<Channel<T>>);

impl<T: Send + Sync + 'static> Topic<T> {
    /// Publishes a value, from wherever. It never waits.
    ///
    /// # Errors
    ///
    /// [`PublishError::Encode`] if the value cannot be written, where that is needed; with a broker
    /// also the others of [`PublishError`]. Nobody gets it then, in no process.
    ///
    /// ```
    /// # use ws_core::{prelude::*, test::Test};
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
    /// let mut client = Test::open(Clock(seconds.clone())).await;
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
    /// processes, those that only publish too.
    ///
    /// ```
    /// # use ws_core::Hub;
    /// let room = Hub::local().topic::<String>("room:lobby").history(256);
    /// assert_eq!(room.position().map(|position| position.offset), Some(0));
    /// ```
    pub fn history(self, history: impl Into<History>) -> Self {
        self.0.keep(history.into());
        self
    }

    /// Where its history stands, if it has one: the position of the last message. With a broker, of the
    /// last that this process has heard, as long as somebody here subscribes.
    pub fn position(&self) -> Option<Position> {
        self.0.position()
    }

    /// Who is there: the connections that [joined](crate::Context::join), those of a process in the
    /// order in which they did. With a broker it waits, a few seconds at the most, until those of
    /// other processes are known.
    pub async fn members(&self) -> Vec<Member> {
        if let Some(others) = self.0.others() {
            others.await;
        }
        self.0.members()
    }

    /// How many subscriptions this process has.
    pub fn subscribers(&self) -> usize {
        self.0.subscribers()
    }

    /// Its name.
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
