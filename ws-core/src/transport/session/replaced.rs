//! The end of a connection whose session goes on over another one.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll, ready};

use super::link::SessionLink;
use crate::close::Close;
use crate::transport::ByteStream;
use crate::wire::{Opcode, encode_frame};

/// Bytes that are read and dropped, so that the kernel does not reset a socket before the client has the close
/// frame.
const MAX_DISCARDED: usize = 1 << 20;

/// Sends a close frame and ends the stream, in a task of its own and within `timeout`. Too many such streams of one
/// session are dropped at once.
pub(super) fn close_replaced(
    link: &Arc<SessionLink>,
    mut stream: Box<dyn ByteStream>,
    code: u16,
    timeout: Duration,
) {
    let Some(guard) = link.begin_replacement() else { return };
    let frame = encode_frame(Opcode::Close, 0, &Close::from(code).payload());
    tokio::spawn(async move {
        let mut end = End { frame: &frame, is_shut_down: false, discarded: 0 };
        let _ = tokio::time::timeout(timeout, poll_fn(|task| end.poll(task, &mut *stream))).await;
        drop(guard);
    });
}

/// The progress of such an end.
struct End<'a> {
    /// The unwritten part of the close frame.
    frame: &'a [u8],
    is_shut_down: bool,
    discarded: usize,
}

impl End<'_> {
    fn poll(&mut self, task: &mut TaskContext<'_>, mut stream: &mut dyn ByteStream) -> Poll<io::Result<()>> {
        while !self.frame.is_empty() {
            match ready!(Pin::new(&mut stream).poll_write(task, self.frame))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                len => self.frame = &self.frame[len..],
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
