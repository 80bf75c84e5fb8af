//! What a process knows of the members of others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use async_nats::{Error, HeaderMap};
use tokio::sync::watch;
use tokio::time::Instant;

use super::super::REQUEST_TIMEOUT;
use super::super::history_stream::StreamFollower;
use super::super::topic::NatsTopic;
use super::{Bucket, EXPIRY, parse_key};
use crate::topic::broker::RemoteEvents;
use crate::topic::presence::MemberId;

/// How long it is kept when nobody asks any more.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// How often it is looked who has expired.
const EXPIRY_INTERVAL: Duration = Duration::from_millis(500);

/// Before it is tried again.
const RETRY: Duration = Duration::from_millis(500);

/// The members of one topic in other processes.
pub(in super::super) struct RemoteMembers {
    last_used: Mutex<Instant>,
    ready: watch::Sender<bool>,
}

impl RemoteMembers {
    /// That of a topic, which begins if there is none.
    pub(in super::super) fn get_or_start(topic: &NatsTopic) -> Arc<Self> {
        let mut slot = topic.remote_members();
        if let Some(remote_members) = &*slot {
            remote_members.touch();
            return Arc::clone(remote_members);
        }
        let remote_members =
            Arc::new(Self { last_used: Mutex::new(Instant::now()), ready: watch::Sender::new(false) });
        *slot = Some(Arc::clone(&remote_members));
        let watcher = PresenceWatcher {
            topic: topic.this(),
            remote_members: Arc::clone(&remote_members),
            token: topic.token.clone(),
            node: topic.connection.node,
            events: Weak::clone(&topic.events),
            bucket: topic.connection.bucket.clone(),
            reconnects: topic.connection.reconnects.subscribe(),
            expires_at: HashMap::new(),
            expiry: EXPIRY,
        };
        topic.connection.runtime.spawn(watcher.watch());
        remote_members
    }

    /// When it is known who is there, or the broker does not say.
    pub(in super::super) async fn ready(&self) {
        let mut ready = self.ready.subscribe();
        let _ = tokio::time::timeout(REQUEST_TIMEOUT, ready.wait_for(|ready| *ready)).await;
        self.touch();
    }

    fn touch(&self) {
        *self.last_used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn is_in_use(&self) -> bool {
        self.last_used.lock().unwrap_or_else(PoisonError::into_inner).elapsed() < IDLE_TIMEOUT
    }
}

/// Those who are there, until when.
struct PresenceWatcher {
    topic: Weak<NatsTopic>,
    remote_members: Arc<RemoteMembers>,
    token: String,
    node: u64,
    events: Weak<dyn RemoteEvents>,
    bucket: Bucket,
    reconnects: watch::Receiver<u64>,
    expires_at: HashMap<MemberId, Instant>,
    expiry: Duration,
}

impl PresenceWatcher {
    async fn watch(mut self) {
        loop {
            self.reconnects.mark_unchanged();
            match self.watch_once().await {
                // Or the hub is closed.
                Ok(WatchExit::Reconnect) if self.stop_if_unused() => return,
                Ok(WatchExit::Reconnect) => {}
                Ok(WatchExit::Unused) => return,
                Err(error) => {
                    self.expire();
                    if self.stop_if_unused() {
                        return;
                    }
                    tracing::warn!(%error, "presence is not heard: it needs a server with JetStream");
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    /// Hears who comes and goes, after those who are there.
    async fn watch_once(&mut self) -> Result<WatchExit, Error> {
        let (store, expiry) = self.bucket.open().await?;
        self.expiry = expiry;
        let subject = format!("$KV.{}.{}.*.*", store.name, self.token);
        let (mut entries, pending) = StreamFollower::start(&store.stream, &subject, 0).await?;
        let mut is_complete = pending == 0;
        self.remote_members.ready.send_if_modified(|ready| is_complete && !std::mem::replace(ready, true));
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
                        self.remote_members.ready.send_replace(true);
                    }
                }
                tick = expiry_timer.tick() => {
                    self.extend_after_stall(tick.elapsed());
                    self.expire();
                    if self.stop_if_unused() {
                        return Ok(WatchExit::Unused);
                    }
                }
                changed = self.reconnects.changed() => {
                    // An error says that the hub is gone.
                    return Ok(changed.map_or(WatchExit::Unused, |()| WatchExit::Reconnect));
                }
            }
        }
    }

    fn on_entry(&mut self, id: MemberId, headers: Option<&HeaderMap>, name: &[u8]) {
        let Some(events) = self.events.upgrade() else { return };
        if id.node == self.node {
            return;
        }
        // DEL or PURGE.
        if headers.is_some_and(|headers| headers.get("KV-Operation").is_some()) {
            self.expires_at.remove(&id);
            return events.member_left(id);
        }
        let Ok(name) = serde_json::from_slice::<String>(name) else {
            return tracing::debug!(topic = self.token, "the name of a member does not decode");
        };
        if !self.expires_at.contains_key(&id) && !events.member_joined(id, &name) {
            return tracing::warn!(topic = self.token, "more members than can be known");
        }
        // By our own clock, whatever those of others show.
        self.expires_at.insert(id, Instant::now() + self.expiry);
    }

    /// While this process stood still, it could not hear of anybody, as one that was suspended: that
    /// time does not count.
    fn extend_after_stall(&mut self, late: Duration) {
        if late >= EXPIRY_INTERVAL {
            self.expires_at.values_mut().for_each(|expires_at| *expires_at += late);
        }
    }

    /// Those who were not heard of for too long are gone.
    fn expire(&mut self) {
        let now = Instant::now();
        let events = self.events.upgrade();
        self.expires_at.retain(|id, expires_at| {
            let is_there = *expires_at > now;
            if let (false, Some(events)) = (is_there, &events) {
                events.member_left(*id);
            }
            is_there
        });
    }

    /// Ends it if nobody wants to know any more.
    fn stop_if_unused(&mut self) -> bool {
        let (Some(topic), Some(events)) = (self.topic.upgrade(), self.events.upgrade()) else { return true };
        let slot = topic.remote_members();
        if !topic.connection.is_closed() && (self.remote_members.is_in_use() || events.has_watchers()) {
            return false;
        }
        self.stop(slot);
        true
    }

    /// Whoever asks from now on learns it anew; not before those who are known here are forgotten.
    fn stop(&mut self, mut slot: MutexGuard<'_, Option<Arc<RemoteMembers>>>) {
        if let Some(events) = self.events.upgrade() {
            self.expires_at.drain().for_each(|(id, _)| events.member_left(id));
        }
        *slot = None;
    }
}

/// It may also end with a panic.
impl Drop for PresenceWatcher {
    fn drop(&mut self) {
        let Some(topic) = self.topic.upgrade() else { return };
        let slot = topic.remote_members();
        if slot.as_ref().is_some_and(|remote_members| Arc::ptr_eq(remote_members, &self.remote_members)) {
            self.stop(slot);
        }
    }
}

/// How a subscription ends.
enum WatchExit {
    Unused,
    Reconnect,
}
