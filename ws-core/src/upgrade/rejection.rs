//! The reasons to reject a handshake, and their responses.

use std::borrow::Cow;

use axum_core::body::Body;
use axum_core::response::{IntoResponse, Response};
use hyper::StatusCode;
use hyper::header::{
    ALLOW, CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER, SEC_WEBSOCKET_VERSION, UPGRADE,
};

/// The final version and the drafts that browsers shipped. Their frames are identical.
const VERSIONS: &str = "13, 8, 7";

/// The reason why a request does not become a WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HandshakeRejection {
    /// The path does not allow the method; holds the allowed one.
    Method(&'static str),
    /// `:protocol` is not `websocket`.
    #[cfg(feature = "http2")]
    Protocol,
    /// The scheme is neither `http` nor `https`.
    #[cfg(feature = "http2")]
    Scheme,
    /// The request is not one for an upgrade to WebSocket.
    NoUpgrade,
    /// The request is one of HTTP/1.0, which has no upgrade.
    Http10,
    /// The version is unknown. `upgrade` is whether the response may offer an upgrade; HTTP/2 has none.
    Version { upgrade: bool },
    /// The key is missing or malformed; holds the text of the response.
    Key(&'static str),
    /// The request does not name exactly one host, which HTTP/1.1 requires.
    Host,
    /// The headers of a trusted proxy do not show one address; holds the text of the response.
    Forwarded(&'static str),
    /// The request has a body.
    Body,
    /// `Sec-WebSocket-Extensions` does not match the grammar.
    Extensions,
    /// The body of a request, which is a message, exceeds the limit of messages.
    BodyTooBig,
    /// The body of a request did not arrive in time.
    SlowBody,
    /// The body of a request is malformed or incomplete.
    BrokenBody,
    /// `#[on_upgrade]` or the `Default` of the handler panicked; holds the message for the log.
    Panic(String),
    /// A browser sent the request from a page whose origin is not allowed.
    Origin,
    /// The server has reached its limit of connections.
    Capacity,
    /// The server closes its connections, because it stops.
    Drain,
    /// The client's address has reached its limit of connections.
    Address,
    /// The server has reached its rate of handshakes.
    Rate,
    /// `#[on_upgrade]` exceeded the handshake timeout.
    Timeout,
    /// The HTTP server offers no upgrade for the request.
    NotUpgradable,
    /// `#[on_upgrade]` returned an invalid `Upgrade`; holds the reason for the log.
    Response(String),
    /// The inspector does not admit the request, for this reason. The response is that of an unknown path.
    #[cfg(feature = "inspect")]
    Inspector(&'static str),
}

impl HandshakeRejection {
    /// Returns the status and the text of the response.
    fn status_and_text(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Method("CONNECT") => {
                (StatusCode::METHOD_NOT_ALLOWED, "over HTTP/2 a WebSocket is opened with an extended CONNECT")
            }
            Self::Method("GET, POST, OPTIONS") => (StatusCode::METHOD_NOT_ALLOWED, "use GET or POST"),
            Self::Method(_) => (StatusCode::METHOD_NOT_ALLOWED, "a WebSocket is opened with GET"),
            #[cfg(feature = "http2")]
            // RFC 9220 §3 defines the status for HTTP/3; RFC 8441 defines none.
            Self::Protocol => (StatusCode::NOT_IMPLEMENTED, "unknown :protocol: use websocket"),
            #[cfg(feature = "http2")]
            Self::Scheme => (StatusCode::BAD_REQUEST, "invalid :scheme: use http or https"),
            Self::NoUpgrade => {
                (StatusCode::UPGRADE_REQUIRED, "this path is a WebSocket: send an upgrade request")
            }
            Self::Http10 => (
                StatusCode::UPGRADE_REQUIRED,
                "this path is a WebSocket, and the request arrived as HTTP/1.0, which has no upgrade: use \
                 HTTP/1.1 (nginx: proxy_http_version 1.1)",
            ),
            Self::Version { .. } => {
                (StatusCode::UPGRADE_REQUIRED, "unknown Sec-WebSocket-Version: use 13, 8 or 7")
            }
            Self::Key(why) | Self::Forwarded(why) => (StatusCode::BAD_REQUEST, why),
            Self::Host => (StatusCode::BAD_REQUEST, "Host must occur once and name a host"),
            Self::Body => (StatusCode::BAD_REQUEST, "a handshake must not have a body"),
            Self::Extensions => (StatusCode::BAD_REQUEST, "Sec-WebSocket-Extensions is malformed"),
            Self::BodyTooBig => (StatusCode::PAYLOAD_TOO_LARGE, "the message is too large"),
            Self::SlowBody => (StatusCode::REQUEST_TIMEOUT, "the body took too long"),
            Self::BrokenBody => (StatusCode::BAD_REQUEST, "the body is malformed or incomplete"),
            Self::Panic(_) => (StatusCode::INTERNAL_SERVER_ERROR, "the handler failed"),
            Self::Origin => (StatusCode::FORBIDDEN, "pages of this origin may not connect"),
            Self::Capacity => (StatusCode::SERVICE_UNAVAILABLE, "too many connections: try again later"),
            Self::Drain => {
                (StatusCode::SERVICE_UNAVAILABLE, "the server is shutting down: try again in a second")
            }
            Self::Address => (StatusCode::TOO_MANY_REQUESTS, "too many connections from this address"),
            Self::Rate => {
                (StatusCode::SERVICE_UNAVAILABLE, "too many connections at once: try again in a second")
            }
            Self::Timeout => (StatusCode::SERVICE_UNAVAILABLE, "the handshake took too long"),
            Self::NotUpgradable => (StatusCode::INTERNAL_SERVER_ERROR, "this connection cannot be upgraded"),
            Self::Response(_) => (StatusCode::INTERNAL_SERVER_ERROR, "the handler's response is invalid"),
            #[cfg(feature = "inspect")]
            Self::Inspector(_) => (StatusCode::NOT_FOUND, "not found"),
        }
    }

    /// Returns the reason as a label of metrics.
    pub(crate) fn label(&self) -> &'static str {
        match self {
            Self::Method(_) => "method",
            #[cfg(feature = "http2")]
            Self::Protocol => "protocol",
            #[cfg(feature = "http2")]
            Self::Scheme => "scheme",
            Self::NoUpgrade => "no_upgrade",
            Self::Http10 => "http_1_0",
            Self::Version { .. } => "version",
            Self::Key(_) => "key",
            Self::Host => "host",
            Self::Forwarded(_) => "forwarded",
            Self::Body => "body",
            Self::Extensions => "extensions",
            Self::BodyTooBig => "body_too_big",
            Self::SlowBody => "slow_body",
            Self::BrokenBody => "broken_body",
            Self::Panic(_) => "panic",
            Self::Origin => "origin",
            Self::Capacity => "max_connections",
            Self::Drain => "drain",
            Self::Address => "max_connections_per_address",
            Self::Rate => "max_upgrade_rate",
            Self::Timeout => "timeout",
            Self::NotUpgradable => "not_upgradable",
            Self::Response(_) => "response",
            #[cfg(feature = "inspect")]
            Self::Inspector(_) => "inspector",
        }
    }

    /// Returns the reason for the log.
    pub(crate) fn reason(&self) -> Cow<'_, str> {
        match self {
            Self::Panic(message) => format!("the handler panicked: {message}").into(),
            Self::Response(why) => why.into(),
            #[cfg(feature = "inspect")]
            Self::Inspector(why) => (*why).into(),
            _ => self.status_and_text().1.into(),
        }
    }

    /// Returns how the request can be allowed, as text for the log. The text about an `Origin` depends on
    /// the request: see [`origin_help`](super::origin_help).
    pub(crate) fn help(&self) -> &'static str {
        match self {
            Self::Method("CONNECT") => "send CONNECT with `:protocol` `websocket` (RFC 8441)",
            Self::Method("GET, POST, OPTIONS") => "send GET or POST",
            Self::Method(_) => "send GET",
            #[cfg(feature = "http2")]
            Self::Protocol | Self::Scheme => "use a client of RFC 8441",
            Self::NoUpgrade => {
                "send `Connection: Upgrade` and `Upgrade: websocket`; a proxy has to forward both (nginx: \
                 `proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection \"upgrade\";`)"
            }
            Self::Http10 => "let the proxy send HTTP/1.1 (nginx: `proxy_http_version 1.1;`)",
            Self::Version { .. } | Self::Key(_) | Self::Host | Self::Body | Self::Extensions => {
                "use a client of RFC 6455"
            }
            Self::Forwarded(_) => {
                "let the proxy delete the one of `Forwarded` and `X-Forwarded-For` that it does not write (nginx: \
                 `proxy_set_header Forwarded \"\";`)"
            }
            Self::BodyTooBig => "raise `max_message_size`, or let the client send less",
            Self::SlowBody => "raise `Router::handshake_timeout`",
            Self::BrokenBody => "use a client of HTTP/1.1 or HTTP/2",
            Self::Panic(_) => "correct the `#[on_upgrade]` of the handler, or its `Default`",
            Self::Origin => "list the origin in the option `origins`",
            Self::Capacity => "raise `Router::max_connections`",
            Self::Drain => "wait until the server has restarted, or connect to another one",
            Self::Address => "raise `Router::max_connections_per_address`",
            Self::Rate => "raise `Router::max_upgrade_rate`",
            Self::Timeout => "raise `Router::handshake_timeout`, or let `#[on_upgrade]` do less",
            Self::NotUpgradable => {
                "serve the router with a server that supports upgrades (hyper: `serve_connection(…).with_upgrades()`)"
            }
            Self::Response(_) => "correct the `Upgrade` that `#[on_upgrade]` returns",
            #[cfg(feature = "inspect")]
            Self::Inspector(_) => {
                "open the page on the server's machine, or admit the request in the guard of `Router::inspect`"
            }
        }
    }
}

impl IntoResponse for HandshakeRejection {
    fn into_response(self) -> Response {
        let (status, why) = self.status_and_text();
        let mut response = Response::new(Body::from(format!("{why}\n")));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        match self {
            Self::Method(allowed) => _ = headers.insert(ALLOW, HeaderValue::from_static(allowed)),
            Self::NoUpgrade | Self::Http10 | Self::Version { .. } => {
                headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static(VERSIONS));
            }
            // The unit is seconds.
            Self::Rate | Self::Drain => _ = headers.insert(RETRY_AFTER, HeaderValue::from_static("1")),
            _ => {}
        }
        if matches!(self, Self::NoUpgrade | Self::Http10 | Self::Version { upgrade: true }) {
            // RFC 9110 §15.5.22: a 426 names the protocol to upgrade to.
            headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
            headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        }
        // For the log, which has more to say than the response.
        response.extensions_mut().insert(self);
        response
    }
}
