//! The first request of a connection. Nearly always it is a handshake that comes whole, which is
//! answered here; whatever else it is, hyper or h2 reads from its first byte.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context as Task, Poll, ready};

use axum_core::response::Response;
use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::head;
use super::spoken::Peer;
use crate::driver;
use crate::router::{AcceptedHandshake, PeerAddr, PlainHandshake, StartConnection};
use crate::transport::rewind::Rewind;
use crate::upgrade::IsTls;

/// What clients that know that we speak HTTP/2 begin with (RFC 9113 §3.3). A method "PRI" is nothing
/// else (§11.6).
#[cfg(feature = "http2")]
const PREFACE: &[u8] = b"PRI ";

/// What became of the first request.
pub(super) enum First<T> {
    /// It is for hyper.
    Other(Rewind<T>, Asked),
    #[cfg(feature = "http2")]
    Http2(Rewind<T>),
    /// A WebSocket begins, with the bytes that came behind its handshake.
    Begins(Box<dyn StartConnection>, T, Vec<u8>),
    /// The client is gone.
    Done,
}

/// What is known of a request that hyper reads.
pub(super) struct Asked {
    /// Until when it must be there.
    pub(super) deadline: Instant,
    /// What has been decided on it already.
    pub(super) answer: Option<Response>,
}

/// What has come first.
enum Heard {
    Accepted(Answered),
    /// Something else, and the answer if there is one.
    Other(Bytes, Option<Response>),
}

/// A handshake that was accepted.
struct Answered {
    start: Box<dyn StartConnection>,
    /// What came behind it.
    input: Vec<u8>,
    /// What the socket did not take of the answer. Also none of it, if that is only not flushed.
    rest: Option<Vec<u8>>,
}

impl Peer {
    /// Reads the first request, and answers it if it is a handshake.
    pub(super) async fn first<T>(&self, mut stream: T, is_secure: bool) -> First<T>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        let deadline = Instant::now() + self.server.settings.handshake_timeout;
        let heard = self.hear(&mut stream, |task, stream, read, out| self.look(task, stream, read, out));
        match heard.await {
            Some(Heard::Accepted(Answered { start, input, rest: None })) => {
                First::Begins(start, stream, input)
            }
            // What is rare is boxed, so that the tasks of handshakes are small.
            Some(Heard::Accepted(answered)) => Box::pin(self.finish(stream, answered, deadline)).await,
            Some(Heard::Other(read, answer)) => {
                let asked = Asked { deadline, answer };
                Box::pin(self.other(stream, read, asked, is_secure)).await
            }
            None => {
                tracing::debug!(peer = %self.addr, "client sent no request");
                First::Done
            }
        }
    }

    /// What `look` makes of the first bytes that come; `None` if none do, or not in time, or if the
    /// server shuts down before.
    async fn hear<T: AsyncRead + Unpin, R>(
        &self,
        stream: &mut T,
        look: impl Fn(&mut Task<'_>, &mut T, &[u8], &mut Vec<u8>) -> Option<R>,
    ) -> Option<R> {
        let mut waiting = None;
        poll_fn(|task| {
            if self.permit.shutdown_deadline().is_some() {
                return Poll::Ready(None);
            }
            let heard = driver::with_scratch(|scratch| {
                scratch.with_buffers(|input, out| {
                    let mut read = ReadBuf::new(input);
                    Pin::new(&mut *stream).poll_read(task, &mut read).map(|end| match end {
                        Ok(()) if !read.filled().is_empty() => look(task, stream, read.filled(), out),
                        _ => None,
                    })
                })
            });
            if heard.is_ready() {
                return heard;
            }
            if waiting.is_none() {
                self.permit.register(task.waker());
                // It may have shut down before that.
                if self.permit.shutdown_deadline().is_some() {
                    return Poll::Ready(None);
                }
            }
            waiting.get_or_insert_with(|| self.deadlines.add(task.waker())).poll(task).map(|()| None)
        })
        .await
    }

    /// Answers a handshake that is all there and whose handler does not want to see it.
    fn look<T>(&self, task: &mut Task<'_>, stream: &mut T, read: &[u8], out: &mut Vec<u8>) -> Option<Heard>
    where
        T: AsyncWrite + Unpin,
    {
        let max_len = self.server.settings.max_header_size;
        let accepted = head::parse(read, max_len, |head| {
            let plain = PlainHandshake { path: head.path()?, headers: &head.said, fields: head.fields, peer: self.addr };
            Some((self.server.accept_plain(&plain)?, head.len))
        });
        match accepted {
            Some((Ok(accepted), len)) => {
                answer(task, stream, accepted, &read[len..], out).map(Heard::Accepted)
            }
            Some((Err(response), _)) => Some(Heard::Other(Bytes::copy_from_slice(read), Some(response))),
            None => Some(Heard::Other(Bytes::copy_from_slice(read), None)),
        }
    }

    /// What was not answered at first sight.
    async fn other<T>(&self, mut stream: T, mut read: Bytes, mut asked: Asked, is_secure: bool) -> First<T>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        #[cfg(feature = "http2")]
        if !is_secure {
            match tokio::time::timeout_at(asked.deadline, self.preface(&mut stream, read)).await {
                Ok(Some(begun)) if begun.starts_with(PREFACE) => {
                    return First::Http2(Rewind::new(begun, stream));
                }
                Ok(Some(begun)) => read = begun,
                _ => return First::Done,
            }
        }
        if asked.answer.is_none()
            && let Some((mut parts, len)) = head::parts(&read, self.server.settings.max_header_size)
        {
            parts.extensions.insert(PeerAddr(self.addr));
            if is_secure {
                parts.extensions.insert(IsTls);
            }
            // Another path is for the fallback, which may want the connection.
            if let Some(accepted) = self.server.accept(&mut parts) {
                let mut behind = Vec::from(&read[len..]);
                match unless_gone(accepted, &mut stream, &mut behind).await {
                    Some(Ok(accepted)) => {
                        let mut head = Vec::new();
                        let start = accepted.write_http1(&mut head);
                        let answered = Answered { start, input: behind, rest: Some(head) };
                        return self.finish(stream, answered, asked.deadline).await;
                    }
                    Some(Err(response)) => {
                        asked.answer = Some(response);
                        read = [&read[..len], &behind].concat().into();
                    }
                    None => {
                        tracing::debug!(peer = %self.addr, "client left during the handshake");
                        return First::Done;
                    }
                }
            }
        }
        First::Other(Rewind::new(read, stream), asked)
    }

    /// Writes the rest of an answer, and begins.
    async fn finish<T>(&self, mut stream: T, answered: Answered, deadline: Instant) -> First<T>
    where
        T: AsyncWrite + Unpin,
    {
        let Answered { start, input, rest } = answered;
        let rest = rest.unwrap_or_default();
        let mut written = 0;
        let written = poll_fn(|task| poll_write(task, &mut stream, &rest, &mut written));
        match tokio::time::timeout_at(deadline, written).await {
            Ok(Some(())) => First::Begins(start, stream, input),
            _ => {
                tracing::debug!(peer = %self.addr, "client left during the handshake");
                First::Done
            }
        }
    }

    /// The first bytes, when it is clear whether they are the preface of HTTP/2.
    #[cfg(feature = "http2")]
    async fn preface<T: AsyncRead + Unpin>(&self, stream: &mut T, mut read: Bytes) -> Option<Bytes> {
        while read.len() < PREFACE.len() && PREFACE.starts_with(&read) {
            let more = self.hear(stream, |_, _, read, _| Some(read.to_vec())).await?;
            read = [&read, more.as_slice()].concat().into();
        }
        Some(read)
    }
}

