//! The encoder: from the engine's frames to frames of draft 76.

/// Length of the longest header of an unmasked frame.
const MAX_HEADER: usize = 10;

/// The translation of the server's frames. Text is translated, a close loses its code, and other frames
/// are dropped, because the draft has none for them; Cowboy did the same. Input may be split anywhere.
#[derive(Debug, Default)]
pub(super) struct HixieEncoder {
    /// The incomplete header of the current frame; `header_len` bytes are valid.
    header: [u8; MAX_HEADER],
    header_len: usize,
    /// The frame whose payload is incomplete.
    frame: Option<OutgoingFrame>,
    /// The kind of the last message, which its fragments inherit.
    message: FrameKind,
    /// Whether the close was translated. All later frames are dropped.
    is_closed: bool,
}

#[derive(Clone, Copy, Debug)]
struct OutgoingFrame {
    kind: FrameKind,
    /// Whether the frame is the last one of its message.
    fin: bool,
    remaining: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum FrameKind {
    Text,
    #[default]
    Dropped,
}

impl HixieEncoder {
    /// Translates frames and appends the output to `out`, until `out` has about `max_len` bytes. Returns the
    /// number of bytes taken from `frames`, which is at least one if `out` has space.
    pub(super) fn encode(&mut self, frames: &[u8], out: &mut Vec<u8>, max_len: usize) -> usize {
        let mut input = frames;
        while out.len() < max_len {
            if let Some(frame) = self.frame {
                input = self.encode_payload(frame, input, out, max_len);
                if self.frame.is_some() && input.is_empty() {
                    break;
                }
            } else {
                let Some((&byte, remaining)) = input.split_first() else { break };
                input = remaining;
                self.header[self.header_len] = byte;
                self.header_len += 1;
                if let Some(len) = payload_len(&self.header[..self.header_len]) {
                    let frame = self.start_frame(len, out);
                    // A frame without payload ends here.
                    self.encode_payload(frame, &[], out, max_len);
                }
            }
        }
        frames.len() - input.len()
    }

    /// Starts the frame whose header is complete.
    fn start_frame(&mut self, remaining: u64, out: &mut Vec<u8>) -> OutgoingFrame {
        self.header_len = 0;
        let (fin, opcode) = (self.header[0] & 0x80 != 0, self.header[0] & 0x0f);
        let kind = match opcode {
            _ if self.is_closed => FrameKind::Dropped,
            0 => self.message,
            1 => {
                out.push(0x00);
                self.message = FrameKind::Text;
                FrameKind::Text
            }
            2 => {
                tracing::debug!(bytes = remaining, "binary message dropped: draft 76 supports only text");
                self.message = FrameKind::Dropped;
                FrameKind::Dropped
            }
            8 => {
                out.extend([0xff, 0x00]);
                self.is_closed = true;
                FrameKind::Dropped
            }
            _ => FrameKind::Dropped,
        };
        OutgoingFrame { kind, fin, remaining }
    }

    /// Translates the available part of the payload, and returns the remaining input.
    fn encode_payload<'a>(
        &mut self,
        mut frame: OutgoingFrame,
        input: &'a [u8],
        out: &mut Vec<u8>,
        max_len: usize,
    ) -> &'a [u8] {
        let room = if frame.kind == FrameKind::Text { max_len.saturating_sub(out.len()) } else { usize::MAX };
        let len = usize::try_from(frame.remaining).unwrap_or(usize::MAX).min(input.len()).min(room);
        let (part, remaining) = input.split_at(len);
        frame.remaining -= len as u64;
        if frame.kind == FrameKind::Text {
            out.extend_from_slice(part);
            if frame.remaining == 0 && frame.fin {
                out.push(0xff);
            }
        }
        self.frame = (frame.remaining > 0).then_some(frame);
        remaining
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
