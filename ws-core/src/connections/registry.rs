//! Reads of the connections, and requests to them: tags, closes and snapshots.

use std::any::{Any, TypeId};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;
use std::time::Instant;

use tokio::sync::oneshot;

use super::tags::check_tag;
use super::{ConnectionPermit, ConnectionTracker, REQUEST, TagError, TrackerState};
use crate::close::{Close, REPLACED};
use crate::options::OnSecond;
use crate::shrink::shrink_map;
#[cfg(feature = "inspect")]
use crate::wire::MessageTap;

/// The number of a connection, which is also the field `id` of its [span](crate::guide::observability). No other
/// connection of the process has the same one, before or after.
///
/// ```
/// # use ws_core::prelude::*;
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let router: Router = Router::new();
/// let ids: Vec<ws_core::ConnectionId> =
///     router.connections().snapshots().await.into_iter().map(|connection| connection.id).collect();
/// assert!(ids.is_empty());
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId {
    serial: u64,
    key: usize,
}

#[cfg(feature = "inspect")]
impl ConnectionId {
    /// Returns the number alone, which [`Display`](fmt::Display) writes.
    pub(crate) fn serial(self) -> u64 {
        self.serial
    }
}

/// The number alone, which is enough to tell connections apart.
impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serial.fmt(f)
    }
}

/// The rarely used part of an entry: tags and requests.
#[derive(Debug, Default)]
pub(super) struct EntryExtras {
    pub(super) tags: BTreeSet<Arc<str>>,
    /// The handler's address, once the connection has a tag.
    addr: Option<Arc<dyn Any + Send + Sync>>,
    requests: Requests,
    /// Whether the registry has closed the connection, which then is none of those that `one_per` counts.
    is_closed: bool,
    /// When a drain of this connection ends by force.
    pub(super) drain_by: Option<Instant>,
}

impl EntryExtras {
    /// Returns whether nothing is in them, so that they may be freed.
    fn is_empty(&self) -> bool {
        let Self { tags, addr, requests, is_closed, drain_by } = self;
        tags.is_empty() && addr.is_none() && requests.is_empty() && !is_closed && drain_by.is_none()
    }
}

/// The requests of the registry to the task of a connection.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    /// The frame with which the connection has to close.
    pub(crate) close: Option<Close>,
    /// The receivers of the figures of the connection.
    pub(crate) reports: Vec<oneshot::Sender<ConnectionReport>>,
    /// Whether the drain of the connection begins. Its deadline is that of the shutdown.
    pub(super) drain: bool,
    /// Receivers of the connection's messages from now on.
    #[cfg(feature = "inspect")]
    pub(crate) taps: RequestedTaps,
}

/// Taps that a connection has not taken.
#[cfg(feature = "inspect")]
#[derive(Default)]
pub(crate) struct RequestedTaps(pub(crate) Vec<Arc<dyn MessageTap>>);

#[cfg(feature = "inspect")]
impl fmt::Debug for RequestedTaps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RequestedTaps").field(&self.0.len()).finish()
    }
}

impl Requests {
    pub(super) fn is_empty(&self) -> bool {
        #[cfg(feature = "inspect")]
        if !self.taps.0.is_empty() {
            return false;
        }
        self.close.is_none() && self.reports.is_empty() && !self.drain
    }
}

/// The figures that only the task of a connection knows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConnectionReport {
    pub(crate) received: u64,
    pub(crate) sent: u64,
    pub(crate) buffered: usize,
    pub(crate) is_in_method: bool,
    pub(crate) is_closing: bool,
}

/// The data of a connection that the tracker has, and the receiver of its report.
pub(crate) struct PendingSnapshot {
    pub(crate) id: ConnectionId,
    pub(crate) handler: &'static str,
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) opened: Instant,
    pub(crate) tags: Vec<Arc<str>>,
    pub(crate) report: oneshot::Receiver<ConnectionReport>,
}

impl ConnectionTracker {
    /// Returns the number of connections that have begun, of all handlers or of one.
    pub(crate) fn count(&self, handler: Option<&str>) -> usize {
        let state = self.lock();
        let handlers = state.entries.iter().filter_map(|(_, entry)| entry.handler());
        handlers.filter(|own| handler.is_none_or(|name| name == *own)).count()
    }

