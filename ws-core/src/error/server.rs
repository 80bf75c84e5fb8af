//! The errors of running a server.

use std::error::Error as StdError;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::{fmt, io};

#[cfg(feature = "tls")]
use super::TlsError;

/// The result of running a server.
///
/// ```
/// # use ws_core::prelude::*;
/// # #[websocket(path = "/")] #[derive(Default)] struct Echo;
/// # #[websocket] impl Echo { #[on_text] fn echo(&mut self, text: String) -> String { text } }
/// async fn run() -> ws_core::Result<()> {
///     let stop = async { /* until Ctrl-C */ };
///     Router::new().mount::<Echo>().serve_with_shutdown("127.0.0.1:0", stop).await
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// assert!(run().await.is_ok());
/// # }
/// ```
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The reason why a server cannot run.
///
/// ```
/// use ws_core::{Error, Router};
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
/// let addr = taken.local_addr().unwrap();
/// let error = Router::<()>::new().serve(addr).await.unwrap_err();
/// assert!(matches!(&error, Error::Bind { addr: requested, .. } if *requested == addr));
/// assert!(error.to_string().starts_with(&format!("cannot listen on {addr}: ")));
/// # }
/// ```
#[non_exhaustive]
pub enum Error {
    /// The listen address is invalid, or its host name does not resolve.
    Address {
        /// The requested address.
        addr: String,
        /// The error of the resolver.
        source: io::Error,
    },
    /// The server cannot listen on the address, because it is in use or not permitted.
    Bind {
        /// The requested address.
        addr: SocketAddr,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The server cannot listen on the path of a Unix socket.
    Path {
        /// The path.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The threads of [`Router::workers`](crate::Router::workers) could not be started.
    Workers {
        /// The error of the operating system.
        source: io::Error,
    },
    /// The certificate or its key cannot be used.
    #[cfg(feature = "tls")]
    Tls(TlsError),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address { addr, source } => write!(f, "invalid listen address `{addr}`: {source}"),
            Self::Bind { addr, source } => write!(f, "cannot listen on {addr}: {source}"),
            Self::Path { path, source } => write!(f, "cannot listen on `{}`: {source}", path.display()),
            Self::Workers { source } => write!(f, "cannot start the workers: {source}"),
            #[cfg(feature = "tls")]
            Self::Tls(error) => error.fmt(f),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Address { source, .. }
            | Self::Bind { source, .. }
            | Self::Path { source, .. }
            | Self::Workers { source } => Some(source),
            #[cfg(feature = "tls")]
            Self::Tls(error) => error.source(),
        }
    }
}

#[cfg(feature = "tls")]
impl From<TlsError> for Error {
    fn from(error: TlsError) -> Self {
        Self::Tls(error)
    }
}

/// Formats like `Display`, because a `main` that returns the error prints its `Debug` form.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
