//! UTF-8 in pieces (RFC 6455 §8.1).

use simdutf8::compat::from_utf8;

use crate::close::ProtocolError;

/// An incremental validator. A byte that makes the text invalid is reported at once.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Utf8Validator {
    /// The bytes of the incomplete character at the end of the last piece, and their number.
    incomplete: [u8; 3],
    len: u8,
}

impl Utf8Validator {
    /// Validates the next piece.
    pub(crate) fn feed(&mut self, mut piece: &[u8]) -> Result<(), ProtocolError> {
        if self.len > 0 {
            piece = self.complete(piece)?;
        }
        match from_utf8(piece) {
            Ok(_) => Ok(()),
            Err(error) if error.error_len().is_some() => Err(ProtocolError::BadEncoding),
            Err(error) => {
                self.store_incomplete(&piece[error.valid_up_to()..]);
                Ok(())
            }
        }
    }

    /// Ends the text. An incomplete character is an error.
    pub(crate) fn finish(&mut self) -> Result<(), ProtocolError> {
        if std::mem::take(&mut self.len) == 0 { Ok(()) } else { Err(ProtocolError::BadEncoding) }
    }

    /// Returns the bytes of the incomplete character at the end of the text so far.
    pub(crate) fn incomplete(&self) -> &[u8] {
        &self.incomplete[..usize::from(self.len)]
    }

    /// Stores the incomplete character at the end of `piece`, and returns the length of the bytes before it.
    ///
    /// `piece` starts with the stored bytes. The bytes before the character are not validated.
    pub(crate) fn hold_back(&mut self, piece: &[u8]) -> usize {
        let is_incomplete = |len: &usize| {
            matches!(piece.len().checked_sub(*len).map(|at| std::str::from_utf8(&piece[at..])),
                Some(Err(error)) if error.valid_up_to() == 0 && error.error_len().is_none())
        };
        let end = piece.len() - (1..=3).find(is_incomplete).unwrap_or(0);
        self.store_incomplete(&piece[end..]);
        end
    }

    /// Completes the incomplete character, and returns the bytes of the piece that follow it.
    fn complete<'a>(&mut self, piece: &'a [u8]) -> Result<&'a [u8], ProtocolError> {
        let stored = usize::from(self.len);
        let mut character = [0; 4];
        character[..stored].copy_from_slice(&self.incomplete[..stored]);
        for (taken, &byte) in piece.iter().enumerate().take(4 - stored) {
            character[stored + taken] = byte;
            let so_far = &character[..=stored + taken];
            match std::str::from_utf8(so_far) {
                Ok(_) => {
                    self.len = 0;
                    return Ok(&piece[taken + 1..]);
                }
                Err(error) if error.error_len().is_some() => return Err(ProtocolError::BadEncoding),
                Err(_) => self.store_incomplete(so_far),
            }
        }
        Ok(&[])
    }

    /// Stores an incomplete character, which has at most three bytes.
    fn store_incomplete(&mut self, incomplete: &[u8]) {
        self.len = 0;
        for (place, &byte) in self.incomplete.iter_mut().zip(incomplete) {
            *place = byte;
            self.len += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks that every cut into two pieces, and single bytes, yield the same verdict.
    #[track_caller]
    fn check(text: &[u8], valid: bool) {
        for cut in 0..=text.len() {
            let mut utf8 = Utf8Validator::default();
            let verdict =
                utf8.feed(&text[..cut]).and_then(|()| utf8.feed(&text[cut..])).and_then(|()| utf8.finish());
            assert_eq!(verdict.is_ok(), valid, "{text:02x?} cut at {cut}");
        }
        let mut utf8 = Utf8Validator::default();
        let bytewise = text.iter().try_for_each(|byte| utf8.feed(std::slice::from_ref(byte)));
        assert_eq!(bytewise.and_then(|()| utf8.finish()).is_ok(), valid, "{text:02x?} byte by byte");
    }

    #[test]
    fn any_cut_yields_the_same_verdict() {
        check(b"", true);
        check("Hello-µ@ßöäüàá-UTF-8!!".as_bytes(), true);
        check("κόσμε\u{10ffff}\u{0}\u{800}\u{ffff}".as_bytes(), true);
        check(b"\xed\xa0\x80", false); // a surrogate
        check(b"\xf4\x90\x80\x80", false); // above U+10FFFF
        check(b"\xc0\xaf", false); // overlong
        check(b"\xe0\x80\xaf", false);
        check(b"\x80", false);
        check(b"abc\xff", false);
        check("abcé".as_bytes().split_last().unwrap().1, false); // ends inside a character
    }

    #[test]
    fn fails_at_the_first_invalid_byte() {
        let mut utf8 = Utf8Validator::default();
        assert!(utf8.feed(b"\xce\xba\xf4").is_ok());
        assert_eq!(utf8.feed(b"\x90"), Err(ProtocolError::BadEncoding));
    }
}
