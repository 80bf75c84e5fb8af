use axum_core::response::IntoResponse;
use hyper::Request;
use hyper::header::{ALLOW, CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_VERSION, UPGRADE};

use super::*;
use crate::options::Origins;

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// Checks the handshake of RFC 6455 §1.2 with some headers changed. An empty value removes a header.
#[track_caller]
fn check_with(changes: &[(&str, &str)], options: &Options) -> Result<HandshakeResponse, HandshakeRejection> {
    let mut headers = vec![
        ("host", "server.example.com"),
        ("upgrade", "websocket"),
        ("connection", "Upgrade"),
        ("sec-websocket-key", KEY),
        ("origin", "http://server.example.com"),
        ("sec-websocket-version", "13"),
    ];
    for (changed, _) in changes {
        headers.retain(|(name, _)| name != changed);
    }
    headers.extend(changes.iter().filter(|(_, value)| !value.is_empty()));
    let version = changes.iter().find(|(name, _)| *name == "http");
    headers.retain(|(name, _)| *name != "http");
    let version = if version.is_some() { Version::HTTP_10 } else { Version::HTTP_11 };
    let mut request = Request::get("/chat").version(version);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    check(&request.body(()).unwrap().into_parts().0, options)
}

#[track_caller]
fn rejected(changes: &[(&str, &str)], expect: HandshakeRejection) {
    assert_eq!(check_with(changes, &Options::DEFAULT), Err(expect));
}

#[track_caller]
fn accepted(changes: &[(&str, &str)], options: &Options) -> HandshakeResponse {
    check_with(changes, options).unwrap()
}

