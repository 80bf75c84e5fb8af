//! Connections of a client: opened, with a session if both sides want one, and resumed after their loss.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::WebSocketStream;
use tungstenite::error::Error;
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Message, Utf8Bytes};

use super::dial::Dialer;
use super::error::ConnectError;
use super::exchange::BoxIo;
use super::handshake::{self, HandshakeOffer};
use super::reconnect::{Disconnect, DisconnectCause, Reconnect, STABLE};
use super::url::ServerUrl;
use crate::clock::now;
use crate::close::CloseReason;
use crate::options::Options;
use crate::transport::session::{
    ClientGreeting, ClientLink, LostConnection, PROTOCOL, ServerObject, SessionConnection,
};

/// The limit of a message that a handler with `#[on_part]` and without a `max_message_size` takes, because the stream
/// assembles messages.
const MAX_ASSEMBLED: usize = 64 << 20;

/// The length of the object `session` that a client takes, whatever its limit of messages.
const MAX_GREETING: usize = 1 << 10;

/// The size of the stream's read buffer, which the stream clears for every read.
const READ_BUFFER: usize = 4 << 10;

/// An open WebSocket without a handler.
pub(super) struct Opened {
    pub(super) stream: WebSocketStream<BoxIo>,
    pub(super) peer: Option<SocketAddr>,
    pub(super) subprotocol: Option<Box<str>>,
    /// The server's object `session`, if the connection has a session.
    pub(super) greeting: Option<ClientGreeting>,
}

/// The settings with which a client opens its connections.
pub(super) struct ConnectSettings {
    pub(super) dialer: Dialer,
    pub(super) url: ServerUrl,
    pub(super) offer: HandshakeOffer,
    pub(super) timeout: Duration,
    pub(super) options: Options,
    /// The bytes of messages that a session keeps; `None` if the client offers no session.
    pub(super) session_buffer: Option<usize>,
}

impl ConnectSettings {
    /// Opens a connection, which resumes the session of a `lost` one if the server still has that.
    pub(super) async fn connect(&self, lost: Option<&LostConnection>) -> Result<Opened, ConnectError> {
        timeout(self.timeout, self.open(lost)).await.unwrap_or(Err(ConnectError::Timeout))
    }

    async fn open(&self, lost: Option<&LostConnection>) -> Result<Opened, ConnectError> {
        let mut offer = self.offer.clone();
        if self.session_buffer.is_some() {
            offer.session =
                [PROTOCOL.to_owned()].into_iter().chain(lost.map(LostConnection::resume_offer)).collect();
        }
        let (io, peer) = self.dialer.dial(&self.url).await?;
        let (io, subprotocol) = handshake::open(io, &self.url, &offer).await?;
        let has_session = !offer.session.is_empty() && subprotocol.as_deref() == Some(PROTOCOL);
        let config = stream_config(&self.options, has_session);
        let mut stream = WebSocketStream::from_raw_socket(io, Role::Client, Some(config)).await;
        if !has_session {
            return Ok(Opened { stream, peer, subprotocol, greeting: None });
        }
        let greeting = read_greeting(&mut stream).await?;
        let rule = match &greeting.subprotocol {
            _ if greeting.is_resumed && lost.is_none_or(|lost| lost.token != greeting.token) => {
                Err("the server resumed another session")
            }
            Some(name) if offer.subprotocols.iter().any(|known| **known == **name) => Ok(Some(name.clone())),
            Some(_) => Err("the server selected a subprotocol that the client does not offer"),
            None => offer.without_selection(),
        };
        let subprotocol = rule.map_err(ConnectError::Handshake)?;
        Ok(Opened { stream, peer, subprotocol, greeting: Some(greeting) })
    }
}

/// Reads the object that begins each connection of a session.
async fn read_greeting(stream: &mut WebSocketStream<BoxIo>) -> Result<ClientGreeting, ConnectError> {
    let parse = |text: &Utf8Bytes| match ServerObject::parse(text) {
        Some(Ok(ServerObject::Greeting(greeting))) => Some(greeting),
        _ => None,
    };
    loop {
        let greeting = match stream.next().await {
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
            Some(Ok(Message::Text(text))) => parse(&text),
            // The session has changed since the request. The next one may be answered in another way.
            Some(Ok(Message::Close(_))) => {
                return Err(ConnectError::Io(ErrorKind::ConnectionAborted.into()));
            }
            Some(Ok(_)) => None,
            Some(Err(Error::Io(error))) => return Err(ConnectError::Io(error)),
            Some(Err(Error::Protocol(_))) | None => {
                return Err(ConnectError::Io(ErrorKind::UnexpectedEof.into()));
            }
            Some(Err(error)) => return Err(ConnectError::Http(error.into())),
        };
        return greeting.ok_or(ConnectError::Handshake("the first message of the session is not its object"));
    }
}

