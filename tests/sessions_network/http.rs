//! Requests of HTTP/1.1, each on a connection of its own that may be cut anywhere.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// A response whose body is being read.
pub(super) struct Response {
    pub(super) status: u16,
    stream: BufReader<TcpStream>,
    /// The bytes of the body, unless it has chunks.
    len: Option<usize>,
}

/// Sends a request with headers and a body, and reads the head of the response.
pub(super) async fn request(
    addr: SocketAddr,
    method: &str,
    headers: &str,
    body: &str,
) -> io::Result<Response> {
    let mut stream = BufReader::new(TcpStream::connect(addr).await?);
    let len = body.len();
    let request = format!(
        "{method} /numbers HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\nContent-Length: {len}\r\n{headers}\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        read_line(&mut stream, &mut head).await?;
    }
    let head = head.to_ascii_lowercase();
    let status = head.get(9..12).and_then(|status| status.parse().ok()).ok_or(ErrorKind::InvalidData)?;
    let len = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    Ok(Response { status, stream, len })
}

impl Response {
    /// Returns the next piece of the body, or `None` at its end.
    pub(super) async fn piece(&mut self) -> io::Result<Option<String>> {
        let has_chunks = self.len.is_none();
        let len = match self.len.replace(0) {
            Some(len) => len,
            None => {
                self.len = None;
                let mut size = String::new();
                read_line(&mut self.stream, &mut size).await?;
                usize::from_str_radix(size.trim_end(), 16).map_err(io::Error::other)?
            }
        };
        if len == 0 {
            return Ok(None);
        }
        // A chunk ends with CRLF.
        let mut bytes = vec![0; len + if has_chunks { 2 } else { 0 }];
        self.stream.read_exact(&mut bytes).await?;
        bytes.truncate(len);
        String::from_utf8(bytes).map(Some).map_err(io::Error::other)
    }
}

async fn read_line(stream: &mut BufReader<TcpStream>, line: &mut String) -> io::Result<()> {
    if stream.read_line(line).await? == 0 {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}
