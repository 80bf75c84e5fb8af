//! The protocol state of one connection.

mod closing;
mod input;
mod liveness;
mod managed_transport;

use std::sync::Arc;
use std::time::{Duration, Instant};

use closing::CloseState;
use liveness::Liveness;
use managed_transport::ManagedTransport;

use super::decoder::Decoder;
#[cfg(feature = "deflate")]
use super::deflate::Inflater;
use super::deflate::{DeflateParams, Deflater, ThreadBuffer};
use super::frame::Opcode;
use super::outbox::{Outbox, OwnedPayload};
use super::rate_limiter::RateLimiter;
use super::read_ahead::ReadAheadQueue;
use super::unread::UnreadInput;
use crate::close::CloseReason;
use crate::options::Options;

/// One side of a WebSocket, as a machine that does no I/O and has no clock. It owns the close
/// handshake: whoever wants the connection to end tells it why, and it says what happens next.
///
/// There are four kinds of methods:
///
/// - **Input.** [`next_message`](Self::next_message) takes messages off the bytes that were read; what it leaves is
///   given to [`store_unread`](Self::store_unread). While a method of the handler is pending, bytes go to
///   [`read_ahead`](Self::read_ahead) instead. [`on_disconnect`](Self::on_disconnect) says that no more will come.
/// - **Commands** put frames into the outbox or change a setting; [`close`](Self::close) and
///   [`begin_drain`](Self::begin_drain) end the connection.
/// - **Output.** [`outbox`](Self::outbox) holds the bytes for the socket;
///   [`is_finished`](Self::is_finished) says when the server ends TCP.
/// - **Time.** [`deadline`](Self::deadline) says when [`handle_timeout`](Self::handle_timeout) wants to be called.
///
/// A connection is *open*, then *ending*: nothing more is read and what came before is still
/// handled, then *closing*: nothing more is sent. Handlers that close skip the middle.
#[derive(Debug)]
pub(crate) struct Connection {
    options: Arc<Options>,
    decoder: Decoder,
    outbox: Outbox,
    /// What messages for the client go through, if it understands compressed ones; gone when
    /// nothing more is sent.
    deflater: Option<Box<Deflater>>,
    /// Bytes that were read and not decoded: the beginning of a frame, or, if not `needs_more_input`, whole
    /// frames behind which reading was stopped.
    unread: UnreadInput,
    needs_more_input: bool,
    /// Messages that were read while a method was pending.
    read_ahead_queue: ReadAheadQueue,
    /// How it ends, unless it is open. Boxed, because all the others have room for it.
    close_state: Option<Box<CloseState>>,
    active: bool,
    /// Whether the socket takes no more bytes.
    has_write_failed: bool,
    idle_timeout: Option<Duration>,
    idle_timer: IdleTimer,
    /// When the last byte came from the client.
    last_received_at: Instant,
    /// What a transport that speaks WebSocket itself does, and needs.
    managed: Option<Box<ManagedTransport>>,
    /// Whether it is asked for signs of life, has only so long to live, or may only say so much.
    liveness: Option<Box<Liveness>>,
    /// How many pings and pongs came from the client, once there were any: few send some.
    control_rate: Option<Box<RateLimiter>>,
}

/// Whether the idle timeout is what it was when the clock was set for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum IdleTimer {
    Armed,
    Stale,
}

impl Connection {
    /// An open connection. `input` is what came in the same packet as the handshake.
    pub(crate) fn new(options: Arc<Options>, input: Vec<u8>, now: Instant) -> Self {
        let mut decoder = Decoder::new(options.max_message_size, options.validate_utf8);
        decoder.set_max_frame_size(options.max_frame_size);
        Self {
            decoder,
            outbox: Outbox::new(options.outbox_limit),
            deflater: None,
            unread: UnreadInput::from(input),
            needs_more_input: false,
            read_ahead_queue: ReadAheadQueue::default(),
            close_state: None,
            active: true,
            has_write_failed: false,
            idle_timeout: options.idle_timeout,
            idle_timer: IdleTimer::Stale,
            last_received_at: now,
            managed: None,
            liveness: Liveness::new(&options, now),
            control_rate: None,
            options,
        }
    }

    /// The same, with messages compressed in the way that was agreed upon.
    #[cfg(feature = "deflate")]
    pub(crate) fn with_compression(mut self, agreed: Option<DeflateParams>) -> Self {
        if let Some(agreed) = agreed {
            self.decoder.set_inflater(Inflater::new(agreed.client_takeover, agreed.per_frame));
            self.deflater = Some(Box::new(Deflater::new(&agreed)));
        }
        self
    }

    /// The same: nothing can be agreed upon.
    #[cfg(not(feature = "deflate"))]
    pub(crate) fn with_compression(self, _: Option<DeflateParams>) -> Self {
        self
    }

    #[inline]
    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    #[inline(always)]
    pub(crate) fn text(&mut self, text: &str) {
        self.send_message(Opcode::Text, text.as_bytes());
    }

