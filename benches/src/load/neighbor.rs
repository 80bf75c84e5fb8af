//! A client that sends large messages without a pause, beside the connections of a [`Load`].

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};

use super::{Connection, Load, Offer, Parser, accepted, request, tcp};

/// The maximum number of bytes that are written, and read, between two looks at the other connections. A larger
/// share would make them wait for the load instead of the server.
const SHARE: usize = 64 * 1024;

pub(crate) struct Neighbor {
    socket: TcpStream,
    parser: Parser,
    bytes: Rc<[u8]>,
    written: usize,
    /// Payload of the first answer, until it has arrived.
    expected: Option<Vec<u8>>,
    /// Answers that have arrived.
    pub(crate) messages: u64,
    /// The events of the load and of this connection.
    epoll: OwnedFd,
    buf: Vec<u8>,
}

impl Neighbor {
    /// Connects a client that sends `bytes` repeatedly and expects `payload` as the first answer.
    pub(crate) fn connect(load: &Load, bytes: Rc<[u8]>, payload: Vec<u8>) -> io::Result<Self> {
        let mut socket = tcp(load.port, load.connections.len())?;
        request(&mut socket, Offer::Nothing)?;
        accepted(&mut socket, Offer::Nothing)?;
        socket.set_nonblocking(true)?;
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let data = epoll::EventData::new_u64(0);
        epoll::add(&epoll, &load.epoll, data, epoll::EventFlags::IN)?;
        epoll::add(&epoll, &socket, data, epoll::EventFlags::IN | epoll::EventFlags::OUT)?;
        let mut parser = Parser::default();
        parser.collected = Some(Vec::new());
        let (expected, buf) = (Some(payload), vec![0; SHARE]);
        Ok(Self { socket, parser, bytes, written: 0, expected, messages: 0, epoll, buf })
    }

    /// Waits for events, and serves all connections. Calls `on` like [`Load::poll`].
    pub(crate) fn poll(
        &mut self,
        load: &mut Load,
        on: impl FnMut(&mut Connection, u32) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut events = Vec::<epoll::Event>::with_capacity(2);
        let timeout = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
        epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&timeout))?;
        load.poll(Duration::ZERO, on)?;
        self.read()?;
        self.write()
    }

    fn write(&mut self) -> io::Result<()> {
        let end = self.bytes.len().min(self.written + SHARE);
        match self.socket.write(&self.bytes[self.written..end]) {
            Ok(len) => self.written = (self.written + len) % self.bytes.len(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn read(&mut self) -> io::Result<()> {
        let len = match self.socket.read(&mut self.buf) {
            Ok(0) => return Err(io::Error::other("the server closed the neighbor's connection")),
            Ok(len) => len,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        // A ping gets no answer: a run is shorter than the time that any server waits for one.
        self.messages += u64::from(self.parser.feed(&self.buf[..len], &mut Vec::new())?);
        if self.messages > 0
            && let Some(expected) = self.expected.take()
            && !self.parser.collected.take().unwrap_or_default().starts_with(&expected)
        {
            return Err(io::Error::other("the neighbor's answer is no echo"));
        }
        Ok(())
    }
}
