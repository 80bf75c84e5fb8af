//! The frames from the client: counts messages, and cuts control objects out of the stream.

mod short_message;

use serde_json::Number;

use super::control::{Control, MARK};
use crate::close::ProtocolError;
use crate::wire::{FIN, Header, MAX_CLIENT_HEADER, Opcode, mask, write_header};

/// The largest number of empty fragments before the first byte of a text. [`ProtocolError::LimitExceeded`] has the
/// same limit.
const MAX_EMPTY_FRAGMENTS: u16 = 1024;

/// The walk over the client's frames, in place.
///
/// Data messages and control frames pass. A control object is taken out, in however many fragments and pieces it
/// arrives. From the first frame that RFC 6455 forbids, all bytes pass: the engine finds the same error.
#[derive(Debug, Default)]
pub(super) struct Uplink {
    /// The start of a frame whose header, or whose first byte of text, has not arrived.
    held: [u8; MAX_CLIENT_HEADER],
    held_len: u8,
    message: PassedMessage,
    /// The frame whose payload is incomplete.
    frame: Option<Frame>,
    /// The number of the last complete message.
    received: u64,
    /// How many bytes have passed since the end of the last complete message.
    incomplete: usize,
    /// Whether a frame was forbidden.
    is_raw: bool,
    rare: Option<Box<Rare>>,
}

/// What few connections need.
#[derive(Debug, Default)]
struct Rare {
    /// The payload of an incomplete control object.
    control: Vec<u8>,
    empty_fragments: u16,
    /// Bytes that have passed, and precede those of the next read.
    stash: Vec<u8>,
    stash_start: usize,
}

#[derive(Clone, Copy, Debug)]
struct Frame {
    is_control: bool,
    fin: bool,
    mask: [u8; 4],
    remaining: usize,
}

/// The message whose last frame is not complete.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum PassedMessage {
    #[default]
    None,
    /// Text without any byte so far. Its empty fragments do not pass.
    EmptyText,
    Data,
    ControlObject,
}

/// The control objects of a read. Of several, the last one counts.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Controls {
    pub(super) ack: Option<u64>,
    pub(super) ping: Option<Number>,
}

/// Where the bytes that pass go.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// To the front of the input.
    Front,
    /// Behind the bytes of the stash, for a later read.
    Stash,
}

impl Uplink {
    /// Processes the bytes of a read. Bytes from [`take_held`](Self::take_held) precede them.
    ///
    /// Returns how many bytes at the front of `input` pass now, and the control objects.
    ///
    /// # Errors
    ///
    /// A control object is malformed or longer than `limit`, or a text has too many empty fragments.
    pub(super) fn process(
        &mut self,
        input: &mut [u8],
        target: Target,
        limit: usize,
        controls: &mut Controls,
    ) -> Result<usize, ProtocolError> {
        let spills = target == Target::Stash;
        let passed = if spills || !self.is_between_messages() { 0 } else { self.pass_short(input) };
        let mut walk = Walk { input, read: passed, kept: passed, spills };
        while walk.read < walk.input.len() {
            if self.is_raw {
                let len = walk.input.len() - walk.read;
                self.pass(&mut walk, len);
            } else if let Some(frame) = self.frame {
                self.continue_frame(&mut walk, frame, limit, controls)?;
            } else if !self.begin_frame(&mut walk, limit, controls)? {
                break;
            }
        }
        Ok(walk.kept)
    }

