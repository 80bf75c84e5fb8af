//! The steps of a message to the client that few connections have: compression and taps.

use super::super::deflate::Deflater;
use super::super::frame::Opcode;
use super::Connection;

/// The encoder of a connection.
#[derive(Debug)]
pub(super) struct Encoder {
    /// The codec, if compression was negotiated.
    pub(super) deflater: Option<Deflater>,
    /// The taps of messages to the client.
    #[cfg(feature = "inspect")]
    pub(super) taps: super::tap::Taps,
}

impl Encoder {
    #[cfg(feature = "deflate")]
    pub(super) fn new(deflater: Deflater) -> Self {
        Self {
            deflater: Some(deflater),
            #[cfg(feature = "inspect")]
            taps: super::tap::Taps::default(),
        }
    }
}

impl Connection {
    pub(super) fn deflater(&mut self) -> Option<&mut Deflater> {
        self.extras.encoder_mut()?.deflater.as_mut()
    }

    /// Passes a message to the taps. Returns the codec that may compress the message.
    #[inline]
    pub(in crate::wire) fn deflater_for(&mut self, opcode: Opcode, payload: &[u8]) -> Option<&mut Deflater> {
        self.extras.encoder()?;
        #[cfg(feature = "inspect")]
        self.tap_sent(opcode, payload, None);
        let _ = (opcode, payload);
        self.deflater()
    }

    /// Sends a message of a connection that has an encoder.
    #[cold]
    pub(super) fn encode_message(&mut self, opcode: Opcode, payload: &[u8]) {
        if self.prepare_message(opcode, payload) {
            self.send_compressed(opcode, payload);
        } else {
            self.push(opcode, payload);
        }
    }

    /// Passes a message to the taps. Returns whether the message is to be compressed.
    #[cold]
    pub(super) fn prepare_message(&mut self, opcode: Opcode, payload: &[u8]) -> bool {
        let deflater = self.deflater_for(opcode, payload);
        deflater.is_some_and(|deflater| deflater.should_compress(payload.len()))
    }

    /// Sends a message compressed.
    #[cold]
    pub(in crate::wire) fn send_compressed(&mut self, opcode: Opcode, payload: &[u8]) {
        let Some(deflater) = self.extras.encoder_mut().and_then(|encoder| encoder.deflater.as_mut()) else {
            return self.push(opcode, payload);
        };
        if self.outbox.push_compressed(opcode, payload, deflater) {
            self.count_sent(opcode);
        } else {
            self.close_slow_client();
        }
    }
}
