//! What wakes a connection besides its socket: the clock, the mailbox, the server.

use std::task::{Context as Task, Poll};

use tokio::io::{AsyncRead, AsyncWrite};

use super::clock::{Clock, now};
use super::port::Port;
use super::shutdown::Ticket;
use crate::close::CloseReason;
use crate::context::Session;
use crate::handler::Handler;
use crate::wire::Connection;

pub(super) struct Links<'a> {
    pub(super) clock: Clock<'a>,
    pub(super) ticket: Option<Ticket>,
}

impl Links<'_> {
    /// Tells everyone which task to wake.
    pub(super) fn register<H: Handler>(&mut self, task: &Task<'_>, session: &mut Session<H>) {
        if !self.clock.register(task) {
            return;
        }
        session.set_waker(task.waker());
        if let Some(ticket) = &self.ticket {
            ticket.register(task.waker());
        }
    }

    /// Looks whether the server shuts down.
    pub(super) fn look(&self, wire: &mut Connection) {
        if let Some(deadline) = self.ticket.as_ref().and_then(Ticket::shutting_down) {
            wire.end_by(CloseReason::Shutdown, deadline);
        }
    }

    /// Carries a closing connection to the end of TCP, or of its time.
    pub(super) fn poll_closing<T: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        task: &mut Task<'_>,
        port: &mut Port<T>,
        wire: &mut Connection,
    ) -> Poll<()> {
        while port.poll_close(task, wire).is_pending() {
            let deadline = wire.deadline(now);
            if !self.clock.poll(task, deadline) {
                return Poll::Pending;
            }
            if wire.tick(now()) {
                port.abort();
            }
        }
        Poll::Ready(())
    }
}
