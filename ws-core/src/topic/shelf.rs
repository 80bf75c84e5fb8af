//! Histories that nobody uses: kept for those who come back, and freed when nobody will.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::registry::{Registry, Shared};

/// How many topics with a history may be kept that nobody uses.
const MAX_IDLE: usize = 10_000;

/// How long it may take until it is seen that nobody uses one any more whose time was over before.
const AGAIN: Duration = Duration::from_secs(30);

/// How many are looked at while the lock is held.
const AT_ONCE: usize = 256;

/// All topics with a history, by when they are looked at.
#[derive(Default)]
pub(super) struct Shelf {
    due: BinaryHeap<Due>,
    /// At how many those that nobody uses are counted.
    threshold: usize,
    /// Whether a task looks at them, and what tells it that one is due before all others.
    is_watched: bool,
    sooner: Arc<Notify>,
}

struct Due {
    at: Instant,
    topic: Arc<dyn Shared>,
}

impl Shelf {
    pub(super) fn put(&mut self, topic: Arc<dyn Shared>) {
        let at = topic.expiry();
        if self.due.peek().is_some_and(|first| at < first.at) {
            self.sooner.notify_one();
        }
        self.due.push(Due { at, topic });
    }

    /// Takes, of more than may be kept that nobody uses, those that have been idle for longest. They are
    /// counted when there are many more than the last time, so that each costs little.
    pub(super) fn bound(&mut self, now: Instant) -> Vec<Arc<dyn Shared>> {
        if self.due.len() < self.threshold {
            return Vec::new();
        }
        let all = std::mem::take(&mut self.due).into_vec().into_iter();
        let (used, idle): (Vec<_>, Vec<_>) = all.partition(Due::is_used);
        let mut idle: Vec<_> = idle.into_iter().map(|one| Due { at: one.topic.expiry(), ..one }).collect();
        idle.sort_unstable_by_key(|one| one.at);
        let excess = idle.len().saturating_sub(MAX_IDLE / 2);
        let expired = idle.partition_point(|one| one.at <= now);
        let kept = idle.split_off(excess.max(expired));
        self.due = used.into_iter().chain(kept).collect();
        self.threshold = self.due.len() + self.due.len().clamp(64, MAX_IDLE / 2);
        idle.into_iter().map(Due::take).collect()
    }

    /// Takes those whose time is over and that nobody uses, some of them at once; and says when to look
    /// again, unless nothing is left.
    fn free(&mut self, now: Instant) -> (Vec<Arc<dyn Shared>>, Option<Instant>) {
        let mut freed = Vec::new();
        for _ in 0..AT_ONCE {
            let Some(due) = self.due.pop() else { break };
            if due.at > now {
                self.due.push(due);
                break;
            }
            let expiry = due.topic.expiry();
            if due.is_used() {
                self.due.push(Due { at: expiry.max(now + AGAIN), ..due });
            } else if expiry > now {
                self.due.push(Due { at: expiry, ..due });
            } else {
                freed.push(due.take());
            }
        }
        if self.due.is_empty() {
            // It gives back what it has grown to.
            self.due = BinaryHeap::new();
            self.threshold = 0;
        }
        (freed, self.due.peek().map(|first| first.at))
    }

    /// Sees to it that somebody looks: one task for all, as long as there are any. Where there is no
    /// runtime, they are looked at when another one comes.
    pub(super) fn watch(&mut self, registry: &Arc<Registry>) {
        if self.is_watched || self.due.is_empty() {
            return;
        }
        if let Ok(runtime) = Handle::try_current() {
            self.is_watched = true;
            let watcher = Watcher { registry: Arc::downgrade(registry), is_over: false };
            runtime.spawn(watcher.run(Arc::clone(&self.sooner)));
        }
    }
}

impl Due {
    /// Whether somebody else has it.
    fn is_used(&self) -> bool {
        Arc::strong_count(&self.topic) > 1
    }

    /// It is not kept any more.
    fn take(self) -> Arc<dyn Shared> {
        self.topic.is_kept().store(false, Relaxed);
        self.topic
    }
}

/// The earliest is the greatest.
impl Ord for Due {
    fn cmp(&self, other: &Self) -> Ordering {
        other.at.cmp(&self.at)
    }
}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Due {}

/// The task that looks at the histories of a hub.
struct Watcher {
    registry: Weak<Registry>,
    is_over: bool,
}

impl Watcher {
    async fn run(mut self, sooner: Arc<Notify>) {
        while let Some(at) = self.look() {
            let _ = tokio::time::timeout_at(at, sooner.notified()).await;
            // There may be many.
            tokio::task::yield_now().await;
        }
    }

    /// Frees some of those that are due; when others will be.
    fn look(&mut self) -> Option<Instant> {
        let registry = self.registry.upgrade()?;
        // Dropped when the lock is not held any more: the messages are the user's.
        let _freed;
        let mut topics = registry.lock();
        let (freed, next) = topics.shelf.free(Instant::now());
        _freed = freed;
        if next.is_none() {
            // Under the lock, so that whoever puts another one sees it.
            topics.shelf.is_watched = false;
            self.is_over = true;
        }
        next
    }
}

/// The runtime has ended: another one may look.
impl Drop for Watcher {
    fn drop(&mut self) {
        if !self.is_over
            && let Some(registry) = self.registry.upgrade()
        {
            registry.lock().shelf.is_watched = false;
        }
    }
}
