//! The opening handshake of draft 76 (draft-hixie-thewebsocketprotocol-76, which is
//! draft-ietf-hybi-thewebsocketprotocol-00), pure.
//!
//! It proves less than that of RFC 6455: two keys in the head and eight bytes behind it make a digest
//! that follows the answer. Browsers gave it up because proxies could be misled with it, so it is only
//! spoken where the declaration says `legacy`.

use axum_core::response::Response;
use hyper::StatusCode;
use hyper::ext::ReasonPhrase;
use hyper::header::{CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN, UPGRADE};
use hyper::http::request::Parts;
use md5::{Digest, Md5};

use super::{DRAFT_ORIGIN, HandshakeRejection, IsTls, single_value};

const KEY1: HeaderName = HeaderName::from_static("sec-websocket-key1");
const KEY2: HeaderName = HeaderName::from_static("sec-websocket-key2");
const LOCATION: HeaderName = HeaderName::from_static("sec-websocket-location");

/// What the draft calls the status; no client looks at it, but all of them were told so.
const REASON: ReasonPhrase = ReasonPhrase::from_static(b"WebSocket Protocol Handshake");

/// How many bytes the client sends behind its head.
pub(crate) const KEY3_LEN: usize = 8;

/// How many bytes answer them, behind ours.
pub(crate) const CHALLENGE_RESPONSE_LEN: usize = 16;

/// What the keys of a client say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Challenge([u32; 2]);

impl Challenge {
    /// The digest that proves that the keys and the bytes behind the head were read.
    pub(crate) fn response(self, key3: [u8; KEY3_LEN]) -> [u8; CHALLENGE_RESPONSE_LEN] {
        let [first, second] = self.0.map(u32::to_be_bytes);
        Md5::new().chain_update(first).chain_update(second).chain_update(key3).finalize().into()
    }
}

/// A handshake that is in order.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct HixieHandshake {
    pub(super) challenge: Challenge,
    origin: Option<HeaderValue>,
    location: HeaderValue,
}

/// Whether a request for an upgrade is one of this draft: those after it have a version.
pub(super) fn is_hixie_request(headers: &HeaderMap) -> bool {
    let has_key = headers.contains_key(KEY1) || headers.contains_key(KEY2);
    has_key && !headers.contains_key(hyper::header::SEC_WEBSOCKET_VERSION)
}

impl HixieHandshake {
    /// Reads the keys, and what the client is to see of its request in the answer.
    pub(super) fn parse(parts: &Parts) -> Result<Self, HandshakeRejection> {
        let key_number = |name| single_value(&parts.headers, &name).and_then(key_number);
        let (Some(first), Some(second)) = (key_number(KEY1), key_number(KEY2)) else {
            return Err(HandshakeRejection::Key(
                "Sec-WebSocket-Key1 and Sec-WebSocket-Key2 must stand once, each a number times its spaces",
            ));
        };
        Ok(Self {
            challenge: Challenge([first, second]),
            origin: parts.headers.get(ORIGIN).cloned(),
            location: location(parts).ok_or(HandshakeRejection::Host)?,
        })
    }

    /// Makes a response that of the draft. Its client compares the location with what it asked for;
    /// where that is not what came here, the handler knows better.
    pub(super) fn apply_to(self, response: &mut Response) {
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        response.extensions_mut().insert(REASON);
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        // The case counts.
        headers.insert(UPGRADE, HeaderValue::from_static("WebSocket"));
        headers.remove(DRAFT_ORIGIN);
        if let Some(origin) = self.origin {
            headers.insert(DRAFT_ORIGIN, origin);
        }
        headers.entry(LOCATION).or_insert(self.location);
    }
}

/// The digits of a key as a number, divided by how many spaces it has. What else it has is there to
/// confuse. The client multiplied what fits 32 bits.
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

/// The URL of the socket, as far as it can be known here.
fn location(parts: &Parts) -> Option<HeaderValue> {
    let host = match parts.uri.authority() {
        Some(authority) => authority.as_str(),
        None => std::str::from_utf8(single_value(&parts.headers, &HOST)?).ok()?,
    };
    let is_secure = parts.extensions.get::<IsTls>().is_some() || parts.uri.scheme_str() == Some("https");
    let scheme = if is_secure { "wss" } else { "ws" };
    let resource = parts.uri.path_and_query().map_or("/", |resource| resource.as_str());
    HeaderValue::try_from(format!("{scheme}://{host}{resource}")).ok()
}

#[cfg(test)]
mod tests;
