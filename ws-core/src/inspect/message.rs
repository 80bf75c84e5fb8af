//! The messages of a connection as the program and the page of an inspector see them.

use std::sync::Arc;

use crate::message::MessageKind;
use crate::wire::Direction;

/// A message that an inspector is about to show.
///
/// ```
/// use ws_core::inspect::{Direction, InspectedMessage, Shown};
///
/// /// Shows what the server sends, and no more.
/// fn show(message: &InspectedMessage<'_>) -> Shown {
///     if message.direction == Direction::Sent { Shown::Whole } else { Shown::Hidden }
/// }
/// let inspector = ws_core::inspect::Inspector::local().messages(show);
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct InspectedMessage<'a> {
    /// The name of the handler's type.
    pub handler: &'a str,
    /// Who sends the message.
    pub direction: Direction,
    /// Text or binary.
    pub kind: MessageKind,
    /// The payload, unmasked and decompressed, up to 64 KiB.
    pub payload: &'a [u8],
    /// Whether the payload is a part of a message. Such a part of a text may begin or end within a character.
    pub is_part: bool,
}

impl<'a> InspectedMessage<'a> {
    /// Returns the payload of a text message; `None` for a binary one, and for a part that is not UTF-8 by itself.
    ///
    /// ```
    /// use ws_core::inspect::{Inspector, Shown};
    ///
    /// let inspector = Inspector::local().messages(|message| match message.text() {
    ///     Some(text) => Shown::Text(text.to_uppercase()),
    ///     None => Shown::Hidden,
    /// });
    /// ```
    pub fn text(&self) -> Option<&'a str> {
        match self.kind {
            MessageKind::Text => std::str::from_utf8(self.payload).ok(),
            MessageKind::Binary => None,
        }
    }
}

/// What an inspector shows of a message.
///
/// ```
/// use ws_core::inspect::{InspectedMessage, Shown};
///
/// /// Hides the values of a member `token`.
/// fn show(message: &InspectedMessage<'_>) -> Shown {
///     match message.text().and_then(|text| text.split_once("\"token\":")) {
///         Some((head, _)) => Shown::Text(format!("{head}\"token\":…")),
///         None => Shown::Whole,
///     }
/// }
/// let inspector = ws_core::inspect::Inspector::local().messages(show);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// The payload as it is.
    Whole,
    /// This text in place of the payload.
    Text(String),
    /// The direction, the kind and the length only.
    Hidden,
}

/// The function of [`Inspector::messages`](super::Inspector::messages).
pub(super) type ShowMessage = Arc<dyn Fn(&InspectedMessage<'_>) -> Shown + Send + Sync>;
