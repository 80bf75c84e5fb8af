//! Frames on their way to the client.

mod segments;
mod zero_copy;

use std::io::IoSlice;

use bytes::Bytes;

use super::deflate::Deflater;
use super::frame::{COMPRESSED, MAX_HEADER, Opcode, short_header, write_header};
pub(crate) use segments::OwnedPayload;
use segments::{Payload, Segments};
use zero_copy::BorrowSource;

/// From this size on a payload is not copied behind its header, if it can be written from where it is:
/// what the socket is told about two pieces more costs less than copying them.
pub(crate) const ZERO_COPY_THRESHOLD: usize = 4 << 10;

/// The bytes that wait for the socket, in order.
///
/// It owns memory only while bytes wait: a turn starts with a buffer that the thread lends
/// ([`lend`](Self::lend)) and gives it back when everything went out ([`reclaim`](Self::reclaim)).
///
/// Large payloads stay where they are, in [`segments`] between the bytes, if the stream can write from
/// several places at once.
#[derive(Debug)]
pub(crate) struct Outbox {
    bytes: Vec<u8>,
    /// How many of `bytes` the socket has taken.
    consumed: usize,
    /// How many bytes wait, with those of the segments.
    len: usize,
    segments: Option<Box<Segments>>,
    /// Where the messages are that are being handled.
    source: BorrowSource,
    limit: usize,
    /// How many bytes may wait now: more than `limit` behind a message that is larger.
    ceiling: usize,
}

