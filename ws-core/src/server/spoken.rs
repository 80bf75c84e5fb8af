//! What a client speaks: TLS or not, HTTP/1.1 or HTTP/2.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpStream;

use super::deadlines::Deadlines;
use super::door::Socket;
use super::first::First;
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
    pub(super) deadlines: Arc<Deadlines>,
    pub(super) addr: SocketAddr,
    /// Its place among those that speak HTTP.
    pub(super) permit: ConnectionPermit,
}

impl Peer {
    /// Finds out what the client speaks, and answers until the connection ends or becomes a
    /// WebSocket, in a task or on a worker.
    pub(super) fn start(self, stream: Socket, security: &Security) {
        match (stream, security) {
            (Socket::Runtime(stream), Security::Plain) => _ = tokio::spawn(self.serve_plain(stream)),
            #[cfg(feature = "tls")]
            (Socket::Runtime(stream), Security::Tls(tls)) => {
                tokio::spawn(self.serve_tls(stream, tls.clone()));
            }
            // Those inside TLS are the runtime's.
            (Socket::Free(stream), _) => {
                if let Some(workers) = self.server.workers.clone() {
                    workers.begin(stream, |socket| self.serve_on_worker(socket));
                }
            }
        }
    }

    async fn serve_plain(self, stream: TcpStream) {
        match self.first(stream, false).await {
            // What is rare is boxed, so that the tasks of handshakes are small.
            First::Other(stream, asked) => Box::pin(self.http1(stream, asked, false)).await,
            #[cfg(feature = "http2")]
            First::Http2(stream) => Box::pin(self.http2(stream)).await,
            First::Begins(start, stream, input) => {
                start.spawn(stream.into(), input, self.server.workers.as_deref());
            }
            First::Done => {}
        }
    }

    /// The same on a worker, which goes on with what this returns. What is no handshake is not for it.
    async fn serve_on_worker(self, socket: worker::Socket) -> Option<worker::Run> {
        match self.first(socket, false).await {
            First::Begins(start, socket, input) => return Some(start.into_future(socket, input)),
            First::Other(stream, asked) => self.give_back(stream, |peer, tcp| peer.http1(tcp, asked, false)),
            #[cfg(feature = "http2")]
            First::Http2(stream) => self.give_back(stream, Self::http2),
            First::Done => {}
        }
        None
    }

    /// Goes on in a task of the runtime.
    fn give_back<F>(
        self,
        stream: Rewind<worker::Socket>,
        go_on: impl FnOnce(Self, Rewind<TcpStream>) -> F + Send + 'static,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let (read, socket) = stream.into_parts();
        match socket.into_std().and_then(TcpStream::from_std) {
            Ok(tcp) => _ = tokio::spawn(go_on(self, Rewind::new(read, tcp))),
            Err(error) => tracing::error!(%error, "a worker cannot give a connection back"),
        }
    }

    #[cfg(feature = "tls")]
    async fn serve_tls(self, stream: TcpStream, tls: super::Tls) {
        let timeout = self.server.settings.handshake_timeout;
        let handshake = self.or_stop(tokio::time::timeout(timeout, tls.accept(stream)));
        match handshake.await {
            Some(Ok(Ok(stream))) => match stream.get_ref().1.alpn_protocol() {
                #[cfg(feature = "http2")]
                Some(super::tls::ALPN_HTTP2) => self.http2(stream).await,
                _ => match self.first(stream, true).await {
                    First::Begins(start, stream, input) => start.spawn(stream.into(), input, None),
                    First::Other(stream, asked) => self.http1(stream, asked, true).await,
                    _ => {}
                },
            },
            Some(Ok(Err(error))) => tracing::debug!(%error, peer = %self.addr, "TLS handshake failed"),
            _ => tracing::debug!(peer = %self.addr, "no TLS handshake in time"),
        }
    }

    /// What a future says, unless the server shuts down before it does.
    #[cfg(any(feature = "http2", feature = "tls"))]
    pub(super) async fn or_stop<F: Future>(&self, future: F) -> Option<F::Output> {
        let (mut future, mut stop) = (std::pin::pin!(future), std::pin::pin!(self.permit.shutdown_requested()));
        let output = std::future::poll_fn(|task| {
            if let std::task::Poll::Ready(output) = future.as_mut().poll(task) {
                return std::task::Poll::Ready(Some(output));
            }
            stop.as_mut().poll(task).map(|()| None)
        });
        output.await
    }
}
