//! A byte stream whose client has to take bytes within a time.

use std::future::Future;
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::clock::SleepPastIo;

/// A byte stream that fails with `TimedOut` after a time in which it had bytes to write and took none.
pub(crate) struct WriteTimeout<T> {
    io: T,
    limit: Duration,
    /// The end of the time, while the stream takes no bytes.
    deadline: Option<SleepPastIo>,
}

impl<T> WriteTimeout<T> {
    pub(crate) fn new(io: T, limit: Duration) -> Self {
        Self { io, limit, deadline: None }
    }

    pub(crate) fn into_inner(self) -> T {
        self.io
    }
}

impl<T: Unpin> WriteTimeout<T> {
    /// Calls a function that writes. Fails if the time is over and the function still waits.
    fn poll_limited<R>(
        &mut self,
        task: &mut TaskContext<'_>,
        write: impl FnOnce(Pin<&mut T>, &mut TaskContext<'_>) -> Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        let written = write(Pin::new(&mut self.io), task);
        if written.is_ready() {
            self.deadline = None;
            return written;
        }
        let limit = self.limit;
        let deadline = self.deadline.get_or_insert_with(|| SleepPastIo::new(Instant::now() + limit));
        let late = || io::Error::new(ErrorKind::TimedOut, "the client takes no bytes of the response");
        Pin::new(deadline).poll(task).map(|()| Err(late()))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for WriteTimeout<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(task, to)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for WriteTimeout<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_limited(task, |io, task| io.poll_write(task, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_limited(task, |io, task| io.poll_write_vectored(task, slices))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        self.poll_limited(task, AsyncWrite::poll_flush)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        self.poll_limited(task, AsyncWrite::poll_shutdown)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::sleep;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn time_begins_again_with_each_byte() {
        let start = Instant::now();
        let (mut client, server) = tokio::io::duplex(64);
        let mut server = WriteTimeout::new(server, LIMIT);
        let reader = tokio::spawn(async move {
            for _ in 0..5 {
                sleep(LIMIT - Duration::from_secs(1)).await;
                client.read_u8().await.unwrap();
            }
            client
        });
        let error = server.write_all(&[0; 200]).await.unwrap_err();
        assert_eq!(
            (error.kind(), start.elapsed()),
            (ErrorKind::TimedOut, 6 * LIMIT - Duration::from_secs(5))
        );
        drop(reader.await);
    }

    #[tokio::test(start_paused = true)]
    async fn time_without_bytes_to_write_does_not_count() {
        let (mut client, server) = tokio::io::duplex(64);
        let mut server = WriteTimeout::new(server, LIMIT);
        for _ in 0..2 {
            server.write_all(&[0; 64]).await.unwrap();
            sleep(10 * LIMIT).await;
            client.read_exact(&mut [0; 64]).await.unwrap();
        }
    }
}
