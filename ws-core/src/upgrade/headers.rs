//! The header fields of a request, and what a handshake says in them.

use httparse::Header;
use hyper::header::HeaderMap;
use hyper::http::uri::Authority;

use super::extensions;

/// Header fields, however they are kept. The case of their names does not count.
pub(crate) trait HeaderFields {
    /// Every line, in its order among those of its name.
    fn lines(&self) -> impl Iterator<Item = (&str, &[u8])>;

    /// The values of one name.
    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let has_name = move |(other, _): &(&str, &[u8])| other.eq_ignore_ascii_case(name);
        self.lines().filter(has_name).map(|(_, value)| value)
    }
}

impl HeaderFields for HeaderMap {
    fn lines(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.iter().map(|(name, value)| (name.as_str(), value.as_bytes()))
    }
}

/// As they stand in the head of a request.
impl HeaderFields for [Header<'_>] {
    fn lines(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.iter().map(|line| (line.name, line.value))
    }
}

/// A field that may stand once.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Single<'a> {
    #[default]
    Missing,
    One(&'a [u8]),
    Repeated,
}

impl<'a> Single<'a> {
    fn add(&mut self, value: &'a [u8]) {
        *self = if matches!(self, Self::Missing) { Self::One(value) } else { Self::Repeated };
    }

    /// The value, if it stands once.
    pub(super) fn value(self) -> Option<&'a [u8]> {
        if let Self::One(value) = self { Some(value) } else { None }
    }
}

/// What the fields say that every handshake is asked for, found in one pass: to look for each of them
/// costs more than all that is done with them.
#[derive(Debug, Default)]
#[allow(clippy::struct_excessive_bools)] // Each is a finding by itself.
pub(crate) struct HandshakeHeaders<'a> {
    /// `Connection` lists `upgrade`, `Upgrade` lists `websocket`.
    connection: bool,
    upgrade: bool,
    pub(super) version: Single<'a>,
    pub(super) key: Single<'a>,
    host: Single<'a>,
    /// There is a `Content-Length` that is not 0, or a `Transfer-Encoding`.
    pub(super) has_body: bool,
    /// Something is said of a body.
    has_body_headers: bool,
    /// A line of `Sec-WebSocket-Extensions` is not in the grammar.
    pub(super) has_invalid_extensions: bool,
    /// There is an `Origin`, by whichever of its names.
    pub(super) has_origin: bool,
}

impl<'a> HandshakeHeaders<'a> {
    pub(crate) fn scan<F: HeaderFields + ?Sized>(fields: &'a F) -> Self {
        let mut headers = Self::default();
        for (name, value) in fields.lines() {
            headers.add(name, value);
        }
        headers
    }

    fn add(&mut self, name: &str, value: &'a [u8]) {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        match name.len() {
            4 if is("host") => self.host.add(value),
            6 if is("origin") => self.has_origin = true,
            6 if is("expect") => self.has_body_headers = true,
            7 if is("upgrade") => self.upgrade |= list_contains(value, "websocket"),
            10 if is("connection") => self.connection |= list_contains(value, "upgrade"),
            14 if is("content-length") => {
                self.has_body_headers = true;
                self.has_body |= value != b"0";
            }
            17 if is("sec-websocket-key") => self.key.add(value),
            17 if is("transfer-encoding") => (self.has_body_headers, self.has_body) = (true, true),
            20 if is("sec-websocket-origin") => self.has_origin = true,
            21 if is("sec-websocket-version") => self.version.add(value),
            24 if is("sec-websocket-extensions") => {
                self.has_invalid_extensions |= extensions::parse(value).is_none();
            }
            _ => {}
        }
    }

    /// Whether it asks for an upgrade to a WebSocket.
    pub(super) fn requests_upgrade(&self) -> bool {
        self.connection && self.upgrade
    }

    /// The host that the request names. RFC 9112 §3.2: 400 for "a Host header field with an invalid field
    /// value".
    pub(super) fn host(&self) -> Option<&'a str> {
        let host = self.host.value()?;
        let text = std::str::from_utf8(host).ok()?;
        let is_host = is_common_host(host) || !host.contains(&b'@') && text.parse::<Authority>().is_ok();
        is_host.then_some(text)
    }

    /// Whether it is a handshake of RFC 6455 or a draft near it, with nothing about it that concerns the
    /// HTTP below.
    pub(crate) fn is_plain_handshake(&self) -> bool {
        let is_present = |field| !matches!(field, Single::Missing);
        self.requests_upgrade() && is_present(self.key) && is_present(self.version) && !self.has_body_headers
    }
}

/// Whether it is a name of letters, digits, dots and hyphens, with a port or without: what an authority
/// nearly always is.
pub(super) fn is_common_host(host: &[u8]) -> bool {
    let colon = host.iter().position(|byte| *byte == b':').unwrap_or(host.len());
    let (name, port) = host.split_at(colon);
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    let is_port = |port: &[u8]| (2..=6).contains(&port.len()) && port[1..].iter().all(u8::is_ascii_digit);
    !name.is_empty() && name.iter().all(is_name) && (port.is_empty() || is_port(port))
}

fn list_contains(line: &[u8], element: &str) -> bool {
    line.eq_ignore_ascii_case(element.as_bytes())
        || list_elements(line).any(|candidate| candidate.eq_ignore_ascii_case(element))
}

/// The elements of a line that is a list; none if it is no text.
pub(super) fn list_elements(line: &[u8]) -> impl Iterator<Item = &str> {
    let is_text = |byte: &u8| matches!(byte, b' '..=b'~' | b'\t');
    let line = line.iter().all(is_text).then(|| std::str::from_utf8(line).ok()).flatten().unwrap_or_default();
    line.split(',').map(str::trim).filter(|element| !element.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_common_host_is_an_authority() {
        let alphabet = b"a9.-:@/[";
        let mut tried = vec![Vec::new()];
        for _ in 0..5 {
            let longer = |host: &Vec<u8>| alphabet.map(|byte| [host.as_slice(), &[byte]].concat());
            tried = tried.iter().flat_map(longer).collect();
            for host in &tried {
                let text = std::str::from_utf8(host).unwrap();
                assert!(!is_common_host(host) || text.parse::<Authority>().is_ok(), "{text}");
            }
        }
        for common in ["localhost", "a", "www.example.com:443", "127.0.0.1:65535"] {
            assert!(is_common_host(common.as_bytes()) && common.parse::<Authority>().is_ok());
        }
        for other in ["", ":80", "a:", "[::1]:80", "a:123456", "a:8x", "user@a"] {
            assert!(!is_common_host(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn the_head_and_the_map_say_the_same() {
        let lines = [
            ("Host", "a"),
            ("UPGRADE", "h2c, WebSocket"),
            ("connection", "keep-alive"),
            ("Connection", "Upgrade"),
        ];
        let head = lines.map(|(name, value)| Header { name, value: value.as_bytes() });
        let map: HeaderMap =
            lines.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        for headers in [HandshakeHeaders::scan(&head[..]), HandshakeHeaders::scan(&map)] {
            assert!(
                headers.requests_upgrade() && headers.host() == Some("a") && !headers.is_plain_handshake()
            );
        }
    }
}
