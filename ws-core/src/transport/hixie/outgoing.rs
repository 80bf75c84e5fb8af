//! From the engine's frames to those that a client of draft 76 understands.

/// The most bytes of header that a frame to a client has.
const MAX_HEADER: usize = 10;

/// The server's direction: text goes out, a close loses its code, and what the draft has no frame
/// for is dropped, as Cowboy did. Its input may be cut anywhere.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    /// The header that is arriving, and how much of it has.
    header: [u8; MAX_HEADER],
    arrived: usize,
    /// The frame whose payload is arriving.
    frame: Option<Frame>,
    /// The kind of the last message, for its fragments.
    message: Kind,
    /// Whether the close has gone, behind which nothing does.
    is_closed: bool,
}

#[derive(Clone, Copy, Debug)]
struct Frame {
    kind: Kind,
    /// Whether the message ends with it.
    fin: bool,
    remaining: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Kind {
    Text,
    #[default]
    Dropped,
}

impl Outgoing {
    /// Translates frames behind what is in `out`, until that has about `most` bytes. Returns how many
    /// bytes it took, which is at least one if there is room.
    pub(super) fn translate(&mut self, frames: &[u8], out: &mut Vec<u8>, most: usize) -> usize {
        let mut rest = frames;
        while out.len() < most {
            if let Some(frame) = self.frame {
                rest = self.payload(frame, rest, out, most);
                if self.frame.is_some() && rest.is_empty() {
                    break;
                }
            } else {
                let Some((&byte, behind)) = rest.split_first() else { break };
                rest = behind;
                self.header[self.arrived] = byte;
                self.arrived += 1;
                if let Some(len) = len(&self.header[..self.arrived]) {
                    let frame = self.begin(len, out);
                    // An empty one ends here.
                    self.payload(frame, &[], out, most);
                }
            }
        }
        frames.len() - rest.len()
    }

    /// The header is complete.
    fn begin(&mut self, remaining: u64, out: &mut Vec<u8>) -> Frame {
        self.arrived = 0;
        let (fin, opcode) = (self.header[0] & 0x80 != 0, self.header[0] & 0x0f);
        let kind = match opcode {
            _ if self.is_closed => Kind::Dropped,
            0 => self.message,
            1 => {
                out.push(0x00);
                self.message = Kind::Text;
                Kind::Text
            }
            2 => {
                tracing::debug!(bytes = remaining, "a binary message is dropped: draft 76 has only text");
                self.message = Kind::Dropped;
                Kind::Dropped
            }
            8 => {
                out.extend([0xff, 0x00]);
                self.is_closed = true;
                Kind::Dropped
            }
            _ => Kind::Dropped,
        };
        Frame { kind, fin, remaining }
    }

    /// Takes what there is of the payload, and returns what is behind it.
    fn payload<'a>(&mut self, mut frame: Frame, rest: &'a [u8], out: &mut Vec<u8>, most: usize) -> &'a [u8] {
        let room = if frame.kind == Kind::Text { most.saturating_sub(out.len()) } else { usize::MAX };
        let len = usize::try_from(frame.remaining).unwrap_or(usize::MAX).min(rest.len()).min(room);
        let (part, behind) = rest.split_at(len);
        frame.remaining -= len as u64;
        if frame.kind == Kind::Text {
            out.extend_from_slice(part);
            if frame.remaining == 0 && frame.fin {
                out.push(0xff);
            }
        }
        self.frame = (frame.remaining > 0).then_some(frame);
        behind
    }
}

/// How long the payload is, if this is all of the header. Frames to a client have no mask.
fn len(header: &[u8]) -> Option<u64> {
    match *header {
        [_, 126, ref len @ ..] => Some(u64::from(u16::from_be_bytes(len.try_into().ok()?))),
        [_, 127, ref len @ ..] => Some(u64::from_be_bytes(len.try_into().ok()?)),
        [_, short] => Some(u64::from(short)),
        _ => None,
    }
}
