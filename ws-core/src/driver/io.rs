//! The byte stream of a connection: moves bytes between the transport and the wire, and decides nothing.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use tokio::io::ReadBuf;

use super::budget::without_coop_budget;
use crate::clock::now;
use crate::close::ProtocolError;
use crate::scratch::Scratch;
use crate::transport::Transport;
use crate::wire::{Connection, InboundMessage};

/// Slices of the outbox in one vectored write.
const MAX_IO_SLICES: usize = 8;

/// A transport and the progress of its close.
pub(super) struct ConnectionIo<T> {
    /// `None` after the stream has been closed, even if the handler still runs.
    pub(super) stream: Option<T>,
    pub(super) stage: Stage,
    /// Whether the transport may buffer bytes that it has accepted.
    pub(super) needs_flush: bool,
    /// Number of bytes that were read.
    pub(super) received: u64,
    /// Number of bytes that were written.
    pub(super) sent: u64,
}

/// The progress of the close of a stream.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Both directions are open.
    Open,
    /// The last byte is written, and the client has closed or disconnected. The direction to the client is
    /// being shut down.
    ShuttingDown,
}

impl<T: Transport> ConnectionIo<T> {
    pub(super) fn new(stream: T) -> Self {
        Self { stream: Some(stream), stage: Stage::Open, needs_flush: false, received: 0, sent: 0 }
    }

    /// Reads once, after the incomplete frame of the last read.
    ///
    /// Ready with the number of bytes in the read buffer, or with `None` if the client is gone, which has
    /// then been reported to `wire`.
    #[inline(never)]
    pub(super) fn poll_read(
        &mut self,
        task: &mut TaskContext<'_>,
        wire: &mut Connection,
        scratch: &mut Scratch,
    ) -> Poll<Option<usize>> {
        wire.on_transport_read();
        let partial = wire.partial_len();
        // A managed transport may have to send a reply of its own.
        let needs_flush = self.needs_flush || wire.is_managed();
        let read = self.poll_read_at(partial, task, wire, scratch);
        if let Poll::Ready(Some(_)) = read {
            self.needs_flush = needs_flush;
        }
        read
    }

    /// Like [`poll_read`](Self::poll_read), but without an incomplete frame and not for managed transports.
    // PERF: the read of the fast path. budget: text64
    // General path: `poll_read`. Test that holds the two equal: `driver/tests/fast_path.rs`.
    #[inline(always)]
    pub(super) fn poll_read_fast(
        &mut self,
        task: &mut TaskContext<'_>,
        wire: &mut Connection,
        scratch: &mut Scratch,
    ) -> Poll<Option<usize>> {
        self.poll_read_at(0, task, wire, scratch)
    }

