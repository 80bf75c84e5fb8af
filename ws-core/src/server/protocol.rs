//! Selects the protocol of a client (TLS or plain, HTTP/1.1 or HTTP/2) and the task that serves it.

use tokio::net::TcpStream;

#[cfg(feature = "proxy-protocol")]
use super::acceptor::http_limits;
use super::handshake::FirstRequest;
use super::peer::{AcceptedSocket, Peer, Security};
#[cfg(feature = "proxy-protocol")]
use super::peer::{PeerName, to_canonical};
use crate::transport::rewind::Rewind;
#[cfg(feature = "tls")]
use crate::upgrade::ClientCertificate;
use crate::worker::{self, Finished};

impl Peer {
    /// Serves the client until its connection ends or becomes a WebSocket: in a task of the runtime, or
    /// on a worker.
    pub(super) fn start(self, socket: AcceptedSocket, security: &Security) {
        #[cfg(feature = "proxy-protocol")]
        if self.server.settings.proxy_protocol.contains_peer(self.addr.0) {
            tokio::spawn(self.serve_proxied(socket, security.clone()));
            return;
        }
        match (socket, security) {
            (AcceptedSocket::Tokio(stream), Security::Plain) => _ = tokio::spawn(self.serve_plain(stream)),
            #[cfg(feature = "tls")]
            (AcceptedSocket::Tokio(stream), Security::Tls(tls)) => {
                tokio::spawn(self.serve_tls(stream, tls.clone()));
            }
            // Workers serve plain TCP only.
            (AcceptedSocket::Std(stream), _) => {
                if let Some(workers) = self.server.workers.clone() {
                    workers.spawn_handshake(stream, |socket| self.serve_on_worker(socket));
                }
            }
        }
    }

    async fn serve_plain(self, stream: TcpStream) {
        match self.read_first_request(stream, false).await {
            // The rare protocols are boxed, so that the task of a handshake stays small.
            FirstRequest::Http1(stream, pending) => Box::pin(self.http1(stream, pending, false)).await,
            #[cfg(feature = "http2")]
            FirstRequest::Http2(stream) => Box::pin(self.http2(stream, false)).await,
            FirstRequest::WebSocket(start, stream, input) => {
                start.spawn(stream.into(), input, self.server.workers.as_deref());
            }
            FirstRequest::Closed => {}
        }
    }

    /// Serves a client whose connection begins with a header of the PROXY protocol.
    #[cfg(feature = "proxy-protocol")]
    async fn serve_proxied(mut self, socket: AcceptedSocket, security: Security) {
        let mut stream = match socket.into_tokio() {
            Ok(stream) => stream,
            Err(error) => return tracing::error!(%error, "cannot register a connection with the runtime"),
        };
        self.is_delayed = true;
        let (header, mut deadline) = (super::proxy_protocol::read_header(&mut stream), self.deadline);
        let read = self.or_shutdown(crate::clock::timeout_past_io(&mut deadline, header)).await;
        self.deadline = deadline;
        match read {
            Some(Some(Ok(Some(client)))) => {
                let client = to_canonical(client);
                let settings = &self.server.settings;
                let is_proxy = settings.trusted_proxies.contains_peer(Some(client));
                if !is_proxy && !self.permit.limit_network(&http_limits(settings), client) {
                    return tracing::debug!(peer = %client, "too many connections from the address");
                }
                self.addr = PeerName(Some(client));
            }
            // The proxy itself is the client.
            Some(Some(Ok(None))) => {}
            Some(Some(Err(error))) => {
                return tracing::debug!(%error, proxy = %self.addr, "no valid PROXY header");
            }
            _ => return tracing::debug!(proxy = %self.addr, "no complete PROXY header in time"),
        }
        match security {
            Security::Plain => self.serve_plain(stream).await,
            #[cfg(feature = "tls")]
            Security::Tls(tls) => self.serve_tls(stream, tls).await,
        }
    }

    /// Serves a client on a worker. Returns the WebSocket for the worker to run next; other HTTP moves
    /// to the runtime.
    async fn serve_on_worker(self, socket: worker::Socket) -> Finished {
        match self.read_first_request(socket, false).await {
            FirstRequest::WebSocket(start, socket, input) => {
                let workers = self.server.workers.as_deref();
                return Finished::Becomes(start.into_future(socket, input, workers));
            }
            FirstRequest::Http1(stream, pending) => {
                self.hand_to_runtime(stream, |peer, tcp| peer.http1(tcp, pending, false));
            }
            #[cfg(feature = "http2")]
            FirstRequest::Http2(stream) => self.hand_to_runtime(stream, |peer, tcp| peer.http2(tcp, false)),
            FirstRequest::Closed => {}
        }
        Finished::Closed
    }

    /// Moves a worker's socket to the runtime and serves it there in a new task.
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
            Err(error) => tracing::error!(%error, "cannot move a connection from a worker to the runtime"),
        }
    }

    #[cfg(feature = "tls")]
    async fn serve_tls(mut self, stream: TcpStream, tls: super::Tls) {
        self.is_delayed = true;
        let mut deadline = self.deadline;
        let handshake = crate::clock::timeout_past_io(&mut deadline, tls.accept(stream));
        let handshake = self.or_shutdown(handshake).await;
        self.deadline = deadline;
        match handshake {
            Some(Some(Ok(stream))) => {
                let (_, tls) = stream.get_ref();
                self.certificate = tls.peer_certificates().and_then(ClientCertificate::from_chain);
                match tls.alpn_protocol() {
                    #[cfg(feature = "http2")]
                    Some(super::tls::ALPN_HTTP2) => self.http2(stream, true).await,
                    _ => match self.read_first_request(stream, true).await {
                        FirstRequest::WebSocket(start, stream, input) => {
                            start.spawn(stream.into(), input, None);
                        }
                        FirstRequest::Http1(stream, pending) => self.http1(stream, pending, true).await,
                        // Inside TLS, ALPN has selected HTTP/2 already.
                        #[cfg(feature = "http2")]
                        FirstRequest::Http2(_) => {}
                        FirstRequest::Closed => {}
                    },
                }
            }
            Some(Some(Err(error))) => tracing::debug!(%error, peer = %self.addr, "TLS handshake failed"),
            _ => tracing::debug!(peer = %self.addr, "TLS handshake abandoned"),
        }
    }
}
