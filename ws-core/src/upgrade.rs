//! The opening handshake (RFC 6455 §4.2, over HTTP/2 RFC 8441 §5) without any I/O: takes a request,
//! returns the response that accepts it or the reason for a rejection.

#[cfg(feature = "tls")]
mod client_certificate;
pub(crate) mod cors;
#[cfg(feature = "deflate")]
mod deflate;
mod extensions;
mod fields;
mod forwarded;
mod handshake_headers;
mod headers;
mod hixie;
mod is_tls;
mod origin;
mod rejection;
mod response;
#[cfg(feature = "deflate")]
mod webkit_deflate;

use hyper::header::{HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_PROTOCOL};
use hyper::http::request::Parts;
use hyper::http::uri::Authority;
use hyper::{Method, Request, Version};
use tungstenite::handshake::derive_accept_key;

#[cfg(feature = "tls")]
pub use client_certificate::ClientCertificate;
pub(crate) use forwarded::{Hop, forwarded, x_forwarded_for};
pub(crate) use handshake_headers::HandshakeHeaders;
pub(crate) use headers::HeaderFields;
pub(crate) use hixie::{CHALLENGE_RESPONSE_LEN, Challenge, KEY3_LEN};
pub use is_tls::IsTls;
pub(crate) use origin::help as origin_help;
#[cfg(feature = "inspect")]
pub(crate) use origin::is_loopback_host;
pub(crate) use rejection::HandshakeRejection;
pub(crate) use response::HandshakeResponse;

use crate::handler::is_token;
#[cfg(not(feature = "deflate"))]
use crate::options::Compress;
use crate::options::{Options, Origins};
#[cfg(not(feature = "deflate"))]
use crate::wire::DeflateParams;
use handshake_headers::Single;
use response::AcceptProof;

/// The start of the names of subprotocols that are for this crate and not for handlers.
const RESERVED: &str = "ws-core.";

/// Name of the `Origin` header in the drafts before RFC 6455.
const DRAFT_ORIGIN: HeaderName = HeaderName::from_static("sec-websocket-origin");

/// Checks a request. When several rules are broken, the first one in the order below decides the status.
pub(crate) fn check(parts: &Parts, options: &Options) -> Result<HandshakeResponse, HandshakeRejection> {
    let headers = HandshakeHeaders::scan(&parts.headers);
    let proof = match parts.version {
        #[cfg(feature = "http2")]
        Version::HTTP_2 => check_connect(parts, &headers)?,
        _ => check_get(parts, &headers, options)?,
    };
    finish_check(proof, &headers, &parts.headers, parts.uri.authority(), options)
}

/// Like [`check`], but for a GET over HTTP/1.1 with a path as its target. The headers must be those of a
/// [plain handshake](HandshakeHeaders::is_plain_handshake).
pub(crate) fn check_plain_handshake<F>(
    headers: &HandshakeHeaders<'_>,
    fields: &F,
    options: &Options,
) -> Result<HandshakeResponse, HandshakeRejection>
where
    F: HeaderFields + ?Sized,
{
    finish_check(check_rfc6455(headers)?, headers, fields, None, options)
}

/// Checks a request other than a handshake, for a connection inside its response.
pub(crate) fn check_http(parts: &Parts, options: &Options) -> Result<HandshakeResponse, HandshakeRejection> {
    let headers = HandshakeHeaders::scan(&parts.headers);
    if parts.uri.authority().is_none() && headers.host().is_none() {
        return Err(HandshakeRejection::Host);
    }
    let host = || parts.uri.authority().map(Authority::as_str).or_else(|| headers.host());
    let is_allowed = if headers.has_origin {
        origin::is_allowed(&parts.headers, host, options.origins)
    } else {
        // Without `Origin`, a page of another site can request nothing but an image, a script or a navigation.
        let is_foreign = |site: &HeaderValue| matches!(site.as_bytes(), b"cross-site" | b"same-site");
        options.origins == Origins::Any || !parts.headers.get("sec-fetch-site").is_some_and(is_foreign)
    };
    if is_allowed {
        let subprotocol = choose_subprotocol(&parts.headers, options.subprotocols);
        Ok(HandshakeResponse::new(AcceptProof::None, subprotocol))
    } else {
        Err(HandshakeRejection::Origin)
    }
}

