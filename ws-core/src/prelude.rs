//! The items that most handlers need: `use ws_core::prelude::*;`.
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

#[cfg(feature = "json")]
mod named;
mod session;
mod states;

pub use std::sync::Arc;
pub use std::time::Duration;

#[cfg(feature = "json")]
pub use named::{on_call, on_message};
pub use session::{on_attach, on_detach};
pub use states::{on_enter, on_leave};

pub use crate::{
    Addr, BrokerError, Bytes, Close, CloseCode, CloseReason, Context, DecodeError, Deferred, Drain,
    FromBinary, FromText, Goto, HandlerError, HeaderMap, History, Hub, IntoReply, IsTls, Member, MemberId,
    Message, MessageKind, OnInfo, Part, Path, PeerAddr, Ping, Pong, Position, Presence, PublishAck,
    PublishError, Published, Query, Recipient, Recovery, Replies, Router, SendError, Since, State,
    StatusCode, Subprotocols, TimerId, Topic, Upgrade, Utf8Bytes, websocket,
};
#[cfg(feature = "json")]
pub use crate::{Call, CallError, ClientCallError, Json, JsonRpc, Messages, Params, Tagged};

/// `#[after(5s)]`: a method that runs once, this long after open. Cowboy's `erlang:start_timer/3`.
///
/// The method takes `&mut self` and optionally `cx`, and returns a reply. The duration has the same form
/// as that of [`every`].
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

/// `#[every(1s)]`: a method that runs periodically, first one period after open. Cowboy's
/// `timer:send_interval/2`.
///
/// The method takes `&mut self` and optionally `cx`, and returns a reply. Missed ticks are skipped: see
/// [timers](crate::guide::timers).
///
/// The period is a literal like `250ms`, `1.5s`, `2m` or `1h`, or a constant expression of type
/// `Duration`. A period of zero is a compile error.
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

/// `#[on_binary]`: the method for binary messages. Cowboy's `websocket_handle({binary, _}, _)`.
///
/// The method takes `&mut self`, a payload that is [`FromBinary`], and optionally `cx`, and returns a
/// reply. The message is complete and has up to `max_message_size` bytes (1 MiB by default).
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

/// `#[on_close]`: the method that runs when the connection has ended. Cowboy's `terminate/3`.
///
/// The method takes `&mut self` and optionally the [`&CloseReason`](CloseReason), and returns nothing.
/// Once `#[on_open]` has started, `#[on_close]` runs exactly once, after all other methods, even if a
/// method panicked. The future of an `async fn` is not cancelled.
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// # #[websocket] struct Chat(std::sync::mpsc::Sender<String>);
/// #[websocket]
/// impl Chat {
///     #[on_close]
///     async fn closed(&mut self, reason: &CloseReason) {
///         tokio::time::sleep(Duration::from_secs(60)).await; // Not cancelled.
///         self.0.send(reason.to_string()).unwrap();
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// # let (sender, log) = std::sync::mpsc::channel();
/// let mut client = TestClient::open(Chat(sender)).await;
/// client.close(1000).await;
/// client.advance(Duration::from_secs(60)).await;
/// assert_eq!(log.recv().unwrap(), "closed by the client: 1000");
/// # }
/// ```
#[doc(inline)]
pub use ws_macros::on_close;

/// `#[on_error]`: the method for errors: a payload that does not decode, an `Err` of a method, or a reply
/// that cannot be sent.
///
/// The method takes `&mut self`, [`&HandlerError`](HandlerError), and optionally `cx`, and returns a
/// reply. The connection stays open. Without `#[on_error]`, and if `#[on_error]` itself fails, the
/// connection closes with 1007 or 1011: see [errors](crate::guide::errors).
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

/// `#[on_info]`: the method for messages from other tasks and from timers. Cowboy's `websocket_info/2`.
///
/// The method takes `&mut self`, the message, and optionally `cx`, and returns a reply. A handler has one
/// such method for each type of message. An [`Addr`] accepts messages of these types only.
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

