//! The deadlines of a worker's connections, for which they share one timer of the runtime.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Context as TaskContext;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::timeout_at;

use super::poll::ELAPSED;
use super::socket::Socket;
use super::wake_queue::{ConnectionHandle, WakeQueue};
use crate::clock::now;
use crate::sync::lock;
use crate::transport::DeadlineTimer;

/// A time in milliseconds after the start of the worker: the resolution of the runtime's timers.
pub(super) type Tick = u64;

/// The tick of a timer that is not armed.
pub(super) const UNARMED: Tick = Tick::MAX;

/// The deadlines of one worker.
#[derive(Debug)]
pub(super) struct Deadlines {
    start: Instant,
    armed: Mutex<ArmedDeadlines>,
    /// Wakes the alarm for an earlier deadline, and after the worker has taken those that have passed.
    changed: Notify,
    /// Whether the alarm has gone off, and the worker has not looked since.
    is_due: AtomicBool,
}

#[derive(Debug, Default)]
struct ArmedDeadlines {
    /// The ticks with the keys of their connections: 16 bytes each, and as much again for the free places of the tree. A
    /// timer of the runtime has 128 bytes.
    set: BTreeSet<(Tick, u32)>,
    /// The tick for which the alarm is set. The deadline may be gone.
    alarm: Option<Tick>,
    /// Whether the runtime has shut down.
    has_ended: bool,
}

impl Deadlines {
    pub(super) fn new() -> Self {
        let (armed, changed, is_due) = (Mutex::default(), Notify::new(), AtomicBool::new(false));
        Self { start: now(), armed, changed, is_due }
    }

    /// Returns the first tick that is not before `deadline`.
    fn tick_of(&self, deadline: Instant) -> Tick {
        let nanos = deadline.saturating_duration_since(self.start).as_nanos();
        Tick::try_from(nanos.div_ceil(1_000_000)).unwrap_or(UNARMED - 1)
    }

    /// Returns the last tick that has passed.
    fn current_tick(&self) -> Tick {
        let millis = now().saturating_duration_since(self.start).as_millis();
        Tick::try_from(millis).unwrap_or(UNARMED - 1)
    }

    /// Removes the deadline of a connection.
    fn remove(&self, key: u32, tick: Tick) {
        lock(&self.armed).set.remove(&(tick, key));
    }

    /// Adds the deadline of a connection.
    ///
    /// # Panics
    ///
    /// The runtime has shut down, so that nothing would wake the connection. A timer of the runtime panics as well.
    fn insert(&self, key: u32, tick: Tick) {
        let mut armed = lock(&self.armed);
        assert!(!armed.has_ended, "the runtime of the connection has shut down");
        armed.set.insert((tick, key));
        if armed.alarm.is_none_or(|alarm| tick < alarm) {
            self.changed.notify_one();
        }
    }

    /// Returns whether the alarm has gone off since the last call. If so, the caller takes the deadlines that have passed.
    pub(super) fn take_is_due(&self) -> bool {
        self.is_due.swap(false, Ordering::AcqRel)
    }

    /// Takes the keys of the connections whose deadlines have passed; all of them after the runtime has shut down.
    pub(super) fn take_passed(&self) -> Vec<usize> {
        let mut passed = Vec::new();
        let now = self.current_tick();
        let mut armed = lock(&self.armed);
        while let Some(&(tick, key)) = armed.set.first()
            && (tick <= now || armed.has_ended)
        {
            armed.set.pop_first();
            passed.push(key as usize);
        }
        self.changed.notify_one();
        passed
    }

    /// Sets the alarm for the earliest deadline.
    fn set_alarm(&self) -> Option<tokio::time::Instant> {
        let mut armed = lock(&self.armed);
        armed.alarm = armed.set.first().map(|(tick, _)| *tick);
        self.start.checked_add(Duration::from_millis(armed.alarm?)).map(Into::into)
    }
}

/// The timer of a connection on a worker.
#[derive(Debug)]
pub(crate) struct WorkerTimer(Arc<ConnectionHandle>);

impl WorkerTimer {
    fn deadlines(&self) -> &Deadlines {
        &self.0.queue().deadlines
    }
}

impl DeadlineTimer<Socket> for WorkerTimer {
    fn new(socket: &Socket) -> Self {
        Self(Arc::clone(socket.handle()))
    }

    fn disarm(&mut self) {
        let tick = self.0.replace_tick(UNARMED);
        if tick != UNARMED && !self.0.is_ready(ELAPSED) {
            self.deadlines().remove(self.0.key(), tick);
        }
        self.0.unset_ready(ELAPSED);
    }

    fn is_armed_for(&self, deadline: Instant) -> bool {
        self.0.tick() <= self.deadlines().tick_of(deadline)
    }

    // PERF: checked in every poll. budget: text64
    #[inline(always)]
    fn is_elapsed(&self) -> bool {
        self.0.is_ready(ELAPSED)
    }

    fn reset(&mut self, _: &mut TaskContext<'_>, deadline: Instant) -> bool {
        <Self as DeadlineTimer<Socket>>::disarm(self);
        let deadlines = self.deadlines();
        let tick = deadlines.tick_of(deadline);
        let has_passed = tick <= deadlines.current_tick();
        if has_passed {
            self.0.set_ready(ELAPSED);
        } else {
            deadlines.insert(self.0.key(), tick);
        }
        self.0.replace_tick(tick);
        has_passed
    }
}

impl Drop for WorkerTimer {
    fn drop(&mut self) {
        <Self as DeadlineTimer<Socket>>::disarm(self);
    }
}

