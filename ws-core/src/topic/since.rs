//! The starting point of a subscription with a history.

use super::position::Position;

/// The message from which a subscription to a topic with a [history](crate::Topic::history) starts; the
/// argument of [`Context::subscribe_from`](crate::Context::subscribe_from) and of
/// [`forward_from`](crate::Context::forward_from).
///
/// A [`Position`] converts into a `Since`, and so does an `Option<Position>`, whose `None` is
/// [`Now`](Self::Now). NATS calls this a *deliver policy*.
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// # #[websocket] struct Guest { room: Topic<String>, seen: Option<Position> }
/// #[websocket]
/// impl Guest {
///     #[on_open]
///     async fn open(&mut self, cx: &mut Context<Self>) {
///         // A returning client gets the messages it missed, a new one the last two.
///         let since = self.seen.map_or(Since::Last(2), Since::Position);
///         cx.subscribe_from(&self.room, since).await;
///     }
///     #[on_info]
///     fn line(&mut self, line: Published<String>) -> String {
///         line.to_string()
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let room = Hub::local().topic::<String>("room:lobby").history(256);
/// for line in ["one", "two", "three"] {
///     room.publish(line.to_owned()).unwrap();
/// }
/// let mut client = TestClient::open(Guest { room: room.clone(), seen: None }).await;
/// room.publish("four".to_owned()).unwrap();
/// for line in ["two", "three", "four"] {
///     assert_eq!(client.text().await, line);
/// }
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Since {
    /// The messages after this position, if all of them are still stored. For clients that reconnect.
    Position(Position),
    /// The last messages, up to this number and up to the length of the history. For new clients. `Last(0)`
    /// has no messages, but [`Recovery::position`](crate::Recovery::position) is known.
    Last(usize),
    /// All messages of the history.
    Beginning,
    /// Only messages published from now on. [`Recovery::recovered`](crate::Recovery::recovered) is then
    /// false: a client without a position has to load earlier messages from elsewhere.
    Now,
}

impl Since {
    /// Returns the requested position, if this is one.
    pub(super) fn position(self) -> Option<Position> {
        match self {
            Self::Position(position) => Some(position),
            _ => None,
        }
    }

    /// Returns how many of the last messages are requested, if this is a number of messages.
    pub(super) fn last(self) -> Option<usize> {
        match self {
            Self::Last(len) => Some(len),
            Self::Beginning => Some(usize::MAX),
            _ => None,
        }
    }
}

impl From<Position> for Since {
    fn from(position: Position) -> Self {
        Self::Position(position)
    }
}

/// Converts `None` into [`Since::Now`].
impl From<Option<Position>> for Since {
    fn from(position: Option<Position>) -> Self {
        position.map_or(Self::Now, Self::Position)
    }
}
