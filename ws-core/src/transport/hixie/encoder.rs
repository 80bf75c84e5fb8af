//! From the engine's frames to those that a client of draft 76 understands.

/// The most bytes of header that a frame to a client has.
const MAX_HEADER: usize = 10;

/// The server's direction: text goes out, a close loses its code, and what the draft has no frame
/// for is dropped, as Cowboy did. Its input may be cut anywhere.
#[derive(Debug, Default)]
pub(super) struct HixieEncoder {
    /// The header that is arriving, and how much of it has.
    header: [u8; MAX_HEADER],
    header_len: usize,
    /// The frame whose payload is arriving.
    frame: Option<OutgoingFrame>,
    /// The kind of the last message, for its fragments.
    message: FrameKind,
    /// Whether the close has gone, behind which nothing does.
    is_closed: bool,
}

#[derive(Clone, Copy, Debug)]
struct OutgoingFrame {
    kind: FrameKind,
    /// Whether the message ends with it.
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
    /// Translates frames behind what is in `out`, until that has about `most` bytes. Returns how many
    /// bytes it took, which is at least one if there is room.
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
                    // An empty one ends here.
                    self.encode_payload(frame, &[], out, max_len);
                }
            }
        }
        frames.len() - input.len()
    }

    /// The header is complete.
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
                tracing::debug!(bytes = remaining, "a binary message is dropped: draft 76 has only text");
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

    /// Takes what there is of the payload, and returns what is behind it.
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

/// How long the payload is, if this is all of the header. Frames to a client have no mask.
fn payload_len(header: &[u8]) -> Option<u64> {
    match *header {
        [_, 126, ref len @ ..] => Some(u64::from(u16::from_be_bytes(len.try_into().ok()?))),
        [_, 127, ref len @ ..] => Some(u64::from_be_bytes(len.try_into().ok()?)),
        [_, short] => Some(u64::from(short)),
        _ => None,
    }
}
