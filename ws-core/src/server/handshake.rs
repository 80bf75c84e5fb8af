//! The first request of a connection. Nearly always it is a handshake that comes whole, which is
//! answered here; whatever else it is, hyper or h2 reads from its first byte.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context as TaskContext, Poll, ready};

use axum_core::response::Response;
use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::protocol::Peer;
use super::request_head;
use crate::driver;
use crate::router::{AcceptedHandshake, PeerAddr, PlainHandshake, StartConnection};
use crate::transport::rewind::Rewind;
use crate::upgrade::IsTls;

/// What clients that know that we speak HTTP/2 begin with (RFC 9113 §3.3). A method "PRI" is nothing
/// else (§11.6).
#[cfg(feature = "http2")]
const PREFACE: &[u8] = b"PRI ";

/// What became of the first request.
pub(super) enum FirstRequest<T> {
    /// It is for hyper.
    Http1(Rewind<T>, PendingRequest),
    #[cfg(feature = "http2")]
    Http2(Rewind<T>),
    /// A WebSocket begins, with the bytes that came behind its handshake.
    WebSocket(Box<dyn StartConnection>, T, Vec<u8>),
    /// The client is gone.
    Closed,
}

/// What is known of a request that hyper reads.
pub(super) struct PendingRequest {
    /// Until when it must be there.
    pub(super) deadline: Instant,
    /// What has been decided on it already.
    pub(super) response: Option<Response>,
}

/// What has come first.
enum Peeked {
    Accepted(AnsweredHandshake),
    /// Something else, and the answer if there is one.
    Other(Bytes, Option<Response>),
}

/// A handshake that was accepted.
struct AnsweredHandshake {
    start: Box<dyn StartConnection>,
    /// What came behind it.
    input: Vec<u8>,
    /// What the socket did not take of the answer. Also none of it, if that is only not flushed.
    unsent: Option<Vec<u8>>,
}

