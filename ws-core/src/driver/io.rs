//! The socket of a connection. It moves bytes and decides nothing.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::budget::{MAX_ITERATIONS, without_coop_budget};
use crate::clock::now;
use crate::close::ProtocolError;
use crate::scratch::Scratch;
use crate::wire::Connection;

/// How many pieces of what waits are written at once.
const MAX_IO_SLICES: usize = 8;

/// A byte stream and how far it is from its end.
pub(super) struct ConnectionIo<T> {
    /// Gone when TCP has ended, even if the handler goes on.
    stream: Option<T>,
    stage: Stage,
    /// Whether the stream has taken bytes and not let go of them yet.
    needs_flush: bool,
    /// Whether it ends in order when it is dropped, as TCP by itself does.
    closes_on_drop: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Both directions.
    Open,
    /// The last byte has gone; the direction to the client is being shut.
    ShuttingDown,
    /// After a fault the client may be sending still. That is read and dropped until it stops,
    /// because a socket that is closed with bytes unread resets the connection, and the client may
    /// then never see our close frame.
    Lingering,
}

impl<T: AsyncRead + AsyncWrite + Unpin> ConnectionIo<T> {
    pub(super) fn new(io: T) -> Self {
        Self { stream: Some(io), stage: Stage::Open, needs_flush: false, closes_on_drop: false }
    }

    /// That of a TCP socket with nothing around it. The kernel ends one that is closed as it ends one
    /// that is shut down, so the latter is only asked for if there is something to read behind it.
    pub(super) fn tcp(io: T) -> Self {
        Self { closes_on_drop: true, ..Self::new(io) }
    }

    /// Reads once, behind the unfinished frame of the last time. Ready with how much input there is
    /// then, or with `None` if the client is gone, of which the connection has then been told.
    #[inline(never)]
    pub(super) fn poll_read(
        &mut self,
        task: &mut TaskContext<'_>,
        wire: &mut Connection,
        scratch: &mut Scratch,
    ) -> Poll<Option<usize>> {
        wire.on_transport_read();
        let held = wire.partial_len();
        // Such a transport may have to send an answer of its own.
        let needs_flush = self.needs_flush || wire.is_managed();
        let read = self.poll_read_at(held, task, wire, scratch);
        if let Poll::Ready(Some(_)) = read {
            self.needs_flush = needs_flush;
        }
        read
    }

    /// The same of a connection that is calm: nothing is held, and the transport is a mere stream.
    #[inline(always)]
    pub(super) fn poll_read_fast(
        &mut self,
        task: &mut TaskContext<'_>,
        wire: &mut Connection,
        scratch: &mut Scratch,
    ) -> Poll<Option<usize>> {
        self.poll_read_at(0, task, wire, scratch)
    }

    #[inline(always)]
    fn poll_read_at(
        &mut self,
        held: usize,
        task: &mut TaskContext<'_>,
        wire: &mut Connection,
        scratch: &mut Scratch,
    ) -> Poll<Option<usize>> {
        if wire.has_partial_frame()
            && let Some(read) = self.poll_read_payload(task, wire)
        {
            // Nothing of it is in the buffer.
            return read.map(|read| read.then_some(0));
        }
        let Some(stream) = &mut self.stream else { return Poll::Pending };
        let bytes = scratch.input();
        let mut read = ReadBuf::new(&mut bytes[held..]);
        match Pin::new(stream).poll_read(task, &mut read) {
            Poll::Ready(Ok(())) if !read.filled().is_empty() => {
                let end = held + read.filled().len();
                if held > 0 {
                    wire.prepend_partial(&mut bytes[..held]);
                }
                wire.on_bytes_received(now());
                Poll::Ready(Some(end))
            }
            Poll::Ready(end) => {
                on_read_end(wire, end);
                Poll::Ready(None)
            }
            Poll::Pending => {
                on_read_pending(wire);
                Poll::Pending
            }
        }
    }

