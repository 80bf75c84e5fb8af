//! Subscribers of all handlers in one list.

use std::any::Any;
use std::sync::Arc;

use slab::Slab;

use super::delivery_queue::{Delivery, DeliveryQueue, TopicKey};

/// Where what is published leaves a topic, for one connection.
pub(crate) trait Subscriber<X>: Send + Sync {
    /// Gives a message to the connection; what has to go for it comes back.
    fn deliver(&self, message: &X) -> Option<Box<dyn Any + Send>>;

    /// Gives one that was kept, for which there is always room.
    fn replay(&self, message: &X);

    /// Messages were missed on the way to this process; 0 if nobody knows how many.
    fn lagged(&self, missed: u64);

    /// It is taken out of the topic; said under the lock of that.
    fn on_removed(&self) {}

    /// Which connection it is.
    fn connection_id(&self) -> usize;
}

/// The tap of a connection whose handler takes messages of type `I`.
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
        if let Some(delivery) = (self.convert)(message) {
            self.queue.replay(self.key, delivery);
        }
    }

    fn lagged(&self, missed: u64) {
        self.queue.lagged(missed);
    }

    fn connection_id(&self) -> usize {
        self.queue.id()
    }
}

/// All taps of one kind.
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

    pub(super) fn insert(&mut self, subscriber: Box<dyn Subscriber<X>>) -> usize {
        self.0.insert(subscriber)
    }

    /// The last use of what a connection has not taken may be this one.
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

    /// Gives a message to all connections but one.
    pub(super) fn deliver(&self, message: &X, except: Option<usize>, deferred: &mut DeferredDrop) {
        for (_, subscriber) in &self.0 {
            if except.is_none_or(|except| subscriber.connection_id() != except) {
                deferred.add(subscriber.deliver(message));
            }
        }
    }

    pub(super) fn lagged(&self, missed: u64) {
        self.0.iter().for_each(|(_, subscriber)| subscriber.lagged(missed));
    }
}

/// What is dropped when no lock is held, because dropping it is the user's code. Declared before the
/// lock is taken, it is dropped after that has been let go of.
#[derive(Default)]
pub(super) struct DeferredDrop(Vec<Box<dyn Any + Send>>);

impl DeferredDrop {
    pub(super) fn add(&mut self, delivery: Option<Box<dyn Any + Send>>) {
        self.0.extend(delivery);
    }
}
