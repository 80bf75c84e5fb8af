//! The clock of a test: stopped, and moved by nothing but `advance`.

use std::cell::Cell;
use std::pin::pin;
use std::task::{Context as TaskContext, Waker};
use std::time::Duration;

use tokio::task::{unconstrained, yield_now};
use tokio::time::{Instant, sleep_until};

/// How often every task gets its turn before a test looks at what it did. A chain of tasks that wake
/// each other runs whole in one turn of the runtime, so only those count that yield by themselves.
const YIELDS: usize = 256;

/// What the runtime counts time in.
const TICK: Duration = Duration::from_millis(1);

thread_local! {
    /// Where the clock stands after it was moved, and where it was to stand: up to a tick less. All
    /// clients of a test have one clock, so this belongs to the thread of its runtime.
    static LAST_ADVANCE: Cell<Option<(Instant, Instant)>> = const { Cell::new(None) };
}

/// Stops the clock, if the test has not, and sets it to a whole tick. Beside one, a timer would fire
/// up to a tick after its time, and each `advance` would take that much longer.
pub(super) async fn pause() {
    let before = Instant::now();
    std::thread::sleep(Duration::from_micros(10));
    if Instant::now() != before {
        tokio::time::pause();
    }
    // So that the runtime's timers have seen what time it is.
    yield_now().await;
    let rest = since_tick(Instant::now());
    if !rest.is_zero() {
        tokio::time::advance(TICK.saturating_sub(rest)).await;
    }
}

/// Lets time pass, and every timer on the way fire in its turn. What the clock goes too far, because
/// it goes by whole ticks, is part of the next time.
pub(super) async fn advance(time: Duration) {
    let now = Instant::now();
    let from = LAST_ADVANCE.get().filter(|(stands, _)| *stands == now).map_or(now, |(_, meant)| meant);
    let to = from + time;
    sleep_until(to).await;
    LAST_ADVANCE.set(Some((Instant::now(), to)));
    settle().await;
}

/// Lets every task run until it waits. No time passes: the clock only jumps when nothing can run.
pub(super) async fn settle() {
    for _ in 0..YIELDS {
        yield_now().await;
    }
}

/// How long ago the last tick was. The runtime does not say, but a time is over for its timers when
/// the tick at or after it is: the latest time that is over is that tick.
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
