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
    /// What has not been told yet.
    changes: HashMap<String, Change>,
    /// Who waits until all of it is.
    waiting: Vec<Tell>,
    /// Whether nobody will come or go any more.
    is_over: bool,
}

/// An entry that is written: nothing for one that has left.
struct Change(Option<Bytes>, Option<Tell>);

/// Whom to tell what the store said.
type Tell = oneshot::Sender<Result<(), BrokerError>>;

impl Roster {
    /// Also begins the task that tells, which ends with it.
    pub(in super::super) fn start(runtime: &Handle, bucket: Bucket, node: u64) -> Self {
        let told = Arc::<Told>::default();
        runtime.spawn(tell(Arc::clone(&told), bucket));
        Self { node, told }
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
        let (tell, told) = oneshot::channel();
        let mut entries = self.told.lock();
        entries.present.insert(key.clone(), value.clone());
        entries.changes.insert(key, Change(Some(value), Some(tell)));
        self.told.changed.notify_one();
        told
    }

    pub(in super::super) fn leave(&self, token: &str, number: u64) {
        let key = key(token, MemberId { node: self.node, number });
        let mut entries = self.told.lock();
        entries.present.remove(&key);
        if entries.changes.len() < MAX_CHANGES {
            entries.changes.insert(key, Change(None, None));
            self.told.changed.notify_one();
        } else {
            entries.changes.remove(&key);
        }
    }

    /// When the store knows who is there and who is not, or says no.
    pub(in super::super) async fn flush(&self) -> Result<(), BrokerError> {
        let (tell, told) = oneshot::channel();
        self.told.lock().waiting.push(tell);
        self.told.changed.notify_one();
        told.await.unwrap_or(Err(BrokerError::Closed))
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

    /// What is to be told: what has changed, or everything; and who waits for that.
    fn news(&self, is_refresh: bool) -> (HashMap<String, Change>, Vec<Tell>) {
        let mut entries = self.lock();
        let (mut news, waiting) =
            (std::mem::take(&mut entries.changes), std::mem::take(&mut entries.waiting));
        if is_refresh {
            for (key, value) in &entries.present {
                news.entry(key.clone()).or_insert_with(|| Change(Some(value.clone()), None));
            }
        }
        (news, waiting)
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells what changes, and now and then everything.
async fn tell(told: Arc<Told>, bucket: Bucket) {
    let mut store: Option<(Store, Duration)> = None;
    let mut last = Instant::now();
    let (mut is_over, mut failed) = (false, None);
    while !is_over {
        let expiry = store.as_ref().map_or(EXPIRY, |(_, expiry)| *expiry);
        let is_refresh = told.is_due(last + expiry / 3).await;
        if is_refresh {
            last = Instant::now();
        }
        is_over = told.lock().is_over;
        let (news, waiting) = told.news(is_refresh);
        if !news.is_empty() {
            failed = publish(&mut store, &bucket, news).await.err();
        }
        if !waiting.is_empty() {
            // What went wrong before they came concerns them too.
            let failed = failed.take();
            for tell in waiting {
                answer(tell, failed.as_ref());
            }
        }
    }
}

/// Tells what there is to tell.
async fn publish(
    store: &mut Option<(Store, Duration)>,
    bucket: &Bucket,
    news: HashMap<String, Change>,
) -> Result<(), async_nats::Error> {
    let opened = match store {
        Some((opened, _)) => opened,
        None => match bucket.open().await {
            Ok(opened) => &store.insert(opened).0,
            Err(error) => {
                tracing::warn!(%error, "presence is not told: it needs a server with JetStream");
                for tell in news.into_values().filter_map(|change| change.1) {
                    answer(tell, Some(&error));
                }
                return Err(error);
            }
        },
    };
    let written = write(opened, news).await;
    if let Err(error) = &written {
        tracing::warn!(%error, "presence was not told");
        // It may be gone.
        *store = None;
    }
    written
}

/// Tells what became of it; nobody may wait for that.
fn answer(tell: Tell, failed: Option<&async_nats::Error>) {
    let refused = |error: &async_nats::Error| BrokerError::Refused(error.to_string().into());
    let _ = tell.send(failed.map_or(Ok(()), |error| Err(refused(error))));
}

/// Writes entries, each of another key.
async fn write(store: &Store, changes: HashMap<String, Change>) -> Result<(), async_nats::Error> {
    let written = stream::iter(changes).map(|(key, Change(value, tell))| async move {
        let written = match value {
            Some(value) => store.put(key, value).await.map(drop).map_err(Into::into),
            // Not purged, for which some servers (2.9) move consumers past what they have not been given. There
            // is nothing before it anyway: the store keeps one entry for each key.
            None => store.delete(key).await.map_err(Into::into),
        };
        if let Some(tell) = tell {
            answer(tell, written.as_ref().err());
        }
        written
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
