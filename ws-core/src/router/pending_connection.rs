//! An accepted handshake, from the response until the connection runs.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum_core::response::Response;
use hyper::header::HeaderMap;
use tokio::net::TcpStream;

use crate::clock::{now, timeout_past_io};
use crate::close::CloseReason;
use crate::connections::ConnectionPermit;
use crate::context::Context;
use crate::driver;
use crate::error::BoxError;
use crate::handler::Handler;
use crate::options::Options;
use crate::span::ConnectionSpan;
use crate::transport::hixie::HixieTransport;
use crate::transport::{PendingUpgrade, Stream};
use crate::upgrade::{Challenge, HandshakeResponse};
use crate::wire::{Connection, DeflateParams};
use crate::worker;
use crate::worker::Workers;

/// A handshake that the handler accepted.
pub(crate) struct AcceptedHandshake {
    pub(super) response: HandshakeResponse,
    /// The handler's headers for the response.
    pub(super) headers: HeaderMap,
    pub(super) start: Box<dyn StartConnection>,
}

impl AcceptedHandshake {
    /// Returns the response. The connection starts when the HTTP server has written the response.
    pub(super) fn upgrade(self, pending_upgrade: PendingUpgrade, workers: Option<Arc<Workers>>) -> Response {
        self.start.spawn_on_upgrade(pending_upgrade, workers);
        self.response.to_response(&self.headers)
    }

    /// Writes the response as bytes of HTTP/1.1. Returns the connection, which the caller starts after
    /// sending them.
    pub(crate) fn write_http1(self, out: &mut Vec<u8>) -> Box<dyn StartConnection> {
        self.response.write(&self.headers, out);
        self.start
    }
}

/// A connection that has not started, of any handler.
pub(crate) trait StartConnection: Send {
    /// Starts the connection when the HTTP server hands over the stream. The task that awaits the stream
    /// is not the connection's task, so the connection holds no memory of the handshake.
    fn spawn_on_upgrade(self: Box<Self>, pending_upgrade: PendingUpgrade, workers: Option<Arc<Workers>>);

    /// Starts the connection over a stream. `input` holds the bytes already read from the stream.
    fn spawn(self: Box<Self>, stream: Stream, input: Vec<u8>, workers: Option<&Workers>);

    /// Returns the future that a worker runs over a socket that the worker already owns. Moves the socket to the
    /// runtime if the connection is not for workers.
    fn into_future(
        self: Box<Self>,
        socket: worker::Socket,
        input: Vec<u8>,
        workers: Option<&Workers>,
    ) -> worker::ConnectionFuture;
}

/// A connection that waits for its stream.
pub(super) struct PendingConnection<H> {
    pub(super) setup: ConnectionSetup<H>,
    pub(super) permit: ConnectionPermit,
    /// The challenge to answer first, for a connection of draft 76.
    pub(super) challenge: Option<Challenge>,
    pub(super) timeout: Duration,
}

/// A handler and the negotiated parameters of its connection.
pub(super) struct ConnectionSetup<H> {
    pub(super) handler: H,
    pub(super) options: Arc<Options>,
    pub(super) compression: Option<DeflateParams>,
    pub(super) peer_addr: Option<SocketAddr>,
    pub(super) subprotocol: Option<Box<str>>,
    pub(super) span: ConnectionSpan,
}

impl<H: Handler> ConnectionSetup<H> {
    /// Returns the handler and its context, the arguments of the driver.
    pub(super) fn build(self, input: Vec<u8>) -> (H, Context<H>) {
        let wire = Connection::new(self.options, input, now()).with_compression(self.compression);
        (self.handler, Context::with_span(wire, self.peer_addr, self.subprotocol, self.span))
    }
}

impl<H: Handler> StartConnection for PendingConnection<H> {
    fn spawn_on_upgrade(self: Box<Self>, pending_upgrade: PendingUpgrade, workers: Option<Arc<Workers>>) {
        match self.challenge {
            // PERF: a constant condition, so that handlers without `legacy` contain no code for the draft.
            // budget: connect
            Some(challenge) if const { H::CHECKED_DECLARATION.options.legacy } => {
                tokio::spawn(self.start_hixie(pending_upgrade, challenge));
            }
            _ => {
                tokio::spawn(async move {
                    match pending_upgrade.stream().await {
                        Ok((stream, input)) => self.spawn(stream, input, workers.as_deref()),
                        Err(error) => tracing::debug!(%error, "client disconnected during the handshake"),
                    }
                });
            }
        }
    }

