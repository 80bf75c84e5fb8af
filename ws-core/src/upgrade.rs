//! The opening handshake (RFC 6455 §4.2, over HTTP/2 RFC 8441 §5), pure: a request in, an acceptance
//! or a refusal out.

#[cfg(feature = "deflate")]
mod deflate;
mod extensions;
mod headers;
mod hixie;
mod rejection;
#[cfg(feature = "deflate")]
mod webkit_deflate;

use axum_core::body::Body;
use axum_core::response::Response;
use hyper::header::{
    CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, ORIGIN, SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_PROTOCOL, TRANSFER_ENCODING, UPGRADE,
};
use hyper::http::request::Parts;
use hyper::http::uri::Authority;
use hyper::{Method, StatusCode, Version};
use tungstenite::handshake::derive_accept_key;

pub(crate) use headers::{HandshakeHeaders, HeaderFields};
pub(crate) use hixie::{CHALLENGE_RESPONSE_LEN, Challenge, KEY3_LEN};
pub(crate) use rejection::HandshakeRejection;

#[cfg(not(feature = "deflate"))]
use crate::options::Compress;
use crate::options::{Options, Origins};
use crate::wire::DeflateParams;
use headers::Single;

/// What the `Origin` was called in the drafts.
const DRAFT_ORIGIN: HeaderName = HeaderName::from_static("sec-websocket-origin");

/// A handshake that is in order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct HandshakeResponse {
    proof: AcceptProof,
    pub(crate) subprotocol: Option<HeaderValue>,
    extensions: Option<HeaderValue>,
}

/// What shows the client that its handshake was understood.
#[derive(Debug, PartialEq, Eq)]
enum AcceptProof {
    /// The answer to its key.
    Accept(String),
    /// What draft 76 wants in the head. The answer to its keys follows it.
    Hixie(hixie::HixieHandshake),
    /// HTTP/2 needs none, and is accepted with 200.
    #[cfg(feature = "http2")]
    None,
}

/// An extension of requests that came inside TLS.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IsTls;

/// Checks a request, in the order of the statuses that it can get.
pub(crate) fn check(parts: &Parts, options: &Options) -> Result<HandshakeResponse, HandshakeRejection> {
    let headers = HandshakeHeaders::scan(&parts.headers);
    let proof = match parts.version {
        #[cfg(feature = "http2")]
        Version::HTTP_2 => check_connect(parts, &headers)?,
        _ => check_get(parts, &headers, options)?,
    };
    finish_check(proof, &headers, &parts.headers, parts.uri.authority(), options)
}

/// The same of a GET of HTTP/1.1 for a path, which says what is [plain](Said::is_plain).
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

/// What is no matter of the HTTP version.
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
    if headers.has_origin && !is_origin_allowed(fields, host, options.origins) {
        return Err(HandshakeRejection::Origin);
    }
    let subprotocol = choose_subprotocol(fields, options.subprotocols);
    Ok(HandshakeResponse { proof, subprotocol, extensions: None })
}

/// Whether a request is one of draft 76, where that is spoken: eight bytes come behind it that are no
/// other request.
pub(crate) fn is_draft_76(parts: &Parts, options: &Options) -> bool {
    options.legacy && parts.version <= Version::HTTP_11 && hixie::is_hixie_request(&parts.headers)
}

/// The opening handshake of HTTP/1.1.
fn check_get(
    parts: &Parts,
    headers: &HandshakeHeaders<'_>,
    options: &Options,
) -> Result<AcceptProof, HandshakeRejection> {
    if parts.method != Method::GET {
        return Err(HandshakeRejection::Method("GET"));
    }
    // "The HTTP version MUST be at least 1.1."
    if !headers.requests_upgrade() || parts.version < Version::HTTP_11 {
        return Err(HandshakeRejection::NoUpgrade);
    }
    if is_draft_76(parts, options) {
        let proof = AcceptProof::Hixie(hixie::HixieHandshake::parse(parts)?);
        check_host_and_body(headers).map(|()| proof)
    } else {
        check_rfc6455(headers)
    }
}

