//! The session as a byte stream for the driver.

use std::future::Future;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll, Waker, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::control::{append_frame, millis};
#[cfg(test)]
use super::steady::count_taken;
use super::uplink::Target;
use super::{MAX_READS, SessionTransport};
use crate::transport::{RuntimeTimer, SessionEnd, SessionUpdate, Transport};
use crate::wire::Silence;

impl Transport for SessionTransport {
    type Timer = RuntimeTimer;

    const NAME: &'static str = "session";
    const IS_SESSION: bool = true;

    fn has_unread_input(&self) -> Option<bool> {
        let channel = self.short_lived.as_ref().and_then(|connection| connection.channel.as_ref());
        if self.up.stashed() > 0 || channel.is_some_and(|channel| channel.has_frames()) {
            return Some(true);
        }
        self.stream.as_ref().map_or(Some(false), |stream| stream.has_unread_input())
    }

    // PERF: checked in every poll. budget: session64
    #[inline(always)]
    fn is_steady(&self) -> bool {
        debug_assert!(!self.is_steady || self.compute_steady());
        self.is_steady && !self.link.has_news()
    }

    fn register(&mut self, waker: &Waker) {
        self.link.register(waker);
    }

    fn poll_session(&mut self, task: &mut TaskContext<'_>) -> SessionUpdate {
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
        let reset = std::mem::take(&mut self.reset);
        self.settle();
        SessionUpdate { reset, is_new_stream, end }
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
            // So that the client does not send to a new session what this one has handled.
            self.needs_ack |= self.up.received() > self.acknowledged;
            // Behind what is encoded: that may be partly written.
            self.append_own();
            let own = self.own.get_or_insert_default();
            append_frame(&mut own.bytes, "reconnect", &millis(delay).to_string());
            self.is_steady = false;
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
            self.is_steady = false;
            self.sessions.end(&self.link);
        }
    }
}

impl SessionTransport {
    /// Polls the timer of a session without a connection. Returns its end when the session has expired.
    fn poll_detached(&mut self, task: &mut TaskContext<'_>) -> Option<SessionEnd> {
        let detached = self.detached.as_mut()?;
        if detached.sleep.as_mut().poll(task).is_pending() {
            return None;
        }
        if detached.is_quiet {
            detached.is_quiet = false;
            detached.sleep.as_mut().reset(detached.expires_at);
            self.end_input();
            self.link.on_detached();
            return self.poll_detached(task);
        }
        let kind = detached.kind;
        self.link.try_expire().then_some(SessionEnd::Expired(kind))
    }
}

/// Returns a random part of a duration.
fn random_share(whole: Duration) -> Duration {
    let mut bits = [0; 4];
    // Without random numbers, all clients wait for the whole.
    let part = getrandom::fill(&mut bits).map_or(u32::MAX, |()| u32::from_ne_bytes(bits));
    whole.mul_f64(f64::from(part) / f64::from(u32::MAX))
}

/// The general paths. The [fast ones](SessionTransport::compute_steady) are inlined into the driver.
impl SessionTransport {
    /// Continues with the `first` read of a steady session, which was not a short message, or reads.
    #[inline(never)]
    fn poll_read_any(
        &mut self,
        task: &mut TaskContext<'_>,
        to: &mut ReadBuf<'_>,
        first: Option<io::Result<()>>,
    ) -> Poll<io::Result<()>> {
        let first = first.map(|read| {
            let read = self.finish_read(task, to.filled_mut(), Target::Front, read);
            to.clear();
            read
        });
        let read = self.poll_until_passed(task, to.initialize_unfilled(), first);
        self.settle();
        to.advance(ready!(read)?);
        Poll::Ready(Ok(()))
    }

    /// Reads until bytes pass to the engine. Ready with their number, or with 0 after the end of the session.
    fn poll_until_passed(
        &mut self,
        task: &mut TaskContext<'_>,
        buffer: &mut [u8],
        mut first: Option<Poll<io::Result<usize>>>,
    ) -> Poll<io::Result<usize>> {
        for _ in 0..MAX_READS {
            let read = match first.take() {
                Some(read) => read,
                None => {
                    let stashed = self.up.take_stashed(buffer);
                    if stashed > 0 {
                        return Poll::Ready(Ok(stashed));
                    }
                    self.poll_stream(task, buffer, Target::Front)
                }
            };
            if self.stream.is_none() && self.is_closing {
                return Poll::Ready(Ok(0));
            }
            let passed = ready!(read)?;
            if self.has_own_frames() {
                self.pump(task);
            }
            if passed > 0 {
                return Poll::Ready(Ok(passed));
            }
        }
        // Other tasks of the thread run before a client that sends nothing but control objects.
        task.waker().wake_by_ref();
        Poll::Pending
    }

