//! The errors of connecting to a server.

use std::error::Error as StdError;
use std::time::{Duration, SystemTime};
use std::{fmt, io};

use bytes::Bytes;
use hyper::header::{HeaderMap, LOCATION, RETRY_AFTER};
use hyper::{StatusCode, Uri};
use tokio_rustls::rustls;

use crate::error::BoxError;

/// The reason why a client has no connection.
///
/// ```
/// use ws_core::client::{Client, ConnectError};
/// # use ws_core::prelude::*;
/// # #[websocket] #[derive(Default)] struct Feed;
/// # #[websocket] impl Feed { #[on_text] fn text(&mut self, _: &str) {} }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let error = Client::new("http://example.com/feed").run(Feed::default).await.unwrap_err();
/// assert!(matches!(error, ConnectError::Url(_)));
/// assert_eq!(error.to_string(), "invalid URL: the scheme is neither `ws` nor `wss`");
/// assert!(error.is_permanent());
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// The URL cannot be one of a WebSocket (RFC 6455 §3).
    Url(String),
    /// A header or a subprotocol of the client is invalid, or belongs to the handshake.
    Header(String),
    /// The name does not resolve, or neither the server nor its proxy takes a TCP connection.
    Io(io::Error),
    /// The proxy refused the tunnel with this status.
    ProxyRefused(StatusCode),
    /// The proxy has a scheme other than `http` and `https`, or its URL is invalid.
    Proxy(String),
    /// The TLS handshake failed.
    Tls(io::Error),
    /// The server answered with another status than 101. Redirects are not followed.
    Rejected {
        /// The status of the response.
        status: StatusCode,
        /// The headers of the response.
        headers: Box<HeaderMap>,
        /// The first 8 KiB of the body.
        body: Bytes,
    },
    /// The server's 101 breaks this rule of RFC 6455 §4.1.
    Handshake(&'static str),
    /// The response is not HTTP, or its head is longer than 16 KiB or has more than 100 headers.
    Http(BoxError),
    /// The connection did not open within `connect_timeout`.
    Timeout,
}

impl ConnectError {
    /// Returns whether another attempt would most likely fail in the same way.
    ///
    /// True for an invalid URL, header or proxy, an invalid certificate, a 101 that breaks a rule, and a status below
    /// 500 except 408, 425 and 429.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Url(_) | Self::Header(_) | Self::Proxy(_) | Self::Handshake(_) => true,
            Self::ProxyRefused(status) | Self::Rejected { status, .. } => is_final(*status),
            Self::Tls(error) => {
                let source = error.get_ref().and_then(|source| source.downcast_ref());
                matches!(source, Some(rustls::Error::InvalidCertificate(_)))
            }
            Self::Io(_) | Self::Http(_) | Self::Timeout => false,
        }
    }

    /// Returns the status of the response, if the server or its proxy refused the connection.
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::ProxyRefused(status) | Self::Rejected { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Returns how long the server wants the client to wait, in a header `Retry-After` (RFC 9110 §10.2.3): a number of
    /// seconds, or a date. `None` without one. A server that is overloaded or restarts answers so, with 503 or 429.
    ///
    /// ```
    /// use std::time::Duration;
    /// use ws_core::client::{Backoff, Disconnect, DisconnectCause, Reconnect};
    ///
    /// /// Like the default, but the client does not wait for longer than a minute.
    /// fn policy(disconnect: &Disconnect<'_>) -> Option<Duration> {
    ///     let delay = Backoff::default().reconnect(disconnect)?;
    ///     match disconnect.cause {
    ///         DisconnectCause::Failed(error) if error.retry_after() > Some(Duration::from_secs(60)) => None,
    ///         _ => Some(delay),
    ///     }
    /// }
    /// # let client = ws_core::client::Client::new("wss://feed.example/").reconnect(policy);
    /// # drop(client);
    /// ```
    pub fn retry_after(&self) -> Option<Duration> {
        let Self::Rejected { headers, .. } = self else { return None };
        let value = headers.get(RETRY_AFTER)?.to_str().ok()?;
        if let Ok(seconds) = value.parse() {
            return Some(Duration::from_secs(seconds));
        }
        let date = httpdate::parse_http_date(value).ok()?;
        Some(date.duration_since(SystemTime::now()).unwrap_or_default())
    }

    /// Returns the target of a redirect, which the client has not followed, without credentials and the query: either may
    /// be a secret.
    fn location(&self) -> Option<String> {
        match self {
            Self::Rejected { status, headers, .. } if status.is_redirection() => {
                let uri: Uri = headers.get(LOCATION)?.to_str().ok()?.parse().ok()?;
                let scheme = uri.scheme_str().map(|scheme| format!("{scheme}://")).unwrap_or_default();
                let authority = uri.authority().map_or("", |authority| authority.as_str());
                let host = authority.rsplit('@').next().unwrap_or_default();
                Some(format!("{scheme}{host}{}", uri.path()))
            }
            _ => None,
        }
    }
}

fn is_final(status: StatusCode) -> bool {
    let is_temporary =
        matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS);
    !is_temporary && !status.is_server_error()
}

impl From<hyper::Error> for ConnectError {
    fn from(error: hyper::Error) -> Self {
        match error.source().and_then(|source| source.downcast_ref::<io::Error>()) {
            Some(source) => Self::Io(source.kind().into()),
            None => Self::Http(error.into()),
        }
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(reason) => write!(f, "invalid URL: {reason}"),
            Self::Header(reason) => f.write_str(reason),
            Self::Io(error) => write!(f, "cannot connect: {error}"),
            Self::ProxyRefused(status) => write!(f, "the proxy refused the tunnel: {status}"),
            Self::Proxy(reason) => write!(f, "unusable proxy: {reason}"),
            Self::Tls(error) => write!(f, "TLS handshake failed: {error}"),
            Self::Rejected { status, .. } => {
                write!(f, "the server answered with {status}")?;
                match self.location() {
                    Some(location) => write!(f, " to {location}; redirects are not followed"),
                    None => Ok(()),
                }
            }
            Self::Handshake(rule) => write!(f, "invalid handshake of the server: {rule}"),
            Self::Http(error) => write!(f, "invalid response: {error}"),
            Self::Timeout => f.write_str("the connection did not open in time"),
        }
    }
}

impl StdError for ConnectError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Io(error) | Self::Tls(error) => Some(error),
            Self::Http(error) => Some(&**error),
            _ => None,
        }
    }
}
