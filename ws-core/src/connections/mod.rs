//! The open connections of a server: admits new ones, requests their shutdown, and waits for their end.

mod limits;

use std::future::poll_fn;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Poll, Waker};
use std::time::Instant;

use slab::Slab;
use tokio::sync::Notify;

use crate::clock::now;
use crate::sync::lock;
use crate::wire::RateLimiter;
pub(crate) use limits::{ConnectionLimits, LimitReached};
use limits::{ConnectionsByNetwork, NetworkPrefix};

/// The registry of a server's open connections.
///
/// A connection costs one entry here and one relaxed load per poll. A cancellation token would cost a list
/// node in every task and a poll of the token in every poll.
#[derive(Debug, Default)]
pub(crate) struct ConnectionTracker {
    shutting_down: AtomicBool,
    open: AtomicUsize,
    state: Mutex<TrackerState>,
    /// Notified when the last connection has ended.
    empty: Notify,
}

#[derive(Debug, Default)]
struct TrackerState {
    entries: Slab<Entry>,
    networks: ConnectionsByNetwork,
    /// Counts new connections, if their rate has a limit.
    rate_limiter: Option<RateLimiter>,
    /// Time at which connections that shut down stop waiting for their methods.
    deadline: Option<Instant>,
}

/// The part of a connection that is stored here, so that its task need not store it.
#[derive(Debug)]
struct Entry {
    waker: Option<Waker>,
    /// The client's network, if connections per network are counted.
    network: Option<NetworkPrefix>,
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
    /// does not apply if `addr` is `None`.
    pub(crate) fn admit(
        self: &Arc<Self>,
        limits: &ConnectionLimits,
        addr: Option<IpAddr>,
    ) -> Result<ConnectionPermit, LimitReached> {
        let mut state = self.lock();
        let is_full = self.open.load(Ordering::Acquire) >= limits.connections;
        if is_full || self.shutting_down.load(Ordering::Acquire) {
            return Err(LimitReached::Total);
        }
        let limit = addr.zip(limits.per_address).map(|(addr, max)| (NetworkPrefix::from(addr), max));
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
        let key = state.entries.insert(Entry { waker: None, network });
        drop(state);
        Ok(ConnectionPermit { connections: Arc::clone(self), key })
    }

    /// Requests the shutdown of every connection. Their methods may run until `deadline`.
    pub(crate) fn shut_down(&self, deadline: Instant) {
        let mut state = self.lock();
        state.deadline.get_or_insert(deadline);
        self.shutting_down.store(true, Ordering::Release);
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
        let waker = Some(waker.clone());
        // The previous waker is dropped after the lock is released, because it may drop a whole task.
        let mut state = self.connections.lock();
        let _previous =
            state.entries.get_mut(self.key).map(|entry| std::mem::replace(&mut entry.waker, waker));
        drop(state);
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

    /// Returns the time until which methods may run, if the server shuts down.
    #[inline]
    pub(crate) fn shutdown_deadline(&self) -> Option<Instant> {
        if self.connections.shutting_down.load(Ordering::Acquire) {
            self.connections.lock().deadline
        } else {
            None
        }
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let mut state = self.connections.lock();
        let entry = state.entries.try_remove(self.key);
        state.release_network(entry.as_ref().and_then(|entry| entry.network));
        drop(state);
        // The waker is dropped without the lock, like in `register`.
        drop(entry);
        if self.connections.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.connections.empty.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn admits_within_each_limit() {
        let connections = Arc::<ConnectionTracker>::default();
        let limits = ConnectionLimits { connections: 4, per_address: Some(2), rate: Some(4) };
        let admit = |last| connections.admit(&limits, Some(IpAddr::from([10, 0, 0, last])));
        let _first = admit(1).unwrap();
        let second = admit(1).unwrap();
        assert_eq!(admit(1).err(), Some(LimitReached::Address));
        // Rejected connections do not count towards the rate.
        let _third = admit(2).unwrap();
        drop(second);
        let _fourth = admit(1).unwrap();
        assert_eq!(admit(3).err(), Some(LimitReached::Rate));
        tokio::time::advance(Duration::from_millis(250)).await;
        let _fifth = admit(3).unwrap();
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(admit(3).err(), Some(LimitReached::Total));
        assert_eq!(connections.admit(&ConnectionLimits::new(6), None).err(), None);
    }
}
