//! Limits of the bytes that the kernel holds for a client.

use super::{Options, Overflow};

/// The default of [`UnsentLimit`] in bytes, for a handler whose `overflow` drops messages.
const DEFAULT_UNSENT: usize = 16 << 10;

/// The number of bytes that the kernel may hold and has not sent to the client: `TCP_NOTSENT_LOWAT`.
///
/// The kernel's send buffer grows to megabytes. Bytes in that buffer are out of reach of
/// [`Overflow`](crate::Overflow), so that a client which reads too slowly receives old messages first. A limit
/// keeps those messages in the queue of the connection, where a newer one replaces them.
///
/// Bytes in flight do not count. A client that reads as fast as the server writes pays with more wake-ups: over
/// loopback, 16 KiB cost up to half of the throughput, and up to 1.5 times the CPU time (messages of 64 B to 1 MiB).
///
/// The limit applies on Linux and Android, to TCP and TLS of this crate's server. Streams of HTTP/2 share a socket,
/// so they have no such limit, and neither has a stream from another server.
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// use ws_core::UnsentLimit;
///
/// #[websocket(path = "/quotes", overflow = latest)]
/// struct Quotes;
///
/// #[websocket]
/// impl Quotes {
///     /// A client on a fast and long line needs more bytes in flight.
///     #[on_upgrade]
///     fn join(headers: HeaderMap) -> Upgrade<Self> {
///         Upgrade::new(Quotes).options(|options| {
///             assert_eq!(options.unsent_limit, UnsentLimit::ByOverflow); // 16 KiB.
///             if headers.contains_key("x-far-away") {
///                 options.unsent_limit = UnsentLimit::Bytes(256 << 10);
///             }
///         })
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// # assert!(TestClient::<Quotes>::upgrade("/quotes").header("x-far-away", "1").open().await.is_ok());
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnsentLimit {
    /// 16 KiB if `overflow` drops messages, and no limit with `overflow = close`.
    #[default]
    ByOverflow,
    /// That number of bytes (`unsent_limit = 64KiB`).
    Bytes(usize),
    /// No limit besides the kernel's own (`unsent_limit = none`).
    Unlimited,
}

/// The limits to set on a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SendLimits {
    /// `SO_SNDBUF` in bytes.
    pub(crate) send_buffer: Option<usize>,
    /// `TCP_NOTSENT_LOWAT` in bytes.
    pub(crate) unsent: Option<usize>,
}

impl Options {
    /// Returns the limits to set on the socket, or `None` if the kernel's own apply.
    #[inline]
    pub(crate) fn send_limits(&self) -> Option<SendLimits> {
        let unsent = match self.unsent_limit {
            UnsentLimit::ByOverflow => (self.overflow != Overflow::Close).then_some(DEFAULT_UNSENT),
            UnsentLimit::Bytes(bytes) => Some(bytes),
            UnsentLimit::Unlimited => None,
        };
        let limits = SendLimits { send_buffer: self.send_buffer, unsent };
        (limits.send_buffer.is_some() || limits.unsent.is_some()).then_some(limits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsent_limit_follows_the_overflow_unless_it_is_declared() {
        let limit = |overflow, unsent_limit| {
            let options = Options { overflow, unsent_limit, ..Options::DEFAULT };
            options.send_limits().and_then(|limits| limits.unsent)
        };
        assert_eq!(limit(Overflow::Close, UnsentLimit::ByOverflow), None);
        for overflow in [Overflow::DropOldest, Overflow::DropNewest, Overflow::Latest] {
            assert_eq!(limit(overflow, UnsentLimit::ByOverflow), Some(16 << 10));
            assert_eq!(limit(overflow, UnsentLimit::Unlimited), None);
        }
        assert_eq!(limit(Overflow::Close, UnsentLimit::Bytes(1)), Some(1));
        assert_eq!(Options::DEFAULT.send_limits(), None);
    }
}
