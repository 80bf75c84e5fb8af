//! What a client speaks: TLS or not, HTTP/1.1 or HTTP/2.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::driver::Ticket;
use crate::router::Router;

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
    pub(super) addr: SocketAddr,
    /// Changes when the server shuts down.
    pub(super) stop: watch::Receiver<()>,
    /// Its place among those that speak HTTP.
    pub(super) _ticket: Ticket,
}

impl Peer {
    /// Finds out what the client speaks, and answers until the connection ends or becomes a
    /// WebSocket.
    pub(super) async fn serve(self, stream: TcpStream, security: Security) {
        // Frames go out when they are written; without this the kernel waits for more.
        let _ = stream.set_nodelay(true);
        match security {
            Security::Plain => self.serve_plain(stream).await,
            #[cfg(feature = "tls")]
            Security::Tls(tls) => self.serve_tls(stream, &tls).await,
        }
    }

    #[cfg(not(feature = "http2"))]
    async fn serve_plain(self, stream: TcpStream) {
        self.http1(stream, false).await;
    }

    /// A client that knows that we speak HTTP/2 begins with it (RFC 9113 §3.3).
    #[cfg(feature = "http2")]
    async fn serve_plain(mut self, stream: TcpStream) {
        let timeout = self.server.settings.handshake_timeout;
        let begins = self.or_stop(tokio::time::timeout(timeout, begins_http2(&stream)));
        match begins.await {
            Some(Ok(Ok(true))) => self.http2(stream).await,
            Some(Ok(Ok(false))) => self.http1(stream, false).await,
            // It is gone, or said nothing, or we shut down before it did.
            _ => tracing::debug!(peer = %self.addr, "client sent no request"),
        }
    }

    #[cfg(feature = "tls")]
    async fn serve_tls(mut self, stream: TcpStream, tls: &super::Tls) {
        let timeout = self.server.settings.handshake_timeout;
        let handshake = self.or_stop(tokio::time::timeout(timeout, tls.accept(stream)));
        match handshake.await {
            Some(Ok(Ok(stream))) => match stream.get_ref().1.alpn_protocol() {
                #[cfg(feature = "http2")]
                Some(super::tls::ALPN_HTTP2) => self.http2(stream).await,
                _ => self.http1(stream, true).await,
            },
            Some(Ok(Err(error))) => tracing::debug!(%error, peer = %self.addr, "TLS handshake failed"),
            _ => tracing::debug!(peer = %self.addr, "no TLS handshake in time"),
        }
    }

    /// What a future says, unless the server shuts down before it does.
    #[cfg(any(feature = "http2", feature = "tls"))]
    pub(super) async fn or_stop<F: Future>(&mut self, future: F) -> Option<F::Output> {
        let (mut future, mut stop) = (std::pin::pin!(future), std::pin::pin!(self.stop.changed()));
        let output = std::future::poll_fn(|task| {
            if let std::task::Poll::Ready(output) = future.as_mut().poll(task) {
                return std::task::Poll::Ready(Some(output));
            }
            stop.as_mut().poll(task).map(|_| None)
        });
        output.await
    }
}

/// Looks at the first bytes without taking them: a method "PRI" is nothing else (RFC 9113 §11.6).
#[cfg(feature = "http2")]
async fn begins_http2(stream: &TcpStream) -> std::io::Result<bool> {
    const PREFACE: &[u8] = b"PRI ";
    let mut seen = [0; PREFACE.len()];
    // The next segment of a client that sends single bytes cannot be waited for, as there is
    // something to read already. Whoever sends no more is asked less and less often.
    let mut pause = std::time::Duration::from_millis(5);
    loop {
        let len = stream.peek(&mut seen).await?;
        if len == 0 || !PREFACE.starts_with(&seen[..len]) {
            return Ok(false);
        }
        if len == PREFACE.len() {
            return Ok(true);
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
}
