//! The limits of a server, as methods of the router.

mod trusted_proxies;

use std::sync::Arc;
use std::time::Duration;

use super::Router;
use super::drain::Drain;
use super::refusal::RefusalLog;
use super::static_files::StaticFiles;
use crate::connections::ConnectionLimits;
#[cfg(feature = "inspect")]
use crate::inspect::MountedHandler;
use trusted_proxies::TrustedProxies;
pub(crate) use trusted_proxies::UnixPeer;

/// The longest timeout. Adding a longer one to the current time could overflow.
const MAX_TIMEOUT: Duration = Duration::from_hours(365 * 24);

/// The greatest limit of header lines. A `HeaderMap` cannot hold many more, and panics.
const MAX_HEADERS: usize = 16_384;

/// The limits of a server.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) connections: ConnectionLimits,
    pub(crate) handshake_timeout: Duration,
    /// How long a client may take no byte of a response.
    pub(crate) response_timeout: Duration,
    pub(crate) max_header_size: usize,
    pub(crate) max_headers: usize,
    pub(crate) shutdown_timeout: Duration,
    pub(crate) trusted_proxies: TrustedProxies,
    /// The proxies whose connections begin with a header of the PROXY protocol.
    #[cfg(feature = "proxy-protocol")]
    pub(crate) proxy_protocol: TrustedProxies,
    pub(crate) drain: Drain,
    /// Number of threads that run connections; 0 runs them on the runtime. `None` is for the server to decide.
    pub(crate) workers: Option<usize>,
    /// Whether a handler has no async methods.
    pub(crate) has_sync_handlers: bool,
    /// Length of the accept queue of a listener that `serve` binds.
    pub(crate) backlog: u32,
    /// Whether other servers may listen on the same port.
    pub(crate) reuse_port: bool,
    /// The log of refused handshakes, which has a limit too.
    pub(super) refusals: Arc<RefusalLog>,
    /// The files beside the handlers: [`Router::client_script`], and the documentation of a contract.
    pub(crate) files: StaticFiles,
    /// The handlers, as an inspector shows them.
    #[cfg(feature = "inspect")]
    pub(super) mounted: Arc<Vec<MountedHandler>>,
    /// Whether the files describe all handlers, so that no handler may follow.
    #[cfg(feature = "contract")]
    pub(crate) is_documented: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connections: ConnectionLimits::new(65_536),
            handshake_timeout: Duration::from_secs(10),
            response_timeout: Duration::from_secs(30),
            max_header_size: 16 << 10,
            max_headers: 100,
            shutdown_timeout: Duration::from_secs(10),
            trusted_proxies: TrustedProxies::default(),
            #[cfg(feature = "proxy-protocol")]
            proxy_protocol: TrustedProxies::default(),
            drain: Drain::default(),
            workers: None,
            has_sync_handlers: false,
            backlog: 4096,
            reuse_port: false,
            refusals: Arc::default(),
            files: StaticFiles::default(),
            #[cfg(feature = "inspect")]
            mounted: Arc::default(),
            #[cfg(feature = "contract")]
            is_documented: false,
        }
    }
}

