//! HTTP/2, and the WebSocket connections in its streams (RFC 8441), with h2.
//!
//! hyper's HTTP/2 server does not fit: it ends a dropped stream normally instead of resetting it, buffers
//! without bound for a client that does not read, and needs a task and a channel for each stream.

mod body;
mod flow_control;
mod yielding_io;

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context as TaskContext, Poll};

use axum_core::body::Body;
use axum_core::response::{IntoResponse, Response};
use bytes::Bytes;
use h2::server::{Builder, Connection, SendResponse};
use h2::{Reason, RecvStream};
use hyper::header::{
    ALLOW, CONNECTION, CONTENT_LENGTH, DATE, HeaderName, HeaderValue, TRANSFER_ENCODING, UPGRADE,
};
use hyper::http::request::Parts;
use hyper::{Method, Request, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::peer::{Origin, Peer};
use crate::clock::{SleepPastIo, timeout_past_io};
use crate::router::{Router, Settings};
use crate::transport::http2::{Http2Stream, Http2UpgradeSlot, StreamToken};
use body::{RequestBody, send_body};
use flow_control::StreamWindows;
use yielding_io::YieldingIo;

/// The maximum number of bytes that a stream buffers until the connection sends them.
const SEND_BUFFER: usize = 64 << 10;

/// How many more requests a client may reset than it receives responses for ("rapid reset",
/// CVE-2023-44487).
const MAX_RESETS: usize = 100;

/// Headers about a connection of HTTP/1.1, which HTTP/2 forbids (RFC 9113 §8.2.2).
const CONNECTION_HEADERS: [HeaderName; 5] = [
    CONNECTION,
    UPGRADE,
    TRANSFER_ENCODING,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

impl Peer {
    /// Serves HTTP/2 until the connection ends.
    pub(super) async fn http2<T>(mut self, stream: T, is_secure: bool)
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        let settings = self.server.settings.clone();
        let wrote = Arc::<AtomicBool>::default();
        let mut builder = builder(&settings);
        let mut windows = StreamWindows::new(&mut builder);
        let timeout = || Instant::now() + settings.handshake_timeout;
        let handshake = builder.handshake(YieldingIo::new(stream, Arc::clone(&wrote)));
        let mut deadline = self.deadline;
        let mut connection = match self.or_shutdown(timeout_past_io(&mut deadline, handshake)).await {
            Some(Some(Ok(connection))) => connection,
            Some(Some(Err(error))) => {
                return tracing::debug!(%error, peer = %self.addr, "HTTP/2 handshake failed");
            }
            _ => return tracing::debug!(peer = %self.addr, "HTTP/2 handshake abandoned"),
        };
        let reset_count = Arc::new(AtomicUsize::new(0));
        let mut shutdown = pin!(self.permit.shutdown_requested());
        let mut deadline = SleepPastIo::new(timeout());
        let mut unanswered = self.unanswered.take();
        let mut lifetime =
            ConnectionLifetime { stage: LifetimeStage::Open, idle: true, wrote, settings: &settings };
        let mut has_yielded = false;
        loop {
            let next = poll_fn(|task| {
                // PERF: on a runtime with several threads, the stream that wakes this task first is followed by this
                // task, before the streams that have input as well. Their output would be a write each. After a yield,
                // one write takes the output of all. budget: none (a matter of time: workload http2text64)
                if !has_yielded && windows.has_several_streams() {
                    has_yielded = true;
                    task.waker().wake_by_ref();
                    return Poll::Pending;
                }
                if lifetime.stage != LifetimeStage::ShuttingDown && shutdown.as_mut().poll(task).is_ready() {
                    lifetime.start_shutdown(&mut connection, &mut deadline);
                }
                if lifetime
                    .poll_deadline(task, &mut connection, &mut deadline, windows.has_open_streams())
                    .is_ready()
                {
                    return Poll::Ready(None);
                }
                windows.adjust(&mut connection);
                let accepted = connection.poll_accept(task);
                has_yielded = accepted.is_ready();
                accepted
            });
            match next.await {
                Some(Ok((request, respond))) => {
                    lifetime.idle = false;
                    if reset_count.load(Ordering::Relaxed) > MAX_RESETS {
                        connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
                    }
                    let (server, reset_count) = (Arc::clone(&self.server), Arc::clone(&reset_count));
                    let stream = RequestStream { request, respond, token: windows.stream_token() };
                    let origin = self.origin(is_secure);
                    let unanswered = unanswered.take();
                    tokio::spawn(async move {
                        let _unanswered = unanswered;
                        serve_request(server, origin, stream, reset_count).await;
                    });
                }
                Some(Err(error)) => {
                    return tracing::debug!(%error, peer = %self.addr, "HTTP/2 connection failed");
                }
                None => return,
            }
        }
    }
}

fn builder(settings: &Settings) -> Builder {
    let mut builder = Builder::new();
    builder
        .enable_connect_protocol()
        .max_send_buffer_size(SEND_BUFFER)
        .max_header_list_size(u32::try_from(settings.max_header_size).unwrap_or(u32::MAX));
    builder
}

/// The lifetime of a connection, which decides when the connection ends.
struct ConnectionLifetime<'a> {
    stage: LifetimeStage,
    /// Whether no request has arrived since the last deadline.
    idle: bool,
    /// Whether the socket has taken bytes since the last deadline, which shows that the client reads.
    wrote: Arc<AtomicBool>,
    settings: &'a Settings,
}

#[derive(PartialEq, Eq)]
enum LifetimeStage {
    Open,
    /// The connection was unused, and a GOAWAY was sent.
    GoingAway,
    /// The server is shutting down.
    ShuttingDown,
}

