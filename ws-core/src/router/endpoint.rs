//! One mounted handler: checks a request and prepares the connection.
//!
//! A handshake reaches an [`Endpoint`] on one of three routes; the table at the top of
//! `server/handshake.rs` lists them. The plain fast path calls [`Endpoint::accept_plain`], the other two
//! call [`Endpoint::accept`].

use std::any::type_name;
use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use axum_core::body::Body;
use axum_core::response::{IntoResponse, Response};
use httparse::Header;
use hyper::Request;
use hyper::header::{CONNECTION, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use tokio::time::Instant;

#[cfg(feature = "test-util")]
use hyper::header::SEC_WEBSOCKET_EXTENSIONS;

#[cfg(feature = "contract")]
use super::describe::describe;
#[cfg(feature = "test-util")]
use super::path::PathParams;
#[cfg(feature = "test-util")]
use super::pattern;
use super::pending_connection::{AcceptedHandshake, ConnectionSetup, PendingConnection};
use super::refusal::RefusedRequest;
#[cfg(feature = "session")]
use super::session_offer::{offers_session, session_options};
use super::{PeerAddr, Settings};
use crate::connections::{ConnectionPermit, ConnectionTracker, LimitReached};
#[cfg(feature = "test-util")]
use crate::context::Context;
#[cfg(feature = "contract")]
use crate::contract_model::HandlerContract;
use crate::handler::{Handler, OnUpgrade, Upgrade};
use crate::options::Options;
use crate::panic::{Panic, catch};
use crate::span::{ConnectionSpan, SpanChange, next_id};
#[cfg(feature = "session")]
use crate::transport::session::Sessions;
use crate::upgrade::{self, HandshakeHeaders, HandshakeRejection, HandshakeResponse, HeaderFields};

/// The parts of a router that all endpoints share.
#[derive(Clone, Copy)]
pub(super) struct RouterContext<'a> {
    pub(super) settings: &'a Settings,
    pub(super) connections: &'a Arc<ConnectionTracker>,
    /// Whether the HTTP server can hand over the connection's stream, or the connection needs none.
    pub(super) is_upgradable: bool,
    /// The service for requests that an inspector refuses.
    #[cfg(feature = "inspect")]
    pub(super) fallback: Option<&'a super::Fallback>,
}

pub(super) type AcceptFuture<'a> =
    Pin<Box<dyn Future<Output = Result<AcceptedHandshake, Response>> + Send + 'a>>;

pub(super) type HttpFuture<'a> = Pin<Box<dyn Future<Output = Response> + Send + 'a>>;

/// A handshake over HTTP/1.1 to this crate's server, borrowed from the bytes of the request.
#[derive(Clone, Copy)]
pub(crate) struct PlainHandshake<'a> {
    pub(crate) path: &'a str,
    pub(crate) headers: &'a HandshakeHeaders<'a>,
    pub(crate) fields: &'a [Header<'a>],
    /// The client's address. `None` for a Unix socket.
    pub(crate) peer: Option<SocketAddr>,
}

/// A mounted handler of any type.
pub(super) trait Endpoint<S>: Send + Sync {
    /// Checks a plain handshake and makes the handler. Returns `None` if the handler has an `#[on_upgrade]`,
    /// which needs the whole request, or if the handshake is one of a session.
    // PERF: builds no `HeaderMap` and no boxed future. The general path is `accept`;
    // `tests/handshake_fast_path.rs` holds the two equal. budget: connect
    fn accept_plain(
        &self,
        plain: &PlainHandshake<'_>,
        context: RouterContext<'_>,
    ) -> Option<Result<AcceptedHandshake, Response>>;

    /// Checks the request and calls `#[on_upgrade]`.
    fn accept<'a>(
        &'a self,
        parts: &'a mut Parts,
        state: &'a S,
        context: RouterContext<'a>,
    ) -> AcceptFuture<'a>;

    /// Returns whether the handler serves a request other than a handshake, with [`call`](Self::call).
    fn serves(&self, request: &Request<Body>) -> bool;

    /// Responds to a request other than a handshake.
    fn call<'a>(&'a self, request: Request<Body>, state: &'a S, context: RouterContext<'a>)
    -> HttpFuture<'a>;

    /// Describes the handler. Returns `None` for an endpoint that does not belong to the contract.
    #[cfg(feature = "contract")]
    fn describe(&self) -> Option<HandlerContract>;
}

