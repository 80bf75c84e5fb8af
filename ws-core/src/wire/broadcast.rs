//! A message for many clients: encoded once, and compressed once.

use bytes::Bytes;

use super::connection::Connection;
#[cfg(feature = "deflate")]
use super::deflate::Shared;
use super::frame::{MAX_HEADER, Opcode, write_header};
use crate::close::CloseReason;

/// A message as one frame, which many connections send.
#[derive(Debug)]
pub(crate) struct Broadcast {
    opcode: Opcode,
    frame: Bytes,
    /// Where its payload begins.
    payload: usize,
    #[cfg(feature = "deflate")]
    deflated: Shared,
}

impl Broadcast {
    pub(crate) fn text(payload: &str) -> Self {
        Self::new(Opcode::Text, payload.as_bytes())
    }

    pub(crate) fn binary(payload: &[u8]) -> Self {
        Self::new(Opcode::Binary, payload)
    }

    fn new(opcode: Opcode, payload: &[u8]) -> Self {
        Self {
            opcode,
            frame: frame(opcode, 0, payload),
            payload: header_size(payload.len()),
            #[cfg(feature = "deflate")]
            deflated: Shared::default(),
        }
    }

    pub(crate) fn payload(&self) -> Bytes {
        self.frame.slice(self.payload..)
    }
}

fn header_size(len: usize) -> usize {
    write_header(&mut [0; MAX_HEADER], Opcode::Text, len)
}

/// A whole frame with these reserved bits.
pub(super) fn frame(opcode: Opcode, bits: u8, payload: &[u8]) -> Bytes {
    let mut header = [0; MAX_HEADER];
    let size = write_header(&mut header, opcode, payload.len());
    header[0] |= bits;
    [&header[..size], payload].concat().into()
}

impl Connection {
    /// Sends a message that others send too.
    pub(crate) fn broadcast(&mut self, message: &Broadcast) {
        if self.is_closing() || self.is_broken() {
            return;
        }
        let payload = &message.frame[message.payload..];
        let frame = match self.deflater() {
            #[cfg(feature = "deflate")]
            Some(deflater) if deflater.takes(payload.len()) => {
                match message.deflated.frame(message.opcode, payload, deflater) {
                    Some(compressed) => compressed.unwrap_or(&message.frame),
                    // Its compression refers to what this client alone was sent.
                    None => return self.compress(message.opcode, payload),
                }
            }
            _ => &message.frame,
        };
        if !self.outbox().push_shared(frame) {
            self.close_with(CloseReason::Overflow);
        }
    }
}
