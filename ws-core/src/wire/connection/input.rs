//! Input: from the bytes that were read to the messages that the handler receives.

use std::borrow::Cow;

use super::super::decoder::Decoded;
use super::super::frame::Opcode;
use super::super::inbound_message::{BorrowedMessage, InboundMessage};
use super::super::unread::UnreadInput;
use super::Connection;
use super::closing::{Phase, expects_close_reply};
use crate::close::{CloseReason, ProtocolError};
use crate::message::MessageKind;
use crate::metrics::CountedKind;

impl Connection {
    /// Returns whether bytes should be read from the socket.
    #[inline]
    pub(crate) fn wants_input(&self) -> bool {
        match self.phase() {
            Phase::Open if self.deferred_until().is_some() || self.must_write_first() => false,
            Phase::Open => self.is_reading() && self.has_room(),
            Phase::Draining => false,
            Phase::Closing { awaiting_close } => awaiting_close && !self.must_write_first(),
        }
    }

    /// Takes the stored bytes, if they can be decoded now. They precede the bytes in the socket.
    #[inline]
    pub(crate) fn take_unread(&mut self) -> Option<UnreadInput> {
        (!self.unread.is_empty() && !self.needs_more_input && self.wants_input())
            .then(|| std::mem::take(&mut self.unread))
    }

    /// Returns bytes from [`take_unread`](Self::take_unread), of which the first `used` are decoded.
    pub(crate) fn return_unread(&mut self, mut unread: UnreadInput, used: usize) {
        unread.advance(used);
        if self.needs_more_input {
            self.store_unread(unread.bytes());
        } else if self.should_retain_input() {
            self.unread = unread;
        }
    }

    /// Stores the bytes that follow the message whose method was pending.
    pub(crate) fn restore_unread(&mut self, rest: UnreadInput) {
        if !rest.is_empty() {
            self.return_unread(rest, 0);
        }
    }

    /// Like [`restore_unread`](Self::restore_unread), but after a panic: replies that borrow from the input
    /// are copied, so that they are still sent.
    pub(crate) fn restore_after_panic(&mut self, rest: UnreadInput) {
        if self.outbox.end_input() {
            self.outbox.retain_input(rest.full());
        }
        self.restore_unread(rest);
    }

    /// Returns the number of stored bytes that precede the next read: at most 130, an incomplete header or
    /// short frame.
    #[inline]
    pub(crate) fn partial_len(&self) -> usize {
        self.unread.len()
    }

    /// Moves the stored bytes to `front`, the start of the read buffer.
    #[inline]
    pub(crate) fn prepend_partial(&mut self, front: &mut [u8]) {
        if !front.is_empty() {
            front.copy_from_slice(self.unread.bytes());
            self.unread = UnreadInput::default();
        }
    }

    /// Returns the buffer of a large message, if the next bytes can be read straight into that buffer.
    ///
    /// Afterwards, [`commit_direct_read`](Self::commit_direct_read) has to be called.
    pub(crate) fn direct_read_buf(&mut self) -> Option<&mut [u8]> {
        if self.unread.is_empty() { self.decoder.direct_read_buf() } else { None }
    }

    /// Returns whether the payload of a frame is incomplete.
    #[inline]
    pub(crate) fn has_partial_frame(&self) -> bool {
        self.decoder.has_partial_frame()
    }

    /// Processes `len` bytes that were read into the [direct read buffer](Self::direct_read_buf).
    ///
    /// Those that complete the frame and that follow it are moved to the start of `input`, to be handled like
    /// any other input. Returns their number.
    pub(crate) fn commit_direct_read(&mut self, len: usize, input: &mut [u8]) -> usize {
        let end = self.decoder.take_frame_end(len, input);
        if let Err(error) = self.decoder.commit_direct_read(len - end) {
            self.begin_drain(CloseReason::Protocol(error));
        }
        end
    }

