//! The settings of a handler's connections.

mod compress;
mod declaration;
mod one_per;
mod path_parameters;
mod send_limits;
mod session;

use std::time::Duration;

pub use compress::Compress;
pub use declaration::Declaration;
pub use one_per::OnSecond;
pub(crate) use send_limits::SendLimits;
pub use send_limits::UnsentLimit;
pub use session::SessionOptions;

use crate::close::CloseCodes;

/// The settings of a handler's connections, as declared in `#[websocket(…)]`, or as a constant that handlers
/// share: [`#[websocket(options = BASE)]`](crate::guide::connection#options-that-handlers-share).
///
/// `#[on_upgrade]` can change them for one connection
/// ([`Upgrade::options`](crate::Upgrade::options)); some can also be changed while it is open,
/// through [`Context`](crate::Context).
///
/// ```
/// use std::time::Duration;
/// use ws_core::Options;
///
/// let mut options = Options::default();
/// assert_eq!(options.idle_timeout, Some(Duration::from_secs(60)));
/// assert_eq!(options.max_message_size, 1 << 20);
/// options.idle_timeout = None;
/// assert_ne!(options, Options::DEFAULT);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// How long the client may send nothing before the connection closes with 1001. Any byte counts, pongs
    /// included; with `ping_interval`, a client that only listens therefore stays connected. `None` for no
    /// limit. Default 60 s. Cowboy's `idle_timeout`.
    pub idle_timeout: Option<Duration>,
    /// How long the client may send nothing before the server sends an empty ping, to check that the client
    /// is reachable (RFC 6455 §5.5.2). The client answers with a pong, which `#[on_pong]` receives too. Any
    /// byte counts as an answer. `None` for no pings. Default 25 s, which is less than the time after which
    /// common proxies end a silent connection.
    pub ping_interval: Option<Duration>,
    /// How long the client may take to answer such a ping before the connection closes with
    /// [`CloseReason::PongTimeout`](crate::CloseReason::PongTimeout), with 1001. In this time the client also
    /// has to read the messages that were queued before the ping. Default 20 s.
    pub pong_timeout: Duration,
    /// How long the connection may last, however busy it is, before it closes with 1001. Clients then
    /// reconnect, and a load balancer distributes them again. `None` for no limit. Default `None`.
    pub max_lifetime: Option<Duration>,
    /// The largest message a client may send, in bytes: the sum of all fragments, after decompression. A
    /// larger message closes the connection with 1009, either when its header is read or when the inflated
    /// size exceeds the limit. Default 1 MiB; for a handler with [`#[on_part]`](crate::prelude::on_part) there is
    /// no limit by default, and the value is `usize::MAX`. Cowboy's `max_frame_size`.
    pub max_message_size: usize,
    /// The largest data frame a client may send, in bytes of payload on the wire. A larger frame closes the
    /// connection with 1009 when its header is read. `None`, or 4 GiB and more, for no limit besides
    /// `max_message_size`. Default `None`. This option has no effect in [`drive`](crate::drive), where another library reads
    /// the frames.
    pub max_frame_size: Option<usize>,
    /// How many messages a client may send per second. One more closes the connection with 1008. The client
    /// may use up the limit in one burst; after that, messages are allowed at an even pace. Messages that
    /// waited because reading was off are not treated as a burst. `None` for no limit. Default `None`.
    pub max_message_rate: Option<u32>,
    /// How many pings and pongs a client may send per second. One more closes the connection with 1008. The pong
    /// to a ping of the [`ping_interval`](Self::ping_interval) does not count. `None` for no limit. Default 1,000.
    pub max_control_rate: Option<u32>,
    /// Whether text that is not UTF-8 closes the connection with 1007, as RFC 6455 §8.1 demands. Otherwise
    /// each invalid sequence is replaced by U+FFFD. Default true. Cowboy's `validate_utf8`.
    pub validate_utf8: bool,
    /// How messages are compressed with clients that support it (permessage-deflate, RFC 7692).
    /// `#[on_upgrade]` may change this option for one connection, because the extension is negotiated after
    /// that. Without the feature `deflate` this option has no effect. Default `None`: no compression.
    /// Cowboy's `compress` and `deflate_opts`.
    pub compress: Option<Compress>,
    /// How many messages from [`Addr::send`](crate::Addr::send) may wait for the handler. As many published
    /// messages may wait in addition, see `overflow`. Default 1,024.
    pub mailbox: usize,
    /// How many futures of a connection may run at the same time: [`Deferred`](crate::Deferred) replies, and
    /// those of [`Context::spawn`](crate::Context::spawn). Default 64.
    pub max_deferred: usize,
    /// How many calls to the client may wait for their answers ([`Context::call`](crate::Context::call),
    /// [`Addr::call`](crate::Addr::call)). One more fails with
    /// [`ClientCallError::TooManyPending`](crate::ClientCallError::TooManyPending). Default 1,024.
    pub max_pending_calls: usize,
    /// How many bytes may wait for the client before reading from it stops. Default 64 KiB.
    pub outbox_high_water: usize,
    /// How many bytes may wait for the client before the connection closes with
    /// [`CloseReason::Overflow`](crate::CloseReason::Overflow). A single message is always
    /// accepted when nothing waits. Default 1 MiB.
    pub outbox_limit: usize,
    /// How many bytes of messages are read ahead while an async method is pending. Default 64 KiB.
    pub read_ahead: usize,
    /// How long a client may take to read the messages before a close frame, and to answer that frame.
    /// Default 5 s.
    pub close_timeout: Duration,
    /// How many bytes a client may send after the server's close frame and before its own. They are read and
    /// discarded, because a socket with unread bytes would be reset, and the client might then miss the close
    /// frame. At most 5 MiB a second are read, and less later. One byte more than the limit resets the
    /// connection; so does `close_timeout`, if it passes first. Default 64 MiB.
    pub discard_limit: usize,
    /// The close codes and texts of the server's own closes. Default [`CloseCodes::DEFAULT`].
    pub close_codes: CloseCodes,
    /// How long a pending async method may continue after the client has closed or disconnected. Then the
    /// method is cancelled. Default 1 s.
    pub cancel_timeout: Duration,
    /// The size of the socket's send buffer in bytes, `SO_SNDBUF`, which the kernel doubles and limits. The
    /// option fixes the size, which the kernel otherwise adapts to the line. `None` for the kernel's choice.
    /// Default `None`.
    pub send_buffer: Option<usize>,
    /// How many bytes the kernel may hold that it has not sent. Default [`UnsentLimit::ByOverflow`].
    pub unsent_limit: UnsentLimit,
    /// The policy for published messages when as many wait as `mailbox` allows, because the handler or its
    /// client is slower than the publishers. Default [`Overflow::Close`].
    pub overflow: Overflow,
    /// The policy for messages of a kind that no method handles. Default [`Unhandled::Ignore`].
    pub unhandled: Unhandled,
    /// The part before the colon of tags that only one connection of this handler may have at a time: with
    /// `Some("user")`, one connection with the tag `user:42`, one with `user:43`, and so on. The bound is for the connections of
    /// one router, and holds also for those that get the tag at the same time. Not empty, and up to 64 bytes.
    /// `None` for no bound. Default `None`.
    pub one_per: Option<&'static str>,
    /// The policy for a second connection with a tag of `one_per`. Default [`OnSecond::Replace`].
    pub on_second: OnSecond,
    /// The subprotocols that the handler supports, the preferred one first (RFC 6455 §1.9). The first one
    /// that the client offers is selected. Without a common subprotocol the connection opens without one.
    pub subprotocols: &'static [&'static str],
    /// The web pages that may connect (RFC 6455 §10.2). Default [`Origins::SameHost`].
    pub origins: Origins,
    /// Whether browsers from before RFC 6455 are supported. They use the handshake and the frames of draft 76
    /// ("hixie-76"), which has text messages only. With [`compress`](Self::compress), the extension
    /// `x-webkit-deflate-frame` is supported too.
    ///
    /// The declared value decides which handshakes are accepted, because that happens before
    /// `#[on_upgrade]`. A value that `#[on_upgrade]` sets applies to the extension only. Default false.
    /// Cowboy supported draft 76 until version 0.8, and still negotiates the extension with Safari.
    pub legacy: bool,
    /// Whether the handler also serves requests other than handshakes, as Bullet did: server-sent events, polling
    /// and POST, for clients behind a proxy without WebSockets. The guide has a chapter about
    /// [fallbacks](crate::guide::fallbacks). Default false.
    pub bullet: bool,
    /// Whether and how a handler outlives its connection: [sessions](crate::guide::sessions). The declared value
    /// decides whether clients may begin a session, because that happens before `#[on_upgrade]`, which may change
    /// the other settings. Without the feature `session` this option has no effect, nor in [`drive`](crate::drive).
    /// In a client it offers sessions to the server. Default `None`.
    pub session: Option<SessionOptions>,
}

