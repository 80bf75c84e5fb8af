//! Encoding in base64 (RFC 4648). `data-encoding` decodes.
//!
//! PERF: with a second caller of the encoder in `data-encoding`, the compiler no longer inlines the encoder into the
//! handshake, and each connection costs 300 instructions more. Another crate would be one more for everybody.
//! budget: connect

/// The alphabet of RFC 4648 §4.
const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The alphabet of RFC 4648 §5, for URLs and names of files.
const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Returns bytes in base64, with padding.
pub(super) fn encode(bytes: &[u8]) -> String {
    let mut text = encode_with(STANDARD, bytes);
    while !text.len().is_multiple_of(4) {
        text.push('=');
    }
    text
}

/// Returns bytes in base64url, without padding.
pub(super) fn encode_url(bytes: &[u8]) -> String {
    encode_with(URL_SAFE, bytes)
}

fn encode_with(alphabet: &[u8; 64], bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |index| u32::from(chunk.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..=chunk.len() {
            text.push(char::from(alphabet[(bits >> (18 - 6 * digit)) as usize & 63]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use data_encoding::{BASE64, BASE64URL_NOPAD};

    use super::*;

    #[test]
    fn agrees_with_another_implementation() {
        let bytes: Vec<u8> = (0..=255).rev().collect();
        for len in 0..bytes.len() {
            let bytes = &bytes[len / 2..][..len / 2];
            assert_eq!(encode(bytes), BASE64.encode(bytes));
            assert_eq!(encode_url(bytes), BASE64URL_NOPAD.encode(bytes));
        }
    }
}
