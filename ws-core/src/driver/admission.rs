//! Who may connect: how many in all, from one address, and in a second.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::num::NonZeroU64;

/// What is looked at before a connection is admitted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConnectionLimits {
    /// How many there may be.
    pub(crate) connections: usize,
    /// How many of them may come from one address.
    pub(crate) per_address: Option<usize>,
    /// How many may come in a second.
    pub(crate) rate: Option<u32>,
}

impl ConnectionLimits {
    /// So many, from wherever and however fast they come.
    pub(crate) const fn new(connections: usize) -> Self {
        Self { connections, per_address: None, rate: None }
    }
}

/// Why one more is not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LimitReached {
    /// There are as many as there may be, or the server shuts down.
    Total,
    /// There are as many as may come from its address.
    Address,
    /// As many have come in this second as may.
    Rate,
}

/// How many connections there are from where.
#[derive(Debug, Default)]
pub(super) struct ConnectionsByNetwork(HashMap<NetworkPrefix, usize>);

impl ConnectionsByNetwork {
    /// Counts one more, unless there are `max`.
    pub(super) fn try_add(&mut self, network: NetworkPrefix, max: usize) -> bool {
        let count = self.0.get(&network).copied().unwrap_or(0);
        if count < max {
            self.0.insert(network, count + 1);
        }
        count < max
    }

    /// One that was counted has ended.
    pub(super) fn remove(&mut self, network: NetworkPrefix) {
        if let Entry::Occupied(mut count) = self.0.entry(network) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

/// What counts as one address: an IPv4 address, or the 64 bits of an IPv6 address in front of those
/// that its owner chooses (RFC 4291 §2.5.4). Eight bytes, and with none of it no more, as there is room for one
/// with every connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct NetworkPrefix(NonZeroU64);

impl From<IpAddr> for NetworkPrefix {
    fn from(addr: IpAddr) -> Self {
        let bits = match addr.to_canonical() {
            // Of IPv6, `0:ffff::/32` is reserved and will be nobody's.
            IpAddr::V4(addr) => 0xffff << 32 | u64::from(addr.to_bits()),
            IpAddr::V6(addr) => (addr.to_bits() >> 64) as u64,
        };
        // What begins with all ones is a group's, and nobody's who connects.
        Self(NonZeroU64::new(!bits).unwrap_or(NonZeroU64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(addr: &str) -> NetworkPrefix {
        addr.parse::<IpAddr>().unwrap().into()
    }

    #[test]
    fn ipv4_address_or_ipv6_prefix_of_64_bits_is_one_network() {
        assert_ne!(network("10.0.0.1"), network("10.0.0.2"));
        // What a listener for both sees of an IPv4 client.
        assert_eq!(network("10.0.0.1"), network("::ffff:10.0.0.1"));
        assert_eq!(network("2001:db8:0:1::1"), network("2001:db8:0:1:ffff::2"));
        assert_ne!(network("2001:db8:0:1::1"), network("2001:db8:0:2::1"));
        assert_ne!(network("::1"), network("0.0.0.0"));
    }

    #[test]
    fn network_without_connections_is_removed() {
        let mut addresses = ConnectionsByNetwork::default();
        let (one, other) = (network("10.0.0.1"), network("10.0.0.2"));
        assert!(addresses.try_add(one, 2) && addresses.try_add(one, 2) && addresses.try_add(other, 2));
        assert!(!addresses.try_add(one, 2));
        addresses.remove(one);
        assert!(addresses.try_add(one, 2));
        for network in [one, one, other] {
            addresses.remove(network);
        }
        assert!(addresses.0.is_empty());
        assert!(!addresses.try_add(one, 0) && addresses.0.is_empty());
    }
}
