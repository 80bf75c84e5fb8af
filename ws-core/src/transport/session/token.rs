//! The tokens of sessions.

use std::fmt;

/// The length of a token in base64url (RFC 4648 §5) without padding.
const TEXT_LEN: usize = 22;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The secret of a session: 128 random bits. The debug output does not contain them, so that no log does.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Token(u128);

impl Token {
    /// Draws a token from the system's random numbers.
    ///
    /// # Errors
    ///
    /// The system has no random numbers.
    pub(crate) fn random() -> Result<Self, getrandom::Error> {
        let mut bits = [0; 16];
        getrandom::fill(&mut bits)?;
        Ok(Self(u128::from_be_bytes(bits)))
    }

    /// Parses a token in base64url without padding. Returns `None` for any other text.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digit = |byte: &u8| ALPHABET.iter().position(|known| known == byte);
        let (last, others) = text.as_bytes().split_last().filter(|_| text.len() == TEXT_LEN)?;
        let mut bits = 0;
        for byte in others {
            bits = bits << 6 | digit(byte)? as u128;
        }
        // Of the last digit, two bits belong to the token.
        let last = digit(last).filter(|last| last.is_multiple_of(16))?;
        Some(Self(bits << 2 | (last >> 4) as u128))
    }

    /// Returns the token in base64url.
    // PERF: not with the crate of the handshake, whose encoder is inlined there as long as nothing else calls it.
    // budget: connect
    pub(super) fn to_text(self) -> String {
        let digit = |at: usize| if at == 0 { self.0 << 4 } else { self.0 >> (6 * at - 4) };
        (0..TEXT_LEN).rev().map(|at| char::from(ALPHABET[(digit(at) & 0x3f) as usize])).collect()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_bits_are_one_to_one() {
        let token = Token(u128::from_be_bytes(std::array::from_fn(|index| index as u8)));
        assert_eq!(token.to_text(), "AAECAwQFBgcICQoLDA0ODw");
        assert_eq!(Token::parse("AAECAwQFBgcICQoLDA0ODw"), Some(token));
        // The last character holds two bits. Others would be a second text of the token.
        for other in ["AAECAwQFBgcICQoLDA0ODx", "AAECAwQFBgcICQoLDA0OD", "AAECAwQFBgcICQoLDA0ODw=", "", "é"]
        {
            assert_eq!(Token::parse(other), None, "{other}");
        }
        assert_eq!(Token::parse("++ECAwQFBgcICQoLDA0ODw"), None);
    }

    #[test]
    fn tokens_are_random_and_not_printed() {
        let (one, other) = (Token::random().unwrap(), Token::random().unwrap());
        assert_ne!(one, other);
        assert_eq!(format!("{one:?}"), "Token(…)");
    }
}
