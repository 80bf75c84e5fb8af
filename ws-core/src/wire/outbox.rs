//! The queue of frames for the client.

mod segments;
mod serialize;
mod zero_copy;

use std::io::IoSlice;
use std::sync::Arc;

use bytes::Bytes;

use super::frame::{MAX_HEADER, Opcode, short_header, write_header};
use crate::options::Options;
pub(crate) use segments::OwnedPayload;
use segments::{Payload, Segments};
pub(crate) use serialize::FragmentHeader;
use zero_copy::BorrowSource;

/// The size in bytes from which a payload is written without a copy, if the stream supports that.
///
/// Below this size, a copy costs less than two more slices in a vectored write.
pub(crate) const ZERO_COPY_THRESHOLD: usize = 4 << 10;

/// The bytes that wait for the socket, in order.
///
/// The outbox owns a buffer only while bytes wait. At the start of a poll, the driver passes a buffer of the
/// thread to [`lend`](Self::lend). The driver takes that buffer back with [`reclaim`](Self::reclaim) at the end
/// of the poll, unless it is at least half full of unwritten bytes.
///
/// If the stream supports vectored writes, large payloads are not copied: [`segments`] refer to them, in
/// order between the encoded bytes.
#[derive(Debug)]
pub(crate) struct Outbox {
    /// Encoded frames, without the payloads in `segments`. Those at the end wait, the others are written.
    bytes: Vec<u8>,
    /// The number of bytes that wait, including those of the segments.
    len: usize,
    segments: Option<Box<Segments>>,
    /// The memory that is being handled, and which replies may borrow from.
    source: BorrowSource,
    /// The number of bytes that may wait now. The value exceeds `outbox_limit` after a message larger than that,
    /// until the outbox has been empty.
    ceiling: usize,
    /// The options of the connection.
    options: Arc<Options>,
}

impl Outbox {
    /// Creates an outbox in which [`Options::outbox_limit`] bytes may wait.
    pub(crate) fn new(options: Arc<Options>) -> Self {
        Self {
            bytes: Vec::new(),
            len: 0,
            segments: None,
            source: BorrowSource::Disabled,
            ceiling: options.outbox_limit,
            options,
        }
    }

    /// Returns the options of the connection.
    #[inline]
    pub(super) fn options(&self) -> &Options {
        &self.options
    }

    /// Sets whether the stream supports vectored writes. Without them, all payloads are copied.
    pub(crate) fn set_vectored(&mut self, on: bool) {
        self.source = if on { BorrowSource::None } else { BorrowSource::Disabled };
    }

    /// Returns the number of bytes that wait.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the bytes that wait, if they are contiguous.
    #[inline]
    pub(crate) fn contiguous(&self) -> Option<&[u8]> {
        if self.segments.is_none() { Some(&self.bytes[self.bytes.len() - self.len..]) } else { None }
    }

    /// Returns how many of the encoded bytes wait.
    fn encoded_len(&self) -> usize {
        self.len - self.segments.as_ref().map_or(0, |segments| segments.len())
    }

    /// Returns how many of the encoded bytes are written.
    fn consumed(&self) -> usize {
        self.bytes.len() - self.encoded_len()
    }

