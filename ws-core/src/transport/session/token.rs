//! The tokens of sessions.

use std::fmt;

use data_encoding::BASE64URL_NOPAD;

use crate::transport::base64;

/// The length of a token in base64url.
const TEXT_LEN: usize = 22;

/// The secret of a session: 128 random bits. The debug output does not contain them, so that no log does.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Token([u8; 16]);

impl Token {
    /// Draws a token from the system's random numbers.
    ///
    /// # Errors
    ///
    /// The system has no random numbers.
    pub(crate) fn random() -> Result<Self, getrandom::Error> {
        let mut bits = [0; 16];
        getrandom::fill(&mut bits)?;
        Ok(Self(bits))
    }

    /// Parses a token in base64url without padding. Returns `None` for any other text.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.len() != TEXT_LEN {
            return None;
        }
        BASE64URL_NOPAD.decode(text.as_bytes()).ok()?.try_into().ok().map(Self)
    }

    /// Returns the token in base64url.
    pub(super) fn to_text(self) -> String {
        base64::encode_url(&self.0)
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
        let token = Token(std::array::from_fn(|index| index as u8));
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
