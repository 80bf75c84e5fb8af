//! The loop of a client: connect, run the handler, wait, reconnect.

use std::fmt;
use std::future::{Future, pending};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::{Either, select};
use tokio::time::sleep;

use super::ClientHandler;
use super::builder::Client;
use super::error::ConnectError;
use super::reconnect::{Disconnect, DisconnectCause, Reconnect};
use super::session::{ClientCounts, ConnectSettings, Opened, SessionOutcome, keep_session};
use crate::clock::now;
use crate::close::{CloseCodes, CloseReason};
use crate::connections::{ConnectionLimits, ConnectionTracker};
use crate::driver;
use crate::transport::session::{ClientLink, ClientSession, SessionConnection};
use crate::wire::ReadsWhileWriting;

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
    /// each connection, or for each [session](Self::session): `make` is called after the server's 101. Returns when the
    /// policy ends after a connection.
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
    let session_buffer = client.session.or(options.session.map(|session| session.buffer));
    let settings = ConnectSettings { dialer, url, offer, timeout: connect_timeout, options, session_buffer };
    let mut shutdown = ShutdownSignal { signal: Box::pin(signal), has_fired: false };
    let mut counts = ClientCounts::default();
    // The connection of the next handler, if there is one already.
    let mut next = None;
    loop {
        let opened = match next.take() {
            Some(opened) => Ok(opened),
            None => {
                let Some(opened) = shutdown.until(settings.connect(None)).await else {
                    return Ok(counts.end(CloseReason::Shutdown));
                };
                counts.attempts += 1;
                opened
            }
        };
        let delay = match opened {
            Ok(opened) => {
                counts.on_opened();
                let mut connection =
                    ClientConnection { settings: &settings, reads, shutdown_timeout, counts: &mut counts };
                let end = connection.run(opened, make(), &mut *policy, &mut shutdown).await;
                let reason = end.reason;
                if shutdown.has_fired || reason == CloseReason::Shutdown {
                    return Ok(counts.end(reason));
                }
                match end.outcome {
                    Some(SessionOutcome::Reset(opened)) if reason == CloseReason::Superseded => {
                        next = Some(*opened);
                        continue;
                    }
                    Some(SessionOutcome::GaveUp(Some(error))) => return Err(error),
                    Some(SessionOutcome::GaveUp(None)) => return Ok(counts.end(reason)),
                    Some(SessionOutcome::Reset(_)) | None => {}
                }
                counts.on_ended();
                match policy.reconnect(&Disconnect::new(DisconnectCause::Closed(&reason), counts.attempt)) {
                    Some(delay) => counts.delay(delay, end.restart),
                    None => return Ok(counts.end(reason)),
                }
            }
            Err(error) => {
                counts.on_ended();
                let attempt = counts.attempt;
                tracing::debug!(%error, attempt, server = settings.url.authority, "cannot connect");
                match policy.reconnect(&Disconnect::new(DisconnectCause::Failed(&error), attempt)) {
                    Some(delay) => delay,
                    None => return Err(error),
                }
            }
        };
        if shutdown.until(sleep(delay)).await.is_none() {
            return Ok(counts.end(CloseReason::Shutdown));
        }
    }
}

impl ClientCounts {
    fn end(&self, reason: CloseReason) -> Ended {
        Ended { reason, connections: self.connections, attempts: self.attempts }
    }
}

/// The end of a handler.
struct HandlerEnd {
    reason: CloseReason,
    /// The reason for which the session was not resumed, if it was not.
    outcome: Option<SessionOutcome>,
    /// The time after which a server that stops wants its client back.
    restart: Option<Duration>,
}

/// The parts of a client that run one handler, over one connection or over those of a session.
struct ClientConnection<'a> {
    settings: &'a ConnectSettings,
    reads: ReadsWhileWriting,
    shutdown_timeout: Duration,
    counts: &'a mut ClientCounts,
}

impl ClientConnection<'_> {
    /// Runs a handler until its end, or until the signal and then its end.
    async fn run<H: ClientHandler, S: Future<Output = ()>>(
        &mut self,
        opened: Opened,
        handler: H,
        policy: &mut dyn Reconnect,
        shutdown: &mut ShutdownSignal<S>,
    ) -> HandlerEnd {
        let tracker = Arc::<ConnectionTracker>::default();
        let permit = tracker.admit(&ConnectionLimits::new(1), None).ok();
        let Opened { stream, peer, subprotocol, greeting } = opened;
        let (options, reads) = (self.settings.options.clone(), self.reads);
        let Some(greeting) = greeting else {
            let connection = driver::drive_stream(handler, stream, options, reads, peer, subprotocol, permit);
            let mut connection = Box::pin(connection);
            let reason = match shutdown.until(&mut connection).await {
                Some(reason) => reason,
                None => {
                    tracker.shut_down(self.shutdown_deadline());
                    connection.await
                }
            };
            return HandlerEnd { reason, outcome: None, restart: None };
        };
        let link = Arc::new(ClientLink::new());
        let (buffer, session_link) = (self.settings.session_buffer.unwrap_or(0), Arc::clone(&link));
        let first = SessionConnection { stream, greeting };
        let session = |activity| ClientSession::new(session_link, first, activity, buffer);
        let connection = driver::drive_transport(handler, session, options, reads, peer, subprotocol, permit);
        let mut connection = Box::pin(connection);
        let (mut outcome, mut reason) = (None, None);
        {
            let keeping = pin!(keep_session(&link, self.settings, policy, self.counts));
            match shutdown.until(select(&mut connection, keeping)).await {
                Some(Either::Left((end, _))) => reason = Some(end),
                Some(Either::Right((end, _))) => outcome = Some(end),
                None => {}
            }
        }
        if reason.is_none() {
            reason = shutdown.until(&mut connection).await;
        }
        let reason = match reason {
            Some(reason) => reason,
            None => {
                tracker.shut_down(self.shutdown_deadline());
                connection.await
            }
        };
        HandlerEnd { reason, outcome, restart: link.restart() }
    }

    fn shutdown_deadline(&self) -> Instant {
        now().checked_add(self.shutdown_timeout).unwrap_or_else(now)
    }
}
