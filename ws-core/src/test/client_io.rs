//! The client's end of the connection, and the log of its events.
//!
//! A separate task transfers the bytes, so that messages are logged when they arrive, also while the test
//! sleeps or uses another client.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::time::Instant;

use super::frames::{self, FrameDecoder};
use crate::message::Message;
use crate::sync::lock;

/// The number of bytes in transit in each direction.
pub(super) const DUPLEX_SIZE: usize = 64 << 10;

/// The number of bytes that a client reads before the test requests a message. Together with the bytes in
/// transit, the handler can send 256 KiB before the client appears slow.
const READ_AHEAD: usize = 192 << 10;

/// The I/O of one client. Clones share their state.
#[derive(Clone)]
pub(super) struct ClientIo(Arc<Mutex<ClientState>>);

struct ClientState {
    /// `None` when the client has disconnected.
    io: Option<DuplexStream>,
    /// The waker of the task that transfers the bytes.
    waker: Option<Waker>,
    unsent: BytesMut,
    /// The start of an incomplete frame.
    received: BytesMut,
    decoder: FrameDecoder,
    /// The messages that were received and not taken, with the lengths of their frames.
    messages: VecDeque<(Message, usize)>,
    /// The sum of those lengths.
    buffered: usize,
    /// Whether the test waits for a message, of any size.
    next_requested: bool,
    /// Whether the handler has closed its direction.
    ended: bool,
    start: Instant,
    /// The client's silence after which the server sends a ping by itself.
    ping_interval: Option<Duration>,
    /// Whether the client answers such pings.
    answers_pings: bool,
    last_sent_at: Instant,
    log: String,
    /// Describes a text by its name, if the handler has an envelope.
    describe_text: fn(&str) -> Option<String>,
}

impl ClientIo {
    /// Creates the client's end. If the client answers pings, empty ones that arrive after `ping_interval`
    /// without a byte from the client are not messages for the test.
    pub(super) fn new(
        io: DuplexStream,
        ping_interval: Option<Duration>,
        answers_pings: bool,
        describe_text: fn(&str) -> Option<String>,
    ) -> Self {
        let start = Instant::now();
        Self(Arc::new(Mutex::new(ClientState {
            io: Some(io),
            waker: None,
            unsent: BytesMut::new(),
            received: BytesMut::new(),
            decoder: FrameDecoder::default(),
            messages: VecDeque::new(),
            buffered: 0,
            next_requested: false,
            ended: false,
            start,
            ping_interval,
            answers_pings,
            last_sent_at: start,
            log: String::new(),
            describe_text,
        })))
    }

    /// Transfers bytes until the client disconnects.
    pub(super) async fn run(self) {
        poll_fn(|task| self.lock().poll(task)).await;
    }

    /// Queues bytes, which are sent when the handler reads.
    pub(super) fn send(&self, bytes: &[u8]) {
        let mut state = self.lock();
        state.queue(bytes);
        state.wake();
    }

    /// Takes the next message, if all of it has arrived.
    pub(super) fn take(&self) -> Option<Message> {
        let mut state = self.lock();
        let (message, len) = state.messages.pop_front()?;
        state.buffered -= len;
        state.next_requested = false;
        state.wake();
        Some(message)
    }

    /// Takes the first message that `is_wanted`, and leaves the others.
    #[cfg(feature = "json")]
    pub(super) fn take_first(&self, is_wanted: impl Fn(&Message) -> bool) -> Option<Message> {
        let mut state = self.lock();
        let position = state.messages.iter().position(|(message, _)| is_wanted(message))?;
        let (message, len) = state.messages.remove(position)?;
        state.buffered -= len;
        state.wake();
        Some(message)
    }

    /// Describes the messages that the test has not taken.
    #[cfg(feature = "json")]
    pub(super) fn describe_waiting(&self, describe: impl Fn(&Message) -> String) -> Vec<String> {
        self.lock().messages.iter().map(|(message, _)| describe(message)).collect()
    }

