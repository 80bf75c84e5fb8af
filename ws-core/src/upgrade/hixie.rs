//! The opening handshake of draft 76 (draft-hixie-thewebsocketprotocol-76, which is
//! draft-ietf-hybi-thewebsocketprotocol-00), without any I/O.
//!
//! Two keys in the request's head and eight bytes after the head make a digest, which follows the
//! response's head. This proves less than the handshake of RFC 6455. Browsers dropped the draft because
//! attackers could mislead proxies with it, so a handler accepts it only with the option `legacy`.

use hyper::ext::ReasonPhrase;
use hyper::header::{HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN};
use hyper::http::request::Parts;
use md5::{Digest, Md5};

use super::{HandshakeRejection, IsTls, fields, single_value};

const KEY1: HeaderName = HeaderName::from_static("sec-websocket-key1");
const KEY2: HeaderName = HeaderName::from_static("sec-websocket-key2");
const LOCATION: HeaderName = HeaderName::from_static("sec-websocket-location");

/// The reason phrase that the draft gives to the status 101. No client checks the phrase.
pub(super) const REASON: ReasonPhrase = ReasonPhrase::from_static(b"WebSocket Protocol Handshake");

/// Number of bytes that the client sends after its head.
pub(crate) const KEY3_LEN: usize = 8;

/// Number of bytes that the server sends after its head.
pub(crate) const CHALLENGE_RESPONSE_LEN: usize = 16;

/// The numbers that a client's two keys encode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Challenge([u32; 2]);

impl Challenge {
    /// Returns the digest, which proves that the server read the keys and the bytes after the head.
    pub(crate) fn response(self, key3: [u8; KEY3_LEN]) -> [u8; CHALLENGE_RESPONSE_LEN] {
        let [first, second] = self.0.map(u32::to_be_bytes);
        Md5::new().chain_update(first).chain_update(second).chain_update(key3).finalize().into()
    }
}

/// A valid handshake of the draft.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct HixieHandshake {
    pub(super) challenge: Challenge,
    origin: Option<HeaderValue>,
    location: HeaderValue,
}

/// Returns whether a request for an upgrade follows this draft. Later drafts have a version.
pub(super) fn is_hixie_request(headers: &HeaderMap) -> bool {
    let has_key = headers.contains_key(KEY1) || headers.contains_key(KEY2);
    has_key && !headers.contains_key(hyper::header::SEC_WEBSOCKET_VERSION)
}

impl HixieHandshake {
    /// Parses the keys, and the headers that the response repeats.
    pub(super) fn parse(parts: &Parts) -> Result<Self, HandshakeRejection> {
        let key_number = |name| single_value(&parts.headers, &name).and_then(key_number);
        let (Some(first), Some(second)) = (key_number(KEY1), key_number(KEY2)) else {
            return Err(HandshakeRejection::Key(
                "Sec-WebSocket-Key1 and Sec-WebSocket-Key2 must each occur once and encode a number",
            ));
        };
        Ok(Self {
            challenge: Challenge([first, second]),
            origin: parts.headers.get(ORIGIN).cloned(),
            location: location(parts).ok_or(HandshakeRejection::Host)?,
        })
    }

    /// Returns the headers of the response. The client compares the location with the URL that it opened.
    /// Behind a proxy only the handler knows that URL, so the location of its `extra` headers wins.
    pub(super) fn headers(&self, extra: &HeaderMap) -> [Option<(&HeaderName, &HeaderValue)>; 4] {
        static LOCATION_NAME: HeaderName = LOCATION;
        let upgrade = (&fields::UPGRADE, &fields::UPGRADE_HIXIE);
        let origin = self.origin.as_ref().map(|origin| (&fields::DRAFT_ORIGIN, origin));
        let location = (!extra.contains_key(LOCATION)).then_some((&LOCATION_NAME, &self.location));
        [Some((&fields::CONNECTION, &fields::CONNECTION_UPGRADE)), Some(upgrade), origin, location]
    }
}

/// Decodes a key: the number that its digits form, divided by the number of its spaces. Other characters
/// are ignored. The product must fit 32 bits, because the client computes it so.
fn key_number(key: &[u8]) -> Option<u32> {
    let digits = key.iter().filter(|byte| byte.is_ascii_digit());
    let mut product = None;
    for digit in digits {
        let next = product.unwrap_or(0_u32).checked_mul(10)?.checked_add(u32::from(digit - b'0'))?;
        product = Some(next);
    }
    let spaces = u32::try_from(key.split(|byte| *byte == b' ').count() - 1).ok()?;
    let product = product?;
    (product.checked_rem(spaces)? == 0).then_some(product / spaces)
}

/// Returns the URL of the WebSocket, as the request shows it.
fn location(parts: &Parts) -> Option<HeaderValue> {
    let host = match parts.uri.authority() {
        Some(authority) => authority.as_str(),
        None => std::str::from_utf8(single_value(&parts.headers, &HOST)?).ok()?,
    };
    let is_secure = parts.extensions.get::<IsTls>().is_some_and(|is_tls| is_tls.0)
        || parts.uri.scheme_str() == Some("https");
    let scheme = if is_secure { "wss" } else { "ws" };
    let resource = parts.uri.path_and_query().map_or("/", |resource| resource.as_str());
    HeaderValue::try_from(format!("{scheme}://{host}{resource}")).ok()
}

#[cfg(test)]
mod tests;
