//! The limit of the first line of a connection's first request.

use axum_core::response::{IntoResponse, Response};
use bytes::Bytes;
use hyper::StatusCode;
use tokio::io::AsyncRead;

use crate::server::peer::Peer;

/// The number of bytes beyond the limit that are read and dropped. If the client still sends when the server
/// closes the connection, the kernel resets the connection, and the client may lose the response.
const MAX_DISCARDED: usize = 256 << 10;

/// The request that hyper reads in place of one with a line that is too long.
const REPLACEMENT: &[u8] = b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

/// The first line of a connection.
pub(super) enum FirstLine {
    /// The bytes that were read so far, for the next step. They contain a line within the limit, or no line
    /// of HTTP/1.1.
    Read(Bytes),
    /// The line is too long: a request for hyper, and the response.
    TooLong(Bytes, Response),
}

impl Peer {
    /// Reads the rest of an incomplete request line, because only here a line that is too long differs from
    /// headers that are too large: hyper responds to both with 431, RFC 9112 §3 demands 414 for the line.
    /// Returns `None` if the client disconnects or is late, or if the server shuts down.
    pub(super) async fn read_request_line<T>(&self, stream: &mut T, read: Bytes) -> Option<FirstLine>
    where
        T: AsyncRead + Unpin,
    {
        let max_len = self.server.settings.max_header_size;
        let is_newline = |byte: &u8| *byte == b'\n';
        if read.iter().take(max_len).any(is_newline) || !is_request(&read) {
            return Some(FirstLine::Read(read));
        }
        let mut line = Vec::from(read);
        let mut is_complete = line.iter().any(is_newline);
        while !is_complete && line.len() < max_len {
            let more = self.read_first_bytes(stream, |_, _, read, _| Some(read.to_vec())).await?;
            let remaining = max_len - line.len();
            if more.iter().take(remaining).any(is_newline) {
                line.extend_from_slice(&more);
                return Some(FirstLine::Read(line.into()));
            }
            is_complete = more.iter().any(is_newline);
            line.extend_from_slice(&more);
        }
        let mut discarded = 0;
        while !is_complete && discarded < MAX_DISCARDED {
            let dropped =
                self.read_first_bytes(stream, |_, _, read, _| Some((read.len(), read.contains(&b'\n'))));
            let (len, has_newline) = dropped.await?;
            discarded += len;
            is_complete = has_newline;
        }
        tracing::debug!(peer = %self.addr, "the target of a request is too long");
        let response = (StatusCode::URI_TOO_LONG, "the target of the request is too long\n").into_response();
        Some(FirstLine::TooLong(Bytes::from_static(REPLACEMENT), response))
    }
}

/// Returns whether bytes are the start of a request: a method in capitals, and the start of a path.
fn is_request(read: &[u8]) -> bool {
    let space = read.iter().position(|byte| *byte == b' ');
    space.is_some_and(|space| {
        space > 0 && read[..space].iter().all(u8::is_ascii_uppercase) && read.get(space + 1) == Some(&b'/')
    })
}
