//! A message whose last frame has not arrived.

use std::cell::Cell;

use crate::wire::message_pool::Loan;
use crate::wire::utf8::Utf8Validator;

thread_local! {
    static SPARE: Cell<Option<Box<PartialMessage>>> = const { Cell::new(None) };
}

/// What is known of such a message. It is boxed, because connections that wait have none.
#[derive(Debug, Default)]
pub(super) struct PartialMessage {
    pub(super) kind: MessageKind,
    /// Its payload so far: unmasked, validated.
    pub(super) payload: Vec<u8>,
    /// The buffer of that may be the thread's.
    pub(super) loan: Loan,
    pub(super) utf8: Utf8Validator,
    /// How many of its fragments were empty.
    pub(super) empty_fragments: u16,
    /// The data frame whose payload is arriving.
    pub(super) frame: Option<PartialFrame>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum MessageKind {
    Text,
    #[default]
    Binary,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct PartialFrame {
    pub(super) fin: bool,
    /// The key for the next byte.
    pub(super) mask: [u8; 4],
    /// Bytes of payload that have not arrived.
    pub(super) remaining: usize,
    /// How many bytes at the end of the payload are room for some of them.
    pub(super) reserved: usize,
}

impl PartialMessage {
    /// Nothing of it has arrived. The box is the thread's, so that such a message costs no allocation.
    #[expect(clippy::unnecessary_box_returns, reason = "the box is what is kept")]
    pub(super) fn start(kind: MessageKind) -> Box<Self> {
        let mut message = SPARE.take().unwrap_or_default();
        message.kind = kind;
        message
    }

    /// All of it has arrived: its payload, and where its text stands.
    pub(super) fn finish(mut self: Box<Self>) -> (Vec<u8>, Utf8Validator) {
        let Self { payload, utf8, .. } = std::mem::take(&mut *self);
        SPARE.set(Some(self));
        (payload, utf8)
    }
}
