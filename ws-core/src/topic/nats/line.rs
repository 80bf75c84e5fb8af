//! A topic of this process, as the broker has it.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use async_nats::Subject;
use bytes::Bytes;
use tokio::sync::{Semaphore, watch};
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::backlog::Backlog;
use super::outbox::Outgoing;
use super::presence::Replica;
use super::stamp::{self, About, Stamp};
use super::stream::Archive;
use super::{Link, PATIENCE, listen, recover, stream};
use crate::error::{BrokerError, PublishError};
use crate::topic::broker::{RemoteTopic, RecoveredMessages, RemoteEvents, BoxFuture};
use crate::topic::history::History;
use crate::topic::position::Position;
use crate::topic::since::Since;

/// A topic that is carried.
pub(super) struct Line {
    pub(super) link: Arc<Link>,
    myself: Weak<Self>,
    /// Which of this process's.
    id: u64,
    /// Its name, as a token of subjects.
    pub(super) token: String,
    pub(super) inlet: Weak<dyn RemoteEvents>,
    subject: Subject,
    kept: OnceLock<Kept>,
    /// The number of the last message that was sent.
    sent: Mutex<u64>,
    listener: Mutex<Option<Listener>>,
    replica: Mutex<Option<Arc<Replica>>>,
}

/// Its history.
struct Kept {
    archive: Archive,
    subject: Subject,
    /// Those who read it: not all turns, which others of its size may want too.
    readers: Arc<Semaphore>,
}

/// How many may read one history at the same time.
const MAX_READERS: usize = 8;

/// A subscription at the broker.
struct Listener {
    hearing: u64,
    task: AbortHandle,
    /// Whether the broker knows.
    ready: watch::Receiver<bool>,
    backlog: Arc<Backlog>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Line {
    pub(super) fn new(link: &Arc<Link>, token: String, inlet: Weak<dyn RemoteEvents>) -> Arc<Self> {
        let id = link.next_line.fetch_add(1, Ordering::Relaxed);
        let subject = format!("ws.t.{token}").into();
        let new = Arc::new_cyclic(|myself| Self {
            link: Arc::clone(link),
            myself: Weak::clone(myself),
            id,
            token,
            inlet,
            subject,
            kept: OnceLock::new(),
            sent: Mutex::new(0),
            listener: Mutex::new(None),
            replica: Mutex::new(None),
        });
        link.lock().insert(id, Arc::downgrade(&new));
        new
    }

    /// Numbers a message and puts it into the queue, both at once.
    fn send(&self, payload: Bytes, except: Option<usize>) -> Result<(), PublishError> {
        let mut sent = lock(&self.sent);
        let about = except.map_or(About::All, About::Others);
        let stamp = Stamp { node: self.link.node, line: self.id, number: *sent + 1, about };
        match self.kept.get() {
            None => {
                let subject = self.subject.clone();
                self.link.outbox.push(Outgoing { subject, stamp, payload, kept: None })?;
            }
            Some(Kept { archive, subject, .. }) => {
                let (subject, kept) = (subject.clone(), Some(Weak::clone(&self.inlet)));
                archive.outbox.push(Outgoing { subject, stamp, payload, kept })?;
            }
        }
        *sent += 1;
        Ok(())
    }

    /// The connection is there again. What was sent before it broke may be lost, here and elsewhere.
    pub(super) fn reconnected(&self) {
        if self.kept.get().is_some() {
            // Its consumer goes on where it was.
            return;
        }
        let hearing = lock(&self.listener).as_ref().map(|listener| listener.hearing);
        if let (Some(hearing), Some(inlet)) = (hearing, self.inlet.upgrade()) {
            inlet.lagged(hearing, 0);
        }
        // Others, who may be connected to another server, are told how many there were.
        let sent = lock(&self.sent);
        if *sent > 0 {
            let stamp = Stamp { node: self.link.node, line: self.id, number: *sent, about: About::Mark };
            let (subject, payload) = (self.subject.clone(), Bytes::new());
            // If there is no room, messages follow that say the same.
            let _ = self.link.outbox.push(Outgoing { subject, stamp, payload, kept: None });
        }
    }

    /// Some subscription has lost messages.
    pub(super) fn overflown(&self) {
        let listener = lock(&self.listener);
        let told = listener.as_ref().filter(|listener| listener.backlog.suspect());
        let hearing = told.map(|listener| listener.hearing);
        drop(listener);
        if let (Some(hearing), Some(inlet)) = (hearing, self.inlet.upgrade()) {
            inlet.lagged(hearing, 0);
        }
    }

    /// When the broker knows that it listens; false if it does not answer.
    fn listens(&self) -> BoxFuture<bool> {
        let ready = lock(&self.listener).as_ref().map(|listener| listener.ready.clone());
        Box::pin(async move {
            let Some(mut ready) = ready else { return false };
            // An error says that it listens no more.
            let listens = timeout(PATIENCE, ready.wait_for(|ready| *ready)).await;
            matches!(listens, Ok(Ok(_)))
        })
    }

    /// What looks for something in its history, if it has one.
    fn search(&self, since: Since) -> Option<recover::Search> {
        let Kept { archive, subject, readers } = self.kept.get()?;
        Some(recover::Search {
            link: Arc::clone(&self.link),
            histories: Arc::clone(&archive.histories),
            subject: subject.clone(),
            readers: Arc::clone(readers),
            since,
        })
    }

    pub(super) fn myself(&self) -> Weak<Self> {
        Weak::clone(&self.myself)
    }

    pub(super) fn replica(&self) -> MutexGuard<'_, Option<Arc<Replica>>> {
        lock(&self.replica)
    }
}

