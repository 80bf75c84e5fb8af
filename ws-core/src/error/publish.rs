//! What can be wrong with a topic.

use std::error::Error as StdError;
use std::fmt;

use super::BoxError;

/// Why a value was not published. Nobody gets it then.
///
/// ```
/// use std::collections::HashMap;
/// use ws_core::{Hub, PublishError};
///
/// let topic = Hub::local().topic::<HashMap<(u8, u8), u8>>("map").history(16);
/// // Nobody is there for whom it would have to be written.
/// assert!(topic.publish(HashMap::from([((1, 2), 3)])).is_ok());
/// let error = PublishError::Encode("key must be a string".into());
/// assert_eq!(error.to_string(), "cannot be written: key must be a string");
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum PublishError {
    /// The codec cannot write it.
    Encode(BoxError),
    /// The hub was [closed](crate::Hub::close).
    Closed,
    /// As much as may wait for the broker waits already: it is published faster than it can be sent.
    /// Only where there is a broker, as all that follow.
    Full,
    /// There is no connection to the broker at the moment.
    Disconnected,
    /// It is larger than the broker takes.
    TooLarge {
        /// Its size as it is written, in bytes.
        size: usize,
        /// The broker's `max_payload`, less what is written beside the value.
        limit: usize,
    },
    /// The name of the topic is too long for a broker. Subscribing says so as well, to `#[on_error]`.
    Name {
        /// Its size in bytes, after what a subject may not contain was written with three bytes each.
        size: usize,
        /// How many it may have.
        limit: usize,
    },
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Encode(error) => write!(f, "cannot be written: {error}"),
            Self::Closed => f.write_str("the hub is closed"),
            Self::Full => {
                f.write_str("too much waits for the broker already: publish less, or try again later")
            }
            Self::Disconnected => f.write_str(
                "there is no connection to the broker: try again when it is back, which is seen to",
            ),
            Self::TooLarge { size, limit } => write!(
                f,
                "{size} bytes are more than the {limit} that the broker takes: publish less at once, or raise its \
                 `max_payload`"
            ),
            Self::Name { size, limit } => write!(
                f,
                "the name of the topic takes {size} bytes of a subject, which may have {limit}: use a shorter one"
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

/// Why there is no hub.
///
/// ```no_run
/// # use ws_core::{Hub, HubError};
/// # async fn start() {
/// // Nobody listens there.
/// let error = Hub::nats("nats://me:secret@127.0.0.1:1").await.unwrap_err();
/// assert!(matches!(error, HubError::Connect { .. }));
/// assert!(error.to_string().starts_with("cannot connect to NATS at 127.0.0.1:1: "));
/// # }
/// ```
#[cfg(feature = "nats")]
#[derive(Debug)]
#[non_exhaustive]
pub enum HubError {
    /// The text is no address of a NATS server.
    Address {
        /// What was asked for, without what may be a password.
        addr: String,
        /// What is wrong with it.
        source: BoxError,
    },
    /// The server cannot be reached, or does not let us in.
    Connect {
        /// What was asked for, without user and password.
        addr: String,
        /// What the client said.
        source: BoxError,
    },
}

#[cfg(feature = "nats")]
impl fmt::Display for HubError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address { addr, source } => {
                write!(f, "`{addr}` is no address of a NATS server: {source}; it reads `nats://host:4222`")
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

/// What may help.
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
            "it does not let this process in: name another user, as in `nats://user:password@host`, or give \
             `Hub::nats_with` a token, key or credentials"
        }
        Some(TlsError::InvalidCertificate(_)) => {
            "its certificate is not for that host, or signed by nobody whom this process trusts: give \
             `Hub::nats_with` the one who has signed it, with `add_root_certificates` of the `ConnectOptions`"
        }
        Some(_) => {
            "there is no TLS with it: does it speak TLS at all, which `tls://` wants, or does it want a \
             certificate of ours, with `add_client_certificate` of the `ConnectOptions`?"
        }
        None => "is `nats-server` running there, and may this process use it?",
    }
}
