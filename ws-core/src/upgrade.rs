//! The opening handshake (RFC 6455 §4.2, over HTTP/2 RFC 8441 §5), pure: a request in, an acceptance
//! or a refusal out.

#[cfg(feature = "deflate")]
mod deflate;
mod extensions;
mod hixie;
#[cfg(feature = "deflate")]
mod webkit;

use axum_core::body::Body;
use axum_core::response::{IntoResponse, Response};
use hyper::header::{
    ALLOW, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN,
    RETRY_AFTER, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING, UPGRADE,
};
use hyper::http::request::Parts;
use hyper::http::uri::Authority;
use hyper::{Method, StatusCode, Uri, Version};
use tungstenite::handshake::derive_accept_key;

pub(crate) use hixie::{ANSWER, BODY, Challenge};

#[cfg(not(feature = "deflate"))]
use crate::options::Compress;
use crate::options::{Options, Origins};
use crate::wire::Agreed;

/// The final version and the drafts that browsers shipped; on the wire they are the same.
const VERSIONS: &str = "13, 8, 7";

/// What the `Origin` was called in the drafts.
const DRAFT_ORIGIN: HeaderName = HeaderName::from_static("sec-websocket-origin");

/// A handshake that is in order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Acceptance {
    proof: Proof,
    pub(crate) subprotocol: Option<HeaderValue>,
    extensions: Option<HeaderValue>,
}

/// What shows the client that its handshake was understood.
#[derive(Debug, PartialEq, Eq)]
enum Proof {
    /// The answer to its key.
    Accept(HeaderValue),
    /// What draft 76 wants in the head. The answer to its keys follows it.
    Hixie(hixie::Handshake),
    /// HTTP/2 needs none, and is accepted with 200.
    #[cfg(feature = "http2")]
    None,
}

/// An extension of requests that came inside TLS.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InsideTls;

