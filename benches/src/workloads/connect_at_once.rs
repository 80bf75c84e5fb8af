//! Connections that all start at once, as after the restart of a server whose clients reconnect.

use std::fs;
use std::io::{self, Read};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};

use super::{Session, Workload, column};
use crate::load::{Offer, check_response, request, start_connect};
use crate::servers::Mode;

pub(super) const WORKLOADS: &[Workload] = &[Workload {
    key: "connect5k",
    title: "Connections, 5,000 at once",
    about: "All connects start before the first request is sent, to a server without other clients: seconds until the last \
            handshake is answered, and how often the kernel sent a SYN again because the server's accept queue was full.",
    mode: Mode::Echo,
    columns: &[column("seconds", 3), column("SYNs sent again", 0)],
    run,
}];

/// Time limit for all handshakes. The kernel sends a lost SYN again after 1, 3, 7, 15 and 31 seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection from its SYN to the answer of its handshake.
struct Handshake {
    socket: TcpStream,
    is_requested: bool,
    response: Vec<u8>,
}

fn run(session: &Session<'_>) -> io::Result<Vec<f64>> {
    let count = if session.quick { 1_000 } else { 5_000 };
    let port = session.process.port;
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let (sent_again, start) = (syns_sent_again()?, Instant::now());
    let mut handshakes = Vec::with_capacity(count);
    for number in 0..count {
        let socket = start_connect(port, number)?;
        handshakes.push(Handshake { socket, is_requested: false, response: Vec::new() });
    }
    for (number, handshake) in handshakes.iter().enumerate() {
        let flags = epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::ET;
        epoll::add(&epoll, &handshake.socket, epoll::EventData::new_u64(number as u64), flags)?;
    }
    await_answers(&epoll, &mut handshakes, start + PATIENCE)?;
    Ok(vec![start.elapsed().as_secs_f64(), syns_sent_again()? - sent_again])
}

fn await_answers(epoll: &OwnedFd, handshakes: &mut [Handshake], end: Instant) -> io::Result<()> {
    let mut events = Vec::with_capacity(1024);
    let mut missing = handshakes.len();
    while missing > 0 {
        events.clear();
        epoll::wait(epoll, spare_capacity(&mut events), Some(&Timespec { tv_sec: 1, tv_nsec: 0 }))?;
        for event in &events {
            missing -= usize::from(handshakes[event.data.u64() as usize].advance()?);
        }
        if Instant::now() > end {
            return Err(io::Error::other(format!("{missing} handshakes were not answered")));
        }
    }
    Ok(())
}

impl Handshake {
    /// Sends the request when the connection is established, and reads the response. Returns true when the
    /// response is complete.
    fn advance(&mut self) -> io::Result<bool> {
        if !self.is_requested {
            if let Some(error) = self.socket.take_error()? {
                return Err(error);
            }
            match request(&mut self.socket, Offer::Nothing) {
                // Not connected yet.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                result => result?,
            }
            self.is_requested = true;
        }
        let was_complete = self.response.ends_with(b"\r\n\r\n");
        let mut buf = [0; 1024];
        match self.socket.read(&mut buf) {
            Ok(0) => return Err(io::Error::other("the server closed during the handshake")),
            Ok(len) => self.response.extend(&buf[..len]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        let is_complete = self.response.ends_with(b"\r\n\r\n");
        if is_complete {
            check_response(&self.response, Offer::Nothing)?;
        }
        Ok(is_complete && !was_complete)
    }
}

/// Returns how often the kernel has sent a SYN again: those of clients that found the accept queue full, and the
/// server's answers to them. The count is that of the whole machine.
fn syns_sent_again() -> io::Result<f64> {
    let netstat = fs::read_to_string("/proc/net/netstat")?;
    let mut lines = netstat.lines().filter_map(|line| line.strip_prefix("TcpExt: "));
    let (names, values) = (lines.next().unwrap_or(""), lines.next().unwrap_or(""));
    let mut counters = names.split_whitespace().zip(values.split_whitespace());
    let count = counters.find(|(name, _)| *name == "TCPSynRetrans").and_then(|(_, value)| value.parse().ok());
    count.ok_or_else(|| io::Error::other("no TCPSynRetrans in /proc/net/netstat"))
}
