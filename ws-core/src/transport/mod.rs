//! The byte streams that connections run over.

pub(crate) mod hixie;
#[cfg(feature = "http2")]
pub(crate) mod http2;
pub(crate) mod rewind;
#[cfg(feature = "tungstenite")]
pub(crate) mod tungstenite;

use hyper::http::Extensions;
use hyper::upgrade::{OnUpgrade, Parts, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
#[cfg(feature = "tls")]
use tokio_rustls::server::TlsStream;

use crate::error::BoxError;
use rewind::Rewind;

/// What the HTTP server gave away with its acceptance.
pub(crate) enum Stream {
    /// The socket itself, where our own server accepted it.
    Tcp(TcpStream),
    /// The socket inside TLS, where our own server accepted it.
    #[cfg(feature = "tls")]
    Tls(Box<TlsStream<TcpStream>>),
    /// A stream of an HTTP/2 connection of our own server.
    #[cfg(feature = "http2")]
    Http2(http2::Http2Stream),
    /// Whatever another server wrapped it in.
    Other(TokioIo<Upgraded>),
}

/// A byte stream of any type.
pub(crate) trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

impl From<TcpStream> for Stream {
    fn from(tcp: TcpStream) -> Self {
        Self::Tcp(tcp)
    }
}

#[cfg(feature = "tls")]
impl From<TlsStream<TcpStream>> for Stream {
    fn from(tls: TlsStream<TcpStream>) -> Self {
        Self::Tls(Box::new(tls))
    }
}

impl Stream {
    /// The stream, whatever it is, for what is worth no code of its own.
    pub(crate) fn boxed(self) -> Box<dyn ByteStream> {
        match self {
            Self::Tcp(tcp) => Box::new(tcp),
            #[cfg(feature = "tls")]
            Self::Tls(tls) => tls,
            #[cfg(feature = "http2")]
            Self::Http2(io) => Box::new(io),
            Self::Other(io) => Box::new(io),
        }
    }
}

/// A byte stream that comes when the acceptance has been written.
pub(crate) enum PendingUpgrade {
    Hyper(OnUpgrade),
    #[cfg(feature = "http2")]
    Http2(tokio::sync::oneshot::Receiver<http2::Http2Stream>),
}

impl PendingUpgrade {
    /// What the server below put into the request, if it can be upgraded.
    pub(crate) fn take_from(extensions: &mut Extensions) -> Option<Self> {
        #[cfg(feature = "http2")]
        if let Some(stream) =
            extensions.remove::<http2::Http2UpgradeSlot>().and_then(http2::Http2UpgradeSlot::take)
        {
            return Some(Self::Http2(stream));
        }
        extensions.remove::<OnUpgrade>().map(Self::Hyper)
    }

    /// The stream, with the bytes that the server has read too far.
    ///
    /// # Errors
    ///
    /// The client left before.
    pub(crate) async fn stream(self) -> Result<(Stream, Vec<u8>), BoxError> {
        match self {
            Self::Hyper(upgrade) => Ok(downcast_upgraded(upgrade.await?)),
            #[cfg(feature = "http2")]
            Self::Http2(stream) => Ok((Stream::Http2(stream.await?), Vec::new())),
        }
    }
}

/// Takes the socket out of the HTTP server's hands.
fn downcast_upgraded(upgraded: Upgraded) -> (Stream, Vec<u8>) {
    let upgraded = match upgraded.downcast::<TokioIo<Rewind<TcpStream>>>() {
        Ok(parts) => return into_stream(parts),
        Err(upgraded) => upgraded,
    };
    #[cfg(feature = "tls")]
    let upgraded = match upgraded.downcast::<TokioIo<Rewind<TlsStream<TcpStream>>>>() {
        Ok(parts) => return into_stream(parts),
        Err(upgraded) => upgraded,
    };
    // The bytes stay in front of the stream.
    (Stream::Other(TokioIo::new(upgraded)), Vec::new())
}

/// The stream of our own server, and all that was read too far.
fn into_stream<T: Into<Stream>>(parts: Parts<TokioIo<Rewind<T>>>) -> (Stream, Vec<u8>) {
    let (rest, io) = parts.io.into_inner().into_parts();
    (io.into(), [parts.read_buf, rest].concat())
}
