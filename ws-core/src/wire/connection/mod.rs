//! The protocol state of one connection.

mod closing;
mod encoder;
mod extras;
mod fragments;
mod high_water;
mod idle_timer;
mod input;
mod keepalive;
mod managed_transport;
mod rate_limits;
#[cfg(feature = "inspect")]
mod tap;
#[cfg(feature = "inspect")]
mod tapped;

use std::sync::Arc;
use std::time::{Duration, Instant};

use closing::CloseState;
#[cfg(feature = "deflate")]
use encoder::Encoder;
use extras::ConnectionExtras;
pub(crate) use fragments::UnfinishedMessage;
use high_water::{HighWater, LastWrite};
use idle_timer::{IdleTimeout, IdleTimer};
pub(crate) use keepalive::Silence;
use keepalive::{OptionalChecks, UnansweredPing};
#[cfg(feature = "tungstenite")]
pub(crate) use managed_transport::ReadsWhileWriting;
#[cfg(feature = "inspect")]
pub use tap::Direction;
#[cfg(feature = "inspect")]
pub(crate) use tap::{MessageTap, TappedMessage};

use super::decoder::Decoder;
#[cfg(feature = "deflate")]
use super::deflate::Deflater;
#[cfg(feature = "deflate")]
use super::deflate::Inflater;
use super::deflate::{DeflateParams, ThreadBuffer};
use super::frame::Opcode;
use super::outbox::{Outbox, OwnedPayload};
use super::unread::UnreadInput;
use crate::metrics::{ConnectionMetrics, CountedKind};
use crate::options::Options;

/// The server's side of a WebSocket connection, as a state machine without I/O and without a clock.
///
/// There are four kinds of methods:
///
/// - **Input.** [`next_message`](Self::next_message) decodes messages from the bytes that were read.
///   [`store_unread`](Self::store_unread) stores the bytes that remain. While a method of the handler is
///   pending, [`read_ahead`](Self::read_ahead) takes the bytes instead.
///   [`on_disconnect`](Self::on_disconnect) reports that no more bytes will arrive.
/// - **Commands** queue frames in the outbox or change a setting. [`close`](Self::close) and
///   [`begin_drain`](Self::begin_drain) end the connection.
/// - **Output.** [`outbox`](Self::outbox) holds the bytes for the socket.
///   [`is_finished`](Self::is_finished) reports when the server may close the TCP connection.
/// - **Time.** [`deadline`](Self::deadline) returns when [`handle_timeout`](Self::handle_timeout) has to be
///   called.
///
/// # Phases
///
/// The connection owns the close handshake. Callers give a reason, and the phase follows from it:
///
/// ```text
///   Open ─────────── begin_drain ───────────▶ Draining
///    │    client closed or disconnected,        │
///    │    protocol error, timeout, shutdown     │ finish_drain: earlier messages are handled
///    │                                          │ close_with: the handler closes, overflow
///    │ close_with: the handler closes,          ▼
///    └──────────── overflow ───────────────▶ Closing { awaiting_close: true }
///                                               │ the client's close frame arrives
///                                               ▼
///                                            Closing { awaiting_close: false } = is_finished
/// ```
///
/// [`Closing`](closing::Phase::Closing) starts with `awaiting_close: false` if the client closed first or is
/// gone. Input is discarded until the client's close frame, at a limited pace.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools)] // Each is a separate finding.
pub(crate) struct Connection {
    decoder: Decoder,
    outbox: Outbox,
    extras: ConnectionExtras,
    /// Bytes that were read and not decoded: the start of a frame if `needs_more_input`, otherwise complete
    /// frames that wait because reading was stopped.
    unread: UnreadInput,
    needs_more_input: bool,
    /// How the connection ends, unless it is open. Boxed, because open connections do not need it.
    close_state: Option<Box<CloseState>>,
    /// Whether the handler wants to read.
    active: bool,
    last_write: LastWrite,
    high_water: HighWater,
    /// Whether a message in fragments has begun, and its last fragment is not queued.
    has_unfinished_message: bool,
    /// Whether the connection's futures complete after the client's close frame.
    completes_work: bool,
    idle_timeout: Option<IdleTimeout>,
    idle_timer: IdleTimer,
    /// When the last byte arrived from the client.
    last_received_at: Instant,
    /// The ping to which no byte has answered yet. Not boxed, because all connections send pings by default.
    unanswered_ping: Option<UnansweredPing>,
    /// Whether the pong to a ping of the connection is still to come, which the rate limit does not count.
    awaits_pong: bool,
    pub(crate) metrics: ConnectionMetrics,
}

