//! Accepts connections, within the limits, on the runtime or on a thread for the workers.

use std::io;
use std::net::SocketAddr;
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use socket2::SockRef;
#[cfg(unix)]
use tokio::net::UnixListener;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use super::handshake_timeouts::HandshakeTimeouts;
use super::listener::ListenerSocket;
use super::peer::{AcceptedSocket, Peer, PeerName, Security, to_canonical};
use crate::connections::{ConnectionLimits, ConnectionTracker};
use crate::router::{Router, Settings};
use crate::worker;

/// HTTP connections that are accepted beyond the connection limit, so that their clients get a response
/// that the server is full.
const SPARE_HANDSHAKES: usize = 1024;

/// Like [`SPARE_HANDSHAKES`], for the connections of one address.
const SPARE_PER_ADDRESS: usize = 32;

/// The entry of accepted sockets, which are admitted and then served.
#[derive(Clone)]
pub(super) struct Acceptor {
    server: Arc<Router>,
    security: Security,
    /// Whether the queue of the listener outlives the server.
    is_inherited: bool,
    /// The connections that are HTTP.
    pub(super) handshakes: Arc<ConnectionTracker>,
    pub(super) timeouts: Arc<HandshakeTimeouts>,
    limits: ConnectionLimits,
    /// Whether sockets inherit `TCP_NODELAY` from the listener. On Linux they do, which saves a system
    /// call for each of them.
    inherits_nodelay: bool,
}

impl Acceptor {
    pub(super) fn new(server: Arc<Router>) -> Self {
        let limits = http_limits(&server.settings);
        let timeouts = HandshakeTimeouts::new(server.settings.handshake_timeout);
        Self {
            server,
            security: Security::Plain,
            is_inherited: false,
            handshakes: Arc::default(),
            timeouts,
            limits,
            inherits_nodelay: false,
        }
    }

    /// Returns an acceptor for another listener of the same server. Both have the same limits together.
    pub(super) fn for_listener(&self, security: Security, is_inherited: bool) -> Self {
        Self { security, is_inherited, inherits_nodelay: false, ..self.clone() }
    }

    /// Returns how many connections are accepted from the queue of a listener that closes: as many as the queue may
    /// have had, so that clients which connect meanwhile do not hold up the end.
    fn max_drained(&self) -> usize {
        if self.is_inherited { 0 } else { (self.server.settings.backlog as usize).saturating_add(1) }
    }

    /// Starts to serve a socket; drops it if even the spare connections are used up. Sockets of Unix listeners have
    /// no address.
    fn accept(&mut self, socket: AcceptedSocket, addr: Option<SocketAddr>) {
        let addr = addr.map(to_canonical);
        // Many clients share the address of a proxy. `Peer::serve_proxied` counts those of the PROXY protocol.
        let settings = &self.server.settings;
        let is_proxy = settings.trusted_proxies.contains_peer(addr);
        #[cfg(feature = "proxy-protocol")]
        let is_proxy = is_proxy || settings.proxy_protocol.contains_peer(addr);
        let deadline = Instant::now() + settings.handshake_timeout;
        let limited = addr.filter(|_| !is_proxy);
        let Ok(permit) = self.handshakes.admit(&self.limits, limited) else { return };
        if !self.inherits_nodelay && addr.is_some() {
            self.inherits_nodelay = socket.set_nodelay();
        }
        self.timeouts.on_accept();
        let unanswered = self.timeouts.count_unanswered();
        let addr = PeerName(addr);
        let (server, timeouts) = (Arc::clone(&self.server), Arc::clone(&self.timeouts));
        Peer {
            server,
            timeouts,
            addr,
            deadline,
            is_delayed: false,
            #[cfg(feature = "tls")]
            certificate: None,
            unanswered: Some(unanswered),
            permit,
        }
        .start(socket, &self.security);
    }
}

/// Returns the limits of HTTP connections: those of the WebSockets, plus the spare ones.
pub(super) fn http_limits(settings: &Settings) -> ConnectionLimits {
    let ConnectionLimits { connections, per_address, .. } = settings.connections;
    ConnectionLimits {
        connections: connections.saturating_add(SPARE_HANDSHAKES),
        per_address: per_address.map(|max| max.saturating_add(SPARE_PER_ADDRESS)),
        rate: None,
    }
}

