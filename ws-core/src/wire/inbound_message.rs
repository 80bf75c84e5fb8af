//! Messages from the client, as the handler receives them.

use std::borrow::Cow;

use super::deflate::recycle;
use crate::message::PartBuf;

/// A complete message that borrows from the read buffer.
// PERF: two variants of one size, so that most messages pass the dispatch in registers. budget: text64x16
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BorrowedMessage<'a> {
    Text(&'a str),
    Binary(&'a [u8]),
}

/// A message or control frame from the client.
///
/// The payload borrows from the read buffer if the frame arrived in one piece. Otherwise the message
/// owns the buffer in which it was assembled or inflated.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum InboundMessage<'a> {
    Text(Cow<'a, str>),
    Binary(Cow<'a, [u8]>),
    /// A part of a message, which is not complete in itself. Only handlers with `#[on_part]` receive parts.
    Part(PartBuf<'a>),
    Ping(Cow<'a, [u8]>),
    Pong(Cow<'a, [u8]>),
}

impl<'a> From<BorrowedMessage<'a>> for InboundMessage<'a> {
    fn from(message: BorrowedMessage<'a>) -> Self {
        match message {
            BorrowedMessage::Text(text) => Self::Text(Cow::Borrowed(text)),
            BorrowedMessage::Binary(bytes) => Self::Binary(Cow::Borrowed(bytes)),
        }
    }
}

impl InboundMessage<'_> {
    /// Returns whether the message owns its buffer, or is a part of a message.
    pub(crate) fn is_owned_or_part(&self) -> bool {
        matches!(self, Self::Text(Cow::Owned(_)) | Self::Binary(Cow::Owned(_)) | Self::Part(_))
    }

    /// Returns the buffer of a text or binary message, or of a part, that owns one.
    pub(super) fn into_buffer(self) -> Option<Vec<u8>> {
        match self {
            Self::Text(Cow::Owned(text)) => Some(text.into_bytes()),
            Self::Binary(Cow::Owned(bytes)) => Some(bytes),
            Self::Part(part) => part.into_buffer(),
            _ => None,
        }
    }

    /// Returns the message with a payload of its own, of at most twice the capacity that it needs.
    ///
    /// A larger buffer returns to the thread.
    pub(super) fn into_owned(self) -> InboundMessage<'static> {
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
            Self::Part(part) => {
                let copy = PartBuf::from(part.part());
                if let Some(buffer) = part.into_buffer() {
                    recycle(buffer);
                }
                InboundMessage::Part(copy)
            }
            Self::Text(text) => InboundMessage::Text(Cow::Owned(text.into_owned())),
            Self::Binary(bytes) => InboundMessage::Binary(Cow::Owned(bytes.into_owned())),
            Self::Ping(payload) => InboundMessage::Ping(Cow::Owned(payload.into_owned())),
            Self::Pong(payload) => InboundMessage::Pong(Cow::Owned(payload.into_owned())),
        }
    }

    /// Returns the number of bytes that the message counts against [`Options::read_ahead`].
    ///
    /// The size of the message itself is included, because an empty message occupies memory too.
    ///
    /// [`Options::read_ahead`]: crate::Options::read_ahead
    pub(super) fn queued_size(&self) -> usize {
        let payload = match self {
            Self::Text(text) => text.len(),
            Self::Part(part) => part.part().len(),
            Self::Binary(bytes) | Self::Ping(bytes) | Self::Pong(bytes) => bytes.len(),
        };
        size_of::<Self>() + payload
    }
}
