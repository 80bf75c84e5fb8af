//! The topics of a hub.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::time::Instant;

use super::broker::Broker;
use super::channel::Channel;
use super::codec::ErasedCodec;
use super::retention::RetentionQueue;
use crate::error::BrokerError;

/// The topics that are in use, and those that are kept.
#[derive(Default)]
pub(super) struct Registry {
    broker: Option<Box<dyn Broker>>,
    is_closed: AtomicBool,
    topics: Mutex<TopicTable>,
}

#[derive(Default)]
pub(super) struct TopicTable {
    by_type: HashMap<TypeId, HashMap<Arc<str>, Weak<dyn AnyTopic>>>,
    pub(super) retention: RetentionQueue,
}

/// A topic of any type.
pub(super) trait AnyTopic: Any + Send + Sync {
    /// When nobody will come back for its history any more.
    fn expires_at(&self) -> Instant;

    /// Whether it is on the shelf; read and changed under the lock of the topics.
    fn is_retained(&self) -> &AtomicBool;

    /// The hub is closed.
    fn close(&self);
}

impl Registry {
    #[cfg(feature = "nats")]
    pub(super) fn with_broker(broker: Box<dyn Broker>) -> Self {
        Self { broker: Some(broker), ..Self::default() }
    }

    pub(super) fn channel<T: Send + Sync + 'static>(
        self: &Arc<Self>,
        name: &str,
        codec: Box<dyn ErasedCodec<T>>,
    ) -> Arc<Channel<T>> {
        let mut topics = self.lock();
        let of_type = topics.by_type.entry(TypeId::of::<T>()).or_default();
        let known =
            of_type.get(name).and_then(Weak::upgrade).map(|known| known as Arc<dyn Any + Send + Sync>);
        if let Some(Ok(channel)) = known.map(Arc::downcast) {
            return channel;
        }
        let name = Arc::<str>::from(name);
        let channel = Channel::new(Arc::clone(&name), Arc::clone(self), codec);
        of_type.insert(name, Arc::downgrade(&channel) as Weak<dyn AnyTopic>);
        channel
    }

    pub(super) fn broker(&self) -> Option<&dyn Broker> {
        self.broker.as_deref()
    }

    /// Keeps a topic that has a history, also when nobody uses it, for a while.
    pub(super) fn retain<T: Send + Sync + 'static>(self: &Arc<Self>, channel: &Arc<Channel<T>>) {
        // Dropped when the lock is not held any more.
        let _evicted;
        let mut topics = self.lock();
        if !channel.is_retained().swap(true, Ordering::Relaxed) {
            topics.retention.insert(Arc::clone(channel) as _);
        }
        _evicted = topics.retention.evict_excess(Instant::now());
        topics.retention.ensure_task(self);
    }

    /// A topic is gone, unless another has come in its place.
    pub(super) fn remove(&self, type_id: TypeId, name: &str) {
        let mut topics = self.lock();
        if let Some(of_type) = topics.by_type.get_mut(&type_id)
            && of_type.get(name).is_some_and(|topic| topic.strong_count() == 0)
        {
            of_type.remove(name);
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Relaxed)
    }

    /// When the broker has what was published.
    pub(super) async fn flush(&self) -> Result<(), BrokerError> {
        if self.is_closed() {
            return Err(BrokerError::Closed);
        }
        let Some(broker) = &self.broker else { return Ok(()) };
        broker.flush().await
    }

    /// Ends all topics, and then the connection to the broker.
    pub(super) async fn close(&self) -> Result<(), BrokerError> {
        // Before the lock is taken: topics that are not among these see it.
        self.is_closed.store(true, Ordering::Relaxed);
        let topics: Vec<_> =
            self.lock().by_type.values().flat_map(HashMap::values).filter_map(Weak::upgrade).collect();
        for topic in topics {
            topic.close();
        }
        let Some(broker) = &self.broker else { return Ok(()) };
        broker.close().await
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lock().by_type.values().map(HashMap::len).sum()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, TopicTable> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