    /// Returns a copy of all bytes that wait.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn waiting(&self) -> Vec<u8> {
        let Some(segments) = &self.segments else { return self.bytes[self.consumed()..].to_vec() };
        let mut slices = vec![IoSlice::new(&[]); segments.max_slices()];
        let filled = self.slices(&[], &mut slices);
        slices[..filled].iter().flat_map(|slice| slice.iter().copied()).collect()
    }

    /// Fills `slices` with the first bytes that wait, if they are not contiguous, and returns the number of
    /// filled slices. `input` is the input from [`begin_input`](Self::begin_input).
    pub(crate) fn slices<'a>(&'a self, input: &'a [u8], slices: &mut [IoSlice<'a>]) -> usize {
        let encoded = &self.bytes[self.consumed()..];
        self.segments.as_ref().map_or(0, |segments| segments.slices(encoded, input, slices))
    }

    /// Removes `len` bytes, which the socket accepted.
    // PERF: the common case, a write of all bytes, is inlined. budget: text64
    #[inline(always)]
    pub(crate) fn consume(&mut self, len: usize) {
        self.len -= len;
        if self.segments.is_some() {
            self.consume_segments(len);
        } else if self.len == 0 {
            self.bytes.clear();
        }
    }

    #[cold]
    fn consume_segments(&mut self, len: usize) {
        let Some(segments) = &mut self.segments else { return };
        segments.consume(len);
        if segments.is_empty()
            && let Some(segments) = self.segments.take()
        {
            segments.recycle();
        }
        if self.is_empty() {
            self.clear();
        }
    }

    /// Drops all bytes that wait.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.len = 0;
        self.segments = None;
    }

    /// Appends a frame. Returns false, and appends nothing, if the frame would exceed the limit.
    // PERF: inlined for short payloads, down to two appends to the buffer. budget: text64x16
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

    /// Appends a frame regardless of the limit. Close frames use this method directly.
    // PERF: see `push`. budget: text64x16
    #[inline(always)]
    pub(crate) fn push_unbounded(&mut self, opcode: Opcode, payload: &[u8]) {
        // Without segments: if some of the bytes are written.
        if self.bytes.len() > self.len {
            self.make_room(MAX_HEADER + payload.len());
        }
        // Most messages are short, and have a header of two bytes.
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

    // PERF: not inlined, so that callers remain small enough to be inlined. budget: text64x16
    #[inline(never)]
    fn append(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.len += bytes.len();
    }

    /// Like [`push`](Self::push), but for a payload that the outbox can own instead of copying.
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

    /// Like [`push`](Self::push), but for a complete frame that is shared with other connections.
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
        let encoded = self.encoded_len();
        self.len += payload.len();
        self.segments.get_or_insert_with(Segments::take).push(encoded, payload);
    }

    /// Sets the ceiling after a frame was appended to `waiting` bytes.
    ///
    /// A single message may be larger than the limit. Such a message does not reduce the limit for others.
    #[inline]
    fn update_ceiling(&mut self, waiting: usize) {
        if waiting == 0 {
            let (first, limit) = (self.len(), self.options.outbox_limit);
            self.ceiling = if first > limit { first.saturating_add(limit) } else { limit };
        }
    }

    /// Takes `buffer` to encode frames, if the outbox has no buffer.
    #[inline]
    pub(crate) fn lend(&mut self, buffer: &mut Vec<u8>) {
        if self.bytes.capacity() == 0 {
            std::mem::swap(&mut self.bytes, buffer);
        }
    }

    /// Returns the buffer, if the outbox does not need it. Bytes that still wait move to a smaller buffer, if
    /// they use less than half of the capacity.
    pub(crate) fn reclaim(&mut self) -> Option<Vec<u8>> {
        if self.is_empty() {
            return (self.bytes.capacity() > 0).then(|| std::mem::take(&mut self.bytes));
        }
        self.shrink()
    }

    fn shrink(&mut self) -> Option<Vec<u8>> {
        if let Some(segments) = &mut self.segments {
            segments.shrink();
        }
        let waiting = &self.bytes[self.consumed()..];
        if self.bytes.capacity() > 2 * waiting.len() {
            let copy = waiting.to_vec();
            return Some(std::mem::replace(&mut self.bytes, copy));
        }
        None
    }

    /// Returns the buffer to `lender`. Returns false, and changes nothing, if bytes wait or `lender` has
    /// another buffer.
    // PERF: the common case of `reclaim`, which handles all cases. budget: text64
    // The test `swap_back_agrees_with_reclaim` holds the two equal.
    #[inline(always)]
    pub(crate) fn swap_back(&mut self, lender: &mut Vec<u8>) -> bool {
        let returns = self.is_empty() && lender.capacity() == 0;
        if returns {
            self.bytes.clear();
            std::mem::swap(&mut self.bytes, lender);
        }
        returns
    }

    /// Drops the written bytes if that saves the buffer from growing by `len` bytes.
    #[cold]
    fn make_room(&mut self, len: usize) {
        if self.consumed() > 0 && self.bytes.capacity() - self.bytes.len() < len {
            self.drop_consumed();
        }
    }

    fn drop_consumed(&mut self) {
        let consumed = self.consumed();
        self.bytes.drain(..consumed);
    }
}

/// Returns whether a message of `len` bytes fits. A message in an empty outbox always fits.
fn fits(waiting: usize, len: usize, ceiling: usize) -> bool {
    waiting == 0 || waiting + len <= ceiling
}

#[cfg(test)]
mod tests;