    /// Reads all of the next message, even if it is longer than [`READ_AHEAD`].
    pub(super) fn request_next(&self) {
        let mut state = self.lock();
        state.next_requested = true;
        state.wake();
    }

    /// Returns whether no further message can arrive.
    pub(super) fn has_ended(&self) -> bool {
        let state = self.lock();
        state.messages.is_empty() && (state.ended || state.io.is_none())
    }

    pub(super) fn answer_pings(&self, answers: bool) {
        self.lock().answers_pings = answers;
    }

    pub(super) fn is_open(&self) -> bool {
        self.lock().io.is_some()
    }

    /// Disconnects, and discards the bytes that were not sent.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.wake();
        let io = state.io.take();
        drop(state);
        // The drop wakes the handler, so the lock is released first.
        drop(io);
    }

    pub(super) fn log_event(&self, event: &str) {
        self.lock().log_event(event);
    }

    pub(super) fn log(&self) -> String {
        self.lock().log.clone()
    }

    fn lock(&self) -> MutexGuard<'_, ClientState> {
        lock(&self.0)
    }
}

impl ClientState {
    fn poll(&mut self, task: &mut TaskContext<'_>) -> Poll<()> {
        self.waker = Some(task.waker().clone());
        let Some(mut io) = self.io.take() else { return Poll::Ready(()) };
        self.write(task, &mut io);
        self.read(task, &mut io);
        self.io = Some(io);
        Poll::Pending
    }

    fn write(&mut self, task: &mut TaskContext<'_>, io: &mut DuplexStream) {
        while !self.unsent.is_empty() {
            match Pin::new(&mut *io).poll_write(task, &self.unsent) {
                Poll::Ready(Ok(len)) => self.unsent.advance(len),
                // The handler has ended. The messages that it sent show the reason.
                Poll::Ready(Err(_)) => self.unsent.clear(),
                Poll::Pending => return,
            }
        }
    }

    fn read(&mut self, task: &mut TaskContext<'_>, io: &mut DuplexStream) {
        let mut bytes = [0; 8 << 10];
        while !self.ended {
            let room = if self.next_requested && self.messages.is_empty() {
                bytes.len()
            } else {
                let buffered = self.buffered + self.received.len() + self.decoder.incomplete_len();
                bytes.len().min(READ_AHEAD.saturating_sub(buffered))
            };
            let mut read = ReadBuf::new(&mut bytes[..room]);
            if room == 0 || Pin::new(&mut *io).poll_read(task, &mut read).is_pending() {
                return;
            }
            self.ended = read.filled().is_empty();
            self.received.extend_from_slice(read.filled());
            while let Some((frame_len, message)) = self.decoder.decode(&self.received) {
                self.received.advance(frame_len);
                let Some((message, len)) = message else { continue };
                let named = match &message {
                    Message::Text(text) => (self.describe_text)(text.as_str()),
                    _ => None,
                };
                let description = named.unwrap_or_else(|| frames::describe(&message));
                self.log_event(&format!("handler sent {description}"));
                if self.is_keepalive(&message) {
                    self.log_event("client sent the pong");
                    self.queue(&frames::encode(&Message::Pong(crate::Pong::default())));
                    self.wake();
                    continue;
                }
                self.messages.push_back((message, len));
                self.buffered += len;
            }
        }
    }

    fn queue(&mut self, bytes: &[u8]) {
        self.last_sent_at = Instant::now();
        self.unsent.extend_from_slice(bytes);
    }

    /// Returns whether the message is a ping that the client answers.
    fn is_keepalive(&self, message: &Message) -> bool {
        self.answers_pings
            && matches!(message, Message::Ping(ping) if ping.0.is_empty())
            && self.ping_interval.is_some_and(|interval| self.last_sent_at.elapsed() >= interval)
    }

    fn wake(&self) {
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }

    fn log_event(&mut self, event: &str) {
        let time = self.start.elapsed();
        let _ = writeln!(self.log, "  {time:>10?}  {event}");
    }
}
