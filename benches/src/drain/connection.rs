//! A WebSocket of a client.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::load::{CLOSE, TEXT, frame};

const REQUEST: &str = "GET /echo HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                       Sec-WebSocket-Protocol: ws-core.session.v1\r\n\r\n";

/// Returns a number of an object.
pub(super) fn member(object: &str, name: &str) -> Option<u64> {
    let (_, rest) = object.split_once(&format!("\"{name}\":"))?;
    let end = rest.find(|char: char| !char.is_ascii_digit()).unwrap_or(rest.len());
    rest[..end].parse().ok()
}

pub(super) struct Connection {
    stream: TcpStream,
    input: Vec<u8>,
}

impl Connection {
    /// Connects, and completes the handshake.
    pub(super) async fn open(port: u16) -> io::Result<Self> {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        stream.write_all(REQUEST.as_bytes()).await?;
        let mut connection = Self { stream, input: Vec::new() };
        let response = connection.response().await?;
        if !response.starts_with("HTTP/1.1 101") {
            return Err(io::Error::other(response.lines().next().unwrap_or("").to_owned()));
        }
        Ok(connection)
    }

    /// Answers the close frame of the server.
    pub(super) async fn close(&mut self) -> io::Result<()> {
        self.stream.write_all(&frame(CLOSE, &[])).await
    }

    pub(super) async fn text(&mut self, text: &str) -> io::Result<()> {
        self.stream.write_all(&frame(TEXT, text.as_bytes())).await
    }

    async fn read(&mut self) -> io::Result<()> {
        match self.stream.read_buf(&mut self.input).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    /// Reads the response to the handshake.
    async fn response(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.input.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                let head = self.input.drain(..end + 4).collect();
                return String::from_utf8(head).map_err(io::Error::other);
            }
            self.read().await?;
        }
    }

    /// Returns the next frame, which the server never fragments. Cancelling loses nothing.
    pub(super) async fn next(&mut self) -> io::Result<(u8, String)> {
        loop {
            if let [first, len, rest @ ..] = &self.input[..] {
                let (skip, len) = match (len, rest) {
                    (126, [a, b, ..]) => (4, usize::from(u16::from_be_bytes([*a, *b]))),
                    (126, _) => (4, usize::MAX - 4),
                    (len, _) => (2, usize::from(*len)),
                };
                if self.input.len() >= skip + len {
                    let opcode = first & 0x0f;
                    let frame: Vec<u8> = self.input.drain(..skip + len).collect();
                    return Ok((opcode, String::from_utf8_lossy(&frame[skip..]).into_owned()));
                }
            }
            self.read().await?;
        }
    }
}
