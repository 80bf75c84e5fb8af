//! Replies that are a part of what they reply to.

use std::ops::Range;

use super::segments::Payload;
use super::{Outbox, ZERO_COPY_THRESHOLD};
use crate::wire::message_pool;

/// Where the messages are that are being handled, as addresses: what a handler sends from there is
/// theirs, for nothing else can be in the same place while it is borrowed.
#[derive(Debug)]
pub(super) enum BorrowSource {
    /// Wherever; the stream does not write from several places, so that everything is copied.
    Disabled,
    /// Somewhere, and what is sent is copied.
    None,
    /// In the thread's buffer.
    Input(Range<usize>),
    /// In memory of their own.
    Message(Range<usize>),
}

impl BorrowSource {
    /// Whether large payloads may stay where they are.
    pub(super) fn is_enabled(&self) -> bool {
        !matches!(self, Self::Disabled)
    }

    /// What was there has been handled.
    fn clear(&mut self) {
        if self.is_enabled() {
            *self = Self::None;
        }
    }

    /// Where in it a payload is.
    pub(super) fn find(&self, payload: &[u8]) -> Option<Payload> {
        let part = addresses(payload);
        let within = |whole: &Range<usize>| {
            (whole.start <= part.start && part.end <= whole.end)
                .then(|| part.start - whole.start..part.end - whole.start)
        };
        match self {
            Self::Disabled | Self::None => None,
            Self::Input(whole) => within(whole).map(Payload::Input),
            Self::Message(whole) => within(whole).map(Payload::Message),
        }
    }
}

fn addresses(bytes: &[u8]) -> Range<usize> {
    let Range { start, end } = bytes.as_ptr_range();
    start.addr()..end.addr()
}

impl Outbox {
    /// What was read is going to be handled; what is sent of it need not be copied until
    /// [`end_input`](Self::end_input).
    pub(crate) fn begin_input(&mut self, input: &[u8]) {
        if self.source.is_enabled() {
            self.source = BorrowSource::Input(addresses(input));
        }
    }

    /// It has been handled; true if some of it waits to be sent, and is to be
    /// [kept](Self::retain_input) before something else is read to its place.
    pub(crate) fn end_input(&mut self) -> bool {
        self.source.clear();
        self.segments.as_ref().is_some_and(|segments| segments.has_input())
    }

    /// Copies what the socket has not taken of it.
    pub(crate) fn retain_input(&mut self, input: &[u8]) {
        if let Some(segments) = &mut self.segments {
            segments.retain_input(input);
        }
    }

    /// A message in memory of its own is going to be handled. What is sent of it is not copied, if it is
    /// given here [afterwards](Self::end_message).
    pub(crate) fn begin_message(&mut self, message: &[u8]) {
        self.source.clear();
        if self.source.is_enabled() && message.len() >= ZERO_COPY_THRESHOLD {
            self.source = BorrowSource::Message(addresses(message));
        }
    }

    /// It has been handled. Gives it back if nothing of it was sent.
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