/// Applies the rules that do not depend on the HTTP version: extensions, origin, subprotocol.
fn finish_check<F: HeaderFields + ?Sized>(
    proof: AcceptProof,
    headers: &HandshakeHeaders<'_>,
    fields: &F,
    authority: Option<&Authority>,
    options: &Options,
) -> Result<HandshakeResponse, HandshakeRejection> {
    if headers.has_invalid_extensions {
        return Err(HandshakeRejection::Extensions);
    }
    let host = || authority.map(Authority::as_str).or_else(|| headers.host());
    if headers.has_origin && !origin::is_allowed(fields, host, options.origins) {
        return Err(HandshakeRejection::Origin);
    }
    let subprotocol = choose_subprotocol(fields, options.subprotocols);
    Ok(HandshakeResponse::new(proof, subprotocol))
}

/// Returns whether a request is meant as a handshake, even if it is incomplete. A proxy that is not configured
/// for WebSockets removes `Upgrade` and `Connection`, and forwards the other headers.
pub(crate) fn is_handshake<B>(request: &Request<B>) -> bool {
    request.method() == Method::CONNECT || HandshakeHeaders::scan(request.headers()).is_intended()
}

/// Returns whether a request is a handshake of draft 76, for a handler that accepts the draft. The eight
/// bytes after such a request are a key, not the start of another request.
pub(crate) fn is_draft_76(parts: &Parts, options: &Options) -> bool {
    options.legacy && parts.version <= Version::HTTP_11 && hixie::is_hixie_request(&parts.headers)
}

/// Checks an opening handshake over HTTP/1.1.
fn check_get(
    parts: &Parts,
    headers: &HandshakeHeaders<'_>,
    options: &Options,
) -> Result<AcceptProof, HandshakeRejection> {
    if parts.method != Method::GET {
        return Err(HandshakeRejection::Method("GET"));
    }
    // "The HTTP version MUST be at least 1.1."
    if parts.version < Version::HTTP_11 {
        return Err(HandshakeRejection::Http10);
    }
    if !headers.requests_upgrade() {
        return Err(HandshakeRejection::NoUpgrade);
    }
    if is_draft_76(parts, options) {
        let proof = AcceptProof::Hixie(hixie::HixieHandshake::parse(parts)?);
        check_host_and_body(headers).map(|()| proof)
    } else {
        check_rfc6455(headers)
    }
}

/// Checks the headers of RFC 6455, in a request for an upgrade.
fn check_rfc6455(headers: &HandshakeHeaders<'_>) -> Result<AcceptProof, HandshakeRejection> {
    if !is_supported_version(headers) {
        return Err(HandshakeRejection::Version { upgrade: true });
    }
    let key = check_key(headers)?;
    check_host_and_body(headers)?;
    let accept = HeaderValue::try_from(derive_accept_key(key));
    // Base64 is always a valid header value.
    Ok(AcceptProof::Accept(accept.map_err(|error| HandshakeRejection::Response(error.to_string()))?))
}

/// Checks that the request names one host and has no body.
fn check_host_and_body(headers: &HandshakeHeaders<'_>) -> Result<(), HandshakeRejection> {
    if headers.host().is_none() {
        return Err(HandshakeRejection::Host);
    }
    // After the upgrade, the bytes of a body would be read as frames.
    if headers.has_body { Err(HandshakeRejection::Body) } else { Ok(()) }
}

/// Checks an opening handshake over HTTP/2, where an extended CONNECT replaces the upgrade and the key.
#[cfg(feature = "http2")]
fn check_connect(parts: &Parts, headers: &HandshakeHeaders<'_>) -> Result<AcceptProof, HandshakeRejection> {
    if parts.method != Method::CONNECT {
        return Err(HandshakeRejection::Method("CONNECT"));
    }
    match parts.extensions.get::<hyper::ext::Protocol>() {
        Some(protocol) if protocol.as_str().eq_ignore_ascii_case("websocket") => {}
        Some(_) => return Err(HandshakeRejection::Protocol),
        // A CONNECT without `:protocol` opens a tunnel to another host.
        None => return Err(HandshakeRejection::Method("CONNECT")),
    }
    // "The scheme of the target URI MUST be "https" for "wss" and "http" for "ws"."
    if !matches!(parts.uri.scheme_str(), Some("https" | "http")) {
        return Err(HandshakeRejection::Scheme);
    }
    if !is_supported_version(headers) {
        return Err(HandshakeRejection::Version { upgrade: false });
    }
    if parts.uri.authority().is_none() && headers.host().is_none() {
        return Err(HandshakeRejection::Host);
    }
    if headers.has_body {
        return Err(HandshakeRejection::Body);
    }
    Ok(AcceptProof::None)
}

