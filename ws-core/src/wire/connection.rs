//! The protocol state of one connection.

use std::borrow::Cow;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::ahead::{Ahead, Incoming};
use super::backlog::Backlog;
use super::decoder::{Decoded, Decoder};
use super::frame::Opcode;
use super::outbox::Outbox;
use crate::close::{Close, CloseReason};
use crate::options::Options;

/// One side of a WebSocket, as a machine that does no I/O and has no clock. It owns the close
/// handshake: whoever wants the connection to end tells it why, and it says what happens next.
///
/// There are four kinds of methods:
///
/// - **Input.** [`next`](Self::next) takes messages off the bytes that were read; what it leaves is
///   given to [`keep`](Self::keep). While a method of the handler is pending, bytes go to
///   [`read_ahead`](Self::read_ahead) instead. [`lost`](Self::lost) says that no more will come.
/// - **Commands** put frames into the outbox or change a setting; [`close`](Self::close) and
///   [`end`](Self::end) end the connection.
/// - **Output.** [`outbox`](Self::outbox) holds the bytes for the socket;
///   [`is_finished`](Self::is_finished) says when the server ends TCP.
/// - **Time.** [`deadline`](Self::deadline) says when [`tick`](Self::tick) wants to be called.
///
/// A connection is *open*, then *ending*: nothing more is read and what came before is still
/// handled, then *closing*: nothing more is sent. Handlers that close skip the middle.
#[derive(Debug)]
pub(crate) struct Connection {
    options: Arc<Options>,
    decoder: Decoder,
    outbox: Outbox,
    /// Bytes that were read and not decoded: the beginning of a frame, or, if not `starved`, whole
    /// frames behind which reading was stopped.
    input: Backlog,
    starved: bool,
    /// Messages that were read while a method was pending.
    ahead: Ahead,
    phase: Phase,
    active: bool,
    /// Whether the socket takes no more bytes.
    is_broken: bool,
    idle_timeout: Option<Duration>,
    /// When the last byte came from the client.
    heard: Instant,
    /// When the current phase ends by force; set by the first look at the clock after it began.
    limit: Option<Instant>,
}

#[derive(Debug)]
enum Phase {
    Open,
    Ending(CloseReason),
    Closing {
        reason: CloseReason,
        /// Whether the client's close frame is still to come.
        awaits: bool,
    },
}

