//! The topics of a hub by type and name, and the task that frees expired histories.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::broker::Broker;
use super::local_connections::LocalConnections;
use super::retention::{AnyTopic, RetentionQueue};
use crate::error::BrokerError;
use crate::sync::lock;

/// The topics of a hub: those in use, and those retained for their history.
#[derive(Default)]
pub(super) struct Registry {
    broker: Option<Box<dyn Broker>>,
    is_closed: AtomicBool,
    topics: Mutex<TopicTable>,
    connections: Arc<LocalConnections>,
}

#[derive(Default)]
struct TopicTable {
    by_type: HashMap<TopicType, HashMap<Arc<str>, Weak<dyn AnyTopic>>>,
    retention: RetentionQueue,
    /// Whether a [`RetentionTask`] runs.
    has_retention_task: bool,
}

/// The type of a topic: that of its values, and whether they stay in this process.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct TopicType {
    values: TypeId,
    is_local: bool,
}

impl TopicType {
    pub(super) fn new<T: 'static>(is_local: bool) -> Self {
        Self { values: TypeId::of::<T>(), is_local }
    }
}

impl Registry {
    #[cfg(any(test, feature = "nats"))]
    pub(super) fn with_broker(broker: Box<dyn Broker>) -> Self {
        Self { broker: Some(broker), ..Self::default() }
    }

    /// Returns the topic of this type and name, creating it with `create` if there is none.
    pub(super) fn get_or_insert_with<C: AnyTopic>(
        &self,
        topic_type: TopicType,
        name: &str,
        create: impl FnOnce(Arc<str>) -> Arc<C>,
    ) -> Arc<C> {
        let mut topics = self.lock();
        let of_type = topics.by_type.entry(topic_type).or_default();
        let known =
            of_type.get(name).and_then(Weak::upgrade).map(|known| known as Arc<dyn Any + Send + Sync>);
        if let Some(Ok(topic)) = known.map(Arc::downcast) {
            return topic;
        }
        let name = Arc::<str>::from(name);
        let topic = create(Arc::clone(&name));
        of_type.insert(name, Arc::downgrade(&topic) as Weak<dyn AnyTopic>);
        topic
    }

    pub(super) fn broker(&self) -> Option<&dyn Broker> {
        self.broker.as_deref()
    }

    /// Returns the connections of this process that other processes reach by tag.
    pub(super) fn local_connections(&self) -> &Arc<LocalConnections> {
        &self.connections
    }

    /// Retains a topic that has a history, until that history has expired and the topic is unused.
    pub(super) fn retain(self: &Arc<Self>, topic: Arc<dyn AnyTopic>) {
        // Declared before the guard, so that the messages are dropped after the lock is released.
        let _evicted;
        let mut topics = self.lock();
        if !topic.is_retained().swap(true, Ordering::Relaxed) {
            topics.retention.insert(topic);
        }
        _evicted = topics.retention.evict_excess(Instant::now());
        self.ensure_retention_task(&mut topics);
    }

    /// Starts the hub's [`RetentionTask`], unless it runs or has nothing to do. Without a runtime no task
    /// starts; the next [`retain`](Self::retain) tries again.
    fn ensure_retention_task(self: &Arc<Self>, topics: &mut TopicTable) {
        if topics.has_retention_task || topics.retention.is_empty() {
            return;
        }
        if let Ok(runtime) = Handle::try_current() {
            topics.has_retention_task = true;
            let task = RetentionTask { registry: Arc::downgrade(self), is_finished: false };
            runtime.spawn(task.run(topics.retention.earlier_expiry()));
        }
    }

    /// Removes a dropped topic, unless a new one has taken its place.
    pub(super) fn remove(&self, topic_type: TopicType, name: &str) {
        let mut topics = self.lock();
        if let Some(of_type) = topics.by_type.get_mut(&topic_type)
            && of_type.get(name).is_some_and(|topic| topic.strong_count() == 0)
        {
            of_type.remove(name);
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Relaxed)
    }

    /// Waits until the broker has everything that was published before.
    pub(super) async fn flush(&self) -> Result<(), BrokerError> {
        if self.is_closed() {
            return Err(BrokerError::Closed);
        }
        let Some(broker) = &self.broker else { return Ok(()) };
        broker.flush().await
    }

    /// Closes all topics, and then the connection to the broker.
    pub(super) async fn close(&self) -> Result<(), BrokerError> {
        // Set before the lock is taken: topics that are added after the list below see the flag.
        self.is_closed.store(true, Ordering::Relaxed);
        let topics: Vec<_> =
            self.lock().by_type.values().flat_map(HashMap::values).filter_map(Weak::upgrade).collect();
        for topic in topics {
            topic.close();
        }
        let Some(broker) = &self.broker else { return Ok(()) };
        broker.close().await
    }

    /// Returns all topics. The caller drops them without a lock, because each may be the last handle.
    #[cfg(feature = "inspect")]
    pub(super) fn topics(&self) -> Vec<Arc<dyn AnyTopic>> {
        self.lock().by_type.values().flat_map(HashMap::values).filter_map(Weak::upgrade).collect()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lock().by_type.values().map(HashMap::len).sum()
    }

    fn lock(&self) -> MutexGuard<'_, TopicTable> {
        lock(&self.topics)
    }
}

/// The task that frees the expired histories of a hub.
struct RetentionTask {
    registry: Weak<Registry>,
    is_finished: bool,
}

impl RetentionTask {
    async fn run(mut self, earlier_expiry: Arc<Notify>) {
        while let Some(at) = self.expire_due() {
            let _ = tokio::time::timeout_at(at, earlier_expiry.notified()).await;
            // Each pass frees one batch, so other tasks run between the batches.
            tokio::task::yield_now().await;
        }
    }

    /// Frees a batch of expired topics. Returns when the next ones expire.
    fn expire_due(&mut self) -> Option<Instant> {
        let registry = self.registry.upgrade()?;
        // Declared before the guard, so that the messages are dropped after the lock is released.
        let _expired;
        let mut topics = registry.lock();
        let (expired, next) = topics.retention.expire(Instant::now());
        _expired = expired;
        if next.is_none() {
            // Cleared under the lock, so that the next `retain` sees it and starts another task.
            topics.has_retention_task = false;
            self.is_finished = true;
        }
        next
    }
}

/// Lets another task start if this one was dropped with its runtime.
impl Drop for RetentionTask {
    fn drop(&mut self) {
        if !self.is_finished
            && let Some(registry) = self.registry.upgrade()
        {
            registry.lock().has_retention_task = false;
        }
    }
}
