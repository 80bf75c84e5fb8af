//! The accept loop of a server, and its shutdown.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::num::NonZero;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, lookup_host};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::time::Sleep;

use super::acceptor::{AcceptLoop, Acceptor};
use super::handshake_timeouts::SharedTimer;
use super::listener::{Listener, ListenerSocket};
use super::peer::Security;
use crate::clock::now;
use crate::connections::ConnectionTracker;
use crate::error::{Error, Result};
use crate::metrics::LoopMetrics;
use crate::router::{Router, Settings};
use crate::worker::{ThreadWatch, WorkerKinds, Workers, is_connection_error};

/// How long a listener pauses after the system refused it a connection, for example because file descriptors
/// have run out.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);

/// How long clients that have connected before the server stops have until they get the response to their first
/// request. Their connections would end within the handshake otherwise.
const FIRST_RESPONSES: Duration = Duration::from_secs(1);

/// Binds an address and serves on it.
pub(super) async fn bind_and_serve(
    server: Router,
    addr: String,
    security: Security,
    shutdown: impl Future<Output = ()>,
) -> Result<()> {
    let listener = bind(&addr, &server.settings).await?;
    let socket = ListenerSocket::Tcp(listener);
    run_server(server, vec![Listener { socket, security, is_inherited: false }], shutdown).await
}

/// Serves until `shutdown` is ready, then drains.
pub(super) async fn run_server(
    mut server: Router,
    listeners: Vec<Listener>,
    shutdown: impl Future<Output = ()>,
) -> Result<()> {
    server.workers = start_workers(&server, &listeners).map_err(|source| Error::Workers { source })?;
    let _metrics = LoopMetrics::of_runtime();
    let server = Arc::new(server);
    let acceptor = Acceptor::new(Arc::clone(&server));
    // Dropping the guard, on return or with the future, ends all connections.
    let _guard = ShutdownGuard { server: Arc::clone(&server), handshakes: Arc::clone(&acceptor.handshakes) };
    let (timeouts, handshakes) = (Arc::clone(&acceptor.timeouts), Arc::clone(&acceptor.handshakes));
    let start = |Listener { socket, security, is_inherited }| {
        AcceptLoop::new(socket, acceptor.for_listener(security, is_inherited))
    };
    let listeners = listeners.into_iter().map(start).collect::<io::Result<Vec<_>>>();
    let mut listeners = listeners.map_err(|source| Error::Workers { source })?;
    let threads = server.workers.iter().flat_map(|workers| workers.watched());
    let threads: Vec<_> = threads.chain(listeners.iter().filter_map(AcceptLoop::watched)).collect();
    let watch = (!threads.is_empty()).then(|| ThreadWatch::start(threads));
    let mut pauses: Vec<_> = listeners.iter().map(|_| None).collect();
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
                Poll::Pending => poll_accept(&mut listeners, &mut pauses, &mut first, task).map(Some),
            }
        });
        match next.await {
            None => break,
            Some(Ok(())) => {}
            Some(Err(error)) if is_connection_error(&error) => {
                tracing::debug!(%error, "a connection ended before it was accepted");
            }
            Some(Err(error)) => tracing::warn!(%error, "cannot accept a connection"),
        }
    }
    drop(watch);
    listeners.into_iter().for_each(AcceptLoop::close);
    let timeout = server.settings.shutdown_timeout;
    timeouts.wait_answered(FIRST_RESPONSES.min(timeout)).await;
    let deadline = tokio::time::Instant::now() + timeout;
    handshakes.shut_down(now() + timeout);
    server.shutdown().await;
    // Responses in progress have until the same deadline.
    let _ = tokio::time::timeout_at(deadline, handshakes.wait_empty()).await;
    Ok(())
}

/// Starts the workers that the program has asked for, or one for each core if that is of use: for handlers without async
/// methods on a plain listener, beside a runtime with several threads.
fn start_workers(server: &Router, listeners: &[Listener]) -> io::Result<Option<Arc<Workers>>> {
    let (count, kinds) = match server.settings.workers {
        Some(count) => (count, WorkerKinds::All),
        None => {
            let is_of_use = Handle::current().runtime_flavor() != RuntimeFlavor::CurrentThread
                && server.settings.has_sync_handlers
                && listeners.iter().any(|listener| matches!(listener.security, Security::Plain));
            let cores =
                if is_of_use { std::thread::available_parallelism().map_or(0, NonZero::get) } else { 0 };
            (cores, WorkerKinds::Sync)
        }
    };
    Ok(if count == 0 { None } else { Some(Arc::new(Workers::start(count, kinds)?)) })
}

