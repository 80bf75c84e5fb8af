//! What a broker does not do.

use std::error::Error as StdError;
use std::fmt;

use super::{BoxError, PublishError};

/// Why the broker of a [`Hub`](crate::Hub) has not done what somebody waits for:
/// [`Hub::flush`](crate::Hub::flush), [`Hub::close`](crate::Hub::close), or a
/// [membership](crate::Joined).
///
/// ```
/// use ws_core::{BrokerError, Hub};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let hub = Hub::local();
/// hub.close().await.unwrap();
/// let error = hub.flush().await.unwrap_err();
/// assert!(matches!(error, BrokerError::Closed));
/// assert_eq!(error.to_string(), "the hub is closed, or what this was about has ended");
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum BrokerError {
    /// There is no connection to the broker, or it was lost meanwhile: nobody knows what of it has got
    /// there.
    Disconnected,
    /// It has not answered in time. What was asked of it may still be done.
    TimedOut,
    /// It has said no, or has no JetStream; what it said.
    Refused(BoxError),
    /// It has not said of so many messages for histories that it keeps them. Each was logged, and told to
    /// the subscribers of this process as a `0` in `#[on_lagged]`.
    Unconfirmed {
        /// How many, since that was last said.
        messages: u64,
    },
    /// The name of the topic is too long for it; see [`PublishError::Name`].
    Name {
        /// Its size in a subject, in bytes.
        size: usize,
        /// How many it may have.
        limit: usize,
    },
    /// The hub is closed, or what this was about has ended: the membership, the connection, or the
    /// runtime in which the hub was made.
    Closed,
}

impl fmt::Display for BrokerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disconnected => {
                f.write_str("there is no connection to the broker, or it was lost meanwhile")
            }
            Self::TimedOut => f.write_str("the broker has not answered in time"),
            Self::Refused(error) => write!(f, "the broker has refused it: {error}"),
            Self::Unconfirmed { messages } => {
                write!(f, "the broker has not said of {messages} messages that it keeps them")
            }
            Self::Name { size, limit } => PublishError::Name { size: *size, limit: *limit }.fmt(f),
            Self::Closed => f.write_str("the hub is closed, or what this was about has ended"),
        }
    }
}

impl StdError for BrokerError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Refused(error) => Some(&**error),
            _ => None,
        }
    }
}

impl BrokerError {
    /// The same, for somebody else who waits.
    #[cfg(feature = "nats")]
    pub(crate) fn duplicate(&self) -> Self {
        match self {
            Self::Disconnected => Self::Disconnected,
            Self::TimedOut => Self::TimedOut,
            Self::Refused(error) => Self::Refused(error.to_string().into()),
            Self::Unconfirmed { messages } => Self::Unconfirmed { messages: *messages },
            Self::Name { size, limit } => Self::Name { size: *size, limit: *limit },
            Self::Closed => Self::Closed,
        }
    }

    /// Why a topic cannot be used, for those who wait for the broker.
    pub(crate) fn from_publish_error(error: &PublishError) -> Self {
        match error {
            PublishError::Name { size, limit } => Self::Name { size: *size, limit: *limit },
            PublishError::Closed => Self::Closed,
            PublishError::Disconnected | PublishError::Full => Self::Disconnected,
            PublishError::Encode(_) | PublishError::TooLarge { .. } => {
                Self::Refused(error.to_string().into())
            }
        }
    }
}
