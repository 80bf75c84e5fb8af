//! The parser of `Sec-WebSocket-Extensions` (RFC 6455 §9.1).

#[cfg(feature = "deflate")]
use hyper::header::SEC_WEBSOCKET_EXTENSIONS;

#[cfg(feature = "deflate")]
use super::HeaderFields;

use crate::handler::is_token;

/// The name of a parameter and its value, without quotes.
type Parameter<'a> = (&'a [u8], Option<Vec<u8>>);

/// Calls `accept` for each extension of one name, and returns its first result. Returns `None` if a line
/// does not match the grammar, because a guess at its meaning could be wrong.
#[cfg(feature = "deflate")]
pub(super) fn negotiate_first<F: HeaderFields + ?Sized, T>(
    fields: &F,
    name: &str,
    accept: impl Fn(&[Parameter<'_>]) -> Option<T>,
) -> Option<T> {
    let mut found = None;
    for line in fields.values(SEC_WEBSOCKET_EXTENSIONS.as_str()) {
        for extension in parse(line)? {
            if found.is_none() && extension.name.eq_ignore_ascii_case(name.as_bytes()) {
                found = accept(&extension.parameters);
            }
        }
    }
    found
}

/// An element of the list of extensions.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Extension<'a> {
    pub(super) name: &'a [u8],
    pub(super) parameters: Vec<Parameter<'a>>,
}

/// Parses a line; returns `None` if the line does not match the grammar. A handshake with such a line must
/// fail, even if the server would accept no extension. Cowboy rejects such a handshake too.
///
/// ```text
/// extension-list = 1#extension
/// extension = extension-token *( ";" extension-param )
/// extension-param = token [ "=" (token | quoted-string) ]
/// ```
pub(super) fn parse(line: &[u8]) -> Option<Vec<Extension<'_>>> {
    let mut cursor = Cursor(line);
    let mut found = Vec::new();
    loop {
        cursor.skip_whitespace();
        // RFC 9110 §5.6.1: a recipient accepts empty list elements.
        if !matches!(cursor.0.first(), None | Some(b',')) {
            found.push(cursor.extension()?);
        }
        if cursor.0.is_empty() {
            return Some(found);
        }
        if !cursor.eat(b',') {
            return None;
        }
    }
}

/// The unparsed remainder of a line.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn extension(&mut self) -> Option<Extension<'a>> {
        let name = self.token()?;
        let mut parameters = Vec::new();
        while self.eat(b';') {
            let name = self.token()?;
            let value = if self.eat(b'=') { Some(self.value()?) } else { None };
            parameters.push((name, value));
        }
        Some(Extension { name, parameters })
    }

    fn value(&mut self) -> Option<Vec<u8>> {
        if self.0.first() != Some(&b'"') {
            return self.token().map(Into::into);
        }
        self.advance(1);
        let mut value = Vec::new();
        loop {
            match *self.0 {
                [b'"', ..] => break,
                [b'\\', byte, ..] => {
                    value.push(byte);
                    self.advance(2);
                }
                [byte, ..] => {
                    value.push(byte);
                    self.advance(1);
                }
                [] => return None,
            }
        }
        self.advance(1);
        self.skip_whitespace();
        // "The value after quoted-string unescaping MUST conform to the 'token' ABNF."
        (!value.is_empty() && value.iter().copied().all(is_token)).then_some(value)
    }

    /// Parses a token and the whitespace after it.
    fn token(&mut self) -> Option<&'a [u8]> {
        let len = self.0.iter().take_while(|byte| is_token(**byte)).count();
        let (token, remaining) = self.0.split_at_checked(len).filter(|(token, _)| !token.is_empty())?;
        self.0 = remaining;
        self.skip_whitespace();
        Some(token)
    }

    /// Parses a symbol and the whitespace after it; returns false if another byte is next.
    fn eat(&mut self, symbol: u8) -> bool {
        let is_next = self.0.first() == Some(&symbol);
        if is_next {
            self.advance(1);
            self.skip_whitespace();
        }
        is_next
    }

    fn skip_whitespace(&mut self) {
        let len = self.0.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        self.advance(len);
    }

    fn advance(&mut self, len: usize) {
        self.0 = self.0.get(len..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compares the extensions of a line, as text with the values in brackets.
    #[track_caller]
    fn check(line: &str, expect: Option<&str>) {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let parameter = |(name, value): &(&[u8], Option<Vec<u8>>)| {
            let value = value.as_deref().map(|value| format!("[{}]", text(value)));
            format!(";{}{}", text(name), value.unwrap_or_default())
        };
        let one =
            |it: &Extension<'_>| text(it.name) + &it.parameters.iter().map(parameter).collect::<String>();
        let got = parse(line.as_bytes()).map(|all| all.iter().map(one).collect::<Vec<_>>().join(" "));
        assert_eq!(got.as_deref(), expect, "{line}");
    }

    #[test]
    fn grammar() {
        check("", Some(""));
        check("a", Some("a"));
        check("a,b", Some("a b"));
        check(" a ; x = 1 ;y , , b\t;z=\"q\" ,", Some("a;x[1];y b;z[q]"));
        check("a; x=\"1\\5\"", Some("a;x[15]"));
        check("a; x=\"1,5\"", None);
        check("a; x=\"\"", None);
        check("a; x=\"1", None);
        check("a; x=\"1\\", None);
        check("a; x=", None);
        check("a; =1", None);
        check("a;", None);
        check("a b", None);
        check("a; x y", None);
        check(";x", None);
        check("a; x=ä", None);
        check("a; x=1=2", None);
    }
}