/// Accepts one connection of any listener. The next call begins with the listener after it, so that a busy one does
/// not hold up the others. A listener that fails has a pause, in which the others accept.
fn poll_accept(
    listeners: &mut [AcceptLoop],
    pauses: &mut [Option<Pin<Box<Sleep>>>],
    first: &mut usize,
    task: &mut TaskContext<'_>,
) -> Poll<io::Result<()>> {
    let len = listeners.len();
    for index in (*first..len).chain(0..*first) {
        if pauses[index].as_mut().is_some_and(|pause| pause.as_mut().poll(task).is_pending()) {
            continue;
        }
        pauses[index] = None;
        if let Poll::Ready(accepted) = listeners[index].poll_accept(task) {
            *first = (index + 1) % len;
            if accepted.as_ref().is_err_and(|error| !is_connection_error(error)) {
                pauses[index] = Some(Box::pin(tokio::time::sleep(ACCEPT_BACKOFF)));
            }
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

async fn bind(addr: &str, settings: &Settings) -> Result<TcpListener> {
    let invalid = |source| Error::Address { addr: addr.to_owned(), source };
    let mut last = None;
    for addr in lookup_host(addr).await.map_err(invalid)? {
        match listen(addr, settings) {
            Ok(listener) => return Ok(listener),
            Err(source) => last = Some(Error::Bind { addr, source }),
        }
    }
    Err(last.unwrap_or_else(|| invalid(io::ErrorKind::AddrNotAvailable.into())))
}

/// Like `TcpListener::bind`, with a chosen length of the accept queue, and a port that servers may share.
fn listen(addr: SocketAddr, settings: &Settings) -> io::Result<TcpListener> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A restarted server can listen although connections of the earlier process are in TIME_WAIT. On Windows
    // the option would let two servers share the port.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    if settings.reuse_port {
        #[cfg(not(unix))]
        return Err(io::ErrorKind::Unsupported.into());
        #[cfg(unix)]
        socket.set_reuseport(true)?;
    }
    socket.bind(addr)?;
    socket.listen(settings.backlog)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::{ErrorKind, Write};
    use std::net::TcpStream;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::oneshot;
    use tokio::task::JoinHandle;

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
        let listener = bind("127.0.0.1:0", &Settings::default()).await.unwrap();
        let (clients, error) = fill(&listener, 400);
        assert_eq!(clients.len(), 400, "{error:?}");
    }

    #[tokio::test]
    async fn backlog_bounds_the_queue() {
        let listener = bind("127.0.0.1:0", &settings(2)).await.unwrap();
        // Linux accepts one connection more than the backlog.
        let (clients, error) = fill(&listener, 400);
        assert_eq!((clients.len(), error.map(|error| error.kind())), (3, Some(ErrorKind::TimedOut)));
    }

    fn settings(backlog: u32) -> Settings {
        Router::<()>::new().backlog(backlog).settings
    }

    const HANDSHAKE: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

    #[crate::websocket(path = "/")]
    #[derive(Default)]
    struct Silent;

    #[crate::websocket]
    impl Silent {
        #[on_text]
        fn text(&mut self, _: &str) {}
    }

    /// Starts a server. The runtime has one thread, so the server runs only while the test waits.
    async fn start(router: Router) -> (SocketAddr, oneshot::Sender<()>, JoinHandle<Result<()>>) {
        let listener = bind("127.0.0.1:0", &Settings::default()).await.unwrap();
        let (addr, (stop, stopped)) = (listener.local_addr().unwrap(), oneshot::channel());
        let server = tokio::spawn(router.serve_listener(listener, async { _ = stopped.await }));
        tokio::task::yield_now().await;
        (addr, stop, server)
    }

    /// Checks that clients get a 101, and a close with 1001.
    async fn check_served(clients: Vec<TcpStream>) {
        for client in clients {
            client.set_nonblocking(true).unwrap();
            let mut client = tokio::net::TcpStream::from_std(client).unwrap();
            let mut read = Vec::new();
            client.read_to_end(&mut read).await.unwrap();
            assert!(read.starts_with(b"HTTP/1.1 101"), "{}", read.escape_ascii());
            assert!(read.ends_with(b"\x03\xe9server is shutting down"), "{}", read.escape_ascii());
        }
    }

    #[tokio::test]
    async fn clients_in_the_queue_of_a_server_that_stops_are_served() {
        let router = Router::new().mount::<Silent>().shutdown_timeout(Duration::from_secs(2));
        let (addr, stop, server) = start(router).await;
        let mut clients: Vec<_> = (0..20).map(|_| TcpStream::connect(addr).unwrap()).collect();
        clients.iter_mut().for_each(|client| client.write_all(HANDSHAKE).unwrap());
        drop(stop);
        check_served(clients).await;
        server.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn clients_that_connected_before_the_end_are_served() {
        let router = Router::new().mount::<Silent>().shutdown_timeout(Duration::from_secs(2));
        let (addr, stop, server) = start(router).await;
        // The handshakes of half of the clients arrive in two parts, so that hyper reads them.
        let mut clients: Vec<_> = (0..20).map(|_| TcpStream::connect(addr).unwrap()).collect();
        clients.iter_mut().step_by(2).for_each(|client| client.write_all(&HANDSHAKE[..30]).unwrap());
        tokio::time::sleep(Duration::from_millis(50)).await;
        drop(stop);
        clients.iter_mut().step_by(2).for_each(|client| client.write_all(&HANDSHAKE[30..]).unwrap());
        clients.iter_mut().skip(1).step_by(2).for_each(|client| client.write_all(HANDSHAKE).unwrap());
        check_served(clients).await;
        server.await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn silent_clients_hold_up_the_end_for_a_second() {
        let (addr, stop, server) = start(Router::new().mount::<Silent>()).await;
        let _client = TcpStream::connect(addr).unwrap();
        let start = tokio::time::Instant::now();
        drop(stop);
        server.await.unwrap().unwrap();
        assert_eq!(start.elapsed(), FIRST_RESPONSES);
    }

    #[tokio::test]
    async fn server_that_is_not_ready_accepts_clients_during_the_notice() {
        let listener = bind("127.0.0.1:0", &settings(16)).await.unwrap();
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

    #[tokio::test(start_paused = true)]
    async fn listener_that_fails_does_not_hold_up_others() {
        let server = Arc::new(Router::new().mount::<Silent>());
        let acceptor = Acceptor::new(Arc::clone(&server));
        let healthy = bind("127.0.0.1:0", &server.settings).await.unwrap();
        let addr = healthy.local_addr().unwrap();
        // Each call of `accept` fails.
        let broken = bind("127.0.0.1:0", &server.settings).await.unwrap();
        socket2::SockRef::from(&broken).shutdown(std::net::Shutdown::Read).unwrap();
        let start = |listener| {
            AcceptLoop::new(ListenerSocket::Tcp(listener), acceptor.for_listener(Security::Plain, false))
                .unwrap()
        };
        let (mut listeners, mut pauses, mut first) = ([start(broken), start(healthy)], [None, None], 0);
        let _clients: Vec<_> = (0..20).map(|_| TcpStream::connect(addr).unwrap()).collect();
        let begin = tokio::time::Instant::now();
        let (mut accepted, mut failed) = (0, 0);
        while accepted < 20 {
            match poll_fn(|task| poll_accept(&mut listeners, &mut pauses, &mut first, task)).await {
                Ok(()) => accepted += 1,
                Err(_) => failed += 1,
            }
        }
        assert_eq!((begin.elapsed(), failed), (Duration::ZERO, 1));
        // The listener is tried again after its pause.
        assert!(poll_fn(|task| poll_accept(&mut listeners, &mut pauses, &mut first, task)).await.is_err());
        assert!(begin.elapsed() >= ACCEPT_BACKOFF);
    }

    #[tokio::test]
    async fn any_backlog_is_valid() {
        for backlog in [0, u32::MAX] {
            bind("127.0.0.1:0", &settings(backlog)).await.unwrap();
        }
    }
}
