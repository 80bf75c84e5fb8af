//! The end of a connection whose session goes on over another one, or has just ended.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll, ready};

use crate::close::Close;
use crate::transport::ByteStream;
use crate::wire::{Opcode, encode_frame};

/// Bytes that are read and dropped, so that the kernel does not reset a socket before the client has the close
/// frame.
const MAX_DISCARDED: usize = 1 << 20;

/// Sends frames, the last of which is a close frame, and ends the stream, in a task of its own and within `timeout`.
/// Drops `guard` after that.
pub(super) fn end_stream(
    mut stream: Box<dyn ByteStream>,
    frames: Vec<u8>,
    timeout: Duration,
    guard: impl Send + 'static,
) {
    // A runtime that ends drops its tasks, and with them their streams.
    let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
    runtime.spawn(async move {
        let mut end = End { frames: &frames, is_shut_down: false, discarded: 0 };
        let _ = tokio::time::timeout(timeout, poll_fn(|task| end.poll(task, &mut *stream))).await;
        drop(guard);
    });
}

/// Returns a close frame with a code.
pub(super) fn close_frame(code: u16) -> Vec<u8> {
    encode_frame(Opcode::Close, 0, &Close::from(code).payload()).into()
}

/// The progress of such an end.
struct End<'a> {
    /// The unwritten part of the frames.
    frames: &'a [u8],
    is_shut_down: bool,
    discarded: usize,
}

impl End<'_> {
    fn poll(&mut self, task: &mut TaskContext<'_>, mut stream: &mut dyn ByteStream) -> Poll<io::Result<()>> {
        while !self.frames.is_empty() {
            match ready!(Pin::new(&mut stream).poll_write(task, self.frames))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                len => self.frames = &self.frames[len..],
            }
        }
        if !self.is_shut_down {
            ready!(Pin::new(&mut stream).poll_flush(task))?;
            ready!(Pin::new(&mut stream).poll_shutdown(task))?;
            self.is_shut_down = true;
        }
        let mut buffer = [0; 1 << 10];
        loop {
            let mut read = ReadBuf::new(&mut buffer);
            ready!(Pin::new(&mut stream).poll_read(task, &mut read))?;
            self.discarded += read.filled().len();
            if read.filled().is_empty() || self.discarded > MAX_DISCARDED {
                return Poll::Ready(Ok(()));
            }
        }
    }
}