    /// Announces that a message which may own its buffer is about to be handled.
    ///
    /// Afterwards, [`end_message`](Self::end_message) has to be called.
    pub(crate) fn begin_message(&mut self, message: &InboundMessage<'_>) {
        match message {
            InboundMessage::Text(text) => self.outbox.begin_message(text.as_bytes()),
            InboundMessage::Binary(bytes) => self.outbox.begin_message(bytes),
            InboundMessage::Part(part) if part.is_owned() => self.outbox.begin_message(part.part().bytes()),
            // Borrowed from the input, not from a buffer that `end_message` takes.
            InboundMessage::Part(_) | InboundMessage::Ping(_) | InboundMessage::Pong(_) => {}
        }
    }

    /// Takes back a message that was handled, and returns the length of its buffer.
    ///
    /// Replies that borrow from the buffer keep it alive. Without such replies, the buffer returns to the
    /// thread.
    pub(crate) fn end_message(&mut self, message: InboundMessage<'_>) -> usize {
        let Some(bytes) = message.into_buffer() else { return 0 };
        let len = bytes.len();
        if let Some(bytes) = self.outbox.end_message(bytes) {
            self.decoder.recycle(bytes);
        }
        len
    }

    /// Stores the input that [`next_message`](Self::next_message) or [`read_ahead`](Self::read_ahead) did
    /// not decode.
    #[inline]
    pub(crate) fn store_unread(&mut self, rest: &[u8]) {
        if !rest.is_empty() && self.should_retain_input() {
            self.unread = UnreadInput::from(rest.to_vec());
        }
    }

