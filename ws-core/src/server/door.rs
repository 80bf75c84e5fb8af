//! What connections come through.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context as Task, Poll};

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};

use super::deadlines::Deadlines;
use super::spoken::{Peer, Security};
use crate::driver::{ConnectionTracker, ConnectionLimits};
use crate::router::Router;
use crate::worker;

/// How many TCP connections may be there to be told that there are too many.
const SPARE_HANDSHAKES: usize = 1024;

/// The same of one address.
const SPARE_PER_ADDRESS: usize = 32;

/// Lets clients in, as far as there is room.
pub(super) struct Door {
    server: Arc<Router>,
    security: Security,
    /// Those that speak HTTP.
    pub(super) handshakes: Arc<ConnectionTracker>,
    pub(super) deadlines: Arc<Deadlines>,
    limits: ConnectionLimits,
    /// Whether sockets inherit `TCP_NODELAY` from the listener. On Linux they do, which saves each of
    /// them a system call.
    inherits_nodelay: bool,
}

/// A socket that was accepted.
pub(super) enum Socket {
    Runtime(TcpStream),
    /// One that is nobody's, for a worker.
    Free(std::net::TcpStream),
}

impl Door {
    pub(super) fn new(server: Arc<Router>, security: Security) -> Self {
        // As many may speak HTTP as may be connected; a few more, so that they are told that there are too
        // many.
        let ConnectionLimits { connections, per_address, .. } = server.settings.connections;
        let limits = ConnectionLimits {
            connections: connections.saturating_add(SPARE_HANDSHAKES),
            per_address: per_address.map(|most| most.saturating_add(SPARE_PER_ADDRESS)),
            rate: None,
        };
        let deadlines = Deadlines::new(server.settings.handshake_timeout);
        Self { server, security, handshakes: Arc::default(), deadlines, limits, inherits_nodelay: false }
    }

    fn let_in(&mut self, socket: Socket, addr: SocketAddr) {
        let Ok(permit) = self.handshakes.admit(&self.limits, Some(addr.ip())) else { return };
        if !self.inherits_nodelay {
            self.inherits_nodelay = socket.set_nodelay();
        }
        self.deadlines.come();
        let (server, deadlines) = (Arc::clone(&self.server), Arc::clone(&self.deadlines));
        Peer { server, deadlines, addr, permit }.start(socket, &self.security);
    }
}

impl Socket {
    /// Sees to it that frames go out when they are written, where the kernel would else wait for more;
    /// says whether the listener had seen to it already.
    fn set_nodelay(&self) -> bool {
        let (was_set, set) = match self {
            Self::Runtime(stream) => (stream.nodelay(), stream.set_nodelay(true)),
            Self::Free(stream) => (stream.nodelay(), stream.set_nodelay(true)),
        };
        was_set.unwrap_or(false) && set.is_ok()
    }
}

/// Who accepts.
pub(super) enum Listener {
    /// The runtime. Also where connections are inside TLS.
    Runtime(TcpListener, Door),
    /// A thread, for workers. It ends when it is dropped.
    Thread { _thread: worker::Listener },
}

impl Listener {
    /// # Errors
    ///
    /// The system gives no thread.
    pub(super) fn new(listener: TcpListener, mut door: Door) -> io::Result<Self> {
        let _ = SockRef::from(&listener).set_tcp_nodelay(true);
        if door.server.workers.is_none() || !matches!(door.security, Security::Plain) {
            return Ok(Self::Runtime(listener, door));
        }
        let listener = listener.into_std()?;
        let server = Arc::clone(&door.server);
        let begin = move |stream, addr| door.let_in(Socket::Free(stream), addr);
        let wake = move || _ = server.workers.as_deref().map(worker::Workers::wake);
        let thread = worker::Listener::start(listener, begin, wake)?;
        Ok(Self::Thread { _thread: thread })
    }

    /// Lets the next client in, if that is the runtime's matter.
    ///
    /// # Errors
    ///
    /// The system cannot give us a connection, as when there are no more file descriptors.
    pub(super) fn poll_accept(&mut self, task: &mut Task<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Runtime(listener, door) => {
                listener.poll_accept(task).map_ok(|(stream, addr)| door.let_in(Socket::Runtime(stream), addr))
            }
            Self::Thread { .. } => Poll::Pending,
        }
    }
}
