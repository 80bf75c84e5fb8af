//! The errors of the calls: values on both sides, and objects with a code on the wire.

use std::fmt;

use serde::de::DeserializeOwned;
use ws_core::CallError;
use ws_core::contract::{CallErrors, ErrorList};

/// The error of a login.
#[derive(Debug)]
pub enum LoginError {
    WrongPassword { attempts_left: u32 },
    InvalidName,
}

impl fmt::Display for LoginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WrongPassword { .. } => "wrong password",
            Self::InvalidName => "names have 1 to 32 characters",
        })
    }
}

impl From<LoginError> for CallError {
    fn from(error: LoginError) -> Self {
        let text = error.to_string();
        match error {
            LoginError::WrongPassword { attempts_left } => Self::new(-32001, text).with_data(&attempts_left),
            LoginError::InvalidName => Self::new(-32002, text),
        }
    }
}

/// The way back, for the typed client.
impl TryFrom<CallError> for LoginError {
    type Error = CallError;

    fn try_from(error: CallError) -> Result<Self, CallError> {
        match error.code() {
            -32001 => Ok(Self::WrongPassword { attempts_left: data_of(&error)? }),
            -32002 => Ok(Self::InvalidName),
            _ => Err(error),
        }
    }
}

impl CallErrors for LoginError {
    fn describe_errors(errors: &mut ErrorList<'_>) {
        errors.add_with_data::<u32>(-32001, "wrong password; the data are the attempts that are left");
        errors.add(-32002, "names have 1 to 32 characters");
    }
}

/// The error of a call with a symbol that the market does not have. The call has no effect.
#[derive(Debug)]
pub struct UnknownSymbol(pub String);

impl fmt::Display for UnknownSymbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown symbol {:?}", self.0)
    }
}

impl From<UnknownSymbol> for CallError {
    fn from(error: UnknownSymbol) -> Self {
        Self::new(-32003, error.to_string()).with_data(&error.0)
    }
}

impl TryFrom<CallError> for UnknownSymbol {
    type Error = CallError;

    fn try_from(error: CallError) -> Result<Self, CallError> {
        if error.code() == -32003 { Ok(Self(data_of(&error)?)) } else { Err(error) }
    }
}

impl CallErrors for UnknownSymbol {
    fn describe_errors(errors: &mut ErrorList<'_>) {
        errors.add_with_data::<String>(-32003, "unknown symbol; the data are the symbol");
    }
}

/// Returns the data of an error, or the error if they have another type.
fn data_of<T: DeserializeOwned>(error: &CallError) -> Result<T, CallError> {
    error.data().and_then(|data| serde_json::from_str(data.get()).ok()).ok_or_else(|| error.clone())
}
