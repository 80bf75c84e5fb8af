//! What a handler usually needs: `use ws_core::prelude::*;`.
//!
//! ```
//! use ws_core::prelude::*;
//! # use ws_core::test::TestClient;
//!
//! #[websocket(path = "/echo")]
//! #[derive(Default)]
//! struct Echo;
//!
//! #[websocket]
//! impl Echo {
//!     #[on_text]
//!     fn echo(&mut self, text: String) -> String {
//!         text
//!     }
//! }
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! # let mut client = TestClient::open(Echo).await;
//! # client.send("hello").await;
//! # assert_eq!(client.text().await, "hello");
//! # }
//! ```

pub use std::sync::Arc;
pub use std::time::Duration;

#[cfg(feature = "json")]
pub use crate::Json;
pub use crate::{
    Addr, Bytes, Close, CloseCode, CloseReason, Context, DecodeError, FromBinary, FromText, HandlerError,
    HeaderMap, Hub, IntoReply, Message, OnInfo, Path, PeerAddr, Ping, Pong, Position, Presence, PublishError,
    Published, Query, Recipient, Replies, Router, SendError, Since, State, StatusCode, TimerId, Topic,
    Upgrade, Utf8Bytes, websocket,
};

/// `#[after(5s)]`: a method that runs once, so long after open. It takes `&mut self` and `cx`, and
/// returns a reply. Durations are written as for [`every`]; Cowboy's `erlang:start_timer/3`.
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// # #[websocket] #[derive(Default)] struct Chat;
/// #[websocket]
/// impl Chat {
///     #[after(10s)]
///     fn too_late(&mut self) -> Close {
///         Close::new(4001, "ten seconds are enough")
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let mut client = TestClient::open(Chat).await;
/// client.advance(Duration::from_secs(9)).await;
/// client.expect_nothing().await;
/// client.advance(Duration::from_secs(1)).await;
/// assert_eq!(client.closed().await.code, CloseCode::Library(4001));
/// # }
/// ```
#[doc(inline)]
pub use ws_macros::after;

/// `#[every(1s)]`: a method that runs again and again, first one period after open. It takes `&mut
/// self` and `cx`, and returns a reply; Cowboy's `timer:send_interval/2`. Ticks that were missed are
/// skipped: see [timers](crate::guide::timers).
///
/// The period is `250ms`, `1.5s`, `2m`, `1h`, or a constant expression of type `Duration`; zero is a
/// compile error.
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// # #[websocket] #[derive(Default)] struct Chat;
/// const PERIOD: Duration = Duration::from_millis(500);
///
/// #[websocket]
/// impl Chat {
///     #[every(PERIOD)]
///     fn tick(&mut self) -> &'static str {
///         "tick"
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let mut client = TestClient::open(Chat).await;
/// client.advance(Duration::from_secs(1)).await;
/// assert_eq!((client.text().await, client.text().await), ("tick".into(), "tick".into()));
/// # }
/// ```
#[doc(inline)]
pub use ws_macros::every;

/// `#[on_binary]`: takes a binary message. It takes `&mut self`, a payload that is [`FromBinary`], and
/// `cx`, and returns a reply; Cowboy's `websocket_handle({binary, _}, _)`. The message is whole, and
/// has at most `max_message_size` bytes (1 MiB).
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// # #[websocket] #[derive(Default)] struct Chat;
/// #[websocket]
/// impl Chat {
///     #[on_binary]
///     fn sum(&mut self, bytes: &[u8]) -> String {
///         bytes.iter().map(|byte| u32::from(*byte)).sum::<u32>().to_string()
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let mut client = TestClient::open(Chat).await;
/// client.send(vec![1, 2, 250]).await;
/// assert_eq!(client.text().await, "253");
/// # }
/// ```
#[doc(inline)]
pub use ws_macros::on_binary;

