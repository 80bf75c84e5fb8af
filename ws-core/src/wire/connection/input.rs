//! Input: from the bytes that were read to the messages that the handler gets.

use std::borrow::Cow;

use super::super::ahead::Incoming;
use super::super::backlog::Backlog;
use super::super::decoder::Decoded;
use super::super::frame::Opcode;
use super::Connection;
use super::end::{Phase, is_answered};
use crate::close::{CloseReason, ProtocolError};

impl Connection {
    /// Whether bytes should be read from the socket.
    #[inline]
    pub(crate) fn wants_input(&self) -> bool {
        match self.phase() {
            None if self.deferred().is_some() || self.writes_first() => false,
            None => self.is_reading() && self.has_room(),
            Some(Phase::Ending) => false,
            Some(Phase::Closing { awaits }) => awaits && !self.writes_first(),
        }
    }

    /// Bytes that were read earlier and can be decoded now; they come before what the socket has.
    #[inline]
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

    /// The same of one that a method has left, if anything is in it.
    pub(crate) fn restore(&mut self, rest: Backlog) {
        if !rest.is_empty() {
            self.put_back(rest, 0);
        }
    }

    /// The same of one that has panicked. What it has sent of what it was given is still sent.
    pub(crate) fn abandoned(&mut self, rest: Backlog) {
        if self.outbox.input_handled() {
            self.outbox.keep_input(rest.whole());
        }
        self.restore(rest);
    }

    /// How many bytes of an unfinished header or control frame come before what is read next: at
    /// most 138.
    #[inline]
    pub(crate) fn held(&self) -> usize {
        self.input.len()
    }

    /// Moves these bytes to where they belong, in front of what was read.
    #[inline]
    pub(crate) fn resume(&mut self, front: &mut [u8]) {
        if !front.is_empty() {
            front.copy_from_slice(self.input.bytes());
            self.input = Backlog::default();
        }
    }

    /// Where the client's next bytes go, if that is not the thread's buffer, as they are nothing but the
    /// payload of a large message; to be told to [`arrived`](Self::arrived).
    pub(crate) fn direct(&mut self) -> Option<&mut [u8]> {
        if self.input.is_empty() { self.decoder.direct() } else { None }
    }

    /// Whether there may be such a message.
    #[inline(always)]
    pub(crate) fn is_amid_frame(&self) -> bool {
        self.decoder.is_amid_frame()
    }

    /// So many bytes have come there.
    pub(crate) fn arrived(&mut self, len: usize) {
        match self.decoder.arrived(len) {
            Ok(()) => {}
            // Messages that crossed our close frame are dropped.
            Err(_) if self.is_closing() => self.awaits_no_more(),
            Err(fault) => self.end(CloseReason::Protocol(fault)),
        }
    }

    /// A message in memory of its own is going to be handled; it is to be given back
    /// [afterwards](Self::handled).
    pub(crate) fn handles(&mut self, message: &Incoming<'_>) {
        match message {
            Incoming::Text(text) => self.outbox.handles_message(text.as_bytes()),
            Incoming::Binary(bytes) => self.outbox.handles_message(bytes),
            Incoming::Ping(_) | Incoming::Pong(_) => {}
        }
    }

    /// It has been handled. Its memory is that of what was sent of it, or the thread's; says how many
    /// bytes it held.
    pub(crate) fn handled(&mut self, message: Incoming<'_>) -> usize {
        let Some(bytes) = message.into_memory() else { return 0 };
        let len = bytes.len();
        if let Some(bytes) = self.outbox.message_handled(bytes) {
            self.decoder.release(bytes);
        }
        len
    }

    /// Keeps what `next` or `read_ahead` left of the input.
    #[inline]
    pub(crate) fn keep(&mut self, rest: &[u8]) {
        if !rest.is_empty() && self.keeps_input() {
            self.input = Backlog::from(rest.to_vec());
        }
    }

    /// Takes the next message off the front of the input. `None` if it needs more input, if
    /// reading is off, or if the connection ends.
    #[inline(always)]
    pub(crate) fn next<'a>(&mut self, input: &mut &'a mut [u8]) -> Option<Incoming<'a>> {
        self.starved = input.is_empty();
        if self.starved {
            return None;
        }
        // What most messages are is found out with a few looks; all the rest is not inlined.
        if self.is_open() && self.is_reading() && self.life.is_none() {
            match self.decoder.decode_short(input) {
                Some(Ok(Decoded::Text(text))) => return Some(Incoming::Text(text)),
                Some(Ok(Decoded::Binary(bytes))) => return Some(Incoming::Binary(bytes)),
                Some(Err(fault)) => {
                    self.end(CloseReason::Protocol(fault));
                    return None;
                }
                _ => {}
            }
        }
        self.next_of_any(input)
    }

    fn next_of_any<'a>(&mut self, input: &mut &'a mut [u8]) -> Option<Incoming<'a>> {
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
            Ok(Some(message)) if !self.admits(&message) => {
                self.end(CloseReason::Protocol(ProtocolError::LimitExceeded));
                None
            }
            Ok(Some(Decoded::Text(text))) => Some(Incoming::Text(text)),
            Ok(Some(Decoded::Binary(bytes))) => Some(Incoming::Binary(bytes)),
            Ok(Some(Decoded::Ping(payload))) => {
                if !self.is_assisted() {
                    self.push(Opcode::Pong, payload);
                }
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

    #[inline]
    pub(crate) fn has_ahead(&self) -> bool {
        !self.ahead.is_empty()
    }

    /// The next message that was read ahead.
    pub(crate) fn next_ahead(&mut self) -> Option<Incoming<'static>> {
        if self.can_deliver_ahead() { self.ahead.pop() } else { None }
    }

    /// Whether it may be handled now. At the end it may, even if reading was off.
    #[inline]
    pub(crate) fn can_deliver_ahead(&self) -> bool {
        let allowed = match self.phase() {
            None => self.is_reading(),
            Some(Phase::Ending) => !self.holds_back(),
            Some(Phase::Closing { .. }) => false,
        };
        allowed && !self.ahead.is_empty()
    }

    /// Whether what was read may still be of use. At an end that the client answers, its close frame
    /// is only found behind that.
    fn keeps_input(&self) -> bool {
        !self.is_ending() || self.reason().is_some_and(is_answered)
    }
}
