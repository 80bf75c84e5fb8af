//! The list of a topic's subscribers, whose handlers may have different types.

use std::any::Any;
use std::sync::Arc;

use slab::Slab;

use super::broker::Loss;
use super::delivery_queue::{Delivery, DeliveryQueue, TopicKey};

/// The largest number of subscribers whose queues are counted. Publishers wait meanwhile.
#[cfg(feature = "inspect")]
const MAX_COUNTED: usize = 4096;

/// A topic's reference to one connection, which receives messages of type `X`.
pub(crate) trait Subscriber<X>: Send + Sync {
    /// Passes a message to the connection. Returns the message that was dropped for it, if any: the
    /// caller drops that without a lock.
    fn deliver(&self, message: &X) -> Option<Box<dyn Any + Send>>;

    /// Passes a message from the history, which does not count against the capacity.
    fn replay(&self, message: &X);

    /// Reports messages lost on the way to this process; `missed` is 0 if the number is unknown.
    fn lagged(&self, missed: u64);

    /// Like [`lagged`](Self::lagged), for messages lost before another one.
    fn lost(&self, loss: Loss) {
        self.lagged(loss.missed);
    }

    /// Called when the subscriber is removed from the topic, under the lock of the topic.
    fn on_removed(&self) {}

    /// Returns the number of the connection.
    fn connection_id(&self) -> usize;

    /// Returns the number of messages that wait for the connection, of all its topics.
    #[cfg(feature = "inspect")]
    fn waiting(&self) -> usize {
        0
    }
}

/// A subscriber that pushes messages into the queue of a connection. `I` is the type of message that its
/// handler takes.
pub(crate) struct QueueSubscriber<I, X> {
    pub(crate) queue: Arc<DeliveryQueue<I>>,
    pub(crate) key: TopicKey,
    pub(crate) convert: fn(&X) -> Option<Delivery<I>>,
}

impl<I: Send + 'static, X> Subscriber<X> for QueueSubscriber<I, X> {
    fn deliver(&self, message: &X) -> Option<Box<dyn Any + Send>> {
        let dropped = self.queue.push(self.key, (self.convert)(message)?)?;
        Some(Box::new(dropped))
    }

    fn replay(&self, message: &X) {
        match (self.convert)(message) {
            Some(delivery) => self.queue.replay(self.key, delivery),
            // The message could not be encoded as a frame.
            None => self.queue.lagged(1),
        }
    }

    fn lagged(&self, missed: u64) {
        self.queue.lagged(missed);
    }

    fn connection_id(&self) -> usize {
        self.queue.id()
    }

    #[cfg(feature = "inspect")]
    fn waiting(&self) -> usize {
        self.queue.len()
    }
}

/// The subscribers of a topic that take messages of type `X`.
pub(super) struct Subscribers<X>(Slab<Box<dyn Subscriber<X>>>);

impl<X> Default for Subscribers<X> {
    fn default() -> Self {
        Self(Slab::new())
    }
}

impl<X: 'static> Subscribers<X> {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Adds a subscriber. Returns its slot.
    pub(super) fn insert(&mut self, subscriber: Box<dyn Subscriber<X>>) -> usize {
        self.0.insert(subscriber)
    }

    /// Removes and returns a subscriber. The caller drops it without a lock, because a subscriber may hold
    /// the last reference to queued messages.
    pub(super) fn remove(&mut self, slot: usize) -> Option<Box<dyn Any + Send>>
    where
        Box<dyn Subscriber<X>>: Send,
    {
        let subscriber = self.0.try_remove(slot)?;
        subscriber.on_removed();
        if self.0.is_empty() {
            self.0 = Slab::new();
        }
        Some(Box::new(subscriber))
    }

    /// Delivers a message to all subscribers but those of the connection `except`. Returns their number.
    pub(super) fn deliver(&self, message: &X, except: Option<usize>, deferred: &mut DeferredDrop) -> usize {
        let mut delivered = 0;
        for (_, subscriber) in &self.0 {
            if except.is_none_or(|except| subscriber.connection_id() != except) {
                delivered += 1;
                deferred.add(subscriber.deliver(message));
            }
        }
        delivered
    }

    /// Returns the most and the total number of messages that wait for subscribers, of the first [`MAX_COUNTED`].
    #[cfg(feature = "inspect")]
    pub(super) fn waiting(&self) -> (usize, usize) {
        let waiting = self.0.iter().take(MAX_COUNTED).map(|(_, subscriber)| subscriber.waiting());
        waiting.fold((0, 0), |(most, total), waiting| (most.max(waiting), total + waiting))
    }

    /// Reports a loss to all subscribers; see [`Subscriber::lagged`].
    pub(super) fn lagged(&self, missed: u64) {
        self.0.iter().for_each(|(_, subscriber)| subscriber.lagged(missed));
    }

    /// Reports a loss at a position to all subscribers; see [`Subscriber::lost`].
    pub(super) fn lost(&self, loss: Loss) {
        self.0.iter().for_each(|(_, subscriber)| subscriber.lost(loss));
    }
}

/// Values to drop after a lock is released, because dropping them runs user code. Declare it before the
/// guard: locals are dropped in reverse order.
#[derive(Default)]
pub(super) struct DeferredDrop(Vec<Box<dyn Any + Send>>);

impl DeferredDrop {
    pub(super) fn add(&mut self, value: Option<Box<dyn Any + Send>>) {
        self.0.extend(value);
    }
}
