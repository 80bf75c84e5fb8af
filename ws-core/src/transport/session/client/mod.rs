//! The client's side of a session: a transport that is carried by one WebSocket after another.
//!
//! The driver runs a handler over a [`ClientSession`] like over a `WebSocketStream`. Messages to the server are kept in
//! a [`Downlink`] until they are acknowledged, as those of a server. Control objects are processed here, and all other
//! messages pass to the engine. [`ClientLink`] is where the next connection comes from.

mod io;
mod link;
mod server_object;

use std::collections::VecDeque;
use std::future::Future as _;
use std::io::{Error, ErrorKind, Result};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, Sleep, sleep, sleep_until};
use tungstenite::Message;

use super::control::append_frame;
use super::downlink::Downlink;
use super::{MAX_READS, MAX_UNACKNOWLEDGED};
use crate::close::{ProtocolError, SUPERSEDED};
use crate::transport::tungstenite::{MaskedFrame, TungsteniteTransport};
use crate::wire::PeerActivity;
use link::ReconnectOutcome;
pub(crate) use link::{ClientLink, LostConnection, SessionConnection};
pub(crate) use server_object::{ClientGreeting, ServerObject};

/// How long a message may have no acknowledgement.
const ACK_DELAY: Duration = Duration::from_secs(5);

/// The largest `buffer` of a server up to which the client keeps as many bytes, whatever its own setting. A server
/// acknowledges after a quarter of its own buffer.
const MAX_SERVER_BUFFER: usize = 16 << 20;

/// Bytes of messages that are read to find an acknowledgement, while the engine reads nothing. Each message counts with
/// its place in the queue, because a server may send empty ones and pings.
const MAX_STASHED: usize = 64 << 10;

/// The transport of a handler in the client's role with a session.
#[allow(clippy::struct_excessive_bools)] // Each is a separate state.
pub(crate) struct ClientSession<S> {
    link: Arc<ClientLink<S>>,
    stream: Option<TungsteniteTransport<S>>,
    activity: Arc<PeerActivity>,
    /// The token and the limits that the server has set.
    greeting: ClientGreeting,
    /// The messages to the server that are not acknowledged.
    unacknowledged: Downlink,
    /// Frames of the session itself that wait for the server.
    own: Vec<u8>,
    /// The message that the engine reads.
    frame: Option<MaskedFrame>,
    /// Messages that the engine reads next, and their size.
    stash: VecDeque<Message>,
    stashed: usize,
    /// The violation of the protocol that the engine has to report.
    violation: Option<Error>,
    /// The number of the server's last message that the session has, and of the last one acknowledged.
    received: u64,
    acked: u64,
    unacked_bytes: usize,
    needs_ack: bool,
    ack_timer: Option<Pin<Box<Sleep>>>,
    detached: Option<LostSession>,
    is_told_attached: bool,
    /// Whether the engine waits for room in `unacknowledged`.
    is_blocked: bool,
    /// Whether the last connection was closed with 4900.
    is_taken_over: bool,
    /// Whether the session is ending, with its current connection.
    is_closing: bool,
}

