//! A watch over the polls of workers, which reports methods that take long.
//!
//! A worker counts its polls, and a thread looks at the counters in intervals. So a poll costs no read of the clock. The
//! thread sleeps while all workers do, and the first poll afterwards wakes it. A task of the runtime would pay for its timer
//! and its wake-up at each look, and would not run while other tasks block the runtime.

use std::collections::BTreeSet;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use crate::last_call;
use crate::sync::lock;

const NAME: &str = "ws-stall-watch";

/// The stack of the thread, which calls little.
const STACK: usize = 64 << 10;

/// How often the thread looks at the counters.
const TICK: Duration = Duration::from_millis(20);

/// Ticks within one poll after which the poll is reported: 100 ms.
const OVERDUE_AFTER: u32 = 5;

/// Ticks without a poll after which the thread sleeps: 1 s.
const ASLEEP_AFTER: u32 = 50;

/// The flag that the thread sleeps.
const ASLEEP: u8 = 1;

/// The flag that the poll takes too long.
const OVERDUE: u8 = 2;

/// The methods that were reported, by the names of handler and method.
static REPORTED: Mutex<BTreeSet<(&str, &str)>> = Mutex::new(BTreeSet::new());

/// The watch as the workers see it.
#[derive(Debug, Default)]
pub(super) struct WatchHandle {
    thread: OnceLock<Thread>,
    has_ended: AtomicBool,
}

impl WatchHandle {
    fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::Acquire)
    }
}

/// The state that a worker shares with the thread.
#[derive(Debug)]
pub(super) struct PollCounter {
    /// Odd during a poll.
    count: AtomicU64,
    flags: AtomicU8,
    /// When the thread has seen the overdue poll first.
    overdue_since: Mutex<Option<Instant>>,
    watch: Arc<WatchHandle>,
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
            self.shared.wake_watch();
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
    pub(super) fn new(watch: &Arc<WatchHandle>) -> Arc<Self> {
        let (count, flags) = (AtomicU64::new(0), AtomicU8::new(0));
        Arc::new(Self { count, flags, overdue_since: Mutex::default(), watch: Arc::clone(watch) })
    }

    #[cold]
    fn wake_watch(&self) {
        self.flags.fetch_and(!ASLEEP, Ordering::AcqRel);
        self.watch.wake();
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

/// The thread's view of a counter.
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

    fn is_asleep(&self) -> bool {
        self.counter.flags.load(Ordering::Acquire) & ASLEEP != 0
    }

    fn is_idle(&self) -> bool {
        self.last.is_multiple_of(2) && self.ticks >= ASLEEP_AFTER
    }
}

/// The running thread. Dropping it ends the thread.
#[derive(Debug)]
pub(super) struct StallWatch(Arc<WatchHandle>);

impl StallWatch {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// The system has no more threads.
    pub(super) fn start(counters: Vec<Arc<PollCounter>>, handle: Arc<WatchHandle>) -> io::Result<Self> {
        let watched = |counter| WatchedPolls { counter, last: 0, since: Instant::now(), ticks: 0 };
        let watched = counters.into_iter().map(watched).collect();
        let of_thread = Arc::clone(&handle);
        let run = move || watch(watched, &of_thread);
        thread::Builder::new().name(NAME.into()).stack_size(STACK).spawn(run)?;
        Ok(Self(handle))
    }
}

impl Drop for StallWatch {
    fn drop(&mut self) {
        self.0.has_ended.store(true, Ordering::Release);
        self.0.wake();
    }
}

fn watch(mut workers: Vec<WatchedPolls>, handle: &WatchHandle) {
    handle.thread.get_or_init(thread::current);
    while !handle.has_ended() {
        let start = Instant::now();
        thread::park_timeout(TICK);
        if start.elapsed() < TICK {
            // Woken by a worker that found its flag later than another.
            continue;
        }
        workers.iter_mut().for_each(WatchedPolls::tick);
        if workers.iter().all(WatchedPolls::is_idle) {
            sleep(&mut workers, handle);
        }
    }
}

/// Waits for the next poll of a worker.
fn sleep(workers: &mut [WatchedPolls], handle: &WatchHandle) {
    for worker in &*workers {
        worker.counter.flags.fetch_or(ASLEEP, Ordering::AcqRel);
    }
    // A poll that begins at the same moment may miss the flag; then the next one wakes this thread.
    let is_unchanged = |worker: &WatchedPolls| worker.counter.count.load(Ordering::Acquire) == worker.last;
    if workers.iter().all(is_unchanged) {
        while !handle.has_ended() && workers.iter().all(WatchedPolls::is_asleep) {
            thread::park();
        }
    }
    for worker in workers {
        worker.ticks = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait_for(counter: &PollCounter, flag: u8) {
        while counter.flags.load(Ordering::Acquire) & flag == 0 {
            thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn long_poll_is_noticed_after_a_sleep_and_the_thread_ends_with_its_watch() {
        let handle = Arc::new(WatchHandle::default());
        let counters = [PollCounter::new(&handle), PollCounter::new(&handle)];
        let watch = StallWatch::start(counters.to_vec(), Arc::clone(&handle)).unwrap();
        let mut polls = PollWatch::new(Arc::clone(&counters[0]));
        for _ in 0..2 {
            counters.iter().for_each(|counter| wait_for(counter, ASLEEP));
            polls.begin();
            assert_eq!(counters[0].flags.load(Ordering::Acquire) & ASLEEP, 0);
            wait_for(&counters[0], OVERDUE);
            polls.end(false);
            let flags = counters.each_ref().map(|counter| counter.flags.load(Ordering::Acquire) & OVERDUE);
            assert_eq!(flags, [0, 0]);
        }
        counters.iter().for_each(|counter| wait_for(counter, ASLEEP));
        drop(watch);
        // This test and the counters have the rest.
        while Arc::strong_count(&handle) > 3 {
            thread::sleep(Duration::from_millis(1));
        }
    }
}