/// Returns whether the request has one `Sec-WebSocket-Version`, and the version is supported.
fn is_supported_version(headers: &HandshakeHeaders<'_>) -> bool {
    matches!(headers.version.value(), Some(b"13" | b"8" | b"7"))
}

/// Returns the elements of a list header, from all lines with the header's name.
fn list_elements<'a, F>(fields: &'a F, name: &'a HeaderName) -> impl Iterator<Item = &'a str>
where
    F: HeaderFields + ?Sized,
{
    fields.values(name.as_str()).flat_map(headers::list_elements)
}

/// Returns the value of a header that occurs exactly once.
fn single_value<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let mut lines = headers.get_all(name).into_iter();
    match (lines.next(), lines.next()) {
        (Some(value), None) => Some(value.as_bytes()),
        _ => None,
    }
}

/// Returns the key: "a nonce consisting of a randomly selected 16-byte value that has been
/// base64-encoded", which is 22 characters and two of padding.
fn check_key<'a>(headers: &HandshakeHeaders<'a>) -> Result<&'a [u8], HandshakeRejection> {
    let key = match headers.key {
        Single::Missing => return Err(HandshakeRejection::Key("Sec-WebSocket-Key is missing")),
        Single::Repeated => return Err(HandshakeRejection::Key("Sec-WebSocket-Key is repeated")),
        Single::One(key) => key,
    };
    let base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    match key.strip_suffix(b"==") {
        Some(digits) if digits.len() == 22 && digits.iter().all(base64) => Ok(key),
        _ => Err(HandshakeRejection::Key("Sec-WebSocket-Key is not the base64 of 16 bytes")),
    }
}

/// Returns the first of the handler's subprotocols that the client offers.
fn choose_subprotocol<F>(fields: &F, supported: &[&'static str]) -> Option<HeaderValue>
where
    F: HeaderFields + ?Sized,
{
    let offered = |name: &&&str| list_elements(fields, &SEC_WEBSOCKET_PROTOCOL).any(|offer| offer == **name);
    supported.iter().find(offered).and_then(|name| HeaderValue::from_str(name).ok())
}

/// Returns the subprotocols that a client offers, the preferred one first. Elements that are no token are left
/// out.
pub(crate) fn offered_subprotocols(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    offered_elements(headers).filter(|offer| !offer.starts_with(RESERVED) && offer.bytes().all(is_token))
}

/// Returns all elements of the subprotocols that a client offers, also those of the session protocol, which contain
/// secrets.
pub(crate) fn offered_elements(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    list_elements(headers, &fields::SUBPROTOCOL)
}

/// Returns whether the client offers a subprotocol, for one that `#[on_upgrade]` chose.
pub(crate) fn offers_subprotocol<F: HeaderFields + ?Sized>(fields: &F, subprotocol: &HeaderValue) -> bool {
    list_elements(fields, &SEC_WEBSOCKET_PROTOCOL).any(|offer| offer.as_bytes() == subprotocol.as_bytes())
}

/// Stub for builds without the `deflate` feature: accepts no offer.
#[cfg(not(feature = "deflate"))]
mod deflate {
    use super::{Compress, DeflateParams, HeaderFields, HeaderValue};

    pub(super) fn negotiate<F>(_: &F, _: Compress) -> Option<(DeflateParams, HeaderValue)>
    where
        F: HeaderFields + ?Sized,
    {
        None
    }
}

#[cfg(not(feature = "deflate"))]
use deflate as webkit_deflate;

#[cfg(test)]
mod tests;