impl Connection {
    /// Creates an open connection. `input` contains the bytes that arrived together with the handshake.
    pub(crate) fn new(options: Arc<Options>, input: Vec<u8>, now: Instant) -> Self {
        let mut decoder = Decoder::new(options.max_message_size, options.validate_utf8);
        decoder.set_max_frame_size(options.max_frame_size);
        let mut extras = ConnectionExtras::default();
        if let Some(checks) = OptionalChecks::new(&options, now) {
            extras.checks_or_insert_with(|| checks);
        }
        Self {
            decoder,
            extras,
            unread: UnreadInput::from(input),
            needs_more_input: false,
            close_state: None,
            active: true,
            last_write: LastWrite::Accepted,
            high_water: HighWater::Unreached,
            has_unfinished_message: false,
            completes_work: false,
            idle_timeout: options.idle_timeout.map(IdleTimeout::new),
            idle_timer: IdleTimer::Stale,
            last_received_at: now,
            unanswered_ping: None,
            awaits_pong: false,
            metrics: ConnectionMetrics::default(),
            outbox: Outbox::new(options),
        }
    }

    /// Sets the negotiated compression parameters.
    #[cfg(feature = "deflate")]
    pub(crate) fn with_compression(mut self, params: Option<DeflateParams>) -> Self {
        if let Some(params) = params {
            self.decoder.set_inflater(Inflater::new(params.client_takeover, params.per_frame));
            self.extras.encoder_or_insert_with(|| Encoder::new(Deflater::new(&params)));
        }
        self
    }

    /// Returns the connection unchanged: without the feature `deflate`, compression is never negotiated.
    #[cfg(not(feature = "deflate"))]
    pub(crate) fn with_compression(self, _: Option<DeflateParams>) -> Self {
        self
    }

    #[inline]
    pub(crate) fn options(&self) -> &Options {
        self.outbox.options()
    }

    // PERF: inlined down to `Outbox::push`, so that a short reply is encoded in place. budget: text64x16
    #[inline(always)]
    pub(crate) fn text(&mut self, text: &str) {
        self.send_message(Opcode::Text, text.as_bytes());
    }

    // PERF: like `text`. budget: text64x16
    #[inline(always)]
    pub(crate) fn binary(&mut self, bytes: &[u8]) {
        self.send_message(Opcode::Binary, bytes);
    }

    /// Sends text without a copy. The payload must be UTF-8.
    pub(crate) fn text_owned(&mut self, text: OwnedPayload) {
        self.message_owned(Opcode::Text, text);
    }

    /// Sends bytes without a copy.
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

    /// Sends text that `write` appends to the outbox. `write` must append UTF-8.
    pub(crate) fn text_with<E>(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.abandon_fragments();
        if self.is_closing() || self.has_write_failed() {
            return Ok(());
        }
        if self.extras.encoder().is_some() {
            // An error drops the buffer, which is acceptable because errors are rare.
            let mut draft = ThreadBuffer::Draft.take();
            write(&mut draft)?;
            self.send_message(Opcode::Text, &draft);
            ThreadBuffer::Draft.put(draft);
            return Ok(());
        }
        if self.outbox.push_with(Opcode::Text, write)? {
            self.count_sent(Opcode::Text);
        } else {
            self.close_slow_client();
        }
        Ok(())
    }

    /// Sets whether later messages are compressed, if compression was negotiated.
    pub(crate) fn set_compress(&mut self, on: bool) {
        if let Some(deflater) = self.deflater() {
            deflater.set_enabled(on);
        }
    }

    pub(crate) fn set_active(&mut self, active: bool) {
        self.active = active;
    }

    pub(crate) fn set_idle_timeout(&mut self, timeout: Option<Duration>, now: Instant) {
        self.rebase_ping(now);
        self.idle_timeout = timeout.map(IdleTimeout::new);
        self.idle_timer = IdleTimer::Stale;
        self.last_received_at = now;
    }

    /// Delivers incomplete messages in parts, instead of assembling them.
    pub(crate) fn deliver_in_parts(&mut self) {
        self.decoder.deliver_in_parts();
    }

