//! Replies that are part of the message to which they reply.

use std::ops::Range;

use super::segments::Payload;
use super::{Outbox, ZERO_COPY_THRESHOLD};
use crate::wire::message_pool;

/// The memory that is being handled, as an address and a length. The length has four bytes, because every connection
/// has this value; replies to larger messages are copied.
///
/// A payload within the memory borrows from it: while the memory is borrowed, nothing else can have the same
/// addresses.
#[derive(Debug)]
pub(super) enum BorrowSource {
    /// The stream does not support vectored writes. All payloads are copied.
    Disabled,
    /// No memory is being handled that replies could borrow from.
    None,
    /// The read buffer of the thread.
    Input { start: usize, len: u32 },
    /// The buffer of a message.
    Message { start: usize, len: u32 },
}

impl BorrowSource {
    fn input(input: &[u8]) -> Self {
        let start = input.as_ptr().addr();
        u32::try_from(input.len()).map_or(Self::None, |len| Self::Input { start, len })
    }

    fn message(message: &[u8]) -> Self {
        let start = message.as_ptr().addr();
        u32::try_from(message.len()).map_or(Self::None, |len| Self::Message { start, len })
    }

    /// Returns whether large payloads need not be copied.
    pub(super) fn is_enabled(&self) -> bool {
        !matches!(self, Self::Disabled)
    }

    /// Ends the handling of the memory.
    fn clear(&mut self) {
        if self.is_enabled() {
            *self = Self::None;
        }
    }

    /// Returns the position of a payload that borrows from the memory.
    pub(super) fn find(&self, payload: &[u8]) -> Option<Payload> {
        let within = |start: usize, len: u32| -> Option<Range<usize>> {
            let offset = payload.as_ptr().addr().checked_sub(start)?;
            let end = offset + payload.len();
            (end <= len as usize).then_some(offset..end)
        };
        match *self {
            Self::Disabled | Self::None => None,
            Self::Input { start, len } => within(start, len).map(Payload::Input),
            Self::Message { start, len } => within(start, len).map(Payload::Message),
        }
    }
}

impl Outbox {
    /// Announces that `input` is about to be handled. Until [`end_input`](Self::end_input), replies may borrow
    /// from it.
    pub(crate) fn begin_input(&mut self, input: &[u8]) {
        if self.source.is_enabled() {
            self.source = BorrowSource::input(input);
        }
    }

    /// Ends the handling of the input.
    ///
    /// Returns whether replies that borrow from the input still wait. Then
    /// [`retain_input`](Self::retain_input) has to be called before the buffer of the input is reused.
    pub(crate) fn end_input(&mut self) -> bool {
        self.source.clear();
        self.segments.as_ref().is_some_and(|segments| segments.has_input())
    }

    /// Moves the encoded bytes in front of the payload that borrows from the input, if nothing else waits: a write
    /// of one slice costs less than one of two.
    ///
    /// The reply's header has no mask, so that it fits in place of the client's. The bytes there are decoded.
    pub(crate) fn join_input(&mut self, input: &mut [u8]) {
        let encoded = &self.bytes[self.consumed()..];
        // Beyond that, the copy costs more.
        if encoded.len() < ZERO_COPY_THRESHOLD
            && let Some(segments) = &mut self.segments
            && segments.join_input(encoded, input)
        {
            self.bytes.clear();
        }
    }

    /// Copies the parts of the input that replies borrow and that are not written yet.
    pub(crate) fn retain_input(&mut self, input: &[u8]) {
        if let Some(segments) = &mut self.segments {
            segments.retain_input(input);
        }
    }

    /// Announces that a message which owns its buffer is about to be handled. Until
    /// [`end_message`](Self::end_message), replies may borrow from it.
    pub(crate) fn begin_message(&mut self, message: &[u8]) {
        self.source.clear();
        if self.source.is_enabled() && message.len() >= ZERO_COPY_THRESHOLD {
            self.source = BorrowSource::message(message);
        }
    }

    /// Ends the handling of the message. Returns its buffer, unless replies that borrow from it wait.
    pub(crate) fn end_message(&mut self, message: Vec<u8>) -> Option<Vec<u8>> {
        self.source.clear();
        match &mut self.segments {
            Some(segments) if segments.has_message() => {
                let allocated = message.capacity();
                segments.retain_message(&message_pool::into_shared(message), allocated);
                None
            }
            _ => Some(message),
        }
    }
}
