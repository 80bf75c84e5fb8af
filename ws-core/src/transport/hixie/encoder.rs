//! The encoder: from the engine's frames to frames of draft 76.

use crate::transport::frames::{FrameKind, ServerFrames};

/// The translation of the server's frames. Text is translated, a close loses its code, and other frames
/// are dropped, because the draft has none for them; Cowboy did the same. Input may be split anywhere.
#[derive(Debug, Default)]
pub(super) struct HixieEncoder {
    frames: ServerFrames,
    /// Whether the close was translated. All later frames are dropped.
    is_closed: bool,
}

impl HixieEncoder {
    /// Translates frames and appends the output to `out`, until `out` has about `max_len` bytes. Returns the
    /// number of bytes taken from `frames`, which is at least one if `out` has space.
    pub(super) fn encode(&mut self, frames: &[u8], out: &mut Vec<u8>, max_len: usize) -> usize {
        let mut input = frames;
        while out.len() < max_len {
            let Some(part) = self.frames.next_part(&mut input, max_len - out.len()) else { break };
            match part.kind {
                _ if self.is_closed => {}
                FrameKind::Text => {
                    if part.is_first {
                        out.push(0x00);
                    }
                    out.extend_from_slice(part.payload);
                    if part.is_last {
                        out.push(0xff);
                    }
                }
                FrameKind::Binary if part.is_first => {
                    tracing::debug!("binary message dropped: draft 76 supports only text");
                }
                FrameKind::Close => {
                    out.extend([0xff, 0x00]);
                    self.is_closed = true;
                }
                FrameKind::Binary | FrameKind::Ping | FrameKind::Pong => {}
            }
        }
        frames.len() - input.len()
    }
}
