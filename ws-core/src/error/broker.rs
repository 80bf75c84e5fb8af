//! The errors of a broker.

use std::error::Error as StdError;
use std::fmt;

use super::{BoxError, PublishError};

/// The reason why the broker of a [`Hub`](crate::Hub) did not complete a request:
/// [`Hub::flush`](crate::Hub::flush), [`Hub::close`](crate::Hub::close), a
/// [subscription](crate::Subscribed), a [membership](crate::Joined), or a request of a
/// [`TaggedInHub`](crate::TaggedInHub).
///
/// ```
/// use ws_core::{BrokerError, Hub};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let hub = Hub::local();
/// hub.close().await.unwrap();
/// let error = hub.flush().await.unwrap_err();
/// assert!(matches!(error, BrokerError::Closed));
/// assert_eq!(error.to_string(), "the hub, the connection or the membership is closed");
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum BrokerError {
    /// The connection to the broker is down, or went down during the request. The broker may or may not
    /// have received the request.
    Disconnected,
    /// The broker did not answer in time. It may still execute the request.
    TimedOut,
    /// The broker rejected the request, the subscription, a message or the login, or has no JetStream. Contains
    /// the broker's error, which names the subject of a missing permission.
    Refused(BoxError),
    /// The broker did not confirm messages that belong to histories. Each of them was logged, and
    /// reported to the subscribers of this process as a `0` in `#[on_lagged]`.
    Unconfirmed {
        /// The number of unconfirmed messages since the last report.
        messages: u64,
    },
    /// The name of the topic is too long for the broker, see [`PublishError::Name`]; or the name of a message is too long.
    Name {
        /// The size of the name in bytes, for a topic in a subject.
        size: usize,
        /// The largest permitted size in bytes.
        limit: usize,
    },
    /// The message of [`TaggedInHub::send`](crate::TaggedInHub::send) cannot be encoded.
    Encode(BoxError),
    /// The encoded message of [`TaggedInHub::send`](crate::TaggedInHub::send) is too large.
    TooLarge {
        /// The size in bytes.
        size: usize,
        /// The largest permitted size in bytes.
        limit: usize,
    },
    /// The hub is closed; or the membership, the connection, or the runtime of the hub has ended.
    Closed,
}

impl fmt::Display for BrokerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disconnected => {
                f.write_str("the connection to the broker is down, or went down during the request")
            }
            Self::TimedOut => f.write_str("the broker did not answer in time"),
            Self::Refused(error) => write!(f, "the broker rejected the request: {error}"),
            Self::Unconfirmed { messages } => {
                write!(f, "the broker did not confirm {messages} messages")
            }
            Self::Name { size, limit } => {
                write!(f, "the name takes {size} bytes, and the limit is {limit}: use a shorter name")
            }
            Self::Encode(error) => write!(f, "cannot encode the message: {error}"),
            Self::TooLarge { size, limit } => {
                write!(f, "the message takes {size} bytes, and the limit is {limit}: send a smaller one")
            }
            Self::Closed => f.write_str("the hub, the connection or the membership is closed"),
        }
    }
}

impl StdError for BrokerError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Refused(error) | Self::Encode(error) => Some(&**error),
            _ => None,
        }
    }
}

impl BrokerError {
    /// Returns a copy of the error for another waiter. A boxed error is copied as text.
    #[cfg(feature = "nats")]
    pub(crate) fn duplicate(&self) -> Self {
        match self {
            Self::Disconnected => Self::Disconnected,
            Self::TimedOut => Self::TimedOut,
            Self::Refused(error) => Self::Refused(error.to_string().into()),
            Self::Unconfirmed { messages } => Self::Unconfirmed { messages: *messages },
            Self::Name { size, limit } => Self::Name { size: *size, limit: *limit },
            Self::Encode(error) => Self::Encode(error.to_string().into()),
            Self::TooLarge { size, limit } => Self::TooLarge { size: *size, limit: *limit },
            Self::Closed => Self::Closed,
        }
    }

    /// Converts the reason why a topic cannot be used.
    pub(crate) fn from_publish_error(error: &PublishError) -> Self {
        match error {
            PublishError::Name { size, limit } => Self::Name { size: *size, limit: *limit },
            PublishError::Closed => Self::Closed,
            PublishError::Disconnected | PublishError::Full => Self::Disconnected,
            PublishError::Encode(_) | PublishError::NoCodec | PublishError::TooLarge { .. } => {
                Self::Refused(error.to_string().into())
            }
        }
    }
}
