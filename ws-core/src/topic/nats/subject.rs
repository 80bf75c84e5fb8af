//! Names of topics as tokens of subjects.

use std::fmt::Write;

use crate::error::PublishError;

/// How long a name may be in a subject. The server takes a few kilobytes, but they stand in every
/// message, and in the index of a stream.
const MAX_TOKEN: usize = 400;

/// A name as one token: letters, digits, `_` and `-` are themselves, all other bytes `=` and two
/// digits. So no name contains a wildcard or a dot, and no two names have the same token. Keys of a
/// key-value store may have the same characters.
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
            // Into a string that does not fail.
            let _ = write!(token, "={byte:02X}");
        }
    }
    if token.is_empty() {
        // A token has something in it; no other begins with this and ends with it.
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
    fn names_are_tokens() {
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
