//! The byte streams that connections run over.

#[cfg(feature = "tungstenite")]
pub(crate) mod tungstenite;

use hyper::upgrade::{Parts, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// What the HTTP server gave away with its 101.
pub(crate) enum Stream {
    /// The socket itself, where our own server accepted it.
    Tcp(TcpStream),
    /// Whatever another server wrapped it in.
    Other(TokioIo<Upgraded>),
}

/// Takes the socket out of the HTTP server's hands, with the bytes that it has read too far.
pub(crate) fn take(upgraded: Upgraded) -> (Stream, Vec<u8>) {
    match upgraded.downcast::<TokioIo<TcpStream>>() {
        Ok(Parts { io, read_buf, .. }) => (Stream::Tcp(io.into_inner()), read_buf.to_vec()),
        // The bytes stay in front of the stream.
        Err(upgraded) => (Stream::Other(TokioIo::new(upgraded)), Vec::new()),
    }
}
