//! Frames whose payload is written straight into the outbox: serialized or compressed messages.

use super::super::deflate::Deflater;
use super::super::frame::{COMPRESSED, FIN, MAX_HEADER, Opcode, write_header};
use super::{Outbox, fits};

impl Outbox {
    /// Appends a frame whose payload `write` appends, so that the payload needs no buffer of its own.
    ///
    /// Returns `Ok(false)` if the frame would exceed the limit. Then, and if `write` fails or panics, nothing
    /// is appended.
    pub(crate) fn push_with<E>(
        &mut self,
        opcode: Opcode,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<bool, E> {
        self.push_with_rsv(opcode, 0, write)
    }

    /// Appends a message, compressed if that is smaller or if later messages refer to it. Returns false if
    /// the message would exceed the limit.
    #[must_use]
    pub(crate) fn push_compressed(
        &mut self,
        opcode: Opcode,
        payload: &[u8],
        deflater: &mut Deflater,
    ) -> bool {
        let compress =
            |out: &mut Vec<u8>| if deflater.compress(payload, out) { Ok(()) } else { Err(Incompressible) };
        match self.push_with_rsv(opcode, COMPRESSED, compress) {
            Ok(fits) => fits,
            Err(Incompressible) => self.push(opcode, payload),
        }
    }

    /// Like [`push_with`](Self::push_with), but with the reserved bits `rsv`.
    fn push_with_rsv<E>(
        &mut self,
        opcode: Opcode,
        rsv: u8,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<bool, E> {
        let waiting = self.len();
        if self.consumed() > self.encoded_len() {
            // The size of the payload is unknown, so the written bytes are dropped when that is cheap.
            self.drop_consumed();
        }
        let start = self.bytes.len();
        let mut guard = FrameGuard { bytes: &mut self.bytes, keep: start };
        // Most payloads have a header of two bytes. For a longer header, the payload moves up afterwards.
        guard.bytes.extend_from_slice(&[0; 2]);
        write(guard.bytes)?;
        let len = guard.bytes.len() - start - 2;
        if !fits(waiting, len, self.ceiling) {
            return Ok(false);
        }
        let mut header = [0; MAX_HEADER];
        let size = write_header(&mut header, opcode, len);
        header[0] |= rsv;
        guard.bytes.splice(start..start + 2, header[..size].iter().copied());
        guard.keep = guard.bytes.len();
        drop(guard);
        self.len += size + len;
        self.update_ceiling(waiting);
        Ok(true)
    }
}

/// The place of a fragment in its message (RFC 6455 §5.4).
#[derive(Clone, Copy, Debug)]
pub(crate) struct FragmentHeader {
    /// The opcode of the message, for its first fragment.
    pub(crate) starts: Option<Opcode>,
    pub(crate) is_last: bool,
    /// Whether the message is compressed.
    pub(crate) is_compressed: bool,
}

impl Outbox {
    /// Appends a fragment regardless of the limit. The caller waits for room before each one.
    pub(crate) fn push_fragment(&mut self, fragment: FragmentHeader, payload: &[u8]) {
        let waiting = self.len();
        let mut header = [0; MAX_HEADER];
        let size = write_header(&mut header, fragment.starts.unwrap_or(Opcode::Continuation), payload.len());
        if fragment.is_compressed && fragment.starts.is_some() {
            header[0] |= COMPRESSED;
        }
        if !fragment.is_last {
            header[0] &= !FIN;
        }
        self.make_room(size + payload.len());
        self.append(&header[..size]);
        self.append(payload);
        self.update_ceiling(waiting);
    }
}

/// A message that compression does not make smaller.
struct Incompressible;

/// A guard that removes a frame that was not completed.
struct FrameGuard<'a> {
    bytes: &'a mut Vec<u8>,
    /// The length to which the buffer is truncated.
    keep: usize,
}

impl Drop for FrameGuard<'_> {
    fn drop(&mut self) {
        self.bytes.truncate(self.keep);
    }
}