    /// Begins the next frame. Returns false if more bytes are needed.
    fn begin_frame(
        &mut self,
        walk: &mut Walk<'_>,
        limit: usize,
        controls: &mut Controls,
    ) -> Result<bool, ProtocolError> {
        let rest = &walk.input[walk.read..];
        let header = match Header::parse(rest, self.message != PassedMessage::None, usize::MAX, None) {
            Ok(Some(header)) => header,
            Ok(None) => {
                self.hold(walk);
                return Ok(false);
            }
            Err(_) => {
                self.is_raw = true;
                return Ok(true);
            }
        };
        let is_control_frame = header.opcode.is_control();
        let starts_text = header.opcode == Opcode::Text
            || (header.opcode == Opcode::Continuation && self.message == PassedMessage::EmptyText);
        if starts_text && header.len == 0 && !header.fin {
            self.message = PassedMessage::EmptyText;
            walk.read += header.size;
            let rare = self.rare.get_or_insert_default();
            rare.empty_fragments += 1;
            return if rare.empty_fragments > MAX_EMPTY_FRAGMENTS {
                Err(ProtocolError::LimitExceeded)
            } else {
                Ok(true)
            };
        }
        if starts_text && header.len > 0 {
            let Some(first) = rest.get(header.size) else {
                self.hold(walk);
                return Ok(false);
            };
            let is_marked = first ^ header.mask[0] == MARK;
            self.message = if is_marked { PassedMessage::ControlObject } else { PassedMessage::Data };
        } else if !is_control_frame && self.message != PassedMessage::ControlObject {
            self.message = PassedMessage::Data;
        }
        if starts_text {
            // The first frame of a text may have followed empty fragments.
            walk.input[walk.read] = walk.input[walk.read] & FIN | Opcode::Text as u8;
            if let Some(rare) = &mut self.rare {
                rare.empty_fragments = 0;
            }
        }
        let start = walk.read + header.size;
        let is_whole = header.fin && header.len <= limit.min(walk.input.len() - start);
        if starts_text && self.message == PassedMessage::ControlObject && is_whole {
            // PERF: an object in one piece is parsed in place. General path: `continue_frame`. The test
            // `cuts_make_no_difference` holds the two equal. budget: session64
            let object = &mut walk.input[start..start + header.len];
            mask::apply(object, header.mask);
            let control = Control::parse(object);
            walk.read = start + header.len;
            self.message = PassedMessage::None;
            return self.end_object(walk, control, controls).map(|()| true);
        }
        if is_control_frame || self.message == PassedMessage::Data {
            self.pass(walk, header.size);
        } else {
            walk.read += header.size;
        }
        let frame =
            Frame { is_control: is_control_frame, fin: header.fin, mask: header.mask, remaining: header.len };
        if header.len > 0 {
            self.frame = Some(frame);
        } else {
            self.end_frame(walk, frame, controls)?;
        }
        Ok(true)
    }

    /// Processes bytes of a payload.
    fn continue_frame(
        &mut self,
        walk: &mut Walk<'_>,
        mut frame: Frame,
        limit: usize,
        controls: &mut Controls,
    ) -> Result<(), ProtocolError> {
        let len = frame.remaining.min(walk.input.len() - walk.read);
        if frame.is_control || self.message == PassedMessage::Data {
            self.pass(walk, len);
        } else {
            let part = &mut walk.input[walk.read..][..len];
            mask::apply(part, frame.mask);
            frame.mask = mask::advance(frame.mask, len);
            let rare = self.rare.get_or_insert_default();
            if rare.control.len() + len > limit {
                return Err(ProtocolError::MessageTooBig);
            }
            rare.control.extend_from_slice(part);
            walk.read += len;
        }
        frame.remaining -= len;
        if frame.remaining > 0 {
            self.frame = Some(frame);
            return Ok(());
        }
        self.frame = None;
        self.end_frame(walk, frame, controls)
    }

    fn end_frame(
        &mut self,
        walk: &mut Walk<'_>,
        frame: Frame,
        controls: &mut Controls,
    ) -> Result<(), ProtocolError> {
        if frame.is_control {
            if self.message != PassedMessage::Data {
                self.incomplete = 0;
            }
            return Ok(());
        }
        if !frame.fin {
            return Ok(());
        }
        let message = std::mem::take(&mut self.message);
        if message == PassedMessage::Data {
            self.received += 1;
            self.incomplete = 0;
            return Ok(());
        }
        let object = self.rare.as_mut().map(|rare| std::mem::take(&mut rare.control)).unwrap_or_default();
        self.end_object(walk, Control::parse(&object), controls)
    }

    /// Handles a complete control object.
    fn end_object(
        &mut self,
        walk: &mut Walk<'_>,
        control: Result<Control, serde_json::Error>,
        controls: &mut Controls,
    ) -> Result<(), ProtocolError> {
        match control {
            Ok(Control::Ack(number)) => controls.ack = controls.ack.max(Some(number)),
            Ok(Control::Ping(number)) => controls.ping = Some(number),
            Ok(Control::Text(text)) => {
                self.insert_text(walk, text.as_bytes());
                self.received += 1;
                self.incomplete = 0;
            }
            Ok(Control::Unknown) => {}
            Err(_) => return Err(ProtocolError::BadFrame("malformed control object of a session")),
        }
        self.drop_rare();
        Ok(())
    }

