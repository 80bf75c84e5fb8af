//! Connections of the load. The handshake is a fixed string; only the status and the end of the response
//! are checked.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType};

/// Extension that the client offers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offer {
    Nothing,
    /// permessage-deflate without context takeover on either side, which all compressing servers accept.
    Deflate,
    /// permessage-deflate with context takeover on both sides.
    Takeover,
    /// The session protocol.
    Session,
}

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const DEFLATE: &str = "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; \
                       client_no_context_takeover\r\n";

const TAKEOVER: &str = "Sec-WebSocket-Extensions: permessage-deflate\r\n";

const SESSION: &str = "Sec-WebSocket-Protocol: ws-core.session.v1\r\n";

/// Time limit for a response, long enough for valgrind.
const PATIENCE: Duration = Duration::from_secs(60);

/// Opens a TCP connection from one of several loopback addresses, selected by `number`. One address would
/// run out of ports at thousands of connections per second.
pub(crate) fn tcp(port: u16, number: usize) -> io::Result<TcpStream> {
    let socket = socket(number, SocketFlags::empty())?;
    rustix::net::connect(&socket, &server(port))?;
    let stream = TcpStream::from(socket);
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Like [`tcp`], but does not wait for the server. The socket is non-blocking.
pub(crate) fn start_connect(port: u16, number: usize) -> io::Result<TcpStream> {
    let socket = socket(number, SocketFlags::NONBLOCK)?;
    match rustix::net::connect(&socket, &server(port)) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(TcpStream::from(socket)),
        Err(error) => Err(error.into()),
    }
}

fn server(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn socket(number: usize, flags: SocketFlags) -> io::Result<OwnedFd> {
    let socket = rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
    let from = Ipv4Addr::new(127, 0, 1, 1 + (number % 16) as u8);
    rustix::net::bind(&socket, &SocketAddr::from((from, 0)))?;
    Ok(socket)
}

pub(crate) fn request(stream: &mut impl Write, offer: Offer) -> io::Result<()> {
    let offer = match offer {
        Offer::Nothing => "",
        Offer::Deflate => DEFLATE,
        Offer::Takeover => TAKEOVER,
        Offer::Session => SESSION,
    };
    stream.write_all(format!("{REQUEST}{offer}\r\n").as_bytes())
}

/// Reads the response to a request, and the first message of a session. No other server sends a frame before the
/// first message.
pub(crate) fn accepted(stream: &mut impl Read, offer: Offer) -> io::Result<()> {
    let mut head = Vec::new();
    let mut buf = [0; 1024];
    while !is_complete(&head, offer) {
        match stream.read(&mut buf)? {
            0 => return Err(io::Error::other("the server closed during the handshake")),
            read => head.extend(&buf[..read]),
        }
    }
    check_response(&head, offer)
}

/// Returns whether bytes are a response, in a session with the short message that follows.
fn is_complete(bytes: &[u8], offer: Offer) -> bool {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return false };
    match bytes[end + 4..] {
        [_, len, ref message @ ..] if offer == Offer::Session => message.len() >= usize::from(len),
        _ => offer != Offer::Session,
    }
}

/// Checks the head of a response.
pub(crate) fn check_response(head: &[u8], offer: Offer) -> io::Result<()> {
    let head = String::from_utf8_lossy(head).to_lowercase();
    if !head.starts_with("http/1.1 101") {
        return Err(io::Error::other(format!("the handshake was refused: {head}")));
    }
    let has = |word| head.contains(word);
    let (server, client) = (has("server_no_context_takeover"), has("client_no_context_takeover"));
    let is_agreed = match offer {
        Offer::Nothing | Offer::Session => true,
        Offer::Deflate => has("permessage-deflate") && server && client,
        Offer::Takeover => has("permessage-deflate") && !server && !client,
    };
    if is_agreed {
        Ok(())
    } else {
        Err(io::Error::other(format!("no such compression was agreed upon: {head}")))
    }
}
