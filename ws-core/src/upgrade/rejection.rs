//! Why a request does not become a WebSocket, and what it is answered.

use axum_core::body::Body;
use axum_core::response::{IntoResponse, Response};
use hyper::StatusCode;
use hyper::header::{
    ALLOW, CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER, SEC_WEBSOCKET_VERSION, UPGRADE,
};

/// The final version and the drafts that browsers shipped; on the wire they are the same.
const VERSIONS: &str = "13, 8, 7";

/// Why a request does not become a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HandshakeRejection {
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

impl IntoResponse for HandshakeRejection {
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
