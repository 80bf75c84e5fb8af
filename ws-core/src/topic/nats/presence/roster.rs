//! What a process says of its own members.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_nats::jetstream::kv::Store;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::{Bucket, EXPIRY, key};
use crate::topic::presence::MemberId;

/// How many entries are written at once.
const AT_ONCE: usize = 64;

/// How many changes may wait before those who leave are not told any more: they expire by themselves.
const MAX_CHANGES: usize = 100_000;

/// The members of this process, in all topics.
pub(in super::super) struct Roster {
    node: u64,
    told: Arc<Told>,
}

/// What the task that tells has of it.
#[derive(Default)]
struct Told {
    entries: Mutex<Entries>,
    changed: Notify,
}

#[derive(Default)]
struct Entries {
    present: HashMap<String, Bytes>,
    /// What has not been told yet: nothing for one that has left.
    changes: HashMap<String, Option<Bytes>>,
    /// Whether nobody will come or go any more.
    is_over: bool,
}

impl Roster {
    /// Also begins the task that tells, which ends with it.
    pub(in super::super) fn start(runtime: &Handle, bucket: Bucket, node: u64) -> Self {
        let told = Arc::<Told>::default();
        runtime.spawn(tell(Arc::clone(&told), bucket));
        Self { node, told }
    }

    pub(in super::super) fn join(&self, token: &str, number: u64, name: &str) {
        let key = key(token, MemberId { node: self.node, number });
        // A string is always written.
        let value = Bytes::from(serde_json::to_vec(name).unwrap_or_default());
        let mut entries = self.told.lock();
        entries.present.insert(key.clone(), value.clone());
        entries.changes.insert(key, Some(value));
        self.told.changed.notify_one();
    }

    pub(in super::super) fn leave(&self, token: &str, number: u64) {
        let key = key(token, MemberId { node: self.node, number });
        let mut entries = self.told.lock();
        entries.present.remove(&key);
        if entries.changes.len() < MAX_CHANGES {
            entries.changes.insert(key, None);
            self.told.changed.notify_one();
        } else {
            entries.changes.remove(&key);
        }
    }
}

/// Whoever is still there has left.
impl Drop for Roster {
    fn drop(&mut self) {
        self.told.lock().is_over = true;
        self.told.changed.notify_one();
    }
}

impl Told {
    /// Waits for a change, and says whether it is time to tell everything: where somebody always comes
    /// or goes, that is not put off.
    async fn is_due(&self, due: Instant) -> bool {
        let _ = tokio::time::timeout_at(due, self.changed.notified()).await;
        Instant::now() >= due
    }

    /// What is to be told: what has changed, or everything.
    fn news(&self, is_refresh: bool) -> HashMap<String, Option<Bytes>> {
        let mut entries = self.lock();
        let mut news = std::mem::take(&mut entries.changes);
        if is_refresh {
            let present = entries.present.iter();
            news.extend(present.map(|(key, value)| (key.clone(), Some(value.clone()))));
        }
        news
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells what changes, and now and then everything.
async fn tell(told: Arc<Told>, bucket: Bucket) {
    let mut store: Option<(Store, Duration)> = None;
    let mut last = Instant::now();
    let mut is_over = false;
    while !is_over {
        let expiry = store.as_ref().map_or(EXPIRY, |(_, expiry)| *expiry);
        let is_refresh = told.is_due(last + expiry / 3).await;
        if is_refresh {
            last = Instant::now();
        }
        is_over = told.lock().is_over;
        let news = told.news(is_refresh);
        if news.is_empty() {
            continue;
        }
        if store.is_none() {
            match bucket.open().await {
                Ok(opened) => store = Some(opened),
                Err(error) => {
                    tracing::warn!(%error, "presence is not told: it needs a server with JetStream");
                }
            }
        }
        if let Some((opened, _)) = &store
            && let Err(error) = write(opened, news).await
        {
            tracing::warn!(%error, "presence was not told");
            // It may be gone.
            store = None;
        }
    }
}

/// Writes entries, each of another key.
async fn write(store: &Store, changes: HashMap<String, Option<Bytes>>) -> Result<(), async_nats::Error> {
    let written = stream::iter(changes).map(|(key, value)| async move {
        match value {
            Some(value) => store.put(key, value).await.map(drop).map_err(Into::into),
            None => store.purge(key).await.map_err(Into::into),
        }
    });
    let results = written.buffer_unordered(AT_ONCE).collect::<Vec<Result<(), async_nats::Error>>>().await;
    results.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn those_who_come_do_not_put_off_those_who_are_there() {
        let (told, due) = (Told::default(), Instant::now() + EXPIRY / 3);
        told.changed.notify_one();
        assert!(!told.is_due(due).await);
        tokio::time::advance(EXPIRY / 3).await;
        told.changed.notify_one();
        assert!(told.is_due(due).await);
    }
}
