//! Messages that are delivered in parts, as they arrive, so that no message is stored.

use std::borrow::Cow;

use super::partial_message::{PartialFrame, PartialMessage};
use super::{Decoded, Decoder, Progress, split_front};
use crate::close::ProtocolError;
use crate::message::{MessageKind, PartBuf};
use crate::wire::deflate::{ThreadBuffer, recycle};
use crate::wire::mask;

impl Decoder {
    /// Delivers incomplete messages in parts, instead of assembling them.
    ///
    /// A message that arrives at once is decoded as before: the message is its only part.
    pub(crate) fn deliver_in_parts(&mut self) {
        self.takes_parts = true;
    }

    /// Like [`continue_frame`](Self::continue_frame), but for messages in parts.
    ///
    /// All available input is used, except for that of a compressed frame whose output exceeds a part.
    #[inline(never)]
    pub(super) fn continue_part<'a>(
        &mut self,
        mut frame: PartialFrame,
        input: &mut &'a mut [u8],
    ) -> Result<Progress<'a>, ProtocolError> {
        if self.is_compressed() {
            return self.continue_compressed_part(frame, input);
        }
        let bytes = &*{
            let bytes = split_front(input, frame.remaining.min(input.len()));
            mask::apply(bytes, frame.mask);
            bytes
        };
        let message = self.message.get_or_insert_default();
        let len = bytes.len();
        let is_last = frame.fin && len == frame.remaining;
        let bytes = match message.utf8.incomplete() {
            [] => Cow::Borrowed(bytes),
            incomplete => {
                let mut buffer = ThreadBuffer::Inflated.take();
                buffer.extend_from_slice(incomplete);
                buffer.extend_from_slice(bytes);
                Cow::Owned(buffer)
            }
        };
        let part = message.next_part(bytes, is_last, self.validate_utf8)?;
        message.delivered = message.delivered.saturating_add(len);
        frame.advance(len);
        Ok(self.finish_part(frame, part))
    }

    /// Inflates the next part of a compressed message.
    fn continue_compressed_part<'a>(
        &mut self,
        mut frame: PartialFrame,
        input: &mut &'a mut [u8],
    ) -> Result<Progress<'a>, ProtocolError> {
        let Self { inflater: Some(inflater), message: Some(message), .. } = self else {
            return Ok(Progress::Incomplete);
        };
        let mut out = ThreadBuffer::Inflated.take();
        out.extend_from_slice(message.utf8.incomplete());
        let start = out.len();
        let max = self.max_message_size.saturating_sub(message.delivered).saturating_add(start);
        inflater.start_part(&out);
        let available = frame.remaining.min(input.len());
        mask::apply(&mut input[..available], frame.mask);
        let progress = inflater.feed_part(&input[..available], &mut out, max).and_then(|used| {
            if used == frame.remaining && (frame.fin || inflater.is_per_frame()) {
                inflater.finish(&mut out, max, |_| Ok(()))?;
            }
            Ok(used)
        });
        let used = match progress {
            Ok(used) => used,
            Err(error) => {
                split_front(input, available);
                out.truncate(max);
                // Text that was invalid before the error takes precedence, however the input was split.
                let text = message.next_part(Cow::Owned(out), false, self.validate_utf8);
                return Err(text.err().unwrap_or(error));
            }
        };
        split_front(input, used);
        frame.advance(used);
        // The input that waits until the part has been handled is masked again.
        mask::apply(&mut input[..available - used], frame.mask);
        inflater.finish_part(&out);
        message.delivered = message.delivered.saturating_add(out.len() - start);
        let is_last = frame.fin && frame.remaining == 0;
        let part = message.next_part(Cow::Owned(out), is_last, self.validate_utf8)?;
        Ok(self.finish_part(frame, part))
    }

    /// Records the progress of the frame, and returns the part, if there is one.
    fn finish_part<'a>(&mut self, frame: PartialFrame, part: Option<PartBuf<'a>>) -> Progress<'a> {
        if frame.remaining == 0 && frame.fin {
            self.message.take().map(PartialMessage::finish);
        } else if let Some(message) = &mut self.message {
            message.frame = (frame.remaining > 0).then_some(frame);
        }
        match part {
            Some(part) => Progress::Message(Decoded::Part(part)),
            None if frame.remaining > 0 => Progress::Incomplete,
            None => Progress::Frame,
        }
    }
}

impl PartialFrame {
    /// Marks the next `len` bytes as decoded.
    fn advance(&mut self, len: usize) {
        self.mask = mask::advance(self.mask, len);
        self.remaining -= len;
    }
}

impl PartialMessage {
    /// Returns the next part of the message, from all bytes that were not delivered. Returns `None` if there is
    /// nothing to deliver.
    fn next_part<'a>(
        &mut self,
        bytes: Cow<'a, [u8]>,
        is_last: bool,
        validates: bool,
    ) -> Result<Option<PartBuf<'a>>, ProtocolError> {
        let is_first = !self.is_started;
        let part = if self.kind == MessageKind::Binary {
            PartBuf::binary(bytes, is_first, is_last)
        } else {
            let end = if is_last { bytes.len() } else { self.utf8.hold_back(&bytes) };
            PartBuf::text(decode_text(bytes, end, validates)?, is_first, is_last)
        };
        if part.part().is_empty() && !is_last {
            if let Some(buffer) = part.into_buffer() {
                recycle(buffer);
            }
            return Ok(None);
        }
        self.is_started = true;
        Ok(Some(part))
    }
}

/// Returns the first `end` bytes as text. Without validation, invalid sequences are replaced.
fn decode_text(bytes: Cow<'_, [u8]>, end: usize, validates: bool) -> Result<Cow<'_, str>, ProtocolError> {
    match bytes {
        Cow::Borrowed(bytes) => match simdutf8::basic::from_utf8(&bytes[..end]) {
            Ok(text) => Ok(Cow::Borrowed(text)),
            Err(_) if validates => Err(ProtocolError::BadEncoding),
            Err(_) => Ok(String::from_utf8_lossy(&bytes[..end])),
        },
        Cow::Owned(mut bytes) => {
            bytes.truncate(end);
            match String::from_utf8(bytes) {
                Ok(text) => Ok(Cow::Owned(text)),
                Err(_) if validates => Err(ProtocolError::BadEncoding),
                Err(error) => Ok(Cow::Owned(String::from_utf8_lossy(error.as_bytes()).into_owned())),
            }
        }
    }
}

#[cfg(test)]
mod tests;
