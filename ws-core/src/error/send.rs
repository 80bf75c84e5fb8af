//! The error of sending a message to a handler.

use std::error::Error as StdError;
use std::fmt;

/// The error of sending a message to a handler. Contains the message.
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// # #[websocket(mailbox = 1)] #[derive(Default)] struct Chat;
/// #[websocket]
/// impl Chat {
///     #[on_info]
///     async fn slow(&mut self, _: u8) {
///         tokio::time::sleep(Duration::from_secs(1)).await;
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let mut client = TestClient::open(Chat).await;
/// client.info(1).await; // The handler is busy with this message,
/// client.info(2).await; // and this message fills the mailbox.
/// let error = client.addr().send(3).unwrap_err();
/// assert_eq!(error, SendError::Full(3));
/// assert!(!error.is_closed());
/// assert_eq!(error.into_inner(), 3);
/// # }
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SendError<M> {
    /// The mailbox is full: the handler is slower than its senders.
    Full(M),
    /// The connection has ended.
    Closed(M),
}

impl<M> SendError<M> {
    /// Returns the message that was not sent.
    pub fn into_inner(self) -> M {
        match self {
            Self::Full(message) | Self::Closed(message) => message,
        }
    }

    /// Returns whether the connection has ended, so that a retry cannot succeed.
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Closed(_))
    }
}

impl<M> fmt::Display for SendError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(_) => f.write_str("the handler's mailbox is full"),
            Self::Closed(_) => f.write_str("the connection has ended"),
        }
    }
}

/// Omits the message, so that `unwrap` does not require `M: Debug`.
impl<M> fmt::Debug for SendError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "Full(..)",
            Self::Closed(_) => "Closed(..)",
        })
    }
}

impl<M> StdError for SendError<M> {}
