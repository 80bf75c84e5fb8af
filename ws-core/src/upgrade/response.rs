//! The response that accepts a handshake, as the bytes of HTTP/1.1 and as a [`Response`].
//!
//! Both forms take their headers from [`HandshakeResponse::headers`], and both let a handler's headers
//! replace none of those that [`HandshakeResponse::reserves`] names.

use axum_core::body::Body;
use axum_core::response::Response;
use hyper::StatusCode;
use hyper::header::{
    CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_PROTOCOL, TRANSFER_ENCODING, UPGRADE,
};

use super::hixie::{Challenge, HixieHandshake, REASON};
use super::{DRAFT_ORIGIN, HeaderFields, deflate, fields, webkit_deflate};
use crate::options::Options;
use crate::wire::DeflateParams;

/// The response to a valid handshake.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct HandshakeResponse {
    proof: AcceptProof,
    pub(crate) subprotocol: Option<HeaderValue>,
    extensions: Option<HeaderValue>,
    /// Whether extensions may be negotiated.
    allows_extensions: bool,
}

/// The part of the response that proves to the client that the server understood the handshake.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum AcceptProof {
    /// The value of `Sec-WebSocket-Accept`, derived from the client's key.
    Accept(HeaderValue),
    /// The headers of draft 76. The digest of the keys follows the response.
    Hixie(HixieHandshake),
    /// HTTP/2 needs no proof; the status is 200. A request other than a handshake needs none either.
    None,
}

impl HandshakeResponse {
    pub(super) fn new(proof: AcceptProof, subprotocol: Option<HeaderValue>) -> Self {
        Self { proof, subprotocol, extensions: None, allows_extensions: true }
    }

    /// Returns the challenge that must be answered after the response, for a handshake of draft 76.
    pub(crate) fn challenge(&self) -> Option<Challenge> {
        if let AcceptProof::Hixie(handshake) = &self.proof { Some(handshake.challenge) } else { None }
    }

    /// Excludes extensions, for a connection of a session.
    #[cfg(feature = "session")]
    pub(crate) fn disable_extensions(&mut self) {
        self.allows_extensions = false;
    }

    /// Accepts one of the client's offers to compress messages, and returns its parameters. Call this after
    /// `#[on_upgrade]`, which may change the options.
    pub(crate) fn negotiate_compression<F>(&mut self, fields: &F, options: &Options) -> Option<DeflateParams>
    where
        F: HeaderFields + ?Sized,
    {
        let compress = options.compress.filter(|_| self.challenge().is_none() && self.allows_extensions)?;
        let older = || if options.legacy { webkit_deflate::negotiate(fields, compress) } else { None };
        let (params, answer) = deflate::negotiate(fields, compress).or_else(older)?;
        self.extensions = Some(answer);
        Some(params)
    }

    /// Writes the 101 response as bytes of HTTP/1.1, with the handler's `extra` headers. RFC 9110 §6.6.1
    /// requires no `Date` in a 1xx response, so the method reads no clock.
    pub(crate) fn write(&self, extra: &HeaderMap, out: &mut Vec<u8>) {
        /// Forbidden in a 1xx response (RFC 9110 §8.6, RFC 9112 §6.1).
        const BODY_HEADERS: [HeaderName; 2] = [CONTENT_LENGTH, TRANSFER_ENCODING];
        out.extend_from_slice(b"HTTP/1.1 101 Switching Protocols\r\n");
        for (name, value) in self.headers(extra, |name| !BODY_HEADERS.contains(name)) {
            for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
                out.extend_from_slice(part);
            }
        }
        out.extend_from_slice(b"\r\n");
    }

    /// Returns the 101 response, or the 200 response of HTTP/2, with the handler's `extra` headers.
    pub(crate) fn to_response(&self, extra: &HeaderMap) -> Response {
        let mut response = Response::new(Body::empty());
        match self.proof {
            AcceptProof::Accept(_) => *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS,
            AcceptProof::Hixie(_) => {
                *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
                response.extensions_mut().insert(REASON);
            }
            AcceptProof::None => {}
        }
        let headers = self.headers(extra, |_| true).map(|(name, value)| (name.clone(), value.clone()));
        response.headers_mut().extend(headers);
        response
    }

    /// Returns the headers of the response: those of the handshake, then those of the handler's `extra` headers
    /// that `is_allowed` in this form of the response.
    fn headers<'a>(
        &'a self,
        extra: &'a HeaderMap,
        is_allowed: impl Fn(&HeaderName) -> bool + 'a,
    ) -> impl Iterator<Item = (&'a HeaderName, &'a HeaderValue)> {
        let proof = match &self.proof {
            AcceptProof::Accept(accept) => [
                Some((&fields::CONNECTION, &fields::CONNECTION_UPGRADE)),
                Some((&fields::UPGRADE, &fields::UPGRADE_WEBSOCKET)),
                Some((&fields::ACCEPT, accept)),
                None,
            ],
            AcceptProof::Hixie(handshake) => handshake.headers(extra),
            AcceptProof::None => [None; 4],
        };
        let subprotocol = self.subprotocol.as_ref().map(|value| (&fields::SUBPROTOCOL, value));
        let extensions = self.extensions.as_ref().map(|value| (&fields::EXTENSIONS, value));
        let own = proof.into_iter().chain([subprotocol, extensions]).flatten();
        own.chain(extra.iter().filter(move |(name, _)| is_allowed(name) && !self.reserves(name)))
    }

    /// Returns whether a handler's header of this name is dropped.
    fn reserves(&self, name: &HeaderName) -> bool {
        match *name {
            // A handler cannot implement an extension itself.
            SEC_WEBSOCKET_EXTENSIONS => true,
            SEC_WEBSOCKET_PROTOCOL => self.subprotocol.is_some(),
            _ => self.proof.reserves(name),
        }
    }
}

impl AcceptProof {
    fn reserves(&self, name: &HeaderName) -> bool {
        match self {
            Self::Accept(_) => matches!(*name, CONNECTION | UPGRADE | SEC_WEBSOCKET_ACCEPT),
            Self::Hixie(_) => matches!(*name, CONNECTION | UPGRADE) || *name == DRAFT_ORIGIN,
            Self::None => false,
        }
    }
}
