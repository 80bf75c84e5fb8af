//! A bound socket that a server accepts connections from.

use std::fmt;

use tokio::net::TcpListener;
#[cfg(unix)]
use tokio::net::UnixListener;

use super::peer::Security;
#[cfg(feature = "tls")]
use super::tls::Tls;

/// A bound listener for [`Router::serve_listeners`](crate::Router::serve_listeners): tokio's `TcpListener` or
/// `UnixListener`, with or without TLS.
///
/// ```
/// # use ws_core::prelude::*;
/// use tokio::net::TcpListener;
/// use ws_core::Listener;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let listener: Listener = TcpListener::bind("127.0.0.1:0").await.unwrap().into();
/// assert!(format!("{listener:?}").starts_with("Listener"));
/// # }
/// ```
pub struct Listener {
    pub(super) socket: ListenerSocket,
    pub(super) security: Security,
}

/// The socket of a [`Listener`].
#[derive(Debug)]
pub(super) enum ListenerSocket {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixListener),
}

impl Listener {
    /// Sets the certificate for connections inside TLS. Without a call they are plain.
    ///
    /// ```
    /// # use ws_core::{Listener, Tls};
    /// fn https(listener: tokio::net::TcpListener) -> ws_core::Result<Listener> {
    ///     Ok(Listener::from(listener).tls(Tls::load("cert.pem", "key.pem")?))
    /// }
    /// ```
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.security = Security::Tls(tls);
        self
    }
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self { socket: ListenerSocket::Tcp(listener), security: Security::Plain }
    }
}

#[cfg(unix)]
impl From<UnixListener> for Listener {
    fn from(listener: UnixListener) -> Self {
        Self { socket: ListenerSocket::Unix(listener), security: Security::Plain }
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").field("socket", &self.socket).finish_non_exhaustive()
    }
}
