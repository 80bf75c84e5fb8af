//! One compressed frame for many connections.

use std::sync::OnceLock;

use bytes::Bytes;

use super::super::broadcast::frame;
use super::super::frame::{COMPRESSED, Opcode};
use super::pool::Config;
use super::{Deflater, Sends};

/// A message compressed by itself, with the parameters of the first connection that asked: those of
/// one handler's connections are nearly always the same. `None` inside if it is better sent as it is.
#[derive(Debug, Default)]
pub(crate) struct Shared(OnceLock<(Config, Option<Bytes>)>);

impl Shared {
    /// How a connection sends the message.
    pub(crate) fn frame(&self, opcode: Opcode, payload: &[u8], deflater: &mut Deflater) -> Sends<'_> {
        let Some(own) = deflater.shareable() else { return Sends::ItsOwn };
        // The others wait for the one that compresses, which is what they would do themselves.
        let (config, compressed) = self.0.get_or_init(|| {
            let mut out = Vec::new();
            let compressed = deflater.compress(payload, &mut out).then(|| frame(opcode, COMPRESSED, &out));
            (own, compressed)
        });
        match compressed {
            _ if *config != own => Sends::ItsOwn,
            Some(frame) => Sends::Compressed(frame),
            None => Sends::AsItIs,
        }
    }

    /// What was compressed.
    #[cfg(test)]
    pub(crate) fn get(&self) -> Option<&Bytes> {
        self.0.get()?.1.as_ref()
    }
}
