//! Bodies of requests and responses over HTTP/2, without WebSocket streams.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context as TaskContext, Poll, ready};
use std::time::Duration;

use axum_core::body::Body;
use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use hyper::body::{Body as _, Frame};
use hyper::{HeaderMap, Response};
use tokio::time::Instant;

use crate::clock::timeout_past_io;
use crate::error::BoxError;
use crate::transport::http2::poll_capacity;

/// The body of a request. The client may send more as the body is read.
pub(super) struct RequestBody(pub(super) RecvStream);

impl hyper::body::Body for RequestBody {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        let recv = &mut self.get_mut().0;
        match ready!(recv.poll_data(task)) {
            Some(Ok(data)) => {
                // Releasing fails only for more bytes than were received.
                let _ = recv.flow_control().release_capacity(data.len());
                Poll::Ready(Some(Ok(Frame::data(data))))
            }
            Some(Err(error)) => Poll::Ready(Some(Err(error))),
            None => recv.poll_trailers(task).map(|trailers| {
                let trailers: Option<HeaderMap> = match trailers {
                    Ok(trailers) => trailers,
                    Err(error) => return Some(Err(error)),
                };
                trailers.map(|trailers| Ok(Frame::trailers(trailers)))
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }
}

/// Sends a response, at the speed at which the client reads.
pub(super) async fn send_body(
    respond: &mut SendResponse<Bytes>,
    head: Response<()>,
    body: Body,
    is_head: bool,
    timeout: Duration,
) -> Result<(), BoxError> {
    let is_empty = is_head || body.is_end_stream();
    let mut send = respond.send_response(head, is_empty)?;
    if is_empty {
        return Ok(());
    }
    let mut body = pin!(body);
    loop {
        let next = poll_fn(|task| match send.poll_reset(task) {
            Poll::Ready(reset) => Poll::Ready(Err(reset)),
            Poll::Pending => body.as_mut().poll_frame(task).map(Ok),
        });
        let frame = match next.await {
            Ok(Some(Ok(frame))) => frame,
            Ok(Some(Err(error))) => {
                send.send_reset(Reason::INTERNAL_ERROR);
                return Err(error.into());
            }
            Ok(None) => return Ok(send.send_data(Bytes::new(), true)?),
            Err(reset) => return Err(h2::Error::from(reset?).into()),
        };
        match frame.into_data() {
            Ok(data) => send_all(&mut send, data, timeout).await?,
            Err(frame) => {
                if let Ok(trailers) = frame.into_trailers() {
                    return Ok(send.send_trailers(trailers)?);
                }
            }
        }
    }
}

/// Sends data. Resets the stream if its client takes nothing for a time.
async fn send_all(send: &mut SendStream<Bytes>, mut data: Bytes, timeout: Duration) -> Result<(), BoxError> {
    while !data.is_empty() {
        let capacity = poll_fn(|task| poll_capacity(send, task, data.len()));
        let Some(len) = timeout_past_io(&mut (Instant::now() + timeout), capacity).await else {
            send.send_reset(Reason::CANCEL);
            return Err("the client takes no bytes of the response".into());
        };
        let len = len?;
        send.send_data(data.split_to(len), false)?;
    }
    Ok(())
}