/// A session without a connection.
struct LostSession {
    kind: ErrorKind,
    /// Elapses when the server does not wait any longer.
    sleep: Pin<Box<Sleep>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> ClientSession<S> {
    /// Creates the transport of a session that begins over a connection. At least `buffer` bytes of messages are kept.
    pub(crate) fn new(
        link: Arc<ClientLink<S>>,
        connection: SessionConnection<S>,
        activity: Arc<PeerActivity>,
        buffer: usize,
    ) -> Self {
        let SessionConnection { stream, greeting } = connection;
        let limit = buffer.max(greeting.buffer.min(MAX_SERVER_BUFFER));
        let mut session = Self {
            link,
            stream: None,
            activity,
            greeting,
            // Without any room, a message in parts would never go on.
            unacknowledged: Downlink::new(limit.max(1)),
            own: Vec::new(),
            frame: None,
            stash: VecDeque::new(),
            stashed: 0,
            violation: None,
            received: 0,
            acked: 0,
            unacked_bytes: 0,
            needs_ack: false,
            ack_timer: None,
            detached: None,
            is_told_attached: true,
            is_blocked: false,
            is_taken_over: false,
            is_closing: false,
        };
        session.begin_stream(stream);
        session
    }

    fn begin_stream(&mut self, stream: tokio_tungstenite::WebSocketStream<S>) {
        let mut stream = TungsteniteTransport::new(stream, Arc::clone(&self.activity));
        stream.set_client();
        self.stream = Some(stream);
        self.detached = None;
        // The offer has acknowledged all.
        self.acked = self.received;
        self.unacked_bytes = 0;
    }

    /// Continues over another connection. Returns false if the server lacks messages that are not kept, or has more
    /// than were sent.
    fn attach(&mut self, connection: SessionConnection<S>, task: &mut TaskContext<'_>) -> bool {
        let SessionConnection { stream, greeting } = connection;
        let can_resume = self.unacknowledged.rewind(greeting.received);
        self.begin_stream(stream);
        if can_resume {
            self.greeting = greeting;
        } else if let Some(mut stream) = self.stream.take() {
            // As far as the stream takes it at once: the server ends the session in any case.
            let close = [0x88, 2, 0x03, 0xea];
            let _ = stream.poll_send(task, &close);
            let _ = stream.poll_flush_stream(task);
        }
        can_resume
    }

    /// Handles the loss of the connection.
    fn detach(&mut self, kind: ErrorKind, task: &TaskContext<'_>) {
        self.stream = None;
        self.own.clear();
        (self.needs_ack, self.ack_timer, self.is_taken_over) = (false, None, false);
        if !self.is_closing {
            let now = Instant::now();
            let longest = now + Duration::from_hours(24 * 365 * 30);
            let expires_at = now.checked_add(self.greeting.resume).unwrap_or(longest).min(longest);
            self.detached = Some(LostSession { kind, sleep: Box::pin(sleep_until(expires_at)) });
            let (token, received) = (self.greeting.token, self.received);
            self.link.set_lost(LostConnection { token, received, kind });
        }
        // The driver checks the session when it is polled next.
        task.waker().wake_by_ref();
    }

    /// Reads the next message. Ready with `None` if it was a control object, or if the connection is lost.
    fn poll_message(&mut self, task: &mut TaskContext<'_>) -> Poll<Result<Option<Message>>> {
        let Some(stream) = self.stream.as_mut().filter(|stream| stream.is_open()) else {
            return Poll::Pending;
        };
        match ready!(stream.poll_message(task)) {
            Ok(Some(message)) => Poll::Ready(self.process(message, task)),
            Ok(None) => {
                self.detach(ErrorKind::UnexpectedEof, task);
                Poll::Ready(Ok(None))
            }
            Err(error) if matches!(error.get_ref(), Some(source) if source.is::<ProtocolError>()) => {
                Poll::Ready(Err(error))
            }
            Err(error) => {
                self.detach(error.kind(), task);
                Poll::Ready(Ok(None))
            }
        }
    }

    /// Processes a message of the server. Returns the message if it is one for the engine.
    fn process(&mut self, message: Message, task: &mut TaskContext<'_>) -> Result<Option<Message>> {
        match &message {
            Message::Text(text) => match ServerObject::parse(text) {
                None => self.count_message(message.len(), task),
                Some(object) => return self.process_object(object, message.len(), task),
            },
            Message::Binary(payload) => self.count_message(payload.len(), task),
            Message::Close(Some(close))
                if u16::from(close.code) == SUPERSEDED && !self.is_taken_over && !self.is_closing =>
            {
                // Perhaps by a late request of this client. Another client would do so again.
                if let Some(stream) = &mut self.stream {
                    let _ = stream.poll_flush_stream(task);
                }
                self.detach(ErrorKind::ConnectionAborted, task);
                self.is_taken_over = true;
                return Ok(None);
            }
            _ => {}
        }
        Ok(Some(message))
    }

    fn process_object(
        &mut self,
        object: std::result::Result<ServerObject, serde_json::Error>,
        len: usize,
        task: &mut TaskContext<'_>,
    ) -> Result<Option<Message>> {
        match object {
            Ok(ServerObject::Ack(number)) => {
                if !self.unacknowledged.acknowledge(number) {
                    return Err(violation("acknowledgement of a message that was not sent"));
                }
                if std::mem::take(&mut self.is_blocked) {
                    task.waker().wake_by_ref();
                }
            }
            Ok(ServerObject::Text(text)) => {
                self.count_message(len, task);
                return Ok(Some(Message::text(text)));
            }
            Ok(ServerObject::Reconnect(after)) => self.link.set_restart(after),
            Ok(ServerObject::Greeting(_) | ServerObject::Unknown) => {}
            Err(_) => return Err(violation("malformed control object")),
        }
        Ok(None)
    }

    /// Counts a message of the server.
    fn count_message(&mut self, len: usize, task: &mut TaskContext<'_>) {
        self.received += 1;
        // At most what the server counts: the headers of its fragments are not known here.
        self.unacked_bytes = self.unacked_bytes.saturating_add(len.saturating_mul(3).saturating_add(16));
        if self.received - self.acked >= MAX_UNACKNOWLEDGED || self.unacked_bytes >= self.greeting.buffer / 4
        {
            self.needs_ack = true;
        } else if self.ack_timer.is_none() {
            let mut timer = Box::pin(sleep(ACK_DELAY));
            // Polled here, because the engine may have nothing to do until the timer elapses.
            self.needs_ack = timer.as_mut().poll(task).is_ready();
            self.ack_timer = Some(timer);
        }
    }

    /// Passes frames to the stream. Returns whether the stream has taken and flushed everything.
    fn pump(&mut self, task: &mut TaskContext<'_>) -> bool {
        loop {
            let Some(stream) = &mut self.stream else { return false };
            if stream.is_closed() {
                // The stream answers the close frame by itself, and takes nothing more.
                return matches!(stream.poll_flush_stream(task), Poll::Ready(Ok(())));
            }
            let is_between_messages = self.unacknowledged.is_between_messages();
            if self.needs_ack && self.own.is_empty() && !self.is_closing {
                (self.needs_ack, self.ack_timer) = (false, None);
                (self.acked, self.unacked_bytes) = (self.received, 0);
                append_frame(&mut self.own, "ack", &self.acked.to_string());
            }
            let is_own = is_between_messages && !self.own.is_empty();
            let frames = if is_own { &self.own } else { self.unacknowledged.unsent(self.own.is_empty()) };
            let sent = if frames.is_empty() {
                match stream.poll_flush_stream(task) {
                    Poll::Ready(Ok(())) => return true,
                    Poll::Ready(Err(error)) => Err(error),
                    Poll::Pending => return false,
                }
            } else {
                match stream.poll_send(task, frames) {
                    Poll::Ready(sent) => sent,
                    Poll::Pending => return false,
                }
            };
            match sent {
                Ok(len) if is_own => drop(self.own.drain(..len)),
                Ok(len) => self.unacknowledged.on_sent(len),
                Err(error) => {
                    self.detach(error.kind(), task);
                    return false;
                }
            }
        }
    }

    /// Reads until there is room for another message: the acknowledgement may be behind messages that the engine does
    /// not read now. Beyond a limit, the oldest sent messages are kept no longer.
    fn read_acknowledgements(&mut self, task: &mut TaskContext<'_>) {
        for _ in 0..MAX_READS {
            if self.unacknowledged.has_room() || self.stream.is_none() || self.violation.is_some() {
                return;
            }
            if self.stashed >= MAX_STASHED {
                self.unacknowledged.evict_sent();
                return;
            }
            match self.poll_message(task) {
                Poll::Ready(Ok(Some(message))) => {
                    self.stashed += stashed_size(&message);
                    self.stash.push_back(message);
                }
                Poll::Ready(Ok(None)) => {}
                Poll::Ready(Err(error)) => self.violation = Some(error),
                Poll::Pending => {
                    // Such a server acknowledges later than the client has room.
                    if self.unacknowledged.limit() < self.greeting.buffer / 4 && self.unacknowledged.is_sent()
                    {
                        self.unacknowledged.evict_sent();
                    }
                    return;
                }
            }
            if self.needs_ack {
                self.pump(task);
            }
        }
        // Other tasks of the thread run before a server that sends without a pause.
        task.waker().wake_by_ref();
    }
}

/// Returns the bytes that a message in the queue needs.
fn stashed_size(message: &Message) -> usize {
    message.len() + size_of::<Message>()
}

fn violation(rule: &'static str) -> Error {
    Error::other(ProtocolError::BadFrame(rule))
}

#[cfg(test)]
mod tests;
