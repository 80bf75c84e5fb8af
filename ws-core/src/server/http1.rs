//! HTTP/1.1, with hyper.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::{Duration, Instant};

use axum_core::body::Body;
use hyper::body::Incoming;
use hyper::rt::{Sleep, Timer};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::handshake::PendingRequest;
use super::peer::Peer;
use crate::clock::{SleepPastIo, now};
use crate::router::HandshakeDeadline;
use crate::sync::lock;
use crate::transport::write_timeout::WriteTimeout;

/// The limit of header lines that hyper has without any setting.
const HYPER_MAX_HEADERS: usize = 100;

/// The size of hyper's buffer without any setting, which a head cannot exceed.
const HYPER_MAX_BUFFER: usize = 8192 + 4096 * 100;

/// The timer for hyper's time limits, which are final only after the I/O driver has run. hyper polls such a limit
/// after each read that found too little.
#[derive(Clone, Copy, Debug)]
struct PastIoTimer;

impl Timer for PastIoTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(SleepPastIo::new(deadline.into()))
    }

    fn now(&self) -> Instant {
        now()
    }
}

impl Sleep for SleepPastIo {}

impl Peer {
    /// Serves HTTP/1.1 until the connection ends or becomes a WebSocket.
    pub(super) async fn http1<T>(mut self, stream: T, pending: PendingRequest, is_secure: bool)
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (addr, origin) = (self.addr, self.origin(is_secure));
        let settings = self.server.settings.clone();
        let server = Arc::clone(&self.server);
        let PendingRequest { deadline, response } = pending;
        // What the first request takes: its response, if it was handled before hyper read it.
        let first = Mutex::new(Some((response, self.unanswered.take())));
        let request_received = Arc::<AtomicBool>::default();
        let received = Arc::clone(&request_received);
        let service = service_fn(move |mut request: Request<Incoming>| {
            received.store(true, Ordering::Relaxed);
            let first = lock(&first).take();
            let is_first = first.is_some();
            let (response, unanswered) = first.unwrap_or_default();
            let response = response.ok_or_else(|| {
                origin.insert_into(request.extensions_mut());
                if is_first {
                    request.extensions_mut().insert(HandshakeDeadline(deadline));
                }
                server.call_request(request.map(Body::new))
            });
            async move {
                let response = match response {
                    Ok(response) => response,
                    Err(response) => response.await,
                };
                drop(unanswered);
                Ok::<Response<Body>, Infallible>(response)
            }
        });
        let mut builder = http1::Builder::new();
        // A limit other than the default makes hyper allocate the headers of each request.
        if settings.max_headers != HYPER_MAX_HEADERS {
            builder.max_headers(settings.max_headers);
        }
        if settings.max_header_size > HYPER_MAX_BUFFER {
            builder.max_buf_size(settings.max_header_size);
        }
        let connection = builder
            .timer(PastIoTimer)
            .header_read_timeout(settings.handshake_timeout)
            .max_header_size(settings.max_header_size)
            .serve_connection(TokioIo::new(WriteTimeout::new(stream, settings.response_timeout)), service)
            .with_upgrades();
        let mut connection = pin!(connection);
        let mut shutdown = pin!(self.permit.shutdown_requested());
        // The header timeout of hyper starts only now, later than the first byte of the request.
        let mut deadline = SleepPastIo::new(deadline);
        let mut is_shutting_down = false;
        let result = poll_fn(|task| {
            // hyper is polled before a shutdown reaches it, so that it serves the bytes that were read.
            if let Poll::Ready(result) = connection.as_mut().poll(task) {
                return Poll::Ready(Some(result));
            }
            if !request_received.load(Ordering::Relaxed) && Pin::new(&mut deadline).poll(task).is_ready() {
                return Poll::Ready(None);
            }
            if is_shutting_down || shutdown.as_mut().poll(task).is_pending() {
                return Poll::Pending;
            }
            is_shutting_down = true;
            connection.as_mut().graceful_shutdown();
            connection.as_mut().poll(task).map(Some)
        });
        match result.await {
            Some(Ok(())) => {}
            Some(Err(error)) => tracing::debug!(%error, peer = %addr, "HTTP connection failed"),
            None => tracing::debug!(peer = %addr, "client sent no complete request in time"),
        }
    }
}
