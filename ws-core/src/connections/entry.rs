//! The entry of a connection in the registry.

use std::net::SocketAddr;
use std::task::Waker;
use std::time::{Duration, Instant};

use super::limits::NetworkPrefix;
use super::peer_address::PeerAddress;

/// The part of a connection that is stored here, so that its task need not store it. Every open connection has an
/// entry, so that the fields are packed. The rarely used part is stored apart, by the key of the entry.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) waker: Option<Waker>,
    /// The number of the connection. Keys are used again, numbers are not.
    pub(super) serial: u64,
    /// The client's address. The flag is set if the connection counts for the client's network.
    peer: PeerAddress,
    /// Set when the connection begins: a permit may also be that of a handshake.
    pub(super) kind: Option<&'static ConnectionKind>,
    /// When the connection began, in nanoseconds after the start of the tracker.
    opened: i64,
}

/// The kind of a connection: a constant for each handler and transport.
#[derive(Debug)]
pub(crate) struct ConnectionKind {
    /// Returns the name of the handler's type.
    pub(crate) handler: fn() -> &'static str,
    pub(crate) is_session: bool,
}

impl Entry {
    #[inline]
    pub(super) fn new(serial: u64, peer: Option<SocketAddr>, is_counted: bool) -> Self {
        Self {
            waker: None,
            serial,
            peer: PeerAddress::new(peer).with_flag(is_counted),
            kind: None,
            opened: 0,
        }
    }

    /// Notes the beginning of the connection, unless it has begun. `start` is that of the tracker.
    pub(super) fn begin(&mut self, kind: &'static ConnectionKind, at: Instant, start: Instant) {
        if self.kind.is_none() {
            self.kind = Some(kind);
            self.opened = signed_nanos(start, at);
        }
    }

    /// Returns the name of the handler, if the connection has begun.
    pub(super) fn handler(&self) -> Option<&'static str> {
        self.kind.map(|kind| (kind.handler)())
    }

    /// Returns when the connection began.
    pub(super) fn opened(&self, start: Instant) -> Instant {
        let nanos = Duration::from_nanos(self.opened.unsigned_abs());
        let opened = if self.opened < 0 { start.checked_sub(nanos) } else { start.checked_add(nanos) };
        opened.unwrap_or(start)
    }

    pub(super) fn peer(&self) -> Option<SocketAddr> {
        self.peer.get()
    }

    /// Returns the client's network, if the connection counts for it.
    #[inline]
    pub(super) fn counted_network(&self) -> Option<NetworkPrefix> {
        self.peer.flagged_ip().map(NetworkPrefix::from)
    }

    /// Sets the address of a client, for whose network the connection counts. Returns the network for which it
    /// counted before.
    #[cfg(feature = "proxy-protocol")]
    pub(super) fn count_for(&mut self, peer: SocketAddr) -> Option<NetworkPrefix> {
        let previous = self.counted_network();
        self.peer = PeerAddress::new(Some(peer)).with_flag(true);
        previous
    }
}

/// Returns the time from `start` to `at`, which is negative if `at` is earlier. The clock of a paused runtime may
/// differ from that of the thread which made the tracker.
fn signed_nanos(start: Instant, at: Instant) -> i64 {
    let nanos = |time: Duration| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
    match at.checked_duration_since(start) {
        Some(later) => nanos(later),
        None => -nanos(start.saturating_duration_since(at)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static KIND: ConnectionKind = ConnectionKind { handler: || "handler", is_session: false };

    #[test]
    #[cfg(target_pointer_width = "64")]
    fn entry_is_small() {
        assert_eq!(size_of::<Entry>(), 64);
        // The list of free entries needs no tag.
        assert_eq!(size_of::<Option<Entry>>(), 64);
    }

    #[test]
    fn beginning_is_noted_once() {
        let (start, second) = (Instant::now() + Duration::from_secs(60), Duration::from_secs(1));
        for at in [start, start + second, start - second] {
            let mut entry = Entry::new(1, None, false);
            entry.begin(&KIND, at, start);
            entry.begin(&KIND, at + second, start);
            assert_eq!(entry.opened(start), at);
        }
    }
}
