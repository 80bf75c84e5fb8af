//! The byte stream of a connection: TCP, or TLS over it.

use std::io::{self, Read, Write};
use std::net::TcpStream;

#[cfg(feature = "peers")]
use super::tls::TlsStream;

pub(super) enum Socket {
    Tcp(TcpStream),
    #[cfg(feature = "peers")]
    Tls(Box<TlsStream>),
}

impl Socket {
    pub(super) fn tcp(&self) -> &TcpStream {
        match self {
            Self::Tcp(stream) => stream,
            #[cfg(feature = "peers")]
            Self::Tls(stream) => stream.tcp(),
        }
    }

    /// Returns whether a read that leaves room in its buffer has emptied the socket.
    pub(super) fn is_emptied_by_short_read(&self) -> bool {
        matches!(self, Self::Tcp(_))
    }
}

impl Read for Socket {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buf),
            #[cfg(feature = "peers")]
            Self::Tls(stream) => stream.read(buf),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            #[cfg(feature = "peers")]
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Tcp(_) => Ok(()),
            #[cfg(feature = "peers")]
            Self::Tls(stream) => stream.flush(),
        }
    }
}