/// A mounted handler of one type.
pub(super) struct Mount<H> {
    pub(super) options: Arc<Options>,
    /// The options of connections with a session.
    #[cfg(feature = "session")]
    pub(super) session_options: Arc<Options>,
    #[cfg(feature = "session")]
    pub(super) sessions: Arc<Sessions>,
    /// The path at which the handler is mounted.
    path: Box<str>,
    handler: PhantomData<fn() -> H>,
}

impl<H: Handler> Mount<H> {
    /// Mounts the handler at a path.
    pub(super) fn new(path: &str) -> Self {
        let options = Arc::new(H::CHECKED_DECLARATION.options);
        Self {
            path: path.into(),
            #[cfg(feature = "session")]
            session_options: Arc::new(session_options(&options)),
            #[cfg(feature = "session")]
            sessions: Arc::default(),
            options,
            handler: PhantomData,
        }
    }

    /// Returns whether a handshake is one of the session protocol, for a handler with sessions.
    #[inline]
    fn begins_session<F: HeaderFields + ?Sized>(fields: &F) -> bool {
        // PERF: a constant condition, so that other handlers contain no code for sessions. budget: connect
        #[cfg(feature = "session")]
        return const { H::CHECKED_DECLARATION.options.session.is_some() } && offers_session(fields);
        #[cfg(not(feature = "session"))]
        {
            let _ = fields;
            false
        }
    }
}

impl RouterContext<'_> {
    /// Counts one more connection, unless a limit is reached.
    pub(super) fn admit(&self, peer: Option<SocketAddr>) -> Result<ConnectionPermit, HandshakeRejection> {
        let permit =
            self.connections.admit(&self.settings.connections, peer).map_err(|limit| match limit {
                LimitReached::Total => HandshakeRejection::Capacity,
                LimitReached::Drain => HandshakeRejection::Drain,
                LimitReached::Address => HandshakeRejection::Address,
                LimitReached::Rate => HandshakeRejection::Rate,
            })?;
        if self.is_upgradable { Ok(permit) } else { Err(HandshakeRejection::NotUpgradable) }
    }

    /// Returns when the `#[on_upgrade]` of a request must have returned. A later request of a connection, and one of
    /// another server, has the whole time. So has a request after the deadline, which the server reads only if the
    /// process stood still.
    pub(super) fn deadline(&self, parts: &Parts) -> Instant {
        let now = Instant::now();
        let deadline = parts.extensions.get().map(|HandshakeDeadline(deadline)| *deadline);
        deadline.filter(|deadline| *deadline > now).unwrap_or(now + self.settings.handshake_timeout)
    }
}

/// The extension of the first request of a connection: when the handshake must be complete.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HandshakeDeadline(pub(crate) Instant);

pub(super) fn reject(rejection: HandshakeRejection) -> Response {
    rejection.into_response()
}

impl<S: Send + Sync, H: Handler<Upgrade: OnUpgrade<H, S>>> Endpoint<S> for Mount<H> {
    fn accept_plain(
        &self,
        plain: &PlainHandshake<'_>,
        context: RouterContext<'_>,
    ) -> Option<Result<AcceptedHandshake, Response>> {
        let make_default = const { <H::Upgrade as OnUpgrade<H, S>>::WITHOUT_REQUEST }?;
        if Self::begins_session(plain.fields) {
            return None;
        }
        Some(self.try_accept_plain(plain, make_default, context).map_err(|rejection| {
            let mut response = reject(rejection);
            let request = RefusedRequest {
                handler: type_name::<H>(),
                path: plain.path,
                peer: plain.peer,
                fields: plain.fields,
            };
            context.settings.refusals.log(&request, &mut response);
            response
        }))
    }

