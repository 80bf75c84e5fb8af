//! One request of HTTP/1.1, after which the connection is a byte stream or refused.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::time::Duration;

use axum_core::body::Body;
use bytes::{Bytes, BytesMut};
use futures_util::future::{Either, select};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1;
use hyper::http::response;
use hyper::upgrade::{Parts, Upgraded};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::error::ConnectError;
use crate::transport::rewind::Rewind;

/// The largest head of a response in bytes. hyper allows 100 headers.
pub(super) const MAX_HEAD: usize = 16 << 10;

/// The largest part of a refusal's body that an error contains.
const MAX_BODY: usize = 8 << 10;

/// How long the body of a refusal is read.
const BODY_TIMEOUT: Duration = Duration::from_secs(1);

/// A byte stream to a server.
pub(super) trait ByteIo: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> ByteIo for S {}

pub(super) type BoxIo = Box<dyn ByteIo>;

/// The response to a request.
pub(super) enum Exchange {
    /// The response changed the protocol.
    Switched(response::Parts, BoxIo),
    /// The response has another status. The body is cut at [`MAX_BODY`].
    Refused(response::Parts, Bytes),
}

/// Sends a request, and reads the response. `switches` says which status changes the protocol.
pub(super) async fn exchange(
    io: BoxIo,
    request: Request<Body>,
    switches: fn(StatusCode) -> bool,
) -> Result<Exchange, ConnectError> {
    let mut http = http1::Builder::new();
    // Some servers compare the names of headers with regard to case.
    http.max_buf_size(MAX_HEAD).title_case_headers(true);
    let (mut sender, connection) = http.handshake(TokioIo::new(io)).await?;
    let exchange = pin!(async move {
        let mut response = sender.send_request(request).await?;
        if switches(response.status()) {
            let io = unwrap_stream(hyper::upgrade::on(&mut response).await?);
            return Ok(Exchange::Switched(response.into_parts().0, io));
        }
        let (parts, body) = response.into_parts();
        Ok(Exchange::Refused(parts, read_start(body).await))
    });
    // The connection completes first when it hands its stream over, or when the server closes.
    match select(exchange, pin!(connection.with_upgrades())).await {
        Either::Left((exchange, _)) => exchange,
        Either::Right((_, exchange)) => exchange.await,
    }
}

/// Returns the stream that hyper has used, preceded by the bytes that hyper has read too many.
fn unwrap_stream(upgraded: Upgraded) -> BoxIo {
    match upgraded.downcast::<TokioIo<BoxIo>>() {
        Ok(Parts { io, read_buf, .. }) if read_buf.is_empty() => io.into_inner(),
        Ok(Parts { io, read_buf, .. }) => Box::new(Rewind::new(read_buf, io.into_inner())),
        Err(upgraded) => Box::new(TokioIo::new(upgraded)),
    }
}

/// Reads the start of a body. A server that is too slow, or fails, leaves what has arrived.
async fn read_start(mut body: Incoming) -> Bytes {
    let mut start = BytesMut::new();
    let read = async {
        while let Some(Ok(frame)) = poll_fn(|task| Pin::new(&mut body).poll_frame(task)).await {
            let Ok(data) = frame.into_data() else { continue };
            let room = MAX_BODY - start.len();
            start.extend_from_slice(&data[..data.len().min(room)]);
            if start.len() == MAX_BODY {
                break;
            }
        }
    };
    _ = tokio::time::timeout(BODY_TIMEOUT, read).await;
    start.freeze()
}
