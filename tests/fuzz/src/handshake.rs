//! Answers arbitrary request heads. RFC 6455 §4.2, RFC 7692 §7.1 and RFC 8441 §5 must allow each accepted
//! handshake.

use std::collections::BTreeMap;

use hyper::ext::Protocol;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::http::uri::Authority;
use hyper::{HeaderMap, Method, Request, Uri, Version};
use tungstenite::handshake::derive_accept_key;
use ws_core::fuzzing::{Parameters, handshake, parameters};
use ws_core::{Compress, Options, Origins};

use super::support::Input;

const SUBPROTOCOLS: [&str; 2] = ["chat.v2", "chat.v1"];
const ORIGINS: [Origins; 3] =
    [Origins::SameHost, Origins::List(&["https://app.example", "null"]), Origins::Any];

/// Runs the target. `data` holds a byte of settings, two for compression, the head.
pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let (settings, windows, takeovers) = (input.byte(), input.byte(), input.byte());
    let mut options = Options::DEFAULT;
    options.subprotocols = &SUBPROTOCOLS;
    options.origins = ORIGINS[usize::from(settings % 3)];
    if takeovers & 4 == 0 {
        let mut compress = Compress::DEFAULT;
        // Some values are out of range.
        compress.server_max_window_bits = windows & 0x0f;
        compress.client_max_window_bits = windows >> 4;
        compress.server_no_context_takeover = takeovers & 1 != 0;
        compress.client_no_context_takeover = takeovers & 2 != 0;
        options.compress = Some(compress);
    }
    let protocol = [None, Some("websocket"), Some("WebSocket"), Some("connect-udp")];
    let protocol = protocol[usize::from(settings >> 2 & 3)];
    let Some(parts) = request(input.0, settings & 0x80 != 0, protocol) else { return };

    paths(parts.uri.path());
    match handshake(&parts, &options) {
        Ok((response, negotiated)) => {
            let is_http2 = parts.version == Version::HTTP_2;
            assert_eq!(response.status(), if is_http2 { 200 } else { 101 });
            if is_http2 {
                check_connect(&parts, response.headers())
            } else {
                check_get(&parts, response.headers())
            }
            check_both(&parts.headers);
            check_origin(&parts, options.origins);
            check_subprotocol(&parts.headers, response.headers());
            check_extensions(&parts.headers, response.headers(), negotiated, options.compress);
        }
        Err(response) => {
            let status = response.status().as_u16();
            assert!(matches!(status, 400 | 403 | 405 | 426 | 501), "{status}");
        }
    }
}

/// Parses the head.
fn request(head: &[u8], is_http2: bool, protocol: Option<&'static str>) -> Option<Parts> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut parsed = httparse::Request::new(&mut headers);
    if !parsed.parse(head).ok()?.is_complete() {
        return None;
    }
    let mut request = Request::new(());
    *request.method_mut() = Method::from_bytes(parsed.method?.as_bytes()).ok()?;
    *request.uri_mut() = Uri::try_from(parsed.path?).ok()?;
    *request.version_mut() = match parsed.version? {
        _ if is_http2 => Version::HTTP_2,
        0 => Version::HTTP_10,
        _ => Version::HTTP_11,
    };
    for header in parsed.headers {
        let name = HeaderName::from_bytes(header.name.as_bytes()).ok()?;
        request.headers_mut().append(name, HeaderValue::from_bytes(header.value).ok()?);
    }
    if let Some(protocol) = protocol {
        request.extensions_mut().insert(Protocol::from_static(protocol));
    }
    Some(request.into_parts().0)
}

fn check_get(parts: &Parts, response: &HeaderMap) {
    let headers = &parts.headers;
    assert!(parts.method == Method::GET && parts.version == Version::HTTP_11);
    assert!(list_elements(headers, "connection").iter().any(|token| token.eq_ignore_ascii_case("upgrade")));
    assert!(list_elements(headers, "upgrade").iter().any(|token| token.eq_ignore_ascii_case("websocket")));
    assert!(only(headers, "host").is_some() && !headers.contains_key(header::TRANSFER_ENCODING));
    let key = only(headers, "sec-websocket-key").unwrap();
    assert_eq!(key.len(), 24);
    assert_eq!(response[header::SEC_WEBSOCKET_ACCEPT], derive_accept_key(key.as_bytes()));
    assert_eq!(
        (&response[header::UPGRADE], &response[header::CONNECTION]),
        (&"websocket".parse().unwrap(), &"Upgrade".parse().unwrap())
    );
}

