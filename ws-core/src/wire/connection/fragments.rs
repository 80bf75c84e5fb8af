//! Messages that the handler sends in fragments (RFC 6455 §5.4).

use std::io;

use super::super::deflate::ThreadBuffer;
use super::super::frame::Opcode;
use super::super::outbox::FragmentHeader;
use super::super::utf8::Utf8Validator;
use super::Connection;
use crate::error::HandlerError;
use crate::message::MessageKind;

/// The largest fragment, in bytes before compression.
const MAX_FRAGMENT: usize = 64 << 10;

/// The smallest value of that limit, for connections whose high-water mark is low.
const MIN_FRAGMENT: usize = 1 << 10;

/// A message whose last fragment is not queued. The sender holds it, because most connections have none.
#[derive(Debug)]
pub(crate) struct UnfinishedMessage {
    kind: MessageKind,
    is_started: bool,
    is_compressed: bool,
    utf8: Utf8Validator,
}

impl Connection {
    /// Starts a message in fragments. Until the message is finished or abandoned, other messages have to wait, as
    /// fragments of two messages cannot be told apart: one more message abandons this one. Control frames need not
    /// wait.
    pub(crate) fn begin_fragments(&mut self, kind: MessageKind) -> UnfinishedMessage {
        self.abandon_fragments();
        let is_compressed = self.deflater().is_some_and(|deflater| deflater.compresses_fragments());
        let utf8 = Utf8Validator::default();
        self.has_unfinished_message = true;
        UnfinishedMessage { kind, is_started: false, is_compressed, utf8 }
    }

    /// Returns whether a message in fragments has begun and is not finished.
    #[inline]
    pub(crate) fn has_unfinished_message(&self) -> bool {
        self.has_unfinished_message
    }

    /// Returns the largest fragment: the outbox then holds at most twice its high-water mark.
    pub(crate) fn max_fragment(&self) -> usize {
        self.options().outbox_high_water.clamp(MIN_FRAGMENT, MAX_FRAGMENT)
    }

    /// Queues a fragment. The caller has waited until the outbox is below its high-water mark.
    ///
    /// # Errors
    ///
    /// `BrokenPipe` if nothing more can be sent, and `InvalidData` if text is not UTF-8. The message is then still
    /// unfinished.
    pub(crate) fn send_fragment(
        &mut self,
        message: &mut UnfinishedMessage,
        payload: &[u8],
        is_last: bool,
    ) -> Result<(), io::ErrorKind> {
        if self.is_closing() || self.has_write_failed() {
            return Err(io::ErrorKind::BrokenPipe);
        }
        let opcode = match message.kind {
            MessageKind::Text => {
                let utf8 = &mut message.utf8;
                let end = if is_last {
                    utf8.feed(payload).and_then(|()| utf8.finish())
                } else {
                    utf8.feed(payload)
                };
                end.map_err(|_| io::ErrorKind::InvalidData)?;
                Opcode::Text
            }
            MessageKind::Binary => Opcode::Binary,
        };
        let is_first = !std::mem::replace(&mut message.is_started, true);
        let starts = is_first.then_some(opcode);
        // An empty message is not compressed.
        let is_compressed = message.is_compressed && !(is_first && is_last && payload.is_empty());
        let header = FragmentHeader { starts, is_last, is_compressed };
        self.has_unfinished_message = !is_last;
        if is_last {
            self.count_sent(opcode);
        }
        #[cfg(feature = "inspect")]
        if self.extras.encoder().is_some() {
            self.tap_sent(opcode, payload, Some((is_first, is_last)));
        }
        let deflater = self.extras.encoder_mut().and_then(|encoder| encoder.deflater.as_mut());
        let Some(deflater) = deflater.filter(|_| is_compressed) else {
            self.outbox.push_fragment(header, payload);
            return Ok(());
        };
        let mut draft = ThreadBuffer::Draft.take();
        let is_encoded = payload.is_empty() || deflater.compress_fragment(payload, &mut draft);
        if is_last {
            deflater.finish_fragments(&mut draft);
        }
        self.outbox.push_fragment(header, &draft);
        ThreadBuffer::Draft.put(draft);
        if !is_encoded {
            self.close_with_error(&HandlerError::Reply("the encoder of a message failed".into()));
            return Err(io::ErrorKind::BrokenPipe);
        }
        Ok(())
    }

    /// Closes the connection if a message in fragments is not finished: RFC 6455 has no way to end the message, and
    /// the client would wait for it.
    ///
    /// A writer that is dropped abandons its message. A writer that was leaked cannot, so the next message and the
    /// next poll without a method do.
    // PERF: called for every message and every poll. budget: text64, info
    #[inline(always)]
    pub(crate) fn abandon_fragments(&mut self) {
        if self.has_unfinished_message {
            self.close_with_unfinished_message();
        }
    }

    #[cold]
    fn close_with_unfinished_message(&mut self) {
        self.has_unfinished_message = false;
        let text = "a message of `send_parts` was abandoned before `finish`";
        self.close_with_error(&HandlerError::Reply(text.into()));
    }
}
