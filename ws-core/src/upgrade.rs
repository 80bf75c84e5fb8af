//! The opening handshake (RFC 6455 §4.2, over HTTP/2 RFC 8441 §5), pure: a request in, an acceptance
//! or a refusal out.

#[cfg(feature = "deflate")]
mod deflate;
mod extensions;
mod fields;
mod hixie;
mod refusal;
#[cfg(feature = "deflate")]
mod webkit;

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

pub(crate) use fields::{Fields, Said};
pub(crate) use hixie::{ANSWER, BODY, Challenge};
pub(crate) use refusal::Refusal;

#[cfg(not(feature = "deflate"))]
use crate::options::Compress;
use crate::options::{Options, Origins};
use crate::wire::DeflateParams;
use fields::Once;

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
    Accept(String),
    /// What draft 76 wants in the head. The answer to its keys follows it.
    Hixie(hixie::Handshake),
    /// HTTP/2 needs none, and is accepted with 200.
    #[cfg(feature = "http2")]
    None,
}

/// An extension of requests that came inside TLS.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InsideTls;

/// Checks a request, in the order of the statuses that it can get.
pub(crate) fn check(parts: &Parts, options: &Options) -> Result<Acceptance, Refusal> {
    let said = Said::by(&parts.headers);
    let proof = match parts.version {
        #[cfg(feature = "http2")]
        Version::HTTP_2 => check_connect(parts, &said)?,
        _ => check_get(parts, &said, options)?,
    };
    accept(proof, &said, &parts.headers, parts.uri.authority(), options)
}