    fn spawn(self: Box<Self>, stream: Stream, input: Vec<u8>, workers: Option<&Workers>) {
        let Self { setup, permit, .. } = *self;
        let stream = match (stream, workers) {
            (Stream::Tcp(tcp), Some(workers)) if workers.run::<H>() => {
                // The worker's thread allocates the connection's memory. There, no freed memory of the
                // handshake lies between the allocations of connections.
                let run = |socket| {
                    let (handler, cx) = setup.build(input);
                    driver::run(handler, cx, socket, Some(permit))
                };
                if let Err(error) = workers.spawn(tcp, run) {
                    tracing::error!(%error, "the worker cannot take the connection");
                }
                return;
            }
            (stream, _) => stream,
        };
        #[cfg_attr(not(feature = "test-util"), expect(unused_mut))]
        let (handler, mut cx) = setup.build(input);
        match stream {
            Stream::Tcp(tcp) => _ = tokio::spawn(driver::run(handler, cx, tcp, Some(permit))),
            #[cfg(feature = "tls")]
            Stream::Tls(tls) => _ = tokio::spawn(driver::run(handler, cx, tls, Some(permit))),
            #[cfg(feature = "http2")]
            Stream::Http2(io) => _ = tokio::spawn(driver::run(handler, cx, io, Some(permit))),
            #[cfg(feature = "test-util")]
            Stream::Memory(memory) => {
                let ping_interval = cx.session().wire.options().ping_interval;
                memory.start(cx.addr(), ping_interval, |io| {
                    tokio::spawn(driver::run(handler, cx, io, Some(permit)))
                });
            }
            Stream::Other(io) => _ = tokio::spawn(driver::run(handler, cx, io, Some(permit))),
        }
    }

    fn into_future(
        self: Box<Self>,
        socket: worker::Socket,
        input: Vec<u8>,
        workers: Option<&Workers>,
    ) -> worker::ConnectionFuture {
        if !workers.is_some_and(Workers::run::<H>) {
            return move_to_runtime(self, socket, input);
        }
        let Self { setup, permit, .. } = *self;
        let (handler, cx) = setup.build(input);
        Box::pin(driver::run(handler, cx, socket, Some(permit)))
    }
}

/// Starts a connection over the socket of a worker on the runtime. The future that is left to the worker is ready.
pub(super) fn move_to_runtime(
    start: Box<dyn StartConnection>,
    socket: worker::Socket,
    input: Vec<u8>,
) -> worker::ConnectionFuture {
    match socket.into_std().and_then(TcpStream::from_std) {
        Ok(tcp) => start.spawn(Stream::Tcp(tcp), input, None),
        Err(error) => tracing::error!(%error, "cannot move a connection from a worker to the runtime"),
    }
    // A worker ignores the reason.
    Box::pin(std::future::ready(CloseReason::Shutdown))
}

impl<H: Handler> PendingConnection<H> {
    /// Starts a connection of draft 76 after the client has sent the eight bytes that follow its head.
    async fn start_hixie(self: Box<Self>, pending_upgrade: PendingUpgrade, challenge: Challenge) {
        let Self { setup, permit, timeout, .. } = *self;
        // The frames that the draft skips are limited, also if messages are not.
        let limit = match setup.options.max_message_size {
            usize::MAX => Options::DEFAULT.max_message_size,
            limit => limit,
        };
        let limits = setup.options.send_limits();
        let handshake = async {
            let (mut stream, input) = pending_upgrade.stream().await?;
            if let Some(limits) = limits {
                // The translating stream has no socket that the driver could limit.
                stream.set_send_limits(limits);
            }
            Ok::<_, BoxError>(HixieTransport::handshake(stream.boxed(), input, challenge, limit).await?)
        };
        let mut deadline = tokio::time::Instant::now() + timeout;
        let mut handshake = pin!(timeout_past_io(&mut deadline, handshake));
        let handshake = poll_fn(|task| {
            permit.register(task.waker());
            // The handshake is incomplete, so a shutdown need not wait for the connection.
            if permit.shutdown_deadline().is_some() {
                Poll::Ready(None)
            } else {
                handshake.as_mut().poll(task).map(Some)
            }
        });
        match handshake.await {
            Some(Some(Ok(io))) => {
                let (handler, cx) = setup.build(Vec::new());
                tokio::spawn(driver::run(handler, cx, io, Some(permit)));
            }
            // The client disconnected, the timeout passed, or the server shuts down.
            _ => tracing::debug!("client did not complete the handshake of draft 76"),
        }
    }
}