/// The task of the runtime that wakes a worker when a deadline has passed. Dropping it ends the task.
#[derive(Debug)]
pub(super) struct Alarm(AbortHandle);

impl Alarm {
    /// Starts the alarm of a worker in the current runtime.
    pub(super) fn start(worker: Arc<WakeQueue>) -> Self {
        Self(tokio::spawn(run(RuntimeGuard(worker))).abort_handle())
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Has all deadlines pass when the task ends, because then nothing else would wake the connections.
struct RuntimeGuard(Arc<WakeQueue>);

impl Drop for RuntimeGuard {
    fn drop(&mut self) {
        lock(&self.0.deadlines.armed).has_ended = true;
        ring(&self.0);
    }
}

async fn run(guard: RuntimeGuard) {
    let deadlines = &guard.0.deadlines;
    loop {
        let is_due = match deadlines.set_alarm() {
            Some(first) => timeout_at(first, deadlines.changed.notified()).await.is_err(),
            None => {
                deadlines.changed.notified().await;
                false
            }
        };
        if is_due {
            ring(&guard.0);
            deadlines.changed.notified().await;
        }
    }
}

/// Has the worker take the deadlines that have passed.
fn ring(worker: &WakeQueue) {
    worker.deadlines.is_due.store(true, Ordering::Release);
    worker.notify();
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{Strategy, prop_oneof};
    use proptest::proptest;
    use tokio::runtime::{Builder, Runtime};
    use tokio::task::yield_now;
    use tokio::time::advance;

    use super::*;
    use crate::panic::catch;
    use crate::worker::poll::Poller;

    const CONNECTIONS: usize = 8;

    fn paused() -> Runtime {
        Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
    }

    /// A worker without a thread: its queue, and the timers of its connections.
    struct Worker {
        queue: Arc<WakeQueue>,
        timers: Vec<WorkerTimer>,
        _alarm: Alarm,
    }

    impl Worker {
        fn start() -> Self {
            let (_, waker, registry) = Poller::new().unwrap();
            let queue = Arc::new(WakeQueue::new(waker, registry));
            let timer = |key| WorkerTimer(Arc::new(ConnectionHandle::new(Arc::clone(&queue), key, 0)));
            let timers = (0..CONNECTIONS).map(timer).collect();
            Self { timers, _alarm: Alarm::start(Arc::clone(&queue)), queue }
        }

        fn reset(&mut self, key: usize, after: Duration) -> bool {
            let mut task = TaskContext::from_waker(std::task::Waker::noop());
            self.timers[key].reset(&mut task, now() + after)
        }

        /// Lets the alarm run, and takes what has passed if the alarm has gone off.
        async fn take_passed(&mut self) -> Vec<usize> {
            let mut all = Vec::new();
            for _ in 0..4 {
                yield_now().await;
                if self.queue.deadlines.take_is_due() {
                    let passed = self.queue.deadlines.take_passed();
                    passed.iter().for_each(|key| self.timers[*key].0.set_ready(ELAPSED));
                    all.extend(passed);
                }
            }
            all
        }

        fn armed(&self) -> usize {
            lock(&self.queue.deadlines.armed).set.len()
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Reset(usize, u64),
        Disarm(usize),
        Advance(u64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            (0..CONNECTIONS, 0..3_000_u64).prop_map(|(key, micros)| Step::Reset(key, micros)),
            (0..CONNECTIONS).prop_map(Step::Disarm),
            (0..3_000_u64).prop_map(Step::Advance),
        ];
        vec(step, 1..100)
    }

    proptest! {
        #[test]
        fn each_deadline_passes_once_and_in_time(steps in steps()) {
            paused().block_on(async {
                let mut worker = Worker::start();
                let mut model = [None; CONNECTIONS];
                for step in steps {
                    match step {
                        Step::Reset(key, micros) => {
                            let deadline = now() + Duration::from_micros(micros);
                            let has_passed = worker.reset(key, Duration::from_micros(micros));
                            model[key] = (!has_passed).then_some(deadline);
                            let timer = &worker.timers[key];
                            assert!(timer.is_armed_for(deadline) && timer.is_elapsed() == has_passed);
                            assert!(!has_passed || micros == 0);
                        }
                        Step::Disarm(key) => {
                            worker.timers[key].disarm();
                            model[key] = None;
                            assert!(!worker.timers[key].is_armed_for(now() + Duration::from_secs(1)));
                        }
                        Step::Advance(micros) => {
                            advance(Duration::from_micros(micros)).await;
                            for key in worker.take_passed().await {
                                let deadline = model[key].take();
                                assert!(deadline.is_some_and(|deadline| deadline <= now()), "{key}: {deadline:?}");
                            }
                            // The timers of the runtime are up to a millisecond late as well.
                            let overdue = |at: &Option<Instant>| at.is_some_and(|at| now() >= at + Duration::from_millis(2));
                            assert!(!model.iter().any(overdue), "{model:?} at {:?}", now());
                        }
                    }
                    assert_eq!(worker.armed(), model.iter().flatten().count());
                }
                worker.timers.clear();
                assert_eq!(worker.armed(), 0);
            });
        }
    }

    #[test]
    fn deadlines_pass_at_the_end_of_the_runtime() {
        let runtime = paused();
        let mut worker = runtime.block_on(async {
            let mut worker = Worker::start();
            worker.reset(0, Duration::from_secs(60));
            assert!(worker.take_passed().await.is_empty());
            worker
        });
        drop(runtime);
        assert!(worker.queue.deadlines.take_is_due());
        assert_eq!(worker.queue.deadlines.take_passed(), [0]);
        assert!(catch(|| worker.reset(1, Duration::from_secs(60))).is_err());
    }
}
