//! The calls of Linux, past those of the C library. These are points where a thread can be cancelled; in a
//! program with several threads, to allow that and to forbid it again costs more than all the rest of a
//! call, and nobody cancels a thread of Rust.

use std::io;
pub(in crate::worker) use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use rustix::net::{RecvFlags, SendFlags};

use super::{EVENTS, READ_CLOSED, READABLE, WRITABLE};

/// No socket has that key.
const WAKER: u64 = u64::MAX;

/// The sockets of a thread.
#[derive(Debug)]
pub(in crate::worker) struct Poller(Arc<OwnedFd>);

/// The same, for those who have a socket and not the thread.
#[derive(Debug)]
pub(in crate::worker) struct PollerRegistry(Arc<OwnedFd>);

/// What was heard of them.
pub(in crate::worker) struct Events(Vec<Event>);

/// Ends the wait of a thread.
#[derive(Debug)]
pub(in crate::worker) struct Waker(OwnedFd);

impl Poller {
    pub(in crate::worker) fn new() -> io::Result<(Self, Waker, PollerRegistry)> {
        let epoll = Arc::new(epoll::create(CreateFlags::CLOEXEC)?);
        let waker = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        epoll::add(&epoll, &waker, EventData::new_u64(WAKER), EventFlags::IN | EventFlags::ET)?;
        let registry = PollerRegistry(Arc::clone(&epoll));
        Ok((Self(epoll), Waker(waker), registry))
    }

    /// Adds a socket, which is non-blocking. What has come there already is an event.
    pub(in crate::worker) fn register(&self, stream: TcpStream, key: usize) -> io::Result<TcpStream> {
        let interest = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        epoll::add(&self.0, &stream, EventData::new_u64(key as u64), interest)?;
        Ok(stream)
    }

    /// Waits until something has happened, or only looks.
    #[inline(always)]
    pub(in crate::worker) fn wait(&mut self, events: &mut Events, nonblocking: bool) -> io::Result<()> {
        events.0.clear();
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        epoll::wait(&self.0, spare_capacity(&mut events.0), nonblocking.then_some(&now))?;
        Ok(())
    }
}

impl PollerRegistry {
    /// Takes a socket out again.
    pub(in crate::worker) fn release(&self, stream: TcpStream) -> io::Result<TcpStream> {
        epoll::delete(&self.0, &stream)?;
        Ok(stream)
    }
}

impl Events {
    pub(in crate::worker) fn new() -> Self {
        Self(Vec::with_capacity(EVENTS))
    }

    /// The key of a socket that the last wait was about, and what it is ready for. It may be a key that
    /// is none.
    #[inline(always)]
    pub(in crate::worker) fn get(&self, index: usize) -> Option<(usize, u8)> {
        let event = self.0.get(index)?;
        let key = usize::try_from(event.data.u64()).unwrap_or(usize::MAX);
        Some((key, readiness(event.flags)))
    }
}

#[inline(always)]
fn readiness(flags: EventFlags) -> u8 {
    if flags.intersects(EventFlags::HUP | EventFlags::RDHUP | EventFlags::ERR) {
        // The next read or write says what it is.
        return READABLE | WRITABLE | READ_CLOSED;
    }
    let readable = if flags.contains(EventFlags::IN) { READABLE } else { 0 };
    let writable = if flags.contains(EventFlags::OUT) { WRITABLE } else { 0 };
    readable | writable
}

impl Waker {
    pub(in crate::worker) fn wake(&self) -> io::Result<()> {
        // Each is an event, whether or not the one before was taken; so nobody reads them, and there
        // are enough for some hundred thousand years.
        rustix::io::write(&self.0, &1_u64.to_ne_bytes())?;
        Ok(())
    }
}

#[inline(always)]
pub(in crate::worker) fn recv(stream: &TcpStream, to: &mut [u8]) -> io::Result<usize> {
    Ok(rustix::net::recv(stream, to, RecvFlags::empty())?.0)
}

#[inline(always)]
pub(in crate::worker) fn send(stream: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    // A socket that is closed is an error, and no signal.
    Ok(rustix::net::send(stream, bytes, SendFlags::NOSIGNAL)?)
}
