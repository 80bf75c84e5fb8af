//! The clock of a test: paused, and moved by `advance` only.

use std::cell::Cell;
use std::pin::pin;
use std::task::{Context as TaskContext, Waker};
use std::time::Duration;

use tokio::task::{unconstrained, yield_now};
use tokio::time::{Instant, sleep_until};

/// How many times a test yields before it checks the effects of other tasks. The runtime runs a chain of
/// tasks that wake each other in one yield, so the number limits only tasks that yield themselves.
const YIELDS: usize = 256;

/// The resolution of the runtime's timers.
const TICK: Duration = Duration::from_millis(1);

thread_local! {
    /// The time after the last `advance`, and the time that was requested, which is up to a tick less. All
    /// clients of a test share a clock, so the value belongs to the thread of their runtime.
    static LAST_ADVANCE: Cell<Option<(Instant, Instant)>> = const { Cell::new(None) };
}

/// Pauses the clock, if the test has not, and advances it to a whole tick. From a time between two ticks,
/// timers would fire up to a tick late, and each `advance` would take that much longer.
pub(super) async fn pause() {
    let before = Instant::now();
    std::thread::sleep(Duration::from_micros(10));
    if Instant::now() != before {
        tokio::time::pause();
    }
    // The runtime's timers read the time when the task yields.
    yield_now().await;
    let rest = since_tick(Instant::now());
    if !rest.is_zero() {
        tokio::time::advance(TICK.saturating_sub(rest)).await;
    }
}

/// Advances the clock and runs each timer when it is due. The clock moves by whole ticks; the excess
/// counts towards the next call.
pub(super) async fn advance(time: Duration) {
    let now = Instant::now();
    let from = LAST_ADVANCE.get().filter(|(stands, _)| *stands == now).map_or(now, |(_, meant)| meant);
    let to = from + time;
    sleep_until(to).await;
    LAST_ADVANCE.set(Some((Instant::now(), to)));
    settle().await;
}

/// Runs every task until it waits. The clock stands still, because it jumps only when no task can run.
pub(super) async fn settle() {
    for _ in 0..YIELDS {
        yield_now().await;
    }
}

/// Returns the time since the last tick. The runtime does not expose its ticks, but its timers treat a time
/// as elapsed only when the tick at or after it has elapsed. So the latest elapsed time is that tick.
fn since_tick(now: Instant) -> Duration {
    let (mut less, mut rest) = (0, u64::try_from(TICK.as_nanos()).unwrap_or(u64::MAX));
    while less < rest {
        let middle = less.midpoint(rest);
        let is_over = now.checked_sub(Duration::from_nanos(middle)).is_none_or(is_over);
        if is_over { rest = middle } else { less = middle + 1 }
    }
    Duration::from_nanos(rest)
}

fn is_over(time: Instant) -> bool {
    let sleep = pin!(unconstrained(sleep_until(time)));
    sleep.poll(&mut TaskContext::from_waker(Waker::noop())).is_ready()
}