impl<S: Send + Sync + 'static> Router<S> {
    /// Limits the connections that are open at a time. A handshake above the limit gets 503. Default: 65,536.
    ///
    /// ```
    /// # use ws_core::prelude::*;
    /// # #[websocket(path = "/echo")] #[derive(Default)] struct Echo;
    /// # #[websocket] impl Echo { #[on_text] fn echo(&mut self, text: String) -> String { text } }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let mut router = Router::new().mount::<Echo>().max_connections(0);
    /// let handshake = hyper::Request::get("/echo")
    ///     .header("host", "localhost")
    ///     .header("connection", "upgrade")
    ///     .header("upgrade", "websocket")
    ///     .header("sec-websocket-version", "13")
    ///     .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
    ///     .body(String::new());
    /// let answer = tower_service::Service::call(&mut router, handshake.unwrap()).await.unwrap();
    /// assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    /// # }
    /// ```
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.settings.connections.connections = connections;
        self
    }

    /// Limits the connections that are open at a time from one address. A handshake above the limit gets
    /// 429. IPv6 addresses with the same first 64 bits count as one, because one subscriber owns them all.
    /// Default: no limit other than [`max_connections`](Self::max_connections).
    ///
    /// The address is the source of the TCP connection, the one in the header of the PROXY protocol, or the one that a
    /// [trusted proxy](Self::trusted_proxies) forwards. Clients behind one other proxy or NAT share an address.
    /// [`serve`](Router::serve) also limits the TCP connections that still speak HTTP, to 32 more than this limit; it
    /// ends new ones above that. Those of trusted proxies are limited only in total. Inside another server, the address is the
    /// [`PeerAddr`](crate::PeerAddr) in the request's extensions; without one, no limit applies.
    ///
    /// ```
    /// # use ws_core::prelude::*;
    /// # #[websocket(path = "/echo")] #[derive(Default)] struct Echo;
    /// # #[websocket] impl Echo { #[on_text] fn echo(&mut self, text: String) -> String { text } }
    /// let router: Router = Router::new().mount::<Echo>().max_connections_per_address(100);
    /// ```
    pub fn max_connections_per_address(mut self, connections: usize) -> Self {
        self.settings.connections.per_address = Some(connections);
        self
    }

    /// Limits the handshakes that are accepted in a second. A handshake above the limit gets 503 with
    /// `Retry-After: 1`, and `#[on_upgrade]` is not called.
    ///
    /// The limit spreads the load after a restart, when all clients reconnect together. A burst of
    /// `per_second` handshakes is accepted at once; after that, one is accepted per `1 / per_second`
    /// seconds. Default: no limit.
    ///
    /// ```
    /// # use ws_core::prelude::*;
    /// # #[websocket(path = "/echo")] #[derive(Default)] struct Echo;
    /// # #[websocket] impl Echo { #[on_text] fn echo(&mut self, text: String) -> String { text } }
    /// let router: Router = Router::new().mount::<Echo>().max_upgrade_rate(500);
    /// ```
    pub fn max_upgrade_rate(mut self, per_second: u32) -> Self {
        self.settings.connections.rate = Some(per_second);
        self
    }

    /// Limits the time from the accepted connection to the response of its first request. The header of the PROXY
    /// protocol, the TLS handshake, the request and `#[on_upgrade]` have this time together. A connection without a
    /// complete request is closed then, and an `#[on_upgrade]` that has not returned is answered with 503. Each later
    /// request of a connection has this time again, and so has each request of HTTP/2. The maximum is one year.
    /// Default: 10 s.
    ///
    /// If the process stands still for a while (`SIGSTOP`, a suspended machine), requests that arrived meanwhile
    /// are still read. Clients then have that time in addition, up to the timeout.
    ///
    /// ```
    /// # use ws_core::prelude::*;
    /// # #[websocket(path = "/echo")] #[derive(Default)] struct Echo;
    /// # #[websocket] impl Echo { #[on_text] fn echo(&mut self, text: String) -> String { text } }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// # use tokio::{io::{AsyncReadExt}, net::{TcpListener, TcpStream}};
    /// # let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    /// # let addr = listener.local_addr().unwrap();
    /// let router = Router::new().mount::<Echo>().handshake_timeout(Duration::from_millis(50));
    /// # tokio::spawn(router.serve_listener(listener, std::future::pending()));
    /// let mut silent = TcpStream::connect(addr).await.unwrap();
    /// let mut answer = Vec::new();
    /// silent.read_to_end(&mut answer).await.unwrap(); // The server ends the connection.
    /// assert!(!answer.starts_with(b"HTTP/1.1 101"));
    /// # }
    /// ```
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.settings.handshake_timeout = timeout.min(MAX_TIMEOUT);
        self
    }

    /// Limits how long a client may take no byte of a response that [`serve`](Router::serve) sends: a page of the
    /// [`fallback`](Self::fallback), server-sent events, or a poll. After that time the connection ends, over HTTP/2
    /// the stream. The time begins again with each byte that the client's system takes. The time in which the
    /// fallback makes the page does not count. The maximum is one year. Default: 30 s.
    ///
    /// A WebSocket has limits of its own; see [flow control](crate::guide::flow_control).
    ///
    /// ```
    /// # use ws_core::prelude::*;
    /// # #[websocket(path = "/echo")] #[derive(Default)] struct Echo;
    /// # #[websocket] impl Echo { #[on_text] fn echo(&mut self, text: String) -> String { text } }
    /// let pages = axum::Router::new().fallback(async || "x".repeat(10_000_000));
    /// let router = Router::new().mount::<Echo>().fallback(pages);
    /// let router: Router = router.response_timeout(Duration::from_secs(10));
    /// ```
    pub fn response_timeout(mut self, timeout: Duration) -> Self {
        self.settings.response_timeout = timeout.min(MAX_TIMEOUT);
        self
    }

    /// Limits the bytes of a request's head that [`serve`](Router::serve) reads. A larger head gets 431, or 414
    /// if its first line alone is larger (RFC 9112 §3). Later requests on a connection of HTTP/1.1, and those
    /// of HTTP/2, get 431 in both cases. Default: 16 KiB.
    ///
    /// The number of lines has a limit of its own: [`max_headers`](Self::max_headers).
    ///
    /// ```
    /// # use ws_core::prelude::*;
    /// # #[websocket(path = "/echo")] #[derive(Default)] struct Echo;
    /// # #[websocket] impl Echo { #[on_text] fn echo(&mut self, text: String) -> String { text } }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// # use tokio::{io::{AsyncReadExt, AsyncWriteExt}, net::{TcpListener, TcpStream}};
    /// # let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    /// # let addr = listener.local_addr().unwrap();
    /// let router = Router::new().mount::<Echo>().max_header_size(32 << 10);
    /// # tokio::spawn(router.serve_listener(listener, std::future::pending()));
    /// # let mut client = TcpStream::connect(addr).await.unwrap();
    /// # let head = format!("GET / HTTP/1.1\r\nhost: localhost\r\nx-long: {}", "x".repeat(40 << 10));
    /// # client.write_all(head.as_bytes()).await.unwrap();
    /// # let mut answer = [0; 12];
    /// # client.read_exact(&mut answer).await.unwrap();
    /// # assert_eq!(&answer, b"HTTP/1.1 431");
    /// # }
    /// ```
    pub fn max_header_size(mut self, bytes: usize) -> Self {
        self.settings.max_header_size = bytes;
        self
    }

    /// Limits the header lines of a request that [`serve`](Router::serve) reads. A request with more gets 431
    /// (RFC 6585 §5). The maximum is 16,384. Default: 100.
    ///
    /// Browsers send about 20 lines, but a proxy may add some, and split cookies are one line each over
    /// HTTP/2.
    ///
    /// ```
    /// # use ws_core::prelude::*;
    /// # #[websocket(path = "/echo")] #[derive(Default)] struct Echo;
    /// # #[websocket] impl Echo { #[on_text] fn echo(&mut self, text: String) -> String { text } }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// # use tokio::{io::{AsyncReadExt, AsyncWriteExt}, net::{TcpListener, TcpStream}};
    /// # let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    /// # let addr = listener.local_addr().unwrap();
    /// let router = Router::new().mount::<Echo>().max_headers(20);
    /// # tokio::spawn(router.serve_listener(listener, std::future::pending()));
    /// # let mut client = TcpStream::connect(addr).await.unwrap();
    /// # let head = format!("GET /echo HTTP/1.1\r\nhost: localhost\r\n{}\r\n", "x: y\r\n".repeat(20));
    /// # client.write_all(head.as_bytes()).await.unwrap();
    /// # let mut answer = [0; 12];
    /// # client.read_exact(&mut answer).await.unwrap();
    /// # assert_eq!(&answer, b"HTTP/1.1 431");
    /// # }
    /// ```
    pub fn max_headers(mut self, lines: usize) -> Self {
        self.settings.max_headers = lines.min(MAX_HEADERS);
        self
    }

    /// Sets how many threads run connections over plain TCP and nothing else. A message costs about a third of the
    /// instructions there that it costs on the runtime. 0 runs all connections on the runtime.
    ///
    /// Without a call, [`serve`](Router::serve) and the other methods of its kind start one thread for each core, and
    /// run the connections of handlers without `async` methods there. The others run on the runtime. A runtime with one
    /// thread gets no others: a program that has chosen it has reasons, and a test can pause its clock. With a call,
    /// the threads run the connections of all handlers.
    ///
    /// A new connection goes to the thread with the fewest connections and stays there. One more thread
    /// accepts connections. What a thread does not run is on the runtime: sessions, TLS, HTTP/2, the
    /// [`fallback`](Self::fallback), requests that arrive in several parts.
    ///
    /// The runtime that calls `serve` must run as long as the server, because it also drives the timers of connections,
    /// the tasks that methods spawn, and the timers and sockets that methods create. Methods have its context.
    ///
    /// A method that blocks delays all connections of its thread, and so does `#[on_upgrade]`: no other thread takes
    /// them over. A method that holds its thread for more than 100 ms is logged once, with its name. A method
    /// that awaits ready futures for long delays them too. On a runtime with several threads fewer
    /// connections wait, and tokio's coop budget interrupts the second kind of method.
    ///
    /// ```
    /// # use ws_core::prelude::*;
    /// # #[websocket(path = "/echo")] #[derive(Default)] struct Echo;
    /// # #[websocket] impl Echo { #[on_text] fn echo(&mut self, text: String) -> String { text } }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let router = Router::new().mount::<Echo>().workers(2);
    /// assert!(router.serve_with_shutdown("127.0.0.1:0", async {}).await.is_ok());
    /// # }
    /// ```
    pub fn workers(mut self, threads: usize) -> Self {
        self.settings.workers = Some(threads);
        self
    }

    /// Sets how many connections wait until the server accepts them, if [`serve`](Router::serve) opens the
    /// listener. Default: 4,096.
    ///
    /// The kernel drops the SYN of a client that finds the queue full, and the client sends its SYN again
    /// after a second. The queue therefore bounds how many clients can connect at once. The kernel has its
    /// own maximum, on Linux `net.core.somaxconn` (4,096), and lowers a greater value to it without an
    /// error. The backlog of [`serve_listener`](Self::serve_listener) is that of the caller's listener. The
    /// argument is that of `listen(2)`.
    ///
    /// ```
    /// # use ws_core::prelude::*;
    /// # #[websocket(path = "/echo")] #[derive(Default)] struct Echo;
    /// # #[websocket] impl Echo { #[on_text] fn echo(&mut self, text: String) -> String { text } }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let router = Router::new().mount::<Echo>().backlog(16_384); // With `sysctl net.core.somaxconn=16384`.
    /// assert!(router.serve_with_shutdown("127.0.0.1:0", async {}).await.is_ok());
    /// # }
    /// ```
    pub fn backlog(mut self, connections: u32) -> Self {
        self.settings.backlog = connections;
        self
    }

    /// Lets several servers listen on the same port (`SO_REUSEPORT`), so that a new process listens before an old one
    /// stops. All of them need the option, and the same user. The kernel divides new clients among them. Default:
    /// off; on systems other than Unix, such a server is an [`Error::Bind`](crate::Error::Bind).
    ///
    /// On Linux, a client whose handshake of TCP is under way while a server closes its listener is reset, unless
    /// `net.ipv4.tcp_migrate_req` is 1 (Linux 5.14), which moves it to another server. With an inherited listener
    /// (`Listener::inherited`, feature `socket-activation`) no client is lost in any case. macOS gives all clients to
    /// one of the servers. The option of [`serve_listener`](Self::serve_listener) is that of the caller's listener.
    ///
    /// ```
    /// # use ws_core::prelude::*;
    /// # #[websocket(path = "/echo")] #[derive(Default)] struct Echo;
    /// # #[websocket] impl Echo { #[on_text] fn echo(&mut self, text: String) -> String { text } }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let router = || Router::new().mount::<Echo>().reuse_port(true);
    /// # let probe = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    /// # let addr = probe.local_addr().unwrap();
    /// # drop(probe);
    /// let old = tokio::spawn(router().serve(addr));
    /// # tokio::task::yield_now().await;
    /// assert!(router().serve_with_shutdown(addr, async {}).await.is_ok());
    /// # old.abort();
    /// # }
    /// ```
    pub fn reuse_port(mut self, is_allowed: bool) -> Self {
        self.settings.reuse_port = is_allowed;
        self
    }

    /// Limits how long connections may take to close when the server shuts down. The maximum is one year.
    /// Default: 10 s.
    ///
    /// ```
    /// # use ws_core::prelude::*;
    /// # #[websocket(path = "/echo")] #[derive(Default)] struct Echo;
    /// # #[websocket] impl Echo { #[on_text] fn echo(&mut self, text: String) -> String { text } }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let router = Router::new().mount::<Echo>().shutdown_timeout(Duration::from_secs(1));
    /// let before = std::time::Instant::now();
    /// router.serve_with_shutdown("127.0.0.1:0", async {}).await.unwrap();
    /// assert!(before.elapsed() < Duration::from_secs(1)); // No connection was open.
    /// # }
    /// ```
    pub fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.settings.shutdown_timeout = timeout.min(MAX_TIMEOUT);
        self
    }
}
