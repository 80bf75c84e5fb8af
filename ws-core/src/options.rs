//! What a handler declares about its connections.

mod compress;

use std::time::Duration;

pub use compress::Compress;

/// The settings of a handler's connections, as declared in `#[websocket(…)]`.
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
    /// How long nothing may come from the client before the connection closes with 1000; any byte
    /// counts, pongs included. `None` for no limit. Default 60 s. Cowboy's `idle_timeout`.
    pub idle_timeout: Option<Duration>,
    /// How long nothing may come from the client before it is sent an empty ping, to find out whether
    /// it is still there (RFC 6455 §5.5.2). The answer is a pong, which `#[on_pong]` sees too; any
    /// byte will do. `None` for never. Default `None`.
    pub ping_interval: Option<Duration>,
    /// How long the client may take to answer such a ping before the connection closes with
    /// [`CloseReason::Timeout`](crate::CloseReason::Timeout); what was queued before the ping is read
    /// in that time too. Default 20 s.
    pub pong_timeout: Duration,
    /// How long the connection may last, however busy it is, before it closes with 1001, so that
    /// clients come again and are spread anew. `None` for no limit. Default `None`.
    pub max_lifetime: Option<Duration>,
    /// The largest message a client may send, in bytes, with all its fragments together and
    /// inflated; a larger one closes with 1009 when its header is read, or when it has inflated to
    /// so much. Default 1 MiB. Cowboy's `max_frame_size`.
    pub max_message_size: usize,
    /// The largest data frame a client may send, in bytes of payload as it is on the wire; a larger
    /// one closes with 1009 when its header is read. `None` for no limit but that of the message.
    /// Default `None`. It has no effect in [`drive`](crate::drive), where another library reads the
    /// frames.
    pub max_frame_size: Option<usize>,
    /// How many messages a client may send in a second; one more closes with 1008. As many may come
    /// at once, after which each is allowed as its part of a second passes. What waited because
    /// reading was off is not taken for a burst. `None` for no limit. Default `None`.
    pub max_message_rate: Option<u32>,
    /// How many pings and pongs a client may send in a second; one more closes with 1008. `None`
    /// for no limit. Default 1,000.
    pub max_control_rate: Option<u32>,
    /// Whether text that is not UTF-8 closes with 1007, as RFC 6455 §8.1 demands. Otherwise each
    /// bad sequence reaches the handler as U+FFFD. Default true. Cowboy's `validate_utf8`.
    pub validate_utf8: bool,
    /// Whether messages are compressed with clients that can (permessage-deflate, RFC 7692), and
    /// how. `#[on_upgrade]` may still change it for one connection, as the extension is negotiated
    /// after that. Without the feature `deflate` it has no effect. Default `None`: they are not.
    /// Cowboy's `compress` and `deflate_opts`.
    pub compress: Option<Compress>,
    /// How many messages may wait for the handler, counted when [`Addr::send`](crate::Addr::send)
    /// is called; and how many published ones may wait besides, see `overflow`. Default 1,024.
    pub mailbox: usize,
    /// How many bytes may wait for the client before reading from it stops. Default 64 KiB.
    pub outbox_high_water: usize,
    /// How many bytes may wait for the client before the connection closes with
    /// [`CloseReason::Overflow`](crate::CloseReason::Overflow). A single message is always
    /// accepted when nothing waits. Default 1 MiB.
    pub outbox_limit: usize,
    /// How many bytes of messages are read ahead while an async method is pending. Default 64 KiB.
    pub read_ahead: usize,
    /// How long a client may take to answer a close frame, and to read what was sent before it.
    /// Default 5 s.
    pub close_timeout: Duration,
    /// How long a pending async method may go on once the client has closed or is gone, before it
    /// is dropped. Default 1 s.
    pub cancel_timeout: Duration,
    /// What happens to published messages when as many wait as `mailbox` allows, because the handler
    /// or its client is slower than the publishers. Default [`Overflow::Close`].
    pub overflow: Overflow,
    /// What a message of a kind that no method handles does. Default [`Unhandled::Ignore`].
    pub unhandled: Unhandled,
    /// The subprotocols the handler speaks, the preferred one first (RFC 6455 §1.9). The first
    /// that the client offers is taken; with none in common the connection opens without one.
    pub subprotocols: &'static [&'static str],
    /// Which pages of a browser may connect (RFC 6455 §10.2). Default [`Origins::SameHost`].
    pub origins: Origins,
    /// Whether browsers from before RFC 6455 are served too: the handshake and the frames of draft 76
    /// ("hixie-76"), which knows text only, and, with [`compress`](Self::compress), the extension
    /// `x-webkit-deflate-frame`. Which handshakes are taken is decided before `#[on_upgrade]`, by what
    /// is declared; what `#[on_upgrade]` makes of it counts for the extension. Default false. What
    /// Cowboy had until 0.8, and what it answers Safari.
    pub legacy: bool,
}