    pub(crate) fn set_max_message_size(&mut self, bytes: usize) {
        self.decoder.set_max_message_size(bytes);
    }

    #[inline]
    pub(crate) fn outbox(&mut self) -> &mut Outbox {
        &mut self.outbox
    }

    /// Returns whether the outbox is so full that reading stops.
    #[inline]
    pub(crate) fn is_above_high_water(&self) -> bool {
        !self.outbox.is_empty() && self.outbox.len() >= self.options().outbox_high_water
    }

    /// Returns whether a message of `len` bytes may be queued without stopping reads and without an overflow.
    #[cfg(feature = "json")]
    #[inline]
    pub(crate) fn has_room_for(&self, len: usize) -> bool {
        let waiting = self.outbox.len();
        waiting == 0
            || waiting < self.options().outbox_high_water
                && waiting.saturating_add(len) <= self.options().outbox_limit
    }

    /// Handles a write of `len` bytes.
    ///
    /// If reading was stopped, the write shows that the client is alive, as a byte from the client would.
    // PERF: the common case, an empty outbox after the write, is inlined. budget: text64
    #[inline(always)]
    pub(crate) fn on_bytes_sent(&mut self, len: usize, now: impl FnOnce() -> Instant) {
        if self.is_above_high_water() {
            self.high_water = HighWater::Reached;
            self.on_bytes_received(now());
            self.reset_drain_timer();
        }
        self.metrics.on_bytes_sent(len);
        self.outbox.consume(len);
    }

    /// Sends a message, compressed if the deflater compresses it.
    // PERF: see `text`. budget: text64x16
    #[inline(always)]
    fn send_message(&mut self, opcode: Opcode, payload: &[u8]) {
        self.abandon_fragments();
        if self.extras.encoder().is_none() {
            self.push(opcode, payload);
        } else {
            self.encode_message(opcode, payload);
        }
    }

    fn message_owned(&mut self, opcode: Opcode, payload: OwnedPayload) {
        self.abandon_fragments();
        if self.extras.encoder().is_some() && self.prepare_message(opcode, payload.bytes()) {
            return self.send_compressed(opcode, payload.bytes());
        }
        if self.is_closing() || self.has_write_failed() {
            return;
        }
        if self.outbox.push_owned(opcode, payload) {
            self.count_sent(opcode);
        } else {
            self.close_slow_client();
        }
    }

    // PERF: see `text`. budget: text64x16
    #[inline(always)]
    fn push(&mut self, opcode: Opcode, payload: &[u8]) {
        // An open connection is neither closing nor did a write fail: one check instead of two.
        if !self.is_open() && (self.is_closing() || self.has_write_failed()) {
            return;
        }
        if self.outbox.push(opcode, payload) {
            self.count_sent(opcode);
        } else {
            self.close_slow_client();
        }
    }

    /// Counts a frame that was queued, unless it is a fragment that others follow.
    // PERF: nothing without the feature `metrics`. budget: text64x16
    #[inline(always)]
    pub(in crate::wire) fn count_sent(&mut self, opcode: Opcode) {
        match opcode {
            Opcode::Continuation => {}
            Opcode::Text => self.metrics.on_sent(CountedKind::Text),
            Opcode::Binary => self.metrics.on_sent(CountedKind::Binary),
            Opcode::Close => self.metrics.on_sent(CountedKind::Close),
            Opcode::Ping => self.metrics.on_sent(CountedKind::Ping),
            Opcode::Pong => self.metrics.on_sent(CountedKind::Pong),
        }
    }

    /// Returns whether the connection allows the driver's fast path: the connection is open, reads from the
    /// client, and has no earlier input to process.
    // PERF: the first check of each iteration. budget: text64
    #[inline(always)]
    pub(crate) fn allows_fast_iteration(&self) -> bool {
        self.is_open()
            && self.active
            && !self.has_read_ahead()
            && self.unread.is_empty()
            && !self.is_managed()
            && self.is_keeping_up()
    }

    /// Returns whether the handler may receive messages from the client now.
    #[inline]
    fn is_reading(&self) -> bool {
        self.active && (!self.is_above_high_water() || self.reads_above_high_water())
    }

    /// Returns whether the read-ahead queue is below its limit.
    #[inline]
    fn has_room(&self) -> bool {
        self.extras.read_ahead().is_none_or(|queue| queue.bytes() < self.options().read_ahead)
    }
}
