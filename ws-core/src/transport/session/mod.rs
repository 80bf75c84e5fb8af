//! Sessions: a byte stream of frames that lives as long as its handler, over one connection after another.
//!
//! The driver runs a handler over a [`SessionTransport`] like over a socket. Towards the client, the
//! [`Downlink`] keeps the frames until they are acknowledged. From the client, the [`Uplink`] counts the messages
//! and cuts out the control objects. The [`link`] is where requests find the session and hand over streams.
//! The chapter of the guide about the session protocol describes what is on the wire.

mod channel;
#[cfg(feature = "client")]
mod client;
mod control;
mod downlink;
mod input;
mod io;
mod link;
mod registry;
mod replaced;
mod scope;
mod steady;
mod token;
mod uplink;

use std::io::ErrorKind;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use serde_json::Number;
use tokio::io::AsyncWrite as _;
use tokio::time::{Instant, Sleep, sleep_until};

pub(crate) use channel::SessionChannel;
#[cfg(feature = "client")]
pub(crate) use client::{
    ClientGreeting, ClientLink, ClientSession, LostConnection, ServerObject, SessionConnection,
};
use control::{Greeting, append_frame};
use downlink::Downlink;
use link::close_replaced;
pub(crate) use link::{Attachment, Reservation, SessionLink};
pub(crate) use registry::Sessions;
pub(crate) use scope::Scope;
#[cfg(test)]
pub(crate) use steady::{IS_STEADY_DISABLED, TAKEN};
pub(crate) use token::Token;
use uplink::{Controls, Target, Uplink};

use super::ByteStream;
use super::rewind::Rewind;
use crate::close::{ProtocolError, SUPERSEDED};
use crate::metrics::{on_session_detached, on_session_resumed};
use crate::options::{Options, SessionOptions};

/// The name of the session protocol, as a WebSocket subprotocol.
pub(crate) const PROTOCOL: &str = "ws-core.session.v1";

/// What precedes the token and a number in the subprotocol by which a client resumes a session.
pub(crate) const RESUME_PREFIX: &str = "ws-core.resume.";

/// Messages after which an acknowledgement is sent.
const MAX_UNACKNOWLEDGED: u64 = 128;

/// Reads in one call, because those that bring only control objects give the engine nothing.
const MAX_READS: u8 = 16;

/// The transport of a handler with a session.
#[allow(clippy::struct_excessive_bools)] // Each is a separate state.
pub(crate) struct SessionTransport {
    link: Arc<SessionLink>,
    stream: Option<Box<dyn ByteStream>>,
    down: Downlink,
    up: Uplink,
    /// Frames of the session itself, if any wait.
    own: Option<Box<OwnFrames>>,
    needs_ack: bool,
    /// The number and bytes up to which the client has an acknowledgement.
    acknowledged: u64,
    unacknowledged_bytes: usize,
    /// Bytes of an incomplete message that the engine has to drop.
    reset: usize,
    detached: Option<Box<Detached>>,
    /// Whether the handler regards the session as attached.
    is_told_attached: bool,
    /// Whether the client has sent something since the engine was last given bytes: control objects.
    has_sent_objects: bool,
    /// Whether the session is ending, with its current stream.
    is_closing: bool,
    /// Whether the session is [steady](Self::compute_steady).
    is_steady: bool,
    sessions: Arc<Sessions>,
    options: Arc<Options>,
    /// In milliseconds.
    spread: u32,
    short_lived: Option<Box<ShortLived>>,
}

/// A connection that other requests and other connections complement.
struct ShortLived {
    grace: Duration,
    channel: Option<Arc<SessionChannel>>,
}

/// The frames of the session itself that wait for the client.
#[derive(Default)]
struct OwnFrames {
    /// Encoded frames, of which `written` bytes are written.
    bytes: Vec<u8>,
    written: usize,
    pong: Option<Number>,
}

/// A session without a connection.
struct Detached {
    kind: ErrorKind,
    /// When the session expires.
    expires_at: Instant,
    /// Whether the next connection may follow without the handler's notice.
    is_quiet: bool,
    sleep: Pin<Box<Sleep>>,
}

