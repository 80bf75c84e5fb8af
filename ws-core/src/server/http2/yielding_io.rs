//! A byte stream that yields to the runtime between reads.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context as TaskContext, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The number of bytes that are read before the stream yields.
const READ_BUDGET: usize = 64 << 10;

/// The stream below an HTTP/2 connection.
///
/// h2 reads for as long as bytes are available. Without a pause it would collect frames faster than the
/// tasks of their streams run.
pub(super) struct YieldingIo<T> {
    io: T,
    /// The number of bytes that were read since the last pause.
    read_since_yield: usize,
    /// Set when the socket takes bytes.
    wrote: Arc<AtomicBool>,
}

impl<T> YieldingIo<T> {
    pub(super) fn new(io: T, wrote: Arc<AtomicBool>) -> Self {
        Self { io, read_since_yield: 0, wrote }
    }

    fn note_write(&self, poll: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if poll.is_ready() {
            self.wrote.store(true, Ordering::Relaxed);
        }
        poll
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for YieldingIo<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.read_since_yield >= READ_BUDGET {
            self.read_since_yield = 0;
            task.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = into.filled().len();
        let poll = Pin::new(&mut self.io).poll_read(task, into);
        if poll.is_pending() {
            self.read_since_yield = 0;
        }
        ready!(poll)?;
        self.read_since_yield += into.filled().len() - before;
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for YieldingIo<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.io).poll_write(task, bytes);
        self.note_write(poll)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.io).poll_write_vectored(task, bytes);
        self.note_write(poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(task)
    }
}
