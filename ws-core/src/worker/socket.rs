//! A TCP socket that belongs to a thread.

use std::io::{self, ErrorKind, IoSlice, Write};
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::inbox::ConnectionHandle;
use super::poll::{READ_CLOSED, READABLE, TcpStream, WRITABLE, recv, send};

/// Where a read or a write that is not all that was asked for says that there is no more: epoll
/// and kqueue tell when that changes. Elsewhere they are asked until they say so.
const SHORT_IO_EXHAUSTS: bool = cfg!(any(
    target_os = "linux",
    target_os = "android",
    target_os = "freebsd",
    target_os = "netbsd",
    target_os = "openbsd",
    target_os = "dragonfly",
    target_vendor = "apple",
));

/// A socket whose events poll the connection that has it, which so need not leave a waker.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: TcpStream,
    handle: Arc<ConnectionHandle>,
}

impl Socket {
    pub(super) fn new(stream: TcpStream, handle: Arc<ConnectionHandle>) -> Self {
        Self { stream, handle }
    }

    /// Takes the socket from its thread.
    ///
    /// # Errors
    ///
    /// The system does not let go of it.
    pub(crate) fn into_std(self) -> io::Result<std::net::TcpStream> {
        self.handle.release(self.stream)
    }

    /// Does what the socket is ready for. Ready with how many of `len` bytes that were.
    #[inline(always)]
    fn poll_io(
        &self,
        direction: u8,
        len: usize,
        mut run: impl FnMut(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        while self.handle.is_ready(direction) {
            match run(&self.stream) {
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

impl AsyncRead for Socket {
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

    #[inline(always)]
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
