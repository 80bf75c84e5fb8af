//! permessage-deflate for a test client, implemented with flate2 instead of the crate under test.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};

/// The compression state of one connection, for both directions.
pub struct Codec {
    pub deflate: Compress,
    pub inflate: Decompress,
}

impl Default for Codec {
    fn default() -> Self {
        Self { deflate: Compress::new(Compression::default(), false), inflate: Decompress::new(false) }
    }
}

impl Codec {
    /// Compresses a message (RFC 7692 §7.2.1).
    pub fn compress(&mut self, message: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(message.len() + message.len() / 1000 + 200);
        self.deflate.compress_vec(message, &mut out, FlushCompress::Sync).unwrap();
        assert!(out.ends_with(&[0, 0, 0xff, 0xff]));
        out.truncate(out.len() - 4);
        out
    }

    /// Decompresses the payload of a message (RFC 7692 §7.2.2).
    pub fn decompress(&mut self, payload: &[u8]) -> Vec<u8> {
        let payload = [payload, &[0, 0, 0xff, 0xff]].concat();
        let (start, mut out) = (self.inflate.total_in(), Vec::new());
        loop {
            out.reserve(4096);
            let at = usize::try_from(self.inflate.total_in() - start).unwrap();
            self.inflate.decompress_vec(&payload[at..], &mut out, FlushDecompress::Sync).unwrap();
            if self.inflate.total_in() - start == payload.len() as u64 && out.len() < out.capacity() {
                return out;
            }
        }
    }
}
