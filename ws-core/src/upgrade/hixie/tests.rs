use hyper::Request;
use hyper::header::{CONNECTION, SEC_WEBSOCKET_PROTOCOL, UPGRADE};

use super::super::{DRAFT_ORIGIN, HandshakeResponse, check};
use super::*;
use crate::options::{Options, Origins};

const LEGACY: Options = Options { legacy: true, origins: Origins::Any, ..Options::DEFAULT };

/// Checks the handshake of the draft's introduction with some headers changed. An empty value removes a
/// header.
fn check_with(changes: &[(&str, &str)], options: &Options) -> Result<HandshakeResponse, HandshakeRejection> {
    let mut headers = vec![
        ("host", "example.com"),
        ("connection", "Upgrade"),
        ("sec-websocket-key2", "12998 5 Y3 1  .P00"),
        ("sec-websocket-protocol", "sample"),
        ("upgrade", "WebSocket"),
        ("sec-websocket-key1", "4 @1  46546xW%0l 1 5"),
        ("origin", "http://example.com"),
    ];
    headers.retain(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
    headers.extend(changes.iter().filter(|(name, value)| !name.starts_with(':') && !value.is_empty()));
    let uri = changes.iter().find(|(name, _)| *name == ":uri").map_or("/demo", |(_, uri)| uri);
    let mut request = Request::get(uri);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    if changes.contains(&(":tls", "")) {
        request = request.extension(IsTls(true));
    }
    check(&request.body(()).unwrap().into_parts().0, options)
}

#[test]
fn handshake_of_the_draft() {
    let response = check_with(&[], &Options { subprotocols: &["sample"], ..LEGACY }).unwrap();
    let digest = response.challenge().unwrap().response(*b"^n:ds[4U");
    assert_eq!(&digest, b"8jKS'y:G*Co,Wxa-");
    let response = response.to_response(&HeaderMap::new());
    assert_eq!(response.status(), 101);
    assert_eq!(response.extensions().get(), Some(&REASON));
    let expect = [
        (CONNECTION, "Upgrade"),
        (UPGRADE, "WebSocket"),
        (DRAFT_ORIGIN, "http://example.com"),
        (LOCATION, "ws://example.com/demo"),
        (SEC_WEBSOCKET_PROTOCOL, "sample"),
    ];
    for (name, value) in &expect {
        assert_eq!(response.headers()[name], value);
    }
    assert_eq!(response.headers().len(), expect.len());
}

/// Checks the location, which the client compares with the URL that it opened.
#[track_caller]
fn check_location(changes: &[(&str, &str)], expect: &str) {
    let response = check_with(changes, &LEGACY).unwrap().to_response(&HeaderMap::new());
    assert_eq!(response.headers()[LOCATION], expect);
}

#[test]
fn location_matches_the_requested_url() {
    check_location(&[("host", "example.com:8080"), (":uri", "/a?b=c&d")], "ws://example.com:8080/a?b=c&d");
    check_location(&[(":tls", "")], "wss://example.com/demo");
    check_location(&[(":uri", "http://other.example/a")], "ws://other.example/a");
    check_location(&[(":uri", "https://other.example/a")], "wss://other.example/a");
    // Behind a proxy only the handler knows the URL.
    let known = HeaderMap::from_iter([(LOCATION, HeaderValue::from_static("wss://app.example/demo"))]);
    let response = check_with(&[], &LEGACY).unwrap().to_response(&known);
    assert_eq!(response.headers()[LOCATION], "wss://app.example/demo");
    assert_eq!(response.headers().get_all(LOCATION).iter().count(), 1);
}

#[test]
fn response_has_no_origin_without_a_request_origin() {
    let invented = HeaderMap::from_iter([(DRAFT_ORIGIN, HeaderValue::from_static("http://a.example"))]);
    let response = check_with(&[("origin", "")], &LEGACY).unwrap().to_response(&invented);
    assert!(!response.headers().contains_key(DRAFT_ORIGIN));
}

#[test]
fn common_checks_apply() {
    assert_eq!(check_with(&[("host", "")], &LEGACY), Err(HandshakeRejection::Host));
    assert_eq!(check_with(&[("host", "a"), ("host", "b")], &LEGACY), Err(HandshakeRejection::Host));
    assert_eq!(check_with(&[("content-length", "8")], &LEGACY), Err(HandshakeRejection::Body));
    assert_eq!(check_with(&[("transfer-encoding", "chunked")], &LEGACY), Err(HandshakeRejection::Body));
    assert_eq!(check_with(&[("connection", "close")], &LEGACY), Err(HandshakeRejection::NoUpgrade));
    let same_host = Options { origins: Origins::SameHost, ..LEGACY };
    assert!(check_with(&[], &same_host).is_ok());
    assert_eq!(check_with(&[("origin", "http://evil.example")], &same_host), Err(HandshakeRejection::Origin));
}

#[test]
fn requires_legacy_and_no_version() {
    let version = Err(HandshakeRejection::Version { upgrade: true });
    assert_eq!(check_with(&[], &Options { legacy: false, ..LEGACY }), version);
    assert_eq!(check_with(&[("sec-websocket-version", "0")], &LEGACY), version);
    assert_eq!(check_with(&[("sec-websocket-key1", ""), ("sec-websocket-key2", "")], &LEGACY), version);
    let both = [("sec-websocket-version", "13"), ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")];
    assert_eq!(check_with(&both, &LEGACY).unwrap().challenge(), None);
    #[cfg(feature = "deflate")]
    {
        let offer = [("sec-websocket-extensions", "permessage-deflate, x-webkit-deflate-frame")];
        let options = Options { compress: Some(crate::options::Compress::DEFAULT), ..LEGACY };
        let headers = HeaderMap::from_iter([(
            hyper::header::SEC_WEBSOCKET_EXTENSIONS,
            HeaderValue::from_static(offer[0].1),
        )]);
        assert_eq!(check_with(&offer, &options).unwrap().negotiate_compression(&headers, &options), None);
    }
}

#[test]
fn key_numbers() {
    let check = |key: &str, expect: Option<u32>| assert_eq!(key_number(key.as_bytes()), expect, "{key:?}");
    check("4 @1  46546xW%0l 1 5", Some(829_309_203));
    check("12998 5 Y3 1  .P00", Some(259_970_620));
    check("3e6b263  4 17 80", Some(906_585_445));
    check("1 0", Some(10));
    check("x 0", Some(0));
    check("4294967295 ", Some(u32::MAX));
    check("00000000000000000000 8 ", Some(4));
    // No spaces, no digits, not divisible, more than 32 bits.
    check("1234", None);
    check("  ", None);
    check("", None);
    check("1 3 ", None);
    check("4294967296 ", None);
    check("99999999999999999999999999 ", None);
    check("7\t", None);
    for key in ["sec-websocket-key1", "sec-websocket-key2"] {
        assert!(matches!(check_with(&[(key, "")], &LEGACY), Err(HandshakeRejection::Key(_))));
        assert!(matches!(check_with(&[(key, "12")], &LEGACY), Err(HandshakeRejection::Key(_))));
        assert!(matches!(
            check_with(&[(key, "1 0"), (key, "1 0")], &LEGACY),
            Err(HandshakeRejection::Key(_))
        ));
    }
}
