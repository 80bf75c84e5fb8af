//! The errors of a handler.

use std::error::Error as StdError;
use std::fmt;

use super::BoxError;
use crate::close::CloseCode;

/// The error of a payload that does not decode into the type that a method takes.
///
/// ```
/// use ws_core::{DecodeError, FromText};
///
/// struct Percent(u8);
///
/// impl FromText<'_> for Percent {
///     fn from_text(text: &str) -> Result<Self, DecodeError> {
///         match text.parse().map_err(DecodeError::new)? {
///             percent @ 0..=100 => Ok(Self(percent)),
///             _ => Err(DecodeError::new("more than 100 %")),
///         }
///     }
/// }
/// let error = Percent::from_text("101").err().unwrap();
/// assert_eq!(error.to_string(), "payload does not decode: more than 100 %");
/// ```
#[derive(Debug)]
pub struct DecodeError(BoxError);

impl DecodeError {
    /// Wraps the error of a decoder.
    pub fn new(source: impl Into<BoxError>) -> Self {
        Self(source.into())
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "payload does not decode: {}", self.0)
    }
}

impl StdError for DecodeError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.0)
    }
}

/// An error of a handler: the argument of `#[on_error]`.
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// # #[websocket] #[derive(Default)] struct Chat;
/// #[websocket]
/// impl Chat {
///     #[on_text]
///     fn double(&mut self, Json(number): Json<u32>) -> Result<Json<u32>, &'static str> {
///         number.checked_mul(2).map(Json).ok_or("too much")
///     }
///     #[on_error]
///     fn error(&mut self, error: &HandlerError) -> Option<String> {
///         match error {
///             HandlerError::Decode(_) => None, // Ignored.
///             other => Some(other.to_string()),
///         }
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let mut client = TestClient::open(Chat).await;
/// client.send("not a number").await;
/// client.send("4000000000").await;
/// assert_eq!(client.text().await, "too much");
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum HandlerError {
    /// A payload did not decode into the type that the method takes. Without `#[on_error]`, the
    /// connection closes with 1007.
    Decode(DecodeError),
    /// A method returned an error, or a topic cannot be subscribed to. Without `#[on_error]`, the
    /// connection closes with 1011.
    Method(BoxError),
    /// A reply cannot be sent: a control frame is too long, a close code may not be sent, or a value does
    /// not encode. Without `#[on_error]`, the connection closes with 1011.
    Reply(BoxError),
    /// As many futures run as `max_deferred` allows: a [`Deferred`](crate::Deferred) reply or a future of
    /// [`Context::spawn`](crate::Context::spawn) was dropped. Without `#[on_error]`, the connection closes with
    /// 1011.
    TooManyDeferred,
}

impl HandlerError {
    /// Returns the code that the connection closes with if the handler has no `#[on_error]`, unless
    /// [`CloseCodes`](crate::CloseCodes) declares another one.
    ///
    /// ```
    /// # use ws_core::{prelude::*, test::TestClient};
    /// # #[websocket] #[derive(Default)] struct Chat;
    /// #[websocket]
    /// impl Chat {
    ///     #[on_error]
    ///     fn error(&mut self, error: &HandlerError) -> Close {
    ///         Close::new(error.close_code(), error.to_string())
    ///     }
    ///     #[every(1s)]
    ///     fn fail(&mut self) -> Result<(), &'static str> {
    ///         Err("out of order")
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let mut client = TestClient::open(Chat).await;
    /// client.advance(Duration::from_secs(1)).await;
    /// assert_eq!(client.closed().await, Close::new(1011, "out of order"));
    /// # }
    /// ```
    pub fn close_code(&self) -> CloseCode {
        match self {
            Self::Decode(_) => CloseCode::Invalid,
            Self::Method(_) | Self::Reply(_) | Self::TooManyDeferred => CloseCode::Error,
        }
    }
}

impl fmt::Display for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decode(error) => error.fmt(f),
            Self::Method(error) => error.fmt(f),
            Self::Reply(error) => write!(f, "reply cannot be sent: {error}"),
            Self::TooManyDeferred => f.write_str("as many futures run as `max_deferred` allows"),
        }
    }
}

impl StdError for HandlerError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Decode(error) => Some(error),
            Self::Method(error) | Self::Reply(error) => Some(&**error),
            Self::TooManyDeferred => None,
        }
    }
}

impl From<DecodeError> for HandlerError {
    fn from(error: DecodeError) -> Self {
        Self::Decode(error)
    }
}
