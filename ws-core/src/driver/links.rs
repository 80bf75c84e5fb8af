//! What wakes a connection besides its socket: the clock, the mailbox, the server.

use std::pin::Pin;
use std::task::{Context as Task, Poll};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Sleep;

use super::clock::now;
use super::pace::Pace;
use super::port::Port;
use super::scratch::Scratch;
use super::shutdown::Ticket;
use super::wait::Until;
use crate::close::CloseReason;
use crate::context::{Session, SharedSession};
use crate::handler::Handler;
use crate::wire::Connection;

#[derive(Default)]
pub(super) struct Links {
    /// The timer, once there was something to wait for, and whether it will wake the connection.
    pub(super) sleep: Option<Pin<Box<Sleep>>>,
    pub(super) is_armed: bool,
    /// Whether that is no later than the idle timeout, as it was and as it will be put off.
    pub(super) is_for_idle: bool,
    ticket: Option<Ticket>,
    /// The clock has fired: what was due by then is to be done. What falls due meanwhile waits for
    /// its turn.
    pub(super) due: Option<Instant>,
    pub(super) pace: Pace,
    /// Until when methods may go on.
    pub(super) until: Until,
    /// Whether the one that is to be waited for has been polled in this turn already.
    pub(super) polled: bool,
}

/// What a connection has besides its handler and what that sees. It is in one piece, because everything
/// that is awaited has its address.
pub(super) struct Outside<H: Handler, T> {
    pub(super) port: Port<T>,
    pub(super) links: Links,
    pub(super) shared: SharedSession<H>,
}

impl Links {
    pub(super) fn new(ticket: Option<Ticket>) -> Self {
        Self { ticket, ..Self::default() }
    }

    /// Whether the clock has not fired, and the server goes on.
    #[inline(always)]
    pub(super) fn is_calm(&self) -> bool {
        self.due.is_none() && self.ticket.as_ref().is_none_or(|ticket| ticket.shutting_down().is_none())
    }

    /// Asks to be woken when the next thing is due.
    #[inline(never)]
    pub(super) fn set_clock<H: Handler>(&mut self, task: &mut Task<'_>, session: &mut Session<H>) {
        let wire = session.wire.deadline(now);
        let next = wire.into_iter().chain(session.next_timer()).min();
        if self.poll_clock(task, next) {
            self.due.get_or_insert_with(now);
        }
    }

    /// The same of a connection that is calm; true if something is due. Most have nothing but the idle
    /// timeout, which what they say puts off: then the clock need not be looked at, as it is set already.
    #[inline(always)]
    pub(super) fn set_calm_clock<H: Handler>(
        &mut self,
        task: &mut Task<'_>,
        session: &mut Session<H>,
    ) -> bool {
        let is_set = self.is_set_for_idle() && session.wire.has_only_idle_timeout() && session.timers.is_empty();
        debug_assert!(!is_set || session.wire.deadline(now).is_none_or(|idle| self.is_set_for(idle)));
        !is_set && self.set_clock_for_idle(task, session)
    }

    #[inline(never)]
    fn set_clock_for_idle<H: Handler>(&mut self, task: &mut Task<'_>, session: &mut Session<H>) -> bool {
        self.set_clock(task, session);
        if session.timers.is_empty() && !session.wire.has_extra_deadlines() {
            self.note_idle(session.wire.deadline(now));
            session.wire.on_idle_timer_armed();
        }
        self.due.is_some()
    }

    /// Looks for timers that are due, where the clock need not be asked.
    pub(super) fn note_due<H: Handler>(&mut self, session: &Session<H>, now: Instant) {
        if self.due.is_none() && session.has_due_timer(now) {
            self.due = Some(now);
        }
    }

    /// Whether a shutdown has taken as long as it may; asks to be woken when it has.
    pub(super) fn shutdown_is_over(&mut self, task: &mut Task<'_>) -> bool {
        let deadline = self.ticket.as_ref().and_then(Ticket::shutting_down);
        self.poll_clock(task, deadline)
    }

    /// Tells everyone which task to wake, if it is another than last time. A task that is spawned stays
    /// the same.
    #[inline(always)]
    pub(super) fn register<H: Handler>(&mut self, task: &Task<'_>, session: &mut Session<H>) {
        if !session.will_wake(task.waker()) {
            self.register_anew(task, session);
        }
    }

    #[cold]
    fn register_anew<H: Handler>(&mut self, task: &Task<'_>, session: &mut Session<H>) {
        // The timer would wake the old task.
        self.is_armed = false;
        self.is_for_idle = false;
        session.set_waker(task.waker());
        if let Some(ticket) = &self.ticket {
            ticket.register(task.waker());
        }
    }

    /// Looks whether the client gave a sign of life, and whether the server shuts down.
    pub(super) fn look(&self, wire: &mut Connection) {
        wire.check_activity(now);
        if let Some(deadline) = self.ticket.as_ref().and_then(Ticket::shutting_down) {
            wire.drain_by(CloseReason::Shutdown, deadline);
        }
    }

    /// Carries a closing connection to the end of TCP, or of its time.
    pub(super) fn poll_closing<T: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        task: &mut Task<'_>,
        port: &mut Port<T>,
        wire: &mut Connection,
        scratch: &mut Scratch,
    ) -> Poll<()> {
        while port.poll_close(task, wire, scratch).is_pending() {
            // A client that keeps sending keeps the timer from being polled, so the clock is asked.
            if wire.handle_timeout(now()) {
                port.abort();
                break;
            }
            let deadline = wire.deadline(now);
            if !self.poll_clock(task, deadline) {
                return Poll::Pending;
            }
        }
        Poll::Ready(())
    }
}