fn check_connect(parts: &Parts, response: &HeaderMap) {
    assert_eq!(parts.method, Method::CONNECT);
    let protocol = parts.extensions.get::<Protocol>().unwrap();
    assert!(protocol.as_str().eq_ignore_ascii_case("websocket"));
    assert!(matches!(parts.uri.scheme_str(), Some("http" | "https")));
    // RFC 8441 §5: the response has no headers of the HTTP/1.1 handshake.
    let absent = [header::SEC_WEBSOCKET_ACCEPT, header::UPGRADE, header::CONNECTION];
    assert!(absent.iter().all(|name| !response.contains_key(name)));
}

fn check_both(headers: &HeaderMap) {
    assert!(matches!(only(headers, "sec-websocket-version"), Some("13" | "8" | "7")));
    assert!(headers.get_all(header::CONTENT_LENGTH).iter().all(|len| len == "0"));
}

/// RFC 6455 §10.2.
fn check_origin(parts: &Parts, allowed: Origins) {
    let named = ["origin", "sec-websocket-origin"];
    for origin in named.iter().flat_map(|name| parts.headers.get_all(*name)) {
        let origin = origin.to_str().unwrap_or_default();
        match allowed {
            Origins::SameHost | Origins::Localhost => {
                let host = parts.uri.authority().cloned();
                let host = host.or_else(|| only(&parts.headers, "host")?.parse().ok());
                let named = origin.parse::<Uri>().ok().and_then(|uri| uri.authority().cloned());
                // A browser cannot send a host that this parser rejects.
                if let (Some(host), Some(named)) = (host, named) {
                    let is_local = allowed == Origins::Localhost && is_loopback(&named);
                    assert!(is_local || is_same(&host, &named), "{host} {origin}");
                }
            }
            Origins::List(list) => assert!(list.iter().any(|item| item.eq_ignore_ascii_case(origin))),
            Origins::Any => {}
        }
    }
}

fn is_same(host: &Authority, origin: &Authority) -> bool {
    let default = |port| matches!(port, None | Some(80 | 443));
    let (host_port, origin_port) = (host.port_u16(), origin.port_u16());
    let is_machine = |host: &Authority| {
        ["localhost", "127.0.0.1", "[::1]"].iter().any(|name| name.eq_ignore_ascii_case(host.host()))
    };
    let is_same_name =
        host.host().eq_ignore_ascii_case(origin.host()) || is_machine(host) && is_machine(origin);
    is_same_name && (host_port == origin_port || (default(host_port) && default(origin_port)))
}

fn is_loopback(origin: &Authority) -> bool {
    let host = origin.host().to_ascii_lowercase();
    host == "localhost" || host.ends_with(".localhost") || host == "[::1]" || host.starts_with("127.")
}

/// Checks that the first declared subprotocol among the offered ones is selected.
fn check_subprotocol(headers: &HeaderMap, response: &HeaderMap) {
    let offered = list_elements(headers, "sec-websocket-protocol");
    let expect = SUBPROTOCOLS.iter().find(|name| offered.contains(name)).copied();
    assert_eq!(only(response, "sec-websocket-protocol"), expect);
}

/// Checks that the negotiated parameters equal the response, and that an offer and the declaration allow them.
fn check_extensions(
    headers: &HeaderMap,
    response: &HeaderMap,
    negotiated: Option<Parameters>,
    declared: Option<Compress>,
) {
    let offers = list_elements(headers, "sec-websocket-extensions");
    let answers = list_elements(response, "sec-websocket-extensions");
    let Some(negotiated) = negotiated else {
        assert!(answers.is_empty());
        // An offer without parameters is always accepted.
        let plain = Some("permessage-deflate");
        return assert!(declared.is_none() || only(headers, "sec-websocket-extensions") != plain);
    };
    let ([answer], Some(declared)) = (&answers[..], declared) else { panic!("{answers:?}") };
    let answer = Extension::parse(answer);
    let bits = |name| answer.0.get(name).map(|value| value.unwrap().parse::<u8>().unwrap());
    let has = |name| answer.0.contains_key(name);
    assert!(answer.is_deflate() && !answer.0.is_empty());
    assert_eq!(bits("server_max_window_bits").unwrap_or(15), negotiated.window_bits);
    assert!((9..=15).contains(&negotiated.window_bits));
    assert!(negotiated.window_bits <= declared.server_max_window_bits.clamp(9, 15));
    assert_eq!(has("server_no_context_takeover"), !negotiated.server_takeover);
    assert_eq!(has("client_no_context_takeover"), !negotiated.client_takeover);
    assert!(!(declared.server_no_context_takeover && negotiated.server_takeover));
    assert!(!(declared.client_no_context_takeover && negotiated.client_takeover));

    let allows = |offer: &Extension<'_>| {
        let offered = |name| offer.0.get(name).map(|value| value.and_then(|value| value.parse::<u8>().ok()));
        let server = offered("server_max_window_bits").is_none_or(|max| max >= Some(negotiated.window_bits));
        let client = match (offered("client_max_window_bits"), bits("client_max_window_bits")) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(max), Some(bits)) => (8..=max.unwrap_or(15)).contains(&bits),
        };
        let takeover = offered("server_no_context_takeover").is_none() || !negotiated.server_takeover;
        offer.is_deflate() && server && client && takeover
    };
    // Quotes and backslashes of a quoted value have no other meaning.
    let offers: Vec<String> = offers.iter().map(|offer| offer.replace(['"', '\\'], "")).collect();
    assert!(offers.iter().any(|offer| allows(&Extension::parse(offer))), "{offers:?} {answer:?}");
}

