//! The errors of calls to a server.

use std::error::Error as StdError;
use std::fmt;

use crate::envelope::{CallError, ClientCallError};

/// The error of a call of a typed client. `E` is the error of the server's method, or [`CallError`].
///
/// An error type of a method converts in both directions: `Into<CallError>` on the server, and
/// `TryFrom<CallError>` in the client.
///
/// ```
/// use ws_core::CallError;
/// use ws_core::client::RemoteCallError;
///
/// #[derive(Debug, PartialEq)]
/// struct NoFunds;
///
/// impl From<NoFunds> for CallError {
///     fn from(_: NoFunds) -> Self {
///         Self::new(-32000, "no funds")
///     }
/// }
///
/// impl TryFrom<CallError> for NoFunds {
///     type Error = CallError;
///
///     fn try_from(error: CallError) -> Result<Self, CallError> {
///         if error.code() == -32000 { Ok(Self) } else { Err(error) }
///     }
/// }
///
/// fn is_poor(error: &RemoteCallError<NoFunds>) -> bool {
///     matches!(error, RemoteCallError::Refused(NoFunds))
/// }
/// assert!(is_poor(&RemoteCallError::Refused(NoFunds)));
/// ```
#[derive(Debug)]
pub enum RemoteCallError<E> {
    /// The method answered with its error.
    Refused(E),
    /// The server answered with another error ([`ClientCallError::Refused`]), or not at all. The variants are those
    /// of calls in the other direction.
    Failed(ClientCallError),
}

/// An error of a server's method, which a client reads: any type with `TryFrom<CallError>`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of a call in a client",
    label = "does not convert from `CallError`, which the server's answer has",
    note = "write `impl TryFrom<CallError> for {Self}`, whose error is the same `CallError`, or return `CallError` itself"
)]
pub trait FromCallError: Sized {
    /// Converts the error; `None` if the error is another one.
    fn from_call_error(error: CallError) -> Option<Self>;
}

#[diagnostic::do_not_recommend]
impl<E: TryFrom<CallError>> FromCallError for E {
    fn from_call_error(error: CallError) -> Option<Self> {
        Self::try_from(error).ok()
    }
}

impl<E: FromCallError> From<ClientCallError> for RemoteCallError<E> {
    fn from(error: ClientCallError) -> Self {
        match error {
            ClientCallError::Refused(error) => match E::from_call_error(error.clone()) {
                Some(error) => Self::Refused(error),
                None => Self::Failed(ClientCallError::Refused(error)),
            },
            error => Self::Failed(error),
        }
    }
}

impl<E: fmt::Display> fmt::Display for RemoteCallError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(error) => write!(f, "the server answered with an error: {error}"),
            Self::Failed(error) => match error {
                ClientCallError::Refused(error) => write!(f, "the server answered with an error: {error}"),
                ClientCallError::Timeout => f.write_str("the server did not answer in time"),
                ClientCallError::ConnectionEnded => {
                    f.write_str("the connection ended before the server answered")
                }
                ClientCallError::Closed => f.write_str("there is no connection to the server"),
                ClientCallError::TooManyPending => {
                    f.write_str("too many calls wait for an answer of the server")
                }
                ClientCallError::Encode(error) => write!(f, "the parameters do not serialize: {error}"),
                ClientCallError::Decode(error) => {
                    write!(f, "the server answered with a value of another type: {error}")
                }
            },
        }
    }
}

impl<E: fmt::Debug + fmt::Display> StdError for RemoteCallError<E> {}
