//! One compressed frame for many connections.

use std::sync::OnceLock;

use bytes::Bytes;

use super::super::frame::{COMPRESSED, Opcode};
use super::super::prepared_message::encode_frame;
use super::codec_pool::EncoderConfig;
use super::{Deflater, PreparedEncoding};

/// A message compressed by itself, with the parameters of the first connection that asked: those of
/// one handler's connections are nearly always the same. `None` inside if it is better sent as it is.
#[derive(Debug, Default)]
pub(crate) struct SharedDeflate(OnceLock<(EncoderConfig, Option<Bytes>)>);

impl SharedDeflate {
    /// How a connection sends the message.
    pub(crate) fn frame(
        &self,
        opcode: Opcode,
        payload: &[u8],
        deflater: &mut Deflater,
    ) -> PreparedEncoding<'_> {
        let Some(own) = deflater.shared_config() else { return PreparedEncoding::PerConnection };
        // The others wait for the one that compresses, which is what they would do themselves.
        let (config, compressed) = self.0.get_or_init(|| {
            let mut out = Vec::new();
            let compressed =
                deflater.compress(payload, &mut out).then(|| encode_frame(opcode, COMPRESSED, &out));
            (own, compressed)
        });
        match compressed {
            _ if *config != own => PreparedEncoding::PerConnection,
            Some(frame) => PreparedEncoding::Compressed(frame),
            None => PreparedEncoding::Uncompressed,
        }
    }

    /// What was compressed.
    #[cfg(test)]
    pub(crate) fn get(&self) -> Option<&Bytes> {
        self.0.get()?.1.as_ref()
    }
}