    fn accept<'a>(
        &'a self,
        parts: &'a mut Parts,
        state: &'a S,
        context: RouterContext<'a>,
    ) -> AcceptFuture<'a> {
        Box::pin(async move {
            let is_draft_76 = upgrade::is_draft_76(parts, &self.options);
            let mut accepted = self.try_accept(parts, state, context).await;
            if let Err(response) = &mut accepted {
                if is_draft_76 {
                    // The eight bytes after the head would be read as a request.
                    response.headers_mut().append(CONNECTION, HeaderValue::from_static("close"));
                }
                let request = RefusedRequest {
                    handler: type_name::<H>(),
                    path: parts.uri.path(),
                    peer: parts.extensions.get::<PeerAddr>().map(|peer| peer.0),
                    fields: &parts.headers,
                };
                context.settings.refusals.log(&request, response);
            }
            accepted
        })
    }

    fn serves(&self, request: &Request<Body>) -> bool {
        Self::takes(request)
    }

    fn call<'a>(
        &'a self,
        request: Request<Body>,
        state: &'a S,
        context: RouterContext<'a>,
    ) -> HttpFuture<'a> {
        self.respond(request, state, context)
    }

    #[cfg(feature = "contract")]
    fn describe(&self) -> Option<HandlerContract> {
        Some(describe::<H>(&self.path))
    }
}

impl<H: Handler> Mount<H> {
    /// Checks the handshake, makes the handler, and counts the connection.
    fn try_accept_plain(
        &self,
        plain: &PlainHandshake<'_>,
        make_default: fn() -> Upgrade<H>,
        context: RouterContext<'_>,
    ) -> Result<AcceptedHandshake, HandshakeRejection> {
        let response = upgrade::check_plain_handshake(plain.headers, plain.fields, &self.options)?;
        let permit = context.admit(plain.peer)?;
        let upgrade = catch(make_default).map_err(|panic| HandshakeRejection::Panic(panic.into_text()))?;
        let (setup, response, headers) =
            self.negotiate(response, upgrade, plain.fields, plain.peer, Some(&permit))?;
        let start =
            PendingConnection { setup, permit, challenge: None, timeout: context.settings.handshake_timeout };
        Ok(AcceptedHandshake { response, headers, start: Box::new(start) })
    }

    /// Checks the request, counts the connection, and calls `#[on_upgrade]`.
    async fn try_accept<S>(
        &self,
        parts: &mut Parts,
        state: &S,
        context: RouterContext<'_>,
    ) -> Result<AcceptedHandshake, Response>
    where
        S: Send + Sync,
        H: Handler<Upgrade: OnUpgrade<H, S>>,
    {
        let response = upgrade::check(parts, &self.options).map_err(reject)?;
        #[cfg(feature = "session")]
        if Self::begins_session(&parts.headers) && response.challenge().is_none() {
            return Box::pin(self.accept_session(response, parts, state, context)).await;
        }
        let peer = parts.extensions.get::<PeerAddr>().map(|addr| addr.0);
        let permit = context.admit(peer).map_err(reject)?;
        let timeout = context.settings.handshake_timeout;
        let deadline = context.deadline(parts);
        let negotiated =
            tokio::time::timeout_at(deadline, self.make_handler(response, parts, state, Some(&permit)));
        let (setup, response, headers) =
            negotiated.await.map_err(|_| reject(HandshakeRejection::Timeout))??;
        let start = Box::new(PendingConnection { setup, permit, challenge: response.challenge(), timeout });
        Ok(AcceptedHandshake { response, headers, start })
    }

    /// Calls `#[on_upgrade]` and completes the response.
    pub(super) async fn make_handler<S>(
        &self,
        response: HandshakeResponse,
        parts: &mut Parts,
        state: &S,
        permit: Option<&ConnectionPermit>,
    ) -> Result<Negotiated<H>, Response>
    where
        S: Send + Sync,
        H: Handler<Upgrade: OnUpgrade<H, S>>,
    {
        let upgrade = catch_panic(H::Upgrade::upgrade(parts, state)).await;
        let upgrade = upgrade.map_err(|panic| reject(HandshakeRejection::Panic(panic.into_text())))??;
        let peer = parts.extensions.get::<PeerAddr>().map(|addr| addr.0);
        self.negotiate(response, upgrade, &parts.headers, peer, permit).map_err(reject)
    }

