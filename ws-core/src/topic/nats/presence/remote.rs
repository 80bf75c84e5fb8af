//! Watching the members of other processes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use async_nats::{Error, HeaderMap};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::Instant;

use super::super::consumer::StreamFollower;
use super::super::request::REQUEST_TIMEOUT;
use super::super::status::{ConnectionStatus, StatusReceiver};
use super::bucket::{Bucket, EXPIRY, parse_key};
use crate::sync::lock;
use crate::topic::broker::RemoteEvents;
use crate::topic::presence::MemberId;

/// How long a watcher continues after the last request for members.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Interval at which expired members are removed.
const EXPIRY_INTERVAL: Duration = Duration::from_millis(500);

/// Delay before a failed watch is started again.
const RETRY_DELAY: Duration = Duration::from_millis(500);

/// The presence of one topic: the current watcher of its members in other processes, if there is one.
pub(in super::super) struct TopicPresence {
    token: String,
    node: u64,
    events: Weak<dyn RemoteEvents>,
    current: Mutex<Option<Arc<RemoteMembers>>>,
}

impl TopicPresence {
    pub(in super::super) fn new(token: String, node: u64, events: Weak<dyn RemoteEvents>) -> Arc<Self> {
        Arc::new(Self { token, node, events, current: Mutex::default() })
    }

    /// Returns the members in other processes. Starts a watcher if none is running.
    pub(in super::super) fn members(
        self: &Arc<Self>,
        runtime: &Handle,
        bucket: &Bucket,
        status: StatusReceiver,
    ) -> Arc<RemoteMembers> {
        let mut current = self.current();
        if let Some(members) = &*current {
            members.touch();
            return Arc::clone(members);
        }
        let members = Arc::new(RemoteMembers {
            last_used: Mutex::new(Instant::now()),
            ready: watch::Sender::new(false),
        });
        *current = Some(Arc::clone(&members));
        let watcher = PresenceWatcher {
            topic: Arc::downgrade(self),
            members: Arc::clone(&members),
            bucket: bucket.clone(),
            status,
            expires_at: HashMap::new(),
            expiry: EXPIRY,
        };
        runtime.spawn(watcher.watch());
        members
    }

    fn current(&self) -> MutexGuard<'_, Option<Arc<RemoteMembers>>> {
        lock(&self.current)
    }
}

/// The members of one topic in other processes, that a watcher received.
pub(in super::super) struct RemoteMembers {
    last_used: Mutex<Instant>,
    /// Whether the watcher has received all entries that existed when it started.
    ready: watch::Sender<bool>,
}

impl RemoteMembers {
    /// Waits until the existing members are known, or the broker does not answer in time.
    ///
    /// Returns whether they are known.
    pub(in super::super) async fn ready(&self) -> bool {
        let mut ready = self.ready.subscribe();
        let known = tokio::time::timeout(REQUEST_TIMEOUT, ready.wait_for(|ready| *ready)).await;
        let is_known = matches!(known, Ok(Ok(_)));
        self.touch();
        is_known
    }

    fn touch(&self) {
        *self.last_used() = Instant::now();
    }

    fn is_in_use(&self) -> bool {
        self.last_used().elapsed() < IDLE_TIMEOUT
    }

    fn last_used(&self) -> MutexGuard<'_, Instant> {
        lock(&self.last_used)
    }
}

/// The task that watches the members of one topic in other processes.
struct PresenceWatcher {
    topic: Weak<TopicPresence>,
    members: Arc<RemoteMembers>,
    bucket: Bucket,
    status: StatusReceiver,
    expires_at: HashMap<MemberId, Instant>,
    expiry: Duration,
}

impl PresenceWatcher {
    async fn watch(mut self) {
        loop {
            self.status.mark_unchanged();
            match self.watch_once().await {
                // The hub may also be closed.
                Ok(WatchExit::StatusChanged) if self.stop_if_unused() => return,
                Ok(WatchExit::StatusChanged) => {}
                Ok(WatchExit::Unused) => return,
                Err(error) => {
                    self.expire();
                    if self.stop_if_unused() {
                        return;
                    }
                    tracing::warn!(
                        %error,
                        "members of other processes are unknown: presence needs a server with JetStream"
                    );
                    tokio::time::sleep(RETRY_DELAY).await;
                }
            }
        }
    }

