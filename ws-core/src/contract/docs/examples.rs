//! The example values of a contract, as data of the page.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::contract::example::example;
use crate::contract::examples::content_example;
use crate::contract_model::{CallContract, HandlerContract, ParameterContract, SideContract};

/// The example values of a handler, in the order of its contract. The documentation page puts them into templates itself.
#[derive(Serialize)]
pub(super) struct HandlerExamples {
    path: BTreeMap<String, Option<Value>>,
    query: BTreeMap<String, Option<Value>>,
    client: SideExamples,
    server: SideExamples,
}

#[derive(Serialize)]
struct SideExamples {
    calls: Vec<CallExamples>,
    /// The contents of the messages.
    messages: Vec<Option<Value>>,
}

#[derive(Serialize)]
struct CallExamples {
    content: Option<Value>,
    result: Option<Value>,
    /// The data of the errors.
    errors: Vec<Option<Value>>,
}

impl HandlerExamples {
    pub(super) fn new(handler: &HandlerContract) -> Self {
        let schemas = &handler.schemas;
        let values = |parameters: &[ParameterContract]| {
            parameters.iter().map(|one| (one.name.clone(), example(&one.schema, schemas))).collect()
        };
        Self {
            path: values(&handler.path_parameters),
            query: values(&handler.query),
            client: SideExamples::new(&handler.client, schemas),
            server: SideExamples::new(&handler.server, schemas),
        }
    }
}

impl SideExamples {
    fn new(side: &SideContract, schemas: &BTreeMap<String, Value>) -> Self {
        let call = |call: &CallContract| CallExamples {
            content: content_example(&call.content, schemas),
            result: example(&call.result, schemas),
            errors: call.errors.iter().map(|error| example(error.data.as_ref()?, schemas)).collect(),
        };
        let messages = side.messages.iter().map(|message| content_example(&message.content, schemas));
        Self { calls: side.calls.iter().map(call).collect(), messages: messages.collect() }
    }
}
