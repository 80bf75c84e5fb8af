//! From a client's frames to those of RFC 6455.

use crate::close::ProtocolError;

/// How many bytes of frames a byte of the client's becomes at most: `00 FF` are six.
const MAX_GROWTH: usize = 3;

/// How many more the first and the last frame of an input have, as they may have been cut.
const CUT_FRAMES_OVERHEAD: usize = 16;

/// The most bytes of a length, each of which has seven bits of it.
const MAX_LENGTH_BYTES: u8 = 9;

const FIN: u8 = 0x80;
const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const MASKED: u8 = 0x80;

/// What ends a frame of text, and no text has.
const TERMINATOR: u8 = 0xff;

/// The client's direction. It keeps nothing of what it is given: a frame that has not ended goes on
/// as a fragment.
#[derive(Debug)]
pub(super) struct HixieDecoder {
    state: DecoderState,
    /// Whether the engine has the beginning of a message, and waits for the rest.
    in_message: bool,
    /// How many bytes of a frame are skipped.
    limit: usize,
    error: Option<ProtocolError>,
}

/// Where in the stream it is.
#[derive(Clone, Copy, Debug)]
enum DecoderState {
    /// Before the type of a frame.
    Type,
    /// In a frame of type 0, which is text.
    Text,
    /// In a frame of another type that ends with 0xFF: it is skipped.
    SentinelFrame { skipped: usize },
    /// In the length of a frame. Of type 0xFF an empty one closes.
    Length { closes: bool, len: usize, bytes: u8 },
    /// In a frame whose length is known: it is skipped.
    LengthFrame { remaining: usize },
    /// The client has closed, or sent what is none of these.
    Closed,
}

impl HixieDecoder {
    pub(super) fn new(limit: usize) -> Self {
        Self { state: DecoderState::Type, in_message: false, limit, error: None }
    }

    /// How many bytes of a client can be translated to so many.
    pub(super) fn max_input(room: usize) -> usize {
        room.saturating_sub(CUT_FRAMES_OVERHEAD) / MAX_GROWTH
    }

    pub(super) fn is_closed(&self) -> bool {
        matches!(self.state, DecoderState::Closed)
    }

    /// Nothing that follows is translated.
    pub(super) fn close(&mut self) {
        self.state = DecoderState::Closed;
    }

    /// How the client broke the protocol, once.
    pub(super) fn take_protocol_error(&mut self) -> Option<ProtocolError> {
        self.error.take()
    }

    /// It is to be told later.
    pub(super) fn restore_protocol_error(&mut self, error: Option<ProtocolError>) {
        self.error = error;
    }

    /// Gives the frames that the bytes become to `out`, in parts.
    pub(super) fn decode(&mut self, mut bytes: &[u8], mut out: impl FnMut(&[u8])) {
        let (mut produced_frame, has_input) = (false, !bytes.is_empty());
        while let Some((&first, rest)) = bytes.split_first() {
            match self.state {
                DecoderState::Type => {
                    self.state = state_after_type(first);
                    bytes = rest;
                }
                DecoderState::Text => {
                    let (text, ends) = split_at_terminator(bytes);
                    self.emit_text(text, ends, &mut out);
                    bytes = &bytes[text.len() + usize::from(ends)..];
                    produced_frame = true;
                }
                DecoderState::SentinelFrame { skipped } => {
                    let (part, ends) = split_at_terminator(bytes);
                    bytes = &bytes[part.len() + usize::from(ends)..];
                    let skipped = skipped.saturating_add(part.len());
                    self.state =
                        if ends { DecoderState::Type } else { DecoderState::SentinelFrame { skipped } };
                    if skipped > self.limit {
                        self.fail(ProtocolError::MessageTooBig);
                    }
                }
                DecoderState::Length { closes, len, bytes: before } => {
                    bytes = rest;
                    let len = len.saturating_mul(128).saturating_add(usize::from(first & 0x7f));
                    let is_last = first & 0x80 == 0;
                    self.state = match (is_last, len) {
                        (false, _) => DecoderState::Length { closes, len, bytes: before + 1 },
                        (true, 0) if closes => DecoderState::Closed,
                        (true, 0) => DecoderState::Type,
                        (true, remaining) => DecoderState::LengthFrame { remaining },
                    };
                    if self.is_closed() {
                        out(&[FIN | CLOSE, MASKED, 0, 0, 0, 0]);
                        produced_frame = true;
                    } else if len > self.limit {
                        self.fail(ProtocolError::MessageTooBig);
                    } else if !is_last && before + 1 >= MAX_LENGTH_BYTES {
                        self.fail(ProtocolError::BadFrame("length does not end"));
                    }
                }
                DecoderState::LengthFrame { remaining } => {
                    let part = remaining.min(bytes.len());
                    bytes = &bytes[part..];
                    let remaining = remaining - part;
                    self.state = if remaining == 0 {
                        DecoderState::Type
                    } else {
                        DecoderState::LengthFrame { remaining }
                    };
                }
                DecoderState::Closed => break,
            }
        }
        if has_input && !produced_frame && !self.is_closed() {
            // What is skipped is a sign of life too.
            self.emit_text(&[], false, &mut out);
        }
    }

    /// Text, as a part of the message that it belongs to.
    fn emit_text(&mut self, text: &[u8], ends: bool, out: &mut impl FnMut(&[u8])) {
        let opcode = if self.in_message { 0 } else { TEXT };
        let first = if ends { FIN | opcode } else { opcode };
        match (u8::try_from(text.len()), u16::try_from(text.len())) {
            (Ok(len @ 0..=125), _) => out(&[first, MASKED | len]),
            (_, Ok(len)) => {
                out(&[first, MASKED | 0x7e]);
                out(&len.to_be_bytes());
            }
            _ => {
                out(&[first, MASKED | 0x7f]);
                out(&(text.len() as u64).to_be_bytes());
            }
        }
        // A key of zeros leaves the payload as it is.
        out(&[0; 4]);
        out(text);
        self.in_message = !ends;
        if ends {
            self.state = DecoderState::Type;
        }
    }

    fn fail(&mut self, error: ProtocolError) {
        self.state = DecoderState::Closed;
        self.error = Some(error);
    }
}

/// What follows the type of a frame.
fn state_after_type(byte: u8) -> DecoderState {
    match byte {
        0x00 => DecoderState::Text,
        0x01..=0x7f => DecoderState::SentinelFrame { skipped: 0 },
        _ => DecoderState::Length { closes: byte == 0xff, len: 0, bytes: 0 },
    }
}

/// What comes before the end of a frame, and whether the end is there.
fn split_at_terminator(bytes: &[u8]) -> (&[u8], bool) {
    match bytes.iter().position(|byte| *byte == TERMINATOR) {
        Some(at) => (&bytes[..at], true),
        None => (bytes, false),
    }
}
