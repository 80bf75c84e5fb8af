//! What a client speaks: TLS or not, HTTP/1.1 or HTTP/2.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpStream;

use super::acceptor::AcceptedSocket;
use super::handshake::FirstRequest;
use super::handshake_timeouts::HandshakeTimeouts;
use crate::driver::ConnectionPermit;
use crate::router::Router;
use crate::transport::rewind::Rewind;
use crate::worker;

/// Whether connections are inside TLS.
#[derive(Clone)]
pub(super) enum Security {
    Plain,
    #[cfg(feature = "tls")]
    Tls(super::Tls),
}

/// A client that has connected.
pub(super) struct Peer {
    pub(super) server: Arc<Router>,
    pub(super) timeouts: Arc<HandshakeTimeouts>,
    pub(super) addr: SocketAddr,
    /// Its place among those that speak HTTP.
    pub(super) permit: ConnectionPermit,
}

impl Peer {
    /// Finds out what the client speaks, and answers until the connection ends or becomes a
    /// WebSocket, in a task or on a worker.
    pub(super) fn start(self, stream: AcceptedSocket, security: &Security) {
        match (stream, security) {
            (AcceptedSocket::Tokio(stream), Security::Plain) => _ = tokio::spawn(self.serve_plain(stream)),
            #[cfg(feature = "tls")]
            (AcceptedSocket::Tokio(stream), Security::Tls(tls)) => {
                tokio::spawn(self.serve_tls(stream, tls.clone()));
            }
            // Those inside TLS are the runtime's.
            (AcceptedSocket::Std(stream), _) => {
                if let Some(workers) = self.server.workers.clone() {
                    workers.spawn_handshake(stream, |socket| self.serve_on_worker(socket));
                }
            }
        }
    }

    async fn serve_plain(self, stream: TcpStream) {
        match self.read_first_request(stream, false).await {
            // What is rare is boxed, so that the tasks of handshakes are small.
            FirstRequest::Http1(stream, pending) => Box::pin(self.http1(stream, pending, false)).await,
            #[cfg(feature = "http2")]
            FirstRequest::Http2(stream) => Box::pin(self.http2(stream)).await,
            FirstRequest::WebSocket(start, stream, input) => {
                start.spawn(stream.into(), input, self.server.workers.as_deref());
            }
            FirstRequest::Closed => {}
        }
    }

    /// The same on a worker, which goes on with what this returns. What is no handshake is not for it.
    async fn serve_on_worker(self, socket: worker::Socket) -> Option<worker::ConnectionFuture> {
        match self.read_first_request(socket, false).await {
            FirstRequest::WebSocket(start, socket, input) => return Some(start.into_future(socket, input)),
            FirstRequest::Http1(stream, pending) => {
                self.hand_to_runtime(stream, |peer, tcp| peer.http1(tcp, pending, false))
            }
            #[cfg(feature = "http2")]
            FirstRequest::Http2(stream) => self.hand_to_runtime(stream, Self::http2),
            FirstRequest::Closed => {}
        }
        None
    }

    /// Goes on in a task of the runtime.
    fn hand_to_runtime<F>(
        self,
        stream: Rewind<worker::Socket>,
        serve: impl FnOnce(Self, Rewind<TcpStream>) -> F + Send + 'static,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let (read, socket) = stream.into_parts();
        match socket.into_std().and_then(TcpStream::from_std) {
            Ok(tcp) => _ = tokio::spawn(serve(self, Rewind::new(read, tcp))),
            Err(error) => tracing::error!(%error, "a worker cannot give a connection back"),
        }
    }

    #[cfg(feature = "tls")]
    async fn serve_tls(self, stream: TcpStream, tls: super::Tls) {
        let timeout = self.server.settings.handshake_timeout;
        let handshake = self.or_shutdown(tokio::time::timeout(timeout, tls.accept(stream)));
        match handshake.await {
            Some(Ok(Ok(stream))) => match stream.get_ref().1.alpn_protocol() {
                #[cfg(feature = "http2")]
                Some(super::tls::ALPN_HTTP2) => self.http2(stream).await,
                _ => match self.read_first_request(stream, true).await {
                    FirstRequest::WebSocket(start, stream, input) => start.spawn(stream.into(), input, None),
                    FirstRequest::Http1(stream, pending) => self.http1(stream, pending, true).await,
                    _ => {}
                },
            },
            Some(Ok(Err(error))) => tracing::debug!(%error, peer = %self.addr, "TLS handshake failed"),
            _ => tracing::debug!(peer = %self.addr, "no TLS handshake in time"),
        }
    }

    /// What a future says, unless the server shuts down before it does.
    #[cfg(any(feature = "http2", feature = "tls"))]
    pub(super) async fn or_shutdown<F: Future>(&self, future: F) -> Option<F::Output> {
        let (mut future, mut stop) =
            (std::pin::pin!(future), std::pin::pin!(self.permit.shutdown_requested()));
        let output = std::future::poll_fn(|task| {
            if let std::task::Poll::Ready(output) = future.as_mut().poll(task) {
                return std::task::Poll::Ready(Some(output));
            }
            stop.as_mut().poll(task).map(|()| None)
        });
        output.await
    }
}