impl Outbox {
    /// An outbox in which `limit` bytes may wait.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            bytes: Vec::new(),
            consumed: 0,
            len: 0,
            segments: None,
            source: BorrowSource::Disabled,
            limit,
            ceiling: limit,
        }
    }

    /// The stream writes from several places at once. Where it does not, everything is copied to one.
    pub(crate) fn set_vectored(&mut self, on: bool) {
        self.source = if on { BorrowSource::None } else { BorrowSource::Disabled };
    }

    /// How many bytes wait.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What waits, if it is all in one place.
    #[inline]
    pub(crate) fn contiguous(&self) -> Option<&[u8]> {
        if self.segments.is_none() { Some(&self.bytes[self.consumed..]) } else { None }
    }

    /// All that waits, for those who only look.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn waiting(&self) -> Vec<u8> {
        let Some(segments) = &self.segments else { return self.bytes[self.consumed..].to_vec() };
        let mut slices = vec![IoSlice::new(&[]); segments.max_slices()];
        let filled = self.slices(&[], &mut slices);
        slices[..filled].iter().flat_map(|slice| slice.iter().copied()).collect()
    }

    /// What waits first, if it is in several; `input` is what was [read](Self::begin_input). Returns how
    /// many of the slices were filled.
    pub(crate) fn slices<'a>(&'a self, input: &'a [u8], slices: &mut [IoSlice<'a>]) -> usize {
        let encoded = &self.bytes[self.consumed..];
        self.segments.as_ref().map_or(0, |segments| segments.slices(encoded, input, slices))
    }

    /// The socket took that many bytes.
    #[inline(always)]
    pub(crate) fn consume(&mut self, len: usize) {
        self.len -= len;
        if self.segments.is_some() {
            self.consume_segments(len);
        } else if self.len > 0 {
            self.consumed += len;
        } else {
            self.bytes.clear();
            self.consumed = 0;
        }
    }

    #[cold]
    fn consume_segments(&mut self, len: usize) {
        let Some(segments) = &mut self.segments else { return };
        self.consumed += segments.consume(len);
        if segments.is_empty()
            && let Some(segments) = self.segments.take()
        {
            segments.recycle();
        }
        if self.is_empty() {
            self.clear();
        }
    }

    /// Drops what waits.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.consumed = 0;
        self.len = 0;
        self.segments = None;
    }

    /// Appends a frame; false if it would exceed the limit, and nothing is appended.
    #[must_use]
    #[inline(always)]
    pub(crate) fn push(&mut self, opcode: Opcode, payload: &[u8]) -> bool {
        let waiting = self.len();
        let fits = fits(waiting, payload.len(), self.ceiling);
        if fits {
            self.push_unbounded(opcode, payload);
            self.update_ceiling(waiting);
        }
        fits
    }

    /// Appends a frame whatever the limit says: the close frame, which is the last.
    #[inline(always)]
    pub(crate) fn push_unbounded(&mut self, opcode: Opcode, payload: &[u8]) {
        if self.consumed > 0 {
            self.make_room(MAX_HEADER + payload.len());
        }
        // Most messages are short, and their header is then two bytes.
        if let Some(header) = short_header(opcode, payload.len()) {
            self.bytes.extend_from_slice(&header);
            self.bytes.extend_from_slice(payload);
            self.len += header.len() + payload.len();
        } else {
            self.push_long(opcode, payload);
        }
    }

    #[cold]
    #[inline(never)]
    fn push_long(&mut self, opcode: Opcode, payload: &[u8]) {
        if payload.len() >= ZERO_COPY_THRESHOLD
            && let Some(borrowed) = self.source.find(payload)
        {
            self.push_header(opcode, payload.len());
            return self.push_segment(borrowed);
        }
        self.bytes.reserve(MAX_HEADER + payload.len());
        self.push_header(opcode, payload.len());
        self.append(payload);
    }

    /// Not inlined, so that the short ones are.
    #[inline(never)]
    fn append(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.len += bytes.len();
    }

    /// Appends a frame whose payload is the outbox's own now. The same limit counts.
    #[must_use]
    pub(crate) fn push_owned(&mut self, opcode: Opcode, payload: OwnedPayload) -> bool {
        if payload.len() < ZERO_COPY_THRESHOLD || !self.source.is_enabled() {
            return self.push(opcode, payload.bytes());
        }
        let waiting = self.len();
        let fits = fits(waiting, payload.len(), self.ceiling);
        if fits {
            self.push_header(opcode, payload.len());
            self.push_segment(Payload::Owned(payload));
            self.update_ceiling(waiting);
        }
        fits
    }

    /// Appends a whole frame, header and all, that is shared with other connections. The same limit
    /// counts, for its payload.
    #[must_use]
    pub(crate) fn push_shared(&mut self, frame: &Bytes) -> bool {
        let waiting = self.len();
        let header = match frame.get(1) {
            Some(126) => 4,
            Some(127) => 10,
            _ => 2,
        };
        if !fits(waiting, frame.len().saturating_sub(header), self.ceiling) {
            return false;
        }
        if frame.len() >= ZERO_COPY_THRESHOLD && self.source.is_enabled() {
            self.push_segment(Payload::Owned(frame.clone().into()));
        } else {
            self.make_room(frame.len());
            self.append(frame);
        }
        self.update_ceiling(waiting);
        true
    }

    fn push_header(&mut self, opcode: Opcode, len: usize) {
        let mut header = [0; MAX_HEADER];
        let size = write_header(&mut header, opcode, len);
        self.make_room(size);
        self.append(&header[..size]);
    }

    fn push_segment(&mut self, payload: Payload) {
        self.len += payload.len();
        let encoded = self.bytes.len() - self.consumed;
        self.segments.get_or_insert_with(Segments::take).push(encoded, payload);
    }

    /// Appends a frame whose payload is written by `write`, so that it needs no buffer of its own.
    /// If that fails or panics, or the frame would exceed the limit, nothing is appended.
    pub(crate) fn push_with<E>(
        &mut self,
        opcode: Opcode,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<bool, E> {
        self.push_with_rsv(opcode, 0, write)
    }

    /// Appends a message, compressed if that makes it smaller or if the ones that follow refer to
    /// it; false if it would exceed the limit.
    #[must_use]
    pub(crate) fn push_compressed(
        &mut self,
        opcode: Opcode,
        payload: &[u8],
        deflater: &mut Deflater,
    ) -> bool {
        let compress =
            |out: &mut Vec<u8>| if deflater.compress(payload, out) { Ok(()) } else { Err(Incompressible) };
        match self.push_with_rsv(opcode, COMPRESSED, compress) {
            Ok(fits) => fits,
            Err(Incompressible) => self.push(opcode, payload),
        }
    }

    /// Appends a frame with reserved bits.
    fn push_with_rsv<E>(
        &mut self,
        opcode: Opcode,
        bits: u8,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<bool, E> {
        let waiting = self.len();
        if self.consumed > self.bytes.len() - self.consumed {
            // Nobody knows yet how much is needed; so this is done when it costs little.
            self.drop_consumed();
        }
        let start = self.bytes.len();
        let mut guard = FrameGuard { bytes: &mut self.bytes, keep: start };
        // Most payloads have a header of two bytes; a longer one is moved up afterwards.
        guard.bytes.extend_from_slice(&[0; 2]);
        write(guard.bytes)?;
        let len = guard.bytes.len() - start - 2;
        if !fits(waiting, len, self.ceiling) {
            return Ok(false);
        }
        let mut header = [0; MAX_HEADER];
        let size = write_header(&mut header, opcode, len);
        header[0] |= bits;
        guard.bytes.splice(start..start + 2, header[..size].iter().copied());
        guard.keep = guard.bytes.len();
        drop(guard);
        self.len += size + len;
        self.update_ceiling(waiting);
        Ok(true)
    }

    /// A single message may be larger than the limit; it does not use up what others may have.
    #[inline(always)]
    fn update_ceiling(&mut self, waiting: usize) {
        if waiting == 0 {
            let first = self.len();
            self.ceiling = if first > self.limit { first.saturating_add(self.limit) } else { self.limit };
        }
    }

    /// Takes a buffer to write to, if there is nothing here yet.
    #[inline(always)]
    pub(crate) fn lend(&mut self, buffer: &mut Vec<u8>) {
        if self.bytes.capacity() == 0 {
            std::mem::swap(&mut self.bytes, buffer);
        }
    }

    /// Gives the buffer back if nothing waits. What does wait is kept in no more memory than it
    /// needs.
    pub(crate) fn reclaim(&mut self) -> Option<Vec<u8>> {
        if self.is_empty() {
            self.consumed = 0;
            return (self.bytes.capacity() > 0).then(|| std::mem::take(&mut self.bytes));
        }
        self.shrink()
    }

    fn shrink(&mut self) -> Option<Vec<u8>> {
        if let Some(segments) = &mut self.segments {
            segments.shrink();
        }
        let waiting = &self.bytes[self.consumed..];
        if self.bytes.capacity() > 2 * waiting.len() {
            let copy = waiting.to_vec();
            self.consumed = 0;
            return Some(std::mem::replace(&mut self.bytes, copy));
        }
        None
    }

    /// The same of a buffer that goes back to where it was lent from, which is most often all there is to
    /// do: false if something waits, or if there is one already.
    #[inline(always)]
    pub(crate) fn swap_back(&mut self, lender: &mut Vec<u8>) -> bool {
        let returns = self.is_empty() && lender.capacity() == 0;
        if returns {
            self.bytes.clear();
            self.consumed = 0;
            std::mem::swap(&mut self.bytes, lender);
        }
        returns
    }

    /// Before a long buffer grows, what the socket has taken makes room.
    #[cold]
    fn make_room(&mut self, len: usize) {
        if self.consumed > 0 && self.bytes.capacity() - self.bytes.len() < len {
            self.drop_consumed();
        }
    }

    fn drop_consumed(&mut self) {
        self.bytes.drain(..self.consumed);
        self.consumed = 0;
    }
}

/// A message that nothing waits before always fits.
fn fits(waiting: usize, len: usize, ceiling: usize) -> bool {
    waiting == 0 || waiting + len <= ceiling
}

/// A message that is not smaller when it is compressed.
struct Incompressible;

/// A frame that is being written; dropped early, it leaves no trace.
struct FrameGuard<'a> {
    bytes: &'a mut Vec<u8>,
    keep: usize,
}

impl Drop for FrameGuard<'_> {
    fn drop(&mut self) {
        self.bytes.truncate(self.keep);
    }
}

#[cfg(test)]
mod tests;
