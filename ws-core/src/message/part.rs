//! Parts of messages, as they arrive.

use std::borrow::Cow;
use std::ops::Deref;

use super::MessageKind;

/// A part of a message: the argument of [`#[on_part]`](crate::prelude::on_part).
///
/// The parts of a message are delivered in order, and only one message is in progress at a time (RFC 6455
/// §5.4). Their concatenation is the message. How it is divided depends on the network and on the fragments
/// that the client sends, so only the concatenation has a meaning.
///
/// A part has at most 128 KiB, usually the bytes of one read. A message that arrives at once is a single part,
/// which is both the first and the last. A part is empty only if it is the last, when the end of the message
/// arrives alone. Dereferencing a part yields its bytes.
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// # #[websocket] #[derive(Default)]
/// struct Length(usize);
///
/// #[websocket]
/// impl Length {
///     #[on_part]
///     fn part(&mut self, part: Part<'_>) -> Option<String> {
///         if part.is_first() {
///             self.0 = 0;
///         }
///         self.0 += part.len();
///         part.is_last().then(|| self.0.to_string())
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let mut client = TestClient::open(Length::default()).await;
/// client.send(vec![0; 3_000_000]).await;
/// assert_eq!(client.text().await, "3000000");
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part<'a>(PartContent<&'a str, &'a [u8]>);

/// The content of a part, and its place in the message.
// PERF: the variants hold the place, so that parts do not enlarge `Event`. budget: info
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PartContent<T, B> {
    Text(T, Place),
    Binary(B, Place),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    is_first: bool,
    is_last: bool,
}

impl<'a> Part<'a> {
    /// Creates the only part of a text message.
    pub(crate) fn whole_text(text: &'a str) -> Self {
        Self(PartContent::Text(text, Place { is_first: true, is_last: true }))
    }

    /// Creates the only part of a binary message.
    pub(crate) fn whole_binary(bytes: &'a [u8]) -> Self {
        Self(PartContent::Binary(bytes, Place { is_first: true, is_last: true }))
    }

    /// Returns the kind of the message, which is the same for all its parts.
    pub fn kind(&self) -> MessageKind {
        match self.0 {
            PartContent::Text(..) => MessageKind::Text,
            PartContent::Binary(..) => MessageKind::Binary,
        }
    }

    /// Returns whether the message begins with this part.
    pub fn is_first(&self) -> bool {
        self.place().is_first
    }

    /// Returns whether the message ends with this part.
    pub fn is_last(&self) -> bool {
        self.place().is_last
    }

    fn place(&self) -> Place {
        match self.0 {
            PartContent::Text(_, place) | PartContent::Binary(_, place) => place,
        }
    }

    /// Returns the bytes of the part.
    pub fn bytes(&self) -> &'a [u8] {
        match self.0 {
            PartContent::Text(text, _) => text.as_bytes(),
            PartContent::Binary(bytes, _) => bytes,
        }
    }

    /// Returns the text of the part, or `None` if the message is binary.
    ///
    /// A part ends between two characters: the first bytes of an incomplete character belong to the next part.
    /// Text that is not UTF-8 closes the connection with 1007 (RFC 6455 §8.1), after the parts before it.
    ///
    /// ```
    /// # use ws_core::{prelude::*, test::TestClient};
    /// # #[websocket] #[derive(Default)]
    /// struct Lines(usize);
    ///
    /// #[websocket]
    /// impl Lines {
    ///     #[on_part]
    ///     fn part(&mut self, part: Part<'_>) -> Option<String> {
    ///         self.0 += part.text()?.matches('\n').count();
    ///         part.is_last().then(|| format!("{} lines so far", self.0))
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let mut client = TestClient::open(Lines::default()).await;
    /// client.send("für\nalle\n").await;
    /// assert_eq!(client.text().await, "2 lines so far");
    /// # }
    /// ```
    pub fn text(&self) -> Option<&'a str> {
        match self.0 {
            PartContent::Text(text, _) => Some(text),
            PartContent::Binary(..) => None,
        }
    }
}

impl Deref for Part<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes()
    }
}

/// A part that may own its content: as the decoder produces it, and as the call of an async method stores it.
#[derive(Debug, PartialEq, Eq)]
pub struct PartBuf<'a>(PartContent<Cow<'a, str>, Cow<'a, [u8]>>);

impl<'a> PartBuf<'a> {
    pub(crate) fn text(text: Cow<'a, str>, is_first: bool, is_last: bool) -> Self {
        Self(PartContent::Text(text, Place { is_first, is_last }))
    }

    pub(crate) fn binary(bytes: Cow<'a, [u8]>, is_first: bool, is_last: bool) -> Self {
        Self(PartContent::Binary(bytes, Place { is_first, is_last }))
    }

    /// Returns the part as methods take it.
    #[inline]
    pub fn part(&self) -> Part<'_> {
        Part(match &self.0 {
            PartContent::Text(text, place) => PartContent::Text(&**text, *place),
            PartContent::Binary(bytes, place) => PartContent::Binary(&**bytes, *place),
        })
    }

    /// Returns whether the part owns its buffer.
    #[inline]
    pub(crate) fn is_owned(&self) -> bool {
        matches!(self.0, PartContent::Text(Cow::Owned(_), _) | PartContent::Binary(Cow::Owned(_), _))
    }

    /// Returns the buffer, if the part owns one.
    pub(crate) fn into_buffer(self) -> Option<Vec<u8>> {
        match self.0 {
            PartContent::Text(Cow::Owned(text), _) => Some(text.into_bytes()),
            PartContent::Binary(Cow::Owned(bytes), _) => Some(bytes),
            _ => None,
        }
    }
}

/// Copies a part.
impl From<Part<'_>> for PartBuf<'static> {
    fn from(part: Part<'_>) -> Self {
        Self(match part.0 {
            PartContent::Text(text, place) => PartContent::Text(Cow::Owned(text.to_owned()), place),
            PartContent::Binary(bytes, place) => PartContent::Binary(Cow::Owned(bytes.to_vec()), place),
        })
    }
}
