//! Owned messages and control frames.

use bytes::Bytes;
use tungstenite::Utf8Bytes;

use crate::close::Close;

/// The most bytes that fit into a control frame (RFC 6455 §5.5).
pub(crate) const MAX_CONTROL_PAYLOAD: usize = 125;

/// Anything that can be sent, for code that decides at run time.
///
/// A method that always answers with the same kind returns `&str`, `String`, `Vec<u8>`… instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A text message.
    Text(Utf8Bytes),
    /// A binary message.
    Binary(Bytes),
    /// A ping.
    Ping(Ping),
    /// A pong that answers no ping.
    Pong(Pong),
    /// A close frame: the connection closes.
    Close(Close),
}

impl Message {
    /// A text message.
    pub fn text(text: impl Into<Utf8Bytes>) -> Self {
        Self::Text(text.into())
    }

    /// A binary message.
    pub fn binary(bytes: impl Into<Bytes>) -> Self {
        Self::Binary(bytes.into())
    }
}

macro_rules! from {
    ($($variant:ident: $($type:ty),*;)*) => {$($(
        impl From<$type> for Message {
            fn from(content: $type) -> Self {
                Self::$variant(content.into())
            }
        }
    )*)*};
}

from! {
    Text: &str, String, Utf8Bytes;
    Binary: &'static [u8], Vec<u8>, Bytes;
    Ping: Ping;
    Pong: Pong;
    Close: Close;
}

/// A ping as a reply (RFC 6455 §5.5.2), with at most 125 bytes of payload; a longer one is a
/// [`HandlerError`](crate::HandlerError). The client answers with a pong of the same payload, which `#[on_pong]` is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ping(pub Bytes);

/// An unasked pong as a reply (RFC 6455 §5.5.3), with at most 125 bytes of payload. The pong that
/// answers a ping is sent by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pong(pub Bytes);

impl<B: Into<Bytes>> From<B> for Ping {
    fn from(payload: B) -> Self {
        Self(payload.into())
    }
}

impl<B: Into<Bytes>> From<B> for Pong {
    fn from(payload: B) -> Self {
        Self(payload.into())
    }
}
