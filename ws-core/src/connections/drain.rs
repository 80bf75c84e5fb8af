//! The drain: the closes of all connections, spread over a time.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::Ordering;
use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;

use super::registry::wake_all;
use super::{ConnectionTracker, DRAINING, TrackerState};
use crate::clock::now;
use crate::close::Close;

/// The time that the closes of connections take for each connection, unless the spread is shorter. So that a server with few
/// connections stops at once.
const TIME_PER_CONNECTION: Duration = Duration::from_millis(5);

/// The time between two lines of the log.
const LOG_INTERVAL: Duration = Duration::from_secs(1);

/// The shortest time between two groups of closes.
const TICK: Duration = Duration::from_millis(10);

/// The way in which the connections of a server are closed.
#[derive(Clone, Debug)]
pub(crate) struct DrainPlan {
    /// The time over which the closes are spread.
    pub(crate) spread: Duration,
    /// The time that the methods and clients of one connection have, from its close on.
    pub(crate) grace: Option<Duration>,
    /// The time after which the drain ends, whatever is open.
    pub(crate) timeout: Duration,
    /// The close frame, unless each handler has its own.
    pub(crate) close: Option<Close>,
}

impl DrainPlan {
    /// Returns the time over which a number of connections is closed. The last one has its grace, or half of the
    /// whole time.
    fn spread_of(&self, connections: usize) -> Duration {
        // One connection closes at once.
        let others = u32::try_from(connections.saturating_sub(1)).unwrap_or(u32::MAX);
        let share = TIME_PER_CONNECTION.saturating_mul(others);
        let grace = self.grace.unwrap_or(self.timeout / 2);
        self.spread.min(share).min(self.timeout.saturating_sub(grace))
    }

    /// Returns the deadline of a connection whose close begins now, in a drain that ends at `end`.
    fn deadline(&self, end: std::time::Instant) -> std::time::Instant {
        self.grace.and_then(|grace| now().checked_add(grace)).map_or(end, |own| own.min(end))
    }
}

/// A connection that has to close at a time of the drain.
struct WaitingClose {
    after: Duration,
    key: usize,
    serial: u64,
}

impl ConnectionTracker {
    /// Refuses new connections, and closes all others over a time. Sessions and handshakes are asked at once: their
    /// clients spread their requests themselves. Returns the number of connections that are still open at the end.
    ///
    /// All connections that are left close at once if the future is dropped.
    pub(crate) async fn drain(&self, plan: &DrainPlan) -> usize {
        let start = Instant::now();
        let (end, timeout) = (now() + plan.timeout, start + plan.timeout);
        let _guard = CloseOnDrop { connections: self, end };
        let mut waiting = self.begin_drain(plan, end);
        let mut next_log = start + LOG_INTERVAL;
        loop {
            let open = self.open.load(Ordering::Acquire);
            let time = Instant::now();
            if open == 0 || time >= timeout {
                return open;
            }
            self.close_due(&mut waiting, time - start, plan, end);
            if waiting.is_empty() {
                // Those that have begun meanwhile.
                self.shut_down(end);
            }
            if time >= next_log {
                tracing::info!(open, waiting = waiting.len(), "draining connections");
                next_log = time + LOG_INTERVAL;
            }
            let next_close = waiting.last().map(|next| start + next.after.max(time - start + TICK));
            let until = next_close.into_iter().fold(next_log.min(timeout), Instant::min);
            _ = tokio::time::timeout_at(until, self.wait_empty()).await;
        }
    }

    /// Refuses new connections. Returns the connections that close later, the first one last.
    fn begin_drain(&self, plan: &DrainPlan, end: std::time::Instant) -> Vec<WaitingClose> {
        let mut state = self.lock();
        self.stage.fetch_max(DRAINING, Ordering::AcqRel);
        state.deadline.get_or_insert(end);
        state.drain_close.clone_from(&plan.close);
        let (mut waiting, mut at_once) = (Vec::new(), Vec::new());
        for (key, entry) in &state.entries {
            match entry.kind {
                Some(kind) if !kind.is_session => {
                    waiting.push(WaitingClose { after: Duration::ZERO, key, serial: entry.serial });
                }
                _ => at_once.push(key),
            }
        }
        let deadline = plan.deadline(end);
        let wakers = at_once.into_iter().filter_map(|key| self.request_drain(&mut state, key, deadline));
        let wakers: Vec<Waker> = wakers.collect();
        drop(state);
        wake_all(wakers);
        let (spread, random) = (plan.spread_of(waiting.len()), RandomState::new());
        for close in &mut waiting {
            let part = u32::try_from(random.hash_one(close.serial) >> 32).unwrap_or(u32::MAX);
            close.after = spread.mul_f64(f64::from(part) / f64::from(u32::MAX));
        }
        waiting.sort_unstable_by_key(|close| std::cmp::Reverse(close.after));
        waiting
    }

    /// Closes the connections whose time has come.
    fn close_due(
        &self,
        waiting: &mut Vec<WaitingClose>,
        elapsed: Duration,
        plan: &DrainPlan,
        end: std::time::Instant,
    ) {
        let deadline = plan.deadline(end);
        let due = waiting.partition_point(|close| close.after > elapsed);
        let mut state = self.lock();
        let wakers = waiting.drain(due..).filter_map(|close| {
            let is_open = state.entries.get(close.key).is_some_and(|entry| entry.serial == close.serial);
            if is_open { self.request_drain(&mut state, close.key, deadline) } else { None }
        });
        let wakers: Vec<Waker> = wakers.collect();
        drop(state);
        wake_all(wakers);
    }

    /// Requests the drain of a connection, by a deadline. Returns the waker of its task.
    fn request_drain(
        &self,
        state: &mut TrackerState,
        key: usize,
        deadline: std::time::Instant,
    ) -> Option<Waker> {
        state.extras_of(key)?.drain_by.get_or_insert(deadline);
        self.request(state, key, |requests| requests.drain = true)
    }
}

/// A guard that closes what is left when a drain ends, or its future is dropped.
struct CloseOnDrop<'a> {
    connections: &'a ConnectionTracker,
    end: std::time::Instant,
}

impl Drop for CloseOnDrop<'_> {
    fn drop(&mut self) {
        self.connections.shut_down(self.end);
    }
}
