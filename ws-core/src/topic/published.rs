//! A value on its way to the subscribers.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::position::Position;
use crate::wire::PreparedMessage;

/// A published value with where it comes from: what `#[on_info]` may take instead of `Arc<T>`.
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// # #[websocket] struct Rooms([Topic<String>; 2]);
/// #[websocket]
/// impl Rooms {
///     #[on_open]
///     fn open(&mut self, cx: &mut Context<Self>) {
///         for room in &self.0 {
///             cx.subscribe(room);
///         }
///     }
///     #[on_info]
///     fn heard(&mut self, line: Published<String>) -> String {
///         format!("{}: {}", line.topic(), *line)
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let hub = Hub::local();
/// let rooms = ["lobby", "attic"].map(|name| hub.topic::<String>(name));
/// let mut client = TestClient::open(Rooms(rooms.clone())).await;
/// rooms[1].publish("dark here".to_owned()).unwrap();
/// assert_eq!(client.text().await, "attic: dark here");
/// # }
/// ```
pub struct Published<T>(Arc<Inner<T>>);

/// What is known of a value.
struct Inner<T> {
    topic: Arc<str>,
    value: Arc<T>,
    /// Where it stands in the history, if there is one.
    position: Option<Position>,
    /// As clients get it, if one does.
    frame: Option<Arc<PreparedMessage>>,
}

impl<T> Published<T> {
    pub(super) fn new(topic: Arc<str>, value: T) -> Self {
        Self(Arc::new(Inner { topic, value: Arc::new(value), position: None, frame: None }))
    }

    /// Says where it stands; nobody else has it yet.
    pub(super) fn set_position(&mut self, position: Position) {
        if let Some(inner) = Arc::get_mut(&mut self.0) {
            inner.position = Some(position);
        }
    }

    /// Says how clients get it; nobody else has it yet.
    pub(super) fn set_frame(&mut self, frame: Arc<PreparedMessage>) {
        if let Some(inner) = Arc::get_mut(&mut self.0) {
            inner.frame = Some(frame);
        }
    }

    /// The value, which all subscribers of the process share. `*published` is the value too.
    pub fn value(&self) -> &Arc<T> {
        &self.0.value
    }

    /// The name of its topic.
    pub fn topic(&self) -> &str {
        &self.0.topic
    }

    /// Where it stands in the history of the topic, if that has one: what a client comes back with. `None`
    /// without a history.
    pub fn position(&self) -> Option<Position> {
        self.0.position
    }

    pub(crate) fn frame(&self) -> Option<&Arc<PreparedMessage>> {
        self.0.frame.as_ref()
    }
}

impl<T> Deref for Published<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.value
    }
}

impl<T> Clone for Published<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// As the value is written.
impl<T: serde::Serialize> serde::Serialize for Published<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value().serialize(serializer)
    }
}

impl<T: fmt::Debug> fmt::Debug for Published<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Published")
            .field("topic", &self.topic())
            .field("position", &self.position())
            .field("value", self.value())
            .finish()
    }
}
