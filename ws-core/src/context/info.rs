//! The data of a connection that never changes.

use std::net::SocketAddr;

use crate::connections::PeerAddress;
use crate::span::ConnectionSpan;

/// The data of a connection that never changes and needs no lock.
///
/// Half as large as a `SocketAddr` and a `Box<str>`, because every connection has one.
pub(super) struct ConnectionInfo {
    peer: PeerAddress,
    /// Boxed because most connections have neither.
    rare: Option<Box<RareInfo>>,
}

struct RareInfo {
    subprotocol: Option<Box<str>>,
    span: ConnectionSpan,
}

impl ConnectionInfo {
    pub(super) fn new(peer: Option<SocketAddr>, subprotocol: Option<Box<str>>, span: ConnectionSpan) -> Self {
        let is_empty = subprotocol.is_none() && span.get().is_none();
        Self {
            peer: PeerAddress::new(peer),
            rare: (!is_empty).then(|| Box::new(RareInfo { subprotocol, span })),
        }
    }

    pub(super) fn peer_addr(&self) -> Option<SocketAddr> {
        self.peer.get()
    }

    pub(super) fn subprotocol(&self) -> Option<&str> {
        self.rare.as_ref()?.subprotocol.as_deref()
    }

    // PERF: called in every poll. budget: text64
    #[inline(always)]
    pub(super) fn span(&self) -> &ConnectionSpan {
        self.rare.as_ref().map_or(ConnectionSpan::NONE, |rare| &rare.span)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_and_subprotocol_are_stored() {
        for peer in ["10.0.0.1:80", "[::ffff:10.0.0.1]:1", "[fe80::1%7]:65535", "[2001:db8::1]:0"] {
            let peer: SocketAddr = peer.parse().unwrap();
            let info = ConnectionInfo::new(Some(peer), Some("chat".into()), ConnectionSpan::default());
            assert_eq!((info.peer_addr(), info.subprotocol()), (Some(peer), Some("chat")));
        }
        let info = ConnectionInfo::new(None, None, ConnectionSpan::default());
        assert_eq!((info.peer_addr(), info.subprotocol()), (None, None));
    }
}
