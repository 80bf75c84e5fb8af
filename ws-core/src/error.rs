//! The error types of the crate.

mod broker;
mod handler;
mod publish;
mod send;
mod server;
#[cfg(feature = "tls")]
mod tls;

pub use broker::BrokerError;
pub use handler::{DecodeError, HandlerError};
#[cfg(feature = "nats")]
pub use publish::HubError;
pub use publish::PublishError;
pub use send::SendError;
pub use server::{Error, Result};
#[cfg(feature = "tls")]
pub use tls::TlsError;

/// A boxed error of any type.
///
/// ```
/// use ws_core::BoxError;
///
/// fn answer(text: &str) -> Result<u8, BoxError> {
///     match text.parse()? {
///         42 => Ok(42),
///         other => Err(format!("{other} is not the answer").into()),
///     }
/// }
/// assert_eq!(answer("7").unwrap_err().to_string(), "7 is not the answer");
/// assert!(answer("seven").is_err());
/// ```
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The error of a method: any type that converts into a [`BoxError`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of a method",
    label = "not an error that can be sent between threads",
    note = "use a type that is `std::error::Error + Send + Sync`, a `String`, a `&str`, `anyhow::Error`, or `ws_core::BoxError` for `Box<dyn Error>`"
)]
pub trait MethodError {
    /// Converts the error.
    fn into_box(self) -> BoxError;
}

#[diagnostic::do_not_recommend]
impl<E: Into<BoxError>> MethodError for E {
    fn into_box(self) -> BoxError {
        self.into()
    }
}
