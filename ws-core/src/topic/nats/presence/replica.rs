//! What a process knows of the members of others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use async_nats::{Error, HeaderMap};
use tokio::sync::watch;
use tokio::time::Instant;

use super::super::PATIENCE;
use super::super::line::Line;
use super::super::stream::Following;
use super::{Bucket, EXPIRY, parse};
use crate::topic::broker::RemoteEvents;
use crate::topic::presence::MemberId;

/// How long it is kept when nobody asks any more.
const LINGER: Duration = Duration::from_secs(30);

/// How often it is looked who has expired.
const LOOK: Duration = Duration::from_millis(500);

/// Before it is tried again.
const RETRY: Duration = Duration::from_millis(500);

/// The members of one topic in other processes.
pub(in super::super) struct Replica {
    asked: Mutex<Instant>,
    ready: watch::Sender<bool>,
}

impl Replica {
    /// That of a topic, which begins if there is none.
    pub(in super::super) fn of(line: &Line) -> Arc<Self> {
        let mut place = line.replica();
        if let Some(replica) = &*place {
            replica.ask();
            return Arc::clone(replica);
        }
        let replica = Arc::new(Self { asked: Mutex::new(Instant::now()), ready: watch::Sender::new(false) });
        *place = Some(Arc::clone(&replica));
        let others = Others {
            line: line.myself(),
            replica: Arc::clone(&replica),
            token: line.token.clone(),
            node: line.link.node,
            inlet: Weak::clone(&line.inlet),
            bucket: line.link.bucket.clone(),
            reconnects: line.link.reconnects.subscribe(),
            until: HashMap::new(),
            expiry: EXPIRY,
        };
        line.link.runtime.spawn(others.watch());
        replica
    }

    /// When it is known who is there, or the broker does not say.
    pub(in super::super) async fn ready(&self) {
        let mut ready = self.ready.subscribe();
        let _ = tokio::time::timeout(PATIENCE, ready.wait_for(|ready| *ready)).await;
        self.ask();
    }

    fn ask(&self) {
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn is_asked_for(&self) -> bool {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).elapsed() < LINGER
    }
}

/// Those who are there, until when.
struct Others {
    line: Weak<Line>,
    replica: Arc<Replica>,
    token: String,
    node: u64,
    inlet: Weak<dyn RemoteEvents>,
    bucket: Bucket,
    reconnects: watch::Receiver<u64>,
    until: HashMap<MemberId, Instant>,
    expiry: Duration,
}

impl Others {
    async fn watch(mut self) {
        loop {
            self.reconnects.mark_unchanged();
            match self.hear().await {
                // Or the hub is closed.
                Ok(End::Reconnect) if self.is_over() => return,
                Ok(End::Reconnect) => {}
                Ok(End::Over) => return,
                Err(error) => {
                    self.expire();
                    if self.is_over() {
                        return;
                    }
                    tracing::warn!(%error, "presence is not heard: it needs a server with JetStream");
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    /// Hears who comes and goes, after those who are there.
    async fn hear(&mut self) -> Result<End, Error> {
        let (store, expiry) = self.bucket.open().await?;
        self.expiry = expiry;
        let subject = format!("$KV.{}.{}.*.*", store.name, self.token);
        let (mut entries, pending) = Following::begin(&store.stream, &subject, 0).await?;
        let mut is_complete = pending == 0;
        self.replica.ready.send_if_modified(|ready| is_complete && !std::mem::replace(ready, true));
        let mut look = tokio::time::interval(LOOK.min(expiry / 4));
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                entry = entries.next() => {
                    let entry = entry?;
                    if let Some(id) = entry.subject.strip_prefix("$KV.").and_then(parse) {
                        self.heard(id, entry.headers.as_ref(), &entry.payload);
                    }
                    if !is_complete && entry.info()?.pending == 0 {
                        is_complete = true;
                        self.replica.ready.send_replace(true);
                    }
                }
                due = look.tick() => {
                    self.forgive(due.elapsed());
                    self.expire();
                    if self.is_over() {
                        return Ok(End::Over);
                    }
                }
                changed = self.reconnects.changed() => {
                    // An error says that the hub is gone.
                    return Ok(changed.map_or(End::Over, |()| End::Reconnect));
                }
            }
        }
    }

    fn heard(&mut self, id: MemberId, headers: Option<&HeaderMap>, name: &[u8]) {
        let Some(inlet) = self.inlet.upgrade() else { return };
        if id.node == self.node {
            return;
        }
        // DEL or PURGE.
        if headers.is_some_and(|headers| headers.get("KV-Operation").is_some()) {
            self.until.remove(&id);
            return inlet.member_left(id);
        }
        let Ok(name) = serde_json::from_slice::<String>(name) else {
            return tracing::debug!(topic = self.token, "the name of a member does not decode");
        };
        if !self.until.contains_key(&id) && !inlet.member_joined(id, &name) {
            return tracing::warn!(topic = self.token, "more members than can be known");
        }
        // By our own clock, whatever those of others show.
        self.until.insert(id, Instant::now() + self.expiry);
    }

    /// While this process stood still, it could not hear of anybody, as one that was suspended: that
    /// time does not count.
    fn forgive(&mut self, late: Duration) {
        if late >= LOOK {
            self.until.values_mut().for_each(|until| *until += late);
        }
    }

    /// Those who were not heard of for too long are gone.
    fn expire(&mut self) {
        let now = Instant::now();
        let inlet = self.inlet.upgrade();
        self.until.retain(|id, until| {
            let is_there = *until > now;
            if let (false, Some(inlet)) = (is_there, &inlet) {
                inlet.member_left(*id);
            }
            is_there
        });
    }

    /// Ends it if nobody wants to know any more.
    fn is_over(&mut self) -> bool {
        let (Some(line), Some(inlet)) = (self.line.upgrade(), self.inlet.upgrade()) else { return true };
        let place = line.replica();
        if !line.link.is_closed() && (self.replica.is_asked_for() || inlet.has_watchers()) {
            return false;
        }
        self.end(place);
        true
    }

    /// Whoever asks from now on learns it anew; not before those who are known here are forgotten.
    fn end(&mut self, mut place: MutexGuard<'_, Option<Arc<Replica>>>) {
        if let Some(inlet) = self.inlet.upgrade() {
            self.until.drain().for_each(|(id, _)| inlet.member_left(id));
        }
        *place = None;
    }
}

/// It may also end with a panic.
impl Drop for Others {
    fn drop(&mut self) {
        let Some(line) = self.line.upgrade() else { return };
        let place = line.replica();
        if place.as_ref().is_some_and(|replica| Arc::ptr_eq(replica, &self.replica)) {
            self.end(place);
        }
    }
}

/// How a subscription ends.
enum End {
    Over,
    Reconnect,
}