/// That of RFC 6455, of a request for an upgrade.
fn check_rfc6455(headers: &HandshakeHeaders<'_>) -> Result<AcceptProof, HandshakeRejection> {
    if !is_supported_version(headers) {
        return Err(HandshakeRejection::Version { upgrade: true });
    }
    let key = check_key(headers)?;
    check_host_and_body(headers)?;
    Ok(AcceptProof::Accept(derive_accept_key(key)))
}

fn check_host_and_body(headers: &HandshakeHeaders<'_>) -> Result<(), HandshakeRejection> {
    if headers.host().is_none() {
        return Err(HandshakeRejection::Host);
    }
    // What came as a body would be taken for frames.
    if headers.has_body { Err(HandshakeRejection::Body) } else { Ok(()) }
}

/// That of HTTP/2: an extended CONNECT takes the place of the upgrade and of the key.
#[cfg(feature = "http2")]
fn check_connect(parts: &Parts, headers: &HandshakeHeaders<'_>) -> Result<AcceptProof, HandshakeRejection> {
    if parts.method != Method::CONNECT {
        return Err(HandshakeRejection::Method("CONNECT"));
    }
    match parts.extensions.get::<hyper::ext::Protocol>() {
        Some(protocol) if protocol.as_str().eq_ignore_ascii_case("websocket") => {}
        Some(_) => return Err(HandshakeRejection::Protocol),
        // A tunnel to somewhere else.
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

fn is_supported_version(headers: &HandshakeHeaders<'_>) -> bool {
    matches!(headers.version.value(), Some(b"13" | b"8" | b"7"))
}

impl HandshakeResponse {
    /// What is to be answered behind the head, if this is a handshake of draft 76.
    pub(crate) fn challenge(&self) -> Option<Challenge> {
        if let AcceptProof::Hixie(handshake) = &self.proof { Some(handshake.challenge) } else { None }
    }

    /// Answers what the client offers for messages to be compressed. This comes after
    /// `#[on_upgrade]`, which may have a say in it.
    pub(crate) fn negotiate_compression<F>(&mut self, fields: &F, options: &Options) -> Option<DeflateParams>
    where
        F: HeaderFields + ?Sized,
    {
        let compress = options.compress.filter(|_| self.challenge().is_none())?;
        let older = || if options.legacy { webkit_deflate::negotiate(fields, compress) } else { None };
        let (agreed, answer) = deflate::negotiate(fields, compress).or_else(older)?;
        self.extensions = Some(answer);
        Some(agreed)
    }

    /// The 101 as HTTP/1.1 has it, with the headers that the handler adds. No clock has to be asked for
    /// it: RFC 9110 §6.6.1 wants no `Date` in a status of this class.
    pub(crate) fn write(&self, more: &HeaderMap, out: &mut Vec<u8>) {
        /// What the server itself says, or nobody may in a 101 (RFC 9110 §8.6, RFC 9112 §6.1).
        const RESERVED: [HeaderName; 6] = [
            CONNECTION,
            UPGRADE,
            SEC_WEBSOCKET_ACCEPT,
            SEC_WEBSOCKET_EXTENSIONS,
            CONTENT_LENGTH,
            TRANSFER_ENCODING,
        ];
        out.extend_from_slice(
            b"HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n",
        );
        let mut line = |name: &HeaderName, value: &[u8]| {
            for part in [name.as_str().as_bytes(), b": ", value, b"\r\n"] {
                out.extend_from_slice(part);
            }
        };
        if let AcceptProof::Accept(accept) = &self.proof {
            line(&SEC_WEBSOCKET_ACCEPT, accept.as_bytes());
        }
        if let Some(subprotocol) = &self.subprotocol {
            line(&SEC_WEBSOCKET_PROTOCOL, subprotocol.as_bytes());
        }
        if let Some(extensions) = &self.extensions {
            line(&SEC_WEBSOCKET_EXTENSIONS, extensions.as_bytes());
        }
        for (name, value) in more {
            let is_present = *name == SEC_WEBSOCKET_PROTOCOL && self.subprotocol.is_some();
            if !is_present && !RESERVED.contains(name) {
                line(name, value.as_bytes());
            }
        }
        out.extend_from_slice(b"\r\n");
    }

    /// The 101, or the 200 of HTTP/2.
    pub(crate) fn into_response(self, more: HeaderMap) -> Response {
        let mut response = Response::new(Body::empty());
        response.headers_mut().extend(more);
        match self.proof {
            AcceptProof::Accept(accept) => {
                *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
                let headers = response.headers_mut();
                headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
                headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
                // Base64 is nothing else.
                if let Ok(accept) = HeaderValue::try_from(accept) {
                    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
                }
            }
            AcceptProof::Hixie(handshake) => handshake.apply_to(&mut response),
            #[cfg(feature = "http2")]
            AcceptProof::None => {}
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

/// The elements of a field that is a list, over all of its lines.
fn list_elements<'a, F: HeaderFields + ?Sized>(
    fields: &'a F,
    name: &'a HeaderName,
) -> impl Iterator<Item = &'a str> {
    fields.values(name.as_str()).flat_map(headers::list_elements)
}

/// The value of a header that may stand once.
fn single_value<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let mut lines = headers.get_all(name).into_iter();
    match (lines.next(), lines.next()) {
        (Some(value), None) => Some(value.as_bytes()),
        _ => None,
    }
}

/// "A nonce consisting of a randomly selected 16-byte value that has been base64-encoded": 22
/// characters and two of padding.
fn check_key<'a>(headers: &HandshakeHeaders<'a>) -> Result<&'a [u8], HandshakeRejection> {
    let key = match headers.key {
        Single::Missing => return Err(HandshakeRejection::Key("Sec-WebSocket-Key is missing")),
        Single::Repeated => return Err(HandshakeRejection::Key("Sec-WebSocket-Key stands twice")),
        Single::One(key) => key,
    };
    let base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    match key.strip_suffix(b"==") {
        Some(digits) if digits.len() == 22 && digits.iter().all(base64) => Ok(key),
        _ => Err(HandshakeRejection::Key("Sec-WebSocket-Key is not the base64 of 16 bytes")),
    }
}

