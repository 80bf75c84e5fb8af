//! The loop of a client: connect, run the handler, wait, reconnect.

use std::fmt;
use std::future::{Future, pending};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::time::{sleep, timeout};
use tokio_tungstenite::WebSocketStream;
use tungstenite::protocol::{Role, WebSocketConfig};

use super::ClientHandler;
use super::builder::Client;
use super::dial::Dialer;
use super::error::ConnectError;
use super::exchange::BoxIo;
use super::handshake::{self, HandshakeOffer};
use super::reconnect::{Disconnect, DisconnectCause, STABLE};
use super::url::ServerUrl;
use crate::clock::now;
use crate::close::{CloseCodes, CloseReason};
use crate::connections::{ConnectionLimits, ConnectionTracker};
use crate::driver;
use crate::options::Options;
use crate::wire::ReadsWhileWriting;

/// The limit of a message that a handler with `#[on_part]` and without a `max_message_size` takes, because the stream
/// assembles messages.
const MAX_ASSEMBLED: usize = 64 << 20;

/// The size of the stream's read buffer, which the stream clears for every read.
const READ_BUFFER: usize = 4 << 10;

/// The end of a client: the output of [`Client::run`].
///
/// ```
/// use ws_core::client::{Client, Ended};
/// # use ws_core::prelude::*;
/// # #[websocket] #[derive(Default)] struct Feed;
/// # #[websocket] impl Feed { #[on_text] fn text(&mut self, _: &str) {} }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), ws_core::BoxError> {
/// let client = Client::new("wss://feed.example/").no_proxy();
/// let ended: Ended = client.run_with_shutdown(Feed::default, async {}).await?;
/// assert_eq!(ended.to_string(), "client is shutting down, after 0 connections");
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ended {
    /// The reason for which the last connection ended, or [`CloseReason::Shutdown`].
    pub reason: CloseReason,
    /// How many connections were open, one after another.
    pub connections: u64,
    /// How many attempts there were, those that failed among them.
    pub attempts: u64,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        DisconnectCause::Closed(&self.reason).fmt(f)?;
        let plural = if self.connections == 1 { "" } else { "s" };
        write!(f, ", after {} connection{plural}", self.connections)
    }
}

impl Client {
    /// Runs the handler that `make` returns over a connection, and reconnects as the policy says. A new handler for
    /// each connection: `make` is called after the server's 101. Returns when the policy ends after a connection.
    ///
    /// `#[on_open]` is the place to subscribe again. State that outlives connections belongs to the closure.
    ///
    /// # Errors
    ///
    /// Returns the [`ConnectError`] of the last attempt, if the policy ends after that.
    ///
    /// # Cancellation
    ///
    /// Dropping the future drops handler and stream, as with [`drive`](crate::drive): `#[on_close]` does not run.
    pub async fn run<H: ClientHandler>(self, make: impl FnMut() -> H + Send) -> Result<Ended, ConnectError> {
        run_client(self, make, ReadsWhileWriting::BelowHighWater, pending()).await
    }

    /// Like [`run`](Self::run), but ends when `shutdown` completes. An open connection is closed with 1001, as by a
    /// server that shuts down: its methods complete within [`shutdown_timeout`](Self::shutdown_timeout). The reason
    /// is [`CloseReason::Shutdown`](crate::CloseReason::Shutdown).
    ///
    /// ```
    /// use ws_core::client::Client;
    /// # use ws_core::prelude::*;
    /// # #[websocket] #[derive(Default)] struct Feed;
    /// # #[websocket] impl Feed { #[on_text] fn text(&mut self, _: &str) {} }
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
    /// let client = Client::new("ws://feed.test/").connector(|| async {
    ///     std::future::pending::<std::io::Result<tokio::io::DuplexStream>>().await
    /// });
    /// let stop = tokio::time::sleep(Duration::from_secs(3));
    /// let ended = client.run_with_shutdown(Feed::default, stop).await.unwrap();
    /// assert_eq!(ended.reason, CloseReason::Shutdown);
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`run`](Self::run).
    pub async fn run_with_shutdown<H: ClientHandler>(
        self,
        make: impl FnMut() -> H + Send,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<Ended, ConnectError> {
        run_client(self, make, ReadsWhileWriting::BelowHighWater, shutdown).await
    }
}

/// The signal that ends a client.
struct ShutdownSignal<S> {
    signal: Pin<Box<S>>,
    has_fired: bool,
}

impl<S: Future<Output = ()>> ShutdownSignal<S> {
    /// Awaits a future; `None` if the signal came first.
    async fn until<F: Future>(&mut self, future: F) -> Option<F::Output> {
        if self.has_fired {
            return None;
        }
        match select(self.signal.as_mut(), pin!(future)).await {
            Either::Left(_) => {
                self.has_fired = true;
                None
            }
            Either::Right((output, _)) => Some(output),
        }
    }
}

