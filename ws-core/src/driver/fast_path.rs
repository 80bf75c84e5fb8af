//! Fast path of the poll loop: an iteration when only the socket can have work, which is the usual one.

use std::task::Poll;

use super::budget::without_exhausted_budget;
use super::iteration::{Iteration, IterationOutcome};
use super::state::DriverState;
use crate::context::Session;
use crate::handler::Handler;
use crate::transport::Transport;

// PERF: the usual iteration costs one test of conditions, one read and one write. budget: text64
// Nothing here may run a method, take a message from a queue, read the clock while the timer is armed, or
// change a state of the connection that `run_iteration` would leave.
// General path: `Iteration::run_iteration`. Test that holds the two equal: `driver/tests/fast_path.rs`.
impl<H: Handler, T: Transport> Iteration<'_, '_, H, T> {
    /// Reads once, or flushes if there is nothing to read. Returns `None` if something else than the socket
    /// may have work; then nothing has happened.
    #[inline(always)]
    pub(super) fn try_fast_iteration(&mut self, session: &mut Session<H>) -> Option<IterationOutcome> {
        if !is_fast_path(session, self.state) {
            return None;
        }
        #[cfg(test)]
        TAKEN.set(TAKEN.get() + 1);
        let Self { task, io, scratch, .. } = self;
        let wire = &mut session.wire;
        match without_exhausted_budget::<H, _>(task, |task| io.poll_read_fast(task, wire, scratch)) {
            Poll::Ready(Some(len)) => return Some(IterationOutcome::Input(len)),
            Poll::Ready(None) => return Some(IterationOutcome::Continue),
            Poll::Pending => {}
        }
        self.flush(session);
        // Any other event since the check has woken the task.
        if session.wire.is_open() && !self.state.arm_timer_fast(self.task, session) {
            return Some(IterationOutcome::Idle);
        }
        self.scratch.lend_write_buffer(&mut session.wire);
        self.state.budget.next_iteration();
        Some(IterationOutcome::Continue)
    }
}

/// Whether an iteration only has to read from the socket and to write the replies.
// PERF: the check of every iteration. budget: text64
#[inline(always)]
fn is_fast_path<H: Handler>(session: &Session<H>, state: &DriverState) -> bool {
    #[cfg(test)]
    if IS_DISABLED.get() {
        return false;
    }
    session.wire.is_fast_path()
        && state.is_fast_path()
        && !session.has_messages()
        && (session.timers.is_empty() || !session.has_due_timer(session.wire.last_received_at()))
}

#[cfg(test)]
thread_local! {
    /// Sends every iteration of this thread through the general path.
    pub(super) static IS_DISABLED: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
    /// Number of iterations of this thread that took the fast path.
    pub(super) static TAKEN: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}
