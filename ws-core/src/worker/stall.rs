//! A watch over the polls of workers, which reports methods that take long.
//!
//! A worker counts its polls, and a task of the runtime looks at the counters in intervals. So a poll costs no read of the
//! clock. The task sleeps while all workers do, and the first poll afterwards wakes it.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::AbortHandle;

use crate::last_call;
use crate::sync::lock;

/// How often the task looks at the counters.
const TICK: Duration = Duration::from_millis(20);

/// Ticks within one poll after which the poll is reported: 100 ms.
const OVERDUE_AFTER: u32 = 5;

/// Ticks without a poll after which the task sleeps: 1 s.
const ASLEEP_AFTER: u32 = 50;

/// The flag that the task sleeps.
const ASLEEP: u8 = 1;

/// The flag that the poll takes too long.
const OVERDUE: u8 = 2;

/// The methods that were reported, by the names of handler and method.
static REPORTED: Mutex<BTreeSet<(&str, &str)>> = Mutex::new(BTreeSet::new());

/// The state that a worker shares with the task.
#[derive(Debug)]
pub(super) struct PollCounter {
    /// Odd during a poll.
    count: AtomicU64,
    flags: AtomicU8,
    /// When the task has seen the overdue poll first.
    overdue_since: Mutex<Option<Instant>>,
    wake: Arc<Notify>,
}

/// The worker's side of a counter.
pub(super) struct PollWatch {
    count: u64,
    shared: Arc<PollCounter>,
}

impl PollWatch {
    pub(super) fn new(shared: Arc<PollCounter>) -> Self {
        Self { count: 0, shared }
    }

    /// Begins a poll.
    // PERF: a store and a load for each poll. budget: text64
    #[inline(always)]
    pub(super) fn begin(&mut self) {
        self.count = (self.count + 1) | 1;
        self.shared.count.store(self.count, Ordering::Relaxed);
        if self.shared.flags.load(Ordering::Relaxed) & ASLEEP != 0 {
            self.shared.wake_task();
        }
    }

    /// Ends a poll.
    // PERF: a store and a load for each poll. budget: text64
    #[inline(always)]
    pub(super) fn end(&mut self, is_handshake: bool) {
        // Even also after a panic behind the end of a poll, which calls this again.
        self.count = (self.count | 1) + 1;
        self.shared.count.store(self.count, Ordering::Relaxed);
        if self.shared.flags.load(Ordering::Relaxed) & OVERDUE != 0 {
            self.shared.report(last_call::get(), is_handshake);
        }
        last_call::clear();
    }
}

impl PollCounter {
    pub(super) fn new(wake: &Arc<Notify>) -> Arc<Self> {
        let (count, flags) = (AtomicU64::new(0), AtomicU8::new(0));
        Arc::new(Self { count, flags, overdue_since: Mutex::default(), wake: Arc::clone(wake) })
    }

    #[cold]
    fn wake_task(&self) {
        self.flags.fetch_and(!ASLEEP, Ordering::AcqRel);
        self.wake.notify_one();
    }

    /// Reports the method that ran last in an overdue poll, once. A handler that is written by hand notes no method.
    #[cold]
    fn report(&self, call: Option<&'static last_call::CalledMethod>, is_handshake: bool) {
        self.flags.fetch_and(!OVERDUE, Ordering::AcqRel);
        let Some(since) = lock(&self.overdue_since).take() else { return };
        let (handler, method) = match call {
            Some(call) if !call.name().is_empty() => (call.handler(), call.name()),
            _ if is_handshake => ("", "on_upgrade"),
            _ => return,
        };
        if lock(&REPORTED).insert((handler, method)) {
            tracing::warn!(
                handler,
                method,
                elapsed = ?since.elapsed(),
                help = "move work that blocks to `tokio::task::spawn_blocking`, or make the method async",
                "a method held the thread of other connections"
            );
        }
    }
}

/// The task's view of a counter.
struct WatchedPolls {
    counter: Arc<PollCounter>,
    last: u64,
    since: Instant,
    /// Ticks at which the counter was the same.
    ticks: u32,
}

impl WatchedPolls {
    /// Compares the counter with that of the last tick.
    fn tick(&mut self) {
        let count = self.counter.count.load(Ordering::Relaxed);
        if count != self.last {
            (self.last, self.since, self.ticks) = (count, Instant::now(), 0);
            return;
        }
        self.ticks = self.ticks.saturating_add(1);
        if count % 2 == 1 && self.ticks == OVERDUE_AFTER {
            *lock(&self.counter.overdue_since) = Some(self.since);
            self.counter.flags.fetch_or(OVERDUE, Ordering::AcqRel);
            // A poll that has ended meanwhile was shorter; the flag belongs to no other.
            if self.counter.count.load(Ordering::Acquire) != count {
                self.counter.flags.fetch_and(!OVERDUE, Ordering::AcqRel);
            }
        }
    }

    fn is_idle(&self) -> bool {
        self.last.is_multiple_of(2) && self.ticks >= ASLEEP_AFTER
    }
}

/// The running task. Dropping it ends the task.
#[derive(Debug)]
pub(super) struct StallWatch(AbortHandle);

impl StallWatch {
    /// Starts to watch the polls of workers, in a task of the current runtime.
    pub(super) fn start(counters: Vec<Arc<PollCounter>>, wake: Arc<Notify>) -> Self {
        let watched = |counter| WatchedPolls { counter, last: 0, since: Instant::now(), ticks: 0 };
        let watched = counters.into_iter().map(watched).collect();
        Self(tokio::spawn(watch(watched, wake)).abort_handle())
    }
}

impl Drop for StallWatch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn watch(mut workers: Vec<WatchedPolls>, wake: Arc<Notify>) {
    loop {
        let start = Instant::now();
        tokio::time::sleep(TICK).await;
        if start.elapsed() < TICK / 2 {
            // The clock of the runtime is that of a test, the threads are real.
            return;
        }
        workers.iter_mut().for_each(WatchedPolls::tick);
        if workers.iter().all(WatchedPolls::is_idle) {
            for worker in &workers {
                worker.counter.flags.fetch_or(ASLEEP, Ordering::AcqRel);
            }
            // A poll that begins at the same moment may miss the flag; then the next one wakes this task.
            let is_unchanged =
                |worker: &WatchedPolls| worker.counter.count.load(Ordering::Acquire) == worker.last;
            if workers.iter().all(is_unchanged) {
                wake.notified().await;
            }
            for worker in &mut workers {
                worker.ticks = 0;
            }
        }
    }
}
