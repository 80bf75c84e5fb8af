//! A published value together with its topic and its position.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use super::position::Position;
use crate::wire::PreparedMessage;

/// A published value with its topic and position. An `#[on_info]` method may take it instead of `Arc<T>`.
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
///     fn line(&mut self, line: Published<String>) -> String {
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

struct Inner<T> {
    topic: Arc<str>,
    value: Arc<T>,
    /// The position in the history, if there is one.
    position: Option<Position>,
    /// The message for clients, once the topic has had a subscriber that takes frames.
    frame: OnceLock<Arc<PreparedMessage>>,
}

impl<T> Published<T> {
    pub(super) fn new(topic: Arc<str>, value: T) -> Self {
        Self(Arc::new(Inner { topic, value: Arc::new(value), position: None, frame: OnceLock::new() }))
    }

    /// Sets the position. Does nothing if the message was cloned before.
    pub(super) fn set_position(&mut self, position: Position) {
        if let Some(inner) = Arc::get_mut(&mut self.0) {
            inner.position = Some(position);
        }
    }

    /// Sets the message for clients, unless there is one.
    pub(super) fn set_frame(&self, frame: Arc<PreparedMessage>) {
        let _ = self.0.frame.set(frame);
    }

    /// Returns the value, which all subscribers of the process share. `*published` is the value too.
    pub fn value(&self) -> &Arc<T> {
        &self.0.value
    }

    /// Returns the name of the topic.
    pub fn topic(&self) -> &str {
        &self.0.topic
    }

    /// Returns the position in the topic's history. A client sends it when it reconnects, to
    /// [subscribe from there](crate::Context::subscribe_from). `None` if the topic has no history.
    pub fn position(&self) -> Option<Position> {
        self.0.position
    }

    pub(crate) fn frame(&self) -> Option<&Arc<PreparedMessage>> {
        self.0.frame.get()
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

/// Serializes the value alone.
impl<T: serde::Serialize> serde::Serialize for Published<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value().serialize(serializer)
    }
}

/// The schema of the value alone.
#[cfg(feature = "contract")]
impl<T: schemars::JsonSchema> schemars::JsonSchema for Published<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> std::borrow::Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        T::json_schema(generator)
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
