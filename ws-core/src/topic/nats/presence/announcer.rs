//! Announcing the members of this process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_nats::jetstream::kv::Store;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use super::super::request::{REQUEST_TIMEOUT, RETRY_DELAY};
use super::bucket::{Bucket, EXPIRY, is_temporary, key};
use crate::error::BrokerError;
use crate::sync::lock;
use crate::topic::presence::MemberId;

/// Maximum number of entries that are written concurrently.
const MAX_CONCURRENT_WRITES: usize = 64;

/// Maximum number of pending changes. Beyond it, members that leave are not announced and expire instead.
const MAX_PENDING_CHANGES: usize = 100_000;

/// The task that announces the members of this process, in all topics. Dropping the value ends the task.
pub(in super::super) struct PresenceAnnouncer {
    node: u64,
    state: Arc<AnnounceState>,
}

/// State shared with the announcing task.
#[derive(Default)]
struct AnnounceState {
    entries: Mutex<Entries>,
    changed: Notify,
}

#[derive(Default)]
struct Entries {
    present: HashMap<String, Bytes>,
    /// Changes that are not written yet.
    changes: HashMap<String, Change>,
    /// Callers that wait until all changes are written.
    waiters: Vec<AckSender>,
    is_closed: bool,
}

/// A changed entry.
struct Change {
    /// The member's name. `None` if the member has left.
    value: Option<Bytes>,
    ack: Option<AckSender>,
}

/// Sender of the store's answer.
type AckSender = oneshot::Sender<Result<(), BrokerError>>;

impl PresenceAnnouncer {
    /// Starts the announcing task.
    pub(in super::super) fn start(runtime: &Handle, bucket: Bucket, node: u64) -> Self {
        let state = Arc::<AnnounceState>::default();
        runtime.spawn(announce_task(Arc::clone(&state), bucket));
        Self { node, state }
    }

    /// Adds a member. The receiver resolves once the store has answered.
    pub(in super::super) fn join(
        &self,
        token: &str,
        number: u64,
        name: &str,
    ) -> oneshot::Receiver<Result<(), BrokerError>> {
        let key = key(token, MemberId { node: self.node, number });
        // Serializing a string cannot fail.
        let value = Bytes::from(serde_json::to_vec(name).unwrap_or_default());
        let (ack, acked) = oneshot::channel();
        let mut entries = self.state.lock();
        entries.present.insert(key.clone(), value.clone());
        entries.changes.insert(key, Change { value: Some(value), ack: Some(ack) });
        self.state.changed.notify_one();
        acked
    }

    /// Removes a member.
    pub(in super::super) fn leave(&self, token: &str, number: u64) {
        let key = key(token, MemberId { node: self.node, number });
        let mut entries = self.state.lock();
        entries.present.remove(&key);
        if entries.changes.len() < MAX_PENDING_CHANGES {
            entries.changes.insert(key, Change { value: None, ack: None });
            self.state.changed.notify_one();
        } else {
            entries.changes.remove(&key);
        }
    }

    /// Waits until all changes so far are written. Returns an error of the store, if there was one.
    pub(in super::super) async fn flush(&self) -> Result<(), BrokerError> {
        let (ack, acked) = oneshot::channel();
        self.state.lock().waiters.push(ack);
        self.state.changed.notify_one();
        acked.await.unwrap_or(Err(BrokerError::Closed))
    }
}

/// Ends the task after it has written the pending changes.
impl Drop for PresenceAnnouncer {
    fn drop(&mut self) {
        self.state.lock().is_closed = true;
        self.state.changed.notify_one();
    }
}

impl AnnounceState {
    /// Waits for a change, but not longer than until `refresh_at`. Returns whether that time is reached.
    ///
    /// A steady flow of changes does not delay the refresh.
    async fn wait_for_change(&self, refresh_at: Instant) -> bool {
        let _ = tokio::time::timeout_at(refresh_at, self.changed.notified()).await;
        Instant::now() >= refresh_at
    }

    /// Takes the changes to write, and the callers that wait for them. A refresh includes all members.
    fn take_changes(&self, is_refresh: bool) -> (HashMap<String, Change>, Vec<AckSender>) {
        let mut entries = self.lock();
        let (mut changes, waiters) =
            (std::mem::take(&mut entries.changes), std::mem::take(&mut entries.waiters));
        if is_refresh {
            for (key, value) in &entries.present {
                changes
                    .entry(key.clone())
                    .or_insert_with(|| Change { value: Some(value.clone()), ack: None });
            }
        }
        (changes, waiters)
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        lock(&self.entries)
    }
}

/// Writes changes when they occur, and all members three times per expiry.
async fn announce_task(state: Arc<AnnounceState>, bucket: Bucket) {
    let mut store: Option<(Store, Duration)> = None;
    let mut last_refresh = Instant::now();
    let (mut is_closed, mut failed) = (false, None);
    while !is_closed {
        let expiry = store.as_ref().map_or(EXPIRY, |(_, expiry)| *expiry);
        let is_refresh = state.wait_for_change(last_refresh + expiry / 3).await;
        if is_refresh {
            last_refresh = Instant::now();
        }
        is_closed = state.lock().is_closed;
        let (changes, waiters) = state.take_changes(is_refresh);
        if !changes.is_empty() {
            failed = publish_changes(&mut store, &bucket, changes).await.err();
        }
        if !waiters.is_empty() {
            // A flush also reports an error that occurred before it was requested.
            let failed = failed.take();
            for ack in waiters {
                acknowledge(ack, failed.as_ref());
            }
        }
    }
}