/// A listening socket, and the thread that accepts from it if there is one.
pub(super) enum AcceptLoop {
    /// The runtime accepts, also for connections inside TLS.
    Runtime(TcpListener, Acceptor),
    #[cfg(unix)]
    Unix(UnixListener, Acceptor),
    /// A thread accepts for the workers; it ends when this is dropped.
    Thread(worker::ListenerThread),
}

impl AcceptLoop {
    /// Starts a thread if the connections are for workers.
    ///
    /// # Errors
    ///
    /// The system has no more threads or file descriptors.
    pub(super) fn new(socket: ListenerSocket, mut acceptor: Acceptor) -> io::Result<Self> {
        let listener = match socket {
            ListenerSocket::Tcp(listener) => listener,
            #[cfg(unix)]
            ListenerSocket::Unix(listener) => return Ok(Self::Unix(listener, acceptor)),
        };
        let _ = SockRef::from(&listener).set_tcp_nodelay(true);
        if acceptor.server.workers.is_none() || !matches!(acceptor.security, Security::Plain) {
            return Ok(Self::Runtime(listener, acceptor));
        }
        let (listener, max_drained) = (listener.into_std()?, acceptor.max_drained());
        let server = Arc::clone(&acceptor.server);
        let on_accept = move |stream, addr| acceptor.accept(AcceptedSocket::Std(stream), Some(addr));
        let wake = move || _ = server.workers.as_deref().map(worker::Workers::wake);
        worker::ListenerThread::start(listener, max_drained, on_accept, wake).map(Self::Thread)
    }

    /// Accepts one connection if the runtime accepts; stays pending if a thread does.
    ///
    /// # Errors
    ///
    /// The system has no connection to give, for example because file descriptors have run out.
    pub(super) fn poll_accept(&mut self, task: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Runtime(listener, acceptor) => listener
                .poll_accept(task)
                .map_ok(|(stream, addr)| acceptor.accept(AcceptedSocket::Tokio(stream), Some(addr))),
            #[cfg(unix)]
            Self::Unix(listener, acceptor) => listener.poll_accept(task).map(|accepted| {
                let stream = from_unix(accepted?.0.into_std()?)?;
                acceptor.accept(AcceptedSocket::Tokio(stream), None);
                Ok(())
            }),
            Self::Thread(_) => Poll::Pending,
        }
    }

    /// Returns the thread that accepts, if there is one.
    pub(super) fn watched(&self) -> Option<worker::WatchedThread> {
        match self {
            Self::Thread(thread) => Some(thread.watched()),
            _ => None,
        }
    }

    /// Accepts the connections that wait in the queue, and closes the listener. The kernel resets those that a close
    /// finds in the queue, though their clients are connected.
    pub(super) fn close(self) {
        match self {
            Self::Runtime(listener, mut acceptor) => {
                // Unlike the runtime, the system call knows the connections of this moment.
                let Ok(listener) = listener.into_std() else { return };
                worker::drain(acceptor.max_drained(), || {
                    let (stream, addr) = listener.accept()?;
                    stream.set_nonblocking(true)?;
                    acceptor.accept(AcceptedSocket::Tokio(TcpStream::from_std(stream)?), Some(addr));
                    Ok(())
                });
            }
            #[cfg(unix)]
            Self::Unix(listener, mut acceptor) => {
                let Ok(listener) = listener.into_std() else { return };
                worker::drain(acceptor.max_drained(), || {
                    let stream = from_unix(listener.accept()?.0)?;
                    acceptor.accept(AcceptedSocket::Tokio(stream), None);
                    Ok(())
                });
            }
            Self::Thread(thread) => drop(thread),
        }
    }
}

/// Returns a Unix socket in the type of TCP sockets, so that all layers above serve both. Reads, writes and the end of
/// both are the same system calls. Options of TCP fail on such a socket, and their failure has no effect.
#[cfg(unix)]
fn from_unix(stream: UnixStream) -> io::Result<TcpStream> {
    stream.set_nonblocking(true)?;
    TcpStream::from_std(std::os::fd::OwnedFd::from(stream).into())
}
