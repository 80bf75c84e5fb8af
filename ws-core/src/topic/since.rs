//! From where on somebody hears a topic.

use super::position::Position;

/// From where on a connection hears a topic that has a [history](crate::Topic::history): what
/// [`Context::subscribe_from`](crate::Context::subscribe_from) takes. A [`Position`] becomes one, and
/// an `Option<Position>`, in which `None` is [`Now`](Self::Now).
///
/// NATS calls it a *deliver policy*.
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// # #[websocket] struct Guest { room: Topic<String>, seen: Option<Position> }
/// #[websocket]
/// impl Guest {
///     #[on_open]
///     async fn open(&mut self, cx: &mut Context<Self>) {
///         // What it has missed, or what a newcomer is shown.
///         let since = self.seen.map_or(Since::Last(2), Since::Position);
///         cx.subscribe_from(&self.room, since).await;
///     }
///     #[on_info]
///     fn heard(&mut self, line: Published<String>) -> String {
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
    /// What came after the message that stands there, if that is still known: for who comes back.
    Position(Position),
    /// The last so many messages, or as many as the history has, which is never more than it was made
    /// for: for newcomers. `Last(0)` has none of them, but says where the history stands.
    Last(usize),
    /// All that the history has.
    Beginning,
    /// What is published from now on. Nothing is recovered then, which
    /// [`Recovery::recovered`](crate::Recovery::recovered) says: it is for those who have no position,
    /// and have to load what was before from elsewhere.
    Now,
}

impl Since {
    /// The position that was asked for.
    pub(super) fn position(self) -> Option<Position> {
        match self {
            Self::Position(position) => Some(position),
            _ => None,
        }
    }

    /// How many of the last messages were asked for.
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

/// `None` is [`Since::Now`].
impl From<Option<Position>> for Since {
    fn from(position: Option<Position>) -> Self {
        position.map_or(Self::Now, Self::Position)
    }
}