/// Why a request does not become a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The path is there, but not for this method; the one that it is for.
    Method(&'static str),
    /// It asks for a protocol that is not WebSocket.
    #[cfg(feature = "http2")]
    Protocol,
    /// Its scheme is not that of HTTP.
    #[cfg(feature = "http2")]
    Scheme,
    /// It does not ask for an upgrade.
    NoUpgrade,
    /// It asks for a version that nobody knows. Whether an upgrade may be offered: HTTP/2 has none.
    Version { upgrade: bool },
    /// Its key is missing or malformed.
    Key(&'static str),
    /// It does not name one host, as HTTP/1.1 demands.
    Host,
    /// It has a body.
    Body,
    /// What it says of extensions is not in the grammar.
    Extensions,
    /// `#[on_upgrade]` panicked.
    Panic,
    /// A browser sent it from a page of another host.
    Origin,
    /// The server has as many connections as it may.
    Capacity,
    /// As many of them as may come from the client's address.
    Address,
    /// As many have come in this second as may.
    Rate,
    /// `#[on_upgrade]` took longer than the handshake may.
    Timeout,
    /// The server below has no connection to give.
    NotUpgradable,
    /// `#[on_upgrade]` asked for a response that cannot be.
    Response,
}

/// Checks a request, in the order of the statuses that it can get.
pub(crate) fn check(parts: &Parts, options: &Options) -> Result<Acceptance, Refusal> {
    let proof = match parts.version {
        #[cfg(feature = "http2")]
        Version::HTTP_2 => check_connect(parts)?,
        _ => check_get(parts, options)?,
    };
    if !extensions::are_well_formed(&parts.headers) {
        return Err(Refusal::Extensions);
    }
    if !origin_allowed(&parts.headers, &parts.uri, options.origins) {
        return Err(Refusal::Origin);
    }
    let subprotocol = subprotocol(&parts.headers, options.subprotocols);
    Ok(Acceptance { proof, subprotocol, extensions: None })
}

/// Whether a request is one of draft 76, where that is spoken: eight bytes come behind it that are no
/// other request.
pub(crate) fn is_draft_76(parts: &Parts, options: &Options) -> bool {
    options.legacy && parts.version <= Version::HTTP_11 && hixie::is_meant(&parts.headers)
}

/// The opening handshake of HTTP/1.1.
fn check_get(parts: &Parts, options: &Options) -> Result<Proof, Refusal> {
    if parts.method != Method::GET {
        return Err(Refusal::Method("GET"));
    }
    let headers = &parts.headers;
    let asks = lists(headers, &CONNECTION, "upgrade") && lists(headers, &UPGRADE, "websocket");
    // "The HTTP version MUST be at least 1.1."
    if !asks || parts.version < Version::HTTP_11 {
        return Err(Refusal::NoUpgrade);
    }
    let proof = if is_draft_76(parts, options) {
        Proof::Hixie(hixie::Handshake::of(parts)?)
    } else if is_known_version(headers) {
        let accept = derive_accept_key(key(headers)?);
        Proof::Accept(HeaderValue::try_from(accept).map_err(|_| Refusal::Response)?)
    } else {
        return Err(Refusal::Version { upgrade: true });
    };
    if host(headers).is_none() {
        return Err(Refusal::Host);
    }
    // What came as a body would be taken for frames.
    if headers.contains_key(TRANSFER_ENCODING) || has_length(headers) {
        return Err(Refusal::Body);
    }
    Ok(proof)
}

/// That of HTTP/2: an extended CONNECT takes the place of the upgrade and of the key.
#[cfg(feature = "http2")]
fn check_connect(parts: &Parts) -> Result<Proof, Refusal> {
    if parts.method != Method::CONNECT {
        return Err(Refusal::Method("CONNECT"));
    }
    match parts.extensions.get::<hyper::ext::Protocol>() {
        Some(protocol) if protocol.as_str().eq_ignore_ascii_case("websocket") => {}
        Some(_) => return Err(Refusal::Protocol),
        // A tunnel to somewhere else.
        None => return Err(Refusal::Method("CONNECT")),
    }
    // "The scheme of the target URI MUST be "https" for "wss" and "http" for "ws"."
    if !matches!(parts.uri.scheme_str(), Some("https" | "http")) {
        return Err(Refusal::Scheme);
    }
    let headers = &parts.headers;
    if !is_known_version(headers) {
        return Err(Refusal::Version { upgrade: false });
    }
    if parts.uri.authority().is_none() && host(headers).is_none() {
        return Err(Refusal::Host);
    }
    if has_length(headers) {
        return Err(Refusal::Body);
    }
    Ok(Proof::None)
}

/// The host that the request names. RFC 9112 §3.2: 400 for "a Host header field with an invalid field
/// value".
fn host(headers: &HeaderMap) -> Option<&str> {
    let host = std::str::from_utf8(one(headers, &HOST)?).ok()?;
    (!host.contains('@') && host.parse::<Authority>().is_ok()).then_some(host)
}

fn is_known_version(headers: &HeaderMap) -> bool {
    matches!(one(headers, &SEC_WEBSOCKET_VERSION), Some(b"13" | b"8" | b"7"))
}

fn has_length(headers: &HeaderMap) -> bool {
    headers.get_all(CONTENT_LENGTH).iter().any(|len| len.as_bytes() != b"0")
}

impl Acceptance {
    /// What is to be answered behind the head, if this is a handshake of draft 76.
    pub(crate) fn challenge(&self) -> Option<Challenge> {
        if let Proof::Hixie(handshake) = &self.proof { Some(handshake.challenge) } else { None }
    }

    /// Answers what the client offers for messages to be compressed. This comes after
    /// `#[on_upgrade]`, which may have a say in it.
    pub(crate) fn negotiate(&mut self, headers: &HeaderMap, options: &Options) -> Option<Agreed> {
        let compress = options.compress.filter(|_| self.challenge().is_none())?;
        let older = || if options.legacy { webkit::negotiate(headers, compress) } else { None };
        let (agreed, answer) = deflate::negotiate(headers, compress).or_else(older)?;
        self.extensions = Some(answer);
        Some(agreed)
    }

    /// The 101, or the 200 of HTTP/2.
    pub(crate) fn into_response(self, more: HeaderMap) -> Response {
        let mut response = Response::new(Body::empty());
        response.headers_mut().extend(more);
        match self.proof {
            Proof::Accept(accept) => {
                *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
                let headers = response.headers_mut();
                headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
                headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
                headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
            }
            Proof::Hixie(handshake) => handshake.accept(&mut response),
            #[cfg(feature = "http2")]
            Proof::None => {}
        }
        let headers = response.headers_mut();
        if let Some(subprotocol) = self.subprotocol {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, subprotocol);
        }
        // An extension that a handler names by itself is one that nobody here speaks.
        headers.remove(SEC_WEBSOCKET_EXTENSIONS);
        if let Some(extensions) = self.extensions {
            headers.insert(SEC_WEBSOCKET_EXTENSIONS, extensions);
        }
        response
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, why) = match self {
            Self::Method("CONNECT") => {
                (StatusCode::METHOD_NOT_ALLOWED, "over HTTP/2 a WebSocket is opened with an extended CONNECT")
            }
            Self::Method(_) => (StatusCode::METHOD_NOT_ALLOWED, "a WebSocket is opened with GET"),
            #[cfg(feature = "http2")]
            // RFC 9220 §3 says so of HTTP/3; RFC 8441 names no status.
            Self::Protocol => (StatusCode::NOT_IMPLEMENTED, "the only :protocol here is websocket"),
            #[cfg(feature = "http2")]
            Self::Scheme => (StatusCode::BAD_REQUEST, "the :scheme of a WebSocket is http or https"),
            Self::NoUpgrade => {
                (StatusCode::UPGRADE_REQUIRED, "this is a WebSocket: ask for an upgrade to it")
            }
            Self::Version { .. } => {
                (StatusCode::UPGRADE_REQUIRED, "unknown Sec-WebSocket-Version: use 13, 8 or 7")
            }
            Self::Key(why) => (StatusCode::BAD_REQUEST, why),
            Self::Host => (StatusCode::BAD_REQUEST, "Host must stand once, and name a host"),
            Self::Body => (StatusCode::BAD_REQUEST, "a handshake has no body"),
            Self::Extensions => (StatusCode::BAD_REQUEST, "Sec-WebSocket-Extensions is malformed"),
            Self::Panic => (StatusCode::INTERNAL_SERVER_ERROR, "the handler failed"),
            Self::Origin => (StatusCode::FORBIDDEN, "pages of this origin may not connect"),
            Self::Capacity => (StatusCode::SERVICE_UNAVAILABLE, "too many connections: try again later"),
            Self::Address => (StatusCode::TOO_MANY_REQUESTS, "too many connections from this address"),
            Self::Rate => {
                (StatusCode::SERVICE_UNAVAILABLE, "too many connections at once: try again in a second")
            }
            Self::Timeout => (StatusCode::SERVICE_UNAVAILABLE, "the handshake took too long"),
            Self::NotUpgradable => (StatusCode::INTERNAL_SERVER_ERROR, "this connection cannot be upgraded"),
            Self::Response => (StatusCode::INTERNAL_SERVER_ERROR, "the handler's response is invalid"),
        };
        let mut response = Response::new(Body::from(format!("{why}\n")));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        match self {
            Self::Method(allowed) => _ = headers.insert(ALLOW, HeaderValue::from_static(allowed)),
            Self::NoUpgrade | Self::Version { .. } => {
                headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static(VERSIONS));
            }
            // In seconds.
            Self::Rate => _ = headers.insert(RETRY_AFTER, HeaderValue::from_static("1")),
            _ => {}
        }
        if matches!(self, Self::NoUpgrade | Self::Version { upgrade: true }) {
            // RFC 9110 §15.5.22: a 426 says what to upgrade to.
            headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
            headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        }
        response
    }
}

