//! Writes the response that accepts a handshake.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll, ready};

use tokio::io::AsyncWrite;

use crate::router::{AcceptedHandshake, StartConnection};

/// The progress of the response to an accepted handshake, and the connection that follows.
pub(super) struct ResponseWriter {
    pub(super) start: Box<dyn StartConnection>,
    /// The bytes that followed the handshake.
    pub(super) input: Vec<u8>,
    /// The part of the response that the socket did not take. `Some` but empty if all of it was taken and
    /// only the flush is pending.
    pub(super) unsent: Option<Vec<u8>>,
}

impl ResponseWriter {
    /// Writes the response, which a newly opened socket normally takes at once. Returns `None` if the
    /// client has disconnected.
    pub(super) fn write_accept<T>(
        task: &mut TaskContext<'_>,
        stream: &mut T,
        accepted: AcceptedHandshake,
        input: &[u8],
        out: &mut Vec<u8>,
    ) -> Option<Self>
    where
        T: AsyncWrite + Unpin,
    {
        let start = accepted.write_http1(out);
        let mut written = 0;
        let unsent = match poll_write(task, stream, out, &mut written) {
            Poll::Ready(Some(())) => None,
            Poll::Ready(None) => return None,
            Poll::Pending => Some(out[written..].to_vec()),
        };
        Some(Self { start, input: input.to_vec(), unsent })
    }

    /// Writes and flushes the unsent part. Returns the connection to start and its first input, or `None`
    /// if the client has disconnected.
    pub(super) async fn write_unsent<T>(self, stream: &mut T) -> Option<(Box<dyn StartConnection>, Vec<u8>)>
    where
        T: AsyncWrite + Unpin,
    {
        let unsent = self.unsent.unwrap_or_default();
        let mut written = 0;
        poll_fn(|task| poll_write(task, stream, &unsent, &mut written)).await?;
        Some((self.start, self.input))
    }
}

/// Writes `bytes` from offset `written` on, and flushes. Returns `None` if the client has disconnected.
fn poll_write<T>(
    task: &mut TaskContext<'_>,
    stream: &mut T,
    bytes: &[u8],
    written: &mut usize,
) -> Poll<Option<()>>
where
    T: AsyncWrite + Unpin,
{
    while *written < bytes.len() {
        match ready!(Pin::new(&mut *stream).poll_write(task, &bytes[*written..])) {
            Ok(len @ 1..) => *written += len,
            _ => return Poll::Ready(None),
        }
    }
    Pin::new(stream).poll_flush(task).map(Result::ok)
}