impl Peer {
    /// Reads the first request, and answers it if it is a handshake.
    pub(super) async fn read_first_request<T>(&self, mut stream: T, is_secure: bool) -> FirstRequest<T>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        let deadline = Instant::now() + self.server.settings.handshake_timeout;
        let peeked = self
            .read_first_bytes(&mut stream, |task, stream, read, out| self.try_plain(task, stream, read, out));
        match peeked.await {
            Some(Peeked::Accepted(AnsweredHandshake { start, input, unsent: None })) => {
                FirstRequest::WebSocket(start, stream, input)
            }
            // What is rare is boxed, so that the tasks of handshakes are small.
            Some(Peeked::Accepted(answered)) => {
                Box::pin(self.write_response(stream, answered, deadline)).await
            }
            Some(Peeked::Other(read, response)) => {
                let pending = PendingRequest { deadline, response };
                Box::pin(self.classify(stream, read, pending, is_secure)).await
            }
            None => {
                tracing::debug!(peer = %self.addr, "client sent no request");
                FirstRequest::Closed
            }
        }
    }

    /// What `look` makes of the first bytes that come; `None` if none do, or not in time, or if the
    /// server shuts down before.
    async fn read_first_bytes<T: AsyncRead + Unpin, R>(
        &self,
        stream: &mut T,
        inspect: impl Fn(&mut TaskContext<'_>, &mut T, &[u8], &mut Vec<u8>) -> Option<R>,
    ) -> Option<R> {
        let mut timeout = None;
        poll_fn(|task| {
            if self.permit.shutdown_deadline().is_some() {
                return Poll::Ready(None);
            }
            let peeked = driver::with_scratch(|scratch| {
                scratch.with_buffers(|input, out| {
                    let mut read = ReadBuf::new(input);
                    Pin::new(&mut *stream).poll_read(task, &mut read).map(|end| match end {
                        Ok(()) if !read.filled().is_empty() => inspect(task, stream, read.filled(), out),
                        _ => None,
                    })
                })
            });
            if peeked.is_ready() {
                return peeked;
            }
            if timeout.is_none() {
                self.permit.register(task.waker());
                // It may have shut down before that.
                if self.permit.shutdown_deadline().is_some() {
                    return Poll::Ready(None);
                }
            }
            timeout.get_or_insert_with(|| self.timeouts.add(task.waker())).poll(task).map(|()| None)
        })
        .await
    }

    /// Answers a handshake that is all there and whose handler does not want to see it.
    fn try_plain<T>(
        &self,
        task: &mut TaskContext<'_>,
        stream: &mut T,
        read: &[u8],
        out: &mut Vec<u8>,
    ) -> Option<Peeked>
    where
        T: AsyncWrite + Unpin,
    {
        let max_len = self.server.settings.max_header_size;
        let accepted = request_head::parse(read, max_len, |head| {
            let plain = PlainHandshake {
                path: head.path()?,
                headers: &head.handshake,
                fields: head.headers,
                peer: self.addr,
            };
            Some((self.server.accept_plain(&plain)?, head.len))
        });
        match accepted {
            Some((Ok(accepted), len)) => {
                write_accept(task, stream, accepted, &read[len..], out).map(Peeked::Accepted)
            }
            Some((Err(response), _)) => Some(Peeked::Other(Bytes::copy_from_slice(read), Some(response))),
            None => Some(Peeked::Other(Bytes::copy_from_slice(read), None)),
        }
    }

    /// What was not answered at first sight.
    async fn classify<T>(
        &self,
        mut stream: T,
        mut read: Bytes,
        mut pending: PendingRequest,
        is_secure: bool,
    ) -> FirstRequest<T>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        #[cfg(feature = "http2")]
        if !is_secure {
            match tokio::time::timeout_at(pending.deadline, self.read_preface(&mut stream, read)).await {
                Ok(Some(first_bytes)) if first_bytes.starts_with(PREFACE) => {
                    return FirstRequest::Http2(Rewind::new(first_bytes, stream));
                }
                Ok(Some(first_bytes)) => read = first_bytes,
                _ => return FirstRequest::Closed,
            }
        }
        if pending.response.is_none()
            && let Some((mut parts, len)) =
                request_head::to_parts(&read, self.server.settings.max_header_size)
        {
            parts.extensions.insert(PeerAddr(self.addr));
            if is_secure {
                parts.extensions.insert(IsTls);
            }
            // Another path is for the fallback, which may want the connection.
            if let Some(accepted) = self.server.accept(&mut parts) {
                let mut trailing = Vec::from(&read[len..]);
                match or_disconnected(accepted, &mut stream, &mut trailing).await {
                    Some(Ok(accepted)) => {
                        let mut head = Vec::new();
                        let start = accepted.write_http1(&mut head);
                        let answered = AnsweredHandshake { start, input: trailing, unsent: Some(head) };
                        return self.write_response(stream, answered, pending.deadline).await;
                    }
                    Some(Err(response)) => {
                        pending.response = Some(response);
                        read = [&read[..len], &trailing].concat().into();
                    }
                    None => {
                        tracing::debug!(peer = %self.addr, "client left during the handshake");
                        return FirstRequest::Closed;
                    }
                }
            }
        }
        FirstRequest::Http1(Rewind::new(read, stream), pending)
    }

    /// Writes the rest of an answer, and begins.
    async fn write_response<T>(
        &self,
        mut stream: T,
        answered: AnsweredHandshake,
        deadline: Instant,
    ) -> FirstRequest<T>
    where
        T: AsyncWrite + Unpin,
    {
        let AnsweredHandshake { start, input, unsent } = answered;
        let unsent = unsent.unwrap_or_default();
        let mut written = 0;
        let written = poll_fn(|task| poll_write(task, &mut stream, &unsent, &mut written));
        match tokio::time::timeout_at(deadline, written).await {
            Ok(Some(())) => FirstRequest::WebSocket(start, stream, input),
            _ => {
                tracing::debug!(peer = %self.addr, "client left during the handshake");
                FirstRequest::Closed
            }
        }
    }

    /// The first bytes, when it is clear whether they are the preface of HTTP/2.
    #[cfg(feature = "http2")]
    async fn read_preface<T: AsyncRead + Unpin>(&self, stream: &mut T, mut read: Bytes) -> Option<Bytes> {
        while read.len() < PREFACE.len() && PREFACE.starts_with(&read) {
            let more = self.read_first_bytes(stream, |_, _, read, _| Some(read.to_vec())).await?;
            read = [&read, more.as_slice()].concat().into();
        }
        Some(read)
    }
}

