//! From messages to compressed payloads.

use std::fmt;

use zlib_rs::{Deflate, DeflateFlush};

use super::codec_pool::{self, EncoderConfig};
use super::{DeflateParams, TAIL};

/// The largest number of bytes that one step writes.
const STEP: usize = 64 << 10;

/// The encoder of a connection, with its parameters.
pub(crate) struct Deflater {
    config: EncoderConfig,
    takeover: bool,
    is_enabled: bool,
    min_size: usize,
    per_frame: bool,
    codec: Option<Box<Deflate>>,
}

impl Deflater {
    pub(crate) fn new(params: &DeflateParams) -> Self {
        Self {
            config: EncoderConfig::from(params),
            takeover: params.server_takeover,
            is_enabled: true,
            min_size: params.min_size,
            per_frame: params.per_frame,
            codec: None,
        }
    }

    /// Sets whether later messages are compressed.
    pub(crate) fn set_enabled(&mut self, on: bool) {
        self.is_enabled = on;
    }

    /// Returns whether a message of `len` bytes is compressed.
    pub(crate) fn should_compress(&self, len: usize) -> bool {
        self.is_enabled && len >= self.min_size
    }

    /// Returns the parameters of the encoder, unless it refers to earlier messages. Connections with equal
    /// parameters can then send the same compressed frame.
    pub(super) fn shared_config(&self) -> Option<EncoderConfig> {
        (!self.takeover).then_some(self.config)
    }

    /// Appends the compressed message. Returns false, and appends nothing, if the message should be sent
    /// uncompressed.
    #[must_use]
    pub(crate) fn compress(&mut self, payload: &[u8], out: &mut Vec<u8>) -> bool {
        let start = out.len();
        if payload.is_empty() {
            // RFC 7692 §7.2.3.6: an empty block. The codec only writes one after other data.
            out.push(0x00);
            return true;
        }
        let mut codec = self.codec.take().unwrap_or_else(|| codec_pool::take_deflate(self.config));
        if !compress_all(&mut codec, payload, out) || !out[start..].ends_with(&TAIL) {
            // A codec that failed is dropped. The next one refers to no earlier message.
            out.truncate(start);
            return false;
        }
        out.truncate(out.len() - TAIL.len());
        if self.takeover {
            self.codec = Some(codec);
            return true;
        }
        codec_pool::put_deflate(self.config, codec);
        let is_smaller = out.len() - start < payload.len();
        if !is_smaller {
            out.truncate(start);
        }
        is_smaller
    }
}

/// Compresses all of the input and flushes. Returns false if the codec failed.
fn compress_all(codec: &mut Deflate, mut input: &[u8], out: &mut Vec<u8>) -> bool {
    loop {
        let start = out.len();
        // With room for six bytes or fewer, the codec would flush again and again.
        let room = input.len().min(STEP) + 64;
        out.resize(start + room, 0);
        let (read, written) = (codec.total_in(), codec.total_out());
        let status = codec.compress(input, &mut out[start..], DeflateFlush::SyncFlush);
        let (read, written) = (codec.total_in() - read, codec.total_out() - written);
        let (Ok(read), Ok(written)) = (usize::try_from(read), usize::try_from(written)) else { return false };
        out.truncate(start + written);
        input = input.get(read..).unwrap_or_default();
        match status {
            Ok(_) if input.is_empty() && written < room => return true,
            Ok(_) if read > 0 || written > 0 => {}
            _ => return false,
        }
    }
}

/// Messages in fragments, whose length is not known when they begin.
impl Deflater {
    /// Returns whether such a message is compressed: as one stream, which only RFC 7692 allows.
    pub(crate) fn compresses_fragments(&self) -> bool {
        self.is_enabled && !self.per_frame
    }

    /// Appends a compressed fragment that is not the last, and not empty. Returns false if the codec failed; then
    /// the message cannot be continued.
    ///
    /// The fragment ends a block, so that the client can decompress all of it at once.
    #[must_use]
    pub(crate) fn compress_fragment(&mut self, payload: &[u8], out: &mut Vec<u8>) -> bool {
        let codec = self.codec.get_or_insert_with(|| codec_pool::take_deflate(self.config));
        compress_all(codec, payload, out) && out.ends_with(&TAIL)
    }

    /// Appends the last fragment: an empty block (RFC 7692 §7.2.3.6).
    pub(crate) fn finish_fragments(&mut self, out: &mut Vec<u8>) {
        out.push(0x00);
        if !self.takeover
            && let Some(codec) = self.codec.take()
        {
            codec_pool::put_deflate(self.config, codec);
        }
    }
}

impl fmt::Debug for Deflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deflater")
            .field("config", &self.config)
            .field("takeover", &self.takeover)
            .field("is_enabled", &self.is_enabled)
            .field("holds_codec", &self.codec.is_some())
            .finish_non_exhaustive()
    }
}