    /// The same of the payload of a large message, which is read to where it belongs. `None` if there
    /// is no such message; ready with false if the client is gone.
    #[inline(never)]
    fn poll_read_payload(&mut self, task: &mut TaskContext<'_>, wire: &mut Connection) -> Option<Poll<bool>> {
        let stream = self.stream.as_mut()?;
        let mut read = ReadBuf::new(wire.direct_read_buf()?);
        let poll = Pin::new(stream).poll_read(task, &mut read);
        let len = read.filled().len();
        Some(match poll {
            Poll::Ready(Ok(())) if len > 0 => {
                wire.on_bytes_received(now());
                wire.commit_direct_read(len);
                Poll::Ready(true)
            }
            Poll::Ready(end) => {
                on_read_end(wire, end);
                Poll::Ready(false)
            }
            Poll::Pending => {
                on_read_pending(wire);
                Poll::Pending
            }
        })
    }

    /// Writes what is in the outbox, as far as the socket takes it.
    #[inline(always)]
    pub(super) fn write(&mut self, task: &mut TaskContext<'_>, wire: &mut Connection) {
        self.write_with(task, wire, &[]);
    }

    /// An input has been handled. What was sent of it is written now, for the next one will be in its
    /// place; what the socket does not take is copied.
    #[inline(never)]
    pub(super) fn flush_borrowed(&mut self, task: &mut TaskContext<'_>, wire: &mut Connection, input: &[u8]) {
        if wire.outbox().end_input() {
            self.write_with(task, wire, input);
            wire.outbox().retain_input(input);
        }
    }

    #[inline(always)]
    fn write_with(&mut self, task: &mut TaskContext<'_>, wire: &mut Connection, input: &[u8]) {
        let Some(stream) = &mut self.stream else { return };
        while !wire.outbox().is_empty() {
            let write = match wire.outbox().contiguous() {
                Some(bytes) => Pin::new(&mut *stream).poll_write(task, bytes),
                None => poll_write_vectored(stream, task, wire, input),
            };
            match write {
                Poll::Ready(Ok(0)) => return wire.on_write_error(io::ErrorKind::WriteZero),
                Poll::Ready(Ok(len)) => {
                    self.needs_flush = true;
                    wire.on_bytes_sent(len, now);
                }
                Poll::Ready(Err(error)) => return wire.on_write_error(error.kind()),
                Poll::Pending => return,
            }
        }
        // Streams that buffer, as TLS does, are to let go of it too.
        match Pin::new(stream).poll_flush(task) {
            Poll::Ready(Ok(())) => self.needs_flush = false,
            Poll::Ready(Err(error)) => wire.on_write_error(error.kind()),
            Poll::Pending => {}
        }
    }

    /// Writes in the middle of a turn, if the handler says so much that reading stops: only what
    /// the socket does not take counts against the client.
    #[inline]
    pub(super) fn flush_if_above_high_water(&mut self, task: &mut TaskContext<'_>, wire: &mut Connection) {
        if wire.is_above_high_water() {
            self.flush_now(task, wire);
        }
    }

    fn flush_now(&mut self, task: &mut TaskContext<'_>, wire: &mut Connection) {
        // That may be once for every message of a turn, more often than the runtime's budget allows.
        let _ = without_coop_budget(task, |task| {
            self.write(task, wire);
            Poll::Ready(())
        });
    }

    /// Writes, and returns the write buffer if the socket took everything.
    #[inline(always)]
    pub(super) fn flush_and_release(
        &mut self,
        task: &mut TaskContext<'_>,
        wire: &mut Connection,
        scratch: &mut Scratch,
    ) {
        if self.needs_flush || !wire.outbox().is_empty() {
            self.write(task, wire);
        }
        scratch.reclaim(wire);
    }

