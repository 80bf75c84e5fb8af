//! Large payloads, which are read from the socket straight into the buffer of their message.

use super::Decoder;
use super::partial_message::{PartialFrame, PartialMessage};
use crate::close::ProtocolError;
use crate::message::MessageKind;
use crate::wire::deflate::recycle;
use crate::wire::mask;
use crate::wire::message_pool::{self, Loan, ROOM_AFTER_FRAME};

/// The fewest remaining bytes of a frame for which a direct read is worth a system call. Fewer bytes are
/// read together with the bytes that follow the frame.
const MIN_REMAINING: usize = 4 << 10;

/// The smallest buffer for a direct read, unless fewer bytes are missing.
const MIN_DIRECT_READ: usize = 32 << 10;

/// The largest direct read. The limit is fair to other connections, and keeps the bytes in the processor's
/// cache until they are unmasked.
const MAX_DIRECT_READ: usize = 512 << 10;

impl Decoder {
    /// Returns whether the payload of a data frame is incomplete.
    #[inline]
    pub(crate) fn has_partial_frame(&self) -> bool {
        self.message.as_ref().is_some_and(|message| message.frame.is_some())
    }

    /// Returns the buffer for the next bytes, if many of them belong to the payload of one frame.
    ///
    /// Afterwards, [`take_frame_end`](Self::take_frame_end) and [`commit_direct_read`](Self::commit_direct_read)
    /// have to be called.
    pub(crate) fn direct_read_buf(&mut self) -> Option<&mut [u8]> {
        let is_excluded = self.takes_parts || self.is_compressed();
        let PartialMessage { frame, payload, loan, .. } = &mut **self.message.as_mut()?;
        let frame = frame.as_mut().filter(|frame| frame.remaining >= MIN_REMAINING && !is_excluded)?;
        let filled = payload.len() - frame.reserved;
        let total = filled + frame.remaining;
        if frame.reserved < MIN_DIRECT_READ && frame.reserved < frame.remaining {
            if !use_pooled_buffer(payload, loan, filled, total) {
                if filled < MIN_DIRECT_READ {
                    return None;
                }
                let target = (2 * filled).max(payload.capacity()).min(total + ROOM_AFTER_FRAME);
                grow(payload, target);
                payload.resize(target, 0);
            }
            frame.reserved = payload.len() - filled;
        }
        let is_worth_it = frame.reserved >= MIN_DIRECT_READ || frame.reserved >= frame.remaining;
        is_worth_it.then(|| &mut payload[filled..filled + frame.reserved.min(MAX_DIRECT_READ)])
    }

    /// Copies the last byte of the frame and the bytes that follow it to the start of `input`, if they are among
    /// the `len` bytes that were read into the [direct read buffer](Self::direct_read_buf). Returns their number.
    ///
    /// They are input for [`decode`](Self::decode), which completes the frame.
    pub(crate) fn take_frame_end(&self, len: usize, input: &mut [u8]) -> usize {
        let Some(PartialMessage { frame: Some(frame), payload, .. }) = self.message.as_deref() else {
            return 0;
        };
        let filled = payload.len() - frame.reserved;
        let end = &payload[(filled + frame.remaining - 1).min(filled + len)..filled + len];
        input[..end.len()].copy_from_slice(end);
        end.len()
    }

    /// Processes `len` bytes of the frame, without its last one, that were read into the
    /// [direct read buffer](Self::direct_read_buf).
    pub(crate) fn commit_direct_read(&mut self, len: usize) -> Result<(), ProtocolError> {
        let Some(message) = &mut self.message else { return Ok(()) };
        let PartialMessage { kind, frame: Some(frame), payload, utf8, .. } = &mut **message else {
            return Ok(());
        };
        let filled = payload.len() - frame.reserved;
        let part = &mut payload[filled..filled + len];
        mask::apply(part, frame.mask);
        frame.mask = mask::advance(frame.mask, len);
        frame.remaining -= len;
        frame.reserved -= len;
        if self.validate_utf8 && *kind == MessageKind::Text { utf8.feed(part) } else { Ok(()) }
    }

    /// Returns the buffer of a message that was handled to the thread.
    pub(crate) fn recycle(&self, message: Vec<u8>) {
        if self.inflater.is_some() || self.takes_parts {
            recycle(message);
        } else {
            message_pool::put(message);
        }
    }
}

impl PartialMessage {
    /// Appends bytes that were read into another buffer.
    pub(super) fn append(&mut self, frame: &mut PartialFrame, part: &[u8]) {
        let filled = self.payload.len() - frame.reserved;
        if use_pooled_buffer(&mut self.payload, &mut self.loan, filled, filled + frame.remaining) {
            frame.reserved = self.payload.len() - filled;
        }
        if part.len() < frame.remaining && part.len() <= frame.reserved {
            self.payload[filled..filled + part.len()].copy_from_slice(part);
            frame.reserved -= part.len();
            return;
        }
        // The reserved bytes are not part of the message.
        self.payload.truncate(filled);
        frame.reserved = 0;
        let needed = filled + part.len();
        if needed > self.payload.capacity() {
            grow(&mut self.payload, (needed * 2).min(filled + frame.remaining + ROOM_AFTER_FRAME));
        }
        self.payload.extend_from_slice(part);
    }
}

/// Moves the message to a buffer of the thread, if the current buffer is too small for all `total` bytes and
/// the thread has a buffer, which usually has room for what follows. Returns whether the message was moved.
fn use_pooled_buffer(payload: &mut Vec<u8>, loan: &mut Loan, filled: usize, total: usize) -> bool {
    if total <= payload.capacity() {
        return false;
    }
    let Some((mut buffer, lent)) = message_pool::take(total) else { return false };
    buffer.resize(buffer.capacity().min(total + ROOM_AFTER_FRAME), 0);
    buffer[..filled].copy_from_slice(&payload[..filled]);
    *payload = buffer;
    *loan = lent;
    true
}

/// Grows the buffer to `capacity`.
///
/// Callers pass at most twice the number of bytes that have arrived, so that growth is cheap on average, and
/// at most the size that the frame announces, with [`ROOM_AFTER_FRAME`]. A header alone therefore allocates
/// nothing.
fn grow(payload: &mut Vec<u8>, capacity: usize) {
    payload.reserve_exact(capacity.saturating_sub(payload.len()));
}

#[cfg(test)]
mod tests;
