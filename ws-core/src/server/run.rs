//! The accept loop of a server, and its shutdown.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::net::{TcpListener, lookup_host};

use super::acceptor::{Acceptor, Listener};
use super::handshake_timeouts::SharedTimer;
use super::peer::Security;
use crate::clock::now;
use crate::connections::ConnectionTracker;
use crate::error::{Error, Result};
use crate::router::Router;
use crate::worker::Workers;

/// How long the loop pauses after the system refused a connection, for example because file descriptors
/// have run out.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);

/// Binds an address and serves on it.
pub(super) async fn bind_and_serve(
    server: Router,
    addr: String,
    security: Security,
    shutdown: impl Future<Output = ()>,
) -> Result<()> {
    let listener = bind(&addr).await?;
    run_server(server, listener, security, shutdown).await
}

/// Serves until `shutdown` is ready, then drains.
pub(super) async fn run_server(
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
    // Dropping the guard, on return or with the future, ends all connections.
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
    // Responses in progress have until the same deadline.
    let _ = tokio::time::timeout_at(deadline, handshakes.wait_empty()).await;
    Ok(())
}

/// A guard that ends all connections and handshakes when it is dropped.
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
