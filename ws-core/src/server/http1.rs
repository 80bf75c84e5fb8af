//! HTTP/1.1, by hyper.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;

use axum_core::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use super::spoken::Peer;
use crate::router::PeerAddr;
use crate::upgrade::InsideTls;

impl Peer {
    /// Speaks HTTP/1.1 until the connection ends or becomes a WebSocket.
    pub(super) async fn http1<T>(mut self, stream: T, is_secure: bool)
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let addr = self.addr;
        let settings = self.server.settings.clone();
        let server = Arc::clone(&self.server);
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(PeerAddr(addr));
            if is_secure {
                request.extensions_mut().insert(InsideTls);
            }
            let response = server.respond(request.map(Body::new));
            async move { Ok::<Response<Body>, Infallible>(response.await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(settings.handshake_timeout)
            .max_header_size(settings.max_header_size)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let mut connection = pin!(connection);
        let mut stopped = pin!(self.stop.changed());
        let mut stopping = false;
        let result = poll_fn(|task| {
            if !stopping && stopped.as_mut().poll(task).is_ready() {
                stopping = true;
                connection.as_mut().graceful_shutdown();
            }
            connection.as_mut().poll(task)
        });
        if let Err(error) = result.await {
            tracing::debug!(%error, peer = %addr, "HTTP connection failed");
        }
    }
}
