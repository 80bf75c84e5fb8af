//! Frames and codecs of a client, for tests.

use super::mask;

/// Returns a masked frame whose first header byte is `first`.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let key = [0x37, 0xfa, 0x21, 0x3d];
    let mut out = vec![first];
    match payload.len() {
        len @ 0..=125 => out.push(0x80 | len as u8),
        len @ 126..=0xffff => {
            out.push(0xfe);
            out.extend((len as u16).to_be_bytes());
        }
        len => {
            out.push(0xff);
            out.extend((len as u64).to_be_bytes());
        }
    }
    out.extend(key);
    let start = out.len();
    out.extend(payload);
    mask::apply(&mut out[start..], key);
    out
}

/// Inflates a payload with another implementation, as a client would.
#[cfg(all(test, feature = "deflate"))]
pub(crate) fn peer_inflates(peer: &mut flate2::Decompress, payload: &[u8]) -> Vec<u8> {
    let input = [payload, &[0x00, 0x00, 0xff, 0xff]].concat();
    let mut out = Vec::new();
    let start = peer.total_in();
    loop {
        out.reserve(4096);
        let at = usize::try_from(peer.total_in() - start).unwrap();
        peer.decompress_vec(&input[at..], &mut out, flate2::FlushDecompress::Sync).unwrap();
        if peer.total_in() - start == input.len() as u64 && out.len() < out.capacity() {
            return out;
        }
    }
}

/// Compresses a message with another implementation, as a client would.
#[cfg(all(test, feature = "deflate"))]
pub(crate) fn peer_deflates(peer: &mut flate2::Compress, message: &[u8]) -> Vec<u8> {
    if message.is_empty() {
        return vec![0x00];
    }
    // Stored blocks have a header each.
    let mut out = Vec::with_capacity(message.len() + message.len() / 64 + 200);
    peer.compress_vec(message, &mut out, flate2::FlushCompress::Sync).unwrap();
    assert!(out.len() < out.capacity(), "the output may be incomplete");
    assert!(out.ends_with(&[0x00, 0x00, 0xff, 0xff]));
    out.truncate(out.len() - 4);
    out
}
