//! The session as a byte stream for the driver.

use std::future::Future;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::control::{frame, millis};
use super::uplink::Target;
use super::{MAX_READS, SessionTransport};
use crate::transport::{SessionEnd, SessionUpdate, Transport};
use crate::wire::Silence;

impl Transport for SessionTransport {
    const IS_SESSION: bool = true;

    fn has_unread_input(&self) -> Option<bool> {
        if self.up.stashed() > 0 {
            return Some(true);
        }
        self.stream.as_ref().map_or(Some(false), |stream| stream.has_unread_input())
    }

    fn poll_session(&mut self, task: &mut TaskContext<'_>) -> SessionUpdate {
        if !self.waker.as_ref().is_some_and(|waker| waker.will_wake(task.waker())) {
            self.waker = Some(task.waker().clone());
            self.link.register(task.waker());
        }
        let (mut end, mut is_new_stream) = (None, false);
        if let Some(news) = self.link.take_news() {
            if let Some(attachment) = news.attachment {
                is_new_stream = self.attach(*attachment);
            }
            end = news.is_superseded.then_some(SessionEnd::Superseded);
        }
        if end.is_none() && self.detached.is_some() {
            end = self.poll_detached(task);
        }
        // The engine flushes what it writes. Nothing else would send what another connection has lost.
        if self.has_own_frames() || self.down.has_unsent() {
            self.pump(task);
        }
        SessionUpdate { reset: std::mem::take(&mut self.reset), is_new_stream, end }
    }

    fn take_attachment(&mut self) -> Option<bool> {
        let is_attached =
            self.stream.is_some() || self.detached.as_ref().is_some_and(|detached| detached.is_quiet);
        let is_news = is_attached != self.is_told_attached;
        self.is_told_attached = is_attached;
        is_news.then_some(is_attached)
    }

    fn on_silence(&mut self, silence: Silence, task: &TaskContext<'_>) -> bool {
        if std::mem::take(&mut self.has_sent_objects) {
            return true;
        }
        if self.stream.is_some() && silence == Silence::Lost {
            self.detach(ErrorKind::TimedOut, task);
        }
        self.stream.is_none()
    }

    fn announce_restart(&mut self) {
        if self.stream.is_some() && !self.is_closing {
            let delay = random_share(Duration::from_millis(self.spread.into()));
            let frame = frame("reconnect", &millis(delay).into());
            // Behind what is encoded: that may be partly written.
            self.encode_own();
            self.own.get_or_insert_default().bytes.extend(frame);
        }
    }

    fn begin_close(&mut self) {
        let is_polled = match &self.detached {
            Some(detached) => detached.is_quiet,
            None => self.short_lived.as_ref().is_some_and(|connection| !connection.grace.is_zero()),
        };
        if is_polled {
            // A poll may end before the close frame, which then follows in the next one. The session ends with the
            // client's answer, or as if its client were gone.
            return;
        }
        if !std::mem::replace(&mut self.is_closing, true) {
            self.detached = None;
            self.sessions.end(&self.link);
        }
    }
}

impl SessionTransport {
    /// Polls the timer of a session without a connection. Returns its end when the session has expired.
    fn poll_detached(&mut self, task: &mut TaskContext<'_>) -> Option<SessionEnd> {
        let detached = self.detached.as_mut()?;
        while detached.sleep.as_mut().poll(task).is_ready() {
            if detached.is_quiet {
                detached.is_quiet = false;
                detached.sleep.as_mut().reset(detached.expires_at);
                self.link.on_detached();
            } else {
                let kind = detached.kind;
                return self.link.try_expire().then_some(SessionEnd::Expired(kind));
            }
        }
        None
    }
}

/// Returns a random part of a duration.
fn random_share(whole: Duration) -> Duration {
    let mut bits = [0; 4];
    // Without random numbers, all clients wait for the whole.
    let part = getrandom::fill(&mut bits).map_or(u32::MAX, |()| u32::from_ne_bytes(bits));
    whole.mul_f64(f64::from(part) / f64::from(u32::MAX))
}

impl AsyncRead for SessionTransport {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let buffer = to.initialize_unfilled();
        for _ in 0..MAX_READS {
            let stashed = this.up.take_stashed(buffer);
            if stashed > 0 {
                to.advance(stashed);
                return Poll::Ready(Ok(()));
            }
            let read = this.poll_stream(task, buffer, Target::Front);
            if this.stream.is_none() && this.is_closing {
                return Poll::Ready(Ok(()));
            }
            let passed = ready!(read)?;
            if this.has_own_frames() {
                this.pump(task);
            }
            if passed > 0 {
                to.advance(passed);
                return Poll::Ready(Ok(()));
            }
        }
        // Other tasks of the thread run before a client that sends nothing but control objects.
        task.waker().wake_by_ref();
        Poll::Pending
    }
}

impl AsyncWrite for SessionTransport {
    fn poll_write(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.is_closing && this.stream.is_none() {
            return Poll::Ready(Err(ErrorKind::BrokenPipe.into()));
        }
        let mut taken = this.down.push(bytes);
        if taken == bytes.len() {
            // PERF: the driver flushes when all is taken, and that writes. budget: session64
            return Poll::Ready(Ok(taken));
        }
        this.pump(task);
        if taken == 0 {
            if this.is_closing {
                // No other connection follows that would lack a message.
                this.down.evict_sent();
            } else {
                // The acknowledgement that makes room may be behind messages that the engine does not read now.
                this.read_acknowledgements(task)?;
            }
            taken = this.down.push(bytes);
        }
        this.publish();
        if taken == 0 { Poll::Pending } else { Poll::Ready(Ok(taken)) }
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let is_flushed = this.pump(task);
        this.publish();
        if is_flushed {
            Poll::Ready(Ok(()))
        } else if this.is_closing && this.stream.is_none() {
            Poll::Ready(Err(ErrorKind::BrokenPipe.into()))
        } else {
            Poll::Pending
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Some(stream) => Pin::new(stream).poll_shutdown(task),
            None => Poll::Ready(Ok(())),
        }
    }
}

impl Drop for SessionTransport {
    fn drop(&mut self) {
        self.sessions.end(&self.link);
    }
}
