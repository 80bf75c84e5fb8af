//! The clock of the runtime, and time limits that the bytes of a client would have moved.
//!
//! After a process stood still (`SIGSTOP`, a suspended machine), timers can fire before the I/O driver has
//! reported the bytes that arrived meanwhile. So such a limit is final only after the driver has run.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context as TaskContext, Poll, Wake, Waker, ready};
use std::time::Duration;

use tokio::task::yield_now;
use tokio::time::{Instant, Sleep, sleep_until};

/// Passes of the I/O driver between a deadline and its effect. The first pass may already be under way, and the
/// task that reads the socket for this one, for example that of an HTTP/2 connection, runs between the two.
pub(crate) const IO_PASSES: u8 = 2;

/// Returns the runtime's time, which tests can pause and advance.
pub(crate) fn now() -> std::time::Instant {
    Instant::now().into_std()
}

/// Wakes the task after the next pass of the I/O driver: that of the runtime, or that of the worker which polls
/// the task.
pub(crate) fn wake_after_io(task: &mut TaskContext<'_>) {
    let _ = pin!(yield_now()).poll(task);
}

/// The passes of the I/O driver since a deadline.
#[derive(Debug, Default)]
pub(crate) struct IoPasses {
    count: u8,
    current: Option<Arc<IoPass>>,
}

impl IoPasses {
    /// Returns `Ready` after [`IO_PASSES`] passes. The first call starts the first pass. The task reads its socket
    /// before each call.
    pub(crate) fn poll(&mut self, task: &mut TaskContext<'_>) -> Poll<()> {
        if let Some(pass) = &self.current
            && !pass.is_over.load(Ordering::Acquire)
            && pass.task.will_wake(task.waker())
        {
            return Poll::Pending;
        }
        if self.count == IO_PASSES {
            return Poll::Ready(());
        }
        self.count += 1;
        let pass = Arc::new(IoPass { task: task.waker().clone(), is_over: AtomicBool::new(false) });
        self.current = Some(Arc::clone(&pass));
        wake_after_io(&mut TaskContext::from_waker(&pass.into()));
        Poll::Pending
    }
}

/// The waker of one pass. Another wake of the task does not end the pass.
#[derive(Debug)]
struct IoPass {
    task: Waker,
    is_over: AtomicBool,
}

impl Wake for IoPass {
    fn wake(self: Arc<Self>) {
        self.is_over.store(true, Ordering::Release);
        self.task.wake_by_ref();
    }
}

/// How late a timer fires at least after the process stood still. Timers of a busy process are hardly later.
pub(crate) const STANDSTILL: Duration = Duration::from_millis(100);

/// A sleep that ends [`IO_PASSES`] passes of the I/O driver after its deadline. The task reads its socket before
/// each poll of the sleep.
///
/// If the process stood still at the deadline, the sleep lasts longer, once: by the time that the timer was late,
/// up to its whole length. A client that still has to answer the server, as in a TLS handshake, needs that time.
#[derive(Debug)]
pub(crate) struct SleepPastIo {
    sleep: Pin<Box<Sleep>>,
    /// The longest time that is added after a standstill. `None` after it was added.
    extension: Option<Duration>,
    /// The passes since the deadline, after it.
    passes: Option<IoPasses>,
}

impl SleepPastIo {
    pub(crate) fn new(deadline: Instant) -> Self {
        let extension = Some(deadline.saturating_duration_since(Instant::now()));
        Self { sleep: Box::pin(sleep_until(deadline)), extension, passes: None }
    }

    fn poll_sleep(&mut self, task: &mut TaskContext<'_>) -> Poll<()> {
        ready!(self.sleep.as_mut().poll(task));
        if self.extend() { self.sleep.as_mut().poll(task) } else { Poll::Ready(()) }
    }

    /// Moves the deadline if the process stood still at it, once. Returns whether it did.
    fn extend(&mut self) -> bool {
        let now = Instant::now();
        let late = now.saturating_duration_since(self.sleep.deadline());
        let Some(max) = self.extension.filter(|_| late >= STANDSTILL) else { return false };
        self.extension = None;
        self.sleep.as_mut().reset(now + late.min(max));
        true
    }

    /// Returns the deadline, which a standstill of the process has moved.
    fn into_deadline(mut self) -> Instant {
        self.extend();
        self.sleep.deadline()
    }
}

