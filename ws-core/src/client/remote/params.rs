//! The parameters of a call to a server.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};

use crate::envelope::ClientCallError;

/// An argument of a typed client: any type with serde's `Serialize`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of a client",
    label = "not `serde::Serialize`",
    note = "add `#[derive(serde::Serialize)]` beside the `Deserialize` that the server needs"
)]
pub trait RemoteArgument {
    /// Writes the argument as JSON.
    ///
    /// # Errors
    ///
    /// Returns an error if the argument does not serialize.
    fn to_json(&self) -> serde_json::Result<Box<RawValue>>;
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + ?Sized> RemoteArgument for T {
    fn to_json(&self) -> serde_json::Result<Box<RawValue>> {
        to_raw_value(self)
    }
}

/// The parameters of a call: arguments by their names, or one value for all.
///
/// ```
/// use ws_core::client::RemoteParams;
///
/// let add = RemoteParams::new().with("a", &2).with("b", &3);
/// let search = RemoteParams::all(&["AAPL", "ACME"]);
/// # drop((add, search));
/// ```
#[derive(Debug, Default)]
pub struct RemoteParams {
    arguments: Vec<(&'static str, Box<RawValue>)>,
    all: Option<Box<RawValue>>,
    error: Option<serde_json::Error>,
}

impl RemoteParams {
    /// Creates parameters without an argument.
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates parameters from one value, for a method with [`Params`](crate::Params).
    pub fn all<T: RemoteArgument + ?Sized>(value: &T) -> Self {
        match value.to_json() {
            Ok(all) => Self { all: Some(all), ..Self::default() },
            Err(error) => Self { error: Some(error), ..Self::default() },
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn with<T: RemoteArgument + ?Sized>(mut self, name: &'static str, argument: &T) -> Self {
        match argument.to_json() {
            Ok(argument) => self.arguments.push((name, argument)),
            Err(error) => self.error = Some(error),
        }
        self
    }

    /// Returns the parameters, unless one does not serialize.
    pub(super) fn finish(mut self) -> Result<Self, ClientCallError> {
        match self.error.take() {
            Some(error) => Err(ClientCallError::Encode(error.into())),
            None => Ok(self),
        }
    }
}

impl Serialize for RemoteParams {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.all {
            Some(all) => all.serialize(serializer),
            None if self.arguments.is_empty() => serializer.serialize_unit(),
            None => {
                let mut map = serializer.serialize_map(Some(self.arguments.len()))?;
                for (name, argument) in &self.arguments {
                    map.serialize_entry(name, argument)?;
                }
                map.end()
            }
        }
    }
}
