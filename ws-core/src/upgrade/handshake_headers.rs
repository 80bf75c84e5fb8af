//! The parts of a request's headers that a handshake needs.

use hyper::http::uri::Authority;

use super::extensions;
use super::headers::{HeaderFields, list_elements};

/// The value of a header that may occur only once.
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

    /// Returns the value, if the header occurs once.
    pub(super) fn value(self) -> Option<&'a [u8]> {
        if let Self::One(value) = self { Some(value) } else { None }
    }
}

/// The headers that every handshake is checked for, collected in one pass over the request.
// PERF: one lookup per header would cost more than all checks together. budget: connect
#[derive(Debug, Default)]
#[allow(clippy::struct_excessive_bools)] // Each is a separate finding.
pub(crate) struct HandshakeHeaders<'a> {
    /// Whether `Connection` lists `upgrade`.
    connection: bool,
    /// Whether `Upgrade` lists `websocket`.
    upgrade: bool,
    pub(super) version: Single<'a>,
    pub(super) key: Single<'a>,
    host: Single<'a>,
    /// Whether there is a `Content-Length` other than 0, or a `Transfer-Encoding`.
    pub(super) has_body: bool,
    /// Whether there is a header that concerns a body, even an empty one.
    has_body_headers: bool,
    /// Whether a line of `Sec-WebSocket-Extensions` does not match the grammar.
    pub(super) has_invalid_extensions: bool,
    /// Whether there is an `Origin`, under its final name or the drafts' name.
    pub(super) has_origin: bool,
}

impl<'a> HandshakeHeaders<'a> {
    /// Collects the headers of a request.
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
            // PERF: most clients send exactly these values. budget: connect
            7 if is("upgrade") => self.upgrade |= value == b"websocket" || list_contains(value, "websocket"),
            10 if is("connection") => {
                self.connection |= value == b"Upgrade" || list_contains(value, "upgrade");
            }
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

    /// Returns whether the request is one for an upgrade to WebSocket.
    pub(super) fn requests_upgrade(&self) -> bool {
        self.connection && self.upgrade
    }

    /// Returns whether any of the headers belongs to WebSockets only.
    pub(super) fn is_intended(&self) -> bool {
        let is_present = |field| !matches!(field, Single::Missing);
        self.upgrade || is_present(self.key) || is_present(self.version)
    }

    /// Returns the host that the request names. RFC 9112 §3.2 demands a 400 for "a Host header field with
    /// an invalid field value".
    pub(super) fn host(&self) -> Option<&'a str> {
        let host = self.host.value()?;
        let text = std::str::from_utf8(host).ok()?;
        let is_host = is_common_host(host) || !host.contains(&b'@') && text.parse::<Authority>().is_ok();
        is_host.then_some(text)
    }

    /// Returns whether the request is a handshake of RFC 6455, or of a draft with the same headers, without
    /// any header that an HTTP implementation must act on.
    pub(crate) fn is_plain_handshake(&self) -> bool {
        let is_present = |field| !matches!(field, Single::Missing);
        self.requests_upgrade() && is_present(self.key) && is_present(self.version) && !self.has_body_headers
    }
}

/// Returns whether a host is a name of letters, digits, dots and hyphens, with an optional port.
// PERF: accepts most hosts without the general parser, `Authority`. The test
// `common_hosts_are_authorities` shows that the parser accepts them too. budget: connect
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

#[cfg(test)]
mod tests {
    use httparse::Header;
    use hyper::header::HeaderMap;

    use super::*;

    #[test]
    fn common_hosts_are_authorities() {
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
    fn both_representations_scan_alike() {
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
