//! The alarm of a worker: the timer of the runtime that its connections share.

use std::sync::Arc;

use tokio::task::AbortHandle;
use tokio::time::timeout_at;

use super::wake_queue::WakeQueue;

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

/// The worker of an alarm. Dropped with the runtime, it lets all deadlines pass.
struct RuntimeGuard(Arc<WakeQueue>);

impl Drop for RuntimeGuard {
    fn drop(&mut self) {
        self.0.deadlines.end();
        self.0.notify();
    }
}

async fn run(guard: RuntimeGuard) {
    let RuntimeGuard(worker) = &guard;
    let deadlines = &worker.deadlines;
    loop {
        let Some(first) = deadlines.set_alarm() else {
            deadlines.changed().await;
            continue;
        };
        if timeout_at(first, deadlines.changed()).await.is_err() {
            deadlines.set_due();
            worker.notify();
            // Until the worker has taken what has passed.
            deadlines.changed().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Context as TaskContext;
    use std::time::{Duration, Instant};

    use proptest::collection::vec;
    use proptest::prelude::{Strategy, prop_oneof};
    use proptest::proptest;
    use tokio::runtime::{Builder, Runtime};
    use tokio::task::yield_now;
    use tokio::time::advance;

    use super::*;
    use crate::clock::now;
    use crate::panic::catch;
    use crate::transport::DeadlineTimer;
    use crate::worker::poll::{ELAPSED, Poller};
    use crate::worker::socket::WorkerTimer;
    use crate::worker::wake_queue::ConnectionHandle;

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
            let timer = |key| WorkerTimer::of(Arc::new(ConnectionHandle::new(Arc::clone(&queue), key, 0)));
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
                    passed.iter().for_each(|key| self.timers[*key].handle().set_ready(ELAPSED));
                    all.extend(passed);
                }
            }
            all
        }

        fn armed(&self) -> usize {
            self.queue.deadlines.len()
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
