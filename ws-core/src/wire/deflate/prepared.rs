//! One compressed frame for many connections.

use std::sync::OnceLock;

use bytes::Bytes;

use super::super::frame::{COMPRESSED, Opcode, encode_frame};
use super::codec_pool::EncoderConfig;
use super::{Deflater, PreparedEncoding};

/// A message that is compressed once, with the parameters of the first connection that sends it.
///
/// The connections of one handler nearly always have equal parameters. The frame is `None` if the message is
/// smaller uncompressed.
#[derive(Debug, Default)]
pub(crate) struct SharedDeflate(OnceLock<(EncoderConfig, Option<Bytes>)>);

impl SharedDeflate {
    /// Returns how a connection with this `deflater` sends the message. The first call compresses it.
    pub(crate) fn encoding(
        &self,
        opcode: Opcode,
        payload: &[u8],
        deflater: &mut Deflater,
    ) -> PreparedEncoding<'_> {
        let Some(own) = deflater.shared_config() else { return PreparedEncoding::PerConnection };
        // Concurrent callers wait for the first one; otherwise each would do the same work.
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

    /// Returns the compressed frame.
    #[cfg(test)]
    pub(crate) fn get(&self) -> Option<&Bytes> {
        self.0.get()?.1.as_ref()
    }
}
