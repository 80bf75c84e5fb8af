//! A parser of the server's own frames, for transports that translate them.

use crate::wire::MAX_HEADER;

/// A parser of frames without a mask. Input may be split anywhere.
#[derive(Debug, Default)]
pub(super) struct ServerFrames {
    /// The incomplete header of the next frame; `header_len` bytes are valid.
    header: [u8; MAX_HEADER],
    header_len: usize,
    /// The frame whose payload is incomplete.
    frame: Option<ServerFrame>,
    /// The kind of the message in progress, which its fragments inherit.
    message: FrameKind,
}

#[derive(Clone, Copy, Debug)]
struct ServerFrame {
    kind: FrameKind,
    fin: bool,
    starts_message: bool,
    remaining: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum FrameKind {
    Text,
    #[default]
    Binary,
    Close,
    Ping,
    Pong,
}

/// A part of a frame's payload, which may be empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FramePart<'a> {
    /// The kind of the message, also in its later fragments.
    pub(super) kind: FrameKind,
    pub(super) payload: &'a [u8],
    /// Whether the part is the first one of its message or control frame.
    pub(super) is_first: bool,
    /// Whether the part is the last one of its message or control frame.
    pub(super) is_last: bool,
    /// The length of the rest of the message, if the frame is the message's last one.
    pub(super) remaining: Option<u64>,
}

impl ServerFrames {
    /// Takes the next part from `input`, with up to `max_len` bytes of payload. Returns `None`, with all input
    /// taken, if the input has neither a complete header nor payload. `max_len` must not be 0.
    pub(super) fn next_part<'a>(&mut self, input: &mut &'a [u8], max_len: usize) -> Option<FramePart<'a>> {
        let mut is_first = false;
        let mut frame = match self.frame {
            Some(_) if input.is_empty() => return None,
            Some(frame) => frame,
            None => {
                let frame = self.parse_header(input)?;
                is_first = frame.starts_message;
                frame
            }
        };
        let len = usize::try_from(frame.remaining).unwrap_or(usize::MAX).min(input.len()).min(max_len);
        let (payload, rest) = input.split_at(len);
        *input = rest;
        frame.remaining -= len as u64;
        self.frame = (frame.remaining > 0).then_some(frame);
        Some(FramePart {
            kind: frame.kind,
            payload,
            is_first,
            is_last: frame.fin && frame.remaining == 0,
            remaining: frame.fin.then_some(frame.remaining),
        })
    }

    /// Takes bytes until the header is complete.
    fn parse_header(&mut self, input: &mut &[u8]) -> Option<ServerFrame> {
        loop {
            let (&byte, rest) = input.split_first()?;
            *input = rest;
            self.header[self.header_len] = byte;
            self.header_len += 1;
            if let Some(remaining) = payload_len(&self.header[..self.header_len]) {
                self.header_len = 0;
                let opcode = self.header[0] & 0x0f;
                let kind = match opcode {
                    0 => self.message,
                    1 => FrameKind::Text,
                    8 => FrameKind::Close,
                    9 => FrameKind::Ping,
                    10 => FrameKind::Pong,
                    _ => FrameKind::Binary,
                };
                if opcode < 8 {
                    self.message = kind;
                }
                return Some(ServerFrame {
                    kind,
                    fin: self.header[0] & 0x80 != 0,
                    starts_message: opcode != 0,
                    remaining,
                });
            }
        }
    }
}

/// Returns the length of the payload, if the header is complete. The engine's frames have no mask.
fn payload_len(header: &[u8]) -> Option<u64> {
    match *header {
        [_, 126, ref len @ ..] => Some(u64::from(u16::from_be_bytes(len.try_into().ok()?))),
        [_, 127, ref len @ ..] => Some(u64::from_be_bytes(len.try_into().ok()?)),
        [_, short] => Some(u64::from(short)),
        _ => None,
    }
}