    /// Receives the existing entries, then their changes, until the connection or the watcher ends.
    async fn watch_once(&mut self) -> Result<WatchExit, Error> {
        let (store, expiry) = self.bucket.open().await?;
        self.expiry = expiry;
        let Some(topic) = self.topic.upgrade() else { return Ok(WatchExit::Unused) };
        let subject = format!("$KV.{}.{}.*.*", store.name, topic.token);
        drop(topic);
        let max_payload = self.bucket.jetstream.client().max_payload();
        let (mut entries, pending) = StreamFollower::start(&store.stream, &subject, 0, max_payload).await?;
        let mut is_complete = pending == 0;
        self.members.ready.send_if_modified(|ready| is_complete && !std::mem::replace(ready, true));
        let mut expiry_timer = tokio::time::interval(EXPIRY_INTERVAL.min(expiry / 4));
        expiry_timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                entry = entries.next() => {
                    let entry = entry?;
                    if let Some(id) = entry.subject.strip_prefix("$KV.").and_then(parse_key) {
                        self.on_entry(id, entry.headers.as_ref(), &entry.payload);
                    }
                    if !is_complete && entry.info()?.pending == 0 {
                        is_complete = true;
                        self.members.ready.send_replace(true);
                    }
                }
                tick = expiry_timer.tick() => {
                    self.extend_after_stall(tick.elapsed());
                    self.expire();
                    if self.stop_if_unused() {
                        return Ok(WatchExit::Unused);
                    }
                }
                changed = self.status.changed() => {
                    // An error means that the hub is dropped.
                    return Ok(changed.map_or(WatchExit::Unused, |()| WatchExit::StatusChanged));
                }
            }
        }
    }

    fn on_entry(&mut self, id: MemberId, headers: Option<&HeaderMap>, name: &[u8]) {
        let Some((topic, events)) = self.upgrade() else { return };
        if id.node == topic.node {
            return;
        }
        // The header marks a deletion (DEL or PURGE).
        if headers.is_some_and(|headers| headers.get("KV-Operation").is_some()) {
            self.expires_at.remove(&id);
            return events.member_left(id);
        }
        let Ok(name) = serde_json::from_slice::<String>(name) else {
            return tracing::debug!(topic = topic.token, "the name of a member does not decode");
        };
        if !self.expires_at.contains_key(&id) && !events.member_joined(id, &name) {
            return tracing::warn!(topic = topic.token, "a topic has too many members");
        }
        // The expiry uses only this process's clock, because the clocks of other processes may differ.
        self.expires_at.insert(id, Instant::now() + self.expiry);
    }

    /// Extends all expiries by the time for which this process was suspended.
    ///
    /// A suspended process receives no announcements, so members must not expire because of that.
    fn extend_after_stall(&mut self, late: Duration) {
        if late >= EXPIRY_INTERVAL {
            self.expires_at.values_mut().for_each(|expires_at| *expires_at += late);
        }
    }

    /// Removes the members whose processes have stopped announcing them.
    fn expire(&mut self) {
        let now = Instant::now();
        let events = self.upgrade().map(|(_, events)| events);
        self.expires_at.retain(|id, expires_at| {
            let is_present = *expires_at > now;
            if let (false, Some(events)) = (is_present, &events) {
                events.member_left(*id);
            }
            is_present
        });
    }

    /// Stops the watcher if the members are no longer needed. Returns whether it has stopped.
    fn stop_if_unused(&mut self) -> bool {
        let Some((topic, events)) = self.upgrade() else { return true };
        let current = topic.current();
        let is_closed = *self.status.borrow() == ConnectionStatus::Closed;
        if !is_closed && (self.members.is_in_use() || events.has_watchers()) {
            return false;
        }
        self.stop(current);
        true
    }

    /// Removes all known members, then makes the next request start another watcher.
    fn stop(&mut self, mut current: MutexGuard<'_, Option<Arc<RemoteMembers>>>) {
        if let Some((_, events)) = self.upgrade() {
            self.expires_at.drain().for_each(|(id, _)| events.member_left(id));
        }
        *current = None;
    }

    fn upgrade(&self) -> Option<(Arc<TopicPresence>, Arc<dyn RemoteEvents>)> {
        let topic = self.topic.upgrade()?;
        let events = topic.events.upgrade()?;
        Some((topic, events))
    }
}

/// Stops a watcher that ends with a panic.
impl Drop for PresenceWatcher {
    fn drop(&mut self) {
        let Some(topic) = self.topic.upgrade() else { return };
        let current = topic.current();
        if current.as_ref().is_some_and(|members| Arc::ptr_eq(members, &self.members)) {
            self.stop(current);
        }
    }
}

/// Why a watch ended without an error.
enum WatchExit {
    Unused,
    /// The connection was restored, or the hub is closed.
    StatusChanged,
}
