//! The data of a connection that never changes.

use std::net::{IpAddr, SocketAddr, SocketAddrV6};

/// The data of a connection that never changes and needs no lock.
///
/// Half as large as a `SocketAddr` and a `Box<str>`, because every connection has one. IPv6 flow information is not
/// stored.
pub(super) struct ConnectionInfo {
    ip: Option<IpAddr>,
    port: u16,
    scope_id: u32,
    /// Boxed twice, because few connections have one.
    subprotocol: Option<Box<Box<str>>>,
}

impl ConnectionInfo {
    pub(super) fn new(peer: Option<SocketAddr>, subprotocol: Option<Box<str>>) -> Self {
        let scope_id = match peer {
            Some(SocketAddr::V6(peer)) => peer.scope_id(),
            _ => 0,
        };
        Self {
            ip: peer.map(|peer| peer.ip()),
            port: peer.map_or(0, |peer| peer.port()),
            scope_id,
            subprotocol: subprotocol.map(Box::new),
        }
    }

    pub(super) fn peer_addr(&self) -> Option<SocketAddr> {
        Some(match self.ip? {
            IpAddr::V4(ip) => (ip, self.port).into(),
            IpAddr::V6(ip) => SocketAddrV6::new(ip, self.port, 0, self.scope_id).into(),
        })
    }

    pub(super) fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_ref().map(|name| &***name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_and_subprotocol_are_stored() {
        for peer in ["10.0.0.1:80", "[::ffff:10.0.0.1]:1", "[fe80::1%7]:65535", "[2001:db8::1]:0"] {
            let peer: SocketAddr = peer.parse().unwrap();
            let info = ConnectionInfo::new(Some(peer), Some("chat".into()));
            assert_eq!((info.peer_addr(), info.subprotocol()), (Some(peer), Some("chat")));
        }
        let info = ConnectionInfo::new(None, None);
        assert_eq!((info.peer_addr(), info.subprotocol()), (None, None));
    }
}
