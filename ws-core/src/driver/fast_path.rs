//! A round in which nothing but the socket has something, as most are. By itself, so that it is short:
//! what else there may be is looked for in [`super::poll_loop`].

use std::task::{Context as TaskContext, Poll};

use tokio::io::{AsyncRead, AsyncWrite};

use super::budget::{is_coop_budget_exhausted, without_coop_budget, without_exhausted_budget};
use super::io::ConnectionIo;
use super::state::DriverState;
use crate::context::Session;
use crate::handler::Handler;
use crate::scratch::Scratch;

/// What a round has found.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum IterationOutcome {
    /// So many bytes of input, which are to be handled.
    Input(usize),
    /// Something that makes another round.
    Continue,
    /// Nothing, and what waited is written: the turn is over.
    Idle,
}

/// Reads, or writes if there is nothing to read. `None` if there is something else to do, which is
/// found out with one look.
#[inline(always)]
pub(super) fn try_fast_iteration<H, T>(
    task: &mut TaskContext<'_>,
    session: &mut Session<H>,
    io: &mut ConnectionIo<T>,
    state: &mut DriverState,
    scratch: &mut Scratch,
) -> Option<IterationOutcome>
where
    H: Handler,
    T: AsyncRead + AsyncWrite + Unpin,
{
    if !is_fast_path(session, state) {
        return None;
    }
    let wire = &mut session.wire;
    match without_exhausted_budget::<H, _>(task, |task| io.poll_read_fast(task, wire, scratch)) {
        Poll::Ready(Some(len)) => return Some(IterationOutcome::Input(len)),
        Poll::Ready(None) => return Some(IterationOutcome::Continue),
        Poll::Pending => {}
    }
    flush(task, session, io, scratch);
    // Whatever else has come meanwhile has woken the task.
    if session.wire.is_open() && !state.arm_timer_fast(task, session) {
        return Some(IterationOutcome::Idle);
    }
    scratch.lend_write_buffer(&mut session.wire);
    state.budget.next_iteration();
    Some(IterationOutcome::Continue)
}

/// Whether nothing is to be done but to read from the socket, and to write to it what that brings.
#[inline(always)]
fn is_fast_path<H: Handler>(session: &Session<H>, state: &DriverState) -> bool {
    session.wire.is_fast_path()
        && state.is_fast_path()
        && !session.has_messages()
        && (session.timers.is_empty() || !session.has_due_timer(session.wire.last_received_at()))
}

/// Writes, also if a method has used up the budget.
#[inline(always)]
pub(super) fn flush<H, T>(
    task: &mut TaskContext<'_>,
    session: &mut Session<H>,
    io: &mut ConnectionIo<T>,
    scratch: &mut Scratch,
) where
    H: Handler,
    T: AsyncRead + AsyncWrite + Unpin,
{
    if is_coop_budget_exhausted::<H>() {
        let _ = without_coop_budget(task, |task| {
            io.flush_and_release(task, &mut session.wire, scratch);
            Poll::Ready(())
        });
    } else {
        io.flush_and_release(task, &mut session.wire, scratch);
    }
}
