//! Helpers of the targets.

use ws_core::fuzzing::{Decoder, frame};
use ws_core::{Message, ProtocolError};

/// The end of each compressed message, which is not sent (RFC 7692 §7.2.1).
pub const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// The fuzzer's input, taken from the front. Missing bytes are zero.
pub struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    pub fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or_default()
    }

    /// Takes up to `len` bytes.
    pub fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, remaining) = self.0.split_at(len.min(self.0.len()));
        self.0 = remaining;
        taken
    }

    /// Takes the positions at which a stream is cut: a count, then one distance for each.
    pub fn cuts(&mut self) -> Cuts {
        let count = usize::from(self.byte() % 8);
        let mut at = 0;
        let next = |distance: &u8| {
            at += usize::from(*distance);
            at
        };
        Cuts::At(self.take(count).iter().map(next).collect())
    }
}

/// The positions at which a stream is cut.
#[derive(Debug)]
pub enum Cuts {
    /// At these offsets, in ascending order.
    At(Vec<usize>),
    /// After each byte.
    Everywhere,
}

impl Cuts {
    /// Returns the pieces of a stream.
    pub fn pieces<'a>(&self, mut stream: &'a [u8]) -> Vec<&'a [u8]> {
        let Self::At(places) = self else { return stream.chunks(1).collect() };
        let (mut pieces, mut at) = (Vec::new(), 0);
        for place in places {
            let (piece, remaining) = stream.split_at((place - at).min(stream.len()));
            pieces.push(piece);
            (stream, at) = (remaining, *place);
        }
        pieces.push(stream);
        pieces
    }
}

/// Returns the frames of a message, with `len` bytes of payload each.
pub fn fragments(first: u8, payload: &[u8], len: usize) -> Vec<u8> {
    if payload.is_empty() {
        return frame(first | 0x80, payload);
    }
    let count = payload.len().div_ceil(len);
    let fragment =
        |(at, part)| frame(if at == 0 { first } else { 0 } | if at + 1 == count { 0x80 } else { 0 }, part);
    payload.chunks(len).enumerate().flat_map(fragment).collect()
}

/// The result of decoding a stream: the messages, and the error that ended it.
#[derive(Debug, PartialEq, Eq)]
pub struct Verdict {
    pub messages: Vec<Message>,
    pub error: Option<ProtocolError>,
}

/// Decodes a stream in pieces, up to an error or a close frame, and checks that the memory stays within the
/// limit.
pub fn decode(mut decoder: Decoder, limit: usize, stream: &[u8], cuts: &Cuts) -> Verdict {
    let (mut messages, mut stored, mut arrived) = (Vec::new(), Vec::new(), 0);
    for piece in cuts.pieces(stream) {
        stored.extend_from_slice(piece);
        arrived += piece.len();
        let left = match decoder.decode(&mut stored, &mut messages) {
            Ok(left) => left,
            Err(error) => return Verdict { messages, error: Some(error) },
        };
        if let Some(Message::Close(_)) = messages.last() {
            break;
        }
        assert!(left < 14 + 125, "{left} bytes are left");
        stored.drain(..stored.len() - left);
        // Deflate expands at most 1,032 times, and each step inflates to 256 bytes or more.
        let limit_now = (2 * limit + 1).min(2 * 1032 * arrived + 256);
        assert!(decoder.capacity() <= limit_now, "{} bytes for a limit of {limit}", decoder.capacity());
    }
    Verdict { messages, error: None }
}