/// The first of the handler's subprotocols that the client offers.
fn choose_subprotocol<F: HeaderFields + ?Sized>(
    fields: &F,
    supported: &[&'static str],
) -> Option<HeaderValue> {
    let offered = |name: &&&str| list_elements(fields, &SEC_WEBSOCKET_PROTOCOL).any(|offer| offer == **name);
    supported.iter().find(offered).and_then(|name| HeaderValue::from_str(name).ok())
}

/// Whether the client offered a subprotocol that the handler chose by itself.
pub(crate) fn offers_subprotocol<F: HeaderFields + ?Sized>(fields: &F, subprotocol: &HeaderValue) -> bool {
    list_elements(fields, &SEC_WEBSOCKET_PROTOCOL).any(|offer| offer.as_bytes() == subprotocol.as_bytes())
}

/// RFC 6455 §10.2. Whatever names an origin must name an allowed one.
fn is_origin_allowed<'a, F: HeaderFields + ?Sized>(
    fields: &F,
    host: impl FnOnce() -> Option<&'a str>,
    allowed: Origins,
) -> bool {
    let named = [ORIGIN, DRAFT_ORIGIN];
    let mut origins = named.iter().flat_map(|name| fields.values(name.as_str()));
    match allowed {
        Origins::Any => true,
        Origins::List(list) => {
            origins.all(|origin| list.iter().any(|item| item.as_bytes().eq_ignore_ascii_case(origin)))
        }
        Origins::SameHost => {
            let host = host();
            // What is not ASCII is the name of no host here, and no allowed one.
            let text = |origin| std::str::from_utf8(origin).ok().filter(|text| text.is_ascii());
            origins.all(|origin| host.zip(text(origin)).is_some_and(|(host, origin)| same_host(origin, host)))
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
    use super::{Compress, DeflateParams, HeaderFields, HeaderValue};

    pub(super) fn negotiate<F: HeaderFields + ?Sized>(
        _: &F,
        _: Compress,
    ) -> Option<(DeflateParams, HeaderValue)> {
        None
    }
}

#[cfg(not(feature = "deflate"))]
use deflate as webkit_deflate;

#[cfg(test)]
mod tests;
