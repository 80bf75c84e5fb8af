//! A TCP socket that is registered with a worker, and the timer of its connection.

use std::io::{self, ErrorKind, IoSlice, Write};
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Instant;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::deadlines::{Deadlines, UNARMED};
use super::poll::{ELAPSED, READ_CLOSED, READABLE, TcpStream, WRITABLE, recv, send};
use super::wake_queue::ConnectionHandle;
use crate::options::SendLimits;
use crate::transport::{DeadlineTimer, Transport, has_unread_input, limit_socket};

/// Whether a read or write that is shorter than requested exhausts the socket until the next event.
/// epoll and kqueue report new readiness after it. Other systems do so only after `WouldBlock`.
const SHORT_IO_EXHAUSTS: bool = cfg!(any(
    target_os = "linux",
    target_os = "android",
    target_os = "freebsd",
    target_os = "netbsd",
    target_os = "openbsd",
    target_os = "dragonfly",
    target_vendor = "apple",
));

/// A socket of one connection. Its events poll that connection directly, so reads and writes register no
/// waker.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: TcpStream,
    handle: Arc<ConnectionHandle>,
}

impl Socket {
    pub(super) fn new(stream: TcpStream, handle: Arc<ConnectionHandle>) -> Self {
        Self { stream, handle }
    }

    /// Deregisters the socket from the worker.
    ///
    /// # Errors
    ///
    /// The system cannot deregister the socket.
    pub(crate) fn into_std(self) -> io::Result<std::net::TcpStream> {
        self.handle.release(self.stream)
    }

    /// Runs `io` if the socket is ready in `direction`, and returns how many of `len` bytes it moved.
    // PERF: every read and write goes through here. budget: text64
    #[inline(always)]
    fn poll_io(
        &self,
        direction: u8,
        len: usize,
        mut io: impl FnMut(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        while self.handle.is_ready(direction) {
            match io(&self.stream) {
                Ok(count) => {
                    let is_exhausted = SHORT_IO_EXHAUSTS && 0 < count && count < len;
                    if is_exhausted && !self.handle.is_ready(READ_CLOSED) {
                        self.handle.unset_ready(direction);
                    }
                    return Poll::Ready(Ok(count));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.handle.unset_ready(direction),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Pending
    }
}

impl Transport for Socket {
    type Timer = WorkerTimer;

    const NAME: &'static str = "tcp";
    const CLOSES_ON_DROP: bool = true;

    fn has_unread_input(&self) -> Option<bool> {
        Some(has_unread_input(&self.stream))
    }

    fn set_send_limits(&mut self, limits: SendLimits) {
        limit_socket(&SockRef::from(&self.stream), limits);
    }
}

impl AsyncRead for Socket {
    // PERF: one read for each event. budget: text64
    #[inline(always)]
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut TaskContext<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let room = to.initialize_unfilled();
        let read = self.poll_io(READABLE, room.len(), |stream| recv(stream, room));
        read.map_ok(|count| to.advance(count))
    }
}

impl AsyncWrite for Socket {
    // PERF: one write for each iteration with replies. budget: text64
    #[inline(always)]
    fn poll_write(self: Pin<&mut Self>, _: &mut TaskContext<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_io(WRITABLE, bytes.len(), |stream| send(stream, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut TaskContext<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let len = slices.iter().map(|slice| slice.len()).sum();
        self.poll_io(WRITABLE, len, |mut stream| stream.write_vectored(slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    #[inline]
    fn poll_flush(self: Pin<&mut Self>, _: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        match self.stream.shutdown(Shutdown::Write) {
            Err(error) if error.kind() != ErrorKind::NotConnected => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(())),
        }
    }
}

/// The timer of a connection on a worker.
#[derive(Debug)]
pub(crate) struct WorkerTimer(Arc<ConnectionHandle>);

impl WorkerTimer {
    #[cfg(test)]
    pub(super) fn of(handle: Arc<ConnectionHandle>) -> Self {
        Self(handle)
    }

    #[cfg(test)]
    pub(super) fn handle(&self) -> &ConnectionHandle {
        &self.0
    }

    fn deadlines(&self) -> &Deadlines {
        &self.0.queue().deadlines
    }
}

impl DeadlineTimer<Socket> for WorkerTimer {
    fn new(socket: &Socket) -> Self {
        Self(Arc::clone(&socket.handle))
    }

    fn disarm(&mut self) {
        let tick = self.0.replace_tick(UNARMED);
        if tick != UNARMED && !self.0.is_ready(ELAPSED) {
            self.deadlines().remove(self.0.key(), tick);
        }
        self.0.unset_ready(ELAPSED);
    }

    fn is_armed_for(&self, deadline: Instant) -> bool {
        self.0.tick() <= self.deadlines().tick_of(deadline)
    }

    // PERF: checked in every poll. budget: text64
    #[inline(always)]
    fn is_elapsed(&self) -> bool {
        self.0.is_ready(ELAPSED)
    }

    fn reset(&mut self, _: &mut TaskContext<'_>, deadline: Instant) -> bool {
        <Self as DeadlineTimer<Socket>>::disarm(self);
        let deadlines = self.deadlines();
        let tick = deadlines.tick_of(deadline);
        let has_passed = tick <= deadlines.current_tick();
        if has_passed {
            self.0.set_ready(ELAPSED);
        } else {
            deadlines.insert(self.0.key(), tick);
        }
        self.0.replace_tick(tick);
        has_passed
    }
}

impl Drop for WorkerTimer {
    fn drop(&mut self) {
        <Self as DeadlineTimer<Socket>>::disarm(self);
    }
}
