//! The first request of a connection, and the three routes by which it becomes a WebSocket.
//!
//! | route  | taken when                        | allocates                    | continues in              |
//! |--------|-----------------------------------|------------------------------|---------------------------|
//! | plain  | The handshake is simple, and its  | The connection, and a copy   | `response_writer.rs`,     |
//! |        | handler has no `#[on_upgrade]`.   | of the bytes that follow.    | `pending_connection.rs`   |
//! | parsed | The handshake is simple, and its  | Also a copy of the head, its | `on_upgrade.rs`,          |
//! |        | handler has an `#[on_upgrade]`.   | `Uri` and `HeaderMap`, and   | `router/endpoint.rs`,     |
//! |        |                                   | the future of the method.    | then like plain           |
//! | hyper  | Any other request of HTTP/1.1.    | Also hyper's connection and  | `http1.rs`,               |
//! |        |                                   | buffers, and a response.     | `Router::call_request`    |
//!
//! A handshake is simple if the first read holds all of it and [`request_head::parse`] accepts it: a GET of
//! HTTP/1.1 without a body, with up to 64 headers, within the limits. Its path must have a handler.
//! The rest of `server/` decides nothing about handshakes: all routes check them with `upgrade`.
//!
//! The first two routes write only the 101 themselves. For any other response, hyper reads the request again
//! and sends the response of [`PendingRequest`]. HTTP/2 without TLS is detected here by its preface, and
//! continues in `http2/`.

mod on_upgrade;
mod request_line;
mod response_writer;
#[cfg(all(test, feature = "http2"))]
mod tests;

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use axum_core::response::Response;
use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use on_upgrade::Upgraded;
use request_line::FirstLine;
use response_writer::ResponseWriter;

use super::handshake_timeouts::Deadline;
use super::peer::Peer;
use super::request_head;
use crate::clock::timeout_past_io;
use crate::router::{PlainHandshake, StartConnection};
use crate::transport::rewind::Rewind;

/// The start of the preface that HTTP/2 clients send without TLS (RFC 9113 §3.4). The method `PRI` is
/// reserved for the preface (§11.6).
#[cfg(feature = "http2")]
const PREFACE: &[u8] = b"PRI ";

/// The kind of the first request.
pub(super) enum FirstRequest<T> {
    /// A request for hyper.
    Http1(Rewind<T>, PendingRequest),
    #[cfg(feature = "http2")]
    Http2(Rewind<T>),
    /// An accepted WebSocket, with the bytes that followed its handshake.
    WebSocket(Box<dyn StartConnection>, T, Vec<u8>),
    /// The connection has ended.
    Closed,
}

/// A first request that hyper is to read.
pub(super) struct PendingRequest {
    /// When the request must be complete.
    pub(super) deadline: Instant,
    /// The response, if the request was already handled.
    pub(super) response: Option<Response>,
}

/// The result of the first read.
enum Peeked {
    Accepted(ResponseWriter),
    /// Not an accepted handshake: a copy of the bytes, and the response if there is one already.
    Other(Bytes, Option<Response>),
}