#[doc = include_str!("prelude/on_drain.md")]
#[doc(inline)]
pub use ws_macros::on_drain;

/// `#[on_lagged]`: the method that runs when the handler has missed published messages.
///
/// Messages are missed if the handler or its client is slower than the publishers, and the option
/// `overflow` drops messages: see [`Overflow`](crate::Overflow). The method takes `&mut self`, optionally
/// the number of missed messages as a `u64`, and optionally `cx`, and returns a reply. The number is 0 if
/// it is unknown. Without `#[on_lagged]`, messages are dropped silently.
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

/// `#[on_open]`: the first method of a connection, after the 101 response. Cowboy's `websocket_init/1`.
///
/// The method takes `&mut self` and optionally `cx`, and returns a reply, which is the first that the
/// client receives.
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

#[doc = include_str!("prelude/on_part.md")]
#[doc(inline)]
pub use ws_macros::on_part;

/// `#[on_ping]`: the method for pings (RFC 6455 §5.5.2). Cowboy's `websocket_handle({ping, _}, _)`.
///
/// The method takes `&mut self`, optionally a payload, and optionally `cx`, and returns a reply. The
/// connection answers the ping by itself: the pong is already in the outbox.
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

/// `#[on_pong]`: the method for pongs, solicited or not (RFC 6455 §5.5.3). Cowboy's
/// `websocket_handle({pong, _}, _)`.
///
/// The method takes `&mut self`, optionally a payload, and optionally `cx`, and returns a reply.
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// #[websocket(ping_interval = none)] // Only the pings of `check`.
/// # #[derive(Default)]
/// struct Chat { alive: bool }
///
/// #[websocket]
/// impl Chat {
///     #[on_pong]
///     fn pong(&mut self) {
///         self.alive = true;
///     }
///     /// Sends a ping, or closes if the client did not answer the last ping.
///     #[every(20s)]
///     fn check(&mut self) -> Message {
///         if std::mem::take(&mut self.alive) { Ping::default().into() } else { Close::from(1008).into() }
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let mut client = TestClient::open(Chat { alive: true }).await;
/// client.advance(Duration::from_secs(20)).await;
/// client.pinged().await; // The test client does not answer this ping.
/// client.advance(Duration::from_secs(20)).await;
/// assert_eq!(client.closed().await.code, CloseCode::Policy);
/// # }
/// ```
#[doc(inline)]
pub use ws_macros::on_pong;

/// `#[on_text]`: the method for text messages. Cowboy's `websocket_handle({text, _}, _)`.
///
/// The method takes `&mut self`, a payload that is [`FromText`], and optionally `cx`, and returns a
/// reply. The message is complete, is valid UTF-8, and has up to `max_message_size` bytes (1 MiB by
/// default).
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// # #[websocket] #[derive(Default)] struct Chat;
/// #[websocket]
/// impl Chat {
///     #[on_text]
///     fn echo<'a>(&mut self, text: &'a str) -> &'a str {
///         text // Borrowed from the read buffer.
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

/// `#[on_upgrade]`: the function that creates the handler from the request, before the 101 response.
/// Cowboy's `init/2`.
///
/// The function has no `self`. Its arguments are extractors: [`Path`], [`Query`], [`State`],
/// [`PeerAddr`], [`HeaderMap`], and all types with axum-core's `FromRequestParts`. The function returns
/// `Self`, [`Upgrade<Self>`](Upgrade), or a `Result` of one of them with a response as the error.
///
/// If the function is pending for longer than the router's `handshake_timeout` (10 s by default), it is
/// cancelled, and the client gets 503. The function is also cancelled if the client disconnects. Work that
/// must complete in any case belongs in a `tokio::spawn`. Without `#[on_upgrade]`, the type must be
/// `Default`.
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