/// The same of a GET of HTTP/1.1 for a path, which says what is [plain](Said::is_plain).
pub(crate) fn check_plain<F>(said: &Said<'_>, fields: &F, options: &Options) -> Result<Acceptance, Refusal>
where
    F: Fields + ?Sized,
{
    accept(check_said(said)?, said, fields, None, options)
}

/// What is no matter of the HTTP version.
fn accept<F: Fields + ?Sized>(
    proof: Proof,
    said: &Said<'_>,
    fields: &F,
    authority: Option<&Authority>,
    options: &Options,
) -> Result<Acceptance, Refusal> {
    if said.has_wrong_extensions {
        return Err(Refusal::Extensions);
    }
    let host = || authority.map(Authority::as_str).or_else(|| said.host());
    if said.has_origin && !origin_allowed(fields, host, options.origins) {
        return Err(Refusal::Origin);
    }
    let subprotocol = subprotocol(fields, options.subprotocols);
    Ok(Acceptance { proof, subprotocol, extensions: None })
}

/// Whether a request is one of draft 76, where that is spoken: eight bytes come behind it that are no
/// other request.
pub(crate) fn is_draft_76(parts: &Parts, options: &Options) -> bool {
    options.legacy && parts.version <= Version::HTTP_11 && hixie::is_meant(&parts.headers)
}

/// The opening handshake of HTTP/1.1.
fn check_get(parts: &Parts, said: &Said<'_>, options: &Options) -> Result<Proof, Refusal> {
    if parts.method != Method::GET {
        return Err(Refusal::Method("GET"));
    }
    // "The HTTP version MUST be at least 1.1."
    if !said.asks() || parts.version < Version::HTTP_11 {
        return Err(Refusal::NoUpgrade);
    }
    if is_draft_76(parts, options) {
        let proof = Proof::Hixie(hixie::Handshake::of(parts)?);
        check_rest(said).map(|()| proof)
    } else {
        check_said(said)
    }
}

/// That of RFC 6455, of a request for an upgrade.
fn check_said(said: &Said<'_>) -> Result<Proof, Refusal> {
    if !is_known_version(said) {
        return Err(Refusal::Version { upgrade: true });
    }
    let key = key(said)?;
    check_rest(said)?;
    Ok(Proof::Accept(derive_accept_key(key)))
}

fn check_rest(said: &Said<'_>) -> Result<(), Refusal> {
    if said.host().is_none() {
        return Err(Refusal::Host);
    }
    // What came as a body would be taken for frames.
    if said.has_body { Err(Refusal::Body) } else { Ok(()) }
}

/// That of HTTP/2: an extended CONNECT takes the place of the upgrade and of the key.
#[cfg(feature = "http2")]
fn check_connect(parts: &Parts, said: &Said<'_>) -> Result<Proof, Refusal> {
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
    if !is_known_version(said) {
        return Err(Refusal::Version { upgrade: false });
    }
    if parts.uri.authority().is_none() && said.host().is_none() {
        return Err(Refusal::Host);
    }
    if said.has_body {
        return Err(Refusal::Body);
    }
    Ok(Proof::None)
}

fn is_known_version(said: &Said<'_>) -> bool {
    matches!(said.version.one(), Some(b"13" | b"8" | b"7"))
}

impl Acceptance {
    /// What is to be answered behind the head, if this is a handshake of draft 76.
    pub(crate) fn challenge(&self) -> Option<Challenge> {
        if let Proof::Hixie(handshake) = &self.proof { Some(handshake.challenge) } else { None }
    }

    /// Answers what the client offers for messages to be compressed. This comes after
    /// `#[on_upgrade]`, which may have a say in it.
    pub(crate) fn negotiate<F>(&mut self, fields: &F, options: &Options) -> Option<DeflateParams>
    where
        F: Fields + ?Sized,
    {
        let compress = options.compress.filter(|_| self.challenge().is_none())?;
        let older = || if options.legacy { webkit::negotiate(fields, compress) } else { None };
        let (agreed, answer) = deflate::negotiate(fields, compress).or_else(older)?;
        self.extensions = Some(answer);
        Some(agreed)
    }

    /// The 101 as HTTP/1.1 has it, with the headers that the handler adds. No clock has to be asked for
    /// it: RFC 9110 §6.6.1 wants no `Date` in a status of this class.
    pub(crate) fn write(&self, more: &HeaderMap, out: &mut Vec<u8>) {
        /// What the server itself says, or nobody may in a 101 (RFC 9110 §8.6, RFC 9112 §6.1).
        const OURS: [HeaderName; 6] = [
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
        if let Proof::Accept(accept) = &self.proof {
            line(&SEC_WEBSOCKET_ACCEPT, accept.as_bytes());
        }
        if let Some(subprotocol) = &self.subprotocol {
            line(&SEC_WEBSOCKET_PROTOCOL, subprotocol.as_bytes());
        }
        if let Some(extensions) = &self.extensions {
            line(&SEC_WEBSOCKET_EXTENSIONS, extensions.as_bytes());
        }
        for (name, value) in more {
            let is_said = *name == SEC_WEBSOCKET_PROTOCOL && self.subprotocol.is_some();
            if !is_said && !OURS.contains(name) {
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
            Proof::Accept(accept) => {
                *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
                let headers = response.headers_mut();
                headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
                headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
                // Base64 is nothing else.
                if let Ok(accept) = HeaderValue::try_from(accept) {
                    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
                }
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

/// The elements of a field that is a list, over all of its lines.
fn elements<'a, F: Fields + ?Sized>(fields: &'a F, name: &'a HeaderName) -> impl Iterator<Item = &'a str> {
    fields.values(name.as_str()).flat_map(fields::elements)
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
fn key<'a>(said: &Said<'a>) -> Result<&'a [u8], Refusal> {
    let key = match said.key {
        Once::Missing => return Err(Refusal::Key("Sec-WebSocket-Key is missing")),
        Once::Twice => return Err(Refusal::Key("Sec-WebSocket-Key stands twice")),
        Once::One(key) => key,
    };
    let base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    match key.strip_suffix(b"==") {
        Some(digits) if digits.len() == 22 && digits.iter().all(base64) => Ok(key),
        _ => Err(Refusal::Key("Sec-WebSocket-Key is not the base64 of 16 bytes")),
    }
}

/// The first of the handler's subprotocols that the client offers.
fn subprotocol<F: Fields + ?Sized>(fields: &F, spoken: &[&'static str]) -> Option<HeaderValue> {
    let offered = |name: &&&str| elements(fields, &SEC_WEBSOCKET_PROTOCOL).any(|offer| offer == **name);
    spoken.iter().find(offered).and_then(|name| HeaderValue::from_str(name).ok())
}

/// Whether the client offered a subprotocol that the handler chose by itself.
pub(crate) fn is_offered<F: Fields + ?Sized>(fields: &F, subprotocol: &HeaderValue) -> bool {
    elements(fields, &SEC_WEBSOCKET_PROTOCOL).any(|offer| offer.as_bytes() == subprotocol.as_bytes())
}

/// RFC 6455 §10.2. Whatever names an origin must name an allowed one.
fn origin_allowed<'a, F: Fields + ?Sized>(
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
    use super::{DeflateParams, Compress, Fields, HeaderValue};

    pub(super) fn negotiate<F: Fields + ?Sized>(_: &F, _: Compress) -> Option<(DeflateParams, HeaderValue)> {
        None
    }
}

#[cfg(not(feature = "deflate"))]
use deflate as webkit;

#[cfg(test)]
mod tests;
