//! The limits of a server.

use std::time::Duration;

use super::Router;
use crate::driver::ConnectionLimits;

/// A time that is not reached: what is longer than this no clock could add.
const MAX_TIMEOUT: Duration = Duration::from_hours(365 * 24);

/// The limits of a server.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) connections: ConnectionLimits,
    pub(crate) handshake_timeout: Duration,
    pub(crate) max_header_size: usize,
    pub(crate) shutdown_timeout: Duration,
    /// Threads that run connections; none means that the runtime does.
    pub(crate) workers: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connections: ConnectionLimits::new(65_536),
            handshake_timeout: Duration::from_secs(10),
            max_header_size: 16 << 10,
            shutdown_timeout: Duration::from_secs(10),
            workers: 0,
        }
    }
}

impl<S: Send + Sync + 'static> Router<S> {
    /// The most connections that may be open at a time; a handshake beyond gets 503. Default
    /// 65,536.
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

    /// The most connections that may be open at a time from one address; a handshake beyond gets
    /// 429. Of an IPv6 address the first 64 bits count, which are one subscriber's. Default: no
    /// limit but [`max_connections`](Self::max_connections).
    ///
    /// The address is that of the TCP connection: behind a proxy it is the proxy's, and people
    /// behind one NAT share theirs. [`serve`](Router::serve) also ends TCP connections that come
    /// while as many from the address, and 32 more, speak HTTP. Inside another server
    /// the address is what a [`PeerAddr`](crate::PeerAddr) in the request's extensions says; without
    /// one, nothing is counted.
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

    /// How many handshakes are accepted in a second; one more gets 503 with `Retry-After: 1`, before
    /// `#[on_upgrade]` is asked. As many may come at once, after which each is accepted as its part
    /// of a second passes: the clients of a server that was restarted all come back together.
    /// Default: no limit.
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

    /// How long a client may take to send its request, and `#[on_upgrade]` to answer it; at most a
    /// year. Default 10 s.
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

    /// The most bytes that the head of a request may have when [`serve`](Router::serve) reads it;
    /// a larger one gets 431. Default 16 KiB.
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

    /// Threads that [`serve`](Router::serve) starts for connections over plain TCP, and for nothing
    /// else. Each connection stays on the thread that had the fewest when it came, and a message costs
    /// a third of the instructions that it costs on a runtime. Default 0: the runtime's
    /// threads share them, and take over from each other.
    ///
    /// What methods spawn, and their timers and sockets, is the runtime's that `serve` is called on,
    /// as are TLS, HTTP/2, the [`fallback`](Self::fallback), and requests that do not come whole; it is to run as long as
    /// the server does, for the clocks of connections are its too. A method that blocks, or that awaits
    /// what is always ready for long, holds up all connections of its thread, where a runtime with several
    /// threads would hold up fewer and has a budget for the second; `#[on_upgrade]` is such a method. One
    /// more thread accepts connections. So this is for many
    /// connections that each do little; as many threads as there are cores, less what the runtime
    /// has to do, is a good number.
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
        self.settings.workers = threads;
        self
    }

    /// How long connections get to end when the server shuts down; at most a year. Default 10 s.
    ///
    /// ```
    /// # use ws_core::prelude::*;
    /// # #[websocket(path = "/echo")] #[derive(Default)] struct Echo;
    /// # #[websocket] impl Echo { #[on_text] fn echo(&mut self, text: String) -> String { text } }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let router = Router::new().mount::<Echo>().shutdown_timeout(Duration::from_secs(1));
    /// let before = std::time::Instant::now();
    /// router.serve_with_shutdown("127.0.0.1:0", async {}).await.unwrap();
    /// assert!(before.elapsed() < Duration::from_secs(1)); // Nobody was there to wait for.
    /// # }
    /// ```
    pub fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.settings.shutdown_timeout = timeout.min(MAX_TIMEOUT);
        self
    }
}