impl SessionTransport {
    /// Creates the transport of a session that begins over a connection.
    ///
    /// `spread` is the time in which the clients of a server that stops connect again.
    pub(crate) fn new(
        sessions: &Arc<Sessions>,
        link: Arc<SessionLink>,
        attachment: Attachment,
        options: Arc<Options>,
        spread: Duration,
    ) -> Self {
        let session = options.session.unwrap_or_default();
        let mut transport = Self {
            link,
            stream: None,
            down: Downlink::new(session.buffer),
            up: Uplink::default(),
            own: None,
            needs_ack: false,
            acknowledged: 0,
            unacknowledged_bytes: 0,
            reset: 0,
            detached: None,
            is_told_attached: true,
            has_sent_objects: false,
            is_closing: false,
            is_steady: false,
            sessions: Arc::clone(sessions),
            options,
            spread: u32::try_from(spread.as_millis()).unwrap_or(u32::MAX),
            short_lived: None,
        };
        transport.begin_stream(attachment, false);
        transport
    }

    /// Continues over another connection. Returns false if that client cannot be sent what it lacks.
    fn attach(&mut self, attachment: Attachment) -> bool {
        if !self.down.keeps(attachment.received) {
            // Acknowledged since the request, on the connection that this one would replace.
            close_replaced(&self.link, attachment.stream, 1002, self.options.close_timeout);
            return false;
        }
        if let Some(stream) = self.stream.take() {
            let is_between_frames = self.own.as_ref().is_none_or(|own| own.written == 0);
            if self.down.is_between_messages() && is_between_frames {
                close_replaced(&self.link, stream, SUPERSEDED, self.options.close_timeout);
            }
        }
        self.detached = None;
        on_session_resumed();
        self.begin_stream(attachment, true);
        true
    }

    fn begin_stream(&mut self, attachment: Attachment, resumed: bool) {
        let Attachment { stream, input, received, peer, channel, interval, grace } = attachment;
        self.down.rewind(received);
        self.begin_input(channel.as_deref());
        let greeting = Greeting {
            token: &self.link.token().to_text(),
            resumed,
            received: self.up.received(),
            options: self.session_options(),
            interval,
            subprotocol: self.link.subprotocol(),
        };
        self.own = Some(Box::new(OwnFrames { bytes: greeting.to_frame(), ..OwnFrames::default() }));
        self.needs_ack = false;
        self.acknowledged = self.up.received();
        self.unacknowledged_bytes = 0;
        let is_short_lived = channel.is_some() || !grace.is_zero();
        self.short_lived = is_short_lived.then(|| Box::new(ShortLived { grace, channel: channel.clone() }));
        self.link.on_attached(peer, channel);
        self.stream =
            Some(if input.is_empty() { stream } else { Box::new(Rewind::new(input.into(), stream)) });
    }

    /// Handles the loss of the connection.
    fn detach(&mut self, kind: ErrorKind, task: &TaskContext<'_>) {
        self.stream = None;
        self.is_steady = false;
        (self.own, self.needs_ack) = (None, false);
        if self.is_closing {
            self.end_input();
        } else {
            on_session_detached();
            let now = Instant::now();
            let resume = self.session_options().resume;
            let grace = self.short_lived.as_ref().map_or(Duration::ZERO, |connection| connection.grace);
            let longest = now + Duration::from_hours(24 * 365 * 30);
            let expires_at = now.checked_add(resume).unwrap_or(longest);
            let is_quiet = !grace.is_zero() && grace < resume;
            let first = if is_quiet { now + grace } else { expires_at };
            let sleep = Box::pin(sleep_until(first));
            self.detached = Some(Box::new(Detached { kind, expires_at, is_quiet, sleep }));
            if !is_quiet {
                self.end_input();
                self.link.on_detached();
            }
        }
        // The driver looks at the session when it is polled next.
        task.waker().wake_by_ref();
    }

