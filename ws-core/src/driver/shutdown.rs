//! The open connections of a server: letting them in, telling them that it shuts down, waiting for
//! them.

use std::future::poll_fn;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Instant;

use slab::Slab;
use tokio::sync::Notify;

use super::admission::{ConnectionLimits, ConnectionsByNetwork, LimitReached, NetworkPrefix};
use super::deadline_timer::now;
use crate::wire::RateLimiter;

/// The open connections of a server. It costs a connection one entry here and one relaxed load a
/// turn; a cancellation token would cost a list node in every task and a poll of it every turn.
#[derive(Debug, Default)]
pub(crate) struct ConnectionTracker {
    shutting_down: AtomicBool,
    open: AtomicUsize,
    state: Mutex<TrackerState>,
    /// Told when the last connection has ended.
    empty: Notify,
}

#[derive(Debug, Default)]
struct TrackerState {
    entries: Slab<Entry>,
    networks: ConnectionsByNetwork,
    /// How many came, if that has a limit.
    rate_limiter: Option<RateLimiter>,
    /// When connections that shut down stop waiting for their methods.
    deadline: Option<Instant>,
}

/// What is known of a connection here, so that its task need not have it.
#[derive(Debug)]
struct Entry {
    waker: Option<Waker>,
    /// Where it comes from, if that is counted.
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
    /// Admits one more connection, from an address if that is known.
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

    /// Tells every connection to end; until `deadline` they may finish what they do.
    pub(crate) fn shut_down(&self, deadline: Instant) {
        let mut state = self.lock();
        state.deadline.get_or_insert(deadline);
        self.shutting_down.store(true, Ordering::Release);
        let entries: Vec<Waker> = state.entries.iter().filter_map(|(_, task)| task.waker.clone()).collect();
        drop(state);
        entries.into_iter().for_each(Waker::wake);
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
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of one connection among those of its server; dropped, it is free.
#[derive(Debug)]
pub(crate) struct ConnectionPermit {
    connections: Arc<ConnectionTracker>,
    key: usize,
}

impl ConnectionPermit {
    pub(crate) fn register(&self, waker: &Waker) {
        let waker = Some(waker.clone());
        // The one before is dropped when the lock is free, for it may have much with it.
        let mut state = self.connections.lock();
        let _previous = state.entries.get_mut(self.key).map(|task| std::mem::replace(&mut task.waker, waker));
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

    /// When the server shuts down: until when methods may go on.
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
        let task = state.entries.try_remove(self.key);
        state.release_network(task.as_ref().and_then(|task| task.network));
        drop(state);
        // As above.
        drop(task);
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
        // What was refused is not counted.
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
