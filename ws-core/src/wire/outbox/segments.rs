//! Large payloads, in order between the encoded bytes.

use std::cell::Cell;
use std::collections::VecDeque;
use std::io::IoSlice;
use std::ops::Range;

use bytes::{Buf, Bytes};

use crate::panic::catch;

/// The largest list, in segments, that the thread keeps for reuse.
const MAX_SPARE_CAPACITY: usize = 64;

thread_local! {
    static SPARE: Cell<Option<Box<Segments>>> = const { Cell::new(None) };
}

/// The large payloads that wait, in order. Each follows a number of encoded bytes.
#[derive(Debug, Default)]
pub(super) struct Segments {
    /// The first segment. There is rarely a second one, so that usually no list is allocated.
    first: Option<Segment>,
    others: VecDeque<Segment>,
    /// The number of encoded bytes before the last segment.
    encoded: usize,
    /// The number of bytes of all payloads.
    len: usize,
}

#[derive(Debug)]
struct Segment {
    /// The number of encoded bytes between the previous segment and this one.
    encoded: usize,
    payload: Payload,
}

/// A payload, which is never empty.
#[derive(Debug)]
pub(super) enum Payload {
    /// Memory that the outbox owns or shares.
    Owned(OwnedPayload),
    /// A range of the input, which is still in the read buffer.
    Input(Range<usize>),
    /// A range of the message that is being handled. The outbox owns the message afterwards.
    Message(Range<usize>),
}

/// A payload that owns its memory.
#[derive(Debug)]
pub(crate) struct OwnedPayload {
    bytes: Bytes,
    /// The number of allocated bytes that only this payload keeps alive.
    allocated: usize,
}

impl OwnedPayload {
    /// Creates a payload that keeps `allocated` bytes alive.
    pub(crate) fn new(bytes: Bytes, allocated: usize) -> Self {
        Self { bytes, allocated }
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Copies the payload if it uses less than half of the memory that it keeps alive.
    fn shrink(&mut self) {
        if self.allocated > 2 * self.bytes.len() {
            *self = Bytes::copy_from_slice(&self.bytes).into();
            self.allocated = self.bytes.len();
        }
    }
}

/// The owner of `Bytes` may be a type of the user, whose destructor may panic. The payload is dropped after
/// the socket accepted it, outside of any method. The message was sent, so the panic is only logged.
impl Drop for OwnedPayload {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        if catch(|| drop(bytes)).is_err() {
            tracing::error!("the owner of a sent payload panicked when it was dropped");
        }
    }
}

/// Shared memory counts as 0 bytes, because other owners may keep it alive.
impl From<Bytes> for OwnedPayload {
    fn from(bytes: Bytes) -> Self {
        Self { bytes, allocated: 0 }
    }
}

impl From<Vec<u8>> for OwnedPayload {
    fn from(bytes: Vec<u8>) -> Self {
        let allocated = bytes.capacity();
        Self { bytes: bytes.into(), allocated }
    }
}

impl Payload {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Owned(owned) => owned.len(),
            Self::Input(range) | Self::Message(range) => range.len(),
        }
    }

    /// Returns the bytes. A message that is being handled is not written, and yields none.
    fn bytes<'a>(&'a self, input: &'a [u8]) -> &'a [u8] {
        match self {
            Self::Owned(owned) => &owned.bytes,
            Self::Input(range) => input.get(range.clone()).unwrap_or_default(),
            Self::Message(_) => &[],
        }
    }

    fn advance(&mut self, len: usize) {
        match self {
            Self::Owned(owned) => owned.bytes.advance(len),
            Self::Input(range) | Self::Message(range) => range.start += len,
        }
    }
}

impl Segments {
    /// Takes the thread's empty list.
    // PERF: a large message costs no allocation for the list. budget: binary16k
    #[expect(clippy::unnecessary_box_returns, reason = "the box itself is reused")]
    pub(super) fn take() -> Box<Self> {
        SPARE.take().unwrap_or_default()
    }