/// `#[on_close]`: is told why the connection ended. It takes `&mut self` and, if it wants, the
/// [`&CloseReason`](CloseReason), and returns nothing; Cowboy's `terminate/3`. Once `#[on_open]` has
/// begun it runs exactly once, after everything else and to its end, even if a method panicked.
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// # #[websocket] struct Chat(std::sync::mpsc::Sender<String>);
/// #[websocket]
/// impl Chat {
///     #[on_close]
///     async fn left(&mut self, reason: &CloseReason) {
///         tokio::time::sleep(Duration::from_secs(60)).await; // Nothing drops it.
///         self.0.send(reason.to_string()).unwrap();
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// # let (told, log) = std::sync::mpsc::channel();
/// let mut client = TestClient::open(Chat(told)).await;
/// client.close(1000).await;
/// client.advance(Duration::from_secs(60)).await;
/// assert_eq!(log.recv().unwrap(), "closed by the client: 1000");
/// # }
/// ```
#[doc(inline)]
pub use ws_macros::on_close;

/// `#[on_error]`: is told what failed: a payload that does not decode, an `Err` that a method returned,
/// a reply that cannot be sent. It takes `&mut self`, [`&HandlerError`](HandlerError), and `cx`, and
/// returns a reply; the connection goes on. Without it, and if it fails itself, the connection closes
/// with 1007 or 1011: see [errors](crate::guide::errors).
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// # #[websocket] #[derive(Default)] struct Chat;
/// #[websocket]
/// impl Chat {
///     #[on_text]
///     fn parse(&mut self, text: &str) -> Result<String, std::num::ParseIntError> {
///         Ok((text.parse::<u32>()? + 1).to_string())
///     }
///     #[on_error]
///     fn error(&mut self, error: &HandlerError) -> String {
///         error.to_string()
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let mut client = TestClient::open(Chat).await;
/// client.send("one").await;
/// assert_eq!(client.text().await, "invalid digit found in string");
/// client.send("1").await;
/// assert_eq!(client.text().await, "2");
/// # }
/// ```
#[doc(inline)]
pub use ws_macros::on_error;

/// `#[on_info]`: takes a message from the rest of the program, or of a timer. It takes `&mut self`, the
/// message, and `cx`, and returns a reply; Cowboy's `websocket_info/2`. There is one method for each
/// type; whoever has the [`Addr`] can send messages of these types and of no others.
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// # #[websocket] #[derive(Default)] struct Chat;
/// struct Price(u32);
/// struct Done;
///
/// #[websocket]
/// impl Chat {
///     #[on_info]
///     fn price(&mut self, Price(price): Price) -> String {
///         price.to_string()
///     }
///     #[on_info]
///     fn done(&mut self, _: Done) -> Close {
///         Close::default()
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let mut client = TestClient::open(Chat).await;
/// let addr = client.addr();
/// addr.send(Price(10)).unwrap();
/// addr.send(Done).unwrap();
/// assert_eq!(client.text().await, "10");
/// assert_eq!(client.closed().await.code, CloseCode::Normal);
/// # }
/// ```
#[doc(inline)]
pub use ws_macros::on_info;

/// `#[on_lagged]`: is told that published messages were missed, because the handler or its client is
/// slower than the publishers, and the option `overflow` drops what is too much: see
/// [`Overflow`](crate::Overflow). It takes `&mut self`, how many they were as a `u64` if it wants, and
/// `cx`, and returns a reply. The number is 0 if nobody knows it. Without it they are missed in silence.
///
/// ```
/// # use ws_core::prelude::*;
/// #[websocket(path = "/prices", overflow = drop_oldest)]
/// #[derive(Default)]
/// struct Prices;
///
/// #[websocket]
/// impl Prices {
///     #[on_lagged]
///     fn lagged(&mut self, missed: u64) -> String {
///         format!("{missed} prices are not shown")
///     }
/// }
/// # let _: Router = Router::new().mount::<Prices>();
/// ```
#[doc(inline)]
pub use ws_macros::on_lagged;

/// `#[on_open]`: the first method of a connection, when the 101 is out. It takes `&mut self` and `cx`,
/// and returns a reply, which is the first that the client gets; Cowboy's `websocket_init/1`.
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// # #[websocket] #[derive(Default)] struct Chat;
/// #[websocket]
/// impl Chat {
///     #[on_open]
///     fn open(&mut self) -> (&'static str, Ping) {
///         ("welcome", Ping::default())
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let mut client = TestClient::open(Chat).await;
/// assert_eq!(client.text().await, "welcome");
/// assert_eq!(client.pinged().await, "");
/// # }
/// ```
#[doc(inline)]
pub use ws_macros::on_open;

