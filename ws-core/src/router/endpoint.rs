//! One mounted handler: from a request to a running connection.

use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use axum_core::response::{IntoResponse, Response};
use hyper::http::request::Parts;

#[cfg(feature = "test-util")]
use hyper::header::{HeaderMap, SEC_WEBSOCKET_EXTENSIONS};

#[cfg(feature = "test-util")]
use super::path::PathParams;
use super::{PeerAddr, Settings};
use crate::context::Context;
use crate::driver::{self, Connections, Full, Ticket, now};
use crate::handler::{Handler, OnUpgrade, Upgrade};
use crate::options::Options;
use crate::transport::{Stream, Upgrading};
use crate::upgrade::{self, Acceptance, Refusal};
use crate::wire::{Agreed, Connection};

/// What all endpoints of a router have.
pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) connections: Arc<Connections>,
}

type ResponseFuture<'a> = Pin<Box<dyn Future<Output = Response> + Send + 'a>>;

/// A mounted handler of any type.
pub(super) trait Endpoint<S>: Send + Sync {
    fn upgrade<'a>(&'a self, parts: Parts, state: &'a S, shared: Shared) -> ResponseFuture<'a>;
}

pub(super) struct Mount<H> {
    options: Arc<Options>,
    handler: PhantomData<fn() -> H>,
}

impl<H: Handler> Mount<H> {
    pub(super) fn new() -> Self {
        Self { options: Arc::new(H::DECLARED.options), handler: PhantomData }
    }
}

impl<S: Send + Sync, H: Handler<Upgrade: OnUpgrade<H, S>>> Endpoint<S> for Mount<H> {
    fn upgrade<'a>(&'a self, parts: Parts, state: &'a S, shared: Shared) -> ResponseFuture<'a> {
        Box::pin(async move {
            match self.accept(parts, state, shared).await {
                Ok(response) => response,
                Err(response) => {
                    tracing::debug!(status = %response.status(), "handshake refused");
                    response
                }
            }
        })
    }
}

impl<H> Mount<H> {
    /// Checks the request, asks the handler, and starts the connection.
    async fn accept<S>(&self, mut parts: Parts, state: &S, shared: Shared) -> Result<Response, Response>
    where
        S: Send + Sync,
        H: Handler<Upgrade: OnUpgrade<H, S>>,
    {
        let refuse = IntoResponse::into_response;
        let acceptance = upgrade::check(&parts, &self.options).map_err(refuse)?;
        let peer = parts.extensions.get::<PeerAddr>().map(|addr| addr.0.ip());
        let ticket = shared.connections.admit(&shared.settings.connections, peer);
        let ticket = ticket.map_err(|full| {
            tracing::debug!(?full, peer = ?peer, "connection refused");
            refuse(match full {
                Full::Server => Refusal::Capacity,
                Full::Address => Refusal::Address,
                Full::Rate => Refusal::Rate,
            })
        })?;
        let upgrading = Upgrading::of(&mut parts.extensions);
        let upgrading = upgrading.ok_or_else(|| refuse(Refusal::NotUpgradable))?;

        let made = self.make(acceptance, &mut parts, state);
        let made = tokio::time::timeout(shared.settings.handshake_timeout, made);
        let (start, response) = made.await.map_err(|_| refuse(Refusal::Timeout))??;
        // The socket comes when the acceptance has been written; the task that waits for it ends then, so
        // that the connection's own task holds nothing of the handshake.
        tokio::spawn(async move {
            match upgrading.stream().await {
                Ok(stream) => start.spawn(stream, ticket),
                Err(error) => tracing::debug!(%error, "client left during the handshake"),
            }
        });
        Ok(response)
    }

    /// Asks the handler, and writes the acceptance.
    async fn make<S>(
        &self,
        mut acceptance: Acceptance,
        parts: &mut Parts,
        state: &S,
    ) -> Result<(Start<H>, Response), Response>
    where
        S: Send + Sync,
        H: Handler<Upgrade: OnUpgrade<H, S>>,
    {
        let refuse = IntoResponse::into_response;
        let made = caught(H::Upgrade::upgrade(parts, state)).await;
        let made = made.map_err(|()| refuse(Refusal::Panic))??;
        let Upgrade { handler, subprotocol, headers, options, fault } = made;
        if let Some(subprotocol) = subprotocol {
            if !upgrade::is_offered(&parts.headers, &subprotocol) {
                tracing::debug!(?subprotocol, "the client did not offer the subprotocol of `Upgrade`");
                return Err(refuse(Refusal::Response));
            }
            acceptance.subprotocol = Some(subprotocol);
        }
        if let Some(fault) = fault {
            tracing::error!(fault, "invalid `Upgrade`");
            return Err(refuse(Refusal::Response));
        }
        let options = options.map_or_else(|| Arc::clone(&self.options), Arc::new);
        let start = Start {
            handler,
            agreed: acceptance.negotiate(&parts.headers, options.compress),
            options,
            peer_addr: parts.extensions.get::<PeerAddr>().map(|addr| addr.0),
            subprotocol: acceptance.subprotocol.as_ref().and_then(|name| name.to_str().ok()).map(Into::into),
        };
        Ok((start, acceptance.into_response(headers)))
    }
}

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
    let (start, response) = mount.make(acceptance, &mut parts, state).await?;
    Ok((start.ready(Vec::new()), response.into_parts().0.headers))
}

/// A panic in `#[on_upgrade]` is that request's.
async fn caught<F: Future>(upgrade: F) -> Result<F::Output, ()> {
    let mut upgrade = pin!(upgrade);
    poll_fn(|task| match catch_unwind(AssertUnwindSafe(|| upgrade.as_mut().poll(task))) {
        Ok(poll) => poll.map(Ok),
        Err(_) => Poll::Ready(Err(())),
    })
    .await
}

/// A connection that waits for its socket.
struct Start<H> {
    handler: H,
    options: Arc<Options>,
    agreed: Option<Agreed>,
    peer_addr: Option<SocketAddr>,
    subprotocol: Option<Box<str>>,
}

impl<H: Handler> Start<H> {
    fn spawn(self, (stream, input): (Stream, Vec<u8>), ticket: Ticket) {
        let (handler, cx) = self.ready(input);
        match stream {
            Stream::Tcp(tcp) => tokio::spawn(driver::run(handler, cx, tcp, Some(ticket))),
            #[cfg(feature = "tls")]
            Stream::Tls(tls) => tokio::spawn(driver::run(handler, cx, tls, Some(ticket))),
            #[cfg(feature = "http2")]
            Stream::Http2(io) => tokio::spawn(driver::run(handler, cx, io, Some(ticket))),
            Stream::Other(io) => tokio::spawn(driver::run(handler, cx, io, Some(ticket))),
        };
    }

    /// What the driver needs.
    fn ready(self, input: Vec<u8>) -> (H, Context<H>) {
        let wire = Connection::new(self.options, input, now()).compressed(self.agreed);
        (self.handler, Context::new(wire, self.peer_addr, self.subprotocol))
    }
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
    fn upgrade<'a>(&'a self, parts: Parts, (): &'a (), shared: Shared) -> ResponseFuture<'a> {
        self.endpoint.upgrade(parts, &self.state, shared)
    }
}