/// What the handler says of a request, unless its client leaves before: who is gone takes no place, and
/// opens nothing. Looks for that as long as the client sends nothing behind its request, which waits there.
async fn unless_gone<T, F>(asked: F, stream: &mut T, behind: &mut Vec<u8>) -> Option<F::Output>
where
    T: AsyncRead + Unpin,
    F: Future,
{
    let mut asked = pin!(asked);
    poll_fn(|task| {
        if let Poll::Ready(said) = asked.as_mut().poll(task) {
            return Poll::Ready(Some(said));
        }
        if !behind.is_empty() {
            return Poll::Pending;
        }
        let mut bytes = [0; 1024];
        let mut read = ReadBuf::new(&mut bytes);
        match ready!(Pin::new(&mut *stream).poll_read(task, &mut read)) {
            Ok(()) if !read.filled().is_empty() => {
                behind.extend_from_slice(read.filled());
                Poll::Pending
            }
            _ => Poll::Ready(None),
        }
    })
    .await
}

/// Writes the answer, which a socket that has just been opened takes at once; `None` if the client is
/// gone.
fn answer<T>(
    task: &mut Task<'_>,
    stream: &mut T,
    accepted: AcceptedHandshake,
    input: &[u8],
    out: &mut Vec<u8>,
) -> Option<Answered>
where
    T: AsyncWrite + Unpin,
{
    let start = accepted.write_http1(out);
    let mut written = 0;
    let rest = match poll_write(task, stream, out, &mut written) {
        Poll::Ready(Some(())) => None,
        Poll::Ready(None) => return None,
        Poll::Pending => Some(out[written..].to_vec()),
    };
    Some(Answered { start, input: input.to_vec(), rest })
}

/// Writes everything, from where it got to; ready with `None` if the client is gone.
fn poll_write<T>(task: &mut Task<'_>, stream: &mut T, bytes: &[u8], written: &mut usize) -> Poll<Option<()>>
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
    use crate::driver::{ConnectionTracker, ConnectionLimits};
    use crate::router::Router;
    use crate::server::deadlines::{Deadlines, Timer};

    const TIMEOUT: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn a_preface_that_comes_slowly_has_no_more_time() {
        let server = Arc::new(Router::new().handshake_timeout(TIMEOUT));
        let deadlines = Deadlines::new(TIMEOUT);
        let permit = Arc::<ConnectionTracker>::default().admit(&ConnectionLimits::new(1), None).unwrap();
        let addr = (Ipv4Addr::LOCALHOST, 1).into();
        let peer = Peer { server, deadlines: Arc::clone(&deadlines), addr, permit };
        let (mut client, stream) = tokio::io::duplex(64);
        let slowly = async {
            for byte in PREFACE {
                tokio::time::sleep(TIMEOUT - Duration::from_secs(1)).await;
                client.write_all(&[*byte]).await.unwrap();
            }
            std::future::pending().await
        };
        let mut timer = Timer::new();
        let late = poll_fn(|task| {
            deadlines.poll(task, &mut timer);
            Poll::Pending
        });
        let start = Instant::now();
        tokio::select! {
            () = slowly => {}
            () = late => {}
            first = peer.first(stream, false) => assert!(matches!(first, First::Done)),
        }
        assert_eq!(start.elapsed(), TIMEOUT);
    }
}
