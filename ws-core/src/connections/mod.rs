//! The open connections of a server: admits new ones, requests their shutdown, and waits for their end.

mod drain;
mod entry;
mod limits;
mod peer_address;
mod registry;
mod tags;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Poll, Waker};
use std::time::Instant;

use slab::Slab;
use tokio::sync::Notify;

use crate::clock::now;
use crate::close::Close;
use crate::shrink::SlabShrinker;
use crate::span::next_id;
use crate::sync::lock;
use crate::wire::RateLimiter;
pub(crate) use drain::DrainPlan;
pub(crate) use entry::ConnectionKind;
use entry::Entry;
pub(crate) use limits::{ConnectionLimits, LimitReached};
use limits::{ConnectionsByNetwork, NetworkPrefix};
pub(crate) use peer_address::PeerAddress;
pub use registry::ConnectionId;
use registry::EntryExtras;
pub(crate) use registry::{ConnectionReport, PendingSnapshot, Requests};
pub use tags::TagError;
pub(crate) use tags::check_tag;

/// The bit of the signals that a shutdown sets.
const SHUTDOWN: usize = 1;

/// The unit in which the signals count connections with requests.
const REQUEST: usize = 2;

/// The stage of a server that has announced its stop. It still admits connections.
const LEAVING: u8 = 1;

/// The stage of a server that closes its connections.
const DRAINING: u8 = 2;

/// The registry of a server's open connections.
///
/// A connection costs one entry here and one relaxed load per poll. A cancellation token would cost a list
/// node in every task and a poll of the token in every poll.
#[derive(Debug)]
pub(crate) struct ConnectionTracker {
    /// [`SHUTDOWN`] after a shutdown was requested, and a [`REQUEST`] for each connection with requests that its
    /// task has not taken. Then all connections check their entry, until that task is polled.
    signals: AtomicUsize,
    /// 0, and then [`LEAVING`] and [`DRAINING`].
    stage: AtomicU8,
    open: AtomicUsize,
    state: Mutex<TrackerState>,
    /// Notified when the last connection has ended.
    empty: Notify,
    /// The time from which the entries count when their connections began.
    start: Instant,
}

#[derive(Debug, Default)]
struct TrackerState {
    entries: Slab<Entry>,
    shrinker: SlabShrinker,
    /// The rarely used parts of connections, by their keys. Boxed, because most connections have none.
    extras: HashMap<usize, Box<EntryExtras>>,
    /// The keys of the connections with a tag.
    tags: HashMap<Arc<str>, BTreeSet<usize>>,
    /// The close frame of a drain, unless each handler has its own.
    drain_close: Option<Close>,
    networks: ConnectionsByNetwork,
    /// Counts new connections, if their rate has a limit.
    rate_limiter: Option<RateLimiter>,
    /// Time at which connections that shut down stop waiting for their methods.
    deadline: Option<Instant>,
}

impl Default for ConnectionTracker {
    fn default() -> Self {
        Self {
            signals: AtomicUsize::new(0),
            stage: AtomicU8::new(0),
            open: AtomicUsize::new(0),
            state: Mutex::default(),
            empty: Notify::new(),
            start: now(),
        }
    }
}

impl TrackerState {
    fn release_network(&mut self, network: Option<NetworkPrefix>) {
        if let Some(network) = network {
            self.networks.remove(network);
        }
    }
}

impl ConnectionTracker {
    /// Admits one more connection, unless a limit is reached or the server shuts down. The limit per address
    /// does not apply if `peer` is `None`.
    pub(crate) fn admit(
        self: &Arc<Self>,
        limits: &ConnectionLimits,
        peer: Option<SocketAddr>,
    ) -> Result<ConnectionPermit, LimitReached> {
        let mut state = self.lock();
        if self.is_draining() {
            return Err(LimitReached::Drain);
        }
        if self.open.load(Ordering::Acquire) >= limits.connections {
            return Err(LimitReached::Total);
        }
        let limit = peer.zip(limits.per_address).map(|(peer, max)| (NetworkPrefix::from(peer.ip()), max));
        if let Some((network, max)) = limit
            && !state.networks.try_add(network, max)
        {
            return Err(LimitReached::Address);
        }
        let network = limit.map(|(network, _)| network);
        if let Some(rate) = limits.rate {
            let now = now();
            if !state.rate_limiter.get_or_insert_with(|| RateLimiter::new(now)).allows(rate, now) {
                state.release_network(network);
                return Err(LimitReached::Rate);
            }
        }
        self.open.fetch_add(1, Ordering::AcqRel);
        let serial = next_id();
        let key = state.entries.insert(Entry::new(serial, peer, network.is_some()));
        drop(state);
        Ok(ConnectionPermit { connections: Arc::clone(self), key })
    }

    /// Announces that the server stops. It still admits connections.
    pub(crate) fn leave(&self) {
        self.stage.fetch_max(LEAVING, Ordering::AcqRel);
    }

    /// Returns whether the server stops, or has announced it.
    pub(crate) fn is_leaving(&self) -> bool {
        self.stage.load(Ordering::Acquire) != 0 || self.is_shutting_down()
    }