/// Writes changes, and opens the store first if necessary.
async fn publish_changes(
    store: &mut Option<(Store, Duration)>,
    bucket: &Bucket,
    changes: HashMap<String, Change>,
) -> Result<(), async_nats::Error> {
    let opened = match store {
        Some((opened, _)) => opened,
        None => match retry_temporary(|| bucket.open()).await {
            Ok(opened) => &store.insert(opened).0,
            Err(error) => {
                tracing::warn!(%error, "members cannot be announced: presence needs a server with JetStream");
                for ack in changes.into_values().filter_map(|change| change.ack) {
                    acknowledge(ack, Some(&error));
                }
                return Err(error);
            }
        },
    };
    let written = write_entries(opened, bucket, changes).await;
    if let Err(error) = &written {
        tracing::warn!(%error, "members were not announced");
        // The store may be gone, so the next write opens it again.
        *store = None;
    }
    written
}

/// Sends the store's answer to a caller, which may no longer wait for it.
fn acknowledge(ack: AckSender, failed: Option<&async_nats::Error>) {
    let refused = |error: &async_nats::Error| BrokerError::Refused(error.to_string().into());
    let _ = ack.send(failed.map_or(Ok(()), |error| Err(refused(error))));
}

/// Writes the entries concurrently; their keys differ.
async fn write_entries(
    store: &Store,
    bucket: &Bucket,
    changes: HashMap<String, Change>,
) -> Result<(), async_nats::Error> {
    let written = stream::iter(changes).map(|(key, Change { value, ack })| async move {
        let (key, value) = (key.as_str(), value.as_ref());
        let written = retry_temporary(|| async move {
            let written = match value {
                Some(value) => store.put(key, value.clone()).await.map(drop).map_err(Into::into),
                // A purge makes some servers (2.9) move consumers past messages that they have not
                // delivered. A deletion suffices, because the store retains only one entry per key.
                None => store.delete(key).await.map_err(Into::into),
            };
            if written.as_ref().is_err_and(is_temporary) {
                // The store may also have been deleted.
                let _ = bucket.open().await;
            }
            written
        })
        .await;
        if let Some(ack) = ack {
            acknowledge(ack, written.as_ref().err());
        }
        written
    });
    let results =
        written.buffer_unordered(MAX_CONCURRENT_WRITES).collect::<Vec<Result<(), async_nats::Error>>>().await;
    results.into_iter().collect()
}

/// Repeats an operation after temporary errors, for as long as a caller of [`PresenceAnnouncer::join`] waits.
async fn retry_temporary<T, F>(operation: impl Fn() -> F) -> Result<T, async_nats::Error>
where
    F: Future<Output = Result<T, async_nats::Error>>,
{
    let deadline = Instant::now() + REQUEST_TIMEOUT;
    loop {
        match operation().await {
            Err(error) if is_temporary(&error) && Instant::now() + RETRY_DELAY < deadline => {
                tokio::time::sleep(RETRY_DELAY).await;
            }
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use async_nats::jetstream::context::{
        GetStreamError, GetStreamErrorKind, KeyValueError, KeyValueErrorKind, PublishError, PublishErrorKind,
    };

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn temporary_errors_are_retried_within_the_limit() {
        let calls = Cell::new(0);
        let fail = async |error: &dyn Fn() -> async_nats::Error, failures: u32| {
            calls.set(0);
            let started = Instant::now();
            let done = retry_temporary(|| async {
                calls.set(calls.get() + 1);
                if calls.get() > failures { Ok(()) } else { Err(error()) }
            });
            (done.await.is_ok(), calls.get(), started.elapsed() < REQUEST_TIMEOUT)
        };
        let publish = |kind: PublishErrorKind| move || PublishError::new(kind).into();
        assert_eq!(fail(&publish(PublishErrorKind::StreamNotFound), 3).await, (true, 4, true));
        assert_eq!(fail(&publish(PublishErrorKind::StreamNotFound), u32::MAX).await, (false, 20, true));
        assert_eq!(fail(&publish(PublishErrorKind::Other), 3).await, (false, 1, true));
        let open = |code: u16| {
            move || {
                let answer = format!(r#"{{ "code": 404, "err_code": {code}, "description": "" }}"#);
                let kind = GetStreamErrorKind::JetStream(serde_json::from_str(&answer).unwrap());
                KeyValueError::with_source(KeyValueErrorKind::GetBucket, GetStreamError::new(kind)).into()
            }
        };
        assert_eq!(fail(&open(10059), 3).await, (true, 4, true));
        assert_eq!(fail(&open(10039), 3).await, (false, 1, true));
    }

    #[tokio::test(start_paused = true)]
    async fn changes_do_not_delay_the_refresh() {
        let (state, refresh_at) = (AnnounceState::default(), Instant::now() + EXPIRY / 3);
        state.changed.notify_one();
        assert!(!state.wait_for_change(refresh_at).await);
        tokio::time::advance(EXPIRY / 3).await;
        state.changed.notify_one();
        assert!(state.wait_for_change(refresh_at).await);
    }
}
