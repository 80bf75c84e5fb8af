//! Contracts: the data about what handlers take, answer, send and call (feature `contract`).
//!
//! The guide has a chapter about [contracts](crate::guide::contract).
//!
//! `#[websocket(contract)]` on the `impl` of a handler describes it. [`Router::contract`] returns the descriptions of all
//! mounted handlers, [`Contract::asyncapi`] makes a document of AsyncAPI 3.0 of them, and [`check`] is a test that no
//! change breaks clients.

pub(crate) mod answer;
mod asyncapi;
mod channels;
mod compare;
pub(crate) mod content;
pub(crate) mod describe;
mod docs;
mod envelope;
mod example;
mod examples;
pub(crate) mod extract;
mod frames;
mod gate;
mod keys;
mod operations;
mod reader;
mod rules;
mod schema_fit;
#[cfg(test)]
mod tests;
mod typescript;

pub use answer::{CallErrors, ErrorList};
pub use asyncapi::AsyncApi;
pub use content::{ContentList, DescribePayload, DescribeReply};
pub use gate::check;
pub use typescript::GeneratedFile;

pub use crate::contract_model::{
    CallContract, CloseContract, ContentContract, Contract, EnvelopeContract, EnvelopeKind, ErrorContract,
    FrameContract, HandlerContract, HasSchema, JsonSchema, LimitsContract, MessageContract,
    ParameterContract, SessionContract, SideContract, StateContract, TransitionContract,
};

use crate::contract_model::FORMAT;
use crate::error::BoxError;
use crate::router::Router;

impl Router {
    /// Returns what the mounted handlers take, answer, send and call.
    ///
    /// A handler whose `impl` has no option `contract` appears with its path, its limits and its close codes only. The
    /// router has its state already: call [`with_state`](Router::with_state) first.
    ///
    /// ```
    /// use ws_core::prelude::*;
    ///
    /// #[websocket(path = "/board", envelope = JsonRpc)]
    /// #[derive(Default)]
    /// struct Board;
    ///
    /// /// A board of prices.
    /// #[websocket(contract)]
    /// impl Board {
    ///     /// Adds two numbers.
    ///     #[on_call]
    ///     fn add(&mut self, a: i64, b: i64) -> i64 {
    ///         a + b
    ///     }
    /// }
    ///
    /// let contract = Router::new().mount::<Board>().contract();
    /// let board = &contract.handlers[0];
    /// assert_eq!(board.description.as_deref(), Some("A board of prices."));
    /// let add = &board.client.calls[0];
    /// assert_eq!((&*add.name, add.description.as_deref()), ("add", Some("Adds two numbers.")));
    /// assert_eq!(add.result["type"], "integer");
    /// ```
    pub fn contract(&self) -> Contract {
        Contract { format: FORMAT, handlers: self.describe() }
    }
}

impl Contract {
    /// Returns the contract as JSON, with two spaces of indentation and a line feed at the end.
    ///
    /// The same handlers give the same bytes.
    ///
    /// ```
    /// use ws_core::{Router, contract::Contract};
    ///
    /// let json = Router::new().contract().to_json();
    /// assert_eq!(json, "{\n  \"format\": 1,\n  \"handlers\": []\n}\n");
    /// let read: Contract = serde_json::from_str(&json).unwrap();
    /// assert_eq!(read.handlers, []);
    /// ```
    pub fn to_json(&self) -> String {
        pretty_json(self)
    }

    /// Reads a contract from the JSON of [`to_json`](Self::to_json).
    ///
    /// # Errors
    ///
    /// Returns the reason, in words, if the text is not a contract, has a format that this version does not know, has two
    /// handlers at one path, or lacks what each contract has.
    ///
    /// ```
    /// use ws_core::contract::Contract;
    ///
    /// let contract = Contract::from_json(r#"{ "format": 1, "handlers": [] }"#).unwrap();
    /// assert_eq!(contract.handlers, []);
    /// let error = Contract::from_json(r#"{ "format": 2 }"#).unwrap_err();
    /// assert_eq!(error.to_string(), "its format is 2, and this version of ws-core knows 1");
    /// ```
    pub fn from_json(json: &str) -> Result<Self, BoxError> {
        reader::read(json).map_err(BoxError::from)
    }
}

/// Returns the JSON of a document.
fn pretty_json(document: &impl serde::Serialize) -> String {
    let mut json = serde_json::to_string_pretty(document).unwrap_or_default();
    json.push('\n');
    json
}
