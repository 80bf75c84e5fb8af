//! Input: from the bytes that were read to the messages that the handler gets.

use std::borrow::Cow;

use super::super::decoder::Decoded;
use super::super::frame::Opcode;
use super::super::read_ahead::InboundMessage;
use super::super::unread::UnreadInput;
use super::Connection;
use super::closing::{Phase, expects_close_reply};
use crate::close::{CloseReason, ProtocolError};

impl Connection {
    /// Whether bytes should be read from the socket.
    #[inline]
    pub(crate) fn wants_input(&self) -> bool {
        match self.phase() {
            None if self.deferred_until().is_some() || self.must_write_first() => false,
            None => self.is_reading() && self.has_room(),
            Some(Phase::Draining) => false,
            Some(Phase::Closing { awaiting_close }) => awaiting_close && !self.must_write_first(),
        }
    }

    /// Bytes that were read earlier and can be decoded now; they come before what the socket has.
    #[inline]
    pub(crate) fn take_unread(&mut self) -> Option<UnreadInput> {
        (!self.unread.is_empty() && !self.needs_more_input && self.wants_input())
            .then(|| std::mem::take(&mut self.unread))
    }

    /// Gives them back, but for the first `used`.
    pub(crate) fn return_unread(&mut self, mut unread: UnreadInput, used: usize) {
        unread.advance(used);
        if self.needs_more_input {
            self.store_unread(unread.bytes());
        } else if self.should_retain_input() {
            self.unread = unread;
        }
    }

    /// The same of one that a method has left, if anything is in it.
    pub(crate) fn restore_unread(&mut self, rest: UnreadInput) {
        if !rest.is_empty() {
            self.return_unread(rest, 0);
        }
    }

    /// The same of one that has panicked. What it has sent of what it was given is still sent.
    pub(crate) fn restore_after_panic(&mut self, rest: UnreadInput) {
        if self.outbox.end_input() {
            self.outbox.retain_input(rest.full());
        }
        self.restore_unread(rest);
    }

    /// How many bytes of an unfinished header or control frame come before what is read next: at
    /// most 138.
    #[inline]
    pub(crate) fn partial_len(&self) -> usize {
        self.unread.len()
    }

    /// Moves these bytes to where they belong, in front of what was read.
    #[inline]
    pub(crate) fn prepend_partial(&mut self, front: &mut [u8]) {
        if !front.is_empty() {
            front.copy_from_slice(self.unread.bytes());
            self.unread = UnreadInput::default();
        }
    }

    /// Where the client's next bytes go, if that is not the thread's buffer, as they are nothing but the
    /// payload of a large message; to be told to [`commit_direct_read`](Self::commit_direct_read).
    pub(crate) fn direct_read_buf(&mut self) -> Option<&mut [u8]> {
        if self.unread.is_empty() { self.decoder.direct_read_buf() } else { None }
    }

    /// Whether there may be such a message.
    #[inline(always)]
    pub(crate) fn has_partial_frame(&self) -> bool {
        self.decoder.has_partial_frame()
    }

    /// So many bytes have come there.
    pub(crate) fn commit_direct_read(&mut self, len: usize) {
        match self.decoder.commit_direct_read(len) {
            Ok(()) => {}
            // Messages that crossed our close frame are dropped.
            Err(_) if self.is_closing() => self.stop_awaiting_close(),
            Err(fault) => self.begin_drain(CloseReason::Protocol(fault)),
        }
    }

    /// A message in memory of its own is going to be handled; it is to be given back
    /// [afterwards](Self::end_message).
    pub(crate) fn begin_message(&mut self, message: &InboundMessage<'_>) {
        match message {
            InboundMessage::Text(text) => self.outbox.begin_message(text.as_bytes()),
            InboundMessage::Binary(bytes) => self.outbox.begin_message(bytes),
            InboundMessage::Ping(_) | InboundMessage::Pong(_) => {}
        }
    }

    /// It has been handled. Its memory is that of what was sent of it, or the thread's; says how many
    /// bytes it held.
    pub(crate) fn end_message(&mut self, message: InboundMessage<'_>) -> usize {
        let Some(bytes) = message.into_buffer() else { return 0 };
        let len = bytes.len();
        if let Some(bytes) = self.outbox.end_message(bytes) {
            self.decoder.recycle(bytes);
        }
        len
    }