impl Connection {
    /// An open connection. `input` is what came in the same packet as the handshake.
    pub(crate) fn new(options: Arc<Options>, input: Vec<u8>, now: Instant) -> Self {
        Self {
            decoder: Decoder::new(options.max_message_size, options.validate_utf8),
            outbox: Outbox::new(options.outbox_limit),
            input: Backlog::from(input),
            starved: false,
            ahead: Ahead::default(),
            phase: Phase::Open,
            active: true,
            is_broken: false,
            idle_timeout: options.idle_timeout,
            heard: now,
            limit: None,
            options,
        }
    }

    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    pub(crate) fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open)
    }

    pub(crate) fn is_closing(&self) -> bool {
        matches!(self.phase, Phase::Closing { .. })
    }

    /// Why the connection ends, once it does.
    pub(crate) fn reason(&self) -> Option<&CloseReason> {
        match &self.phase {
            Phase::Open => None,
            Phase::Ending(reason) | Phase::Closing { reason, .. } => Some(reason),
        }
    }

    // Input.

    /// Whether bytes should be read from the socket.
    pub(crate) fn wants_input(&self) -> bool {
        match self.phase {
            Phase::Open => self.is_reading() && self.has_room(),
            Phase::Ending(_) => false,
            Phase::Closing { awaits, .. } => awaits,
        }
    }

    /// Bytes that were read earlier and can be decoded now; they come before what the socket has.
    pub(crate) fn take_backlog(&mut self) -> Option<Backlog> {
        (!self.input.is_empty() && !self.starved && self.wants_input())
            .then(|| std::mem::take(&mut self.input))
    }

    /// Gives them back, but for the first `used`.
    pub(crate) fn put_back(&mut self, mut backlog: Backlog, used: usize) {
        backlog.advance(used);
        if self.starved {
            self.keep(backlog.bytes());
        } else if self.keeps_input() {
            self.input = backlog;
        }
    }

    /// How many bytes of an unfinished header or control frame come before what is read next: at
    /// most 138.
    pub(crate) fn held(&self) -> usize {
        self.input.len()
    }

    /// Moves these bytes to where they belong, in front of what was read.
    pub(crate) fn resume(&mut self, front: &mut [u8]) {
        if !front.is_empty() {
            front.copy_from_slice(self.input.bytes());
            self.input = Backlog::default();
        }
    }

    /// Keeps what `next` or `read_ahead` left of the input.
    pub(crate) fn keep(&mut self, rest: &[u8]) {
        if !rest.is_empty() && self.keeps_input() {
            self.input = Backlog::from(rest.to_vec());
        }
    }

    /// Takes the next message off the front of the input. `None` if it needs more input, if
    /// reading is off, or if the connection ends.
    pub(crate) fn next<'a>(&mut self, input: &mut &'a mut [u8]) -> Option<Incoming<'a>> {
        if input.is_empty() {
            self.starved = true;
            return None;
        }
        self.starved = false;
        while self.is_closing() && !self.is_finished() {
            match self.decoder.decode(input) {
                // Messages that crossed our close frame are dropped.
                Ok(Some(Decoded::Close(_))) | Err(_) => self.awaits_no_more(),
                Ok(Some(_)) => {}
                Ok(None) => {
                    self.starved = true;
                    return None;
                }
            }
        }
        if !self.is_open() || !self.is_reading() {
            return None;
        }
        match self.decoder.decode(input) {
            Ok(Some(Decoded::Text(text))) => Some(Incoming::Text(text)),
            Ok(Some(Decoded::Binary(bytes))) => Some(Incoming::Binary(bytes)),
            Ok(Some(Decoded::Ping(payload))) => {
                self.push(Opcode::Pong, payload);
                Some(Incoming::Ping(Cow::Borrowed(payload)))
            }
            Ok(Some(Decoded::Pong(payload))) => Some(Incoming::Pong(Cow::Borrowed(payload))),
            Ok(Some(Decoded::Close(close))) => {
                self.end(CloseReason::Remote(close));
                None
            }
            Ok(None) => {
                self.starved = true;
                None
            }
            Err(fault) => {
                self.end(CloseReason::Protocol(fault));
                None
            }
        }
    }

    /// Decodes while a method is pending: pings are answered and a close is seen; messages wait.
    /// Returns how many bytes it used.
    pub(crate) fn read_ahead(&mut self, input: &mut [u8]) -> usize {
        let len = input.len();
        let mut rest = input;
        while self.is_closing() || self.has_room() {
            let Some(message) = self.next(&mut rest) else { break };
            self.ahead.push(message);
        }
        len - rest.len()
    }

    pub(crate) fn has_ahead(&self) -> bool {
        !self.ahead.is_empty()
    }

    /// The next message that was read ahead.
    pub(crate) fn next_ahead(&mut self) -> Option<Incoming<'static>> {
        if self.can_deliver_ahead() { self.ahead.pop() } else { None }
    }

    /// Whether it may be handled now. At the end it may, even if reading was off.
    pub(crate) fn can_deliver_ahead(&self) -> bool {
        let allowed = match self.phase {
            Phase::Open => self.is_reading(),
            Phase::Ending(_) => true,
            Phase::Closing { .. } => false,
        };
        allowed && !self.ahead.is_empty()
    }

    /// The client is gone. What it said before is still handled.
    pub(crate) fn lost(&mut self, kind: io::ErrorKind) {
        self.awaits_no_more();
        self.end(CloseReason::Lost(kind));
    }

    /// The socket takes no more bytes.
    pub(crate) fn broken(&mut self, kind: io::ErrorKind) {
        self.lost(kind);
        self.is_broken = true;
        self.outbox.clear();
    }

    // Commands.

    pub(crate) fn text(&mut self, text: &str) {
        self.push(Opcode::Text, text.as_bytes());
    }

    pub(crate) fn binary(&mut self, bytes: &[u8]) {
        self.push(Opcode::Binary, bytes);
    }

    /// Sends a ping of at most 125 bytes.
    pub(crate) fn ping(&mut self, payload: &[u8]) {
        self.push(Opcode::Ping, payload);
    }

    /// Sends a pong of at most 125 bytes.
    pub(crate) fn pong(&mut self, payload: &[u8]) {
        self.push(Opcode::Pong, payload);
    }

    /// Sends text that `write` appends to the outbox itself. It must append UTF-8.
    pub(crate) fn text_with<E>(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.is_closing() || self.is_broken {
            return Ok(());
        }
        if !self.outbox.push_with(Opcode::Text, write)? {
            self.close_with(CloseReason::Overflow);
        }
        Ok(())
    }

    /// The handler closes: what was sent before goes out, nothing after it.
    pub(crate) fn close(&mut self, close: Close) {
        self.close_with(CloseReason::Stop(close));
    }

    /// Ends the connection at once: the close frame is queued, and nothing can be sent after it.
    /// The first reason counts.
    pub(crate) fn close_with(&mut self, reason: CloseReason) {
        let reason = match std::mem::replace(&mut self.phase, Phase::Open) {
            Phase::Open => reason,
            Phase::Ending(first) => first,
            closing @ Phase::Closing { .. } => {
                self.phase = closing;
                return;
            }
        };
        if !self.is_broken {
            match (&reason, reason.frame()) {
                (CloseReason::Remote(None), _) => self.outbox.push_last(Opcode::Close, &[]),
                (_, Some(close)) => self.outbox.push_last(Opcode::Close, &close.payload()),
                (_, None) => {}
            }
        }
        // After a fault nothing that follows can be understood (§7.1.7).
        let over = matches!(reason, CloseReason::Remote(_) | CloseReason::Protocol(_) | CloseReason::Lost(_));
        let awaits = !over && !self.is_broken;
        self.phase = Phase::Closing { reason, awaits };
        self.limit = None;
        self.ahead = Ahead::default();
    }

    /// Ends the connection in order: nothing more is read, and what was read is handled first.
    pub(crate) fn end(&mut self, reason: CloseReason) {
        if self.is_open() {
            self.phase = Phase::Ending(reason);
            self.limit = None;
            self.input = Backlog::default();
        }
    }

    /// Everything that came before the end has been handled.
    pub(crate) fn settle(&mut self) {
        if let Phase::Ending(reason) = &self.phase {
            let reason = reason.clone();
            self.close_with(reason);
        }
    }

    pub(crate) fn set_active(&mut self, active: bool) {
        self.active = active;
    }

    pub(crate) fn set_idle_timeout(&mut self, timeout: Option<Duration>, now: Instant) {
        self.idle_timeout = timeout;
        self.heard = now;
    }

    pub(crate) fn set_max_message_size(&mut self, bytes: usize) {
        self.decoder.set_max_message_size(bytes);
    }

    // Output.

    pub(crate) fn outbox(&mut self) -> &mut Outbox {
        &mut self.outbox
    }

    /// Whether so much waits for the client that reading stops.
    pub(crate) fn is_pressed(&self) -> bool {
        self.outbox.len() >= self.options.outbox_high_water
    }

    /// The socket took that many bytes. If that is what reading waited for, it tells as much of the
    /// client as a byte from it would.
    pub(crate) fn sent(&mut self, len: usize, now: impl FnOnce() -> Instant) {
        if self.is_pressed() {
            self.heard = now();
        }
        self.outbox.sent(len);
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.is_broken
    }

    /// Whether nothing more is to be said or heard, but for what is in the outbox.
    pub(crate) fn is_finished(&self) -> bool {
        matches!(self.phase, Phase::Closing { awaits: false, .. })
    }

    /// Whether the client may go on sending when the connection is finished, because it has neither
    /// closed nor gone.
    pub(crate) fn is_talking(&self) -> bool {
        matches!(self.reason(), Some(CloseReason::Protocol(_)))
    }

    // Time.

    /// Bytes came from the client.
    pub(crate) fn heard(&mut self, now: Instant) {
        self.heard = now;
    }

    /// When the last bytes came: what time it is in the middle of a turn, without a look at the clock.
    pub(crate) fn last_heard(&self) -> Instant {
        self.heard
    }

    /// When `tick` wants to be called. The clock is only asked when an end begins.
    pub(crate) fn deadline(&mut self, now: impl FnOnce() -> Instant) -> Option<Instant> {
        let timeout = match self.phase {
            // While a method is pending and enough was read ahead, it is not the client who is late.
            Phase::Open if !self.has_room() => return None,
            Phase::Open => return self.idle_timeout.and_then(|timeout| self.heard.checked_add(timeout)),
            Phase::Ending(_) => self.options.cancel_timeout,
            Phase::Closing { .. } => self.options.close_timeout,
        };
        if self.limit.is_none() {
            self.limit = now().checked_add(timeout);
        }
        self.limit
    }

    /// Looks at the clock. True if an end has taken as long as it may.
    pub(crate) fn tick(&mut self, now: Instant) -> bool {
        let due = self.deadline(|| now).is_some_and(|deadline| deadline <= now);
        if due && self.is_open() {
            self.end(CloseReason::Timeout);
            return false;
        }
        due
    }

    /// Gives an end longer than `cancel_timeout`.
    pub(crate) fn end_by(&mut self, reason: CloseReason, deadline: Instant) {
        if self.is_open() {
            self.end(reason);
            self.limit = Some(deadline);
        }
    }

    // Helpers.

    fn push(&mut self, opcode: Opcode, payload: &[u8]) {
        if self.is_closing() || self.is_broken {
            return;
        }
        if !self.outbox.push(opcode, payload) {
            self.close_with(CloseReason::Overflow);
        }
    }

    fn awaits_no_more(&mut self) {
        if let Phase::Closing { awaits, .. } = &mut self.phase {
            *awaits = false;
        }
    }

    /// Whether messages may be taken from the client now.
    fn is_reading(&self) -> bool {
        self.active && !self.is_pressed()
    }

    /// Whether what was read may still be of use.
    fn keeps_input(&self) -> bool {
        !matches!(self.phase, Phase::Ending(_))
    }

    fn has_room(&self) -> bool {
        self.ahead.bytes() < self.options.read_ahead
    }
}