    /// Returns the number of connections of each handler that has any.
    pub(crate) fn counts(&self) -> BTreeMap<&'static str, usize> {
        let mut counts = BTreeMap::new();
        for handler in self.lock().entries.iter().filter_map(|(_, entry)| entry.handler()) {
            *counts.entry(handler).or_default() += 1;
        }
        counts
    }

    /// Returns the number of connections with a tag.
    pub(crate) fn count_tagged(&self, tag: &str) -> usize {
        self.lock().tags.get(tag).map_or(0, BTreeSet::len)
    }

    /// Returns the addresses of the connections with a tag.
    pub(crate) fn tagged_addrs(&self, tag: &str) -> Vec<Arc<dyn Any + Send + Sync>> {
        let state = self.lock();
        let keys = state.tags.get(tag).into_iter().flatten();
        keys.filter_map(|key| state.extras.get(key)?.addr.clone()).collect()
    }

    /// Requests the close of the connections with a tag. Returns how many there are.
    pub(crate) fn close_tagged(&self, tag: &str, close: &Close) -> usize {
        let mut state = self.lock();
        let keys: Vec<usize> = state.tags.get(tag).into_iter().flatten().copied().collect();
        let wakers = keys.iter().filter_map(|&key| self.request_close(&mut state, key, close)).collect();
        drop(state);
        wake_all(wakers);
        keys.len()
    }

    /// Requests the close of one connection. Returns whether it is open.
    pub(crate) fn close_id(&self, id: ConnectionId, close: &Close) -> bool {
        let mut state = self.lock();
        let is_open = state.entries.get(id.key).is_some_and(|entry| entry.serial == id.serial);
        let waker = if is_open { self.request_close(&mut state, id.key, close) } else { None };
        drop(state);
        wake_all(waker.into_iter().collect());
        is_open
    }

    /// Requests that a connection passes its messages to a tap from now on. Returns whether it is open.
    #[cfg(feature = "inspect")]
    pub(crate) fn tap(&self, id: ConnectionId, tap: Arc<dyn MessageTap>) -> bool {
        let mut state = self.lock();
        let is_open = state.entries.get(id.key).is_some_and(|entry| entry.serial == id.serial);
        let add = |requests: &mut Requests| {
            requests.taps.0.retain(|tap| !tap.is_ended());
            requests.taps.0.push(tap);
        };
        let waker = if is_open { self.request(&mut state, id.key, add) } else { None };
        drop(state);
        wake_all(waker.into_iter().collect());
        is_open
    }

    fn request_close(&self, state: &mut TrackerState, key: usize, close: &Close) -> Option<Waker> {
        state.extras_of(key)?.is_closed = true;
        self.request(state, key, |requests| _ = requests.close.get_or_insert_with(|| close.clone()))
    }

    /// Adds a request to those of a connection. Returns the waker of its task.
    pub(super) fn request(
        &self,
        state: &mut TrackerState,
        key: usize,
        add: impl FnOnce(&mut Requests),
    ) -> Option<Waker> {
        let requests = &mut state.extras_of(key)?.requests;
        if requests.is_empty() {
            self.signals.fetch_add(REQUEST, Ordering::AcqRel);
        }
        add(requests);
        state.entries.get(key)?.waker.clone()
    }

    /// Requests a report of each connection that has begun.
    pub(crate) fn request_reports(&self) -> Vec<PendingSnapshot> {
        let mut state = self.lock();
        let keys: Vec<usize> = state.entries.iter().map(|(key, _)| key).collect();
        let mut wakers = Vec::new();
        let pending = keys.into_iter().filter_map(|key| {
            let entry = state.entries.get(key)?;
            let handler = entry.handler()?;
            let (serial, peer, opened) = (entry.serial, entry.peer(), entry.opened(self.start));
            let tags = state.extras.get(&key).map(|extras| extras.tags.iter().cloned().collect());
            let (sender, report) = oneshot::channel();
            wakers.extend(self.request(&mut state, key, |requests| {
                // Those whose caller has left are not kept.
                requests.reports.retain(|sender| !sender.is_closed());
                requests.reports.push(sender);
            }));
            let (id, tags) = (ConnectionId { serial, key }, tags.unwrap_or_default());
            Some(PendingSnapshot { id, handler, peer, opened, tags, report })
        });
        let pending = pending.collect();
        drop(state);
        wake_all(wakers);
        pending
    }
}

/// Wakes tasks. Without the lock, because a task may take it.
pub(super) fn wake_all(wakers: Vec<Waker>) {
    wakers.into_iter().for_each(Waker::wake);
}

impl TrackerState {
    /// Returns the rarely used part of a connection, which is made if needed. `None` if the connection has ended.
    pub(super) fn extras_of(&mut self, key: usize) -> Option<&mut EntryExtras> {
        if self.entries.contains(key) { Some(self.extras.entry(key).or_default()) } else { None }
    }

