//! Replies that are a part of what they reply to.

use std::ops::Range;

use super::segments::Payload;
use super::{LARGE, Outbox};
use crate::wire::pool;

/// Where the messages are that are being handled, as addresses: what a handler sends from there is
/// theirs, for nothing else can be in the same place while it is borrowed.
#[derive(Debug)]
pub(super) enum Source {
    /// Wherever; the stream does not write from several places, so that everything is copied.
    Unused,
    /// Somewhere, and what is sent is copied.
    Nothing,
    /// In the thread's buffer.
    Input(Range<usize>),
    /// In memory of their own.
    Message(Range<usize>),
}

impl Source {
    /// Whether large payloads may stay where they are.
    pub(super) fn is_used(&self) -> bool {
        !matches!(self, Self::Unused)
    }

    /// What was there has been handled.
    fn clear(&mut self) {
        if self.is_used() {
            *self = Self::Nothing;
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
            Self::Unused | Self::Nothing => None,
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
    /// [`input_handled`](Self::input_handled).
    pub(crate) fn handles_input(&mut self, input: &[u8]) {
        if self.source.is_used() {
            self.source = Source::Input(addresses(input));
        }
    }

    /// It has been handled; true if some of it waits to be sent, and is to be
    /// [kept](Self::keep_input) before something else is read to its place.
    pub(crate) fn input_handled(&mut self) -> bool {
        self.source.clear();
        self.segments.as_ref().is_some_and(|segments| segments.has_input())
    }

    /// Copies what the socket has not taken of it.
    pub(crate) fn keep_input(&mut self, input: &[u8]) {
        if let Some(segments) = &mut self.segments {
            segments.keep_input(input);
        }
    }

    /// A message in memory of its own is going to be handled. What is sent of it is not copied, if it is
    /// given here [afterwards](Self::message_handled).
    pub(crate) fn handles_message(&mut self, message: &[u8]) {
        self.source.clear();
        if self.source.is_used() && message.len() >= LARGE {
            self.source = Source::Message(addresses(message));
        }
    }

    /// It has been handled. Gives it back if nothing of it was sent.
    pub(crate) fn message_handled(&mut self, message: Vec<u8>) -> Option<Vec<u8>> {
        self.source.clear();
        match &mut self.segments {
            Some(segments) if segments.has_message() => {
                let held = message.capacity();
                segments.keep_message(&pool::shared(message), held);
                None
            }
            _ => Some(message),
        }
    }
}
