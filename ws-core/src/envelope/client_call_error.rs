//! The errors of calls to clients.

use std::error::Error as StdError;
use std::fmt;

use super::call_error::CallError;
use crate::error::{BoxError, DecodeError};

/// The error of a call to a client ([`Context::call`](crate::Context::call), [`Addr::call`](crate::Addr::call)).
///
/// A method that answers calls may pass the error on: the error converts into a [`CallError`] with the code −32603
/// and a text without details.
///
/// ```
/// # use ws_core::{prelude::*, Call, ClientCallError, JsonRpc, test::TestClient};
/// #[derive(Call, serde::Serialize)]
/// #[call(returns = bool)]
/// struct Confirm { order: u64 }
///
/// # #[websocket(envelope = JsonRpc)] #[derive(Default)] struct Board;
/// # #[websocket] impl Board { #[on_open] fn open(&mut self) {} }
/// async fn is_confirmed(client: &Addr<Board>, order: u64) -> Result<bool, ClientCallError> {
///     match client.call(Confirm { order }).timeout(Duration::from_secs(5)).await {
///         Err(ClientCallError::Timeout | ClientCallError::Refused(_)) => Ok(false),
///         other => other,
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// # let mut client = TestClient::open(Board).await;
/// # let addr = client.addr();
/// # let confirmed = tokio::spawn(async move { is_confirmed(&addr, 7).await });
/// # client.advance(Duration::from_secs(5)).await;
/// # assert!(!confirmed.await.unwrap().unwrap());
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum ClientCallError {
    /// The client answered with an error.
    Refused(CallError),
    /// The client did not answer in time. A later answer is dropped.
    Timeout,
    /// The connection ended, or began to close, before the client answered.
    ConnectionEnded,
    /// The connection had ended, or was closing, before the call. Nothing was sent.
    Closed,
    /// As many calls wait for an answer as `max_pending_calls` allows. Nothing was sent.
    TooManyPending,
    /// The parameters do not serialize. Nothing was sent.
    Encode(BoxError),
    /// The result is not of the type that the call returns.
    Decode(DecodeError),
}

impl ClientCallError {
    /// Returns the text without what the client or the application wrote.
    fn summary(&self) -> &'static str {
        match self {
            Self::Refused(_) => "the client answered with an error",
            Self::Timeout => "the client did not answer in time",
            Self::ConnectionEnded => "the connection ended before the client answered",
            Self::Closed => "the connection has ended",
            Self::TooManyPending => "too many calls wait for an answer of the client",
            Self::Encode(_) => "the parameters of the call do not serialize",
            Self::Decode(_) => "the client answered with a value of another type",
        }
    }
}

impl fmt::Display for ClientCallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.summary())?;
        match self {
            Self::Refused(error) => write!(f, ": {error}"),
            Self::Encode(error) => write!(f, ": {error}"),
            Self::Decode(error) => write!(f, ": {error}"),
            _ => Ok(()),
        }
    }
}

impl StdError for ClientCallError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Refused(error) => Some(error),
            Self::Encode(error) => Some(&**error),
            Self::Decode(error) => Some(error),
            _ => None,
        }
    }
}

/// For typed clients of a method that returns this error: the server's answer is another side's error for them.
impl From<CallError> for ClientCallError {
    fn from(error: CallError) -> Self {
        Self::Refused(error)
    }
}

impl From<ClientCallError> for CallError {
    fn from(error: ClientCallError) -> Self {
        Self::internal(error.summary())
    }
}
