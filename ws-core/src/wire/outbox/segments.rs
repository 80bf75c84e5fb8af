//! Large payloads between the encoded bytes.

use std::cell::Cell;
use std::collections::VecDeque;
use std::io::IoSlice;
use std::ops::Range;

use bytes::{Buf, Bytes};

use crate::panic::catch;

/// As many as a list has room for that is kept for the next.
const MAX_SPARE_CAPACITY: usize = 64;

thread_local! {
    static SPARE: Cell<Option<Box<Segments>>> = const { Cell::new(None) };
}

/// The large payloads that wait, in order, each behind so many of the encoded bytes.
#[derive(Debug, Default)]
pub(super) struct Segments {
    /// Nearly always there is one, which then needs no list.
    first: Option<Segment>,
    others: VecDeque<Segment>,
    /// How many of the encoded bytes come before the last of them.
    encoded: usize,
}

#[derive(Debug)]
struct Segment {
    /// How many encoded bytes come before it, behind the one before it.
    encoded: usize,
    payload: Payload,
}

/// What is never empty.
#[derive(Debug)]
pub(super) enum Payload {
    /// Memory that is ours, or shared.
    Owned(OwnedPayload),
    /// A part of what was read, which is still where it was read to.
    Input(Range<usize>),
    /// A part of the message that is being handled, which will be ours.
    Message(Range<usize>),
}

/// A payload in memory of its own.
#[derive(Debug)]
pub(crate) struct OwnedPayload {
    bytes: Bytes,
    /// How much memory it takes that is nobody else's.
    allocated: usize,
}

impl OwnedPayload {
    /// A payload that takes so much memory.
    pub(crate) fn new(bytes: Bytes, allocated: usize) -> Self {
        Self { bytes, allocated }
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Keeps no more memory than about twice what is left of it.
    fn shrink(&mut self) {
        if self.allocated > 2 * self.bytes.len() {
            *self = Bytes::copy_from_slice(&self.bytes).into();
            self.allocated = self.bytes.len();
        }
    }
}

/// Bytes may have an owner that the user wrote. It is let go of when the socket has taken them, far from
/// any method, and what panics there has been sent: nobody else is to hear of it.
impl Drop for OwnedPayload {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        if catch(|| drop(bytes)).is_err() {
            tracing::error!("the owner of bytes that were sent panicked");
        }
    }
}

/// What somebody else may have as well, who is to decide how long.
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

    /// Its bytes. A message that is being handled is not written.
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
    /// None. It is the thread's, so that a large message costs no allocation.
    #[expect(clippy::unnecessary_box_returns, reason = "the box is what is kept")]
    pub(super) fn take() -> Box<Self> {
        SPARE.take().unwrap_or_default()
    }

    /// It is empty again.
    pub(super) fn recycle(self: Box<Self>) {
        if self.others.capacity() <= MAX_SPARE_CAPACITY {
            SPARE.set(Some(self));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// Appends one, behind so many encoded bytes in all.
    pub(super) fn push(&mut self, encoded: usize, payload: Payload) {
        let segment = Segment { encoded: encoded - self.encoded, payload };
        self.encoded = encoded;
        if self.first.is_none() {
            self.first = Some(segment);
        } else {
            self.others.push_back(segment);
        }
    }

    /// How much memory they take.
    #[cfg(test)]
    pub(super) fn allocated(&self) -> usize {
        let allocated = |segment: &Segment| {
            if let Payload::Owned(owned) = &segment.payload { owned.allocated } else { 0 }
        };
        self.iter().map(allocated).sum()
    }

    /// In how many places what waits is, at the most.
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
        // Many may wait behind those that fit.
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

    /// The socket took that many bytes; returns how many of them were encoded.
    pub(super) fn consume(&mut self, mut len: usize) -> usize {
        let mut encoded = 0;
        while let Some(segment) = &mut self.first {
            let before = segment.encoded.min(len);
            segment.encoded -= before;
            self.encoded -= before;
            encoded += before;
            len -= before;
            let taken = segment.payload.len().min(len);
            segment.payload.advance(taken);
            len -= taken;
            if segment.payload.len() > 0 {
                return encoded;
            }
            self.first = self.others.pop_front();
        }
        encoded + len
    }

    /// What waits is kept in no more memory than it needs.
    pub(super) fn shrink(&mut self) {
        for payload in self.payloads() {
            if let Payload::Owned(owned) = payload {
                owned.shrink();
            }
        }
    }

    /// The input will be something else: what waits of it is copied.
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

    /// The message that was handled is ours now, and takes so much memory.
    pub(super) fn retain_message(&mut self, message: &Bytes, allocated: usize) {
        for payload in self.payloads() {
            if let Payload::Message(range) = payload {
                *payload = Payload::Owned(OwnedPayload::new(message.slice(range.clone()), allocated));
            }
        }
    }
}