    /// Keeps what `next_message` or `read_ahead` left of the input.
    #[inline]
    pub(crate) fn store_unread(&mut self, rest: &[u8]) {
        if !rest.is_empty() && self.should_retain_input() {
            self.unread = UnreadInput::from(rest.to_vec());
        }
    }

    /// Takes the next message off the front of the input. `None` if it needs more input, if
    /// reading is off, or if the connection ends.
    #[inline(always)]
    pub(crate) fn next_message<'a>(&mut self, input: &mut &'a mut [u8]) -> Option<InboundMessage<'a>> {
        self.needs_more_input = input.is_empty();
        if self.needs_more_input {
            return None;
        }
        // What most messages are is found out with a few looks; all the rest is not inlined.
        if self.is_open() && self.is_reading() && self.liveness.is_none() {
            match self.decoder.decode_short(input) {
                Some(Ok(Decoded::Text(text))) => return Some(InboundMessage::Text(text)),
                Some(Ok(Decoded::Binary(bytes))) => return Some(InboundMessage::Binary(bytes)),
                Some(Err(fault)) => {
                    self.begin_drain(CloseReason::Protocol(fault));
                    return None;
                }
                _ => {}
            }
        }
        self.next_message_slow(input)
    }

    fn next_message_slow<'a>(&mut self, input: &mut &'a mut [u8]) -> Option<InboundMessage<'a>> {
        while self.is_closing() && !self.is_finished() {
            match self.decoder.decode(input) {
                // Messages that crossed our close frame are dropped.
                Ok(Some(Decoded::Close(_))) | Err(_) => self.stop_awaiting_close(),
                Ok(Some(_)) => {}
                Ok(None) => {
                    self.needs_more_input = true;
                    return None;
                }
            }
        }
        if !self.is_open() || !self.is_reading() {
            return None;
        }
        match self.decoder.decode(input) {
            Ok(Some(message)) if !self.check_rate(&message) => {
                self.begin_drain(CloseReason::Protocol(ProtocolError::LimitExceeded));
                None
            }
            Ok(Some(Decoded::Text(text))) => Some(InboundMessage::Text(text)),
            Ok(Some(Decoded::Binary(bytes))) => Some(InboundMessage::Binary(bytes)),
            Ok(Some(Decoded::Ping(payload))) => {
                if !self.is_managed() {
                    self.push(Opcode::Pong, payload);
                }
                Some(InboundMessage::Ping(Cow::Borrowed(payload)))
            }
            Ok(Some(Decoded::Pong(payload))) => Some(InboundMessage::Pong(Cow::Borrowed(payload))),
            Ok(Some(Decoded::Close(close))) => {
                self.begin_drain(CloseReason::Remote(close));
                None
            }
            Ok(None) => {
                self.needs_more_input = true;
                None
            }
            Err(fault) => {
                self.begin_drain(CloseReason::Protocol(fault));
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
            let Some(message) = self.next_message(&mut rest) else { break };
            self.read_ahead_queue.push(message);
        }
        len - rest.len()
    }

    #[inline]
    pub(crate) fn has_read_ahead(&self) -> bool {
        !self.read_ahead_queue.is_empty()
    }

    /// The next message that was read ahead.
    pub(crate) fn next_read_ahead(&mut self) -> Option<InboundMessage<'static>> {
        if self.can_deliver_read_ahead() { self.read_ahead_queue.pop() } else { None }
    }

    /// Whether it may be handled now. At the end it may, even if reading was off.
    #[inline]
    pub(crate) fn can_deliver_read_ahead(&self) -> bool {
        let allowed = match self.phase() {
            None => self.is_reading(),
            Some(Phase::Draining) => !self.is_blocked_by_client(),
            Some(Phase::Closing { .. }) => false,
        };
        allowed && !self.read_ahead_queue.is_empty()
    }

    /// Whether what was read may still be of use. At an end that the client answers, its close frame
    /// is only found behind that.
    fn should_retain_input(&self) -> bool {
        !self.is_draining() || self.close_reason().is_some_and(expects_close_reply)
    }
}
