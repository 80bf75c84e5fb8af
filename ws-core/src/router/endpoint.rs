//! One mounted handler: from a request to a connection that may begin.

use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use axum_core::response::{IntoResponse, Response};
use httparse::Header;
use hyper::header::{CONNECTION, HeaderMap, HeaderValue};
use hyper::http::request::Parts;

#[cfg(feature = "test-util")]
use hyper::header::SEC_WEBSOCKET_EXTENSIONS;

#[cfg(feature = "test-util")]
use super::path::PathParams;
use super::start::{Accepted, Made, Opening};
use super::{PeerAddr, Settings};
#[cfg(feature = "test-util")]
use crate::context::Context;
use crate::driver::{ConnectionTracker, LimitReached, ConnectionPermit};
use crate::handler::{Handler, OnUpgrade, Upgrade};
use crate::options::Options;
use crate::panic::catch;
use crate::upgrade::{self, Acceptance, Fields, Refusal, Said};

/// What all endpoints of a router have.
#[derive(Clone, Copy)]
pub(super) struct Shared<'a> {
    pub(super) settings: &'a Settings,
    pub(super) connections: &'a Arc<ConnectionTracker>,
    /// Whether the server below has a connection to give.
    pub(super) is_upgradable: bool,
}

pub(super) type AcceptFuture<'a> = Pin<Box<dyn Future<Output = Result<Accepted, Response>> + Send + 'a>>;

/// A handshake that came to our own server over HTTP/1.1, as it stands in the request.
#[derive(Clone, Copy)]
pub(crate) struct Plain<'a> {
    pub(crate) path: &'a str,
    pub(crate) said: &'a Said<'a>,
    pub(crate) fields: &'a [Header<'a>],
    pub(crate) peer: SocketAddr,
}

/// A mounted handler of any type.
pub(super) trait Endpoint<S>: Send + Sync {
    /// Checks a plain handshake, if its handler does not want to see the request.
    fn accept_plain(&self, plain: &Plain<'_>, shared: Shared<'_>) -> Option<Result<Accepted, Response>>;

    /// Checks the request and asks the handler.
    fn accept<'a>(&'a self, parts: &'a mut Parts, state: &'a S, shared: Shared<'a>) -> AcceptFuture<'a>;
}

pub(super) struct Mount<H> {
    options: Arc<Options>,
    handler: PhantomData<fn() -> H>,
}

impl<H: Handler> Mount<H> {
    pub(super) fn new() -> Self {
        Self { options: Arc::new(H::CHECKED_DECLARATION.options), handler: PhantomData }
    }
}

impl Shared<'_> {
    /// Takes a place for one more connection.
    fn admit(&self, peer: Option<IpAddr>) -> Result<ConnectionPermit, Refusal> {
        let permit = self.connections.admit(&self.settings.connections, peer).map_err(|full| {
            tracing::debug!(?full, ?peer, "connection refused");
            match full {
                LimitReached::Total => Refusal::Capacity,
                LimitReached::Address => Refusal::Address,
                LimitReached::Rate => Refusal::Rate,
            }
        })?;
        if self.is_upgradable { Ok(permit) } else { Err(Refusal::NotUpgradable) }
    }
}

fn refuse(refusal: Refusal) -> Response {
    refusal.into_response()
}

impl<S: Send + Sync, H: Handler<Upgrade: OnUpgrade<H, S>>> Endpoint<S> for Mount<H> {
    fn accept_plain(&self, plain: &Plain<'_>, shared: Shared<'_>) -> Option<Result<Accepted, Response>> {
        let make_default = const { <H::Upgrade as OnUpgrade<H, S>>::WITHOUT_REQUEST }?;
        Some(self.open_plain(plain, make_default, shared).map_err(|refusal| {
            let response = refuse(refusal);
            log(&response);
            response
        }))
    }

    fn accept<'a>(&'a self, parts: &'a mut Parts, state: &'a S, shared: Shared<'a>) -> AcceptFuture<'a> {
        Box::pin(async move {
            let is_draft_76 = upgrade::is_draft_76(parts, &self.options);
            let mut accepted = self.open(parts, state, shared).await;
            if let Err(response) = &mut accepted {
                if is_draft_76 {
                    // What follows its head would be taken for a request.
                    response.headers_mut().append(CONNECTION, HeaderValue::from_static("close"));
                }
                log(response);
            }
            accepted
        })
    }
}

fn log(response: &Response) {
    tracing::debug!(status = %response.status(), "handshake refused");
}

impl<H: Handler> Mount<H> {
    /// Checks the handshake, makes the handler, and takes a place for the connection.
    fn open_plain(
        &self,
        plain: &Plain<'_>,
        make_default: fn() -> Upgrade<H>,
        shared: Shared<'_>,
    ) -> Result<Accepted, Refusal> {
        let acceptance = upgrade::check_plain(plain.said, plain.fields, &self.options)?;
        let permit = shared.admit(Some(plain.peer.ip()))?;
        let made = catch(make_default).map_err(|_| Refusal::Panic)?;
        let (made, acceptance, headers) = self.agree(acceptance, made, plain.fields, Some(plain.peer))?;
        let start = Opening { made, permit, challenge: None, timeout: shared.settings.handshake_timeout };
        Ok(Accepted { acceptance, headers, start: Box::new(start) })
    }