/// The name and the parameters of an extension. The name is stored like a parameter without a value.
#[derive(Debug)]
struct Extension<'a>(BTreeMap<String, Option<&'a str>>);

impl<'a> Extension<'a> {
    fn parse(text: &'a str) -> Self {
        Self(
            text.split(';')
                .map(|part| match part.split_once('=') {
                    Some((name, value)) => (name.trim().to_ascii_lowercase(), Some(value.trim())),
                    None => (part.trim().to_ascii_lowercase(), None),
                })
                .collect(),
        )
    }

    fn is_deflate(&self) -> bool {
        self.0.contains_key("permessage-deflate")
    }
}

/// Returns the list elements of all lines of a header.
fn list_elements<'a>(headers: &'a HeaderMap, name: &'static str) -> Vec<&'a str> {
    let lines = headers.get_all(name).into_iter().filter_map(|line| line.to_str().ok());
    let elements = lines.flat_map(|line| line.split(','));
    elements.map(|element| element.trim_matches([' ', '\t'])).filter(|element| !element.is_empty()).collect()
}

fn only<'a>(headers: &'a HeaderMap, name: &'static str) -> Option<&'a str> {
    let lines: Vec<_> = headers.get_all(name).into_iter().collect();
    if let [line] = lines[..] { line.to_str().ok() } else { None }
}

/// Checks that the parameters of a path are its decoded segments, and that a segment that is not UTF-8 is an
/// error.
fn paths(path: &str) {
    let segments: Vec<&str> = path.split('/').collect();
    let is_chat = |segment| decoded(segment).as_deref() == Some("chat");
    if let Some(room) = parameters::<String>("/chat/{room}", path) {
        let ["", chat, segment] = segments[..] else { panic!("{path}") };
        assert!(is_chat(chat));
        assert_eq!(room.ok(), decoded(segment));
    }
    if let Some(both) = parameters::<(String, String)>("/chat/{room}/{*rest}", path) {
        let Some((["", chat, room], rest)) = segments.split_at_checked(3) else { panic!("{path}") };
        assert!(is_chat(chat));
        assert_eq!(both.ok(), decoded(room).zip(decoded(&rest.join("/"))));
    }
    if let Some(Ok((room, seat))) = parameters::<(i64, Option<u8>)>("/{room}/{seat}", path) {
        let (rooms, seats) = (decoded(segments[1]).unwrap(), decoded(segments[2]).unwrap());
        assert_eq!((rooms.parse(), seats.parse().ok()), (Ok(room), seat));
    }
    if let Some(Ok(named)) = parameters::<BTreeMap<String, String>>("/{_unused}/{named}", path) {
        assert_eq!(named, BTreeMap::from([("named".into(), decoded(segments[2]).unwrap())]));
    }
}

/// RFC 3986 §2.1. Returns `None` if the bytes are not UTF-8.
fn decoded(text: &str) -> Option<String> {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let (mut out, mut remaining) = (Vec::new(), text.as_bytes());
    while let Some((first, after)) = remaining.split_first() {
        remaining = after;
        match (first, digit(after.first()), digit(after.get(1))) {
            (b'%', Some(high), Some(low)) => {
                out.push((high << 4 | low) as u8);
                remaining = &after[2..];
            }
            _ => out.push(*first),
        }
    }
    String::from_utf8(out).ok()
}
