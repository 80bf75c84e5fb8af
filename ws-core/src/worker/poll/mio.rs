//! What every system has.

use std::io::{self, Read, Write};
use std::time::Duration;

use mio::event::Event;
pub(in crate::worker) use mio::net::TcpStream;
use mio::{Interest, Token};

use super::{EVENTS, READ_CLOSED, READABLE, WRITABLE};

/// No socket has that key.
const WAKER: Token = Token(usize::MAX);

/// The sockets of a thread.
#[derive(Debug)]
pub(in crate::worker) struct Poller(mio::Poll);

/// The same, for those who have a socket and not the thread.
#[derive(Debug)]
pub(in crate::worker) struct PollerRegistry(mio::Registry);

/// What was heard of them. It is looked at one by one, which mio's list is not made for.
pub(in crate::worker) struct Events {
    events: mio::Events,
    ready: Vec<(usize, u8)>,
}

/// Ends the wait of a thread.
#[derive(Debug)]
pub(in crate::worker) struct Waker(mio::Waker);

impl Poller {
    pub(in crate::worker) fn new() -> io::Result<(Self, Waker, PollerRegistry)> {
        let poll = mio::Poll::new()?;
        let waker = mio::Waker::new(poll.registry(), WAKER)?;
        let registry = PollerRegistry(poll.registry().try_clone()?);
        Ok((Self(poll), Waker(waker), registry))
    }

    /// Adds a socket, which is non-blocking. What has come there already is an event.
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

    /// Waits until something has happened, or only looks.
    pub(in crate::worker) fn wait(&mut self, events: &mut Events, nonblocking: bool) -> io::Result<()> {
        events.ready.clear();
        self.0.poll(&mut events.events, nonblocking.then_some(Duration::ZERO))?;
        events.ready.extend(events.events.iter().map(|event| (event.token().0, readiness(event))));
        Ok(())
    }
}

impl PollerRegistry {
    /// Takes a socket out again.
    pub(in crate::worker) fn release(&self, mut stream: TcpStream) -> io::Result<std::net::TcpStream> {
        self.0.deregister(&mut stream)?;
        Ok(stream.into())
    }
}

impl Events {
    pub(in crate::worker) fn new() -> Self {
        Self { events: mio::Events::with_capacity(EVENTS), ready: Vec::with_capacity(EVENTS) }
    }

    /// The key of a socket that the last wait was about, and what it is ready for. It may be a key that
    /// is none.
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
        // The next read or write says what it is.
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
