//! Linux system calls, made directly instead of through the C library.
//!
//! PERF: the library's `recv`, `send` and `epoll_wait` are cancellation points of threads. In a program
//! with several threads, enabling and disabling cancellation costs more than the rest of the call, and
//! Rust threads are never cancelled. budget: text64

use std::io;
pub(in crate::worker) use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use rustix::net::{RecvFlags, SendFlags};

use super::{EVENTS, READ_CLOSED, READABLE, WRITABLE};

/// The key of the waker. No socket has this key.
const WAKER: u64 = u64::MAX;

/// The epoll instance with the sockets of one worker.
#[derive(Debug)]
pub(in crate::worker) struct Poller(Arc<OwnedFd>);

/// A handle to the epoll instance that can only deregister sockets.
#[derive(Debug)]
pub(in crate::worker) struct PollerRegistry(Arc<OwnedFd>);

/// The events of the last wait.
pub(in crate::worker) struct Events(Vec<Event>);

/// A handle that ends the wait of a worker.
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

    /// Registers a non-blocking socket. Data that has already arrived gives an event.
    pub(in crate::worker) fn register(&self, stream: TcpStream, key: usize) -> io::Result<TcpStream> {
        let interest = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        epoll::add(&self.0, &stream, EventData::new_u64(key as u64), interest)?;
        Ok(stream)
    }

    /// Waits for events; with `nonblocking`, only takes those that have already happened.
    #[inline]
    pub(in crate::worker) fn wait(&mut self, events: &mut Events, nonblocking: bool) -> io::Result<()> {
        events.0.clear();
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        epoll::wait(&self.0, spare_capacity(&mut events.0), nonblocking.then_some(&now))?;
        Ok(())
    }
}

impl PollerRegistry {
    /// Deregisters a socket.
    pub(in crate::worker) fn release(&self, stream: TcpStream) -> io::Result<TcpStream> {
        epoll::delete(&self.0, &stream)?;
        Ok(stream)
    }
}

impl Events {
    pub(in crate::worker) fn new() -> Self {
        Self(Vec::with_capacity(EVENTS))
    }

    /// Returns the key and the readiness of an event. The key may be that of the waker, or of a socket
    /// that was deregistered since.
    // PERF: called once for each event. budget: text64
    #[inline(always)]
    pub(in crate::worker) fn get(&self, index: usize) -> Option<(usize, u8)> {
        let event = self.0.get(index)?;
        let key = usize::try_from(event.data.u64()).unwrap_or(usize::MAX);
        Some((key, readiness(event.flags)))
    }
}

// PERF: called once for each event. budget: text64
#[inline(always)]
fn readiness(flags: EventFlags) -> u8 {
    if flags.intersects(EventFlags::HUP | EventFlags::RDHUP | EventFlags::ERR) {
        // The next read or write returns the end or the error.
        return READABLE | WRITABLE | READ_CLOSED;
    }
    let readable = if flags.contains(EventFlags::IN) { READABLE } else { 0 };
    let writable = if flags.contains(EventFlags::OUT) { WRITABLE } else { 0 };
    readable | writable
}

impl Waker {
    pub(in crate::worker) fn wake(&self) -> io::Result<()> {
        // Every write to the edge-triggered eventfd gives an event, so the counter is never read. It
        // overflows after some hundred thousand years.
        rustix::io::write(&self.0, &1_u64.to_ne_bytes())?;
        Ok(())
    }
}

// PERF: called once for each event. budget: text64
#[inline(always)]
pub(in crate::worker) fn recv(stream: &TcpStream, to: &mut [u8]) -> io::Result<usize> {
    Ok(rustix::net::recv(stream, to, RecvFlags::empty())?.0)
}

// PERF: called once for each write. budget: text64
#[inline(always)]
pub(in crate::worker) fn send(stream: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    // A closed socket returns an error instead of raising `SIGPIPE`.
    Ok(rustix::net::send(stream, bytes, SendFlags::NOSIGNAL)?)
}
