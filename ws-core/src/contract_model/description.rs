//! The description of a handler while it is made.

use super::schemas::Schemas;
use super::{HandlerContract, HasSchema, JsonSchema};

/// The description of one handler, to which generated code adds.
#[derive(Debug)]
pub struct Description {
    pub(crate) contract: HandlerContract,
    schemas: Schemas,
}

impl Description {
    /// Creates the description of a handler.
    pub(crate) fn new(contract: HandlerContract) -> Self {
        Self { contract, schemas: Schemas::new() }
    }

    /// Returns the schema of a type that the server reads.
    pub(crate) fn read<T: HasSchema + ?Sized>(&mut self) -> JsonSchema {
        self.schemas.read::<T>()
    }

    /// Returns the schema of a type that the server writes.
    pub(crate) fn written<T: HasSchema + ?Sized>(&mut self) -> JsonSchema {
        self.schemas.written::<T>()
    }

    /// Like [`read`](Self::read), but without a reference to a named schema.
    pub(crate) fn read_inline<T: HasSchema + ?Sized>(&mut self) -> JsonSchema {
        self.schemas.read_inline::<T>()
    }

    /// Like [`written`](Self::written), but without a reference to a named schema.
    pub(crate) fn written_inline<T: HasSchema + ?Sized>(&mut self) -> JsonSchema {
        self.schemas.written_inline::<T>()
    }

    /// Returns the documentation comment of a type.
    pub(crate) fn documentation<T: HasSchema + ?Sized>(&mut self) -> Option<String> {
        let schema = self.written_inline::<T>();
        schema.get("description").and_then(JsonSchema::as_str).map(ToOwned::to_owned)
    }

    /// Returns the finished contract, with the named schemas.
    ///
    /// # Panics
    ///
    /// Never: the contract is JSON.
    pub(crate) fn finish(self) -> HandlerContract {
        let (schemas, names) = self.schemas.merge();
        let mut value = serde_json::to_value(&self.contract).expect("a contract is JSON");
        names.rename(&mut value);
        let mut contract: HandlerContract = serde_json::from_value(value).expect("a contract is JSON");
        contract.schemas = schemas;
        contract
    }
}
