//! Owned messages and control frames.

mod part;

use bytes::Bytes;
pub use part::{Part, PartBuf};
use tungstenite::Utf8Bytes;

use crate::close::Close;

/// The largest payload of a control frame, in bytes (RFC 6455 §5.5).
pub(crate) const MAX_CONTROL_PAYLOAD: usize = 125;

/// A message or control frame, for code that chooses the kind at run time.
///
/// A method that always replies with the same kind returns `&str`, `String`, `Vec<u8>` or another
/// [`IntoReply`](crate::IntoReply) type instead.
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// # #[websocket] #[derive(Default)] struct Chat;
/// #[websocket]
/// impl Chat {
///     #[on_text]
///     fn text(&mut self, text: &str) -> Message {
///         match text {
///             "bytes" => Message::binary(vec![1, 2, 3]),
///             "end" => Close::default().into(),
///             other => other.into(),
///         }
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let mut client = TestClient::open(Chat).await;
/// client.send("bytes").await;
/// assert_eq!(client.next().await, Some(Message::binary(vec![1, 2, 3])));
/// client.send("hello").await;
/// assert_eq!(client.next().await, Some(Message::text("hello")));
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A text message.
    Text(Utf8Bytes),
    /// A binary message.
    Binary(Bytes),
    /// A ping.
    Ping(Ping),
    /// A pong that does not answer a ping.
    Pong(Pong),
    /// A close frame, which closes the connection.
    Close(Close),
}

impl Message {
    /// Creates a text message.
    pub fn text(text: impl Into<Utf8Bytes>) -> Self {
        Self::Text(text.into())
    }

    /// Creates a binary message.
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

/// The kind of a message (RFC 6455 §5.6): what [`Part::kind`] returns, and [`Context::send_parts`] takes.
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// # #[websocket] #[derive(Default)] struct Chat;
/// #[websocket]
/// impl Chat {
///     #[on_part]
///     fn part(&mut self, part: Part<'_>) -> &'static str {
///         match part.kind() {
///             MessageKind::Text => "text",
///             MessageKind::Binary => "binary",
///         }
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let mut client = TestClient::open(Chat).await;
/// client.send("hello").await;
/// assert_eq!(client.text().await, "text");
/// # }
/// ```
///
/// [`Context::send_parts`]: crate::Context::send_parts
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MessageKind {
    /// UTF-8 text.
    Text,
    /// Bytes.
    #[default]
    Binary,
}

/// A ping as a reply (RFC 6455 §5.5.2), with at most 125 bytes of payload.
///
/// A longer payload is a [`HandlerError`](crate::HandlerError). The client answers with a pong of the same
/// payload, which is passed to `#[on_pong]`.
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// # #[websocket(ping_interval = none)] #[derive(Default)] struct Chat;
/// #[websocket]
/// impl Chat {
///     #[every(30s)]
///     fn keep_alive(&mut self) -> Ping {
///         Ping::from("are you there?")
///     }
///     #[on_pong]
///     fn pong(&mut self, payload: &[u8]) -> String {
///         format!("{} bytes back", payload.len())
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let mut client = TestClient::open(Chat).await;
/// client.advance(Duration::from_secs(30)).await;
/// let payload = client.pinged().await;
/// client.pong(payload).await;
/// assert_eq!(client.text().await, "14 bytes back");
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ping(pub Bytes);

/// An unsolicited pong as a reply (RFC 6455 §5.5.3), with at most 125 bytes of payload.
///
/// A longer payload is a [`HandlerError`](crate::HandlerError). Pongs that answer a ping of the client are sent
/// automatically.
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// # #[websocket] #[derive(Default)] struct Chat;
/// #[websocket]
/// impl Chat {
///     /// A heartbeat that expects no answer.
///     #[every(30s)]
///     fn beat(&mut self) -> Pong {
///         Pong::default()
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let mut client = TestClient::open(Chat).await;
/// client.advance(Duration::from_secs(30)).await;
/// assert_eq!(client.ponged().await, "");
/// # }
/// ```
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
