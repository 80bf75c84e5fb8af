//! The address of a client, as every connection stores it.

use std::net::{IpAddr, SocketAddr, SocketAddrV6};

/// The address of a client, or none, and a flag.
///
/// Three quarters of the size of an `Option<SocketAddr>`, because every connection has two. IPv6 flow information is
/// not stored. The flag fills a byte that is unused otherwise.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PeerAddress {
    ip: Option<IpAddr>,
    flag: bool,
    port: u16,
    scope_id: u32,
}

impl PeerAddress {
    #[inline]
    pub(crate) fn new(peer: Option<SocketAddr>) -> Self {
        let scope_id = match peer {
            Some(SocketAddr::V6(peer)) => peer.scope_id(),
            _ => 0,
        };
        Self {
            ip: peer.map(|peer| peer.ip()),
            flag: false,
            port: peer.map_or(0, |peer| peer.port()),
            scope_id,
        }
    }

    /// Returns the address, without IPv6 flow information.
    pub(crate) fn get(&self) -> Option<SocketAddr> {
        Some(match self.ip? {
            IpAddr::V4(ip) => (ip, self.port).into(),
            IpAddr::V6(ip) => SocketAddrV6::new(ip, self.port, 0, self.scope_id).into(),
        })
    }

    #[inline]
    pub(super) fn with_flag(self, flag: bool) -> Self {
        Self { flag, ..self }
    }

    /// Returns the IP address, if the flag is set.
    #[inline]
    pub(super) fn flagged_ip(&self) -> Option<IpAddr> {
        if self.flag { self.ip } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_is_stored() {
        for peer in ["10.0.0.1:80", "[::ffff:10.0.0.1]:1", "[fe80::1%7]:65535", "[2001:db8::1]:0"] {
            let peer: SocketAddr = peer.parse().unwrap();
            assert_eq!(PeerAddress::new(Some(peer)).get(), Some(peer));
        }
        assert_eq!(PeerAddress::new(None).get(), None);
        assert_eq!(size_of::<PeerAddress>(), 24);
    }
}
