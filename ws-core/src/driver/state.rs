//! What wakes a connection besides its socket: the clock, the mailbox, the server.

use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Sleep;

use super::budget::IterationBudget;
use super::io::ConnectionIo;
use super::pending::CancelPolicy;
use crate::clock::now;
use crate::close::CloseReason;
use crate::connections::ConnectionPermit;
use crate::context::{Session, SharedSession};
use crate::handler::Handler;
use crate::scratch::Scratch;
use crate::wire::Connection;

#[derive(Default)]
pub(super) struct DriverState {
    /// The timer, once there was something to wait for, and whether it will wake the connection.
    pub(super) sleep: Option<Pin<Box<Sleep>>>,
    pub(super) is_armed: bool,
    /// Whether that is no later than the idle timeout, as it was and as it will be put off.
    pub(super) covers_idle_timeout: bool,
    permit: Option<ConnectionPermit>,
    /// The clock has fired: what was due by then is to be done. What falls due meanwhile waits for
    /// its turn.
    pub(super) due_at: Option<Instant>,
    pub(super) budget: IterationBudget,
    /// Until when methods may go on.
    pub(super) cancel_policy: CancelPolicy,
    /// Whether the one that is to be waited for has been polled in this turn already.
    pub(super) already_polled: bool,
}

/// What a connection has besides its handler and what that sees. It is in one piece, because everything
/// that is awaited has its address.
pub(super) struct Driver<H: Handler, T> {
    pub(super) io: ConnectionIo<T>,
    pub(super) state: DriverState,
    pub(super) shared: SharedSession<H>,
}

impl DriverState {
    pub(super) fn new(permit: Option<ConnectionPermit>) -> Self {
        Self { permit, ..Self::default() }
    }

    /// Whether the clock has not fired, and the server goes on.
    #[inline(always)]
    pub(super) fn is_fast_path(&self) -> bool {
        self.due_at.is_none()
            && self.permit.as_ref().is_none_or(|permit| permit.shutdown_deadline().is_none())
    }

    /// Asks to be woken when the next thing is due.
    #[inline(never)]
    pub(super) fn arm_timer<H: Handler>(&mut self, task: &mut TaskContext<'_>, session: &mut Session<H>) {
        let wire = session.wire.deadline(now);
        let next = wire.into_iter().chain(session.next_timer()).min();
        if self.poll_deadline(task, next) {
            self.due_at.get_or_insert_with(now);
        }
    }

    /// The same of a connection that is calm; true if something is due. Most have nothing but the idle
    /// timeout, which what they say puts off: then the clock need not be looked at, as it is set already.
    #[inline(always)]
    pub(super) fn arm_timer_fast<H: Handler>(
        &mut self,
        task: &mut TaskContext<'_>,
        session: &mut Session<H>,
    ) -> bool {
        let is_set =
            self.is_armed_for_idle() && session.wire.has_only_idle_timeout() && session.timers.is_empty();
        debug_assert!(!is_set || session.wire.deadline(now).is_none_or(|idle| self.is_armed_for(idle)));
        !is_set && self.arm_idle_timer(task, session)
    }

    #[inline(never)]
    fn arm_idle_timer<H: Handler>(&mut self, task: &mut TaskContext<'_>, session: &mut Session<H>) -> bool {
        self.arm_timer(task, session);
        if session.timers.is_empty() && !session.wire.has_extra_deadlines() {
            self.note_idle_timeout(session.wire.deadline(now));
            session.wire.on_idle_timer_armed();
        }
        self.due_at.is_some()
    }

    /// Looks for timers that are due, where the clock need not be asked.
    pub(super) fn note_due_timers<H: Handler>(&mut self, session: &Session<H>, now: Instant) {
        if self.due_at.is_none() && session.has_due_timer(now) {
            self.due_at = Some(now);
        }
    }

    /// Whether a shutdown has taken as long as it may; asks to be woken when it has.
    pub(super) fn shutdown_deadline_passed(&mut self, task: &mut TaskContext<'_>) -> bool {
        let deadline = self.permit.as_ref().and_then(ConnectionPermit::shutdown_deadline);
        self.poll_deadline(task, deadline)
    }

    /// Tells everyone which task to wake, if it is another than last time. A task that is spawned stays
    /// the same.
    #[inline(always)]
    pub(super) fn register<H: Handler>(&mut self, task: &TaskContext<'_>, session: &mut Session<H>) {
        if !session.will_wake(task.waker()) {
            self.replace_waker(task, session);
        }
    }

    #[cold]
    fn replace_waker<H: Handler>(&mut self, task: &TaskContext<'_>, session: &mut Session<H>) {
        // The timer would wake the old task.
        self.is_armed = false;
        self.covers_idle_timeout = false;
        session.set_waker(task.waker());
        if let Some(permit) = &self.permit {
            permit.register(task.waker());
        }
    }

    /// Looks whether the client gave a sign of life, and whether the server shuts down.
    pub(super) fn check_shutdown_and_activity(&self, wire: &mut Connection) {
        wire.check_activity(now);
        if let Some(deadline) = self.permit.as_ref().and_then(ConnectionPermit::shutdown_deadline) {
            wire.drain_by(CloseReason::Shutdown, deadline);
        }
    }

    /// Carries a closing connection to the end of TCP, or of its time.
    pub(super) fn poll_close<T: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        task: &mut TaskContext<'_>,
        io: &mut ConnectionIo<T>,
        wire: &mut Connection,
        scratch: &mut Scratch,
    ) -> Poll<()> {
        while io.poll_close(task, wire, scratch).is_pending() {
            // A client that keeps sending keeps the timer from being polled, so the clock is asked.
            if wire.handle_timeout(now()) {
                io.abort();
                break;
            }
            let deadline = wire.deadline(now);
            if !self.poll_deadline(task, deadline) {
                return Poll::Pending;
            }
        }
        Poll::Ready(())
    }
}