    /// Completes the response with the handler's choices: subprotocol, compression, options.
    fn negotiate<F: HeaderFields + ?Sized>(
        &self,
        mut response: HandshakeResponse,
        upgrade: Upgrade<H>,
        fields: &F,
        peer_addr: Option<SocketAddr>,
        permit: Option<&ConnectionPermit>,
    ) -> Result<Negotiated<H>, HandshakeRejection> {
        let Upgrade { handler, subprotocol, headers, options, span: change, error } = upgrade;
        if let Some(subprotocol) = subprotocol {
            if !upgrade::offers_subprotocol(fields, &subprotocol) {
                let why = format!("the client did not offer the subprotocol {subprotocol:?} of `Upgrade`");
                return Err(HandshakeRejection::Response(why));
            }
            response.subprotocol = Some(subprotocol);
        }
        if let Some(error) = error {
            return Err(HandshakeRejection::Response(error));
        }
        let mut options = options.map_or_else(|| Arc::clone(&self.options), Arc::new);
        if response.challenge().is_some() && options.ping_interval.is_some() {
            // Draft 76 has no pings.
            Arc::make_mut(&mut options).ping_interval = None;
        }
        let subprotocol: Option<Box<str>> =
            response.subprotocol.as_ref().and_then(|name| name.to_str().ok()).map(Into::into);
        let id = || permit.map_or_else(next_id, ConnectionPermit::number);
        let span = ConnectionSpan::new(type_name::<H>(), &self.path, peer_addr, id, subprotocol.as_deref());
        if let (Some(SpanChange(change)), Some(span)) = (change, span.get()) {
            catch(|| change(span)).map_err(|panic| HandshakeRejection::Panic(panic.into_text()))?;
        }
        let setup = ConnectionSetup {
            handler,
            compression: response.negotiate_compression(fields, &options),
            options,
            peer_addr,
            subprotocol,
            span,
        };
        Ok((setup, response, headers))
    }
}

/// The connection's setup, the response, and the handler's headers for the response.
pub(super) type Negotiated<H> = (ConnectionSetup<H>, HandshakeResponse, HeaderMap);

/// Returns the handler, its context and the headers of the response to a request, for tests without a
/// socket.
///
/// # Panics
///
/// If the path of the request does not match the pattern.
#[cfg(feature = "test-util")]
pub(crate) async fn prepare<H, S>(
    mut parts: Parts,
    pattern: &str,
    state: &S,
) -> Result<((H, Context<H>), HeaderMap), Response>
where
    S: Send + Sync,
    H: Handler<Upgrade: OnUpgrade<H, S>>,
{
    let mut paths = matchit::Router::new();
    let inserted =
        pattern::parse(pattern).and_then(|pattern| paths.insert(pattern, ()).map_err(|why| why.to_string()));
    assert_eq!(inserted, Ok(()), "{pattern:?} is not a valid path");
    let path = pattern::normalize(parts.uri.path()).into_owned();
    let matched = paths.at(&path).unwrap_or_else(|_| panic!("{path} does not match {pattern}"));
    parts.extensions.insert(PathParams::new(&matched.params));
    // The test client supports no extension.
    parts.headers.remove(SEC_WEBSOCKET_EXTENSIONS);
    let mount = Mount::<H>::new(pattern);
    let response = upgrade::check(&parts, &mount.options).map_err(IntoResponse::into_response)?;
    let (setup, response, headers) = mount.make_handler(response, &mut parts, state, None).await?;
    Ok((setup.build(Vec::new()), response.to_response(&headers).into_parts().0.headers))
}

/// Runs `#[on_upgrade]`; returns an error if the method panics.
pub(super) async fn catch_panic<F: Future>(upgrade: F) -> Result<F::Output, Panic> {
    let mut upgrade = pin!(upgrade);
    poll_fn(|task| match catch(|| upgrade.as_mut().poll(task)) {
        Ok(poll) => poll.map(Ok),
        Err(panic) => Poll::Ready(Err(panic)),
    })
    .await
}
