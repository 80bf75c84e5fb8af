//! The end of a connection: from the close frame to the end of the byte stream.

use std::pin::Pin;
use std::task::{Context as TaskContext, Poll, ready};

use super::budget::MAX_ITERATIONS;
use super::io::{ConnectionIo, Stage};
use super::poll_context::PollContext;
use crate::clock::now;
use crate::handler::Handler;
use crate::scratch::Scratch;
use crate::transport::Transport;
use crate::wire::Connection;

impl<H: Handler, T: Transport> PollContext<'_, '_, H, T> {
    /// Closes the stream of a connection that has sent its close frame, or aborts after its time limit.
    pub(super) fn poll_close(&mut self, wire: &mut Connection) -> Poll<()> {
        if T::IS_SESSION
            && let Some(stream) = &mut self.io.stream
        {
            // The close may have begun after the start of the poll.
            stream.begin_close();
        }
        while self.io.poll_close(self.task, wire, self.scratch).is_pending() {
            // While the client keeps sending, the timer is not polled, so the clock is read here.
            let now = now();
            if wire.is_discard_limit_exceeded()
                || (self.state.is_timeout_final(self.task, wire, self.io, now) && wire.handle_timeout(now))
            {
                self.io.abort();
                break;
            }
            let pause = wire.discard_paused_until().filter(|until| *until > now);
            let deadline = wire.deadline(|| now).into_iter().chain(pause).min();
            if !self.state.poll_deadline(self.task, wire, deadline) {
                return Poll::Pending;
            }
        }
        Poll::Ready(())
    }
}

impl<T: Transport> ConnectionIo<T> {
    /// Writes the remaining output, waits for the client's close frame if one is expected, and closes the
    /// stream. Sets no time limit.
    fn poll_close(
        &mut self,
        task: &mut TaskContext<'_>,
        wire: &mut Connection,
        scratch: &mut Scratch,
    ) -> Poll<()> {
        for _ in 0..MAX_ITERATIONS {
            if self.stream.is_none() {
                // Output that the stream did not take can no longer be sent.
                wire.outbox().clear();
                self.flush_and_release(task, wire, scratch);
                return Poll::Ready(());
            }
            self.flush_and_release(task, wire, scratch);
            match self.stage {
                Stage::Open if wire.is_finished() => {
                    let is_flushed = wire.outbox().is_empty() && !self.needs_flush;
                    if !is_flushed && !wire.has_write_failed() {
                        return Poll::Pending;
                    }
                    self.stage = Stage::ShuttingDown;
                    if T::CLOSES_ON_DROP {
                        self.stream = None;
                    }
                }
                // The output precedes the client's answer.
                Stage::Open if !wire.wants_input() => return Poll::Pending,
                Stage::Open if wire.is_discard_limit_exceeded() => return Poll::Pending,
                Stage::Open if wire.discard_paused_until().is_some_and(|until| until > now()) => {
                    return Poll::Pending;
                }
                Stage::Open => {
                    if self.poll_read_ahead(task, wire, scratch, |_| false).is_pending() {
                        return Poll::Pending;
                    }
                }
                Stage::ShuttingDown => {
                    let Some(stream) = &mut self.stream else { return Poll::Ready(()) };
                    ready!(Pin::new(stream).poll_shutdown(task)).ok();
                    self.stream = None;
                }
            }
        }
        // Other tasks of the thread run before a client that keeps sending.
        task.waker().wake_by_ref();
        Poll::Pending
    }

    /// Drops the stream. A socket with unread bytes then resets the connection.
    fn abort(&mut self) {
        self.stream = None;
    }
}