    #[inline(never)]
    fn poll_write_any(&mut self, task: &mut TaskContext<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.is_steady = false;
        if self.is_closing && self.stream.is_none() {
            return Poll::Ready(Err(ErrorKind::BrokenPipe.into()));
        }
        let mut taken = self.down.push(bytes);
        if taken == bytes.len() {
            // The driver flushes when all is taken, and that writes.
            return Poll::Ready(Ok(taken));
        }
        self.pump(task);
        if taken == 0 {
            if self.is_closing {
                // No other connection follows that would lack a message.
                self.down.evict_sent();
            } else {
                // The acknowledgement that makes room may be behind messages that the engine does not read now.
                self.read_acknowledgements(task)?;
            }
            taken = self.down.push(bytes);
        }
        self.publish();
        if taken == 0 { Poll::Pending } else { Poll::Ready(Ok(taken)) }
    }

    /// Handles a write of a short message that the stream has not taken completely. The flush writes the remaining
    /// bytes.
    #[cold]
    fn on_partial_write(&mut self, task: &TaskContext<'_>, write: Poll<io::Result<usize>>) {
        self.is_steady = false;
        self.down.on_short_partly_sent(if let Poll::Ready(Ok(len)) = write { len } else { 0 });
        if let Poll::Ready(Err(error)) = write {
            self.detach(error.kind(), task);
        }
    }

    #[inline(never)]
    fn poll_flush_any(
        &mut self,
        task: &mut TaskContext<'_>,
        error: Option<io::Error>,
    ) -> Poll<io::Result<()>> {
        if let Some(error) = error {
            self.detach(error.kind(), task);
        }
        let is_flushed = self.pump(task);
        self.settle();
        if is_flushed {
            Poll::Ready(Ok(()))
        } else if self.is_closing && self.stream.is_none() {
            Poll::Ready(Err(ErrorKind::BrokenPipe.into()))
        } else {
            Poll::Pending
        }
    }
}

impl AsyncRead for SessionTransport {
    // PERF: a short message that a steady session reads is only counted. General path: `poll_read_any`. The test
    // `steady_sessions_behave_like_others` holds the two equal. budget: session64
    #[inline(always)]
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let mut first = None;
        if this.is_steady
            && to.filled().is_empty()
            && let Some(stream) = &mut this.stream
        {
            #[cfg(test)]
            count_taken(0);
            match Pin::new(stream).poll_read(task, to) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) if this.pass_short(to.filled()) => return Poll::Ready(Ok(())),
                Poll::Ready(read) => first = Some(read),
            }
        }
        this.poll_read_any(task, to, first)
    }
}

impl AsyncWrite for SessionTransport {
    // PERF: a short message of a steady session goes to the stream at once. General path: `poll_write_any`. The test
    // `steady_sessions_behave_like_others` holds the two equal. budget: session64
    #[inline(always)]
    fn poll_write(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.is_steady
            && let Some(stream) = &mut this.stream
            && this.down.push_short(bytes)
        {
            #[cfg(test)]
            count_taken(1);
            // Before the write: its client may resume with this number before this function goes on.
            this.link.publish_sent(this.down.next_short());
            let write = Pin::new(stream).poll_write(task, bytes);
            if let Poll::Ready(Ok(len)) = write
                && len == bytes.len()
            {
                this.down.on_short_sent();
            } else {
                this.on_partial_write(task, write);
            }
            return Poll::Ready(Ok(bytes.len()));
        }
        this.poll_write_any(task, bytes)
    }

    // PERF: nothing waits in a steady session. General path: `poll_flush_any`. The test
    // `steady_sessions_behave_like_others` holds the two equal. budget: session64
    #[inline(always)]
    fn poll_flush(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let mut error = None;
        if this.is_steady
            && let Some(stream) = &mut this.stream
        {
            #[cfg(test)]
            count_taken(2);
            match Pin::new(stream).poll_flush(task) {
                Poll::Ready(Err(end)) => error = Some(end),
                flush => return flush,
            }
        }
        this.poll_flush_any(task, error)
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
        self.end_input();
    }
}
