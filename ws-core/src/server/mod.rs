//! The server: a router on a TCP listener, with or without TLS.

mod acceptor;
mod handshake;
mod handshake_timeouts;
mod http1;
#[cfg(feature = "http2")]
mod http2;
mod listener;
mod peer;
mod protocol;
#[cfg(feature = "proxy-protocol")]
mod proxy_protocol;
mod request_head;
mod run;
#[cfg(feature = "signal")]
mod signal;
#[cfg(feature = "tls")]
mod tls;
#[cfg(unix)]
mod unix;

use std::fmt::Display;
use std::future::{self, Future};
#[cfg(feature = "tls")]
use std::path::Path;

pub use listener::Listener;
use peer::Security;
use run::{bind_and_serve, run_server};
#[cfg(feature = "signal")]
pub use signal::shutdown_signal;
#[cfg(feature = "tls")]
pub use tls::Tls;
use tokio::net::TcpListener;

use crate::error::Result;
use crate::router::{ReadyRouter, Router};

impl<S> Router<S>
where
    Self: ReadyRouter, // Not on the methods, whose futures would repeat the error of a missing state.
{
    /// Serves the router on an address (`"127.0.0.1:8080"`, `"localhost:8080"`, a `SocketAddr`)
    /// until the future is dropped. The connections then end in the background, like those of
    /// [`serve_with_shutdown`](Self::serve_with_shutdown).
    ///
    /// # Errors
    ///
    /// [`Error::Address`](crate::Error::Address) or [`Error::Bind`](crate::Error::Bind) if the server
    /// cannot listen on the address. [`Error::Workers`](crate::Error::Workers) if the system has no
    /// threads for the [`workers`](Self::workers). An error of one connection does not end the server.
    ///
    /// ```no_run
    /// # use ws_core::prelude::*;
    /// # #[websocket(path = "/")] #[derive(Default)] struct Echo;
    /// # #[websocket] impl Echo { #[on_text] fn echo(&mut self, text: String) -> String { text } }
    /// #[tokio::main]
    /// async fn main() -> ws_core::Result<()> {
    ///     Router::new().mount::<Echo>().serve("127.0.0.1:8080").await
    /// }
    /// ```
    pub fn serve(self, addr: impl Display) -> impl Future<Output = Result<()>> {
        self.serve_with_shutdown(addr, future::pending())
    }

    /// Serves the router until `shutdown` is ready, and then drains: the server accepts no more
    /// connections, and open ones handle the messages that they have accepted and close with 1001. The
    /// future returns when all have ended, or after the [`shutdown_timeout`](Self::shutdown_timeout).
    ///
    /// Before that, clients that have connected get the response to their first request, within a second. The
    /// kernel would reset those in the queue of the listener.
    ///
    /// # Errors
    ///
    /// Those of [`serve`](Self::serve).
    ///
    /// ```
    /// # use ws_core::prelude::*;
    /// # #[websocket(path = "/")] #[derive(Default)] struct Echo;
    /// # #[websocket] impl Echo { #[on_text] fn echo(&mut self, text: String) -> String { text } }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// # tokio::time::pause();
    /// let stop = tokio::time::sleep(Duration::from_secs(3600)); // Or `tokio::signal::ctrl_c()`.
    /// let server = Router::new().mount::<Echo>().serve_with_shutdown("127.0.0.1:0", stop);
    /// assert!(server.await.is_ok());
    /// # }
    /// ```
    pub fn serve_with_shutdown<F>(self, addr: impl Display, shutdown: F) -> impl Future<Output = Result<()>>
    where
        F: Future<Output = ()>,
    {
        bind_and_serve(self.complete(), addr.to_string(), Security::Plain, shutdown)
    }

    /// Serves the router on a listener until `shutdown` is ready. A listener that was bound to port 0
    /// returns its port from `local_addr`.
    ///
    /// The listener's backlog is the caller's: [`backlog`](Self::backlog) has no effect. `TcpListener::bind`
    /// of tokio has 128; `TcpSocket::listen` takes the number. If the queue is too short, clients that
    /// connect at once wait a second until they send their SYN again.
    ///
    /// # Errors
    ///
    /// [`Error::Workers`](crate::Error::Workers) if the system has no threads for the
    /// [`workers`](Self::workers). An error of one connection does not end the server.
    ///
    /// ```
    /// # use ws_core::prelude::*;
    /// # use tokio::{io::{AsyncReadExt, AsyncWriteExt}, net::{TcpListener, TcpStream}};
    /// # #[websocket(path = "/")] #[derive(Default)] struct Echo;
    /// # #[websocket] impl Echo { #[on_text] fn echo(&mut self, text: String) -> String { text } }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    /// let addr = listener.local_addr().unwrap();
    /// let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    /// let server = Router::new().mount::<Echo>().serve_listener(listener, async { _ = stopped.await });
    /// let server = tokio::spawn(server);
    ///
    /// let mut client = TcpStream::connect(addr).await.unwrap();
    /// client.write_all(b"GET /nowhere HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    /// let mut answer = [0; 12];
    /// client.read_exact(&mut answer).await.unwrap();
    /// assert_eq!(&answer, b"HTTP/1.1 404");
    /// drop(stop);
    /// assert!(server.await.unwrap().is_ok());
    /// # }
    /// ```
    pub fn serve_listener<F>(self, listener: TcpListener, shutdown: F) -> impl Future<Output = Result<()>>
    where
        F: Future<Output = ()>,
    {
        run_server(self.complete(), vec![listener.into()], shutdown)
    }

    /// Serves the router on several listeners until `shutdown` is ready, and then drains like
    /// [`serve_with_shutdown`](Self::serve_with_shutdown). All limits are for the listeners together.
    ///
    /// # Errors
    ///
    /// Those of [`serve_listener`](Self::serve_listener).
    ///
    /// ```
    /// # use ws_core::prelude::*;
    /// use tokio::net::{TcpListener, TcpStream};
    ///
    /// # #[websocket(path = "/")] #[derive(Default)] struct Echo;
    /// # #[websocket] impl Echo { #[on_text] fn echo(&mut self, text: String) -> String { text } }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// # let stop = async {};
    /// let public = TcpListener::bind("127.0.0.1:0").await.unwrap();
    /// let internal = TcpListener::bind("127.0.0.1:0").await.unwrap();
    /// let router = Router::new().mount::<Echo>();
    /// assert!(router.serve_listeners([public.into(), internal.into()], stop).await.is_ok());
    /// # }
    /// ```
    pub fn serve_listeners<F>(
        self,
        listeners: impl IntoIterator<Item = Listener>,
        shutdown: F,
    ) -> impl Future<Output = Result<()>>
    where
        F: Future<Output = ()>,
    {
        run_server(self.complete(), listeners.into_iter().collect(), shutdown)
    }
}