    /// Processes bytes of the client, and returns how many pass to the engine.
    fn process(&mut self, input: &mut [u8], target: Target) -> std::io::Result<usize> {
        let mut controls = Controls::default();
        // Each byte of a text has up to six in JSON.
        let max_object = self.options.max_message_size.saturating_mul(6).saturating_add(64);
        let passed =
            self.up.process(input, target, max_object, &mut controls).map_err(std::io::Error::other)?;
        if let Some(number) = controls.ack
            && !self.down.acknowledge(number)
        {
            let error = ProtocolError::BadFrame("acknowledgement of a message that was not sent");
            return Err(std::io::Error::other(error));
        }
        if let Some(number) = controls.ping {
            self.own.get_or_insert_default().pong = Some(number);
        }
        self.has_sent_objects = passed == 0;
        self.needs_ack |= self.is_ack_due(self.up.received(), input.len());
        self.unacknowledged_bytes = self.unacknowledged_bytes.saturating_add(input.len());
        self.publish();
        if let Some(connection) = &self.short_lived
            && let Some(channel) = &connection.channel
        {
            channel.on_received();
        }
        Ok(passed)
    }

    /// Returns whether an acknowledgement is due after a read of `len` bytes, with the message `received`.
    #[inline]
    fn is_ack_due(&self, received: u64, len: usize) -> bool {
        let messages = received - self.acknowledged;
        let bytes = self.unacknowledged_bytes.saturating_add(len);
        messages >= MAX_UNACKNOWLEDGED || (messages > 0 && bytes >= self.down.limit() / 4)
    }

    fn session_options(&self) -> SessionOptions {
        self.options.session.unwrap_or_default()
    }

    /// Returns whether frames of the session itself wait.
    fn has_own_frames(&self) -> bool {
        self.needs_ack || self.own.is_some()
    }

    /// Writes to the stream what it takes. Returns whether it has taken everything.
    fn pump(&mut self, task: &mut TaskContext<'_>) -> bool {
        loop {
            if self.stream.is_some() && self.has_own_frames() {
                self.encode_own();
            }
            let Some(stream) = &mut self.stream else { return false };
            let is_between_messages = self.down.is_between_messages();
            let own = self.own.as_ref().filter(|own| own.written > 0 || is_between_messages);
            let bytes = match own {
                Some(own) => &own.bytes[own.written..],
                None if self.down.has_unsent() => self.down.unsent(self.own.is_none()),
                // Frames of the session may wait for the end of a message of several fragments.
                None => {
                    return match Pin::new(stream).poll_flush(task) {
                        Poll::Ready(Ok(())) => true,
                        Poll::Ready(Err(error)) => {
                            self.detach(error.kind(), task);
                            false
                        }
                        Poll::Pending => false,
                    };
                }
            };
            // Before the write: its client may resume with these numbers before this function goes on.
            self.link.publish_sent(self.down.sent_after_write());
            match Pin::new(stream).poll_write(task, bytes) {
                Poll::Ready(Ok(len)) if len > 0 => match &mut self.own {
                    Some(own) if own.written > 0 || is_between_messages => {
                        own.written += len;
                        if own.written == own.bytes.len() {
                            own.bytes.clear();
                            own.written = 0;
                            if own.pong.is_none() {
                                self.own = None;
                            }
                        }
                    }
                    _ => self.down.on_sent(len),
                },
                Poll::Ready(end) => {
                    self.detach(end.map_or_else(|error| error.kind(), |_| ErrorKind::WriteZero), task);
                    return false;
                }
                Poll::Pending => return false,
            }
        }
    }

    /// Encodes the frames of the session itself that wait. Those of a client that reads nothing are encoded after the
    /// earlier ones are written, so that they need no memory until then.
    fn encode_own(&mut self) {
        if self.own.as_ref().is_none_or(|own| own.bytes.is_empty()) {
            self.append_own();
        }
    }

    /// Appends the frames of the session itself that wait to those that are encoded.
    fn append_own(&mut self) {
        let own = self.own.get_or_insert_default();
        if std::mem::take(&mut self.needs_ack) {
            self.acknowledged = self.up.received();
            self.unacknowledged_bytes = 0;
            append_frame(&mut own.bytes, "ack", &self.acknowledged.to_string());
        }
        if let Some(number) = own.pong.take() {
            append_frame(&mut own.bytes, "pong", &number.to_string());
        }
    }

    /// Publishes the numbers of messages.
    fn publish(&self) {
        self.link.publish(self.up.received(), self.down.acked(), self.down.highest_sent());
    }
}

#[cfg(test)]
mod tests;
