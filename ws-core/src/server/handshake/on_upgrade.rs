//! The parsed route of a handshake: the handler's `#[on_upgrade]` receives the request.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Poll, ready};

use axum_core::response::Response;
use bytes::Bytes;
use tokio::io::{AsyncRead, ReadBuf};

use super::response_writer::ResponseWriter;
use crate::router::HandshakeDeadline;
use crate::server::peer::Peer;
use crate::server::request_head;

/// The result of a handler's `#[on_upgrade]`.
pub(super) enum Upgraded {
    Accepted(ResponseWriter),
    /// The bytes that were read so far, and the response if the handshake was rejected.
    Other(Bytes, Option<Response>),
    Disconnected,
}

impl Peer {
    /// Parses a complete handshake and runs the `#[on_upgrade]` of its handler.
    pub(super) async fn run_on_upgrade<T>(&self, stream: &mut T, read: Bytes, is_secure: bool) -> Upgraded
    where
        T: AsyncRead + Unpin,
    {
        let Some((mut parts, len)) = request_head::to_parts(&read, &self.server.settings) else {
            return Upgraded::Other(read, None);
        };
        self.origin(is_secure).insert_into(&mut parts.extensions);
        parts.extensions.insert(HandshakeDeadline(self.deadline));
        if self.server.settings.trusted_proxies.apply_to(&mut parts.extensions, &parts.headers).is_err() {
            // `Router::call_request` refuses contradictory headers.
            return Upgraded::Other(read, None);
        }
        // Without a handler the request is for the fallback, which may need the connection.
        let Some(accepted) = self.server.accept(&mut parts) else { return Upgraded::Other(read, None) };
        let mut trailing = Vec::from(&read[len..]);
        match or_disconnected(accepted, stream, &mut trailing).await {
            Some(Ok(accepted)) => {
                let mut head = Vec::new();
                let start = accepted.write_http1(&mut head);
                Upgraded::Accepted(ResponseWriter { start, input: trailing, unsent: Some(head) })
            }
            Some(Err(response)) => Upgraded::Other([&read[..len], &trailing].concat().into(), Some(response)),
            None => Upgraded::Disconnected,
        }
    }
}

/// Returns the output of a handshake, or `None` if its client disconnects first. A disconnected client
/// takes no permit and opens no connection.
///
/// A read detects the disconnect, until the client sends more bytes. These are stored in `trailing`.
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
