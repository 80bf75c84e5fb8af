//! Limits of new connections: in total, per client address and per second.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::num::NonZeroU64;

use crate::shrink::shrink_map;

/// The limits that a new connection is checked against.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConnectionLimits {
    /// Open connections in total.
    pub(crate) connections: usize,
    /// Open connections of one client address.
    pub(crate) per_address: Option<usize>,
    /// New connections per second.
    pub(crate) rate: Option<u32>,
}

impl ConnectionLimits {
    /// Limits the total alone.
    pub(crate) const fn new(connections: usize) -> Self {
        Self { connections, per_address: None, rate: None }
    }
}

/// The limit that rejects a new connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LimitReached {
    /// The total is reached.
    Total,
    /// The server closes its connections.
    Drain,
    /// The client's address has its maximum of open connections.
    Address,
    /// The maximum of new connections in this second is reached.
    Rate,
}

/// Number of open connections by the client's network.
#[derive(Debug, Default)]
pub(super) struct ConnectionsByNetwork(HashMap<NetworkPrefix, usize>);

impl ConnectionsByNetwork {
    /// Counts one more connection. Returns false, without counting, if there are `max` already.
    pub(super) fn try_add(&mut self, network: NetworkPrefix, max: usize) -> bool {
        let count = self.0.get(&network).copied().unwrap_or(0);
        if count < max {
            self.0.insert(network, count + 1);
        }
        count < max
    }

    /// Uncounts a connection that has ended.
    pub(super) fn remove(&mut self, network: NetworkPrefix) {
        if let Entry::Occupied(mut count) = self.0.entry(network) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
                shrink_map(&mut self.0);
            }
        }
    }
}

/// The part of an address that counts as one client: an IPv4 address, or the 64-bit prefix of an IPv6
/// address, because a subscriber chooses the other 64 bits (RFC 4291 §2.5.4).
///
/// Eight bytes, also inside an `Option`, because every connection stores one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct NetworkPrefix(NonZeroU64);

impl From<IpAddr> for NetworkPrefix {
    fn from(addr: IpAddr) -> Self {
        let bits = match addr.to_canonical() {
            // The IPv6 prefix `0:ffff::/32` is reserved, so no IPv6 client has these bits.
            IpAddr::V4(addr) => 0xffff << 32 | u64::from(addr.to_bits()),
            IpAddr::V6(addr) => (addr.to_bits() >> 64) as u64,
        };
        // A prefix of all ones is a multicast address, which is never a client's.
        Self(NonZeroU64::new(!bits).unwrap_or(NonZeroU64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shrink::MIN_CAPACITY;

    fn network(addr: &str) -> NetworkPrefix {
        addr.parse::<IpAddr>().unwrap().into()
    }

    #[test]
    fn ipv4_address_or_64_bit_ipv6_prefix_is_one_network() {
        assert_ne!(network("10.0.0.1"), network("10.0.0.2"));
        // A listener for both protocols sees an IPv4 client as an IPv4-mapped address.
        assert_eq!(network("10.0.0.1"), network("::ffff:10.0.0.1"));
        assert_eq!(network("2001:db8:0:1::1"), network("2001:db8:0:1:ffff::2"));
        assert_ne!(network("2001:db8:0:1::1"), network("2001:db8:0:2::1"));
        assert_ne!(network("::1"), network("0.0.0.0"));
    }

    #[test]
    fn memory_of_a_peak_of_networks_is_returned() {
        let mut networks = ConnectionsByNetwork::default();
        let all = || (0..10_000).map(|number| IpAddr::from(u32::to_be_bytes(number)).into());
        all().for_each(|network| assert!(networks.try_add(network, 1)));
        let peak = networks.0.capacity();
        all().for_each(|network| networks.remove(network));
        let remaining = networks.0.capacity();
        assert!(peak >= 10_000 && remaining <= MIN_CAPACITY, "{remaining} of {peak}");
    }

    #[test]
    fn network_without_connections_is_removed() {
        let mut networks = ConnectionsByNetwork::default();
        let (one, other) = (network("10.0.0.1"), network("10.0.0.2"));
        assert!(networks.try_add(one, 2) && networks.try_add(one, 2) && networks.try_add(other, 2));
        assert!(!networks.try_add(one, 2));
        networks.remove(one);
        assert!(networks.try_add(one, 2));
        for network in [one, one, other] {
            networks.remove(network);
        }
        assert!(networks.0.is_empty());
        assert!(!networks.try_add(one, 0) && networks.0.is_empty());
    }
}
