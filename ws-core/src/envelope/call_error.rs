//! Errors as answers to calls.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};

use super::members::{JsonMembers, read_str};

/// An error that answers a call: a code, a text, and optionally data.
///
/// `#[on_call]` methods return `Result<T, E>` with any `E` that is `Into<CallError>`. The constructors have the
/// codes of JSON-RPC 2.0 (§5.1) and [`WRONG_STATE`](Self::WRONG_STATE); an application uses other ones, for example
/// from −32000 to −32098.
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
    /// The code of a call whose method belongs to another state of the handler: −32099, the last of the codes that
    /// JSON-RPC 2.0 leaves to implementations (§5.1).
    ///
    /// Not −32601: the name exists, and the same call may succeed later.
    pub const WRONG_STATE: i64 = -32099;

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

    /// Creates the error of a call whose method belongs to another state: [`WRONG_STATE`](Self::WRONG_STATE).
    ///
    /// Calls of methods of states get this error by themselves. A method of all states may return it too:
    ///
    /// ```
    /// # use ws_core::CallError;
    /// fn start(is_running: bool) -> Result<(), CallError> {
    ///     if is_running { Err(CallError::wrong_state("the game runs")) } else { Ok(()) }
    /// }
    /// assert_eq!(start(true).unwrap_err().code(), CallError::WRONG_STATE);
    /// ```
    pub fn wrong_state(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Self::WRONG_STATE, message)
    }

    /// Creates the error of a failure inside of the server: −32603.
    pub fn internal(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(-32603, message)
    }

    /// Reads the error with which a client answered: an object with `code`, `message` and `data`. A member that
    /// is missing or has another type is replaced: the code by −32603.
    pub(super) fn from_json(error: &RawValue) -> Self {
        let Ok(members) = JsonMembers::read(error.get(), &["code", "message", "data"]) else {
            return Self::internal("the client's error is not an object").with_data(error);
        };
        let [code, message, data] = members.values;
        let message = message
            .and_then(read_str)
            .map_or("the client's error has no text".into(), |message| Cow::Owned(message.into_owned()));
        let code = code.and_then(|code| serde_json::from_str(code.get()).ok()).unwrap_or(-32603);
        Self(Box::new(CallErrorParts { code, message, data: data.map(ToOwned::to_owned) }))
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

/// Writes an object with `code`, `message`, and `data` if there is any, as in JSON-RPC 2.0.
impl Serialize for CallError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut error = serializer.serialize_struct("CallError", 3)?;
        error.serialize_field("code", &self.code())?;
        error.serialize_field("message", self.message())?;
        match self.data() {
            Some(data) => error.serialize_field("data", data)?,
            None => error.skip_field("data")?,
        }
        error.end()
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (code {})", self.0.message, self.0.code)
    }
}

impl StdError for CallError {}
