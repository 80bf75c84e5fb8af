//! The errors of publishing and of connecting to a broker.

use std::error::Error as StdError;
use std::fmt;

use super::BoxError;

/// The reason why a value was not published. No subscriber gets the value.
///
/// ```
/// use std::collections::HashMap;
/// use ws_core::{Hub, PublishError};
///
/// let topic = Hub::local().topic::<HashMap<(u8, u8), u8>>("map").history(16);
/// // A local topic without forwarding subscribers does not encode the value.
/// assert!(topic.publish(HashMap::from([((1, 2), 3)])).is_ok());
/// let error = PublishError::Encode("key must be a string".into());
/// assert_eq!(error.to_string(), "cannot encode the value: key must be a string");
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum PublishError {
    /// The codec cannot encode the value.
    Encode(BoxError),
    /// A [local topic](crate::Hub::local_topic) cannot be forwarded to clients. Forwarding it passes this error to
    /// `#[on_error]`; publishing succeeds.
    NoCodec,
    /// The hub was [closed](crate::Hub::close).
    Closed,
    /// The queue of messages to the broker is full: this process publishes faster than it can send.
    /// Occurs only with a broker.
    Full,
    /// The connection to the broker is down. Occurs only with a broker.
    Disconnected,
    /// The encoded value is larger than the broker accepts. Occurs only with a broker.
    TooLarge {
        /// The size of the encoded value in bytes.
        size: usize,
        /// The broker's `max_payload` less the bytes that are sent beside the value.
        limit: usize,
    },
    /// The name of the topic is too long for the broker. Subscribing to the topic passes this error to
    /// `#[on_error]`. Occurs only with a broker.
    Name {
        /// The size of the name in bytes; a byte that a subject may not contain counts three times.
        size: usize,
        /// The largest permitted size in bytes.
        limit: usize,
    },
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Encode(error) => write!(f, "cannot encode the value: {error}"),
            Self::NoCodec => f.write_str(
                "a local topic has no codec, so that it cannot be forwarded: create it with `Hub::topic` or \
                 `Hub::topic_with`, or subscribe the handler",
            ),
            Self::Closed => f.write_str("the hub is closed"),
            Self::Full => f.write_str("the queue to the broker is full: publish less, or try again later"),
            Self::Disconnected => {
                f.write_str("the connection to the broker is down: try again after the automatic reconnect")
            }
            Self::TooLarge { size, limit } => write!(
                f,
                "{size} bytes exceed the broker's limit of {limit}: publish a smaller value, or raise the broker's \
                 `max_payload`"
            ),
            Self::Name { size, limit } => write!(
                f,
                "the name of the topic takes {size} bytes of a subject, and the limit is {limit}: use a shorter name"
            ),
        }
    }
}

impl StdError for PublishError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Encode(error) => Some(&**error),
            _ => None,
        }
    }
}

/// The reason why a hub could not connect to its broker.
///
/// ```no_run
/// # use ws_core::{Hub, HubError};
/// # async fn start() {
/// // No server listens on this port.
/// let error = Hub::nats("nats://me:secret@127.0.0.1:1").await.unwrap_err();
/// assert!(matches!(error, HubError::Connect { .. }));
/// assert!(error.to_string().starts_with("cannot connect to NATS at 127.0.0.1:1: "));
/// # }
/// ```
#[cfg(feature = "nats")]
#[derive(Debug)]
#[non_exhaustive]
pub enum HubError {
    /// The address is not that of a NATS server.
    Address {
        /// The requested address, without the part that may be a password.
        addr: String,
        /// The error of the parser.
        source: BoxError,
    },
    /// The server cannot be reached, or rejects this client.
    Connect {
        /// The requested address, without user and password.
        addr: String,
        /// The error of the NATS client.
        source: BoxError,
    },
}

#[cfg(feature = "nats")]
impl fmt::Display for HubError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address { addr, source } => {
                write!(f, "invalid NATS address `{addr}`: {source}; write `nats://host:4222`")
            }
            Self::Connect { addr, source } => {
                write!(f, "cannot connect to NATS at {addr}: {source}; {}", connect_hint(source))
            }
        }
    }
}

#[cfg(feature = "nats")]
impl StdError for HubError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Address { source, .. } | Self::Connect { source, .. } => Some(&**source),
        }
    }
}

/// Returns a hint for the user, chosen by the cause of a connection error.
#[cfg(feature = "nats")]
fn connect_hint(error: &BoxError) -> &'static str {
    use async_nats::rustls::Error as TlsError;
    use async_nats::{ConnectError, ConnectErrorKind};

    let connect = error.downcast_ref::<ConnectError>();
    let is_refused = connect.is_some_and(|error| {
        let refused = [ConnectErrorKind::AuthorizationViolation, ConnectErrorKind::Authentication];
        refused.contains(&error.kind())
    });
    let io = connect.and_then(StdError::source).and_then(|error| error.downcast_ref::<std::io::Error>());
    let tls = io.and_then(|error| error.get_ref()?.downcast_ref::<TlsError>());
    match tls {
        _ if is_refused => {
            "the server rejects the login: give a user, for example `nats://user:password@host`, or pass a \
             token, key or credentials to `Hub::nats_with`"
        }
        Some(TlsError::InvalidCertificate(_)) => {
            "the server's certificate is not for that host, or its issuer is not trusted: pass the issuer's \
             certificate to `Hub::nats_with`, with `add_root_certificates` of the `ConnectOptions`"
        }
        Some(_) => {
            "the TLS handshake failed: `tls://` needs a server with TLS; if the server requires a client \
             certificate, add one with `add_client_certificate` of the `ConnectOptions`"
        }
        None => "check that `nats-server` runs there and accepts connections from this process",
    }
}
