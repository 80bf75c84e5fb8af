//! Fast path of the poll loop: an iteration when only the socket can have work, which is the usual one.

use std::task::Poll;

use super::budget::without_exhausted_budget;
use super::poll_context::{IterationOutcome, PollContext};
use super::state::DriverState;
use crate::context::Session;
use crate::handler::Handler;
use crate::transport::Transport;

impl<H: Handler, T: Transport> PollContext<'_, '_, H, T> {
    /// Reads once, or flushes if there is nothing to read. Returns `None` if something else than the socket
    /// may have work; then nothing has happened.
    // PERF: the usual iteration tests conditions once, and reads or flushes. budget: text64
    // Nothing here may run a method, take a message from a queue, call the clock to arm a timer that is armed,
    // or change a state of the connection that `run_iteration` would leave.
    // General path: `run_iteration`. Test that holds the two equal: `driver/tests/fast_path.rs`.
    #[inline(always)]
    pub(super) fn try_fast_iteration(&mut self, session: &mut Session<H>) -> Option<IterationOutcome> {
        if !has_only_socket_work(session, self.state) {
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

/// Returns whether an iteration only has to read from the socket and to write the replies.
// PERF: the check of every iteration. budget: text64
#[inline(always)]
fn has_only_socket_work<H: Handler, T: Transport>(session: &Session<H>, state: &DriverState<T>) -> bool {
    #[cfg(test)]
    if IS_DISABLED.get() {
        return false;
    }
    session.wire.allows_fast_iteration()
        && state.has_no_due_deadline()
        && session.has_no_signals()
        && !session.has_messages_or_work()
        && !session.has_waiting_calls()
        && !(H::ON_DRAIN && session.wire.has_drained())
        && (session.timers.is_empty() || !session.has_due_timer(session.wire.last_received_at()))
}

#[cfg(test)]
thread_local! {
    /// Whether every iteration of this thread takes the general path.
    pub(super) static IS_DISABLED: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
    /// Number of iterations of this thread that took the fast path.
    pub(super) static TAKEN: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}
