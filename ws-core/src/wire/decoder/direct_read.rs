//! Large payloads, which are read to where they belong.

use super::Decoder;
use super::partial_message::{MessageKind, PartialFrame, PartialMessage};
use crate::close::ProtocolError;
use crate::wire::deflate::recycle;
use crate::wire::mask;
use crate::wire::message_pool::{self, Loan};

/// What is left of a frame is read by itself if it is this much, and else with what follows.
const MIN_REMAINING: usize = 4 << 10;

/// For less room than this nothing is read by itself, unless there is no more to come.
const MIN_DIRECT_READ: usize = 32 << 10;

/// The most that is read at once, so that others get their turn; and so that it is still in the
/// processor's cache when it is unmasked.
const MAX_DIRECT_READ: usize = 512 << 10;

impl Decoder {
    /// Whether the payload of a data frame is arriving.
    #[inline(always)]
    pub(crate) fn has_partial_frame(&self) -> bool {
        self.message.as_ref().is_some_and(|message| message.frame.is_some())
    }

    /// Where what comes next goes, if that is much and nothing but payload; to be told to
    /// [`commit_direct_read`](Self::commit_direct_read). The last byte is left for [`decode`](Self::decode), which ends the
    /// frame.
    pub(crate) fn direct_read_buf(&mut self) -> Option<&mut [u8]> {
        let is_compressed = self.is_compressed();
        let PartialMessage { frame, payload, loan, .. } = &mut **self.message.as_mut()?;
        let frame = frame.as_mut().filter(|frame| frame.remaining >= MIN_REMAINING && !is_compressed)?;
        let filled = payload.len() - frame.reserved;
        let whole = filled + frame.remaining;
        if frame.reserved < MIN_DIRECT_READ && frame.reserved < frame.remaining - 1 {
            let is_lent = use_pooled_buffer(payload, loan, filled, whole);
            if !is_lent && filled < MIN_DIRECT_READ {
                return None;
            }
            let target = if is_lent { whole } else { (2 * filled).max(payload.capacity()).min(whole) };
            grow(payload, target);
            payload.resize(target, 0);
            frame.reserved = payload.len() - filled;
        }
        let room = frame.reserved.min(frame.remaining - 1);
        let is_worth_it = room >= MIN_DIRECT_READ || room + 1 == frame.remaining;
        is_worth_it.then(|| &mut payload[filled..filled + room.min(MAX_DIRECT_READ)])
    }

    /// So many bytes have come there.
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

    /// A message has been handled: its memory is the thread's.
    pub(crate) fn recycle(&self, message: Vec<u8>) {
        if self.inflater.is_some() { recycle(message) } else { message_pool::put(message) }
    }
}

impl PartialMessage {
    /// Adds what was read to somewhere else.
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
        // What was not read to is no part of the message.
        self.payload.truncate(filled);
        frame.reserved = 0;
        let needed = filled + part.len();
        if needed > self.payload.capacity() {
            grow(&mut self.payload, (needed * 2).min(filled + frame.remaining));
        }
        self.payload.extend_from_slice(part);
    }
}

/// Goes on in a buffer of the thread, if there is one and the message will not fit into what it has.
fn use_pooled_buffer(payload: &mut Vec<u8>, loan: &mut Loan, filled: usize, whole: usize) -> bool {
    if whole <= payload.capacity() {
        return false;
    }
    let Some((mut buffer, lent)) = message_pool::take(whole) else { return false };
    buffer.resize(whole, 0);
    buffer[..filled].copy_from_slice(&payload[..filled]);
    *payload = buffer;
    *loan = lent;
    true
}

/// Makes room for so many bytes in all: twice what has arrived, so that growing is cheap, but never more
/// than the frame announces. What the header says alone makes nobody allocate.
fn grow(payload: &mut Vec<u8>, capacity: usize) {
    payload.reserve_exact(capacity.saturating_sub(payload.len()));
}

#[cfg(test)]
mod tests;
