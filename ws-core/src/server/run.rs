//! The accept loop of a server, and its shutdown.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, lookup_host};

use super::acceptor::{AcceptLoop, Acceptor};
use super::handshake_timeouts::SharedTimer;
use super::listener::{Listener, ListenerSocket};
use super::peer::Security;
use crate::clock::now;
use crate::connections::ConnectionTracker;
use crate::error::{Error, Result};
use crate::router::Router;
use crate::worker::{Workers, is_connection_error};

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
    let listener = bind(&addr, server.settings.backlog).await?;
    let socket = ListenerSocket::Tcp(listener);
    run_server(server, vec![Listener { socket, security }], shutdown).await
}

/// Serves until `shutdown` is ready, then drains.
pub(super) async fn run_server(
    mut server: Router,
    listeners: Vec<Listener>,
    shutdown: impl Future<Output = ()>,
) -> Result<()> {
    if server.settings.workers > 0 {
        let workers = Workers::start(server.settings.workers).map_err(|source| Error::Workers { source })?;
        server.workers = Some(Arc::new(workers));
    }
    let server = Arc::new(server);
    let acceptor = Acceptor::new(Arc::clone(&server));
    // Dropping the guard, on return or with the future, ends all connections.
    let _guard = ShutdownGuard { server: Arc::clone(&server), handshakes: Arc::clone(&acceptor.handshakes) };
    let (timeouts, handshakes) = (Arc::clone(&acceptor.timeouts), Arc::clone(&acceptor.handshakes));
    let start = |Listener { socket, security }| AcceptLoop::new(socket, acceptor.with_security(security));
    let listeners = listeners.into_iter().map(start).collect::<io::Result<Vec<_>>>();
    let mut listeners = listeners.map_err(|source| Error::Workers { source })?;
    let mut first = 0;
    let notice = server.settings.drain.notice;
    let shutdown = async {
        shutdown.await;
        server.connections.leave();
        if !notice.is_zero() {
            tracing::info!(?notice, "not ready for new clients any more; still accepting them");
            tokio::time::sleep(notice).await;
        }
    };
    let mut shutdown = pin!(shutdown);
    let mut timer = SharedTimer::new();
    loop {
        let next = poll_fn(|task| {
            timeouts.poll(task, &mut timer);
            match shutdown.as_mut().poll(task) {
                Poll::Ready(()) => Poll::Ready(None),
                Poll::Pending => poll_accept(&mut listeners, &mut first, task).map(Some),
            }
        });
        match next.await {
            None => break,
            Some(Ok(())) => {}
            Some(Err(error)) if is_connection_error(&error) => {
                tracing::debug!(%error, "a connection ended before it was accepted");
            }
            Some(Err(error)) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_BACKOFF).await;
            }
        }
    }
    drop(listeners);
    let timeout = server.settings.shutdown_timeout;
    let deadline = tokio::time::Instant::now() + timeout;
    handshakes.shut_down(now() + timeout);
    server.shutdown().await;
    // Responses in progress have until the same deadline.
    let _ = tokio::time::timeout_at(deadline, handshakes.wait_empty()).await;
    Ok(())
}

/// Accepts one connection of any listener. The next call begins with the listener after it, so that a busy one does
/// not hold up the others.
fn poll_accept(
    listeners: &mut [AcceptLoop],
    first: &mut usize,
    task: &mut TaskContext<'_>,
) -> Poll<io::Result<()>> {
    let len = listeners.len();
    for index in (*first..len).chain(0..*first) {
        if let Poll::Ready(accepted) = listeners[index].poll_accept(task) {
            *first = (index + 1) % len;
            return Poll::Ready(accepted);
        }
    }
    Poll::Pending
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

async fn bind(addr: &str, backlog: u32) -> Result<TcpListener> {
    let invalid = |source| Error::Address { addr: addr.to_owned(), source };
    let mut last = None;
    for addr in lookup_host(addr).await.map_err(invalid)? {
        match listen(addr, backlog) {
            Ok(listener) => return Ok(listener),
            Err(source) => last = Some(Error::Bind { addr, source }),
        }
    }
    Err(last.unwrap_or_else(|| invalid(io::ErrorKind::AddrNotAvailable.into())))
}

/// Like `TcpListener::bind`, with a chosen length of the accept queue.
fn listen(addr: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A restarted server can listen although connections of the earlier process are in TIME_WAIT. On Windows
    // the option would let two servers share the port.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    socket.listen(backlog)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::ErrorKind;
    use std::net::TcpStream;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::router::{Drain, Settings};

    /// Connects clients that nothing accepts, and returns how many connect until the queue is full.
    fn fill(listener: &TcpListener, max: usize) -> (Vec<TcpStream>, Option<io::Error>) {
        let addr = listener.local_addr().unwrap();
        let mut clients = Vec::new();
        while clients.len() < max {
            // The kernel drops the SYN of a client that finds the queue full, so its connect times out.
            let patience = if clients.len() < 4 { Duration::from_secs(1) } else { Duration::from_secs(10) };
            match TcpStream::connect_timeout(&addr, patience) {
                Ok(client) => clients.push(client),
                Err(error) => return (clients, Some(error)),
            }
        }
        (clients, None)
    }

    #[tokio::test]
    async fn default_backlog_holds_a_storm() {
        let listener = bind("127.0.0.1:0", Settings::default().backlog).await.unwrap();
        let (clients, error) = fill(&listener, 400);
        assert_eq!(clients.len(), 400, "{error:?}");
    }

    #[tokio::test]
    async fn backlog_bounds_the_queue() {
        let listener = bind("127.0.0.1:0", 2).await.unwrap();
        // Linux accepts one connection more than the backlog.
        let (clients, error) = fill(&listener, 400);
        assert_eq!((clients.len(), error.map(|error| error.kind())), (3, Some(ErrorKind::TimedOut)));
    }

    #[tokio::test]
    async fn server_that_is_not_ready_accepts_clients_during_the_notice() {
        let listener = bind("127.0.0.1:0", 16).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let router: Router = Router::new().drain(Drain::default().notice(Duration::from_hours(1)));
        let ready = router.ready();
        assert!(ready.is_ready());
        let server = tokio::spawn(router.fallback(ready.clone()).serve_listener(listener, async {}));
        let mut client = tokio::net::TcpStream::connect(addr).await.unwrap();
        client.write_all(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        let mut answer = [0; 12];
        client.read_exact(&mut answer).await.unwrap();
        assert_eq!((&answer, ready.is_ready()), (b"HTTP/1.1 503", false));
        server.abort();
    }

    #[tokio::test]
    async fn any_backlog_is_valid() {
        for backlog in [0, u32::MAX] {
            bind("127.0.0.1:0", backlog).await.unwrap();
        }
    }
}