    // PERF: called for every read. budget: text64
    #[inline(always)]
    fn poll_read_at(
        &mut self,
        partial: usize,
        task: &mut TaskContext<'_>,
        wire: &mut Connection,
        scratch: &mut Scratch,
    ) -> Poll<Option<usize>> {
        if wire.has_partial_frame()
            && let Some(read) = self.poll_read_payload(task, wire, scratch)
        {
            return read;
        }
        let Some(stream) = &mut self.stream else { return Poll::Pending };
        let bytes = scratch.input();
        let mut read = ReadBuf::new(&mut bytes[partial..]);
        match Pin::new(stream).poll_read(task, &mut read) {
            Poll::Ready(Ok(())) if !read.filled().is_empty() => {
                let len = read.filled().len();
                self.received += len as u64;
                wire.metrics.on_bytes_received(len);
                let end = partial + len;
                if partial > 0 {
                    wire.prepend_partial(&mut bytes[..partial]);
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

    /// Reads the payload of a large message directly into the message's buffer, so that only bytes after the
    /// payload are in the read buffer. `None` if there is no such message.
    #[inline(never)]
    fn poll_read_payload(
        &mut self,
        task: &mut TaskContext<'_>,
        wire: &mut Connection,
        scratch: &mut Scratch,
    ) -> Option<Poll<Option<usize>>> {
        let stream = self.stream.as_mut()?;
        let mut read = ReadBuf::new(wire.direct_read_buf()?);
        let poll = Pin::new(stream).poll_read(task, &mut read);
        let len = read.filled().len();
        Some(match poll {
            Poll::Ready(Ok(())) if len > 0 => {
                self.received += len as u64;
                wire.metrics.on_bytes_received(len);
                wire.on_bytes_received(now());
                Poll::Ready(Some(wire.commit_direct_read(len, scratch.input())))
            }
            Poll::Ready(end) => {
                on_read_end(wire, end);
                Poll::Ready(None)
            }
            Poll::Pending => {
                on_read_pending(wire);
                Poll::Pending
            }
        })
    }

    /// Moves unread input, or else the bytes of one read, into the read-ahead queue, without the messages that
    /// `is_consumed` has taken. Pending if there is neither.
    pub(super) fn poll_read_ahead(
        &mut self,
        task: &mut TaskContext<'_>,
        wire: &mut Connection,
        scratch: &mut Scratch,
        is_consumed: impl Fn(&InboundMessage<'_>) -> bool,
    ) -> Poll<()> {
        if let Some(mut unread) = wire.take_unread() {
            let used = wire.read_ahead_unless(unread.bytes(), is_consumed);
            wire.return_unread(unread, used);
            return Poll::Ready(());
        }
        self.poll_read(task, wire, scratch).map(|read| {
            if let Some(len) = read {
                let input = &mut scratch.input()[..len];
                let used = wire.read_ahead_unless(input, is_consumed);
                wire.store_unread(&input[used..]);
            }
        })
    }

    /// Writes the outbox, as far as the transport takes it.
    // PERF: called for every write. budget: text64
    #[inline(always)]
    fn write(&mut self, task: &mut TaskContext<'_>, wire: &mut Connection) {
        self.write_with(task, wire, &[]);
    }

    /// Writes the replies that borrow from `input`, because the next read overwrites it. Bytes that the
    /// transport does not take are copied.
    #[inline(never)]
    pub(super) fn flush_borrowed(
        &mut self,
        task: &mut TaskContext<'_>,
        wire: &mut Connection,
        input: &mut [u8],
    ) {
        if wire.outbox().end_input() {
            wire.outbox().join_input(input);
            self.write_with(task, wire, input);
            wire.outbox().retain_input(input);
        }
    }

    // PERF: called for every write. budget: text64
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
                    self.sent += len as u64;
                    wire.on_bytes_sent(len, now);
                }
                Poll::Ready(Err(error)) => return on_write_error(wire, &error),
                Poll::Pending => return wire.on_write_refused(),
            }
        }
        // Transports that buffer, for example TLS, have to flush too.
        match Pin::new(stream).poll_flush(task) {
            Poll::Ready(Ok(())) => {
                self.needs_flush = false;
                wire.on_write_completed();
            }
            Poll::Ready(Err(error)) => on_write_error(wire, &error),
            Poll::Pending => wire.on_write_refused(),
        }
    }

    /// Writes within an iteration if the outbox is above its high-water mark. Only bytes that the transport
    /// does not take then count against the client.
    #[inline]
    pub(super) fn flush_if_above_high_water(&mut self, task: &mut TaskContext<'_>, wire: &mut Connection) {
        if wire.is_above_high_water() {
            self.flush_now(task, wire);
        }
    }

    fn flush_now(&mut self, task: &mut TaskContext<'_>, wire: &mut Connection) {
        // One poll may flush after every message, more often than tokio's coop budget allows.
        let _ = without_coop_budget(task, |task| {
            self.write(task, wire);
            Poll::Ready(())
        });
    }

    /// Writes, and returns the write buffer to the thread if the transport took everything,
    /// or after a copy of the remaining bytes.
    // PERF: called at the end of every poll. budget: text64
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
        wire.metrics.flush();
        scratch.reclaim(wire);
    }
}

/// Writes several slices of the outbox at once, or the only one.
#[inline(never)]
fn poll_write_vectored<T: Transport>(
    stream: &mut T,
    task: &mut TaskContext<'_>,
    wire: &mut Connection,
    input: &[u8],
) -> Poll<io::Result<usize>> {
    let mut slices = [IoSlice::new(&[]); MAX_IO_SLICES];
    let count = wire.outbox().slices(input, &mut slices);
    match &slices[..count] {
        [slice] => Pin::new(stream).poll_write(task, slice),
        slices => Pin::new(stream).poll_write_vectored(task, slices),
    }
}

/// Reports to `wire` that the client sends nothing more.
#[cold]
fn on_read_end(wire: &mut Connection, end: io::Result<()>) {
    let Err(error) = end else { return wire.on_disconnect(io::ErrorKind::UnexpectedEof) };
    match protocol_error(&error) {
        Some(error) => wire.on_protocol_error(error),
        None => wire.on_disconnect(error.kind()),
    }
}

/// Reports a failed write to `wire`. A session reads while it writes, and may find an error of the client.
#[cold]
fn on_write_error(wire: &mut Connection, error: &io::Error) {
    match protocol_error(error) {
        Some(error) => wire.on_protocol_error(error),
        None => wire.on_write_error(error.kind()),
    }
}

/// Returns the error of the client that a transport found.
fn protocol_error(error: &io::Error) -> Option<ProtocolError> {
    error.get_ref()?.downcast_ref().copied()
}

/// Reports to `wire` that all input that has arrived is read.
// PERF: called at the end of every poll. budget: text64
#[inline(always)]
fn on_read_pending(wire: &mut Connection) {
    // `Pending` may also mean that tokio's coop budget is exhausted.
    if wire.has_extra_deadlines() && tokio::task::coop::has_budget_remaining() {
        wire.on_input_drained();
    }
}
