//! The driver's part in sessions: a handler that goes on over other connections. For other transports, the compiler
//! removes all of it.

use std::task::Context as TaskContext;
use std::time::Instant;

use super::io::ConnectionIo;
use super::next_step::IdleHandler;
use super::poll_context::PollContext;
use crate::clock::now;
use crate::close::CloseReason;
use crate::context::Session;
use crate::event::Event;
use crate::handler::{Handler, HandlerInstance};
use crate::transport::{SessionEnd, Transport};
use crate::wire::Connection;

impl<H: Handler, T: Transport> PollContext<'_, '_, H, T> {
    /// Registers the task's waker, if it has changed, with everything that wakes the connection.
    // PERF: called in every poll. budget: text64
    #[inline(always)]
    pub(super) fn register(&mut self, session: &mut Session<H>) {
        if self.state.register(self.task, session)
            && T::IS_SESSION
            && let Some(stream) = &mut self.io.stream
        {
            stream.register(self.task.waker());
        }
    }

    /// Returns whether [`check_session`](Self::check_session) has nothing to do, unless the connection closes or the
    /// server stops.
    // PERF: called in every poll of a session. budget: session64
    #[inline(always)]
    pub(super) fn is_session_steady(&self) -> bool {
        self.io.stream.as_ref().is_some_and(Transport::is_steady)
    }

    /// Checks the session, and runs `#[on_attach]` or `#[on_detach]` if one is due.
    #[inline(never)]
    pub(super) fn check_session<'a>(&mut self, instance: &'a mut HandlerInstance<H>) -> IdleHandler<'a, H> {
        let attachment = {
            let session = &mut *instance.cx.session();
            self.poll_session(session);
            let stream = self.io.stream.as_mut().filter(|_| session.wire.is_open());
            stream.and_then(Transport::take_attachment)
        };
        match attachment {
            Some(true) => self.dispatcher().dispatch_event(instance, Event::Attach),
            Some(false) => self.dispatcher().dispatch_event(instance, Event::Detach),
            None => IdleHandler::Continue(instance),
        }
    }

    /// Checks the session without the handler instance.
    pub(super) fn poll_session(&mut self, session: &mut Session<H>) {
        let Some(stream) = &mut self.io.stream else { return };
        let shutdown = session.shutdown_deadline();
        let wire = &mut session.wire;
        if let Some(deadline) = shutdown.filter(|_| wire.is_open()) {
            stream.announce_restart();
            wire.check_activity(now);
            wire.drain_by(CloseReason::Shutdown, deadline);
        }
        let update = stream.poll_session(self.task);
        if update.reset > 0 {
            wire.drop_incomplete_message(update.reset);
        }
        if update.is_new_stream {
            wire.on_bytes_received(now());
        }
        match update.end {
            Some(SessionEnd::Expired(kind)) => wire.on_disconnect(kind),
            Some(SessionEnd::Superseded) => wire.begin_drain(CloseReason::Superseded),
            None => {}
        }
        if wire.close_reason().is_some() {
            stream.begin_close();
        }
    }
}

impl<T: Transport> ConnectionIo<T> {
    /// Returns whether a deadline has passed that ends at most the connection of a session, because the client is
    /// silent. The deadlines then start again.
    pub(super) fn outlives_silence(
        &mut self,
        task: &TaskContext<'_>,
        wire: &mut Connection,
        now: Instant,
    ) -> bool {
        let Some(stream) = self.stream.as_mut().filter(|_| T::IS_SESSION) else { return false };
        let is_outlived = wire.silence_due(now).is_some_and(|silence| stream.on_silence(silence, task));
        if is_outlived {
            wire.on_bytes_received(now);
        }
        is_outlived
    }
}