impl Options {
    /// The defaults, for declarations to start from.
    pub const DEFAULT: Self = Self {
        idle_timeout: Some(Duration::from_mins(1)),
        ping_interval: None,
        pong_timeout: Duration::from_secs(20),
        max_lifetime: None,
        max_message_size: 1 << 20,
        max_frame_size: None,
        max_message_rate: None,
        max_control_rate: Some(1000),
        validate_utf8: true,
        compress: None,
        mailbox: 1024,
        outbox_high_water: 64 << 10,
        outbox_limit: 1 << 20,
        read_ahead: 64 << 10,
        close_timeout: Duration::from_secs(5),
        cancel_timeout: Duration::from_secs(1),
        overflow: Overflow::Close,
        unhandled: Unhandled::Ignore,
        subprotocols: &[],
        origins: Origins::SameHost,
        legacy: false,
    };
}

impl Default for Options {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What a message of a kind that no method handles does.
///
/// `#[websocket(unhandled = close)]` and no `#[on_binary]`:
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
    /// It is dropped, as by the last clause of a Cowboy handler.
    #[default]
    Ignore,
    /// It closes the connection with 1003 (`unhandled = close`).
    Close,
}

/// What becomes of published messages when as many wait as `mailbox` allows. No publisher waits for
/// a subscriber, and no subscriber for another; so the one that is too slow misses something, or ends.
///
/// What it has missed, `#[on_lagged]` is told. A connection whose client does not read, so that more
/// waits than `outbox_high_water`, takes no published message until it does.
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
///     /// Whoever keeps the books is not to miss one.
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
    /// The connection closes with [`CloseReason::Overflow`](crate::CloseReason::Overflow), so that
    /// nobody misses anything without knowing (`overflow = close`).
    #[default]
    Close,
    /// The oldest message that waits is dropped (`overflow = drop_oldest`).
    DropOldest,
    /// The new message is dropped (`overflow = drop_newest`).
    DropNewest,
    /// Of each topic only the newest message waits, however much room there is: for prices and
    /// positions (`overflow = latest`).
    Latest,
}

/// Which `Origin` a handshake may carry. One without that header comes from no browser and is
/// always accepted.
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
    /// Pages from the host that the request itself names.
    #[default]
    SameHost,
    /// Pages from these origins, each written as a browser sends it: `https://example.com`
    /// (`origins = ["https://example.com"]`).
    List(&'static [&'static str]),
    /// Pages from anywhere (`origins = any`).
    Any,
}

/// What `#[websocket(…)]` says about a handler.
#[derive(Clone, Debug)]
pub struct Declaration {
    /// The pattern of its path; empty if it has none.
    pub path: &'static str,
    /// The settings of its connections.
    pub options: Options,
}

impl Declaration {
    /// Nothing is said.
    pub const DEFAULT: Self = Self { path: "", options: Options::DEFAULT };

