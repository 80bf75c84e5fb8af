//! Messages that came before their turn.

use std::borrow::Cow;
use std::collections::VecDeque;

use super::deflate::recycle;

/// What the handler may want to see of what the client said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum InboundMessage<'a> {
    Text(Cow<'a, str>),
    Binary(Cow<'a, [u8]>),
    Ping(Cow<'a, [u8]>),
    Pong(Cow<'a, [u8]>),
}

/// The messages that were read while a method was pending, in order. It is boxed because few
/// connections have any.
#[derive(Debug, Default)]
pub(super) struct ReadAheadQueue(Option<Box<Messages>>);

#[derive(Debug, Default)]
struct Messages {
    messages: VecDeque<InboundMessage<'static>>,
    bytes: usize,
}

impl ReadAheadQueue {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// How much memory they take.
    #[inline]
    pub(super) fn bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |queue| queue.bytes)
    }

    pub(super) fn push(&mut self, message: InboundMessage<'_>) {
        let queue = self.0.get_or_insert_default();
        queue.bytes += message.queued_size();
        queue.messages.push_back(message.into_owned());
    }

    pub(super) fn pop(&mut self) -> Option<InboundMessage<'static>> {
        let queue = self.0.as_mut()?;
        let message = queue.messages.pop_front()?;
        queue.bytes -= message.queued_size();
        if queue.messages.is_empty() {
            self.0 = None;
        }
        Some(message)
    }
}

impl InboundMessage<'_> {
    /// Whether it is in memory of its own, and not where it was read.
    #[inline]
    pub(crate) fn is_owned(&self) -> bool {
        matches!(self, Self::Text(Cow::Owned(_)) | Self::Binary(Cow::Owned(_)))
    }

    /// That memory.
    pub(super) fn into_buffer(self) -> Option<Vec<u8>> {
        match self {
            Self::Text(Cow::Owned(text)) => Some(text.into_bytes()),
            Self::Binary(Cow::Owned(bytes)) => Some(bytes),
            _ => None,
        }
    }

    /// The same in memory of its own, and in no more than it needs.
    fn into_owned(self) -> InboundMessage<'static> {
        match self {
            Self::Text(Cow::Owned(text)) if text.capacity() > 2 * text.len() => {
                let copy = text.as_str().to_owned();
                recycle(text.into_bytes());
                InboundMessage::Text(Cow::Owned(copy))
            }
            Self::Binary(Cow::Owned(bytes)) if bytes.capacity() > 2 * bytes.len() => {
                let copy = bytes.as_slice().to_owned();
                recycle(bytes);
                InboundMessage::Binary(Cow::Owned(copy))
            }
            Self::Text(text) => InboundMessage::Text(Cow::Owned(text.into_owned())),
            Self::Binary(bytes) => InboundMessage::Binary(Cow::Owned(bytes.into_owned())),
            Self::Ping(payload) => InboundMessage::Ping(Cow::Owned(payload.into_owned())),
            Self::Pong(payload) => InboundMessage::Pong(Cow::Owned(payload.into_owned())),
        }
    }

    /// What it counts against `read_ahead`: an empty message is not free either.
    fn queued_size(&self) -> usize {
        let payload = match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) | Self::Ping(bytes) | Self::Pong(bytes) => bytes.len(),
        };
        size_of::<Self>() + payload
    }
}
