//! The decoder: from a client's frames of draft 76 to masked frames of RFC 6455.

use crate::close::ProtocolError;

/// Maximum number of output bytes per input byte: the two bytes `00 FF` become six.
const MAX_GROWTH: usize = 3;

/// Additional output bytes for the first and the last frame of an input, which may be fragments.
const CUT_FRAMES_OVERHEAD: usize = 16;

/// Maximum number of bytes of an encoded length. Each byte holds seven bits.
const MAX_LENGTH_BYTES: u8 = 9;

const FIN: u8 = 0x80;
const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const MASKED: u8 = 0x80;

/// The byte that ends a text frame. UTF-8 never contains it.
const TERMINATOR: u8 = 0xff;

/// The translation of the client's frames. The decoder stores no input: the part of an incomplete frame
/// becomes a fragment at once.
#[derive(Debug)]
pub(super) struct HixieDecoder {
    state: DecoderState,
    /// Whether the engine has received the first fragment of a message, but not the last.
    in_message: bool,
    /// Maximum length of a skipped frame.
    limit: usize,
    error: Option<ProtocolError>,
}

/// The position in the client's stream.
#[derive(Clone, Copy, Debug)]
enum DecoderState {
    /// Before the type byte of a frame.
    Type,
    /// Inside a frame of type 0, which is text.
    Text,
    /// Inside a frame of types 0x01 to 0x7F, which ends with 0xFF and is skipped.
    SentinelFrame { skipped: usize },
    /// Inside the length of a frame of types 0x80 to 0xFF. An empty frame of type 0xFF closes.
    Length { closes: bool, len: usize, bytes: u8 },
    /// Inside a frame of known length, which is skipped.
    LengthFrame { remaining: usize },
    /// The client has closed or violated the protocol.
    Closed,
}

impl HixieDecoder {
    pub(super) fn new(limit: usize) -> Self {
        Self { state: DecoderState::Type, in_message: false, limit, error: None }
    }

    /// Returns how many bytes of input fit into `room` bytes of output.
    pub(super) fn max_input(room: usize) -> usize {
        room.saturating_sub(CUT_FRAMES_OVERHEAD) / MAX_GROWTH
    }

    pub(super) fn is_closed(&self) -> bool {
        matches!(self.state, DecoderState::Closed)
    }

    /// Stops the translation; further input is ignored.
    pub(super) fn close(&mut self) {
        self.state = DecoderState::Closed;
    }

    /// Takes the client's protocol error, if there is one.
    pub(super) fn take_protocol_error(&mut self) -> Option<ProtocolError> {
        self.error.take()
    }

    /// Stores a taken protocol error again, to be reported later.
    pub(super) fn restore_protocol_error(&mut self, error: Option<ProtocolError>) {
        self.error = error;
    }

    /// Translates bytes, and passes the resulting frames to `out` in parts.
    pub(super) fn decode(&mut self, mut bytes: &[u8], mut out: impl FnMut(&[u8])) {
        let (mut produced_frame, has_input) = (false, !bytes.is_empty());
        while let Some((&first, remaining_bytes)) = bytes.split_first() {
            match self.state {
                DecoderState::Type => {
                    self.state = state_after_type(first);
                    bytes = remaining_bytes;
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
                    bytes = remaining_bytes;
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
            // Skipped input also shows that the client is alive.
            self.emit_text(&[], false, &mut out);
        }
    }

    /// Passes text to `out` as a frame or a fragment of the current message.
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
        // A masking key of zeros leaves the payload unchanged.
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

/// Returns the state after the type byte of a frame.
fn state_after_type(byte: u8) -> DecoderState {
    match byte {
        0x00 => DecoderState::Text,
        0x01..=0x7f => DecoderState::SentinelFrame { skipped: 0 },
        _ => DecoderState::Length { closes: byte == 0xff, len: 0, bytes: 0 },
    }
}

/// Returns the bytes before the end of a frame, and whether the end was found.
fn split_at_terminator(bytes: &[u8]) -> (&[u8], bool) {
    match bytes.iter().position(|byte| *byte == TERMINATOR) {
        Some(at) => (&bytes[..at], true),
        None => (bytes, false),
    }
}