impl Options {
    /// The default settings, as a constant for declarations.
    pub const DEFAULT: Self = Self {
        idle_timeout: Some(Duration::from_mins(1)),
        ping_interval: Some(Duration::from_secs(25)),
        pong_timeout: Duration::from_secs(20),
        max_lifetime: None,
        max_message_size: 1 << 20,
        max_frame_size: None,
        max_message_rate: None,
        max_control_rate: Some(1000),
        validate_utf8: true,
        compress: None,
        mailbox: 1024,
        max_deferred: 64,
        max_pending_calls: 1024,
        outbox_high_water: 64 << 10,
        outbox_limit: 1 << 20,
        read_ahead: 64 << 10,
        close_timeout: Duration::from_secs(5),
        discard_limit: 64 << 20,
        close_codes: CloseCodes::DEFAULT,
        cancel_timeout: Duration::from_secs(1),
        send_buffer: None,
        unsent_limit: UnsentLimit::ByOverflow,
        overflow: Overflow::Close,
        unhandled: Unhandled::Ignore,
        one_per: None,
        on_second: OnSecond::Replace,
        subprotocols: &[],
        origins: Origins::SameHost,
        legacy: false,
        bullet: false,
        session: None,
    };
}

impl Default for Options {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The policy for messages of a kind that no method handles.
///
/// With `#[websocket(unhandled = close)]` and without `#[on_binary]`, a binary message closes the connection:
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// # #[websocket(path = "/", unhandled = close)] #[derive(Default)] struct Chat;
/// #[websocket]
/// impl Chat {
///     #[on_text]
///     fn text(&mut self, _: &str) {}
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let mut client = TestClient::open(Chat).await;
/// client.send(vec![1, 2, 3]).await;
/// assert_eq!(client.closed().await.code, CloseCode::Unsupported);
/// assert_eq!(client.close_reason().await, CloseReason::Unsupported);
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unhandled {
    /// The message is dropped, like in the last clause of a Cowboy handler.
    #[default]
    Ignore,
    /// The message closes the connection with 1003 (`unhandled = close`).
    Close,
}

/// The policy for published messages when as many wait as `mailbox` allows.
///
/// A publisher never waits for a subscriber, and subscribers do not wait for each other. A subscriber that is
/// too slow therefore misses messages, or its connection closes. `#[on_lagged]` receives the number of missed
/// messages.
///
/// A connection receives no published messages while at least `outbox_high_water` bytes wait for its client.
/// With a policy that drops, it receives none while the client's socket takes no bytes, see [`UnsentLimit`].
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// use ws_core::Overflow;
///
/// #[websocket(path = "/prices", overflow = latest)]
/// struct Prices;
///
/// #[websocket]
/// impl Prices {
///     /// A bookkeeping client must not miss a price.
///     #[on_upgrade]
///     fn join(headers: HeaderMap) -> Upgrade<Self> {
///         Upgrade::new(Prices).options(|options| {
///             assert_eq!(options.overflow, Overflow::Latest);
///             if headers.contains_key("x-every-price") {
///                 options.overflow = Overflow::Close;
///             }
///         })
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// # assert!(TestClient::<Prices>::upgrade("/prices").header("x-every-price", "1").open().await.is_ok());
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// The connection closes with [`CloseReason::Overflow`](crate::CloseReason::Overflow), so that no message
    /// is missed silently (`overflow = close`).
    #[default]
    Close,
    /// The oldest waiting message is dropped (`overflow = drop_oldest`).
    DropOldest,
    /// The new message is dropped (`overflow = drop_newest`).
    DropNewest,
    /// Only the newest message of each topic waits, even if more would fit. Suitable for prices and positions
    /// (`overflow = latest`).
    Latest,
}

