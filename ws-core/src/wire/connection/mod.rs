//! The protocol state of one connection.

mod assistance;
mod end;
mod input;
mod life;

use std::sync::Arc;
use std::time::{Duration, Instant};

use assistance::Assistance;
use end::End;
use life::Life;

use super::ahead::Ahead;
use super::backlog::Backlog;
use super::decoder::Decoder;
#[cfg(feature = "deflate")]
use super::deflate::Inflater;
use super::deflate::{Agreed, Deflater, Scratch};
use super::frame::Opcode;
use super::outbox::{Kept, Outbox};
use super::rate::Rate;
use crate::close::CloseReason;
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
    /// What messages for the client go through, if it understands compressed ones; gone when
    /// nothing more is sent.
    deflater: Option<Box<Deflater>>,
    /// Bytes that were read and not decoded: the beginning of a frame, or, if not `starved`, whole
    /// frames behind which reading was stopped.
    input: Backlog,
    starved: bool,
    /// Messages that were read while a method was pending.
    ahead: Ahead,
    /// How it ends, unless it is open. Boxed, because all the others have room for it.
    end: Option<Box<End>>,
    active: bool,
    /// Whether the socket takes no more bytes.
    is_broken: bool,
    idle_timeout: Option<Duration>,
    idle: Idle,
    /// When the last byte came from the client.
    heard: Instant,
    /// What a transport that speaks WebSocket itself does, and needs.
    assistance: Option<Box<Assistance>>,
    /// Whether it is asked for signs of life, has only so long to live, or may only say so much.
    life: Option<Box<Life>>,
    /// How many pings and pongs came from the client, once there were any: few send some.
    controls: Option<Box<Rate>>,
}

/// Whether the idle timeout is what it was when the clock was set for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Idle {
    Noted,
    Changed,
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
            input: Backlog::from(input),
            starved: false,
            ahead: Ahead::default(),
            end: None,
            active: true,
            is_broken: false,
            idle_timeout: options.idle_timeout,
            idle: Idle::Changed,
            heard: now,
            assistance: None,
            life: Life::of(&options, now),
            controls: None,
            options,
        }
    }

    /// The same, with messages compressed in the way that was agreed upon.
    #[cfg(feature = "deflate")]
    pub(crate) fn compressed(mut self, agreed: Option<Agreed>) -> Self {
        if let Some(agreed) = agreed {
            self.decoder.set_inflater(Inflater::new(agreed.client_takeover, agreed.per_frame));
            self.deflater = Some(Box::new(Deflater::new(&agreed)));
        }
        self
    }

    /// The same: nothing can be agreed upon.
    #[cfg(not(feature = "deflate"))]
    pub(crate) fn compressed(self, _: Option<Agreed>) -> Self {
        self
    }

    #[inline]
    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    #[inline(always)]
    pub(crate) fn text(&mut self, text: &str) {
        self.message(Opcode::Text, text.as_bytes());
    }

    #[inline(always)]
    pub(crate) fn binary(&mut self, bytes: &[u8]) {
        self.message(Opcode::Binary, bytes);
    }

    /// Sends text that need not be copied. It must be UTF-8.
    pub(crate) fn text_kept(&mut self, text: Kept) {
        self.message_kept(Opcode::Text, text);
    }

    /// Sends bytes that need not be copied.
    pub(crate) fn binary_kept(&mut self, bytes: Kept) {
        self.message_kept(Opcode::Binary, bytes);
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
        if self.deflater.is_some() {
            // Lost if this fails, which is not what happens every time.
            let mut draft = Scratch::Draft.take();
            write(&mut draft)?;
            self.message(Opcode::Text, &draft);
            Scratch::Draft.give_back(draft);
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
            deflater.set(on);
        }
    }

    pub(crate) fn set_active(&mut self, active: bool) {
        self.active = active;
    }

    pub(crate) fn set_idle_timeout(&mut self, timeout: Option<Duration>, now: Instant) {
        self.idle_timeout = timeout;
        self.idle = Idle::Changed;
        self.heard = now;
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
    pub(crate) fn is_pressed(&self) -> bool {
        !self.outbox.is_empty() && self.outbox.len() >= self.options.outbox_high_water
    }

    /// The socket took that many bytes. If that is what reading waited for, it tells as much of the
    /// client as a byte from it would.
    #[inline(always)]
    pub(crate) fn sent(&mut self, len: usize, now: impl FnOnce() -> Instant) {
        if self.is_pressed() {
            self.heard(now());
            self.goes_on();
        }
        self.outbox.sent(len);
    }

    /// Sends a message, compressed if that was agreed upon and is worth it.
    #[inline(always)]
    fn message(&mut self, opcode: Opcode, payload: &[u8]) {
        if self.deflater.is_none() {
            self.push(opcode, payload);
        } else {
            self.compress(opcode, payload);
        }
    }

    /// What messages for the client go through.
    pub(super) fn deflater(&mut self) -> Option<&mut Deflater> {
        self.deflater.as_deref_mut()
    }

    #[cold]
    pub(super) fn compress(&mut self, opcode: Opcode, payload: &[u8]) {
        match &mut self.deflater {
            Some(deflater) if deflater.takes(payload.len()) => {
                if !self.outbox.push_compressed(opcode, payload, deflater) {
                    self.close_with(CloseReason::Overflow);
                }
            }
            _ => self.push(opcode, payload),
        }
    }

    fn message_kept(&mut self, opcode: Opcode, payload: Kept) {
        if self.deflater.as_ref().is_some_and(|deflater| deflater.takes(payload.len())) {
            return self.compress(opcode, payload.bytes());
        }
        if self.is_closing() || self.is_broken {
            return;
        }
        if !self.outbox.push_kept(opcode, payload) {
            self.close_with(CloseReason::Overflow);
        }
    }

    #[inline(always)]
    fn push(&mut self, opcode: Opcode, payload: &[u8]) {
        // One that is open is neither.
        if !self.is_open() && (self.is_closing() || self.is_broken) {
            return;
        }
        if !self.outbox.push(opcode, payload) {
            self.overflown();
        }
    }

    #[cold]
    fn overflown(&mut self) {
        self.close_with(CloseReason::Overflow);
    }

    /// Whether it is open and reads from the client, and nothing that was read waits.
    #[inline(always)]
    pub(crate) fn is_calm(&self) -> bool {
        self.is_open()
            && self.active
            && self.ahead.is_empty()
            && self.input.is_empty()
            && self.assistance.is_none()
            && (self.outbox.is_empty() || self.outbox.len() < self.options.outbox_high_water)
    }

    /// Whether messages may be taken from the client now.
    #[inline(always)]
    fn is_reading(&self) -> bool {
        self.active && !self.is_pressed()
    }

    #[inline]
    fn has_room(&self) -> bool {
        self.ahead.is_empty() || self.ahead.bytes() < self.options.read_ahead
    }
}