/// An open WebSocket without a handler.
struct Opened {
    io: BoxIo,
    peer: Option<SocketAddr>,
    subprotocol: Option<Box<str>>,
}

/// Runs a client: see [`Client::run_with_shutdown`].
pub(super) async fn run_client<H: ClientHandler>(
    client: Client,
    mut make: impl FnMut() -> H + Send,
    reads: ReadsWhileWriting,
    signal: impl Future<Output = ()> + Send,
) -> Result<Ended, ConnectError> {
    let Client { url, mut offer, invalid, dialer, connect_timeout, shutdown_timeout, mut policy, .. } =
        client;
    let url = url?;
    if let Some(error) = invalid {
        return Err(error);
    }
    let mut options = H::CHECKED_DECLARATION.options;
    if options.close_codes.shutdown == CloseCodes::DEFAULT.shutdown {
        options.close_codes.shutdown.1 = "client is shutting down";
    }
    options.max_message_size = client.max_message_size.unwrap_or(options.max_message_size);
    if offer.subprotocols.is_empty() {
        options.subprotocols.iter().try_for_each(|name| offer.subprotocol(name))?;
    }
    let connect = || async {
        let connect = connect(&dialer, &url, &offer);
        timeout(connect_timeout, connect).await.unwrap_or(Err(ConnectError::Timeout))
    };
    let mut shutdown = ShutdownSignal { signal: Box::pin(signal), has_fired: false };
    let (mut connections, mut attempts, mut attempt) = (0, 0, 0_u32);
    let stopped = |connections, attempts| Ended { reason: CloseReason::Shutdown, connections, attempts };
    loop {
        let Some(opened) = shutdown.until(connect()).await else {
            return Ok(stopped(connections, attempts));
        };
        attempts += 1;
        let delay = match opened {
            Ok(opened) => {
                connections += 1;
                let began = now();
                let reason =
                    run_connection(opened, make(), &options, reads, shutdown_timeout, &mut shutdown).await;
                attempt = if now().saturating_duration_since(began) >= STABLE {
                    1
                } else {
                    attempt.saturating_add(1)
                };
                if shutdown.has_fired || reason == CloseReason::Shutdown {
                    return Ok(Ended { reason, connections, attempts });
                }
                match policy.reconnect(&Disconnect::new(DisconnectCause::Closed(&reason), attempt)) {
                    Some(delay) => delay,
                    None => return Ok(Ended { reason, connections, attempts }),
                }
            }
            Err(error) => {
                attempt = attempt.saturating_add(1);
                let disconnect = Disconnect::new(DisconnectCause::Failed(&error), attempt);
                tracing::debug!(%error, attempt, server = url.authority, "cannot connect");
                match policy.reconnect(&disconnect) {
                    Some(delay) => delay,
                    None => return Err(error),
                }
            }
        };
        if shutdown.until(sleep(delay)).await.is_none() {
            return Ok(stopped(connections, attempts));
        }
    }
}

async fn connect(dialer: &Dialer, url: &ServerUrl, offer: &HandshakeOffer) -> Result<Opened, ConnectError> {
    let (io, peer) = dialer.dial(url).await?;
    let (io, subprotocol) = handshake::open(io, url, offer).await?;
    Ok(Opened { io, peer, subprotocol })
}

/// Runs a handler over an open WebSocket, until its end or the signal.
async fn run_connection<H: ClientHandler, S: Future<Output = ()>>(
    opened: Opened,
    handler: H,
    options: &Options,
    reads: ReadsWhileWriting,
    shutdown_timeout: Duration,
    shutdown: &mut ShutdownSignal<S>,
) -> CloseReason {
    let tracker = Arc::<ConnectionTracker>::default();
    let permit = tracker.admit(&ConnectionLimits::new(1), None).ok();
    let Opened { io, peer, subprotocol } = opened;
    let config = stream_config(options);
    let stream = WebSocketStream::from_raw_socket(io, Role::Client, Some(config)).await;
    let connection = driver::drive_stream(handler, stream, options.clone(), reads, peer, subprotocol, permit);
    let mut connection = Box::pin(connection);
    if let Some(reason) = shutdown.until(&mut connection).await {
        return reason;
    }
    tracker.shut_down(now().checked_add(shutdown_timeout).unwrap_or_else(now));
    connection.await
}

/// Returns the limits of the stream, which assembles messages before the engine checks them.
fn stream_config(options: &Options) -> WebSocketConfig {
    let limit = match options.max_message_size {
        usize::MAX => MAX_ASSEMBLED,
        limit => limit,
    };
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .max_message_size(Some(limit))
        .max_frame_size(Some(options.max_frame_size.map_or(limit, |frame| frame.min(limit))))
}