    /// A declaration whose options make sense, also together. Those that are literals have been
    /// looked at by the macro.
    ///
    /// # Panics
    ///
    /// If they do not; as this is evaluated while compiling, that is a compile error.
    pub const fn checked(self) -> Self {
        let Options { idle_timeout, ping_interval, max_lifetime, .. } = &self.options;
        let Options { max_message_size, max_frame_size, max_message_rate, max_control_rate, .. } =
            &self.options;
        let Options { compress, mailbox, outbox_high_water, outbox_limit, .. } = &self.options;
        assert!(
            *outbox_high_water <= *outbox_limit,
            "`outbox_high_water` is above `outbox_limit`: reading is to stop before the connection closes",
        );
        assert!(*mailbox > 0, "`mailbox` is zero: it would take no message");
        assert!(*max_message_size > 0, "`max_message_size` is zero: it would take no message");
        assert!(
            !matches!(max_frame_size, Some(0)),
            "`max_frame_size` is zero: write how many bytes, as `16KiB`, or `none`",
        );
        assert!(
            !matches!(max_message_rate, Some(0)),
            "`max_message_rate` is zero: write how many a second, as `100`, or `none`",
        );
        assert!(
            !matches!(max_control_rate, Some(0)),
            "`max_control_rate` is zero: write how many a second, as `100`, or `none`",
        );
        assert!(
            !matches!(idle_timeout, Some(timeout) if timeout.is_zero()),
            "`idle_timeout` is zero: write how long, as `60s`, or `none`",
        );
        assert!(
            !matches!(ping_interval, Some(interval) if interval.is_zero()),
            "`ping_interval` is zero: write how long, as `30s`, or `none`",
        );
        assert!(
            !matches!(max_lifetime, Some(lifetime) if lifetime.is_zero()),
            "`max_lifetime` is zero: write how long, as `1h`, or `none`",
        );
        if let Some(compress) = compress {
            compress.check();
        }
        self
    }

    /// The same, if nothing takes the parameters of the path: there may then be none. `{_name}`
    /// says that one is not to be taken, and `{*rest}` need not be.
    ///
    /// # Panics
    ///
    /// If there are some; as this is evaluated while compiling, that is a compile error.
    pub const fn path_untaken(self) -> Self {
        assert!(
            parameters(self.path).0 == 0,
            "the path has a parameter that no extractor takes: \
             take it with `#[on_upgrade] fn …(Path(name): Path<String>) -> Self`, \
             or call it `{{_name}}` in the path",
        );
        self
    }

    /// The same, if `#[on_upgrade]` takes so many parameters of the path.
    ///
    /// # Panics
    ///
    /// If there are more or fewer; as this is evaluated while compiling, that is a compile error.
    pub const fn path_takes(self, count: usize) -> Self {
        // A path that is given when the handler is mounted is not known here.
        if !self.path.is_empty() {
            let (names, rests) = parameters(self.path);
            assert!(
                names + rests >= count,
                "`Path<…>` takes more parameters than the path has: \
                 write `{{name}}` into the path for each, or take fewer",
            );
            assert!(
                names + rests <= count,
                "the path has more parameters than `Path<…>` takes: \
                 take all of them, as `Path<(String, u32)>`, or call those `{{_name}}` that are not to be taken",
            );
        }
        self
    }
}

/// How many parameters of a path are to be taken: `{name}`, and `{*rest}`.
const fn parameters(path: &str) -> (usize, usize) {
    let path = path.as_bytes();
    let (mut names, mut rests) = (0, 0);
    let mut at = 0;
    while at + 1 < path.len() {
        match (path[at], path[at + 1]) {
            (b'{', b'{') => at += 1,
            (b'{', b'*') => rests += (at + 2 >= path.len() || path[at + 2] != b'_') as usize,
            (b'{', next) => names += (next != b'_') as usize,
            _ => {}
        }
        at += 1;
    }
    (names, rests)
}
