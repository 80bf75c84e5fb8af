//! The output of a compressed message in parts of bounded size.

use zlib_rs::Status;

use super::{Inflater, Step, WINDOW};
use crate::close::ProtocolError;

/// The size in bytes from which a part is delivered, although more input is available.
const FULL_PART: usize = 64 << 10;

impl Inflater {
    /// Starts a part, which begins with the bytes in `out`. They belong to an incomplete character.
    pub(crate) fn start_part(&mut self, out: &[u8]) {
        self.start = out.len();
    }

    /// Inflates input and appends the output to `out`, which may grow to `max` bytes, until the input is used up
    /// or the part is full. Returns how many bytes of the input were used.
    ///
    /// All bytes are used only if the codec holds no more output. The last byte waits for that, so that a caller
    /// with output to take always has input to pass.
    pub(crate) fn feed_part(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
        max: usize,
    ) -> Result<usize, ProtocolError> {
        let Some(last) = input.len().checked_sub(1) else { return Ok(0) };
        let (mut used, mut has_output) = (0, true);
        while used < input.len() || has_output {
            if used <= last && out.len() - self.start >= FULL_PART {
                break;
            }
            let end = if used < last || has_output { last.max(used) } else { input.len() };
            let next = &input[used..end];
            let Step { room, read, written, status } = self.step(next, out, max);
            used += read;
            self.compressed_len = self.compressed_len.saturating_add(read);
            has_output = written == room;
            if out.len() > max {
                return Err(ProtocolError::MessageTooBig);
            }
            match status {
                Ok(Status::StreamEnd) => {
                    self.on_final_block(out)?;
                    has_output = false;
                }
                Ok(_) if !next.is_empty() && read == 0 && written == 0 => {
                    return Err(ProtocolError::BadCompression);
                }
                Ok(_) => {}
                Err(_) => return Err(ProtocolError::BadCompression),
            }
        }
        Ok(used)
    }

    /// Records the output of a part, to which later blocks may refer.
    pub(crate) fn finish_part(&mut self, out: &[u8]) {
        self.delivered = self.delivered.saturating_add(out.len() - self.start);
        if !self.is_active() {
            return;
        }
        let recent = &out[out.len().saturating_sub(WINDOW).max(self.start)..];
        let excess = (self.earlier.len() + recent.len()).saturating_sub(WINDOW);
        self.earlier.drain(..excess.min(self.earlier.len()));
        self.earlier.extend_from_slice(recent);
    }
}