impl Peer {
    /// Reads the first request, and responds if it is a handshake.
    pub(super) async fn read_first_request<T>(&self, mut stream: T, is_secure: bool) -> FirstRequest<T>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        let mut deadline = self.deadline;
        let peeked = if self.is_delayed {
            // The shared queue of timeouts gives each client the whole time.
            Box::pin(timeout_past_io(&mut deadline, self.read_and_try_plain(&mut stream))).await.flatten()
        } else {
            self.read_and_try_plain(&mut stream).await
        };
        match peeked {
            Some(Peeked::Accepted(ResponseWriter { start, input, unsent: None })) => {
                FirstRequest::WebSocket(start, stream, input)
            }
            // PERF: the rare cases are boxed, so that the task of a plain handshake stays small.
            // budget: connect
            Some(Peeked::Accepted(writer)) => Box::pin(self.write_response(stream, writer, deadline)).await,
            Some(Peeked::Other(read, response)) => {
                let pending = PendingRequest { deadline, response };
                Box::pin(self.classify(stream, read, pending, is_secure)).await
            }
            None => {
                tracing::debug!(peer = %self.addr, "handshake abandoned");
                FirstRequest::Closed
            }
        }
    }

    fn read_and_try_plain<T>(&self, stream: &mut T) -> impl Future<Output = Option<Peeked>>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        self.read_first_bytes(stream, |task, stream, read, out| self.try_plain(task, stream, read, out))
    }

    /// Returns what `inspect` makes of the first bytes that arrive. Returns `None` if the client
    /// disconnects or is late, or if the server shuts down.
    async fn read_first_bytes<T: AsyncRead + Unpin, R>(
        &self,
        stream: &mut T,
        inspect: impl Fn(&mut TaskContext<'_>, &mut T, &[u8], &mut Vec<u8>) -> Option<R>,
    ) -> Option<R> {
        let mut timeout: Option<Deadline<'_>> = None;
        poll_fn(|task| {
            if self.permit.shutdown_deadline().is_some() {
                return Poll::Ready(None);
            }
            let inspected = crate::scratch::with_scratch(|scratch| {
                scratch.with_buffers(|input, out| {
                    let mut read = ReadBuf::new(input);
                    Pin::new(&mut *stream).poll_read(task, &mut read).map(|end| match end {
                        Ok(()) if !read.filled().is_empty() => inspect(task, stream, read.filled(), out),
                        _ => None,
                    })
                })
            });
            if inspected.is_ready() {
                return inspected;
            }
            if let Some(timeout) = &timeout {
                return timeout.poll(task).map(|()| None);
            }
            self.permit.register(task.waker());
            // A shutdown before the registration woke nothing.
            if self.permit.shutdown_deadline().is_some() {
                return Poll::Ready(None);
            }
            // The task is woken when the client is late, even if that is now.
            timeout = Some(self.timeouts.add(task.waker()));
            Poll::Pending
        })
        .await
    }

    /// Accepts a complete handshake whose handler needs no request. Returns `None` if the client
    /// disconnects.
    ///
    /// PERF: the fast path of a handshake, without hyper: one read, one write, no `HeaderMap`.
    /// budget: connect. The general path is [`Peer::http1`]. The test `fast_path_answers_like_hyper` in
    /// `tests/handshake_fast_path.rs` compares their responses.
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
        let accepted = request_head::parse(read, &self.server.settings, |head| {
            let plain = PlainHandshake {
                path: head.path()?,
                headers: &head.handshake,
                fields: head.headers,
                // `Router::call_request` refuses contradictory headers.
                peer: self.server.settings.trusted_proxies.client_addr(self.addr.0, head.headers).ok()?,
            };
            Some((self.server.accept_plain(&plain)?, head.len))
        });
        match accepted {
            Some((Ok(accepted), len)) => {
                ResponseWriter::write_accept(task, stream, accepted, &read[len..], out).map(Peeked::Accepted)
            }
            Some((Err(response), _)) => Some(Peeked::Other(Bytes::copy_from_slice(read), Some(response))),
            None => Some(Peeked::Other(Bytes::copy_from_slice(read), None)),
        }
    }

    /// Selects the route of a request that is not an accepted plain handshake.
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
            match timeout_past_io(&mut pending.deadline, self.read_preface(&mut stream, read)).await {
                Some(Some(first_bytes)) if first_bytes.starts_with(PREFACE) => {
                    return FirstRequest::Http2(Rewind::new(first_bytes, stream));
                }
                Some(Some(first_bytes)) => read = first_bytes,
                _ => return FirstRequest::Closed,
            }
        }
        match timeout_past_io(&mut pending.deadline, self.read_request_line(&mut stream, read)).await {
            Some(Some(FirstLine::Read(bytes))) => read = bytes,
            Some(Some(FirstLine::TooLong(request, response))) => {
                let pending = PendingRequest { response: Some(response), ..pending };
                return FirstRequest::Http1(Rewind::new(request, stream), pending);
            }
            _ => return FirstRequest::Closed,
        }
        if pending.response.is_none() {
            match self.run_on_upgrade(&mut stream, read, is_secure).await {
                Upgraded::Accepted(writer) => {
                    return self.write_response(stream, writer, pending.deadline).await;
                }
                Upgraded::Other(bytes, response) => {
                    read = bytes;
                    pending.response = response;
                }
                Upgraded::Disconnected => {
                    tracing::debug!(peer = %self.addr, "client disconnected during the handshake");
                    return FirstRequest::Closed;
                }
            }
        }
        FirstRequest::Http1(Rewind::new(read, stream), pending)
    }

    /// Reads until the bytes differ from the preface of HTTP/2 or contain it.
    #[cfg(feature = "http2")]
    async fn read_preface<T: AsyncRead + Unpin>(&self, stream: &mut T, mut read: Bytes) -> Option<Bytes> {
        while read.len() < PREFACE.len() && PREFACE.starts_with(&read) {
            let more = self.read_first_bytes(stream, |_, _, read, _| Some(read.to_vec())).await?;
            read = [&read, more.as_slice()].concat().into();
        }
        Some(read)
    }

    /// Writes the unsent part of a response, and then starts the WebSocket.
    async fn write_response<T>(
        &self,
        mut stream: T,
        writer: ResponseWriter,
        mut deadline: Instant,
    ) -> FirstRequest<T>
    where
        T: AsyncWrite + Unpin,
    {
        match timeout_past_io(&mut deadline, writer.write_unsent(&mut stream)).await {
            Some(Some((start, input))) => FirstRequest::WebSocket(start, stream, input),
            _ => {
                tracing::debug!(peer = %self.addr, "client disconnected during the handshake");
                FirstRequest::Closed
            }
        }
    }
}
