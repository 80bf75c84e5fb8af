//! What a process says of its own members.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_nats::jetstream::kv::Store;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use super::{Bucket, EXPIRY, key};
use crate::error::BrokerError;
use crate::topic::presence::MemberId;

/// How many entries are written at once.
const MAX_CONCURRENT_WRITES: usize = 64;

/// How many changes may wait before those who leave are not told any more: they expire by themselves.
const MAX_PENDING_CHANGES: usize = 100_000;

/// The members of this process, in all topics.
pub(in super::super) struct PresenceAnnouncer {
    node: u64,
    state: Arc<AnnounceState>,
}

/// What the task that tells has of it.
#[derive(Default)]
struct AnnounceState {
    entries: Mutex<Entries>,
    changed: Notify,
}

#[derive(Default)]
struct Entries {
    present: HashMap<String, Bytes>,
    /// What has not been told yet.
    changes: HashMap<String, Change>,
    /// Who waits until all of it is.
    waiters: Vec<AckSender>,
    /// Whether nobody will come or go any more.
    is_closed: bool,
}

/// An entry that is written: nothing for one that has left.
struct Change(Option<Bytes>, Option<AckSender>);

/// Whom to tell what the store said.
type AckSender = oneshot::Sender<Result<(), BrokerError>>;

impl PresenceAnnouncer {
    /// Also begins the task that tells, which ends with it.
    pub(in super::super) fn start(runtime: &Handle, bucket: Bucket, node: u64) -> Self {
        let state = Arc::<AnnounceState>::default();
        runtime.spawn(announce_task(Arc::clone(&state), bucket));
        Self { node, state }
    }

    /// Somebody is there; when the store knows.
    pub(in super::super) fn join(
        &self,
        token: &str,
        number: u64,
        name: &str,
    ) -> oneshot::Receiver<Result<(), BrokerError>> {
        let key = key(token, MemberId { node: self.node, number });
        // A string is always written.
        let value = Bytes::from(serde_json::to_vec(name).unwrap_or_default());
        let (ack, acked) = oneshot::channel();
        let mut entries = self.state.lock();
        entries.present.insert(key.clone(), value.clone());
        entries.changes.insert(key, Change(Some(value), Some(ack)));
        self.state.changed.notify_one();
        acked
    }

    pub(in super::super) fn leave(&self, token: &str, number: u64) {
        let key = key(token, MemberId { node: self.node, number });
        let mut entries = self.state.lock();
        entries.present.remove(&key);
        if entries.changes.len() < MAX_PENDING_CHANGES {
            entries.changes.insert(key, Change(None, None));
            self.state.changed.notify_one();
        } else {
            entries.changes.remove(&key);
        }
    }

    /// When the store knows who is there and who is not, or says no.
    pub(in super::super) async fn flush(&self) -> Result<(), BrokerError> {
        let (ack, acked) = oneshot::channel();
        self.state.lock().waiters.push(ack);
        self.state.changed.notify_one();
        acked.await.unwrap_or(Err(BrokerError::Closed))
    }
}

/// Whoever is still there has left.
impl Drop for PresenceAnnouncer {
    fn drop(&mut self) {
        self.state.lock().is_closed = true;
        self.state.changed.notify_one();
    }
}

impl AnnounceState {
    /// Waits for a change, and says whether it is time to tell everything: where somebody always comes
    /// or goes, that is not put off.
    async fn wait_for_change(&self, refresh_at: Instant) -> bool {
        let _ = tokio::time::timeout_at(refresh_at, self.changed.notified()).await;
        Instant::now() >= refresh_at
    }

    /// What is to be told: what has changed, or everything; and who waits for that.
    fn take_changes(&self, is_refresh: bool) -> (HashMap<String, Change>, Vec<AckSender>) {
        let mut entries = self.lock();
        let (mut changes, waiters) =
            (std::mem::take(&mut entries.changes), std::mem::take(&mut entries.waiters));
        if is_refresh {
            for (key, value) in &entries.present {
                changes.entry(key.clone()).or_insert_with(|| Change(Some(value.clone()), None));
            }
        }
        (changes, waiters)
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells what changes, and now and then everything.
async fn announce_task(state: Arc<AnnounceState>, bucket: Bucket) {
    let mut store: Option<(Store, Duration)> = None;
    let mut last = Instant::now();
    let (mut is_closed, mut failed) = (false, None);
    while !is_closed {
        let expiry = store.as_ref().map_or(EXPIRY, |(_, expiry)| *expiry);
        let is_refresh = state.wait_for_change(last + expiry / 3).await;
        if is_refresh {
            last = Instant::now();
        }
        is_closed = state.lock().is_closed;
        let (changes, waiters) = state.take_changes(is_refresh);
        if !changes.is_empty() {
            failed = publish_changes(&mut store, &bucket, changes).await.err();
        }
        if !waiters.is_empty() {
            // What went wrong before they came concerns them too.
            let failed = failed.take();
            for ack in waiters {
                acknowledge(ack, failed.as_ref());
            }
        }
    }
}

/// Tells what there is to tell.
async fn publish_changes(
    store: &mut Option<(Store, Duration)>,
    bucket: &Bucket,
    changes: HashMap<String, Change>,
) -> Result<(), async_nats::Error> {
    let opened = match store {
        Some((opened, _)) => opened,
        None => match bucket.open().await {
            Ok(opened) => &store.insert(opened).0,
            Err(error) => {
                tracing::warn!(%error, "presence is not told: it needs a server with JetStream");
                for ack in changes.into_values().filter_map(|change| change.1) {
                    acknowledge(ack, Some(&error));
                }
                return Err(error);
            }
        },
    };
    let written = write_entries(opened, changes).await;
    if let Err(error) = &written {
        tracing::warn!(%error, "presence was not told");
        // It may be gone.
        *store = None;
    }
    written
}

/// Tells what became of it; nobody may wait for that.
fn acknowledge(ack: AckSender, failed: Option<&async_nats::Error>) {
    let refused = |error: &async_nats::Error| BrokerError::Refused(error.to_string().into());
    let _ = ack.send(failed.map_or(Ok(()), |error| Err(refused(error))));
}

/// Writes entries, each of another key.
async fn write_entries(store: &Store, changes: HashMap<String, Change>) -> Result<(), async_nats::Error> {
    let written = stream::iter(changes).map(|(key, Change(value, ack))| async move {
        let written = match value {
            Some(value) => store.put(key, value).await.map(drop).map_err(Into::into),
            // Not purged, for which some servers (2.9) move consumers past what they have not been given. There
            // is nothing before it anyway: the store keeps one entry for each key.
            None => store.delete(key).await.map_err(Into::into),
        };
        if let Some(ack) = ack {
            acknowledge(ack, written.as_ref().err());
        }
        written
    });
    let results =
        written.buffer_unordered(MAX_CONCURRENT_WRITES).collect::<Vec<Result<(), async_nats::Error>>>().await;
    results.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn those_who_come_do_not_put_off_those_who_are_there() {
        let (state, refresh_at) = (AnnounceState::default(), Instant::now() + EXPIRY / 3);
        state.changed.notify_one();
        assert!(!state.wait_for_change(refresh_at).await);
        tokio::time::advance(EXPIRY / 3).await;
        state.changed.notify_one();
        assert!(state.wait_for_change(refresh_at).await);
    }
}