impl ConnectionLifetime<'_> {
    /// Refuses further requests. Open streams have the shutdown timeout to end.
    fn start_shutdown<T>(&mut self, connection: &mut Connection<T, Bytes>, deadline: &mut SleepPastIo)
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        self.stage = LifetimeStage::ShuttingDown;
        if connection.has_streams() {
            connection.graceful_shutdown();
        } else {
            // A graceful shutdown would wait for the client's reply to a ping.
            connection.abrupt_shutdown(Reason::NO_ERROR);
        }
        *deadline = SleepPastIo::new(Instant::now() + self.settings.shutdown_timeout);
    }

    /// Returns `Ready` when the connection must end now. Sends a GOAWAY when the connection was unused for
    /// the handshake timeout.
    fn poll_deadline<T>(
        &mut self,
        task: &mut TaskContext<'_>,
        connection: &mut Connection<T, Bytes>,
        deadline: &mut SleepPastIo,
        is_used: bool,
    ) -> Poll<()>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        while Pin::new(&mut *deadline).poll(task).is_ready() {
            if self.stage != LifetimeStage::Open {
                return Poll::Ready(());
            }
            // A stream exists until its reset is written, so a client that does not read keeps its streams.
            // Such a connection counts as unused too.
            let wrote = self.wrote.swap(false, Ordering::Relaxed);
            let is_stuck = !wrote && !is_used;
            if self.idle && (is_stuck || !connection.has_streams()) {
                self.stage = LifetimeStage::GoingAway;
                connection.abrupt_shutdown(Reason::NO_ERROR);
            }
            self.idle = true;
            *deadline = SleepPastIo::new(Instant::now() + self.settings.handshake_timeout);
        }
        Poll::Pending
    }
}

/// A request, and the handles for its response.
struct RequestStream {
    request: Request<RecvStream>,
    respond: SendResponse<Bytes>,
    token: StreamToken,
}

/// Serves a request. The stream of an accepted handshake passes to the WebSocket.
async fn serve_request(
    server: Arc<Router>,
    origin: Origin,
    stream: RequestStream,
    reset_count: Arc<AtomicUsize>,
) {
    let RequestStream { request, mut respond, token } = stream;
    let (mut parts, recv) = request.into_parts();
    origin.insert_into(&mut parts.extensions);
    let is_head = parts.method == Method::HEAD;
    let (response, socket) = if parts.method == Method::CONNECT {
        let (upgrade_slot, pending_upgrade) = Http2UpgradeSlot::new();
        parts.extensions.insert(pending_upgrade);
        (call_router(&server, parts, Body::empty(), &mut respond).await, Some((upgrade_slot, recv)))
    } else {
        (call_router(&server, parts, Body::new(RequestBody(recv)), &mut respond).await, None)
    };
    let Some(response) = response else {
        reset_count.fetch_add(1, Ordering::Relaxed);
        return;
    };
    let _ = reset_count
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |reset_count| reset_count.checked_sub(1));

    let (head, body) = response_head(response);
    match socket {
        // The slot is open only if a handler accepted. A fallback may respond to CONNECT with success too.
        Some((upgrade_slot, recv)) if head.status().is_success() && !upgrade_slot.is_closed() => {
            match respond.send_response(head, false) {
                Ok(send) => _ = upgrade_slot.send(Http2Stream::new(send, recv, token)),
                Err(error) => tracing::debug!(%error, "client disconnected during the handshake"),
            }
        }
        _ => {
            if let Err(error) =
                send_body(&mut respond, head, body, is_head, server.settings.response_timeout).await
            {
                tracing::debug!(%error, "response not sent");
            }
        }
    }
}

/// Returns the router's response, or `None` if the client resets the stream first.
async fn call_router(
    server: &Router,
    mut parts: Parts,
    body: Body,
    respond: &mut SendResponse<Bytes>,
) -> Option<Response> {
    if parts.headers.len() > server.settings.max_headers {
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        return Some((status, "too many header lines\n").into_response());
    }
    if let Some(protocol) = parts.extensions.remove::<h2::ext::Protocol>() {
        parts.extensions.insert(hyper::ext::Protocol::from(protocol.as_str()));
    } else if parts.method == Method::CONNECT {
        // CONNECT without a protocol requests a tunnel, and this server is not a proxy.
        return Some((StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "GET")], "no proxy\n").into_response());
    }
    let mut response = pin!(server.call_request(Request::from_parts(parts, body)));
    let next = poll_fn(|task| match respond.poll_reset(task) {
        Poll::Ready(_) => Poll::Ready(None),
        Poll::Pending => response.as_mut().poll(task).map(Some),
    });
    next.await
}

/// Converts the head of a response to HTTP/2: removes connection headers, adds `Date` and
/// `Content-Length`.
fn response_head(response: Response) -> (hyper::Response<()>, Body) {
    let (mut parts, body) = response.into_parts();
    let headers = &mut parts.headers;
    for name in CONNECTION_HEADERS {
        headers.remove(name);
    }
    if !headers.contains_key(DATE) {
        let date = httpdate::fmt_http_date(std::time::SystemTime::now());
        if let Ok(date) = HeaderValue::try_from(date) {
            headers.insert(DATE, date);
        }
    }
    let len = hyper::body::Body::size_hint(&body).exact().filter(|len| *len > 0);
    if let Some(len) = len
        && !headers.contains_key(CONTENT_LENGTH)
    {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(len));
    }
    (hyper::Response::from_parts(parts, ()), body)
}
