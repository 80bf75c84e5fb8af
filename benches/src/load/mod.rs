//! The client side of all workloads: one thread, one epoll and prepared frames. The load has to cost less
//! than any server; every run reports its CPU time.

mod connect;
mod frame;
#[cfg(feature = "peers")]
pub(crate) mod http2;
pub(crate) mod neighbor;
mod socket;
#[cfg(feature = "peers")]
mod tls;

use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};

pub(crate) use connect::{Offer, accepted, check_response, request, start_connect, tcp};
pub(crate) use frame::{BINARY, CLOSE, Parser, RSV1, TEXT, frame};
use socket::Socket;

/// Size of the read buffer.
const READ: usize = 256 * 1024;

pub(crate) struct Connection {
    socket: Socket,
    pub(crate) parser: Parser,
    /// Bytes being written, and the number already written.
    writing: Rc<[u8]>,
    written: usize,
    /// Pongs, written between messages.
    pongs: Vec<u8>,
    /// Expected messages.
    pub(crate) due: u32,
    /// Number of calls of [`send`](Self::send).
    pub(crate) sent: usize,
    pub(crate) since: Instant,
}

impl Connection {
    fn new(socket: Socket) -> Self {
        let (parser, writing, pongs) = (Parser::default(), Rc::from([]), Vec::new());
        Self { socket, parser, writing, written: 0, pongs, due: 0, sent: 0, since: Instant::now() }
    }

    /// Sends bytes that the server answers with `answers` messages. Earlier bytes must have been written.
    pub(crate) fn send(&mut self, bytes: &Rc<[u8]>, answers: u32) -> io::Result<()> {
        assert_eq!(self.written, self.writing.len(), "one write at a time");
        self.writing = Rc::clone(bytes);
        self.written = 0;
        self.due = answers;
        self.sent += 1;
        self.since = Instant::now();
        self.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.socket.flush() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            result => result?,
        }
        while self.written < self.writing.len() {
            match self.socket.write(&self.writing[self.written..]) {
                Ok(len) => self.written += len,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        if !self.pongs.is_empty() {
            // A pong is small enough for any socket that is not full.
            self.socket.write_all(&self.pongs)?;
            self.pongs.clear();
        }
        Ok(())
    }

    /// Reads until the socket is empty, and counts the messages.
    fn read(&mut self, buf: &mut [u8]) -> io::Result<u32> {
        let mut messages = 0;
        loop {
            match self.socket.read(buf) {
                Ok(0) => return Err(io::Error::other("the server closed the connection")),
                Ok(len) => {
                    messages += self.parser.feed(&buf[..len], &mut self.pongs)?;
                    if len < buf.len() && self.socket.is_emptied_by_short_read() {
                        return Ok(messages);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(messages),
                Err(error) => return Err(error),
            }
        }
    }
}

pub(crate) struct Load {
    pub(crate) port: u16,
    epoll: OwnedFd,
    pub(crate) connections: Vec<Connection>,
    events: Vec<epoll::Event>,
    buf: Vec<u8>,
}

impl Load {
    /// Opens connections one after the other.
    pub(crate) fn connect(port: u16, count: usize, offer: Offer) -> io::Result<Self> {
        let mut load = Self::new(port)?;
        load.add(port, count, offer)?;
        Ok(load)
    }

    /// Like [`connect`](Self::connect), but with TLS.
    #[cfg(feature = "peers")]
    pub(crate) fn connect_tls(port: u16, count: usize) -> io::Result<Self> {
        let (mut load, config) = (Self::new(port)?, tls::config()?);
        for number in 0..count {
            let stream = tls::TlsStream::connect(tcp(port, number)?, &config)?;
            load.open(Socket::Tls(Box::new(stream)), Offer::Nothing)?;
        }
        Ok(load)
    }

    fn new(port: u16) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let events = Vec::with_capacity(256);
        Ok(Self { port, epoll, connections: Vec::new(), events, buf: vec![0; READ] })
    }

    pub(crate) fn add(&mut self, port: u16, count: usize, offer: Offer) -> io::Result<()> {
        for _ in 0..count {
            let socket = tcp(port, self.connections.len())?;
            self.open(Socket::Tcp(socket), offer)?;
        }
        Ok(())
    }

    /// Performs the WebSocket handshake, and adds the connection.
    fn open(&mut self, mut socket: Socket, offer: Offer) -> io::Result<()> {
        request(&mut socket, offer)?;
        accepted(&mut socket, offer)?;
        socket.tcp().set_nonblocking(true)?;
        let data = epoll::EventData::new_u64(self.connections.len() as u64);
        let flags = epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::ET;
        epoll::add(&self.epoll, socket.tcp(), data, flags)?;
        self.connections.push(Connection::new(socket));
        Ok(())
    }

    /// Waits for input, reads it, and calls `on` with each readable connection and its number of messages.
    pub(crate) fn poll(
        &mut self,
        timeout: Duration,
        mut on: impl FnMut(&mut Connection, u32) -> io::Result<()>,
    ) -> io::Result<()> {
        let timeout = Timespec { tv_sec: timeout.as_secs() as i64, tv_nsec: timeout.subsec_nanos().into() };
        self.events.clear();
        epoll::wait(&self.epoll, spare_capacity(&mut self.events), Some(&timeout))?;
        for event in &self.events {
            let connection = &mut self.connections[event.data.u64() as usize];
            let messages = connection.read(&mut self.buf)?;
            connection.due = connection.due.saturating_sub(messages);
            connection.flush()?;
            if messages > 0 {
                on(connection, messages)?;
            }
        }
        Ok(())
    }

    /// Waits until all expected messages have arrived.
    pub(crate) fn settle(&mut self) -> io::Result<()> {
        let patience = Instant::now() + Duration::from_secs(60);
        while self.connections.iter().any(|connection| connection.due > 0) {
            self.poll(Duration::from_secs(1), |_, _| Ok(()))?;
            if Instant::now() > patience {
                return Err(io::Error::other("an answer never came"));
            }
        }
        Ok(())
    }

    /// Sends on one connection and returns the payloads of the answers.
    pub(crate) fn request(&mut self, number: usize, bytes: &Rc<[u8]>, answers: u32) -> io::Result<Vec<u8>> {
        self.connections[number].parser.collected = Some(Vec::new());
        self.connections[number].send(bytes, answers)?;
        self.settle()?;
        Ok(self.connections[number].parser.collected.take().unwrap_or_default())
    }

    /// Sends on every connection, a few at a time, to avoid a peak of memory that real clients would not cause.
    pub(crate) fn each(&mut self, bytes: &Rc<[u8]>, answers: u32) -> io::Result<()> {
        for start in (0..self.connections.len()).step_by(16) {
            let end = (start + 16).min(self.connections.len());
            for connection in &mut self.connections[start..end] {
                connection.send(bytes, answers)?;
            }
            let mut left: u32 = answers * (end - start) as u32;
            while left > 0 {
                self.poll(Duration::from_secs(60), |_, messages| {
                    left = left.saturating_sub(messages);
                    Ok(())
                })?;
            }
        }
        Ok(())
    }
}
