//! Handshakes of the session protocol: they begin a session, or resume one.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum_core::response::Response;
use hyper::header::{Entry, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use tokio::task::JoinHandle;

use super::PeerAddr;
use super::endpoint::{Mount, RouterContext, reject};
use super::pending_connection::{AcceptedHandshake, ConnectionSetup, StartConnection, move_to_runtime};
use super::session_offer::session_options;
use crate::close::CloseReason;
use crate::connections::ConnectionPermit;
use crate::context::Context;
use crate::driver;
use crate::handler::{Handler, OnUpgrade};
use crate::options::{Options, SendLimits};
use crate::transport::session::{
    Attachment, PROTOCOL, RESUME_PREFIX, Reservation, Scope, SessionLink, SessionTransport, Sessions,
};
use crate::transport::{PendingUpgrade, Stream};
use crate::upgrade::{self, HandshakeRejection, HandshakeResponse};
use crate::worker::{self, Workers};

impl<H: Handler> Mount<H> {
    /// Accepts a handshake that offers the session protocol.
    pub(super) async fn accept_session<S>(
        &self,
        mut response: HandshakeResponse,
        parts: &mut Parts,
        state: &S,
        context: RouterContext<'_>,
    ) -> Result<AcceptedHandshake, Response>
    where
        S: Send + Sync,
        H: Handler<Upgrade: OnUpgrade<H, S>>,
    {
        let protocol = HeaderValue::from_static(PROTOCOL);
        response.disable_extensions();
        if let Some((reservation, received)) = self.reserve(parts) {
            if !context.is_upgradable {
                return Err(reject(HandshakeRejection::NotUpgradable));
            }
            let peer = peer_addr(parts).map(|addr| addr.ip());
            let limits = self.options.send_limits();
            response.subprotocol = Some(protocol);
            let start = Box::new(PendingResume { reservation, received, peer, limits });
            return Ok(AcceptedHandshake { response, headers: HeaderMap::new(), start });
        }
        let (start, mut response, headers) = self.prepare_session(response, parts, state, context).await?;
        response.subprotocol = Some(protocol);
        Ok(AcceptedHandshake { response, headers, start: Box::new(start) })
    }

    /// Reserves the session that a request is to resume. Returns it with the number of the last message that the
    /// client has.
    fn reserve(&self, parts: &Parts) -> Option<(Reservation, u64)> {
        let mut offers = upgrade::offered_elements(&parts.headers);
        let (token, received) =
            offers.find_map(|offer| offer.strip_prefix(RESUME_PREFIX)?.split_once('.'))?;
        let received = received.parse().ok()?;
        let link = self.sessions.find(token, &session_scope(parts))?;
        Some((link.reserve(received)?, received))
    }

    /// Counts a connection and makes the handler of a new session. The response is that of the handshake, or one
    /// whose headers are not used.
    pub(super) async fn prepare_session<S>(
        &self,
        response: HandshakeResponse,
        parts: &mut Parts,
        state: &S,
        context: RouterContext<'_>,
    ) -> Result<(PendingSession<H>, HandshakeResponse, HeaderMap), Response>
    where
        S: Send + Sync,
        H: Handler<Upgrade: OnUpgrade<H, S>>,
    {
        let permit = context.admit(peer_addr(parts)).map_err(reject)?;
        hide_tokens(&mut parts.headers);
        let deadline = context.deadline(parts);
        let negotiated =
            tokio::time::timeout_at(deadline, self.make_handler(response, parts, state, Some(&permit)));
        let (mut setup, response, headers) =
            negotiated.await.map_err(|_| reject(HandshakeRejection::Timeout))??;
        setup.options = if Arc::ptr_eq(&setup.options, &self.options) {
            Arc::clone(&self.session_options)
        } else {
            Arc::new(session_options(&setup.options))
        };
        let pending = PendingSession {
            setup,
            permit,
            sessions: Arc::clone(&self.sessions),
            scope: session_scope(parts),
            spread: context.settings.drain.spread,
        };
        Ok((pending, response, headers))
    }
}

/// Keeps the token of a session that was not resumed out of the debug output of the headers, which an `#[on_upgrade]`
/// may log. That session may go on, for example because the request is of another origin.
fn hide_tokens(headers: &mut HeaderMap) {
    for name in ["sec-websocket-protocol", "ws-core-session"] {
        if let Entry::Occupied(mut values) = headers.entry(name) {
            values.iter_mut().for_each(|value| value.set_sensitive(true));
        }
    }
}

fn peer_addr(parts: &Parts) -> Option<SocketAddr> {
    parts.extensions.get::<PeerAddr>().map(|peer| peer.0)
}

/// Returns the scope of the session that a request begins or resumes.
pub(super) fn session_scope(parts: &Parts) -> Scope {
    let origin = parts.headers.get("origin").or_else(|| parts.headers.get("sec-websocket-origin"));
    Scope {
        origin: origin.and_then(|origin| origin.to_str().ok()).map(Into::into),
        path: parts.uri.path().into(),
    }
}

/// A new session that waits for its stream.
pub(super) struct PendingSession<H> {
    setup: ConnectionSetup<H>,
    permit: ConnectionPermit,
    sessions: Arc<Sessions>,
    scope: Scope,
    spread: Duration,
}

impl<H: Handler> PendingSession<H> {
    /// Starts the session over a stream.
    pub(super) fn start(self, attachment: Attachment) {
        if let Some(begun) = self.begin() {
            begun.run(attachment);
        }
    }

    fn begin(self) -> Option<BegunSession<H>> {
        let Self { setup, permit, sessions, scope, spread } = self;
        match sessions.begin(&scope, setup.subprotocol.clone()) {
            Ok(link) => {
                let options = Arc::clone(&setup.options);
                let (handler, cx) = setup.build(Vec::new());
                Some(BegunSession { sessions, link, handler, cx, options, permit, spread })
            }
            Err(error) => {
                tracing::error!(%error, "the system has no random numbers for a session");
                None
            }
        }
    }
}

/// A session that has a token.
struct BegunSession<H: Handler> {
    sessions: Arc<Sessions>,
    link: Arc<SessionLink>,
    handler: H,
    cx: Context<H>,
    options: Arc<Options>,
    permit: ConnectionPermit,
    spread: Duration,
}

impl<H: Handler> BegunSession<H> {
    fn run(self, attachment: Attachment) -> JoinHandle<CloseReason> {
        let Self { sessions, link, handler, cx, options, permit, spread } = self;
        let io = SessionTransport::new(&sessions, link, attachment, options, spread);
        tokio::spawn(driver::run(handler, cx, io, Some(permit)))
    }
}

impl<H: Handler> StartConnection for PendingSession<H> {
    fn spawn_on_upgrade(self: Box<Self>, pending_upgrade: PendingUpgrade, _: Option<Arc<Workers>>) {
        spawn_on_upgrade(self, pending_upgrade);
    }

    fn spawn(self: Box<Self>, mut stream: Stream, input: Vec<u8>, _: Option<&Workers>) {
        if let Some(limits) = self.setup.options.send_limits() {
            stream.set_send_limits(limits);
        }
        let peer = self.setup.peer_addr.map(|addr| addr.ip());
        #[cfg(feature = "test-util")]
        let stream = match stream {
            Stream::Memory(memory) => {
                let Some(mut begun) = self.begin() else { return };
                let (addr, ping_interval) = (begun.cx.addr(), begun.options.ping_interval);
                return memory.start(addr, ping_interval, |io| {
                    begun.run(Attachment::new(Box::new(io), input, 0, peer))
                });
            }
            stream => stream,
        };
        self.start(Attachment::new(stream.boxed(), input, 0, peer));
    }

    fn into_future(
        self: Box<Self>,
        socket: worker::Socket,
        input: Vec<u8>,
        _: Option<&Workers>,
    ) -> worker::ConnectionFuture {
        move_to_runtime(self, socket, input)
    }
}

/// A session that waits for the stream that resumes it.
struct PendingResume {
    reservation: Reservation,
    received: u64,
    peer: Option<IpAddr>,
    limits: Option<SendLimits>,
}

impl StartConnection for PendingResume {
    fn spawn_on_upgrade(self: Box<Self>, pending_upgrade: PendingUpgrade, _: Option<Arc<Workers>>) {
        spawn_on_upgrade(self, pending_upgrade);
    }

    fn spawn(self: Box<Self>, mut stream: Stream, input: Vec<u8>, _: Option<&Workers>) {
        let Self { reservation, received, peer, limits } = *self;
        if let Some(limits) = limits {
            stream.set_send_limits(limits);
        }
        reservation.attach(Attachment::new(stream.boxed(), input, received, peer));
    }

    fn into_future(
        self: Box<Self>,
        socket: worker::Socket,
        input: Vec<u8>,
        _: Option<&Workers>,
    ) -> worker::ConnectionFuture {
        move_to_runtime(self, socket, input)
    }
}

/// Starts a connection when the HTTP server hands over the stream.
fn spawn_on_upgrade(start: Box<dyn StartConnection>, pending_upgrade: PendingUpgrade) {
    tokio::spawn(async move {
        match pending_upgrade.stream().await {
            Ok((stream, input)) => start.spawn(stream, input, None),
            Err(error) => tracing::debug!(%error, "client disconnected during the handshake"),
        }
    });
}
