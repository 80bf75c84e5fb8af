//! The client's session as a byte stream for the driver.

use std::future::Future;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{ClientSession, MaskedFrame, ReconnectOutcome, stashed_size};
use crate::transport::session::MAX_READS;
use crate::transport::{RuntimeTimer, SessionEnd, SessionUpdate, Transport};
use crate::wire::Silence;

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Transport for ClientSession<S> {
    type Timer = RuntimeTimer;

    const IS_SESSION: bool = true;

    fn has_unread_input(&self) -> Option<bool> {
        Some(self.frame.is_some() || !self.stash.is_empty())
    }

    fn register(&mut self, waker: &Waker) {
        self.link.register(waker);
    }

    fn poll_session(&mut self, task: &mut TaskContext<'_>) -> SessionUpdate {
        let (mut end, mut is_new_stream) = (None, false);
        match self.link.take_outcome() {
            // After its end, a session needs no connection.
            Some(ReconnectOutcome::Resumed(connection)) if self.detached.is_some() => {
                is_new_stream = self.attach(*connection, task);
                end = (!is_new_stream).then_some(SessionEnd::Superseded);
            }
            Some(ReconnectOutcome::Reset) => end = Some(SessionEnd::Superseded),
            Some(ReconnectOutcome::GaveUp) => {
                end = self.detached.as_ref().map(|detached| SessionEnd::Expired(detached.kind));
            }
            Some(ReconnectOutcome::Resumed(_)) | None => {}
        }
        if end.is_none()
            && let Some(detached) = &mut self.detached
            && detached.sleep.as_mut().poll(task).is_ready()
        {
            end = Some(SessionEnd::Expired(detached.kind));
        }
        if let Some(timer) = &mut self.ack_timer
            && timer.as_mut().poll(task).is_ready()
        {
            (self.ack_timer, self.needs_ack) = (None, true);
        }
        if self.needs_ack || !self.own.is_empty() || self.unacknowledged.has_unsent() {
            self.pump(task);
        }
        SessionUpdate { reset: 0, is_new_stream, end }
    }

    fn take_attachment(&mut self) -> Option<bool> {
        let is_attached = self.stream.is_some();
        let is_news = is_attached != self.is_told_attached;
        self.is_told_attached = is_attached;
        is_news.then_some(is_attached)
    }

    fn on_silence(&mut self, silence: Silence, task: &TaskContext<'_>) -> bool {
        if self.stream.is_some() && silence == Silence::Lost {
            self.detach(ErrorKind::TimedOut, task);
        }
        self.stream.is_none()
    }

    fn begin_close(&mut self) {
        self.is_closing = true;
        self.detached = None;
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> AsyncRead for ClientSession<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        for _ in 0..MAX_READS {
            if let Some(frame) = &mut this.frame {
                if frame.read(to) {
                    this.frame = None;
                }
                return Poll::Ready(Ok(()));
            }
            if let Some(message) = this.stash.pop_front() {
                this.stashed -= stashed_size(&message);
                this.frame = Some(MaskedFrame::new(message));
                continue;
            }
            if let Some(violation) = this.violation.take() {
                return Poll::Ready(Err(violation));
            }
            match &mut this.stream {
                None if this.is_closing => return Poll::Ready(Ok(())),
                None => return Poll::Pending,
                // After a close or a violation, the engine discards what arrives.
                Some(stream) if !stream.is_open() => return Pin::new(stream).poll_read(task, to),
                Some(_) => {}
            }
            this.frame = ready!(this.poll_message(task))?.map(MaskedFrame::new);
            if this.needs_ack {
                this.pump(task);
            }
        }
        // Other tasks of the thread run before a server that sends nothing but control objects.
        task.waker().wake_by_ref();
        Poll::Pending
    }
}

/// The driver passes the whole outbox, which holds whole frames, and each write takes whole frames.
impl<S: AsyncRead + AsyncWrite + Unpin + Send> AsyncWrite for ClientSession<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        frames: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        match &this.stream {
            None if this.is_closing => return Poll::Ready(Err(ErrorKind::BrokenPipe.into())),
            // The server has closed, and reads no more.
            Some(stream) if stream.is_closed() => return Poll::Ready(Ok(frames.len())),
            _ => {}
        }
        let mut taken = this.unacknowledged.push_frames(frames);
        if taken == frames.len() {
            // The driver flushes when all is taken, and that writes.
            return Poll::Ready(Ok(taken));
        }
        this.pump(task);
        if taken == 0 {
            if this.is_closing {
                // No other connection follows that would lack a message.
                this.unacknowledged.evict_sent();
            } else {
                this.read_acknowledgements(task);
            }
            taken = this.unacknowledged.push_frames(frames);
        }
        this.is_blocked = taken == 0;
        if taken == 0 { Poll::Pending } else { Poll::Ready(Ok(taken)) }
    }

    fn poll_flush(self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.pump(task) {
            Poll::Ready(Ok(()))
        } else if this.is_closing && this.stream.is_none() {
            Poll::Ready(Err(ErrorKind::BrokenPipe.into()))
        } else {
            Poll::Pending
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Some(stream) => Pin::new(stream).poll_shutdown(task),
            None => Poll::Ready(Ok(())),
        }
    }
}