    /// Inserts a text message. The bytes that follow go to the stash, because the object may have been shorter.
    fn insert_text(&mut self, walk: &mut Walk<'_>, text: &[u8]) {
        walk.spills = true;
        let mut header = [0; crate::wire::MAX_HEADER];
        let size = write_header(&mut header, Opcode::Text, text.len());
        header[1] |= 0x80; // Masked, with a key of zeros.
        let stash = &mut self.rare.get_or_insert_default().stash;
        stash.extend_from_slice(&header[..size]);
        stash.extend_from_slice(&[0; 4]);
        stash.extend_from_slice(text);
    }

    /// Passes the next `len` bytes.
    fn pass(&mut self, walk: &mut Walk<'_>, len: usize) {
        let range = walk.read..walk.read + len;
        if walk.spills {
            self.rare.get_or_insert_default().stash.extend_from_slice(&walk.input[range]);
        } else {
            if walk.kept < walk.read {
                walk.input.copy_within(range, walk.kept);
            }
            walk.kept += len;
        }
        walk.read += len;
        self.incomplete += len;
    }

    /// Stores the remaining bytes: less than a header, or a header whose payload has not begun.
    fn hold(&mut self, walk: &mut Walk<'_>) {
        let rest = &walk.input[walk.read..];
        self.held[..rest.len()].copy_from_slice(rest);
        self.held_len = u8::try_from(rest.len()).unwrap_or_default();
        walk.read = walk.input.len();
    }

    /// Moves the bytes that precede the next read to the front of `buffer`, and returns their number.
    pub(super) fn take_held(&mut self, buffer: &mut [u8]) -> usize {
        if self.held_len == 0 {
            return 0;
        }
        let len = usize::from(std::mem::take(&mut self.held_len));
        buffer[..len].copy_from_slice(&self.held[..len]);
        len
    }

    /// Puts bytes back that [`take_held`](Self::take_held) has moved, after a read of nothing.
    pub(super) fn return_held(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.held[..bytes.len()].copy_from_slice(bytes);
        self.held_len = u8::try_from(bytes.len()).unwrap_or_default();
    }

    /// Moves bytes from the stash to `buffer`, and returns their number.
    pub(super) fn take_stashed(&mut self, buffer: &mut [u8]) -> usize {
        let Some(rare) = &mut self.rare else { return 0 };
        let stashed = &rare.stash[rare.stash_start..];
        let len = stashed.len().min(buffer.len());
        buffer[..len].copy_from_slice(&stashed[..len]);
        rare.stash_start += len;
        if rare.stash_start == rare.stash.len() {
            (rare.stash, rare.stash_start) = (Vec::new(), 0);
            self.drop_rare();
        }
        len
    }

    /// Returns the number of bytes in the stash.
    pub(super) fn stashed(&self) -> usize {
        self.rare.as_ref().map_or(0, |rare| rare.stash.len() - rare.stash_start)
    }

    fn drop_rare(&mut self) {
        let is_empty =
            |rare: &Rare| rare.stash.is_empty() && rare.control.is_empty() && rare.empty_fragments == 0;
        if self.rare.as_deref().is_some_and(is_empty) {
            self.rare = None;
        }
    }

    /// Returns the number of the last complete message.
    pub(super) fn received(&self) -> u64 {
        self.received
    }

    /// Ends the stream: drops the incomplete message. Returns how many of its bytes have passed to the engine,
    /// which has to drop them.
    pub(super) fn reset(&mut self) -> usize {
        let mut incomplete = self.incomplete;
        let mut stash = Vec::new();
        if let Some(rare) = self.rare.take() {
            stash = rare.stash;
            let stashed = incomplete.min(stash.len() - rare.stash_start);
            stash.truncate(stash.len() - stashed);
            stash.drain(..rare.stash_start);
            incomplete -= stashed;
        }
        let rare = (!stash.is_empty()).then(|| Box::new(Rare { stash, ..Rare::default() }));
        *self = Self { received: self.received, rare, ..Self::default() };
        incomplete
    }
}

/// The progress of one call of [`Uplink::process`].
struct Walk<'a> {
    input: &'a mut [u8],
    /// How many bytes are processed.
    read: usize,
    /// How many bytes at the front of `input` pass.
    kept: usize,
    /// Whether bytes that pass go to the stash.
    spills: bool,
}

#[cfg(test)]
mod tests;
