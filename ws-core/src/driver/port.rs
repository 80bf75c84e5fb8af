//! The socket of a connection. It moves bytes and decides nothing.

use std::pin::Pin;
use std::task::{Context as Task, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::clock;
use super::scratch::{self, ReadBuffer};
use crate::wire::Connection;

/// A byte stream and how far it is from its end.
pub(super) struct Port<T> {
    io: T,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Both directions.
    Open,
    /// The last byte has gone; the direction to the client is being shut.
    Shutting,
    /// After a fault the client may be sending still. That is read and dropped until it stops,
    /// because a socket that is closed with bytes unread resets the connection, and the client may
    /// then never see our close frame.
    Lingering,
    Done,
}

/// Borrows the thread's write buffer for the frames of this turn.
pub(super) fn begin_turn(wire: &mut Connection) {
    wire.outbox().lend(scratch::write_buffer);
}

impl<T: AsyncRead + AsyncWrite + Unpin> Port<T> {
    pub(super) fn new(io: T) -> Self {
        Self { io, stage: Stage::Open }
    }

    /// Reads once, behind the unfinished frame of the last time. Ready with the input, or with
    /// `None` if the client is gone, of which the connection has then been told.
    pub(super) fn poll_read<'b>(
        &mut self,
        task: &mut Task<'_>,
        wire: &mut Connection,
        buffer: &'b mut ReadBuffer,
    ) -> Poll<Option<&'b mut [u8]>> {
        let bytes = buffer.bytes();
        let held = wire.held();
        let mut read = ReadBuf::new(&mut bytes[held..]);
        match Pin::new(&mut self.io).poll_read(task, &mut read) {
            Poll::Ready(Ok(())) if !read.filled().is_empty() => {
                let end = held + read.filled().len();
                wire.resume(&mut bytes[..held]);
                wire.heard(clock::now());
                Poll::Ready(Some(&mut bytes[..end]))
            }
            Poll::Ready(Ok(())) => {
                wire.lost(std::io::ErrorKind::UnexpectedEof);
                Poll::Ready(None)
            }
            Poll::Ready(Err(error)) => {
                wire.lost(error.kind());
                Poll::Ready(None)
            }
            Poll::Pending => Poll::Pending,
        }
    }

    /// Writes what is in the outbox, as far as the socket takes it.
    pub(super) fn write(&mut self, task: &mut Task<'_>, wire: &mut Connection) {
        while wire.outbox().len() > 0 {
            match Pin::new(&mut self.io).poll_write(task, wire.outbox().waiting()) {
                Poll::Ready(Ok(0)) => return wire.broken(std::io::ErrorKind::WriteZero),
                Poll::Ready(Ok(len)) => wire.outbox().sent(len),
                Poll::Ready(Err(error)) => return wire.broken(error.kind()),
                Poll::Pending => return,
            }
        }
        // Streams that buffer, as TLS does, are to let go of it too.
        if let Poll::Ready(Err(error)) = Pin::new(&mut self.io).poll_flush(task) {
            wire.broken(error.kind());
        }
    }

    /// Writes, and returns the write buffer if the socket took everything.
    pub(super) fn end_turn(&mut self, task: &mut Task<'_>, wire: &mut Connection) {
        if wire.outbox().len() > 0 {
            self.write(task, wire);
        }
        if let Some(buffer) = wire.outbox().reclaim() {
            scratch::give_back(buffer);
        }
    }

    /// Carries a closing connection to its end: writes what is left, waits for the client's close
    /// frame if one is to come, ends TCP. The caller sees to the time limit.
    pub(super) fn poll_close(&mut self, task: &mut Task<'_>, wire: &mut Connection) -> Poll<()> {
        let mut buffer = ReadBuffer::take();
        loop {
            self.end_turn(task, wire);
            match self.stage {
                Stage::Open if wire.is_finished() => {
                    if wire.outbox().len() > 0 {
                        return Poll::Pending;
                    }
                    self.stage = Stage::Shutting;
                }
                Stage::Open => {
                    if let Some(mut backlog) = wire.take_backlog() {
                        let mut input = &mut backlog[..];
                        wire.read_ahead(&mut input);
                        wire.keep(input);
                        continue;
                    }
                    match self.poll_read(task, wire, &mut buffer) {
                        Poll::Ready(Some(mut input)) => {
                            wire.read_ahead(&mut input);
                            wire.keep(input);
                        }
                        Poll::Ready(None) => {}
                        Poll::Pending => return Poll::Pending,
                    }
                }
                Stage::Shutting => match Pin::new(&mut self.io).poll_shutdown(task) {
                    Poll::Ready(Ok(())) if wire.is_talking() => self.stage = Stage::Lingering,
                    Poll::Ready(_) => self.stage = Stage::Done,
                    Poll::Pending => return Poll::Pending,
                },
                Stage::Lingering => {
                    let mut read = ReadBuf::new(buffer.bytes());
                    match Pin::new(&mut self.io).poll_read(task, &mut read) {
                        Poll::Ready(Ok(())) if !read.filled().is_empty() => {}
                        Poll::Ready(_) => self.stage = Stage::Done,
                        Poll::Pending => return Poll::Pending,
                    }
                }
                Stage::Done => return Poll::Ready(()),
            }
        }
    }

    /// Ends without the client.
    pub(super) fn abort(&mut self) {
        self.stage = Stage::Done;
    }
}
