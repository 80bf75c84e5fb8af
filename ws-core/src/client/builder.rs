//! The settings of a client.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::rustls::ClientConfig;

use super::dial::{Dialer, ProxyChoice, http1_only};
use super::error::ConnectError;
use super::exchange::BoxIo;
use super::handshake::HandshakeOffer;
use super::reconnect::{Backoff, Reconnect};
use super::url::ServerUrl;
use crate::envelope::DEFAULT_TIMEOUT;

/// The longest timeout. Adding a longer one to the current time could overflow.
const MAX_TIMEOUT: Duration = Duration::from_secs(u32::MAX as u64);

/// A client: the address of a server, and how to connect and reconnect to it.
///
/// An invalid URL or header is reported when the client runs, as a [`ConnectError`].
///
/// ```
/// use ws_core::client::Client;
/// use ws_core::prelude::*;
///
/// #[websocket(path = "/greet")]
/// #[derive(Default)]
/// struct Greeter;
///
/// #[websocket]
/// impl Greeter {
///     #[on_text]
///     fn greet(&mut self, name: &str) -> String {
///         format!("Hello, {name}!")
///     }
/// }
///
/// /// The handler of the client.
/// #[websocket]
/// struct Guest { name: &'static str, heard: Option<String> }
///
/// #[websocket]
/// impl Guest {
///     #[on_open]
///     fn introduce(&mut self) -> &'static str {
///         self.name
///     }
///     #[on_text]
///     fn heard(&mut self, greeting: String) -> Close {
///         assert_eq!(greeting, "Hello, Ada!");
///         Close::default()
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), ws_core::BoxError> {
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
/// let url = format!("ws://{}/greet", listener.local_addr()?);
/// let stop = std::future::pending();
/// tokio::spawn(Router::new().mount::<Greeter>().serve_listener(listener, stop));
///
/// let client = Client::new(&url).header("user-agent", "guest/1.0").connect_timeout(Duration::from_secs(3));
/// let ended = client.run(|| Guest { name: "Ada", heard: None }).await?;
/// assert_eq!(ended.reason, CloseReason::Stop(Close::default()));
/// assert_eq!(ended.connections, 1);
/// # Ok(()) }
/// ```
pub struct Client {
    pub(super) url: Result<ServerUrl, ConnectError>,
    pub(super) offer: HandshakeOffer,
    /// The first error of a setting.
    pub(super) invalid: Option<ConnectError>,
    pub(super) dialer: Dialer,
    pub(super) connect_timeout: Duration,
    pub(super) shutdown_timeout: Duration,
    pub(super) call_timeout: Duration,
    /// In place of that of the handler.
    pub(super) max_message_size: Option<usize>,
    /// The bytes that a session keeps, in place of those of the handler's declaration.
    pub(super) session: Option<usize>,
    pub(super) policy: Box<dyn Reconnect>,
}

impl Client {
    /// Creates a client for a URL with the scheme `ws` or `wss`.
    pub fn new(url: &str) -> Self {
        Self {
            url: ServerUrl::parse(url),
            offer: HandshakeOffer::default(),
            invalid: None,
            dialer: Dialer::default(),
            connect_timeout: Duration::from_secs(10),
            shutdown_timeout: Duration::from_secs(10),
            call_timeout: DEFAULT_TIMEOUT,
            max_message_size: None,
            session: None,
            policy: Box::new(Backoff::default()),
        }
    }

    /// Adds a header to the handshake, for example `authorization`, `origin` or `user-agent`. `host` replaces the
    /// one from the URL, and `sec-websocket-protocol` is the same as [`subprotocol`](Self::subprotocol).
    ///
    /// Headers that belong to the handshake or to a body are the client's: `Connection`, `Upgrade`,
    /// `Content-Length`, `Transfer-Encoding`, and those that begin with `Sec-WebSocket-`. For them, and for an
    /// invalid name or value, the client reports [`ConnectError::Header`].
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let added = self.offer.header(name, value);
        self.check(added)
    }

    /// Offers a subprotocol (RFC 6455 §1.9), after those of earlier calls.
    ///
    /// Without a call, the client offers the `subprotocols` of the handler's declaration. As in browsers, the
    /// connection fails with [`ConnectError::Handshake`] if the server selects none of the offers.
    /// [`Context::subprotocol`](crate::Context::subprotocol) returns the selected one.
    pub fn subprotocol(mut self, name: &str) -> Self {
        let added = self.offer.subprotocol(name);
        self.check(added)
    }

    /// Connects over a proxy, with `CONNECT` (RFC 9110 §9.3.6), in place of the environment's.
    ///
    /// The URL has the scheme `http` or `https`, and may have a user and a password:
    /// `http://user:secret@proxy.example:3128`. By default, the environment names the proxy: `HTTPS_PROXY` for `wss`,
    /// `HTTP_PROXY` for `ws`, `ALL_PROXY` for both, and `NO_PROXY` for exceptions, with the rules of curl.
    pub fn proxy(mut self, url: &str) -> Self {
        self.dialer.proxy = ProxyChoice::Url(url.to_owned());
        self
    }

    /// Connects without a proxy, whatever the environment says.
    pub fn no_proxy(mut self) -> Self {
        self.dialer.proxy = ProxyChoice::None;
        self
    }

    /// Sets the configuration of TLS: certificate authorities, client certificates. Default: Mozilla's authorities
    /// (`webpki-roots`), TLS 1.2 and 1.3, no client certificate.
    ///
    /// The configuration also applies to a proxy with the scheme `https`. Its ALPN protocols are replaced by
    /// HTTP/1.1.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use ws_core::client::{Client, rustls};
    ///
    /// # let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap().cert;
    /// let mut roots = rustls::RootCertStore::empty();
    /// roots.add(own.der().clone()).unwrap();
    /// let provider = Arc::new(rustls::crypto::ring::default_provider());
    /// let config = rustls::ClientConfig::builder_with_provider(provider)
    ///     .with_safe_default_protocol_versions()
    ///     .unwrap()
    ///     .with_root_certificates(roots)
    ///     .with_no_client_auth();
    /// let client = Client::new("wss://localhost:8443/").tls(config);
    /// # drop(client);
    /// ```
    pub fn tls(mut self, config: ClientConfig) -> Self {
        self.dialer.tls = Some(http1_only(config));
        self
    }

    /// Sets how long an attempt to connect may take, from the first packet to the server's 101, or to the object
    /// that begins a session. Default 10 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout.min(MAX_TIMEOUT);
        self
    }

    /// Sets how long methods may run after the signal of [`run_with_shutdown`](Self::run_with_shutdown). Default
    /// 10 s, as for a server.
    pub fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.shutdown_timeout = timeout.min(MAX_TIMEOUT);
        self
    }

    /// Sets how long a call of a typed client waits for its answer. Default 30 s.
    ///
    /// Calls of a handler have [`PendingCall::timeout`](crate::PendingCall::timeout).
    pub fn call_timeout(mut self, timeout: Duration) -> Self {
        self.call_timeout = timeout.min(MAX_TIMEOUT);
        self
    }

    /// Sets the length in bytes of the longest message that the server may send, in place of the handler's
    /// `max_message_size`. A longer one closes the connection with 1009. The default of a typed client is 1 MiB.
    pub fn max_message_size(mut self, bytes: usize) -> Self {
        self.max_message_size = Some(bytes);
        self
    }

    /// Offers the server a [session](crate::guide::sessions), which outlives its connections: the handler goes on, and
    /// each message arrives once and in order, in both directions. The default is the option `session` of the handler's
    /// declaration. A server without sessions is used without one.
    ///
    /// At least `buffer` bytes of messages are kept until the server acknowledges them, and at least as many as the server
    /// keeps, up to 16 MiB. A larger message is kept if it is alone, and a message in parts goes on once it has begun. While
    /// there is no room, further messages wait in the outbox.
    ///
    /// After a lost connection, `#[on_detach]` runs, and the client connects again as its policy says. If the server still
    /// has the session, `#[on_attach]` runs. Otherwise the handler ends with
    /// [`CloseReason::Superseded`](crate::CloseReason::Superseded), and a new one begins on the new connection. A client
    /// without a connection for as long as the server waits ends the handler with
    /// [`CloseReason::ConnectionLost`](crate::CloseReason::ConnectionLost).
    ///
    /// ```
    /// # use ws_core::prelude::*;
    /// use ws_core::client::Client;
    /// # #[websocket(path = "/echo", session)] #[derive(Default)] struct Echo;
    /// # #[websocket] impl Echo { #[on_text] fn echo(&mut self, text: String) -> (String, Close) { (text, 1000.into()) } }
    ///
    /// #[websocket]
    /// #[derive(Default)]
    /// struct Feed;
    ///
    /// #[websocket]
    /// impl Feed {
    ///     #[on_open]
    ///     fn open(&mut self) -> &'static str {
    ///         "hello"
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), ws_core::BoxError> {
    /// # let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    /// # let url = format!("ws://{}/echo", listener.local_addr()?);
    /// # tokio::spawn(Router::new().mount::<Echo>().serve_listener(listener, std::future::pending()));
    /// let ended = Client::new(&url).session(256 << 10).run(Feed::default).await?;
    /// assert_eq!(ended.reason, CloseReason::Remote(Some(Close::default())));
    /// # Ok(()) }
    /// ```
    pub fn session(mut self, buffer: usize) -> Self {
        self.session = Some(buffer);
        self
    }

    /// Sets the policy for connections that end, and for attempts that fail. Default: [`Backoff::default`].
    pub fn reconnect(mut self, policy: impl Reconnect + 'static) -> Self {
        self.policy = Box::new(policy);
        self
    }

    /// Connects with a function that returns a byte stream, in place of TCP and the proxy: a Unix socket, a tunnel,
    /// or a stream in memory for a test. With a `wss` URL, TLS runs over that stream.
    ///
    /// This server in memory refuses the first connection. On the paused clock, the delay takes no time:
    ///
    /// ```
    /// use std::io;
    /// use std::sync::atomic::{AtomicU32, Ordering};
    /// use ws_core::client::Client;
    /// use ws_core::tokio_tungstenite::accept_async;
    /// # use ws_core::prelude::*;
    /// # #[websocket] #[derive(Default)] struct Server;
    /// # #[websocket] impl Server { #[on_text] fn text(&mut self, _: &str) -> Close { Close::default() } }
    /// # #[websocket] #[derive(Default)] struct Feed;
    /// # #[websocket] impl Feed { #[on_open] fn open(&mut self) -> &'static str { "hello" } }
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
    /// let attempts = AtomicU32::new(0);
    /// let client = Client::new("ws://feed.test/").connector(move || {
    ///     let is_first = attempts.fetch_add(1, Ordering::Relaxed) == 0;
    ///     async move {
    ///         let (client, server) = tokio::io::duplex(1024);
    ///         if is_first {
    ///             return Err(io::ErrorKind::ConnectionRefused.into());
    ///         }
    ///         tokio::spawn(async { ws_core::drive(Server, accept_async(server).await.unwrap()).await });
    ///         Ok(client)
    ///     }
    /// });
    /// let ended = client.run(Feed::default).await.unwrap();
    /// assert_eq!((ended.attempts, ended.connections), (2, 1));
    /// # }
    /// ```
    pub fn connector<F, S>(mut self, connect: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = io::Result<S>> + Send + 'static,
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        self.dialer.connector = Some(Arc::new(move || {
            let connecting = connect();
            Box::pin(async move { Ok(Box::new(connecting.await?) as BoxIo) })
        }));
        self
    }

    fn check(mut self, result: Result<(), ConnectError>) -> Self {
        self.invalid = self.invalid.or(result.err());
        self
    }
}

/// Omits the headers, and the path with its query, which may contain secrets.
impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let server = self.url.as_ref().map(|url| &*url.authority);
        f.debug_struct("Client")
            .field("server", &server)
            .field("dialer", &self.dialer)
            .finish_non_exhaustive()
    }
}
