//! A router on a TCP listener.

mod acceptor;
mod handshake;
mod handshake_timeouts;
mod http1;
#[cfg(feature = "http2")]
mod http2;
mod protocol;
mod request_head;
#[cfg(feature = "tls")]
mod tls;

use std::fmt::Display;
use std::future::{self, Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use acceptor::{Acceptor, Listener};
use handshake_timeouts::SharedTimer;
use protocol::Security;
#[cfg(feature = "tls")]
pub use tls::Tls;
use tokio::net::{TcpListener, lookup_host};

use crate::driver::{ConnectionTracker, now};
use crate::error::{Error, Result};
use crate::router::{ReadyRouter, Router};
use crate::worker::Workers;

/// How long to wait after the system could not give us a connection, as when there are no more
/// file descriptors.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);

impl<S> Router<S> {
    /// Serves the router on an address (`"127.0.0.1:8080"`, `"localhost:8080"`, a `SocketAddr`)
    /// until the future is dropped. Its connections then end as by
    /// [`serve_with_shutdown`](Self::serve_with_shutdown), in the background.
    ///
    /// # Errors
    ///
    /// [`Error::Address`] or [`Error::Bind`], if the address cannot be listened on;
    /// [`Error::Workers`], if there are to be [`workers`](Self::workers) and the system gives none.
    /// Whatever happens to a connection is not the server's error.
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
    pub fn serve(self, addr: impl Display) -> impl Future<Output = Result<()>>
    where
        Self: ReadyRouter,
    {
        bind_and_serve(self.complete(), addr.to_string(), future::pending())
    }

    /// Serves the router until `shutdown` is ready. No more connections are accepted then, those
    /// that are open handle what they have accepted and end with 1001, and it returns when they
    /// have ended, or after the [`shutdown_timeout`](Self::shutdown_timeout).
    ///
    /// # Errors
    ///
    /// As [`serve`](Self::serve).
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
        Self: ReadyRouter,
    {
        bind_and_serve(self.complete(), addr.to_string(), shutdown)
    }

    /// Serves the router on a listener, which knows its own port if it was bound to port 0, until
    /// `shutdown` is ready.
    ///
    /// # Errors
    ///
    /// [`Error::Workers`], if there are to be [`workers`](Self::workers) and the system gives none.
    /// Whatever happens to a connection is not the server's error.
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
        Self: ReadyRouter,
    {
        run_server(self.complete(), listener, Security::Plain, shutdown)
    }
}

async fn bind_and_serve(server: Router, addr: String, shutdown: impl Future<Output = ()>) -> Result<()> {
    let listener = bind(&addr).await?;
    run_server(server, listener, Security::Plain, shutdown).await
}

/// Serves until the future is ready, then drains.
async fn run_server(
    mut server: Router,
    listener: TcpListener,
    security: Security,
    shutdown: impl Future<Output = ()>,
) -> Result<()> {
    if server.settings.workers > 0 {
        let workers = Workers::start(server.settings.workers).map_err(|source| Error::Workers { source })?;
        server.workers = Some(Arc::new(workers));
    }
    let server = Arc::new(server);
    let acceptor = Acceptor::new(Arc::clone(&server), security);
    // Dropping the guard, on return or with the future, ends everything.
    let guard = ShutdownGuard { server: Arc::clone(&server), handshakes: Arc::clone(&acceptor.handshakes) };
    let (timeouts, handshakes) = (Arc::clone(&acceptor.timeouts), Arc::clone(&acceptor.handshakes));
    let mut listener = Listener::new(listener, acceptor).map_err(|source| Error::Workers { source })?;
    let mut shutdown = pin!(shutdown);
    let mut timer = SharedTimer::new();
    loop {
        let next = poll_fn(|task| {
            timeouts.poll(task, &mut timer);
            match shutdown.as_mut().poll(task) {
                Poll::Ready(()) => Poll::Ready(None),
                Poll::Pending => listener.poll_accept(task).map(Some),
            }
        });
        match next.await {
            None => break,
            Some(Ok(())) => {}
            Some(Err(error)) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_BACKOFF).await;
            }
        }
    }
    drop(listener);
    drop(guard);
    let deadline = tokio::time::Instant::now() + server.settings.shutdown_timeout;
    server.shutdown().await;
    // Answers that are under way are finished in the same time.
    let _ = tokio::time::timeout_at(deadline, handshakes.wait_empty()).await;
    Ok(())
}

/// Tells every connection, and every handshake, that the server is gone.
struct ShutdownGuard {
    server: Arc<Router>,
    handshakes: Arc<ConnectionTracker>,
}

impl Drop for ShutdownGuard {
    fn drop(&mut self) {
        let deadline = now() + self.server.settings.shutdown_timeout;
        self.handshakes.shut_down(deadline);
        self.server.connections.shut_down(deadline);
    }
}

async fn bind(addr: &str) -> Result<TcpListener> {
    let invalid = |source| Error::Address { addr: addr.to_owned(), source };
    let mut last = None;
    for addr in lookup_host(addr).await.map_err(invalid)? {
        match TcpListener::bind(addr).await {
            Ok(listener) => return Ok(listener),
            Err(source) => last = Some(Error::Bind { addr, source }),
        }
    }
    Err(last.unwrap_or_else(|| invalid(std::io::ErrorKind::AddrNotAvailable.into())))
}
