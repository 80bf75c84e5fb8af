//! One compressed frame for many connections.

use std::sync::OnceLock;

use bytes::Bytes;

use super::super::broadcast::frame;
use super::super::frame::{COMPRESSED, Opcode};
use super::Deflater;
use super::pool::Config;

/// A message compressed by itself, with the parameters of the first connection that asked: those of
/// one handler's connections are nearly always the same. `None` inside if it is better sent as it is.
#[derive(Debug, Default)]
pub(crate) struct Shared(OnceLock<(Config, Option<Bytes>)>);

impl Shared {
    /// The compressed frame; `None` if this connection has to compress for itself, `Some(None)` if
    /// nobody should.
    pub(crate) fn frame(
        &self,
        opcode: Opcode,
        payload: &[u8],
        deflater: &mut Deflater,
    ) -> Option<Option<&Bytes>> {
        let own = deflater.shareable()?;
        // The others wait for the one that compresses, which is what they would do themselves.
        let (config, compressed) = self.0.get_or_init(|| {
            let mut out = Vec::new();
            let compressed = deflater.compress(payload, &mut out).then(|| frame(opcode, COMPRESSED, &out));
            (own, compressed)
        });
        (*config == own).then_some(compressed.as_ref())
    }

    /// What was compressed.
    #[cfg(test)]
    pub(crate) fn get(&self) -> Option<&Bytes> {
        self.0.get()?.1.as_ref()
    }
}