/// Returns the limits of the stream, which assembles messages before the engine checks them.
fn stream_config(options: &Options, has_session: bool) -> WebSocketConfig {
    let limit = match options.max_message_size {
        usize::MAX => MAX_ASSEMBLED,
        limit => limit,
    };
    let frame_limit = options.max_frame_size.map_or(limit, |frame| frame.min(limit));
    // Each byte of a text has up to six in a control object.
    let scale =
        |limit: usize| if has_session { limit.saturating_mul(6).saturating_add(MAX_GREETING) } else { limit };
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .max_message_size(Some(scale(limit)))
        .max_frame_size(Some(scale(frame_limit)))
}

/// The counts of a client.
#[derive(Default)]
pub(super) struct ClientCounts {
    /// How many connections were open.
    pub(super) connections: u64,
    pub(super) attempts: u64,
    /// The number of the next attempt since the last stable connection.
    pub(super) attempt: u32,
    /// When the current connection opened.
    opened_at: Option<Instant>,
    /// Whether a server has named the time for the next attempt since the last stable connection.
    was_restarted: bool,
}

impl ClientCounts {
    pub(super) fn on_opened(&mut self) {
        self.connections += 1;
        self.opened_at = Some(now());
    }

    /// Handles that a connection has ended, or an attempt has failed.
    pub(super) fn on_ended(&mut self) {
        let opened_at = self.opened_at.take();
        let is_stable =
            opened_at.is_some_and(|opened_at| now().saturating_duration_since(opened_at) >= STABLE);
        self.attempt = if is_stable { 1 } else { self.attempt.saturating_add(1) };
        self.was_restarted &= !is_stable;
    }

    /// Returns the delay of the next attempt. A server that stops spreads its clients by itself: its time replaces the
    /// policy's. If the next connection is not stable either, the longer time counts.
    pub(super) fn delay(&mut self, policy: Duration, restart: Option<Duration>) -> Duration {
        let Some(restart) = restart else { return policy };
        let is_first = !std::mem::replace(&mut self.was_restarted, true);
        if is_first { restart } else { restart.max(policy) }
    }
}

/// The reason for which a session is not resumed any more.
pub(super) enum SessionOutcome {
    /// The server has begun another session on this connection, or none.
    Reset(Box<Opened>),
    /// The policy has ended, after the loss of a connection, or after an attempt with this error.
    GaveUp(Option<ConnectError>),
}

/// Resumes a session whenever its connection is lost.
pub(super) async fn keep_session(
    link: &ClientLink<BoxIo>,
    settings: &ConnectSettings,
    policy: &mut dyn Reconnect,
    counts: &mut ClientCounts,
) -> SessionOutcome {
    loop {
        let lost = link.lost().await;
        tracing::debug!(kind = %lost.kind, server = settings.url.authority, "connection of a session lost");
        let mut failure = None;
        let opened = loop {
            counts.on_ended();
            let reason = CloseReason::ConnectionLost(lost.kind);
            let cause = failure.as_ref().map_or(DisconnectCause::Closed(&reason), DisconnectCause::Failed);
            let Some(delay) = policy.reconnect(&Disconnect::new(cause, counts.attempt)) else {
                link.give_up();
                return SessionOutcome::GaveUp(failure);
            };
            sleep(counts.delay(delay, link.restart())).await;
            counts.attempts += 1;
            match settings.connect(Some(&lost)).await {
                Ok(opened) => break opened,
                Err(error) => {
                    tracing::debug!(%error, attempt = counts.attempt, "cannot resume a session");
                    failure = Some(error);
                }
            }
        };
        match opened {
            Opened { stream, greeting: Some(greeting), .. } if greeting.is_resumed => {
                counts.on_opened();
                link.resume(SessionConnection { stream, greeting });
            }
            opened => {
                link.reset();
                return SessionOutcome::Reset(Box::new(opened));
            }
        }
    }
}
