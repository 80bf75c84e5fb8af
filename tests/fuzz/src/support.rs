//! What the targets have in common.

use ws_core::fuzzing::{Decoder, frame};
use ws_core::{Message, ProtocolError};

/// What ends each compressed message and is not sent (RFC 7692 §7.2.1).
pub const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// What the fuzzer says, taken from the front; what it does not say is zero.
pub struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    pub fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or_default()
    }

    /// Bytes, fewer if there are no more.
    pub fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// Where a stream is cut: a count, and so many distances.
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

/// How a stream is cut.
#[derive(Debug)]
pub enum Cuts {
    /// Here, in order.
    At(Vec<usize>),
    /// Everywhere.
    Everywhere,
}

impl Cuts {
    /// The pieces of a stream.
    pub fn pieces<'a>(&self, mut stream: &'a [u8]) -> Vec<&'a [u8]> {
        let Self::At(places) = self else { return stream.chunks(1).collect() };
        let (mut pieces, mut at) = (Vec::new(), 0);
        for place in places {
            let (piece, rest) = stream.split_at((place - at).min(stream.len()));
            pieces.push(piece);
            (stream, at) = (rest, *place);
        }
        pieces.push(stream);
        pieces
    }
}

/// The frames of a message whose payload is cut into parts.
pub fn fragments(first: u8, payload: &[u8], len: usize) -> Vec<u8> {
    if payload.is_empty() {
        return frame(first | 0x80, payload);
    }
    let count = payload.len().div_ceil(len);
    let one =
        |(at, part)| frame(if at == 0 { first } else { 0 } | if at + 1 == count { 0x80 } else { 0 }, part);
    payload.chunks(len).enumerate().flat_map(one).collect()
}

/// What became of a stream: the messages, and the fault that ended it.
#[derive(Debug, PartialEq, Eq)]
pub struct Verdict {
    pub messages: Vec<Message>,
    pub fault: Option<ProtocolError>,
}

/// Decodes a stream in pieces, up to a fault or a close frame. On the way nothing takes more memory
/// than it may.
pub fn decode(mut decoder: Decoder, limit: usize, stream: &[u8], cuts: &Cuts) -> Verdict {
    let (mut messages, mut held, mut arrived) = (Vec::new(), Vec::new(), 0);
    for piece in cuts.pieces(stream) {
        held.extend_from_slice(piece);
        arrived += piece.len();
        let left = match decoder.decode(&mut held, &mut messages) {
            Ok(left) => left,
            Err(fault) => return Verdict { messages, fault: Some(fault) },
        };
        if let Some(Message::Close(_)) = messages.last() {
            break;
        }
        assert!(left < 14 + 125, "{left} bytes are left");
        held.drain(..held.len() - left);
        // Deflate makes a thousand of one, and 256 more are room to inflate to.
        let most = (2 * limit + 1).min(2 * 1032 * arrived + 256);
        assert!(decoder.capacity() <= most, "{} bytes for a limit of {limit}", decoder.capacity());
    }
    Verdict { messages, fault: None }
}