    /// Takes the next message off the front of the input.
    ///
    /// Returns `None` if the input is incomplete, if reading is stopped, or if the connection ends.
    pub(crate) fn next_message<'a>(&mut self, input: &mut &'a mut [u8]) -> Option<InboundMessage<'a>> {
        match self.next_short_message(input) {
            Some(message) => Some(message.into()),
            None => self.next_message_slow(input),
        }
    }

    /// Like [`next_message`](Self::next_message), but returns `None` also for a message that is not short, and
    /// not in one frame. Then [`next_message_slow`](Self::next_message_slow) has to be called.
    // PERF: a short message is decoded inline; everything else, and every error in the header, is left to the
    // general path, `next_message_slow`. budget: text64x16
    // The fuzz targets `connection` and `decoder`, replayed by `fuzzing::tests`, cover both paths.
    #[inline(always)]
    pub(crate) fn next_short_message<'a>(&mut self, input: &mut &'a mut [u8]) -> Option<BorrowedMessage<'a>> {
        if !self.is_open() || !self.is_reading() || self.has_extra_deadlines() {
            return None;
        }
        match self.decoder.decode_short(input)? {
            Ok(message) => {
                self.needs_more_input = false;
                self.metrics.on_received(match message {
                    BorrowedMessage::Text(_) => CountedKind::Text,
                    BorrowedMessage::Binary(_) => CountedKind::Binary,
                });
                Some(message)
            }
            Err(error) => {
                self.begin_drain(CloseReason::Protocol(error));
                None
            }
        }
    }

    /// General path of [`next_message`](Self::next_message): frames of any kind and length, in any phase.
    pub(crate) fn next_message_slow<'a>(&mut self, input: &mut &'a mut [u8]) -> Option<InboundMessage<'a>> {
        self.needs_more_input = input.is_empty();
        if self.needs_more_input {
            return None;
        }
        if self.is_closing() && !self.is_finished() {
            let input = std::mem::take(input);
            self.discard(input);
            self.needs_more_input = true;
            return None;
        }
        if !self.is_open() || !self.is_reading() {
            return None;
        }
        let decoded = self.decoder.decode(input);
        if let Ok(Some(message)) = &decoded {
            self.count_received(message);
        }
        match decoded {
            Ok(Some(message)) if !self.is_within_rate_limit(&message) => {
                self.begin_drain(CloseReason::Protocol(ProtocolError::LimitExceeded));
                None
            }
            Ok(Some(Decoded::Text(text))) => Some(InboundMessage::Text(text)),
            Ok(Some(Decoded::Binary(bytes))) => Some(InboundMessage::Binary(bytes)),
            Ok(Some(Decoded::Part(part))) => Some(InboundMessage::Part(part)),
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
            Err(error) => {
                self.begin_drain(CloseReason::Protocol(error));
                None
            }
        }
    }

    /// Counts a message. A message in parts counts with its last part.
    fn count_received(&mut self, message: &Decoded<'_>) {
        self.metrics.on_received(match message {
            Decoded::Text(_) => CountedKind::Text,
            Decoded::Part(part) if !part.part().is_last() => return,
            Decoded::Part(part) if part.part().kind() == MessageKind::Text => CountedKind::Text,
            Decoded::Binary(_) | Decoded::Part(_) => CountedKind::Binary,
            Decoded::Ping(_) => CountedKind::Ping,
            Decoded::Pong(_) => CountedKind::Pong,
            Decoded::Close(_) => CountedKind::Close,
        });
    }

    /// Decodes input while a method is pending, and returns the number of bytes that were decoded.
    ///
    /// Pings are answered and a close frame is detected. Messages are queued.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn read_ahead(&mut self, input: &mut [u8]) -> usize {
        self.read_ahead_unless(input, |_| false)
    }

    /// Decodes input like `read_ahead`, but messages that `is_consumed` has taken are not queued: answers to
    /// calls, which a method may wait for.
    pub(crate) fn read_ahead_unless(
        &mut self,
        input: &mut [u8],
        is_consumed: impl Fn(&InboundMessage<'_>) -> bool,
    ) -> usize {
        let len = input.len();
        let mut remaining = input;
        while self.is_closing() || self.has_room() {
            let Some(message) = self.next_message(&mut remaining) else { break };
            if is_consumed(&message) {
                self.recycle(message);
            } else {
                self.extras.read_ahead_mut().push(message);
            }
        }
        len - remaining.len()
    }

    /// Drops the message that is not complete, because the connection that carried it is lost. `len` is how many
    /// bytes have arrived since the end of the message before.
    pub(crate) fn drop_incomplete_message(&mut self, len: usize) {
        if let Some(kept) = self.unread.len().checked_sub(len) {
            // None of its bytes are decoded.
            self.unread.truncate(kept);
        } else {
            self.unread = UnreadInput::default();
            self.decoder.drop_message();
        }
    }

    /// Returns the buffer of a message that no method handles.
    pub(crate) fn recycle(&mut self, message: InboundMessage<'_>) {
        if let Some(bytes) = message.into_buffer() {
            self.decoder.recycle(bytes);
        }
    }

    #[inline]
    pub(crate) fn has_read_ahead(&self) -> bool {
        self.extras.read_ahead().is_some()
    }

    /// Returns the next message from the read-ahead queue, if the handler may receive one.
    pub(crate) fn next_read_ahead(&mut self) -> Option<InboundMessage<'static>> {
        if self.can_deliver_read_ahead() { self.extras.read_ahead_mut().pop() } else { None }
    }

    /// Returns whether the handler may receive a message from the read-ahead queue now.
    ///
    /// While the connection drains, the handler receives messages even if it had stopped reading.
    #[inline]
    pub(crate) fn can_deliver_read_ahead(&self) -> bool {
        let allowed = match self.phase() {
            Phase::Open => self.is_reading(),
            Phase::Draining => !self.is_blocked_by_client(),
            Phase::Closing { .. } => false,
        };
        allowed && self.has_read_ahead()
    }

    /// Returns whether input that is not decoded may still be needed.
    ///
    /// A draining connection only needs the input if it waits for the client's close frame, which follows
    /// that input.
    fn should_retain_input(&self) -> bool {
        !self.is_draining() || self.close_reason().is_some_and(expects_close_reply)
    }
}