/// The elements of a header that is a list, over all of its lines.
fn elements<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(name).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim).filter(|element| !element.is_empty())
}

fn lists(headers: &HeaderMap, name: &HeaderName, element: &str) -> bool {
    elements(headers, name).any(|candidate| candidate.eq_ignore_ascii_case(element))
}

/// The value of a header that may stand once.
fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let mut lines = headers.get_all(name).into_iter();
    match (lines.next(), lines.next()) {
        (Some(value), None) => Some(value.as_bytes()),
        _ => None,
    }
}

/// "A nonce consisting of a randomly selected 16-byte value that has been base64-encoded": 22
/// characters and two of padding.
fn key(headers: &HeaderMap) -> Result<&[u8], Refusal> {
    if !headers.contains_key(SEC_WEBSOCKET_KEY) {
        return Err(Refusal::Key("Sec-WebSocket-Key is missing"));
    }
    let key = one(headers, &SEC_WEBSOCKET_KEY).ok_or(Refusal::Key("Sec-WebSocket-Key stands twice"))?;
    let base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    match key.strip_suffix(b"==") {
        Some(digits) if digits.len() == 22 && digits.iter().all(base64) => Ok(key),
        _ => Err(Refusal::Key("Sec-WebSocket-Key is not the base64 of 16 bytes")),
    }
}

