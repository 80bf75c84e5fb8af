//! The clock of the runtime, and time limits that the bytes of a client would have moved.
//!
//! After a process stood still (`SIGSTOP`, a suspended machine), timers can fire before the I/O driver has
//! reported the bytes that arrived meanwhile. So such a limit is final only after the driver has run.

use std::future::Future;
use std::pin::pin;
use std::task::Context as TaskContext;
use std::time::Instant;

use tokio::task::yield_now;
use tokio::time::sleep_until;

/// Passes of the I/O driver between a deadline and its effect. The first pass may already be under way, and the
/// task that reads the socket for this one, for example that of an HTTP/2 connection, runs between the two.
pub(crate) const IO_PASSES: u8 = 2;

/// Returns the runtime's time, which tests can pause and advance.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Wakes the task after the next pass of the I/O driver: that of the runtime, or that of the worker which polls
/// the task.
pub(crate) fn wake_after_io(task: &mut TaskContext<'_>) {
    let _ = pin!(yield_now()).poll(task);
}

/// Completes [`IO_PASSES`] passes of the I/O driver after `deadline`.
pub(crate) async fn sleep_past_io(deadline: tokio::time::Instant) {
    sleep_until(deadline).await;
    for _ in 0..IO_PASSES {
        yield_now().await;
    }
}

/// Like [`tokio::time::timeout_at`], but lets `future` see the bytes that arrived before `deadline`, even if the
/// process stood still. Returns `None` after the deadline.
#[cfg(any(feature = "http2", feature = "tls"))]
pub(crate) async fn timeout_past_io<F: Future>(
    deadline: tokio::time::Instant,
    future: F,
) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut sleep = pin!(sleep_past_io(deadline));
    std::future::poll_fn(|task| {
        if let std::task::Poll::Ready(output) = future.as_mut().poll(task) {
            return std::task::Poll::Ready(Some(output));
        }
        sleep.as_mut().poll(task).map(|()| None)
    })
    .await
}