#[cfg(feature = "tls")]
impl<S> Router<S>
where
    Self: ReadyRouter,
{
    /// Like [`serve`](Self::serve), but inside TLS (`https` and `wss`), with a certificate and a key from
    /// PEM files.
    ///
    /// # Errors
    ///
    /// [`Error::Tls`](crate::Error::Tls) if the files do not contain a certificate and its key. Also those
    /// of [`serve`](Self::serve).
    ///
    /// ```no_run
    /// # use ws_core::prelude::*;
    /// # #[websocket(path = "/")] #[derive(Default)] struct Echo;
    /// # #[websocket] impl Echo { #[on_text] fn echo(&mut self, text: String) -> String { text } }
    /// #[tokio::main]
    /// async fn main() -> ws_core::Result<()> {
    ///     Router::new().mount::<Echo>().serve_tls("0.0.0.0:443", "cert.pem", "key.pem").await
    /// }
    /// ```
    pub fn serve_tls(
        self,
        addr: impl Display,
        cert: impl AsRef<Path>,
        key: impl AsRef<Path>,
    ) -> impl Future<Output = Result<()>> {
        self.serve_tls_with_shutdown(addr, cert, key, future::pending())
    }

    /// Serves the router inside TLS until `shutdown` is ready, and then drains like
    /// [`serve_with_shutdown`](Self::serve_with_shutdown).
    ///
    /// # Errors
    ///
    /// Those of [`serve_tls`](Self::serve_tls).
    ///
    /// ```
    /// # use ws_core::prelude::*;
    /// # #[websocket(path = "/")] #[derive(Default)] struct Echo;
    /// # #[websocket] impl Echo { #[on_text] fn echo(&mut self, text: String) -> String { text } }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let stop = async {}; // Or `tokio::signal::ctrl_c()`.
    /// let router = Router::new().mount::<Echo>();
    /// let server = router.serve_tls_with_shutdown("127.0.0.1:0", "no-cert.pem", "no-key.pem", stop);
    /// assert!(matches!(server.await, Err(ws_core::Error::Tls(_))));
    /// # }
    /// ```
    pub fn serve_tls_with_shutdown<F>(
        self,
        addr: impl Display,
        cert: impl AsRef<Path>,
        key: impl AsRef<Path>,
        shutdown: F,
    ) -> impl Future<Output = Result<()>>
    where
        F: Future<Output = ()>,
    {
        let (server, addr, tls) = (self.complete(), addr.to_string(), Tls::load(cert, key));
        async move { bind_and_serve(server, addr, Security::Tls(tls?), shutdown).await }
    }

    /// Serves the router inside TLS on a listener until `shutdown` is ready. The certificate can be
    /// reloaded meanwhile; [`Tls`] has an example.
    ///
    /// # Errors
    ///
    /// Those of [`serve_listener`](Self::serve_listener).
    pub fn serve_tls_listener<F>(
        self,
        listener: TcpListener,
        tls: Tls,
        shutdown: F,
    ) -> impl Future<Output = Result<()>>
    where
        F: Future<Output = ()>,
    {
        run_server(self.complete(), vec![Listener::from(listener).tls(tls)], shutdown)
    }
}

#[cfg(test)]
mod tests;