/// The first of the handler's subprotocols that the client offers.
fn subprotocol(headers: &HeaderMap, spoken: &[&'static str]) -> Option<HeaderValue> {
    let offered = |name: &&&str| elements(headers, &SEC_WEBSOCKET_PROTOCOL).any(|offer| offer == **name);
    spoken.iter().find(offered).and_then(|name| HeaderValue::from_str(name).ok())
}

/// Whether the client offered a subprotocol that the handler chose by itself.
pub(crate) fn is_offered(headers: &HeaderMap, subprotocol: &HeaderValue) -> bool {
    elements(headers, &SEC_WEBSOCKET_PROTOCOL).any(|offer| offer.as_bytes() == subprotocol.as_bytes())
}

/// RFC 6455 §10.2. Whatever names an origin must name an allowed one.
fn origin_allowed(headers: &HeaderMap, uri: &Uri, allowed: Origins) -> bool {
    let named = [ORIGIN, DRAFT_ORIGIN];
    let mut origins = named.iter().flat_map(|name| headers.get_all(name));
    match allowed {
        Origins::Any => true,
        Origins::List(list) => origins
            .all(|origin| list.iter().any(|item| item.as_bytes().eq_ignore_ascii_case(origin.as_bytes()))),
        Origins::SameHost => {
            let host = uri.authority().map(Authority::as_str).or_else(|| host(headers));
            origins.all(|origin| {
                host.is_some_and(|host| origin.to_str().is_ok_and(|origin| same_host(origin, host)))
            })
        }
    }
}

/// Whether an origin, as `https://example.com:8443`, is of the host that the request names. A port
/// that one of them leaves out is the scheme's.
fn same_host(origin: &str, host: &str) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    let default = match scheme.to_ascii_lowercase().as_str() {
        "http" | "ws" => "80",
        "https" | "wss" => "443",
        _ => return false,
    };
    let (origin_name, origin_port) = name_and_port(authority);
    let (host_name, host_port) = name_and_port(host);
    !origin_name.is_empty()
        && origin_name.eq_ignore_ascii_case(host_name)
        && origin_port.unwrap_or(default) == host_port.unwrap_or(default)
}

fn name_and_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        // The colons of an IPv6 address are inside its brackets.
        Some((name, port)) if !port.contains(']') => (name, Some(port).filter(|port| !port.is_empty())),
        _ => (authority, None),
    }
}

/// Without the feature there is nothing to agree upon.
#[cfg(not(feature = "deflate"))]
mod deflate {
    use super::{Agreed, Compress, HeaderMap, HeaderValue};

    pub(super) fn negotiate(_: &HeaderMap, _: Compress) -> Option<(Agreed, HeaderValue)> {
        None
    }
}

#[cfg(not(feature = "deflate"))]
use deflate as webkit;

#[cfg(test)]
mod tests;