/// What the handler says of a request, unless its client leaves before: who is gone takes no place, and
/// opens nothing. Looks for that as long as the client sends nothing behind its request, which waits there.
async fn or_disconnected<T, F>(handshake: F, stream: &mut T, trailing: &mut Vec<u8>) -> Option<F::Output>
where
    T: AsyncRead + Unpin,
    F: Future,
{
    let mut handshake = pin!(handshake);
    poll_fn(|task| {
        if let Poll::Ready(result) = handshake.as_mut().poll(task) {
            return Poll::Ready(Some(result));
        }
        if !trailing.is_empty() {
            return Poll::Pending;
        }
        let mut bytes = [0; 1024];
        let mut read = ReadBuf::new(&mut bytes);
        match ready!(Pin::new(&mut *stream).poll_read(task, &mut read)) {
            Ok(()) if !read.filled().is_empty() => {
                trailing.extend_from_slice(read.filled());
                Poll::Pending
            }
            _ => Poll::Ready(None),
        }
    })
    .await
}

/// Writes the answer, which a socket that has just been opened takes at once; `None` if the client is
/// gone.
fn write_accept<T>(
    task: &mut TaskContext<'_>,
    stream: &mut T,
    accepted: AcceptedHandshake,
    input: &[u8],
    out: &mut Vec<u8>,
) -> Option<AnsweredHandshake>
where
    T: AsyncWrite + Unpin,
{
    let start = accepted.write_http1(out);
    let mut written = 0;
    let unsent = match poll_write(task, stream, out, &mut written) {
        Poll::Ready(Some(())) => None,
        Poll::Ready(None) => return None,
        Poll::Pending => Some(out[written..].to_vec()),
    };
    Some(AnsweredHandshake { start, input: input.to_vec(), unsent })
}

/// Writes everything, from where it got to; ready with `None` if the client is gone.
fn poll_write<T>(
    task: &mut TaskContext<'_>,
    stream: &mut T,
    bytes: &[u8],
    written: &mut usize,
) -> Poll<Option<()>>
where
    T: AsyncWrite + Unpin,
{
    while *written < bytes.len() {
        match ready!(Pin::new(&mut *stream).poll_write(task, &bytes[*written..])) {
            Ok(len @ 1..) => *written += len,
            _ => return Poll::Ready(None),
        }
    }
    Pin::new(stream).poll_flush(task).map(Result::ok)
}

#[cfg(all(test, feature = "http2"))]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::io::AsyncWriteExt;

    use super::*;
    use crate::driver::{ConnectionLimits, ConnectionTracker};
    use crate::router::Router;
    use crate::server::handshake_timeouts::{HandshakeTimeouts, SharedTimer};

    const TIMEOUT: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn slow_preface_gets_no_extra_time() {
        let server = Arc::new(Router::new().handshake_timeout(TIMEOUT));
        let timeouts = HandshakeTimeouts::new(TIMEOUT);
        let permit = Arc::<ConnectionTracker>::default().admit(&ConnectionLimits::new(1), None).unwrap();
        let addr = (Ipv4Addr::LOCALHOST, 1).into();
        let peer = Peer { server, timeouts: Arc::clone(&timeouts), addr, permit };
        let (mut client, stream) = tokio::io::duplex(64);
        let slowly = async {
            for byte in PREFACE {
                tokio::time::sleep(TIMEOUT - Duration::from_secs(1)).await;
                client.write_all(&[*byte]).await.unwrap();
            }
            std::future::pending().await
        };
        let mut timer = SharedTimer::new();
        let late = poll_fn(|task| {
            timeouts.poll(task, &mut timer);
            Poll::Pending
        });
        let start = Instant::now();
        tokio::select! {
            () = slowly => {}
            () = late => {}
            first = peer.read_first_request(stream, false) => assert!(matches!(first, FirstRequest::Closed)),
        }
        assert_eq!(start.elapsed(), TIMEOUT);
    }
}
