//! From a client's frames to those of RFC 6455.

use crate::close::ProtocolError;

/// How many bytes of frames a byte of the client's becomes at most: `00 FF` are six.
const GROWTH: usize = 3;

/// How many more the first and the last frame of an input have, as they may have been cut.
const MORE: usize = 16;

/// The most bytes of a length, each of which has seven bits of it.
const MAX_LENGTH_BYTES: u8 = 9;

const FIN: u8 = 0x80;
const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const MASKED: u8 = 0x80;

/// What ends a frame of text, and no text has.
const END: u8 = 0xff;

/// The client's direction. It keeps nothing of what it is given: a frame that has not ended goes on
/// as a fragment.
#[derive(Debug)]
pub(super) struct Incoming {
    state: State,
    /// Whether the engine has the beginning of a message, and waits for the rest.
    is_begun: bool,
    /// How many bytes of a frame are skipped.
    limit: usize,
    fault: Option<ProtocolError>,
}

/// Where in the stream it is.
#[derive(Clone, Copy, Debug)]
enum State {
    /// Before the type of a frame.
    Type,
    /// In a frame of type 0, which is text.
    Text,
    /// In a frame of another type that ends with 0xFF: it is skipped.
    Marked { skipped: usize },
    /// In the length of a frame. Of type 0xFF an empty one closes.
    Length { closes: bool, len: usize, bytes: u8 },
    /// In a frame whose length is known: it is skipped.
    Counted { remaining: usize },
    /// The client has closed, or sent what is none of these.
    Over,
}

impl Incoming {
    pub(super) fn new(limit: usize) -> Self {
        Self { state: State::Type, is_begun: false, limit, fault: None }
    }

    /// How many bytes of a client can be translated to so many.
    pub(super) fn most(room: usize) -> usize {
        room.saturating_sub(MORE) / GROWTH
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// Nothing that follows is translated.
    pub(super) fn end(&mut self) {
        self.state = State::Over;
    }

    /// How the client broke the protocol, once.
    pub(super) fn take_fault(&mut self) -> Option<ProtocolError> {
        self.fault.take()
    }

    /// It is to be told later.
    pub(super) fn put_back(&mut self, fault: Option<ProtocolError>) {
        self.fault = fault;
    }

    /// Gives the frames that the bytes become to `out`, in parts.
    pub(super) fn translate(&mut self, mut bytes: &[u8], mut out: impl FnMut(&[u8])) {
        let (mut is_heard, is_something) = (false, !bytes.is_empty());
        while let Some((&first, rest)) = bytes.split_first() {
            match self.state {
                State::Type => {
                    self.state = typed(first);
                    bytes = rest;
                }
                State::Text => {
                    let (text, ends) = until_end(bytes);
                    self.text(text, ends, &mut out);
                    bytes = &bytes[text.len() + usize::from(ends)..];
                    is_heard = true;
                }
                State::Marked { skipped } => {
                    let (part, ends) = until_end(bytes);
                    bytes = &bytes[part.len() + usize::from(ends)..];
                    let skipped = skipped.saturating_add(part.len());
                    self.state = if ends { State::Type } else { State::Marked { skipped } };
                    if skipped > self.limit {
                        self.fail(ProtocolError::MessageTooBig);
                    }
                }
                State::Length { closes, len, bytes: before } => {
                    bytes = rest;
                    let len = len.saturating_mul(128).saturating_add(usize::from(first & 0x7f));
                    let is_last = first & 0x80 == 0;
                    self.state = match (is_last, len) {
                        (false, _) => State::Length { closes, len, bytes: before + 1 },
                        (true, 0) if closes => State::Over,
                        (true, 0) => State::Type,
                        (true, remaining) => State::Counted { remaining },
                    };
                    if self.is_over() {
                        out(&[FIN | CLOSE, MASKED, 0, 0, 0, 0]);
                        is_heard = true;
                    } else if len > self.limit {
                        self.fail(ProtocolError::MessageTooBig);
                    } else if !is_last && before + 1 >= MAX_LENGTH_BYTES {
                        self.fail(ProtocolError::BadFrame("length does not end"));
                    }
                }
                State::Counted { remaining } => {
                    let part = remaining.min(bytes.len());
                    bytes = &bytes[part..];
                    let remaining = remaining - part;
                    self.state = if remaining == 0 { State::Type } else { State::Counted { remaining } };
                }
                State::Over => break,
            }
        }
        if is_something && !is_heard && !self.is_over() {
            // What is skipped is a sign of life too.
            self.text(&[], false, &mut out);
        }
    }

    /// Text, as a part of the message that it belongs to.
    fn text(&mut self, text: &[u8], ends: bool, out: &mut impl FnMut(&[u8])) {
        let opcode = if self.is_begun { 0 } else { TEXT };
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
        self.is_begun = !ends;
        if ends {
            self.state = State::Type;
        }
    }

    fn fail(&mut self, fault: ProtocolError) {
        self.state = State::Over;
        self.fault = Some(fault);
    }
}

/// What follows the type of a frame.
fn typed(byte: u8) -> State {
    match byte {
        0x00 => State::Text,
        0x01..=0x7f => State::Marked { skipped: 0 },
        _ => State::Length { closes: byte == 0xff, len: 0, bytes: 0 },
    }
}

/// What comes before the end of a frame, and whether the end is there.
fn until_end(bytes: &[u8]) -> (&[u8], bool) {
    match bytes.iter().position(|byte| *byte == END) {
        Some(at) => (&bytes[..at], true),
        None => (bytes, false),
    }
}