    /// Carries a closing connection to its end: writes what is left, waits for the client's close
    /// frame if one is to come, ends TCP. The caller sees to the time limit.
    pub(super) fn poll_close(
        &mut self,
        task: &mut TaskContext<'_>,
        wire: &mut Connection,
        scratch: &mut Scratch,
    ) -> Poll<()> {
        for _ in 0..MAX_ITERATIONS {
            if self.stream.is_none() {
                // What it did not take will not be sent any more.
                wire.outbox().clear();
                self.flush_and_release(task, wire, scratch);
                return Poll::Ready(());
            }
            self.flush_and_release(task, wire, scratch);
            match self.stage {
                Stage::Open if wire.is_finished() => {
                    let wrote = wire.outbox().is_empty() && !self.needs_flush;
                    if !wrote && !wire.has_write_failed() {
                        return Poll::Pending;
                    }
                    self.stage = Stage::ShuttingDown;
                    if self.closes_on_drop && !wire.peer_may_send() {
                        self.stream = None;
                    }
                }
                // What waits goes out before the client's answer is read.
                Stage::Open if !wire.wants_input() => return Poll::Pending,
                Stage::Open => {
                    if let Some(mut backlog) = wire.take_unread() {
                        let used = wire.read_ahead(backlog.bytes());
                        wire.return_unread(backlog, used);
                        continue;
                    }
                    match self.poll_read(task, wire, scratch) {
                        Poll::Ready(Some(len)) => {
                            let input = &mut scratch.input()[..len];
                            let used = wire.read_ahead(input);
                            wire.store_unread(&input[used..]);
                        }
                        Poll::Ready(None) => {}
                        Poll::Pending => return Poll::Pending,
                    }
                }
                Stage::ShuttingDown => {
                    let Some(stream) = &mut self.stream else { return Poll::Ready(()) };
                    match Pin::new(stream).poll_shutdown(task) {
                        Poll::Ready(Ok(())) if wire.peer_may_send() => self.stage = Stage::Lingering,
                        Poll::Ready(_) => self.stream = None,
                        Poll::Pending => return Poll::Pending,
                    }
                }
                Stage::Lingering => {
                    let Some(stream) = &mut self.stream else { return Poll::Ready(()) };
                    let mut read = ReadBuf::new(scratch.input());
                    match Pin::new(stream).poll_read(task, &mut read) {
                        Poll::Ready(Ok(())) if !read.filled().is_empty() => {}
                        Poll::Ready(_) => self.stream = None,
                        Poll::Pending => return Poll::Pending,
                    }
                }
            }
        }
        // A client that keeps sending does not keep the thread.
        task.waker().wake_by_ref();
        Poll::Pending
    }

    /// Ends without the client.
    pub(super) fn abort(&mut self) {
        self.stream = None;
    }
}

/// Writes from several places at once.
#[inline(never)]
fn poll_write_vectored<T: AsyncWrite + Unpin>(
    stream: &mut T,
    task: &mut TaskContext<'_>,
    wire: &mut Connection,
    input: &[u8],
) -> Poll<io::Result<usize>> {
    let mut slices = [IoSlice::new(&[]); MAX_IO_SLICES];
    let count = wire.outbox().slices(input, &mut slices);
    Pin::new(stream).poll_write_vectored(task, &slices[..count])
}

/// Nothing more comes from the client.
#[cold]
fn on_read_end(wire: &mut Connection, end: io::Result<()>) {
    let Err(error) = end else { return wire.on_disconnect(io::ErrorKind::UnexpectedEof) };
    match error.get_ref().and_then(|source| source.downcast_ref::<ProtocolError>()) {
        Some(&fault) => wire.on_protocol_error(fault),
        None => wire.on_disconnect(error.kind()),
    }
}

/// Nothing more has come.
#[inline(always)]
fn on_read_pending(wire: &mut Connection) {
    // It may also be that the runtime wants its thread back.
    if wire.has_extra_deadlines() && tokio::task::coop::has_budget_remaining() {
        wire.on_input_drained();
    }
}
