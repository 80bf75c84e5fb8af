//! A handshake that was accepted, until its connection runs.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum_core::response::Response;
use hyper::header::HeaderMap;

use crate::context::Context;
use crate::driver::{self, ConnectionPermit, now};
use crate::error::BoxError;
use crate::handler::Handler;
use crate::options::Options;
use crate::transport::hixie::HixieTransport;
use crate::transport::{PendingUpgrade, Stream};
use crate::upgrade::{Challenge, HandshakeResponse};
use crate::wire::{Connection, DeflateParams};
use crate::worker;
use crate::worker::Workers;

/// A handshake that was accepted.
pub(crate) struct AcceptedHandshake {
    pub(super) response: HandshakeResponse,
    /// What the handler adds to the answer.
    pub(super) headers: HeaderMap,
    pub(super) start: Box<dyn StartConnection>,
}

impl AcceptedHandshake {
    /// The answer, and the connection that begins when it has been written by the HTTP server below.
    pub(super) fn upgrade(self, pending_upgrade: PendingUpgrade, workers: Option<Arc<Workers>>) -> Response {
        self.start.spawn_on_upgrade(pending_upgrade, workers);
        self.response.into_response(self.headers)
    }

    /// The bytes of the answer over HTTP/1.1, and the connection that begins when they have been
    /// written.
    pub(crate) fn write_http1(self, out: &mut Vec<u8>) -> Box<dyn StartConnection> {
        self.response.write(&self.headers, out);
        self.start
    }
}

/// A connection of any handler.
pub(crate) trait StartConnection: Send {
    /// Begins when the HTTP server below gives its stream away. The task that waits for it ends then,
    /// so that the connection's own task holds nothing of the handshake.
    fn spawn_on_upgrade(self: Box<Self>, pending_upgrade: PendingUpgrade, workers: Option<Arc<Workers>>);

    /// Begins over a stream, with the bytes that were read from it already.
    fn spawn(self: Box<Self>, stream: Stream, input: Vec<u8>, workers: Option<&Workers>);

    /// What a worker runs over a socket that it has already.
    fn into_future(self: Box<Self>, socket: worker::Socket, input: Vec<u8>) -> worker::ConnectionFuture;
}

/// What becomes a connection.
pub(super) struct PendingConnection<H> {
    pub(super) setup: ConnectionSetup<H>,
    pub(super) permit: ConnectionPermit,
    /// If it is one of draft 76.
    pub(super) challenge: Option<Challenge>,
    pub(super) timeout: Duration,
}

/// A handler, and what was agreed upon.
pub(super) struct ConnectionSetup<H> {
    pub(super) handler: H,
    pub(super) options: Arc<Options>,
    pub(super) agreed: Option<DeflateParams>,
    pub(super) peer_addr: Option<SocketAddr>,
    pub(super) subprotocol: Option<Box<str>>,
}

impl<H: Handler> ConnectionSetup<H> {
    /// What the driver needs.
    pub(super) fn build(self, input: Vec<u8>) -> (H, Context<H>) {
        let wire = Connection::new(self.options, input, now()).with_compression(self.agreed);
        (self.handler, Context::new(wire, self.peer_addr, self.subprotocol))
    }
}

impl<H: Handler> StartConnection for PendingConnection<H> {
    fn spawn_on_upgrade(self: Box<Self>, pending_upgrade: PendingUpgrade, workers: Option<Arc<Workers>>) {
        match self.challenge {
            // Asked of a constant, so that other handlers have no code for it.
            Some(challenge) if const { H::CHECKED_DECLARATION.options.legacy } => {
                tokio::spawn(self.start_hixie(pending_upgrade, challenge));
            }
            _ => {
                tokio::spawn(async move {
                    match pending_upgrade.stream().await {
                        Ok((stream, input)) => self.spawn(stream, input, workers.as_deref()),
                        Err(error) => tracing::debug!(%error, "client left during the handshake"),
                    }
                });
            }
        }
    }

    fn spawn(self: Box<Self>, stream: Stream, input: Vec<u8>, workers: Option<&Workers>) {
        let Self { setup, permit, .. } = *self;
        let stream = match (stream, workers) {
            (Stream::Tcp(tcp), Some(workers)) => {
                // The worker's thread allocates what stays: where it does, nothing is between that which
                // was the handshake's.
                let run = |socket| {
                    let (handler, cx) = setup.build(input);
                    driver::run_tcp(handler, cx, socket, Some(permit))
                };
                if let Err(error) = workers.spawn(tcp, run) {
                    tracing::error!(%error, "a worker cannot take a connection");
                }
                return;
            }
            (stream, _) => stream,
        };
        let (handler, cx) = setup.build(input);
        match stream {
            Stream::Tcp(tcp) => _ = tokio::spawn(driver::run_tcp(handler, cx, tcp, Some(permit))),
            #[cfg(feature = "tls")]
            Stream::Tls(tls) => _ = tokio::spawn(driver::run(handler, cx, tls, Some(permit))),
            #[cfg(feature = "http2")]
            Stream::Http2(io) => _ = tokio::spawn(driver::run(handler, cx, io, Some(permit))),
            Stream::Other(io) => _ = tokio::spawn(driver::run(handler, cx, io, Some(permit))),
        }
    }

    fn into_future(self: Box<Self>, socket: worker::Socket, input: Vec<u8>) -> worker::ConnectionFuture {
        let Self { setup, permit, .. } = *self;
        let (handler, cx) = setup.build(input);
        Box::pin(driver::run_tcp(handler, cx, socket, Some(permit)))
    }
}

impl<H: Handler> PendingConnection<H> {
    /// Begins over draft 76, once the client has sent what belongs to its keys.
    async fn start_hixie(self: Box<Self>, pending_upgrade: PendingUpgrade, challenge: Challenge) {
        let Self { setup, permit, timeout, .. } = *self;
        let limit = setup.options.max_message_size;
        let handshake = async {
            let (stream, input) = pending_upgrade.stream().await?;
            Ok::<_, BoxError>(HixieTransport::handshake(stream.boxed(), input, challenge, limit).await?)
        };
        let mut handshake = pin!(tokio::time::timeout(timeout, handshake));
        let handshake = poll_fn(|task| {
            permit.register(task.waker());
            // Nothing has been promised yet that a shutdown would wait for.
            if permit.shutdown_deadline().is_some() {
                Poll::Ready(None)
            } else {
                handshake.as_mut().poll(task).map(Some)
            }
        });
        match handshake.await {
            Some(Ok(Ok(io))) => {
                let (handler, cx) = setup.build(Vec::new());
                tokio::spawn(driver::run(handler, cx, io, Some(permit)));
            }
            // It is gone, or said nothing, or we shut down before it did.
            _ => tracing::debug!("client did not send what belongs to its keys"),
        }
    }
}
