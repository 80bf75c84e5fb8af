//! The portable implementation, on mio.

use std::io::{self, Read, Write};
use std::time::Duration;

use mio::event::Event;
pub(in crate::worker) use mio::net::TcpStream;
use mio::{Interest, Token};

use super::{EVENTS, READ_CLOSED, READABLE, WRITABLE};

/// The token of the waker. No socket has this token.
const WAKER: Token = Token(usize::MAX);

/// The poll instance with the sockets of one worker.
#[derive(Debug)]
pub(in crate::worker) struct Poller(mio::Poll);

/// A handle to the poll instance that can only deregister sockets.
#[derive(Debug)]
pub(in crate::worker) struct PollerRegistry(mio::Registry);

/// The events of the last wait, copied from mio's list, which has no access by index.
pub(in crate::worker) struct Events {
    events: mio::Events,
    ready: Vec<(usize, u8)>,
}

/// A handle that ends the wait of a worker.
#[derive(Debug)]
pub(in crate::worker) struct Waker(mio::Waker);

impl Poller {
    pub(in crate::worker) fn new() -> io::Result<(Self, Waker, PollerRegistry)> {
        let poll = mio::Poll::new()?;
        let waker = mio::Waker::new(poll.registry(), WAKER)?;
        let registry = PollerRegistry(poll.registry().try_clone()?);
        Ok((Self(poll), Waker(waker), registry))
    }

    /// Registers a non-blocking socket. Data that has already arrived gives an event.
    pub(in crate::worker) fn register(
        &self,
        stream: std::net::TcpStream,
        key: usize,
    ) -> io::Result<TcpStream> {
        let mut stream = TcpStream::from_std(stream);
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.0.registry().register(&mut stream, Token(key), interest)?;
        Ok(stream)
    }

    /// Waits for events; with `nonblocking`, only takes those that have already happened.
    pub(in crate::worker) fn wait(&mut self, events: &mut Events, nonblocking: bool) -> io::Result<()> {
        events.ready.clear();
        self.0.poll(&mut events.events, nonblocking.then_some(Duration::ZERO))?;
        events.ready.extend(events.events.iter().map(|event| (event.token().0, readiness(event))));
        Ok(())
    }
}

impl PollerRegistry {
    /// Deregisters a socket.
    pub(in crate::worker) fn release(&self, mut stream: TcpStream) -> io::Result<std::net::TcpStream> {
        self.0.deregister(&mut stream)?;
        Ok(stream.into())
    }
}

impl Events {
    pub(in crate::worker) fn new() -> Self {
        Self { events: mio::Events::with_capacity(EVENTS), ready: Vec::with_capacity(EVENTS) }
    }

    /// Returns the key and the readiness of an event. The key may be that of the waker, or of a socket
    /// that was deregistered since.
    pub(in crate::worker) fn get(&self, index: usize) -> Option<(usize, u8)> {
        self.ready.get(index).copied()
    }
}

fn readiness(event: &Event) -> u8 {
    let mut ready = 0;
    if event.is_readable() {
        ready |= READABLE;
    }
    if event.is_writable() || event.is_write_closed() {
        ready |= WRITABLE;
    }
    if event.is_read_closed() || event.is_error() {
        // The next read or write returns the end or the error.
        ready |= READABLE | WRITABLE | READ_CLOSED;
    }
    ready
}

impl Waker {
    pub(in crate::worker) fn wake(&self) -> io::Result<()> {
        self.0.wake()
    }
}

pub(in crate::worker) fn recv(mut stream: &TcpStream, to: &mut [u8]) -> io::Result<usize> {
    stream.read(to)
}

pub(in crate::worker) fn send(mut stream: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    stream.write(bytes)
}