/// `#[on_ping]`: is told of a ping, whose pong is in the outbox already (RFC 6455 §5.5.2). It takes
/// `&mut self`, a payload if it wants, and `cx`, and returns a reply; Cowboy's `websocket_handle({ping,
/// _}, _)`.
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// # #[websocket] #[derive(Default)] struct Chat;
/// #[websocket]
/// impl Chat {
///     #[on_ping]
///     fn ping(&mut self, payload: &[u8]) -> String {
///         format!("a ping of {} bytes", payload.len())
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let mut client = TestClient::open(Chat).await;
/// client.ping("abc").await;
/// assert_eq!(client.ponged().await, "abc");
/// assert_eq!(client.text().await, "a ping of 3 bytes");
/// # }
/// ```
#[doc(inline)]
pub use ws_macros::on_ping;

/// `#[on_pong]`: is told of a pong, asked for or not (RFC 6455 §5.5.3). It takes `&mut self`, a payload
/// if it wants, and `cx`, and returns a reply; Cowboy's `websocket_handle({pong, _}, _)`.
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// # #[websocket] #[derive(Default)] struct Chat { alive: bool }
/// #[websocket]
/// impl Chat {
///     #[on_pong]
///     fn pong(&mut self) {
///         self.alive = true;
///     }
///     /// A ping, unless the last one was not answered.
///     #[every(20s)]
///     fn check(&mut self) -> Message {
///         if std::mem::take(&mut self.alive) { Ping::default().into() } else { Close::from(1008).into() }
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let mut client = TestClient::open(Chat { alive: true }).await;
/// client.advance(Duration::from_secs(20)).await;
/// client.pinged().await; // Which it does not answer.
/// client.advance(Duration::from_secs(20)).await;
/// assert_eq!(client.closed().await.code, CloseCode::Policy);
/// # }
/// ```
#[doc(inline)]
pub use ws_macros::on_pong;

/// `#[on_text]`: takes a text message. It takes `&mut self`, a payload that is [`FromText`], and `cx`,
/// and returns a reply; Cowboy's `websocket_handle({text, _}, _)`. The message is whole, is UTF-8, and
/// has at most `max_message_size` bytes (1 MiB).
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// # #[websocket] #[derive(Default)] struct Chat;
/// #[websocket]
/// impl Chat {
///     #[on_text]
///     fn echo<'a>(&mut self, text: &'a str) -> &'a str {
///         text // Borrowed from where it was read.
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let mut client = TestClient::open(Chat).await;
/// client.send("hello").await;
/// assert_eq!(client.text().await, "hello");
/// # }
/// ```
#[doc(inline)]
pub use ws_macros::on_text;

/// `#[on_upgrade]`: makes the handler from the request, before the 101; Cowboy's `init/2`. It has no
/// `self`, takes extractors ([`Path`], [`Query`], [`State`], [`PeerAddr`], [`HeaderMap`], whatever is
/// axum-core's `FromRequestParts`), and returns `Self`, [`Upgrade<Self>`](Upgrade), or a `Result` of
/// one of them with a response as the error. It has the router's `handshake_timeout` (10 s), then the
/// request gets 503. Without it the type must be `Default`.
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// #[websocket(path = "/rooms/{room}")]
/// struct Chat(String);
///
/// #[websocket]
/// impl Chat {
///     #[on_upgrade]
///     async fn join(Path(room): Path<String>) -> Result<Self, (StatusCode, &'static str)> {
///         if room == "lobby" { Ok(Self(room)) } else { Err((StatusCode::NOT_FOUND, "only the lobby\n")) }
///     }
///     #[on_open]
///     fn open(&mut self) -> String {
///         format!("welcome to the {}", self.0)
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let mut client = TestClient::<Chat>::upgrade("/rooms/lobby").open().await.unwrap();
/// assert_eq!(client.text().await, "welcome to the lobby");
/// let refused = TestClient::<Chat>::upgrade("/rooms/attic").open().await.unwrap_err();
/// assert_eq!(refused.status, StatusCode::NOT_FOUND);
/// # }
/// ```
#[doc(inline)]
pub use ws_macros::on_upgrade;
