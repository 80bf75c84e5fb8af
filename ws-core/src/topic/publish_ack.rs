//! The acknowledgement of a published message, with its position.

use std::fmt;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use super::broker::PendingPosition;
use super::position::Position;
use crate::error::BrokerError;

/// The acknowledgement of a published message: the result of [`Topic::publish`](crate::Topic::publish).
///
/// The message is published whether or not this value is used. Await it for the [`Position`] of the message
/// in the history of its topic; the result is `None` if the topic has no history. A subscription
/// [from that position](crate::Since::Position) starts with the message that follows.
///
/// | topic | [`position`](Self::position) | awaited |
/// |---|---|---|
/// | with a history, in a hub of one process | the position | the position, at once |
/// | with a history, over a broker | `None` | the position, after one round trip |
/// | without a history | `None` | `None`, at once |
///
/// Cancellation is safe: the message is published all the same. The wait takes up to ten seconds from its
/// first poll. A sync method that needs the position over a broker awaits it in a task, which sends it to the
/// handler's [`Addr`](crate::Addr).
///
/// # Errors
///
/// A [`BrokerError`], only over a broker: the broker did not confirm in time that it stored the message
/// ([`TimedOut`](BrokerError::TimedOut)), rejected it ([`Refused`](BrokerError::Refused)), or the hub was
/// closed before ([`Closed`](BrokerError::Closed)). Only a rejected message has certainly no position; in the
/// other cases subscribers may get it.
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient, BoxError};
/// # #[websocket] struct Guest { room: Topic<String> }
/// #[websocket]
/// impl Guest {
///     #[on_text]
///     async fn publish(&mut self, text: String) -> Result<Option<String>, BoxError> {
///         let position = self.room.publish(text)?.await?;
///         Ok(position.map(|position| format!("your message is at offset {}", position.offset)))
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let room = Hub::local().topic::<String>("room:lobby").history(256);
/// let mut client = TestClient::open(Guest { room }).await;
/// client.send("hello").await;
/// assert_eq!(client.text().await, "your message is at offset 1");
/// # }
/// ```
pub struct PublishAck(AckState);

enum AckState {
    Ready(Option<Position>),
    Pending(PendingPosition),
}

impl PublishAck {
    pub(super) fn ready(position: Option<Position>) -> Self {
        Self(AckState::Ready(position))
    }

    /// Creates an acknowledgement that waits for the broker; `None` without a history.
    pub(super) fn remote(pending: Option<PendingPosition>) -> Self {
        pending.map_or_else(|| Self::ready(None), |pending| Self(AckState::Pending(pending)))
    }

    /// Returns the position if it is known already: at once in a hub of one process.
    ///
    /// `None` if the topic has no history, or if the position comes from a broker: code that shall work with
    /// any hub awaits the acknowledgement instead.
    ///
    /// ```
    /// # use ws_core::{prelude::*, test::TestClient};
    /// # #[websocket] struct Guest { room: Topic<String> }
    /// #[websocket]
    /// impl Guest {
    ///     #[on_text]
    ///     fn publish(&mut self, text: String) -> Result<Json<Option<Position>>, PublishError> {
    ///         Ok(Json(self.room.publish(text)?.position()))
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let room = Hub::local().topic::<String>("room:lobby").history(256);
    /// let mut client = TestClient::open(Guest { room: room.clone() }).await;
    /// client.send("hello").await;
    /// let position = room.position().await.unwrap();
    /// assert_eq!(client.text().await, format!(r#""{position}""#));
    /// # }
    /// ```
    pub fn position(&self) -> Option<Position> {
        match &self.0 {
            AckState::Ready(position) => *position,
            AckState::Pending(_) => None,
        }
    }
}

impl Future for PublishAck {
    type Output = Result<Option<Position>, BrokerError>;

    fn poll(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            AckState::Ready(position) => Poll::Ready(Ok(*position)),
            AckState::Pending(pending) => pending.as_mut().poll(task).map_ok(Some),
        }
    }
}

impl fmt::Debug for PublishAck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublishAck").field("position", &self.position()).finish_non_exhaustive()
    }
}