#[test]
fn handshake_of_the_rfc() {
    let response = accepted(&[], &Options::DEFAULT).to_response(&HeaderMap::new());
    assert_eq!(response.status(), 101);
    assert_eq!(response.headers()[SEC_WEBSOCKET_ACCEPT], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_eq!(response.headers()[UPGRADE], "websocket");
    assert_eq!(response.headers()[CONNECTION], "Upgrade");
}

#[test]
fn connection_and_upgrade_are_lists_without_case() {
    accepted(&[("connection", "keep-alive, UPGRADE"), ("upgrade", "WebSocket")], &Options::DEFAULT);
    accepted(&[("upgrade", "h2c, websocket")], &Options::DEFAULT);
}

#[test]
fn rejections() {
    rejected(&[("upgrade", "")], HandshakeRejection::NoUpgrade);
    rejected(&[("http", "1.0")], HandshakeRejection::Http10);
    rejected(&[("http", "1.0"), ("connection", "close"), ("upgrade", "")], HandshakeRejection::Http10);
    rejected(&[("connection", "close")], HandshakeRejection::NoUpgrade);
    rejected(&[("host", "")], HandshakeRejection::Host);
    rejected(&[("host", "a"), ("host", "b")], HandshakeRejection::Host);
    for host in ["a.example/", "a b", "user@a.example", "a.example:x:y", "\u{e4}.example"] {
        rejected(&[("host", host), ("origin", "")], HandshakeRejection::Host);
    }
    rejected(&[("content-length", "5")], HandshakeRejection::Body);
    rejected(&[("content-length", "0"), ("content-length", "5")], HandshakeRejection::Body);
    rejected(&[("transfer-encoding", "chunked")], HandshakeRejection::Body);
    accepted(&[("content-length", "0")], &Options::DEFAULT);
    for malformed in ["permessage-deflate;", "foo; bar=", "foo bar", "foo; bar=\"a b\"", "foo, bar=1"] {
        rejected(&[("sec-websocket-extensions", malformed)], HandshakeRejection::Extensions);
        let second =
            [("sec-websocket-extensions", "permessage-deflate"), ("sec-websocket-extensions", malformed)];
        rejected(&second, HandshakeRejection::Extensions);
    }
    for unknown in ["foo; bar=\"baz\", permessage-deflate; foo", " , foo ,"] {
        accepted(&[("sec-websocket-extensions", unknown)], &Options::DEFAULT);
    }
    for version in ["", "12", "14", "0", "x", "13, 8"] {
        rejected(&[("sec-websocket-version", version)], HandshakeRejection::Version { upgrade: true });
    }
    for key in
        ["", "short", "dGhlIHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZSBub25jZQ=====", "dGhlIHNhbXBsZSBub25j*Q=="]
    {
        assert!(matches!(
            check_with(&[("sec-websocket-key", key)], &Options::DEFAULT),
            Err(HandshakeRejection::Key(_))
        ));
    }
    assert!(matches!(
        check_with(&[("sec-websocket-key", KEY), ("sec-websocket-key", KEY)], &Options::DEFAULT),
        Err(HandshakeRejection::Key(_))
    ));
}

#[test]
fn drafts() {
    for version in ["8", "7"] {
        let draft = [("sec-websocket-version", version), ("origin", "")];
        accepted(&draft, &Options::DEFAULT);
        let foreign = [&draft[..], &[("sec-websocket-origin", "http://evil.example")]].concat();
        rejected(&foreign, HandshakeRejection::Origin);
    }
}

#[test]
fn origins() {
    let same = [
        ("http://a.example", "a.example"),
        ("https://A.example", "a.EXAMPLE"),
        ("https://a.example", "a.example:443"),
        ("http://a.example:80", "a.example"),
        ("http://a.example:8080", "a.example:8080"),
        ("http://[::1]:8080", "[::1]:8080"),
        ("http://[::1]", "[::1]"),
        ("http://localhost:8080", "127.0.0.1:8080"),
        ("http://127.0.0.1:8080", "[::1]:8080"),
        ("http://[::1]:8080", "LOCALHOST:8080"),
        ("http://localhost", "127.0.0.1:80"),
    ];
    for (origin, host) in same {
        accepted(&[("origin", origin), ("host", host)], &Options::DEFAULT);
    }
    let foreign = [
        ("http://evil.example", "a.example"),
        ("http://a.example.evil.example", "a.example"),
        ("http://a.example:8081", "a.example:8080"),
        ("https://a.example", "a.example:80"),
        ("null", "a.example"),
        ("file://", "a.example"),
        ("http://", "a.example"),
        ("http://localhost:8081", "127.0.0.1:8080"),
        ("http://localhost.evil.example:8080", "localhost:8080"),
        ("http://127.0.0.2:8080", "127.0.0.1:8080"),
        ("http://localhost", "a.example"),
        ("http://a.example", "localhost"),
    ];
    for (origin, host) in foreign {
        rejected(&[("origin", origin), ("host", host)], HandshakeRejection::Origin);
    }
    // No known browser sends two origins.
    rejected(
        &[("origin", "http://server.example.com"), ("origin", "http://evil.example")],
        HandshakeRejection::Origin,
    );
    accepted(&[("origin", "")], &Options::DEFAULT);

    let listed = Options { origins: Origins::List(&["https://app.example"]), ..Options::DEFAULT };
    accepted(&[("origin", "https://app.example")], &listed);
    assert_eq!(check_with(&[], &listed), Err(HandshakeRejection::Origin));
    let local = Options { origins: Origins::Localhost, ..Options::DEFAULT };
    for origin in [
        "http://server.example.com",
        "http://localhost:5173",
        "https://localhost",
        "http://app.localhost:3000",
        "http://127.0.0.1:1",
        "http://127.1.2.3",
        "http://[::1]:3000",
    ] {
        accepted(&[("origin", origin)], &local);
    }
    for origin in [
        "http://evil.example",
        "http://localhost.evil.example",
        "http://evil.example:localhost",
        "http://evil.example/.localhost",
        "http://user@evil.example#.localhost",
        "http://localhost@evil.example",
        "http://localhost:80@evil.example",
        "http://evillocalhost",
        "http://127.0.0.1.evil.example",
        "http://128.0.0.1",
        "file://localhost",
        "localhost",
        "null",
    ] {
        assert_eq!(check_with(&[("origin", origin)], &local), Err(HandshakeRejection::Origin), "{origin}");
    }
    let any = Options { origins: Origins::Any, ..Options::DEFAULT };
    accepted(&[("origin", "null")], &any);
}

#[test]
fn subprotocol_follows_the_servers_preference() {
    let options = Options { subprotocols: &["chat.v2", "chat.v1"], ..Options::DEFAULT };
    let chosen = |offer: &[(&str, &str)]| accepted(offer, &options).subprotocol;
    assert_eq!(chosen(&[]), None);
    assert_eq!(chosen(&[("sec-websocket-protocol", "mqtt")]), None);
    assert_eq!(chosen(&[("sec-websocket-protocol", "chat.v1, chat.v2")]).unwrap(), "chat.v2");
    let two_lines = [("sec-websocket-protocol", "mqtt"), ("sec-websocket-protocol", "chat.v1")];
    assert_eq!(chosen(&two_lines).unwrap(), "chat.v1");
}

/// The headers that a handler may not set do not replace those of the handshake, in either form.
#[test]
fn bytes_and_response_have_the_same_headers() {
    let options = Options { subprotocols: &["chat"], ..Options::DEFAULT };
    let extra = [
        ("connection", "close"),
        ("upgrade", "h2c"),
        ("sec-websocket-accept", "forged"),
        ("sec-websocket-extensions", "foo"),
        ("sec-websocket-protocol", "other"),
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2"),
        ("x-room", "lobby"),
    ];
    let pairs = extra.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
    let mut extra = HeaderMap::new();
    extra.extend(pairs);
    let response = accepted(&[("sec-websocket-protocol", "chat")], &options);

    let mut bytes = Vec::new();
    response.write(&extra, &mut bytes);
    let mut fields = [httparse::EMPTY_HEADER; 16];
    let mut head = httparse::Response::new(&mut fields);
    assert!(head.parse(&bytes).unwrap().is_complete());
    assert_eq!(head.code, Some(101));
    let written: Vec<_> = head.headers.iter().map(|line| (line.name, line.value)).collect();
    let response = response.to_response(&extra);
    let map = response.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    assert_eq!(written, map.collect::<Vec<_>>());
    let expect: [(&str, &[u8]); 7] = [
        ("connection", b"Upgrade"),
        ("upgrade", b"websocket"),
        ("sec-websocket-accept", b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        ("sec-websocket-protocol", b"chat"),
        ("set-cookie", b"a=1"),
        ("set-cookie", b"b=2"),
        ("x-room", b"lobby"),
    ];
    assert_eq!(written, expect);
}

#[test]
fn statuses() {
    let status = |rejection: HandshakeRejection| rejection.into_response().status().as_u16();
    assert_eq!(status(HandshakeRejection::Method("GET")), 405);
    assert_eq!(HandshakeRejection::Method("GET").into_response().headers()[ALLOW], "GET");
    assert_eq!(status(HandshakeRejection::NoUpgrade), 426);
    assert_eq!(HandshakeRejection::NoUpgrade.into_response().headers()[UPGRADE], "websocket");
    assert_eq!(status(HandshakeRejection::Version { upgrade: true }), 426);
    assert_eq!(
        HandshakeRejection::Version { upgrade: true }.into_response().headers()[SEC_WEBSOCKET_VERSION],
        "13, 8, 7"
    );
    assert_eq!(status(HandshakeRejection::Key("")), 400);
    assert_eq!(status(HandshakeRejection::Extensions), 400);
    assert_eq!(status(HandshakeRejection::Forwarded("")), 400);
    assert_eq!(status(HandshakeRejection::Origin), 403);
    assert_eq!(status(HandshakeRejection::Capacity), 503);
}

/// Like [`check_with`], but for the handshake of RFC 8441 §5.1. The changes may include `:protocol`.
#[cfg(feature = "http2")]
#[track_caller]
fn check_connect_with(uri: &str, changes: &[(&str, &str)]) -> Result<HandshakeResponse, HandshakeRejection> {
    let mut headers = vec![("origin", "http://server.example.com"), ("sec-websocket-version", "13")];
    headers.retain(|(name, _)| changes.iter().all(|(changed, _)| name != changed));
    headers.extend(changes.iter().filter(|(name, value)| !name.starts_with(':') && !value.is_empty()));
    let mut request = Request::connect(uri).version(Version::HTTP_2);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let protocol =
        changes.iter().find(|(name, _)| *name == ":protocol").map_or("websocket", |(_, value)| value);
    if !protocol.is_empty() {
        request = request.extension(hyper::ext::Protocol::from(protocol));
    }
    let options = Options { subprotocols: &["chat.v1"], ..Options::DEFAULT };
    check(&request.body(()).unwrap().into_parts().0, &options)
}

#[cfg(feature = "http2")]
#[test]
fn extended_connect() {
    const URI: &str = "http://server.example.com/chat";
    let check = |changes: &[(&str, &str)]| check_connect_with(URI, changes);
    let extra = HeaderMap::from_iter([(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("replaced"))]);
    let response = check(&[("sec-websocket-protocol", "chat.v1")]).unwrap().to_response(&extra);
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()[SEC_WEBSOCKET_PROTOCOL], "chat.v1");
    assert_eq!(response.headers().len(), 1, "no Upgrade, no Connection, no Sec-WebSocket-Accept");

    for version in ["8", "7"] {
        assert!(check(&[("sec-websocket-version", version)]).is_ok());
    }
    for version in ["", "12", "13, 8"] {
        let rejection = check(&[("sec-websocket-version", version)]).unwrap_err();
        assert_eq!(rejection, HandshakeRejection::Version { upgrade: false });
        let response = rejection.into_response();
        assert_eq!((response.status().as_u16(), response.headers().contains_key(UPGRADE)), (426, false));
    }
    assert!(check(&[(":protocol", "WebSocket")]).is_ok());
    assert_eq!(check(&[(":protocol", "connect-udp")]), Err(HandshakeRejection::Protocol));
    assert_eq!(check(&[(":protocol", "")]), Err(HandshakeRejection::Method("CONNECT")));
    assert_eq!(check(&[("origin", "http://evil.example")]), Err(HandshakeRejection::Origin));
    assert_eq!(check(&[("content-length", "5")]), Err(HandshakeRejection::Body));
    assert_eq!(check(&[("sec-websocket-extensions", "foo;")]), Err(HandshakeRejection::Extensions));
    // Over HTTP/2 the key is ignored.
    assert!(check(&[("sec-websocket-key", "short")]).is_ok());
    assert_eq!(check_connect_with("ftp://server.example.com/chat", &[]), Err(HandshakeRejection::Scheme));
    assert_eq!(check_connect_with("/chat", &[]), Err(HandshakeRejection::Scheme));

    let mut request = Request::get(URI).version(Version::HTTP_2).body(()).unwrap();
    for (name, value) in [("sec-websocket-version", "13"), ("sec-websocket-key", KEY)] {
        request.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    let rejection = super::check(&request.into_parts().0, &Options::DEFAULT).unwrap_err();
    assert_eq!(rejection.into_response().headers()[ALLOW], "CONNECT");
}