    #[inline(always)]
    pub(crate) fn binary(&mut self, bytes: &[u8]) {
        self.send_message(Opcode::Binary, bytes);
    }

    /// Sends text that need not be copied. It must be UTF-8.
    pub(crate) fn text_owned(&mut self, text: OwnedPayload) {
        self.message_owned(Opcode::Text, text);
    }

    /// Sends bytes that need not be copied.
    pub(crate) fn binary_owned(&mut self, bytes: OwnedPayload) {
        self.message_owned(Opcode::Binary, bytes);
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
        if self.is_closing() || self.has_write_failed {
            return Ok(());
        }
        if self.deflater.is_some() {
            // Lost if this fails, which is not what happens every time.
            let mut draft = ThreadBuffer::Draft.take();
            write(&mut draft)?;
            self.send_message(Opcode::Text, &draft);
            ThreadBuffer::Draft.put(draft);
            return Ok(());
        }
        if !self.outbox.push_with(Opcode::Text, write)? {
            self.close_with(CloseReason::Overflow);
        }
        Ok(())
    }

    /// Whether the messages that follow are compressed, where they can be.
    pub(crate) fn set_compress(&mut self, on: bool) {
        if let Some(deflater) = &mut self.deflater {
            deflater.set_enabled(on);
        }
    }

    pub(crate) fn set_active(&mut self, active: bool) {
        self.active = active;
    }

    pub(crate) fn set_idle_timeout(&mut self, timeout: Option<Duration>, now: Instant) {
        self.idle_timeout = timeout;
        self.idle_timer = IdleTimer::Stale;
        self.last_received_at = now;
    }

    pub(crate) fn set_max_message_size(&mut self, bytes: usize) {
        self.decoder.set_max_message_size(bytes);
    }

    #[inline]
    pub(crate) fn outbox(&mut self) -> &mut Outbox {
        &mut self.outbox
    }

    /// Whether so much waits for the client that reading stops.
    #[inline(always)]
    pub(crate) fn is_above_high_water(&self) -> bool {
        !self.outbox.is_empty() && self.outbox.len() >= self.options.outbox_high_water
    }

    /// The socket took that many bytes. If that is what reading waited for, it tells as much of the
    /// client as a byte from it would.
    #[inline(always)]
    pub(crate) fn on_bytes_sent(&mut self, len: usize, now: impl FnOnce() -> Instant) {
        if self.is_above_high_water() {
            self.on_bytes_received(now());
            self.reset_drain_timer();
        }
        self.outbox.consume(len);
    }

    /// Sends a message, compressed if that was agreed upon and is worth it.
    #[inline(always)]
    fn send_message(&mut self, opcode: Opcode, payload: &[u8]) {
        if self.deflater.is_none() {
            self.push(opcode, payload);
        } else {
            self.send_compressed(opcode, payload);
        }
    }

    /// What messages for the client go through.
    pub(super) fn deflater(&mut self) -> Option<&mut Deflater> {
        self.deflater.as_deref_mut()
    }

    #[cold]
    pub(super) fn send_compressed(&mut self, opcode: Opcode, payload: &[u8]) {
        match &mut self.deflater {
            Some(deflater) if deflater.should_compress(payload.len()) => {
                if !self.outbox.push_compressed(opcode, payload, deflater) {
                    self.close_with(CloseReason::Overflow);
                }
            }
            _ => self.push(opcode, payload),
        }
    }

    fn message_owned(&mut self, opcode: Opcode, payload: OwnedPayload) {
        if self.deflater.as_ref().is_some_and(|deflater| deflater.should_compress(payload.len())) {
            return self.send_compressed(opcode, payload.bytes());
        }
        if self.is_closing() || self.has_write_failed {
            return;
        }
        if !self.outbox.push_owned(opcode, payload) {
            self.close_with(CloseReason::Overflow);
        }
    }

    #[inline(always)]
    fn push(&mut self, opcode: Opcode, payload: &[u8]) {
        // One that is open is neither.
        if !self.is_open() && (self.is_closing() || self.has_write_failed) {
            return;
        }
        if !self.outbox.push(opcode, payload) {
            self.on_overflow();
        }
    }

    #[cold]
    fn on_overflow(&mut self) {
        self.close_with(CloseReason::Overflow);
    }

    /// Whether it is open and reads from the client, and nothing that was read waits.
    #[inline(always)]
    pub(crate) fn is_fast_path(&self) -> bool {
        self.is_open()
            && self.active
            && self.read_ahead_queue.is_empty()
            && self.unread.is_empty()
            && self.managed.is_none()
            && (self.outbox.is_empty() || self.outbox.len() < self.options.outbox_high_water)
    }

    /// Whether messages may be taken from the client now.
    #[inline(always)]
    fn is_reading(&self) -> bool {
        self.active && !self.is_above_high_water()
    }

    #[inline]
    fn has_room(&self) -> bool {
        self.read_ahead_queue.is_empty() || self.read_ahead_queue.bytes() < self.options.read_ahead
    }
}
