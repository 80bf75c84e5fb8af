//! The codec of a client that compresses, by somebody else.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};

/// Both directions of one connection.
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
    /// A message, as RFC 7692 §7.2.1 has it.
    pub fn compress(&mut self, message: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(message.len() + message.len() / 1000 + 200);
        self.deflate.compress_vec(message, &mut out, FlushCompress::Sync).unwrap();
        assert!(out.ends_with(&[0, 0, 0xff, 0xff]));
        out.truncate(out.len() - 4);
        out
    }

    /// A message from what [`deflated`](Self::deflated) makes of it.
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
