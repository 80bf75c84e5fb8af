//! The URL of a server (RFC 6455 §3).

use hyper::Uri;
use hyper::http::uri::{Authority, PathAndQuery, Scheme};
use percent_encoding::{CONTROLS, utf8_percent_encode};

use super::error::ConnectError;

/// The parts of a server's URL.
#[cfg_attr(test, derive(Debug))]
pub(super) struct ServerUrl {
    pub(super) is_tls: bool,
    /// The name or the address, without the brackets of an IPv6 address.
    pub(super) host: String,
    pub(super) port: u16,
    /// The value of the header `Host`: without a default port.
    pub(super) authority: String,
    pub(super) path: PathAndQuery,
}

impl ServerUrl {
    /// Parses a URL with the scheme `ws` or `wss`.
    pub(super) fn parse(url: &str) -> Result<Self, ConnectError> {
        let invalid = |reason: &str| ConnectError::Url(reason.to_owned());
        if url.contains('#') {
            return Err(invalid("a fragment (`#`) has no meaning"));
        }
        let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
        if after_scheme.split(['/', '?']).next().is_some_and(|authority| !authority.is_ascii()) {
            return Err(invalid("a host is ASCII: write an international name as `xn--…`"));
        }
        let uri: Uri = url.parse().map_err(|error| ConnectError::Url(format!("{error}")))?;
        let scheme = uri.scheme_str().unwrap_or_default().to_ascii_lowercase();
        let is_tls = match &*scheme {
            "ws" => false,
            "wss" => true,
            _ => return Err(invalid("the scheme is neither `ws` nor `wss`")),
        };
        let authority = uri.authority().filter(|authority| !authority.host().is_empty());
        let authority = authority.ok_or_else(|| invalid("the host is missing"))?;
        if authority.as_str().contains('@') {
            return Err(invalid("credentials belong in a header: `.header(\"authorization\", …)`"));
        }
        let default_port = if is_tls { 443 } else { 80 };
        let host = authority.host();
        let after_host = authority.as_str().strip_prefix(host).unwrap_or_default();
        let port: u16 = match after_host.strip_prefix(':') {
            None | Some("") => default_port,
            Some(port) => {
                let digits = Some(port).filter(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
                let port = digits.and_then(|digits| digits.parse().ok());
                port.ok_or_else(|| invalid("the port is not a number below 65536"))?
            }
        };
        let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
        // A request has ASCII only, and `Uri` takes UTF-8.
        let path = utf8_percent_encode(path, CONTROLS).to_string();
        // A query may follow the host.
        let path: Result<PathAndQuery, _> =
            if path.starts_with('/') { path.parse() } else { format!("/{path}").parse() };
        Ok(Self {
            is_tls,
            host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            port,
            authority: if port == default_port { host.to_owned() } else { format!("{host}:{port}") },
            path: path.map_err(|error| ConnectError::Url(format!("{error}")))?,
        })
    }

    /// Returns the authority with its port, the target of `CONNECT`.
    pub(super) fn tunnel_target(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// Returns the URL as one of HTTP, by which proxies are chosen.
    pub(super) fn as_http(&self) -> Option<Uri> {
        let scheme = if self.is_tls { Scheme::HTTPS } else { Scheme::HTTP };
        let authority: Authority = self.tunnel_target().parse().ok()?;
        Uri::builder().scheme(scheme).authority(authority).path_and_query("/").build().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, expect: Result<(bool, &str, u16, &str, &str), &str>) {
        match (ServerUrl::parse(url), expect) {
            (Ok(url), Ok(expect)) => {
                let found = (url.is_tls, &*url.host, url.port, &*url.authority, url.path.as_str());
                assert_eq!(found, expect);
            }
            (Err(error), Err(expect)) => assert!(error.to_string().contains(expect), "{error}"),
            (found, expect) => panic!("{found:?} is not {expect:?}"),
        }
    }

    #[test]
    fn urls_are_parsed_or_refused() {
        check("ws://a.example", Ok((false, "a.example", 80, "a.example", "/")));
        check("wss://a.example/b/c?d=%20e", Ok((true, "a.example", 443, "a.example", "/b/c?d=%20e")));
        check("ws://a.example:443/", Ok((false, "a.example", 443, "a.example:443", "/")));
        check("wss://a.example:443/", Ok((true, "a.example", 443, "a.example", "/")));
        check("ws://a.example?b", Ok((false, "a.example", 80, "a.example", "/?b")));
        check("ws://[::1]:9000/", Ok((false, "::1", 9000, "[::1]:9000", "/")));
        check("WSS://A.example/", Ok((true, "A.example", 443, "A.example", "/")));
        check("ws://a.example/#top", Err("fragment"));
        check("http://a.example/", Err("neither `ws` nor `wss`"));
        check("/chat", Err("neither `ws` nor `wss`"));
        check("a.example:80", Err("neither `ws` nor `wss`"));
        check("ws://user:secret@a.example/", Err("authorization"));
        check("ws://:80/", Err("invalid URL"));
        check("ws://a.example:99999/", Err("invalid URL"));
        check("ws://a.example:+80/", Err("invalid URL"));
        check("ws://a.example:80:80/", Err("invalid URL"));
        check("ws://[::1/", Err("invalid URL"));
        check("ws://a.example/\r\nx: y", Err("invalid URL"));
        check("ws://a.example/a b", Err("invalid URL"));
        check("ws://räume.example/", Err("xn--"));
        check(
            "ws://a.example/r\u{e4}ume?\u{fc}=%20",
            Ok((false, "a.example", 80, "a.example", "/r%C3%A4ume?%C3%BC=%20")),
        );
        check("ws://a b/", Err("invalid URL"));
        check("", Err("invalid URL"));
    }

    #[test]
    fn tunnels_name_the_port() {
        let target = |url| ServerUrl::parse(url).unwrap().tunnel_target();
        assert_eq!(target("wss://a.example/x"), "a.example:443");
        assert_eq!(target("ws://[::1]/"), "[::1]:80");
    }
}