    /// Returns the list, which is empty, to the thread.
    pub(super) fn recycle(self: Box<Self>) {
        if self.others.capacity() <= MAX_SPARE_CAPACITY {
            SPARE.set(Some(self));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// Returns the number of bytes of all payloads.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Appends a payload that follows the first `encoded` encoded bytes.
    pub(super) fn push(&mut self, encoded: usize, payload: Payload) {
        self.len += payload.len();
        let segment = Segment { encoded: encoded - self.encoded, payload };
        self.encoded = encoded;
        if self.first.is_none() {
            self.first = Some(segment);
        } else {
            self.others.push_back(segment);
        }
    }

    /// Returns the number of allocated bytes that the payloads keep alive.
    #[cfg(test)]
    pub(super) fn allocated(&self) -> usize {
        let allocated = |segment: &Segment| {
            if let Payload::Owned(owned) = &segment.payload { owned.allocated } else { 0 }
        };
        self.iter().map(allocated).sum()
    }

    /// Returns the largest number of slices that [`slices`](Self::slices) can fill.
    #[cfg(any(test, fuzzing))]
    pub(super) fn max_slices(&self) -> usize {
        2 * self.iter().count() + 1
    }

    fn iter(&self) -> impl Iterator<Item = &Segment> {
        self.first.iter().chain(&self.others)
    }

    fn payloads(&mut self) -> impl Iterator<Item = &mut Payload> {
        self.first.iter_mut().chain(&mut self.others).map(|segment| &mut segment.payload)
    }

    /// Fills `slices` with the encoded bytes and the payloads in order, and returns the number of filled
    /// slices.
    pub(super) fn slices<'a>(
        &'a self,
        mut encoded: &'a [u8],
        input: &'a [u8],
        slices: &mut [IoSlice<'a>],
    ) -> usize {
        let mut filled = 0;
        let mut put = |piece: &'a [u8]| {
            if piece.is_empty() {
                return true;
            }
            let Some(slice) = slices.get_mut(filled) else { return false };
            *slice = IoSlice::new(piece);
            filled += 1;
            true
        };
        let mut next = self.first.as_ref();
        let mut others = self.others.iter();
        // The loop ends when the slices are full, because many more segments may wait.
        while let Some(segment) = next {
            let is_full = !put(encoded.split_off(..segment.encoded).unwrap_or_default())
                || !put(segment.payload.bytes(input));
            if is_full {
                return filled;
            }
            next = others.next();
        }
        put(encoded);
        filled
    }

    /// Removes the next `len` bytes, encoded ones and those of payloads.
    pub(super) fn consume(&mut self, mut len: usize) {
        while let Some(segment) = &mut self.first {
            let before = segment.encoded.min(len);
            segment.encoded -= before;
            self.encoded -= before;
            len -= before;
            let taken = segment.payload.len().min(len);
            segment.payload.advance(taken);
            self.len -= taken;
            len -= taken;
            if segment.payload.len() > 0 {
                return;
            }
            self.first = self.others.pop_front();
        }
    }

    /// Copies payloads that keep more than twice their size alive.
    pub(super) fn shrink(&mut self) {
        for payload in self.payloads() {
            if let Payload::Owned(owned) = payload {
                owned.shrink();
            }
        }
    }

    /// Moves the encoded bytes in front of the only payload, if they precede it and fit into the input there.
    /// Returns whether they were moved.
    pub(super) fn join_input(&mut self, encoded: &[u8], input: &mut [u8]) -> bool {
        let Some(Segment { encoded: before, payload: Payload::Input(range) }) = &mut self.first else {
            return false;
        };
        // The bytes before the only payload belong to no reply.
        if !self.others.is_empty() || *before != encoded.len() {
            return false;
        }
        let Some(start) = range.start.checked_sub(encoded.len()) else { return false };
        let Some(front) = input.get_mut(start..range.start) else { return false };
        front.copy_from_slice(encoded);
        range.start = start;
        self.len += encoded.len();
        *before = 0;
        self.encoded = 0;
        true
    }

    /// Copies the ranges of the input, whose buffer is about to be reused.
    pub(super) fn retain_input(&mut self, input: &[u8]) {
        for payload in self.payloads() {
            if let Payload::Input(range) = payload {
                let bytes = input.get(range.clone()).unwrap_or_default();
                *payload = Payload::Owned(bytes.to_vec().into());
            }
        }
    }

    pub(super) fn has_input(&self) -> bool {
        self.iter().any(|segment| matches!(segment.payload, Payload::Input(_)))
    }

    pub(super) fn has_message(&self) -> bool {
        self.iter().any(|segment| matches!(segment.payload, Payload::Message(_)))
    }

    /// Takes shared ownership of the message that was handled, which keeps `allocated` bytes alive.
    pub(super) fn retain_message(&mut self, message: &Bytes, allocated: usize) {
        for payload in self.payloads() {
            if let Payload::Message(range) = payload {
                *payload = Payload::Owned(OwnedPayload::new(message.slice(range.clone()), allocated));
            }
        }
    }
}
