//! Waiting for sockets, and reading and writing them: with epoll where there is one, elsewhere with
//! what mio finds.

#[cfg(target_os = "linux")]
mod epoll;
#[cfg(not(target_os = "linux"))]
mod mio;

#[cfg(not(target_os = "linux"))]
pub(super) use self::mio::{Events, Poller, PollerRegistry, TcpStream, Waker, recv, send};
#[cfg(target_os = "linux")]
pub(super) use epoll::{Events, Poller, PollerRegistry, TcpStream, Waker, recv, send};

/// Events that are taken from the kernel at once.
const EVENTS: usize = 1024;

// What a socket is ready for.
pub(super) const READABLE: u8 = 1;
pub(super) const WRITABLE: u8 = 2;
/// Nothing more will come, so that it stays readable.
pub(super) const READ_CLOSED: u8 = 4;
