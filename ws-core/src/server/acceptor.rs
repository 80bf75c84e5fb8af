//! What connections come through.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};

use super::handshake_timeouts::HandshakeTimeouts;
use super::protocol::{Peer, Security};
use crate::driver::{ConnectionLimits, ConnectionTracker};
use crate::router::Router;
use crate::worker;

/// How many TCP connections may be there to be told that there are too many.
const SPARE_HANDSHAKES: usize = 1024;

/// The same of one address.
const SPARE_PER_ADDRESS: usize = 32;

/// Lets clients in, as far as there is room.
pub(super) struct Acceptor {
    server: Arc<Router>,
    security: Security,
    /// Those that speak HTTP.
    pub(super) handshakes: Arc<ConnectionTracker>,
    pub(super) timeouts: Arc<HandshakeTimeouts>,
    limits: ConnectionLimits,
    /// Whether sockets inherit `TCP_NODELAY` from the listener. On Linux they do, which saves each of
    /// them a system call.
    inherits_nodelay: bool,
}

/// A socket that was accepted.
pub(super) enum AcceptedSocket {
    Tokio(TcpStream),
    /// One that is nobody's, for a worker.
    Std(std::net::TcpStream),
}

impl Acceptor {
    pub(super) fn new(server: Arc<Router>, security: Security) -> Self {
        // As many may speak HTTP as may be connected; a few more, so that they are told that there are too
        // many.
        let ConnectionLimits { connections, per_address, .. } = server.settings.connections;
        let limits = ConnectionLimits {
            connections: connections.saturating_add(SPARE_HANDSHAKES),
            per_address: per_address.map(|max| max.saturating_add(SPARE_PER_ADDRESS)),
            rate: None,
        };
        let timeouts = HandshakeTimeouts::new(server.settings.handshake_timeout);
        Self { server, security, handshakes: Arc::default(), timeouts, limits, inherits_nodelay: false }
    }

    fn accept(&mut self, socket: AcceptedSocket, addr: SocketAddr) {
        let Ok(permit) = self.handshakes.admit(&self.limits, Some(addr.ip())) else { return };
        if !self.inherits_nodelay {
            self.inherits_nodelay = socket.set_nodelay();
        }
        self.timeouts.on_accept();
        let (server, timeouts) = (Arc::clone(&self.server), Arc::clone(&self.timeouts));
        Peer { server, timeouts, addr, permit }.start(socket, &self.security);
    }
}

impl AcceptedSocket {
    /// Sees to it that frames go out when they are written, where the kernel would else wait for more;
    /// says whether the listener had seen to it already.
    fn set_nodelay(&self) -> bool {
        let (was_set, set) = match self {
            Self::Tokio(stream) => (stream.nodelay(), stream.set_nodelay(true)),
            Self::Std(stream) => (stream.nodelay(), stream.set_nodelay(true)),
        };
        was_set.unwrap_or(false) && set.is_ok()
    }
}

/// Who accepts.
pub(super) enum Listener {
    /// The runtime. Also where connections are inside TLS.
    Runtime(TcpListener, Acceptor),
    /// A thread, for workers. It ends when it is dropped.
    Thread { _thread: worker::ListenerThread },
}

impl Listener {
    /// # Errors
    ///
    /// The system gives no thread.
    pub(super) fn new(listener: TcpListener, mut acceptor: Acceptor) -> io::Result<Self> {
        let _ = SockRef::from(&listener).set_tcp_nodelay(true);
        if acceptor.server.workers.is_none() || !matches!(acceptor.security, Security::Plain) {
            return Ok(Self::Runtime(listener, acceptor));
        }
        let listener = listener.into_std()?;
        let server = Arc::clone(&acceptor.server);
        let on_accept = move |stream, addr| acceptor.accept(AcceptedSocket::Std(stream), addr);
        let wake = move || _ = server.workers.as_deref().map(worker::Workers::wake);
        let thread = worker::ListenerThread::start(listener, on_accept, wake)?;
        Ok(Self::Thread { _thread: thread })
    }

    /// Lets the next client in, if that is the runtime's matter.
    ///
    /// # Errors
    ///
    /// The system cannot give us a connection, as when there are no more file descriptors.
    pub(super) fn poll_accept(&mut self, task: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Runtime(listener, acceptor) => listener
                .poll_accept(task)
                .map_ok(|(stream, addr)| acceptor.accept(AcceptedSocket::Tokio(stream), addr)),
            Self::Thread { .. } => Poll::Pending,
        }
    }
}
