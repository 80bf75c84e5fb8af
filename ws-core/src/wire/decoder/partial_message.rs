//! A message whose last frame is incomplete.

use std::cell::Cell;

use crate::message::MessageKind;
use crate::wire::message_pool::Loan;
use crate::wire::utf8::Utf8Validator;

thread_local! {
    static SPARE: Cell<Option<Box<PartialMessage>>> = const { Cell::new(None) };
}

/// The state of an incomplete message, boxed because idle connections have none.
#[derive(Debug, Default)]
pub(super) struct PartialMessage {
    pub(super) kind: MessageKind,
    /// The payload so far, unmasked and validated.
    pub(super) payload: Vec<u8>,
    /// The loan of `payload`, if its buffer belongs to the thread.
    pub(super) loan: Loan,
    pub(super) utf8: Utf8Validator,
    /// The number of bytes that were delivered in parts, and whether there was a part.
    pub(super) delivered: usize,
    pub(super) is_started: bool,
    /// The number of empty fragments.
    pub(super) empty_fragments: u16,
    /// The data frame whose payload is incomplete.
    pub(super) frame: Option<PartialFrame>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct PartialFrame {
    pub(super) fin: bool,
    /// The masking key for the next byte.
    pub(super) mask: [u8; 4],
    /// The number of payload bytes that have not arrived.
    pub(super) remaining: usize,
    /// How many bytes at the end of the message's payload are reserved for the remaining
    /// bytes.
    pub(super) reserved: usize,
}

impl PartialMessage {
    /// Creates an empty message.
    // PERF: the box is the thread's, so that an incomplete message costs no allocation. budget: binary1m
    #[expect(clippy::unnecessary_box_returns, reason = "the box itself is reused")]
    pub(super) fn start(kind: MessageKind) -> Box<Self> {
        let mut message = SPARE.take().unwrap_or_default();
        message.kind = kind;
        message
    }

    /// Returns the number of bytes so far, after decompression.
    pub(super) fn len(&self) -> usize {
        self.payload.len() + self.delivered
    }

    /// Returns the payload of a complete message, and the state of its text.
    pub(super) fn finish(mut self: Box<Self>) -> (Vec<u8>, Utf8Validator) {
        let Self { payload, utf8, .. } = std::mem::take(&mut *self);
        SPARE.set(Some(self));
        (payload, utf8)
    }
}