/// The values of the `Origin` header that a handshake may have.
///
/// A handshake without that header does not come from a browser, and is always accepted.
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// #[websocket(path = "/", origins = ["https://app.example"])]
/// #[derive(Default)]
/// struct Chat;
/// # #[websocket] impl Chat { #[on_text] fn text(&mut self, _: &str) {} }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let from = |origin| TestClient::<Chat>::upgrade("/").header("origin", origin).open();
/// assert!(from("https://app.example").await.is_ok());
/// assert_eq!(from("https://evil.example").await.unwrap_err().status, StatusCode::FORBIDDEN);
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Origins {
    /// Pages from the host of the request itself (`Host`, or `:authority` in HTTP/2). `localhost`,
    /// `127.0.0.1` and `[::1]` with the same port are one host.
    #[default]
    SameHost,
    /// Like [`SameHost`](Self::SameHost), and pages from any port of the client's own machine
    /// (`origins = localhost`), for a development server: `localhost`, names that end with `.localhost`,
    /// 127.0.0.0/8 and `[::1]`.
    Localhost,
    /// Pages from these origins, each in the form that browsers send: `https://example.com`
    /// (`origins = ["https://example.com"]`).
    List(&'static [&'static str]),
    /// Pages from anywhere (`origins = any`).
    Any,
}

#[cfg(test)]
mod tests;