impl RemoteTopic for Line {
    fn check(&self) -> Result<(), PublishError> {
        Ok(())
    }

    fn node(&self) -> u64 {
        self.link.node
    }

    fn enable_history(&self, history: History) -> bool {
        let mut is_new = false;
        let kept = self.kept.get_or_init(|| {
            is_new = true;
            let subject = stream::subject(history, &self.token).into();
            let archive = self.link.streams.archive(history);
            Kept { archive, subject, readers: Arc::new(Semaphore::new(MAX_READERS)) }
        });
        let asked = stream::subject(history, &self.token);
        if asked != *kept.subject {
            tracing::warn!(
                kept = &*kept.subject,
                asked,
                "a topic is asked for with two histories, of which the first counts: give all the same"
            );
        }
        is_new
    }

    fn has_history(&self) -> bool {
        self.kept.get().is_some()
    }

    fn publish(&self, payload: Bytes, except: Option<usize>) -> Result<(), PublishError> {
        let limit = self.link.client.max_payload().saturating_sub(stamp::SIZE);
        let size = payload.len();
        if size > limit {
            return Err(PublishError::TooLarge { size, limit });
        }
        if !self.link.is_connected() {
            return Err(PublishError::Disconnected);
        }
        self.send(payload, except)
    }

    fn subscribe(&self, hearing: u64) {
        let (tell, ready) = watch::channel(false);
        let backlog = Arc::<Backlog>::default();
        let ear = listen::Ear { inlet: Weak::clone(&self.inlet), hearing, node: self.link.node, tell };
        let runtime = &self.link.runtime;
        let task = match self.kept.get() {
            None => {
                let (client, subject) = (self.link.client.clone(), self.subject.clone());
                let reconnects = self.link.reconnects.subscribe();
                runtime.spawn(ear.hear(client, subject, reconnects, Arc::clone(&backlog)))
            }
            Some(Kept { archive, subject, .. }) => {
                let (histories, subject) = (Arc::clone(&archive.histories), subject.clone());
                runtime.spawn(ear.follow(histories, subject, self.link.reconnects.subscribe()))
            }
        };
        *lock(&self.listener) = Some(Listener { hearing, task: task.abort_handle(), ready, backlog });
    }

    fn unsubscribe(&self) {
        *lock(&self.listener) = None;
    }

    fn wait_subscribed(&self) -> BoxFuture<()> {
        let listens = self.listens();
        Box::pin(async move {
            listens.await;
        })
    }

    fn recover(&self, since: Since) -> BoxFuture<Option<RecoveredMessages>> {
        let (search, listens) = (self.search(since), self.listens());
        Box::pin(async move {
            // What comes after the search is heard then. It would not be if that began later.
            if listens.await { search?.run().await } else { None }
        })
    }

    fn position(&self) -> BoxFuture<Option<Position>> {
        let search = self.search(Since::Now);
        Box::pin(async move {
            // Somebody who loads a page is waiting, for whom a turn or an election may take too long.
            let found = timeout(2 * PATIENCE, search?.run()).await.ok()?;
            Some(found?.position)
        })
    }

    fn spawn(&self, task: BoxFuture<()>) {
        self.link.runtime.spawn(task);
    }

    fn join(&self, number: u64, name: &str) -> BoxFuture<Result<(), BrokerError>> {
        let told = self.link.roster.join(&self.token, number, name);
        Box::pin(async move {
            let told = timeout(PATIENCE, told).await.map_err(|_| BrokerError::TimedOut)?;
            // Nobody tells one that has left before.
            told.unwrap_or(Err(BrokerError::Closed))
        })
    }

    fn leave(&self, number: u64) {
        self.link.roster.leave(&self.token, number);
    }

    fn remote_members_ready(&self) -> BoxFuture<()> {
        if self.link.is_closed() {
            return Box::pin(std::future::ready(()));
        }
        let replica = Replica::of(self);
        Box::pin(async move { replica.ready().await })
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.link.lock().remove(&self.id);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
