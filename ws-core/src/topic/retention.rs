//! Histories that nobody uses: kept for those who come back, and freed when nobody will.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::registry::{AnyTopic, Registry};

/// How many topics with a history may be kept that nobody uses.
const MAX_UNUSED: usize = 10_000;

/// How long it may take until it is seen that nobody uses one any more whose time was over before.
const RECHECK_INTERVAL: Duration = Duration::from_secs(30);

/// How many are looked at while the lock is held.
const EXPIRE_BATCH: usize = 256;

/// All topics with a history, by when they are looked at.
#[derive(Default)]
pub(super) struct RetentionQueue {
    queue: BinaryHeap<Expiry>,
    /// At how many those that nobody uses are counted.
    threshold: usize,
    /// Whether a task looks at them, and what tells it that one is due before all others.
    has_task: bool,
    earlier_expiry: Arc<Notify>,
}

struct Expiry {
    at: Instant,
    topic: Arc<dyn AnyTopic>,
}

impl RetentionQueue {
    pub(super) fn insert(&mut self, topic: Arc<dyn AnyTopic>) {
        let at = topic.expires_at();
        if self.queue.peek().is_some_and(|first| at < first.at) {
            self.earlier_expiry.notify_one();
        }
        self.queue.push(Expiry { at, topic });
    }

    /// Takes, of more than may be kept that nobody uses, those that have been idle for longest. They are
    /// counted when there are many more than the last time, so that each costs little.
    pub(super) fn evict_excess(&mut self, now: Instant) -> Vec<Arc<dyn AnyTopic>> {
        if self.queue.len() < self.threshold {
            return Vec::new();
        }
        let all = std::mem::take(&mut self.queue).into_vec().into_iter();
        let (in_use, idle): (Vec<_>, Vec<_>) = all.partition(Expiry::is_in_use);
        let mut idle: Vec<_> =
            idle.into_iter().map(|entry| Expiry { at: entry.topic.expires_at(), ..entry }).collect();
        idle.sort_unstable_by_key(|entry| entry.at);
        let excess = idle.len().saturating_sub(MAX_UNUSED / 2);
        let expired = idle.partition_point(|entry| entry.at <= now);
        let retained = idle.split_off(excess.max(expired));
        self.queue = in_use.into_iter().chain(retained).collect();
        self.threshold = self.queue.len() + self.queue.len().clamp(64, MAX_UNUSED / 2);
        idle.into_iter().map(Expiry::release).collect()
    }

    /// Takes those whose time is over and that nobody uses, some of them at once; and says when to look
    /// again, unless nothing is left.
    fn expire(&mut self, now: Instant) -> (Vec<Arc<dyn AnyTopic>>, Option<Instant>) {
        let mut expired = Vec::new();
        for _ in 0..EXPIRE_BATCH {
            let Some(entry) = self.queue.pop() else { break };
            if entry.at > now {
                self.queue.push(entry);
                break;
            }
            let expires_at = entry.topic.expires_at();
            if entry.is_in_use() {
                self.queue.push(Expiry { at: expires_at.max(now + RECHECK_INTERVAL), ..entry });
            } else if expires_at > now {
                self.queue.push(Expiry { at: expires_at, ..entry });
            } else {
                expired.push(entry.release());
            }
        }
        if self.queue.is_empty() {
            // It gives back what it has grown to.
            self.queue = BinaryHeap::new();
            self.threshold = 0;
        }
        (expired, self.queue.peek().map(|first| first.at))
    }

    /// Sees to it that somebody looks: one task for all, as long as there are any. Where there is no
    /// runtime, they are looked at when another one comes.
    pub(super) fn ensure_task(&mut self, registry: &Arc<Registry>) {
        if self.has_task || self.queue.is_empty() {
            return;
        }
        if let Ok(runtime) = Handle::try_current() {
            self.has_task = true;
            let task = RetentionTask { registry: Arc::downgrade(registry), is_finished: false };
            runtime.spawn(task.run(Arc::clone(&self.earlier_expiry)));
        }
    }
}

impl Expiry {
    /// Whether somebody else has it.
    fn is_in_use(&self) -> bool {
        Arc::strong_count(&self.topic) > 1
    }

    /// It is not kept any more.
    fn release(self) -> Arc<dyn AnyTopic> {
        self.topic.is_retained().store(false, Relaxed);
        self.topic
    }
}

/// The earliest is the greatest.
impl Ord for Expiry {
    fn cmp(&self, other: &Self) -> Ordering {
        other.at.cmp(&self.at)
    }
}

impl PartialOrd for Expiry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Expiry {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Expiry {}

/// The task that looks at the histories of a hub.
struct RetentionTask {
    registry: Weak<Registry>,
    is_finished: bool,
}

impl RetentionTask {
    async fn run(mut self, earlier_expiry: Arc<Notify>) {
        while let Some(at) = self.expire_due() {
            let _ = tokio::time::timeout_at(at, earlier_expiry.notified()).await;
            // There may be many.
            tokio::task::yield_now().await;
        }
    }

    /// Frees some of those that are due; when others will be.
    fn expire_due(&mut self) -> Option<Instant> {
        let registry = self.registry.upgrade()?;
        // Dropped when the lock is not held any more: the messages are the user's.
        let _expired;
        let mut topics = registry.lock();
        let (expired, next) = topics.retention.expire(Instant::now());
        _expired = expired;
        if next.is_none() {
            // Under the lock, so that whoever puts another one sees it.
            topics.retention.has_task = false;
            self.is_finished = true;
        }
        next
    }
}

/// The runtime has ended: another one may look.
impl Drop for RetentionTask {
    fn drop(&mut self) {
        if !self.is_finished
            && let Some(registry) = self.registry.upgrade()
        {
            registry.lock().retention.has_task = false;
        }
    }
}