impl Future for SleepPastIo {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<()> {
        if self.passes.is_none() {
            ready!(self.poll_sleep(task));
        }
        self.passes.get_or_insert_default().poll(task)
    }
}

/// Like [`tokio::time::timeout_at`], but with a [`SleepPastIo`]: `future` sees the bytes that arrived before
/// `deadline`, even if the process stood still. That time then also moves `deadline`, for what follows `future`.
/// Returns `None` after the deadline.
pub(crate) async fn timeout_past_io<F: Future>(deadline: &mut Instant, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    // Most futures are ready at once and need no timer.
    let mut sleep = None;
    let output = poll_fn(|task| {
        if let Poll::Ready(output) = future.as_mut().poll(task) {
            return Poll::Ready(Some(output));
        }
        let sleep = sleep.get_or_insert_with(|| SleepPastIo::new(*deadline));
        Pin::new(sleep).poll(task).map(|()| None)
    });
    let output = output.await;
    *deadline = sleep.map_or(*deadline, SleepPastIo::into_deadline);
    output
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, sleep};

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Starts a sleep of ten seconds, and lets the process stand still from one second before its end until `late`
    /// after it. Returns how long the sleep lasts.
    async fn length_of_a_sleep(late: Duration) -> Duration {
        let start = Instant::now();
        let sleeping = tokio::spawn(SleepPastIo::new(start + 10_000 * MS));
        sleep(9000 * MS).await;
        advance(1000 * MS + late).await;
        sleeping.await.unwrap();
        start.elapsed()
    }

    /// Two steps of ten seconds together. The process stands still from the ninth second on, and the first step is
    /// ready 500 ms after it goes on. Returns the time that the second step then has.
    async fn time_of_the_second_step(late: Duration, is_first_ready_at_once: bool) -> Duration {
        let mut deadline = Instant::now() + 10_000 * MS;
        let ready = Instant::now() + 10_000 * MS + late;
        let steps = tokio::spawn(async move {
            let ready = if is_first_ready_at_once { ready } else { ready + 500 * MS };
            timeout_past_io(&mut deadline, sleep_until(ready)).await?;
            let start = Instant::now();
            assert_eq!(timeout_past_io(&mut deadline, std::future::pending::<()>()).await, None);
            Some(start.elapsed())
        });
        sleep(9000 * MS).await;
        advance(1000 * MS + late).await;
        steps.await.unwrap().expect("the first step is in time")
    }

    #[tokio::test(start_paused = true)]
    async fn time_in_which_the_process_stood_still_is_added_to_the_next_step() {
        for (late, left) in [(1000, 1000), (7000, 7000), (100_000, 10_000)] {
            assert_eq!(time_of_the_second_step(late * MS, true).await, left * MS, "{late} ms late");
            assert_eq!(time_of_the_second_step(late * MS, false).await, (left - 500) * MS, "{late} ms late");
        }
    }

    #[tokio::test]
    async fn other_wakes_of_the_task_end_no_pass() {
        let (mut passes, mut polls) = (IoPasses::default(), 0);
        // The runtime polls a spawned task that wakes itself before the driver runs.
        let counts = tokio::spawn(poll_fn(move |task| {
            polls += 1;
            if polls <= 10 {
                task.waker().wake_by_ref();
                assert!(passes.poll(task).is_pending());
                assert_eq!(passes.count, 1);
                return Poll::Pending;
            }
            passes.poll(task).map(|()| (polls, passes.count))
        }));
        // After the last of the other wakes, each pass wakes the task once.
        assert_eq!(counts.await.unwrap(), (11 + u32::from(IO_PASSES), IO_PASSES));
    }

    #[tokio::test(start_paused = true)]
    async fn time_in_which_the_process_stood_still_is_added_once() {
        for (late, length) in [(0, 10_000), (99, 10_099), (100, 10_200), (7000, 24_000), (100_000, 120_000)] {
            assert_eq!(length_of_a_sleep(late * MS).await, length * MS, "{late} ms late");
        }
        let start = Instant::now();
        let sleeping = tokio::spawn(SleepPastIo::new(start + 10_000 * MS));
        sleep(9000 * MS).await;
        advance(2000 * MS).await;
        sleep(500 * MS).await;
        advance(5000 * MS).await;
        sleeping.await.unwrap();
        assert_eq!(start.elapsed(), 16_500 * MS);
    }
}
