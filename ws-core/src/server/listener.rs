//! A bound socket that a server accepts connections from.

use std::fmt;
#[cfg(all(feature = "socket-activation", unix))]
use std::io;

#[cfg(all(feature = "socket-activation", unix))]
use socket2::SockRef;
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
    /// Whether other processes have the socket too, so that its queue outlives this server.
    pub(super) is_inherited: bool,
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

#[cfg(all(feature = "socket-activation", unix))]
impl Listener {
    /// Returns the listeners that this process has inherited by socket activation: from a unit `.socket` of systemd,
    /// or from another program that sets `LISTEN_FDS`. They are in the order of the unit, and the list is empty
    /// without any. The process that holds the sockets keeps them open, so that no client is refused between the end
    /// of one server and the start of the next one. Feature `socket-activation`, on Unix only.
    ///
    /// Call the function once, before other threads use the environment: it removes `LISTEN_FDS` and `LISTEN_PID`,
    /// and a second call returns an empty list. Child processes do not inherit the sockets.
    ///
    /// A server that stops leaves the clients that wait in the queue of such a listener to the next server.
    ///
    /// # Errors
    ///
    /// A descriptor is not a listening socket of TCP or Unix, for example that of a unit with `Accept=yes`.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime, if there are listeners.
    ///
    /// ```
    /// # use ws_core::prelude::*;
    /// # #[websocket(path = "/")] #[derive(Default)] struct Echo;
    /// # #[websocket] impl Echo { #[on_text] fn echo(&mut self, text: String) -> String { text } }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), ws_core::BoxError> {
    /// # let stop = async {};
    /// let mut listeners = ws_core::Listener::inherited()?;
    /// if listeners.is_empty() {
    ///     // Started by hand.
    ///     listeners.push(tokio::net::TcpListener::bind("127.0.0.1:0").await?.into());
    /// }
    /// Router::new().mount::<Echo>().serve_listeners(listeners, stop).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn inherited() -> io::Result<Vec<Self>> {
        let mut inherited = listenfd::ListenFd::from_env();
        (0..inherited.len()).map(|index| Self::take_inherited(&mut inherited, index)).collect()
    }

    fn take_inherited(inherited: &mut listenfd::ListenFd, index: usize) -> io::Result<Self> {
        let invalid = |_| {
            let why = format!("inherited socket {index} is not a listener of TCP or Unix");
            io::Error::new(io::ErrorKind::InvalidInput, why)
        };
        let socket = match inherited.take_unix_listener(index) {
            Ok(Some(listener)) => {
                check_listening(&SockRef::from(&listener)).map_err(invalid)?;
                listener.set_nonblocking(true)?;
                ListenerSocket::Unix(UnixListener::from_std(listener)?)
            }
            _ => {
                let listener = inherited.take_tcp_listener(index).map_err(invalid)?;
                let listener =
                    listener.ok_or(io::ErrorKind::NotFound).map_err(|kind| invalid(kind.into()))?;
                check_listening(&SockRef::from(&listener)).map_err(invalid)?;
                listener.set_nonblocking(true)?;
                ListenerSocket::Tcp(TcpListener::from_std(listener)?)
            }
        };
        Ok(Self { socket, security: Security::Plain, is_inherited: true })
    }
}

/// Checks that a socket listens. A connection, as from a unit with `Accept=yes`, is a socket of the same type.
#[cfg(all(feature = "socket-activation", unix))]
fn check_listening(socket: &SockRef<'_>) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
    if !socket.is_listener()? {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let _ = socket;
    Ok(())
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self { socket: ListenerSocket::Tcp(listener), security: Security::Plain, is_inherited: false }
    }
}

#[cfg(unix)]
impl From<UnixListener> for Listener {
    fn from(listener: UnixListener) -> Self {
        Self { socket: ListenerSocket::Unix(listener), security: Security::Plain, is_inherited: false }
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").field("socket", &self.socket).finish_non_exhaustive()
    }
}
