//! What a process says of its own members.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::kv::Store;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::{EXPIRY, key, open};
use crate::topic::presence::MemberId;

/// How many entries are written at once.
const AT_ONCE: usize = 64;

/// How many who have left may wait to be told. More expire by themselves.
const MAX_LEAVING: usize = 100_000;

/// The members of this process, in all topics.
pub(in super::super) struct Roster {
    node: u64,
    entries: Mutex<Entries>,
    changed: Arc<Notify>,
}

#[derive(Default)]
struct Entries {
    present: HashMap<String, Bytes>,
    /// What has not been told yet: nothing for one that has left. In an order, so that those who came
    /// first are told first.
    changes: BTreeMap<String, Option<Bytes>>,
    leaving: usize,
}

impl Roster {
    /// Also begins the task that tells, which ends with it.
    pub(in super::super) fn start(runtime: &Handle, jetstream: jetstream::Context, node: u64) -> Arc<Self> {
        let changed = Arc::new(Notify::new());
        let roster = Arc::new(Self { node, entries: Mutex::default(), changed: Arc::clone(&changed) });
        runtime.spawn(tell(Arc::downgrade(&roster), changed, jetstream));
        roster
    }

    pub(in super::super) fn join(&self, token: &str, number: u64, name: &str) {
        let key = key(token, MemberId { node: self.node, number });
        // A string is always written.
        let value = Bytes::from(serde_json::to_vec(name).unwrap_or_default());
        let mut entries = self.lock();
        entries.present.insert(key.clone(), value.clone());
        entries.changes.insert(key, Some(value));
        self.changed.notify_one();
    }

    pub(in super::super) fn leave(&self, token: &str, number: u64) {
        let key = key(token, MemberId { node: self.node, number });
        let mut entries = self.lock();
        entries.present.remove(&key);
        if entries.leaving < MAX_LEAVING {
            entries.leaving += 1;
            entries.changes.insert(key, None);
            self.changed.notify_one();
        } else {
            entries.changes.remove(&key);
        }
    }

    /// What has changed since the last time.
    fn changes(&self) -> BTreeMap<String, Option<Bytes>> {
        let mut entries = self.lock();
        entries.leaving = 0;
        std::mem::take(&mut entries.changes)
    }

    /// All who are there.
    fn present(&self) -> BTreeMap<String, Option<Bytes>> {
        self.lock().present.iter().map(|(key, value)| (key.clone(), Some(value.clone()))).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The last user wakes the task.
impl Drop for Roster {
    fn drop(&mut self) {
        self.changed.notify_one();
    }
}

/// Tells what changes, and now and then everything.
async fn tell(roster: Weak<Roster>, changed: Arc<Notify>, jetstream: jetstream::Context) {
    let mut store: Option<(Store, Duration)> = None;
    let mut last = Instant::now();
    loop {
        let expiry = store.as_ref().map_or(EXPIRY, |(_, expiry)| *expiry);
        let refresh = last + expiry / 3;
        let is_refresh = tokio::time::timeout_at(refresh, changed.notified()).await.is_err();
        let Some(roster) = roster.upgrade() else { return };
        if is_refresh {
            last = Instant::now();
        }
        let news = if is_refresh { roster.present() } else { roster.changes() };
        drop(roster);
        if news.is_empty() {
            continue;
        }
        if store.is_none() {
            match open(&jetstream).await {
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
async fn write(store: &Store, changes: BTreeMap<String, Option<Bytes>>) -> Result<(), async_nats::Error> {
    let written = stream::iter(changes).map(|(key, value)| async move {
        match value {
            Some(value) => store.put(key, value).await.map(drop).map_err(Into::into),
            None => store.purge(key).await.map_err(Into::into),
        }
    });
    let results = written.buffer_unordered(AT_ONCE).collect::<Vec<Result<(), async_nats::Error>>>().await;
    results.into_iter().collect()
}
