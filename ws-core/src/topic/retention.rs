//! Unused topics that are retained for their history, ordered by when it expires.

use std::any::Any;
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

#[cfg(feature = "inspect")]
use super::presence::Member;
#[cfg(feature = "inspect")]
use super::report::TopicReport;

/// Maximum number of unused topics that are retained.
const MAX_UNUSED: usize = 10_000;

/// How often an expired topic that is still in use is checked again.
const RECHECK_INTERVAL: Duration = Duration::from_secs(30);

/// Maximum number of topics that [`RetentionQueue::expire`] checks under one lock.
const EXPIRE_BATCH: usize = 256;

/// A topic, whatever the type of its values.
pub(super) trait AnyTopic: Any + Send + Sync {
    /// Returns when the history expires, if the topic stays unused.
    fn expires_at(&self) -> Instant;

    /// Returns whether the topic is in the retention queue. Used under the lock of the registry.
    fn is_retained(&self) -> &AtomicBool;

    /// Removes the members of this process, and ends the subscription at the broker. Subscribers stay, but
    /// receive nothing more.
    fn close(&self);

    /// Describes the topic, for an inspector.
    #[cfg(feature = "inspect")]
    fn report(&self) -> TopicReport;

    /// Returns the most and the total number of messages that wait for subscribers.
    #[cfg(feature = "inspect")]
    fn waiting(&self) -> (usize, usize);

    /// Returns up to `max` of the known members.
    #[cfg(feature = "inspect")]
    fn some_members(&self, max: usize) -> Vec<Member>;
}

/// All topics with a history, ordered by when they are checked next.
#[derive(Default)]
pub(super) struct RetentionQueue {
    queue: BinaryHeap<Expiry>,
    /// Length of the queue at which [`evict_excess`](Self::evict_excess) counts the unused topics.
    threshold: usize,
    /// Notified when a topic is inserted that expires before all others.
    earlier_expiry: Arc<Notify>,
}

struct Expiry {
    at: Instant,
    topic: Arc<dyn AnyTopic>,
}

impl RetentionQueue {
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Returns a handle that is notified when a topic expires before all others.
    pub(super) fn earlier_expiry(&self) -> Arc<Notify> {
        Arc::clone(&self.earlier_expiry)
    }

    pub(super) fn insert(&mut self, topic: Arc<dyn AnyTopic>) {
        let at = topic.expires_at();
        if self.queue.peek().is_some_and(|first| at < first.at) {
            self.earlier_expiry.notify_one();
        }
        self.queue.push(Expiry { at, topic });
    }

    /// Removes unused topics that have expired, and those with the earliest expiry beyond half of
    /// [`MAX_UNUSED`]; the other half is room to grow until the next count. Returns the removed topics, for
    /// the caller to drop without the lock. Counts only after the queue has grown by a share of its length,
    /// so that the amortized cost of an insertion is small.
    pub(super) fn evict_excess(&mut self, now: Instant) -> Vec<Arc<dyn AnyTopic>> {
        if self.queue.len() < self.threshold {
            return Vec::new();
        }
        let all = std::mem::take(&mut self.queue).into_vec().into_iter();
        let (in_use, unused): (Vec<_>, Vec<_>) = all.partition(Expiry::is_in_use);
        let mut unused: Vec<_> =
            unused.into_iter().map(|entry| Expiry { at: entry.topic.expires_at(), ..entry }).collect();
        unused.sort_unstable_by_key(|entry| entry.at);
        let excess = unused.len().saturating_sub(MAX_UNUSED / 2);
        let expired = unused.partition_point(|entry| entry.at <= now);
        let retained = unused.split_off(excess.max(expired));
        self.queue = in_use.into_iter().chain(retained).collect();
        self.threshold = self.queue.len() + self.queue.len().clamp(64, MAX_UNUSED / 2);
        unused.into_iter().map(Expiry::release).collect()
    }

    /// Removes a batch of topics that are expired and unused. Returns them, and when to call this again;
    /// `None` if the queue is empty.
    pub(super) fn expire(&mut self, now: Instant) -> (Vec<Arc<dyn AnyTopic>>, Option<Instant>) {
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
            // Frees the memory of the heap.
            self.queue = BinaryHeap::new();
            self.threshold = 0;
        }
        (expired, self.queue.peek().map(|first| first.at))
    }
}

impl Expiry {
    /// Returns whether anything but the queue holds the topic.
    fn is_in_use(&self) -> bool {
        Arc::strong_count(&self.topic) > 1
    }

    /// Takes the topic out of retention.
    fn release(self) -> Arc<dyn AnyTopic> {
        self.topic.is_retained().store(false, Relaxed);
        self.topic
    }
}

/// Reversed: [`BinaryHeap`] returns the greatest entry first, which has to be the earliest.
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
