//! Waits for sockets, and reads and writes them: with epoll on Linux, with mio on other systems.

#[cfg(target_os = "linux")]
mod epoll;
#[cfg(not(target_os = "linux"))]
mod mio;

#[cfg(not(target_os = "linux"))]
pub(super) use self::mio::{Events, Poller, PollerRegistry, TcpStream, Waker, recv, send};
#[cfg(target_os = "linux")]
pub(super) use epoll::{Events, Poller, PollerRegistry, TcpStream, Waker, recv, send};

/// The number of events that one wait returns at most.
const EVENTS: usize = 1024;

// Bits of a socket's readiness.
pub(super) const READABLE: u8 = 1;
pub(super) const WRITABLE: u8 = 2;
/// The peer has closed its direction, or the socket has failed: the socket stays readable.
pub(super) const READ_CLOSED: u8 = 4;
/// The timer of the connection has fired.
pub(super) const ELAPSED: u8 = 8;
