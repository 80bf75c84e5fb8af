//! The messages of a server, as a stream.

use std::error::Error as StdError;
use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use futures_util::Stream;
use serde::de::DeserializeOwned;

use super::decode::read_message;
use super::streams::{ReceivedMessage, StreamItem, StreamQueue};
use crate::envelope::Messages;
use crate::error::DecodeError;

/// The messages that a server sends by itself, of all connections of a client: [`Remote::messages`].
///
/// A [`Stream`] that ends with the client. [`next`](Self::next) needs no other crate. A message that the client does
/// not understand is an error, after which the stream goes on.
///
/// [`Remote`](super::Remote) has an example.
///
/// [`Remote::messages`]: super::Remote::messages
pub struct RemoteMessages<M> {
    queue: Arc<StreamQueue>,
    message: PhantomData<fn() -> M>,
}

impl<M: Messages + DeserializeOwned> RemoteMessages<M> {
    pub(super) fn new(queue: Arc<StreamQueue>) -> Self {
        Self { queue, message: PhantomData }
    }

    /// Returns the next message; `None` after the end of the client.
    ///
    /// # Errors
    ///
    /// Returns an error for messages that were missed, for a session that the server has lost, and for a message that the
    /// client does not understand.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses no message.
    pub async fn next(&mut self) -> Option<Result<M, RemoteMessageError>> {
        poll_fn(|task| Pin::new(&mut *self).poll_next(task)).await
    }
}

fn read<M: Messages + DeserializeOwned>(message: &ReceivedMessage) -> Result<M, RemoteMessageError> {
    let name = || message.name.chars().take(64).collect();
    match read_message(&message.name, message.params.as_deref()) {
        Some(Ok(message)) => Ok(message),
        Some(Err(error)) => Err(RemoteMessageError::Invalid { name: name(), error: DecodeError::new(error) }),
        None => Err(RemoteMessageError::Unknown { name: name() }),
    }
}

impl<M: Messages + DeserializeOwned> Stream for RemoteMessages<M> {
    type Item = Result<M, RemoteMessageError>;

    fn poll_next(self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<Option<Self::Item>> {
        let item = self.queue.poll_next(task);
        item.map(|item| {
            item.map(|item| match item {
                StreamItem::Message(message) => read(&message),
                StreamItem::Missed(missed) => Err(RemoteMessageError::Lagged(missed)),
                StreamItem::Reset => Err(RemoteMessageError::Reset),
            })
        })
    }
}

impl<M> fmt::Debug for RemoteMessages<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteMessages").finish_non_exhaustive()
    }
}

/// An item of [`RemoteMessages`] that is not a message. The stream goes on after it.
///
/// ```
/// use ws_core::client::RemoteMessageError;
///
/// let error = RemoteMessageError::Lagged(3);
/// assert_eq!(error.to_string(), "3 messages were missed, because the program reads too slowly");
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum RemoteMessageError {
    /// The program reads too slowly: this number of messages was dropped, the oldest ones.
    Lagged(u64),
    /// The server has lost the session, and another handler answers from now on: messages may be missing before the next
    /// one, and the program has to subscribe again. Only in clients with [sessions](crate::guide::sessions).
    Reset,
    /// The enum has no message of this name.
    Unknown {
        /// The first 64 characters of the name.
        name: String,
    },
    /// The content is not that of the message of this name.
    Invalid {
        /// The name.
        name: String,
        /// The error of the content.
        error: DecodeError,
    },
}

impl fmt::Display for RemoteMessageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lagged(missed) => {
                write!(f, "{missed} messages were missed, because the program reads too slowly")
            }
            Self::Reset => f.write_str("the server has lost the session: messages may be missing"),
            Self::Unknown { name } => write!(f, "the server sent the unknown message `{name}`"),
            Self::Invalid { name, error } => write!(f, "the server sent an invalid `{name}`: {error}"),
        }
    }
}

impl StdError for RemoteMessageError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Invalid { error, .. } => Some(error),
            _ => None,
        }
    }
}
