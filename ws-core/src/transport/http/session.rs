//! The connections of sessions inside responses: server-sent events and long polls.

use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};

use super::client::{FrameClient, MAX_WAITING, ServerClose, ServerEvent};
use super::events::{COMMENT, EventWriter, write_field};
use crate::error::BoxError;
use crate::options::Options;
use crate::transport::base64;
use crate::transport::session::{Attachment, SessionChannel};

/// How many bytes of events are collected before the server takes them.
const MAX_EVENTS: usize = 64 << 10;

/// How long the session may take to end its stream after the answer to its close frame.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// The client's end of a stream. Its own frames go through the channel, as those of POSTs do.
#[derive(Debug)]
pub(super) struct SharedIo {
    stream: DuplexStream,
    channel: Arc<SessionChannel>,
}

impl AsyncRead for SharedIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(task, buf)
    }
}

impl AsyncWrite for SharedIo {
    /// Takes whole frames only. While messages wait, the engine needs no pong.
    fn poll_write(self: Pin<&mut Self>, _: &mut TaskContext<'_>, frame: &[u8]) -> Poll<io::Result<usize>> {
        self.channel.try_send_frame(Bytes::copy_from_slice(frame));
        Poll::Ready(Ok(frame.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// The events of one connection of a session.
#[derive(Debug)]
pub(crate) struct SessionEvents {
    client: FrameClient<SharedIo>,
    channel: Arc<SessionChannel>,
    /// The message in progress.
    message: Vec<u8>,
    /// Whether the session has sent a close frame.
    is_closed: bool,
}

/// How soon after a poll the next one has to follow, so that the session counts as attached.
const POLL_GRACE: Duration = Duration::from_secs(5);

/// The two kinds of responses that are connections of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResponseKind {
    Events,
    Poll,
}

/// What a part of the events means for a poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EventKind {
    /// A message, or an object after which a poll is answered.
    Message,
    /// An object for which a poll does not end.
    Control,
    Ping,
    Incomplete,
    End,
}

impl SessionEvents {
    /// Returns the events of a connection whose client has the messages up to `received`; the session's end of the
    /// stream; and the channel for POSTs.
    fn new(received: u64) -> (Self, DuplexStream, Arc<SessionChannel>) {
        let (stream, server) = duplex(MAX_WAITING);
        let channel = Arc::new(SessionChannel::new(received));
        let client = FrameClient::over(SharedIo { stream, channel: Arc::clone(&channel) });
        let events = Self { client, channel: Arc::clone(&channel), message: Vec::new(), is_closed: false };
        (events, server, channel)
    }

    /// Like [`new`](Self::new), but returns the connection for the session, which has these `options`.
    pub(crate) fn connect(
        kind: ResponseKind,
        options: &Options,
        received: u64,
        peer: Option<IpAddr>,
    ) -> (Self, Attachment) {
        let (events, stream, channel) = Self::new(received);
        let (interval, grace) = match kind {
            ResponseKind::Events => (options.ping_interval, Duration::ZERO),
            ResponseKind::Poll => (Some(options.session.unwrap_or_default().poll_timeout), POLL_GRACE),
        };
        let attachment = Attachment {
            channel: Some(channel),
            interval,
            grace,
            ..Attachment::new(Box::new(stream), Vec::new(), received, peer)
        };
        (events, attachment)
    }

    /// Appends the next event to `out`, if it is complete.
    fn poll_next(&mut self, task: &mut TaskContext<'_>, out: &mut Vec<u8>) -> Poll<EventKind> {
        Poll::Ready(match ready!(self.client.poll_event(task)) {
            ServerEvent::Message(part) => {
                self.message.extend_from_slice(&part.bytes);
                if !part.is_last {
                    return Poll::Ready(EventKind::Incomplete);
                }
                let message = std::mem::take(&mut self.message);
                self.write_message(part.is_text, &message, out)
            }
            ServerEvent::Ping => EventKind::Ping,
            ServerEvent::Close(close) => {
                self.is_closed = close.code != Some(1006);
                write_close(&close, out);
                EventKind::End
            }
        })
    }

    fn write_message(&mut self, is_text: bool, message: &[u8], out: &mut Vec<u8>) -> EventKind {
        if !is_text {
            write_field("event", "binary", out);
            self.write_id(out);
            write_field("data", &base64::encode(message), out);
            out.push(b'\n');
            return EventKind::Message;
        }
        let object = if let Some(object) = message.strip_prefix(b"\0") {
            String::from_utf8_lossy(object).into_owned()
        } else if message.contains(&b'\r') {
            // A line of data cannot contain a CR.
            serde_json::json!({ "text": String::from_utf8_lossy(message) }).to_string()
        } else {
            self.write_id(out);
            EventWriter::default().write(message, true, out);
            return EventKind::Message;
        };
        let is_message = object.starts_with("{\"text\":");
        write_field("event", "session", out);
        if is_message {
            self.write_id(out);
        }
        write_field("data", &object, out);
        out.push(b'\n');
        let ends_poll = is_message || object.starts_with("{\"reconnect\":");
        if ends_poll { EventKind::Message } else { EventKind::Control }
    }

    /// Appends the number of the next message.
    fn write_id(&self, out: &mut Vec<u8>) {
        write_field("id", &self.channel.count_sent().to_string(), out);
    }

    /// Ends the connection. A close frame of the session is answered.
    fn end(self) {
        if self.is_closed {
            self.client.close(CLOSE_TIMEOUT);
        }
    }

    /// Returns the body of the response to a poll: as soon as there is a message, at once for a session that `is_new`,
    /// and after `timeout` with the first object only.
    pub(crate) async fn into_poll(mut self, is_new: bool, timeout: Duration) -> Vec<u8> {
        let mut out = RETRY.to_vec();
        _ = tokio::time::timeout(timeout, self.poll(is_new, &mut out)).await;
        self.end();
        out
    }

    /// Returns the events for the response to a poll: as soon as there is a message, or at once for a session that
    /// `is_new`. Cancel-safe: what was not returned is sent on the next connection.
    async fn poll(&mut self, is_new: bool, out: &mut Vec<u8>) {
        let mut is_complete = false;
        poll_fn(|task| {
            while out.len() < MAX_EVENTS {
                match self.poll_next(task, out) {
                    Poll::Ready(EventKind::Message) => is_complete = true,
                    Poll::Ready(EventKind::Control) => is_complete |= is_new,
                    Poll::Ready(EventKind::Ping | EventKind::Incomplete) => {}
                    Poll::Ready(EventKind::End) => break,
                    Poll::Pending if is_complete => break,
                    Poll::Pending => return Poll::Pending,
                }
            }
            Poll::Ready(())
        })
        .await;
    }
}

/// Appends the event of a close frame. A connection that was lost has none.
fn write_close(close: &ServerClose, out: &mut Vec<u8>) {
    let object = match close.code {
        Some(1006) => return,
        Some(code) => serde_json::json!({ "close": { "code": code, "reason": close.reason } }),
        None => serde_json::json!({ "close": {} }),
    };
    write_field("event", "session", out);
    write_field("data", &object.to_string(), out);
    out.push(b'\n');
}

/// The start of a body: how long an `EventSource` waits before it connects again, in milliseconds.
const RETRY: &[u8] = b"retry: 1000\n\n";

/// The body of a response with all events of a connection. A comment that the server has taken counts as an answer to
/// a ping. Dropping the body detaches the session.
#[derive(Debug)]
pub(crate) struct SessionBody {
    /// The events, until the connection has ended.
    events: Option<SessionEvents>,
    /// The bytes that were not taken.
    out: Vec<u8>,
}

impl SessionBody {
    pub(crate) fn new(events: SessionEvents) -> Self {
        Self { events: Some(events), out: RETRY.to_vec() }
    }
}

impl Body for SessionBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Self { events: slot, out } = self.get_mut();
        while out.len() < MAX_EVENTS {
            let Some(events) = slot else { break };
            match events.poll_next(task, out) {
                Poll::Ready(EventKind::Message | EventKind::Control | EventKind::Incomplete) => {}
                Poll::Ready(EventKind::Ping) => {
                    out.extend_from_slice(COMMENT);
                    // The client answers with the next poll, after the server has taken the comment.
                    break;
                }
                Poll::Ready(EventKind::End) => _ = slot.take().map(SessionEvents::end),
                Poll::Pending if out.is_empty() => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        if out.is_empty() {
            return Poll::Ready(None);
        }
        Poll::Ready(Some(Ok(Frame::data(std::mem::take(out).into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.events.is_none() && self.out.is_empty()
    }
}

#[cfg(test)]
mod tests;