    /// Removes the rarely used part of a connection.
    fn remove_extras(&mut self, key: usize) -> Option<Box<EntryExtras>> {
        let removed = self.extras.remove(&key);
        if self.extras.is_empty() {
            // A snapshot of all connections makes one for each.
            self.extras.shrink_to_fit();
        }
        removed
    }

    /// Returns the connections with a tag whose handler's address is of a type, without those that were closed.
    fn connections_of(&self, tag: &str, handler: TypeId) -> Vec<usize> {
        let is_one = |key: &usize| {
            self.extras.get(key).is_some_and(|extras| {
                !extras.is_closed && extras.addr.as_ref().is_some_and(|addr| (**addr).type_id() == handler)
            })
        };
        self.tags.get(tag).into_iter().flatten().copied().filter(is_one).collect()
    }

    /// Removes a tag from a connection. Returns false if the connection does not have it.
    fn remove_tag(&mut self, key: usize, tag: &str) -> bool {
        let had = self.extras.get_mut(&key).is_some_and(|extras| extras.tags.remove(tag));
        if had {
            remove_tag(&mut self.tags, tag, key);
        }
        had
    }
}

/// Returns the close frame of a connection that another one replaces.
fn replaced() -> Close {
    Close::from((REPLACED, "replaced by another connection"))
}

fn remove_tag(tags: &mut HashMap<Arc<str>, BTreeSet<usize>>, tag: &str, key: usize) {
    if let Some(keys) = tags.get_mut(tag) {
        keys.remove(&key);
        if keys.is_empty() {
            tags.remove(tag);
            shrink_map(tags);
        }
    }
}

impl ConnectionPermit {
    /// Returns the requests to this connection, which are then no longer pending.
    #[cold]
    pub(crate) fn take_requests(&self) -> Requests {
        let mut state = self.connections.lock();
        let Some(extras) = state.extras.get_mut(&self.key) else { return Requests::default() };
        let requests = std::mem::take(&mut extras.requests);
        if extras.is_empty() {
            state.remove_extras(self.key);
        }
        if !requests.is_empty() {
            self.connections.signals.fetch_sub(REQUEST, Ordering::AcqRel);
        }
        requests
    }

    /// Removes the tags and the requests of the connection, which has ended. Returns them, to be dropped without the
    /// lock.
    #[cold]
    pub(super) fn release_extras(&self, state: &mut TrackerState) -> Option<Box<EntryExtras>> {
        let extras = state.remove_extras(self.key)?;
        for tag in &extras.tags {
            remove_tag(&mut state.tags, tag, self.key);
        }
        if !extras.requests.is_empty() {
            self.connections.signals.fetch_sub(REQUEST, Ordering::AcqRel);
        }
        Some(extras)
    }

    /// Adds a tag. `addr` is the address of the handler. With a policy, only one of the handler's connections has it.
    pub(crate) fn tag(
        &self,
        tag: &str,
        addr: Arc<dyn Any + Send + Sync>,
        on_second: Option<OnSecond>,
    ) -> Result<(), TagError> {
        let mut state = self.connections.lock();
        let Some(own) = state.extras_of(self.key) else { return Ok(()) };
        if !check_tag(tag, own.tags.len(), own.tags.contains(tag))? {
            return Ok(());
        }
        let mut wakers = Vec::new();
        if let Some(on_second) = on_second {
            let is_closed = own.is_closed;
            let others = state.connections_of(tag, (*addr).type_id());
            if is_closed || (on_second == OnSecond::Refuse && !others.is_empty()) {
                return Err(TagError::Taken);
            }
            for other in others {
                wakers.extend(self.connections.request_close(&mut state, other, &replaced()));
                state.remove_tag(other, tag);
            }
        }
        let TrackerState { extras, tags, .. } = &mut *state;
        let Some(own) = extras.get_mut(&self.key) else { return Ok(()) };
        let shared = tags.get_key_value(tag).map_or_else(|| Arc::from(tag), |(shared, _)| Arc::clone(shared));
        own.tags.insert(Arc::clone(&shared));
        tags.entry(shared).or_default().insert(self.key);
        own.addr.get_or_insert(addr);
        drop(state);
        wake_all(wakers);
        Ok(())
    }

    /// Removes a tag. Returns false if the connection does not have it.
    pub(crate) fn untag(&self, tag: &str) -> bool {
        self.connections.lock().remove_tag(self.key, tag)
    }
}
