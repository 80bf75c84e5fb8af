//! The parts of a connection that a poll uses.

use std::task::{Context as TaskContext, Poll};

use super::budget::{is_coop_budget_exhausted, without_coop_budget};
use super::dispatch::Dispatcher;
use super::io::ConnectionIo;
use super::state::{Driver, DriverState};
use crate::context::{Session, SharedSession};
use crate::handler::Handler;
use crate::scratch::Scratch;
use crate::transport::Transport;

/// The parts of a connection during a poll: those of the [`Driver`], the task's context and the thread's
/// buffers.
///
/// The handler instance is a parameter of the methods, because a pending method takes the instance away.
pub(super) struct PollContext<'t, 'c, H: Handler, T: Transport> {
    pub(super) task: &'t mut TaskContext<'c>,
    pub(super) io: &'t mut ConnectionIo<T>,
    pub(super) state: &'t mut DriverState<T>,
    pub(super) shared: &'t SharedSession<H>,
    pub(super) scratch: &'t mut Scratch,
}

/// Result of an iteration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IterationOutcome {
    /// That number of bytes is in the read buffer and has to be processed.
    Input(usize),
    /// Another iteration has to follow.
    Continue,
    /// Nothing is left to do, so the poll returns `Pending`. The whole iteration has flushed the output; a read
    /// alone has not.
    Idle,
}

impl<'t, 'c, H: Handler, T: Transport> PollContext<'t, 'c, H, T> {
    #[inline]
    pub(super) fn new(
        task: &'t mut TaskContext<'c>,
        driver: &'t mut Driver<H, T>,
        scratch: &'t mut Scratch,
    ) -> Self {
        let Driver { io, state, shared } = driver;
        Self { task, io, state, shared, scratch }
    }

    /// Returns the part that calls methods, and does not depend on the transport.
    #[inline]
    pub(super) fn dispatcher(&mut self) -> Dispatcher<'_, 'c, H> {
        Dispatcher { task: self.task, budget: &mut self.state.budget, shared: self.shared }
    }

    /// Writes the outbox, also if a method has exhausted tokio's coop budget.
    // PERF: called at the end of every poll. budget: text64
    #[inline(always)]
    pub(super) fn flush(&mut self, session: &mut Session<H>) {
        let Self { task, io, scratch, .. } = self;
        if is_coop_budget_exhausted::<H>() {
            let _ = without_coop_budget(task, |task| {
                io.flush_and_release(task, &mut session.wire, scratch);
                Poll::Ready(())
            });
        } else {
            io.flush_and_release(task, &mut session.wire, scratch);
        }
    }
}
