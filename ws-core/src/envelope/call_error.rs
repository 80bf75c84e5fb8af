//! Errors as answers to calls.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

/// An error that answers a call: a code, a text, and optionally data.
///
/// `#[on_call]` methods return `Result<T, E>` with any `E` that is `Into<CallError>`. The constructors have the
/// codes of JSON-RPC 2.0 (§5.1); an application uses other ones, for example from −32000 to −32099.
///
/// ```
/// use serde_json::json;
/// use ws_core::CallError;
///
/// struct DivisionByZero { dividend: i64 }
///
/// impl From<DivisionByZero> for CallError {
///     fn from(error: DivisionByZero) -> Self {
///         Self::new(-32000, "division by zero").with_data(&json!({ "dividend": error.dividend }))
///     }
/// }
///
/// let error = CallError::from(DivisionByZero { dividend: 7 });
/// assert_eq!(error.code(), -32000);
/// assert_eq!(error.data().unwrap().get(), r#"{"dividend":7}"#);
/// ```
#[derive(Clone, Debug)]
pub struct CallError(Box<CallErrorParts>);

#[derive(Clone, Debug)]
struct CallErrorParts {
    code: i64,
    message: Cow<'static, str>,
    data: Option<Box<RawValue>>,
}

impl CallError {
    /// Creates an error from a code and a text for the client's developers.
    pub fn new(code: i64, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(CallErrorParts { code, message: message.into(), data: None }))
    }

    /// Creates the error of a text that is not JSON: −32700.
    pub fn parse_error(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(-32700, message)
    }

    /// Creates the error of JSON that is not a call: −32600.
    pub fn invalid_request(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(-32600, message)
    }

    /// Creates the error of a name without a method: −32601.
    pub fn method_not_found(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(-32601, message)
    }

    /// Creates the error of parameters that a method does not take: −32602.
    pub fn invalid_params(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(-32602, message)
    }

    /// Creates the error of a failure inside of the server: −32603.
    pub fn internal(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(-32603, message)
    }

    /// Adds data. Data that does not serialise is left out.
    #[must_use]
    pub fn with_data<T: Serialize + ?Sized>(mut self, data: &T) -> Self {
        self.0.data = to_raw_value(data).ok();
        self
    }

    /// Returns the code.
    pub fn code(&self) -> i64 {
        self.0.code
    }

    /// Returns the text.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Returns the data as raw JSON.
    pub fn data(&self) -> Option<&RawValue> {
        self.0.data.as_deref()
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (code {})", self.0.message, self.0.code)
    }
}

impl StdError for CallError {}