    /// Requests the shutdown of every connection. Their methods may run until `deadline`.
    pub(crate) fn shut_down(&self, deadline: Instant) {
        let mut state = self.lock();
        state.deadline.get_or_insert(deadline);
        self.signals.fetch_or(SHUTDOWN, Ordering::AcqRel);
        let wakers: Vec<Waker> = state.entries.iter().filter_map(|(_, entry)| entry.waker.clone()).collect();
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Waits until the last connection has ended.
    pub(crate) async fn wait_empty(&self) {
        loop {
            let empty = self.empty.notified();
            if self.open.load(Ordering::Acquire) == 0 {
                return;
            }
            empty.await;
        }
    }

    /// Returns whether new connections are refused, because the others close.
    fn is_draining(&self) -> bool {
        self.stage.load(Ordering::Acquire) == DRAINING || self.is_shutting_down()
    }

    /// Returns whether a shutdown was requested.
    fn is_shutting_down(&self) -> bool {
        self.signals.load(Ordering::Acquire) & SHUTDOWN != 0
    }

    fn lock(&self) -> MutexGuard<'_, TrackerState> {
        lock(&self.state)
    }
}

/// Permission for one open connection. Dropping the permit frees its place.
#[derive(Debug)]
pub(crate) struct ConnectionPermit {
    connections: Arc<ConnectionTracker>,
    key: usize,
}

impl ConnectionPermit {
    /// Registers the waker that a requested shutdown wakes.
    pub(crate) fn register(&self, waker: &Waker) {
        self.register_with(waker, |_| {});
    }

    /// Like [`register`](Self::register), but for the task of a connection, which this begins.
    pub(crate) fn register_connection(&self, waker: &Waker, kind: &'static ConnectionKind, at: Instant) {
        self.register_with(waker, |entry| entry.begin(kind, at, self.connections.start));
    }

    fn register_with(&self, waker: &Waker, update: impl FnOnce(&mut Entry)) {
        let waker = Some(waker.clone());
        // The previous waker is dropped after the lock is released, because it may drop a whole task.
        let mut state = self.connections.lock();
        let _previous = state.entries.get_mut(self.key).map(|entry| {
            update(entry);
            std::mem::replace(&mut entry.waker, waker)
        });
        drop(state);
    }

    /// Counts the connection for the network of its client, which was not known before. Returns false if the limit of
    /// the network is reached.
    #[cfg(feature = "proxy-protocol")]
    pub(crate) fn limit_network(&self, limits: &ConnectionLimits, peer: SocketAddr) -> bool {
        let Some(max) = limits.per_address else { return true };
        let (network, mut state) = (NetworkPrefix::from(peer.ip()), self.connections.lock());
        let is_admitted = state.networks.try_add(network, max);
        if is_admitted {
            let previous = state.entries.get_mut(self.key).and_then(|entry| entry.count_for(peer));
            state.release_network(previous);
        }
        is_admitted
    }

    /// Returns the number of the connection, for its span.
    pub(crate) fn number(&self) -> u64 {
        self.connections.lock().entries.get(self.key).map_or(0, |entry| entry.serial)
    }

    /// Returns whether the server shuts down, or a connection has requests, perhaps this one.
    // PERF: one load in every iteration. budget: text64
    #[inline]
    pub(crate) fn has_signals(&self) -> bool {
        self.connections.signals.load(Ordering::Acquire) != 0
    }

    /// Waits until the server shuts down.
    pub(crate) async fn shutdown_requested(&self) {
        let mut registered: Option<Waker> = None;
        poll_fn(|task| {
            if !registered.as_ref().is_some_and(|waker| waker.will_wake(task.waker())) {
                registered = Some(task.waker().clone());
                self.register(task.waker());
            }
            if self.shutdown_deadline().is_some() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// Returns the time until which methods may run, if the server shuts down, or this connection drains.
    #[inline]
    pub(crate) fn shutdown_deadline(&self) -> Option<Instant> {
        if self.connections.is_draining() { self.drain_deadline() } else { None }
    }

    #[cold]
    fn drain_deadline(&self) -> Option<Instant> {
        let state = self.connections.lock();
        let extras = state.extras.get(&self.key);
        let general = state.deadline.filter(|_| self.connections.is_shutting_down());
        extras.and_then(|extras| extras.drain_by).or(general)
    }

    /// Returns the close frame of a drain, unless the handler's own is used.
    #[cold]
    pub(crate) fn drain_close(&self) -> Option<Close> {
        self.connections.lock().drain_close.clone()
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let mut state = self.connections.lock();
        let entry = state.entries.try_remove(self.key);
        if let Some(entry) = &entry {
            state.release_network(entry.counted_network());
            let TrackerState { entries, shrinker, .. } = &mut *state;
            shrinker.after_remove(entries);
        }
        // PERF: one branch for a connection without tags and requests. budget: connect
        let extras = if state.extras.is_empty() { None } else { self.release_extras(&mut state) };
        drop(state);
        // The waker and the address are dropped without the lock, like in `register`.
        drop((entry, extras));
        if self.connections.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.connections.empty.notify_waiters();
        }
    }
}