    /// Checks the request, asks the handler, and takes a place for the connection.
    async fn open<S>(&self, parts: &mut Parts, state: &S, shared: Shared<'_>) -> Result<Accepted, Response>
    where
        S: Send + Sync,
        H: Handler<Upgrade: OnUpgrade<H, S>>,
    {
        let acceptance = upgrade::check(parts, &self.options).map_err(refuse)?;
        let peer = parts.extensions.get::<PeerAddr>().map(|addr| addr.0.ip());
        let permit = shared.admit(peer).map_err(refuse)?;
        let timeout = shared.settings.handshake_timeout;
        let made = tokio::time::timeout(timeout, self.make(acceptance, parts, state));
        let (made, acceptance, headers) = made.await.map_err(|_| refuse(Refusal::Timeout))??;
        let start = Box::new(Opening { made, permit, challenge: acceptance.challenge(), timeout });
        Ok(Accepted { acceptance, headers, start })
    }

    /// Asks the handler, and decides on the answer.
    async fn make<S>(
        &self,
        acceptance: Acceptance,
        parts: &mut Parts,
        state: &S,
    ) -> Result<Agreement<H>, Response>
    where
        S: Send + Sync,
        H: Handler<Upgrade: OnUpgrade<H, S>>,
    {
        let made = caught(H::Upgrade::upgrade(parts, state)).await;
        let made = made.map_err(|()| refuse(Refusal::Panic))??;
        let peer = parts.extensions.get::<PeerAddr>().map(|addr| addr.0);
        self.agree(acceptance, made, &parts.headers, peer).map_err(refuse)
    }

    /// Decides on the answer.
    fn agree<F: Fields + ?Sized>(
        &self,
        mut acceptance: Acceptance,
        made: Upgrade<H>,
        fields: &F,
        peer_addr: Option<SocketAddr>,
    ) -> Result<Agreement<H>, Refusal> {
        let Upgrade { handler, subprotocol, headers, options, error } = made;
        if let Some(subprotocol) = subprotocol {
            if !upgrade::is_offered(fields, &subprotocol) {
                tracing::debug!(?subprotocol, "the client did not offer the subprotocol of `Upgrade`");
                return Err(Refusal::Response);
            }
            acceptance.subprotocol = Some(subprotocol);
        }
        if let Some(error) = error {
            tracing::error!(error, "invalid `Upgrade`");
            return Err(Refusal::Response);
        }
        let mut options = options.map_or_else(|| Arc::clone(&self.options), Arc::new);
        if acceptance.challenge().is_some() && options.ping_interval.is_some() {
            // Draft 76 has no pings.
            Arc::make_mut(&mut options).ping_interval = None;
        }
        let made = Made {
            handler,
            agreed: acceptance.negotiate(fields, &options),
            options,
            peer_addr,
            subprotocol: acceptance.subprotocol.as_ref().and_then(|name| name.to_str().ok()).map(Into::into),
        };
        Ok((made, acceptance, headers))
    }
}

/// What becomes a connection, how it is accepted, and what the handler adds to the answer.
type Agreement<H> = (Made<H>, Acceptance, HeaderMap);

/// A handler, its context and the headers of the 101 from a request, for tests that have no socket.
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
    paths.insert(pattern, ()).expect("a path that can be mounted");
    let path = parts.uri.path().to_owned();
    let matched = paths.at(&path).unwrap_or_else(|_| panic!("{path} does not match {pattern}"));
    parts.extensions.insert(PathParams::new(&matched.params));
    // The client of the kit understands no extension.
    parts.headers.remove(SEC_WEBSOCKET_EXTENSIONS);
    let mount = Mount::<H>::new();
    let acceptance = upgrade::check(&parts, &mount.options).map_err(IntoResponse::into_response)?;
    let (made, acceptance, headers) = mount.make(acceptance, &mut parts, state).await?;
    Ok((made.ready(Vec::new()), acceptance.into_response(headers).into_parts().0.headers))
}

/// A panic in `#[on_upgrade]` is that request's.
async fn caught<F: Future>(upgrade: F) -> Result<F::Output, ()> {
    let mut upgrade = pin!(upgrade);
    poll_fn(|task| match catch(|| upgrade.as_mut().poll(task)) {
        Ok(poll) => poll.map(Ok),
        Err(_) => Poll::Ready(Err(())),
    })
    .await
}

/// An endpoint with its state.
pub(super) struct Bound<S> {
    endpoint: Arc<dyn Endpoint<S>>,
    state: Arc<S>,
}

impl<S> Bound<S> {
    pub(super) fn new(endpoint: Arc<dyn Endpoint<S>>, state: Arc<S>) -> Self {
        Self { endpoint, state }
    }
}

impl<S: Send + Sync> Endpoint<()> for Bound<S> {
    fn accept_plain(&self, plain: &Plain<'_>, shared: Shared<'_>) -> Option<Result<Accepted, Response>> {
        self.endpoint.accept_plain(plain, shared)
    }

    fn accept<'a>(&'a self, parts: &'a mut Parts, (): &'a (), shared: Shared<'a>) -> AcceptFuture<'a> {
        self.endpoint.accept(parts, &self.state, shared)
    }
}
