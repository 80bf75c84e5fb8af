//! Bodies of responses that contain the messages of a connection.

use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use super::client::{FrameClient, MessageBytes, ServerClose, ServerEvent};
use super::events::{COMMENT, EventWriter};
use crate::error::BoxError;

/// How many bytes of a body are collected before the server takes them.
const MAX_FRAME: usize = 8 << 10;

/// All messages of a connection, as server-sent events. Pings are comments, and a comment that the server has
/// taken counts as an answer. Dropping the body ends the connection.
#[derive(Debug)]
pub(crate) struct EventBody {
    /// The client, until the connection has ended.
    client: Option<FrameClient>,
    writer: EventWriter,
}

impl EventBody {
    pub(crate) fn new(client: FrameClient) -> Self {
        Self { client: Some(client), writer: EventWriter::default() }
    }
}

impl Body for EventBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Self { client: slot, writer } = self.get_mut();
        let Some(client) = slot else { return Poll::Ready(None) };
        let mut out = Vec::new();
        while out.len() < MAX_FRAME {
            match client.poll_text_event(task) {
                Poll::Ready(ServerEvent::Message(part)) => writer.write(&part.bytes, part.is_last, &mut out),
                // A comment inside an event would be a part of the event.
                Poll::Ready(ServerEvent::Ping) if writer.is_in_event() => {}
                Poll::Ready(ServerEvent::Ping) => {
                    out.extend_from_slice(COMMENT);
                    // The client answers with the next poll, after the server has taken the comment.
                    break;
                }
                Poll::Ready(ServerEvent::Close(_)) => {
                    *slot = None;
                    return Poll::Ready((!out.is_empty()).then(|| Ok(Frame::data(out.into()))));
                }
                Poll::Pending if out.is_empty() => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        Poll::Ready(Some(Ok(Frame::data(out.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.client.is_none()
    }
}

/// The messages of a connection, as they are.
#[derive(Debug)]
pub(crate) struct ReplyBody {
    /// The client, until the body or the connection has ended.
    client: Option<FrameClient>,
    /// The bytes that were read before.
    first: Option<MessageBytes>,
    /// For a body of one message, the time that the engine has for its close frame.
    closes: Option<Duration>,
    /// Whether the last part was the last one of its message.
    is_message_complete: bool,
    /// The length of the rest of the body, if it is known.
    remaining: Option<u64>,
}

impl ReplyBody {
    /// Creates a body of one message, whose first part was read before. The connection then closes; the engine has
    /// `close_timeout` for its close frame.
    pub(crate) fn first(client: FrameClient, part: MessageBytes, close_timeout: Duration) -> Self {
        let remaining = part.remaining.map(|remaining| remaining + part.bytes.len() as u64);
        Self {
            client: Some(client),
            first: Some(part),
            closes: Some(close_timeout),
            is_message_complete: false,
            remaining,
        }
    }

    /// Creates a body of all messages until the connection ends, each after the first on a line of its own. `read`
    /// was read before, and `is_last` is whether its last message is complete.
    pub(crate) fn all(client: FrameClient, read: Bytes, is_last: bool) -> Self {
        let first = MessageBytes { is_text: true, bytes: read, is_first: true, is_last, remaining: None };
        let (client, first) = (Some(client), Some(first));
        Self { client, first, closes: None, is_message_complete: false, remaining: None }
    }

    fn take_part(&mut self, part: MessageBytes) -> Bytes {
        self.is_message_complete = part.is_last;
        if let Some(close_timeout) = self.closes.filter(|_| part.is_last)
            && let Some(client) = self.client.take()
        {
            client.close(close_timeout);
        }
        if let Some(remaining) = &mut self.remaining {
            *remaining -= part.bytes.len() as u64;
        }
        part.bytes
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        if let Some(first) = this.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(this.take_part(first)))));
        }
        loop {
            let Some(client) = &mut this.client else { return Poll::Ready(None) };
            match client.poll_text_event(task) {
                Poll::Ready(ServerEvent::Message(part)) => {
                    let is_next_message = part.is_first;
                    let bytes = this.take_part(part);
                    let bytes = if is_next_message { [b"\n", &bytes[..]].concat().into() } else { bytes };
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                Poll::Ready(ServerEvent::Ping) => {}
                Poll::Ready(ServerEvent::Close(close)) => {
                    let is_complete = this.is_message_complete && !close.is_failure();
                    this.client = None;
                    if is_complete {
                        return Poll::Ready(None);
                    }
                    // The status was sent, so only a body without an end can show the failure.
                    let error = format!("the connection ended with {:?}: {}", close.code, close.reason);
                    return Poll::Ready(Some(Err(error.into())));
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.client.is_none() && self.first.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.remaining.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl ServerClose {
    /// Returns whether the engine closed because of a failure: an error, a limit, or a restart.
    pub(crate) fn is_failure(&self) -> bool {
        matches!(self.code, Some(1002 | 1003 | 1006..=1014))
    }
}
