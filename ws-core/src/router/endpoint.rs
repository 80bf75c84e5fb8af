//! One mounted handler: from a request to a running connection.

use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum_core::response::{IntoResponse, Response};
use hyper::header::{CONNECTION, HeaderValue};
use hyper::http::request::Parts;

#[cfg(feature = "test-util")]
use hyper::header::{HeaderMap, SEC_WEBSOCKET_EXTENSIONS};

#[cfg(feature = "test-util")]
use super::path::PathParams;
use super::{PeerAddr, Settings};
use crate::context::Context;
use crate::driver::{self, Connections, Full, Ticket, now};
use crate::error::BoxError;
use crate::handler::{Handler, OnUpgrade, Upgrade};
use crate::options::Options;
use crate::transport::hixie::Hixie;
use crate::transport::{Stream, Upgrading};
use crate::upgrade::{self, Acceptance, Challenge, Refusal};
use crate::wire::{Agreed, Connection};
use crate::worker::Workers;

/// What all endpoints of a router have.
pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) connections: Arc<Connections>,
    pub(super) workers: Option<Arc<Workers>>,
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
            let is_draft_76 = upgrade::is_draft_76(&parts, &self.options);
            match self.accept(parts, state, shared).await {
                Ok(response) => response,
                Err(mut response) => {
                    if is_draft_76 {
                        // What follows its head would be taken for a request.
                        response.headers_mut().append(CONNECTION, HeaderValue::from_static("close"));
                    }
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

        let timeout = shared.settings.handshake_timeout;
        let challenge = acceptance.challenge();
        let made = tokio::time::timeout(timeout, self.make(acceptance, &mut parts, state));
        let (start, response) = made.await.map_err(|_| refuse(Refusal::Timeout))??;
        // The socket comes when the acceptance has been written; the task that waits for it ends then, so
        // that the connection's own task holds nothing of the handshake.
        match challenge {
            // Asked of a constant, so that other handlers have no code for it.
            Some(challenge) if const { H::DECLARED.options.legacy } => {
                tokio::spawn(start.spawn_hixie(upgrading, challenge, timeout, ticket));
            }
            _ => _ = tokio::spawn(start.spawn(upgrading, ticket, shared.workers)),
        }
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
        let mut options = options.map_or_else(|| Arc::clone(&self.options), Arc::new);
        if acceptance.challenge().is_some() && options.ping_interval.is_some() {
            // Draft 76 has no pings.
            Arc::make_mut(&mut options).ping_interval = None;
        }
        let start = Start {
            handler,
            agreed: acceptance.negotiate(&parts.headers, &options),
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
    async fn spawn(self, upgrading: Upgrading, ticket: Ticket, workers: Option<Arc<Workers>>) {
        let (stream, input) = match upgrading.stream().await {
            Ok(stream) => stream,
            Err(error) => return tracing::debug!(%error, "client left during the handshake"),
        };
        let stream = match (stream, workers) {
            (Stream::Tcp(tcp), Some(workers)) => {
                // The worker's thread allocates what stays: where it does, nothing is between that which
                // was the handshake's.
                let run = |socket| {
                    let (handler, cx) = self.ready(input);
                    driver::run(handler, cx, socket, Some(ticket))
                };
                if let Err(error) = workers.spawn(tcp, run) {
                    tracing::error!(%error, "a worker cannot take a connection");
                }
                return;
            }
            (stream, _) => stream,
        };
        let (handler, cx) = self.ready(input);
        match stream {
            Stream::Tcp(tcp) => _ = tokio::spawn(driver::run(handler, cx, tcp, Some(ticket))),
            #[cfg(feature = "tls")]
            Stream::Tls(tls) => _ = tokio::spawn(driver::run(handler, cx, tls, Some(ticket))),
            #[cfg(feature = "http2")]
            Stream::Http2(io) => _ = tokio::spawn(driver::run(handler, cx, io, Some(ticket))),
            Stream::Other(io) => _ = tokio::spawn(driver::run(handler, cx, io, Some(ticket))),
        }
    }

    /// The same over draft 76, once the client has sent what belongs to its keys.
    async fn spawn_hixie(
        self,
        upgrading: Upgrading,
        challenge: Challenge,
        timeout: Duration,
        ticket: Ticket,
    ) {
        let limit = self.options.max_message_size;
        let begun = async {
            let (stream, input) = upgrading.stream().await?;
            Ok::<_, BoxError>(Hixie::begin(stream.boxed(), input, challenge, limit).await?)
        };
        let mut begun = pin!(tokio::time::timeout(timeout, begun));
        let begun = poll_fn(|task| {
            ticket.register(task.waker());
            // Nothing has been promised yet that a shutdown would wait for.
            if ticket.shutting_down().is_some() {
                Poll::Ready(None)
            } else {
                begun.as_mut().poll(task).map(Some)
            }
        });
        match begun.await {
            Some(Ok(Ok(io))) => {
                let (handler, cx) = self.ready(Vec::new());
                tokio::spawn(driver::run(handler, cx, io, Some(ticket)));
            }
            // It is gone, or said nothing, or we shut down before it did.
            _ => tracing::debug!("client did not send what belongs to its keys"),
        }
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
