//! An accepted client: its socket, and the data that every protocol needs to serve it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use hyper::http::Extensions;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::handshake_timeouts::{HandshakeTimeouts, Unanswered};
#[cfg(feature = "tls")]
use super::tls::Tls;
use crate::connections::ConnectionPermit;
use crate::router::{PeerAddr, Router, UnixPeer};
#[cfg(feature = "tls")]
use crate::upgrade::ClientCertificate;
use crate::upgrade::IsTls;

/// The encryption of connections.
#[derive(Clone)]
pub(super) enum Security {
    Plain,
    #[cfg(feature = "tls")]
    Tls(Tls),
}

/// A socket that was accepted.
pub(super) enum AcceptedSocket {
    /// Registered with the runtime.
    Tokio(TcpStream),
    /// Not registered anywhere, so that a worker can take it.
    Std(std::net::TcpStream),
}

/// The client's address, which a Unix socket does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PeerName(pub(super) Option<SocketAddr>);

/// The data about a client that each of its requests has as extensions.
#[derive(Clone)]
pub(super) struct Origin {
    addr: PeerName,
    is_secure: bool,
    #[cfg(feature = "tls")]
    certificate: Option<ClientCertificate>,
}

impl Origin {
    pub(super) fn insert_into(&self, extensions: &mut Extensions) {
        match self.addr.0 {
            Some(addr) => PeerAddr(addr).insert_into(extensions),
            None => _ = extensions.insert(UnixPeer),
        }
        if self.is_secure {
            extensions.insert(IsTls(true));
        }
        #[cfg(feature = "tls")]
        if let Some(certificate) = &self.certificate {
            extensions.insert(certificate.clone());
        }
    }
}

impl fmt::Display for PeerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(addr) => addr.fmt(f),
            None => f.write_str("a Unix socket"),
        }
    }
}

impl AcceptedSocket {
    /// Sets `TCP_NODELAY`, without which the kernel holds a frame back until more data follows. Returns
    /// whether the socket had inherited the option from the listener.
    pub(super) fn set_nodelay(&self) -> bool {
        let (was_set, set) = match self {
            Self::Tokio(stream) => (stream.nodelay(), stream.set_nodelay(true)),
            Self::Std(stream) => (stream.nodelay(), stream.set_nodelay(true)),
        };
        was_set.unwrap_or(false) && set.is_ok()
    }

    /// Returns the socket, registered with the runtime.
    #[cfg(feature = "proxy-protocol")]
    pub(super) fn into_tokio(self) -> std::io::Result<TcpStream> {
        match self {
            Self::Tokio(stream) => Ok(stream),
            Self::Std(stream) => stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream)),
        }
    }
}

/// A client that has connected.
pub(super) struct Peer {
    pub(super) server: Arc<Router>,
    pub(super) timeouts: Arc<HandshakeTimeouts>,
    pub(super) addr: PeerName,
    /// When the client must have sent its first request.
    pub(super) deadline: Instant,
    /// Whether other bytes precede the request, so that less than the whole time is left for it.
    pub(super) is_delayed: bool,
    /// The certificate that the client has shown.
    #[cfg(feature = "tls")]
    pub(super) certificate: Option<ClientCertificate>,
    /// Held until the first request has a response.
    pub(super) unanswered: Option<Unanswered>,
    /// The client's permit among the connections that are HTTP.
    pub(super) permit: ConnectionPermit,
}

impl Peer {
    pub(super) fn origin(&self, is_secure: bool) -> Origin {
        Origin {
            addr: self.addr,
            is_secure,
            #[cfg(feature = "tls")]
            certificate: self.certificate.clone(),
        }
    }

    /// Returns the output of a future, or `None` if the server shuts down first.
    #[cfg(any(feature = "http2", feature = "proxy-protocol", feature = "tls"))]
    pub(super) async fn or_shutdown<F: Future>(&self, future: F) -> Option<F::Output> {
        let (mut future, mut shutdown) =
            (std::pin::pin!(future), std::pin::pin!(self.permit.shutdown_requested()));
        let output = std::future::poll_fn(|task| {
            if let std::task::Poll::Ready(output) = future.as_mut().poll(task) {
                return std::task::Poll::Ready(Some(output));
            }
            shutdown.as_mut().poll(task).map(|()| None)
        });
        output.await
    }
}

/// Returns an IPv4-mapped address (RFC 4291 §2.5.5.2) as an IPv4 address. A listener for both protocols sees IPv4
/// clients under such addresses.
pub(super) fn to_canonical(addr: SocketAddr) -> SocketAddr {
    match addr.ip().to_canonical() {
        ip @ IpAddr::V4(_) => SocketAddr::new(ip, addr.port()),
        IpAddr::V6(_) => addr,
    }
}
