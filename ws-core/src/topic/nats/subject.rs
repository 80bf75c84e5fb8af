//! Encoding of topic names as NATS subject tokens.

use std::fmt::Write;

use crate::error::PublishError;

/// Maximum length of an encoded name in bytes. The server accepts a few kilobytes, but the name is part of
/// every message and of a stream's index.
const MAX_TOKEN: usize = 400;

/// Encodes a name as one subject token, which is also a valid key of a key-value store.
///
/// Letters, digits, `_` and `-` stay; every other byte becomes `=` and two hexadecimal digits. So a token
/// contains no wildcard and no dot, and different names have different tokens.
pub(super) fn token(name: &str) -> Result<String, PublishError> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    let size = name.bytes().map(|byte| if is_plain(byte) { 1 } else { 3 }).sum();
    if size > MAX_TOKEN {
        return Err(PublishError::Name { size, limit: MAX_TOKEN });
    }
    let mut token = String::with_capacity(size.max(1));
    for byte in name.bytes() {
        if is_plain(byte) {
            token.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(token, "={byte:02X}");
        }
    }
    if token.is_empty() {
        // A token must not be empty. No other name is encoded as a lone `=`.
        token.push('=');
    }
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, expect: &str) {
        assert_eq!(token(name).unwrap(), expect);
    }

    #[test]
    fn names_are_encoded_as_tokens() {
        check("room_1-A", "room_1-A");
        check("room:lobby", "room=3Alobby");
        check("a.b", "a=2Eb");
        check("*", "=2A");
        check(">", "=3E");
        check("=2A", "=3D2A");
        check(" \r\n", "=20=0D=0A");
        check("é", "=C3=A9");
        check("", "=");
        check("=", "=3D");
        assert!(token(&"x".repeat(MAX_TOKEN)).is_ok());
        let error = token(&".".repeat(10_000)).unwrap_err();
        assert!(matches!(error, PublishError::Name { size: 30_000, limit: MAX_TOKEN }));
    }
}
