//! Example messages of a handler: example values in the templates of the envelope.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::example::example;
use super::frames::is_scalar;
use crate::contract_model::{
    CallContract, ContentContract, EnvelopeContract, EnvelopeKind, ErrorContract, FrameContract,
    HandlerContract, MessageContract, ParameterContract,
};

/// The code and the text of the error that any call may have.
const INTERNAL_ERROR: (i64, &str) = (-32603, "Internal error");

/// The values that take the place of placeholders in a template. A value that is `None` is left out of an object.
#[derive(Default)]
struct MessageValues<'a> {
    name: &'a str,
    params: Option<Value>,
    result: Option<Value>,
    error: Option<(i64, &'a str)>,
    data: Option<Value>,
}

impl MessageValues<'_> {
    fn fill(&self, template: &Value) -> Option<Value> {
        match template {
            Value::String(text) => match text.as_str() {
                "$name" => Some(self.name.into()),
                "$params" => self.params.clone(),
                "$id" => Some(1.into()),
                "$id_text" => Some("1".into()),
                "$result" => self.result.clone(),
                "$code" => self.error.map(|(code, _)| code.into()),
                "$message" => self.error.map(|(_, text)| text.into()),
                "$data" => self.data.clone(),
                text => Some(text.into()),
            },
            Value::Array(items) => {
                Some(items.iter().map(|item| self.fill(item).unwrap_or_default()).collect())
            }
            Value::Object(members) => {
                let mut filled = Map::new();
                for (name, member) in members {
                    if name == "$params" && *member == Value::Bool(true) {
                        filled.extend(self.params.iter().filter_map(Value::as_object).flatten().map(owned));
                    } else if let Some(value) = self.fill(member) {
                        filled.insert(name.clone(), value);
                    }
                }
                Some(Value::Object(filled))
            }
            other => Some(other.clone()),
        }
    }
}

fn owned((name, value): (&String, &Value)) -> (String, Value) {
    (name.clone(), value.clone())
}

/// The examples of a handler's messages.
pub(super) struct ExampleMessages<'a>(pub(super) &'a HandlerContract);

impl ExampleMessages<'_> {
    /// Returns an example of a call.
    pub(super) fn call(&self, call: &CallContract) -> Option<Value> {
        self.frame(|envelope| &envelope.call, &self.named(&call.name, &call.content)?)
    }

    /// Returns an example of the answer to a call.
    pub(super) fn result(&self, call: &CallContract) -> Option<Value> {
        let result = Some(example(&call.result, &self.0.schemas)?);
        self.frame(|envelope| &envelope.result, &MessageValues { result, ..MessageValues::default() })
    }

    /// Returns an example of each error that answers a call, or of an error that answers any call.
    pub(super) fn errors(&self, call: &CallContract) -> Vec<Value> {
        let values = |error: &ErrorContract| {
            let data = error.data.as_ref().map(|schema| example(schema, &self.0.schemas)).unwrap_or_default();
            self.error((error.code, &error.description), data)
        };
        let declared: Vec<_> = call.errors.iter().filter_map(values).collect();
        if declared.is_empty() { self.error(INTERNAL_ERROR, None).into_iter().collect() } else { declared }
    }

    fn error(&self, error: (i64, &str), data: Option<Value>) -> Option<Value> {
        let values = MessageValues { error: Some(error), data, ..MessageValues::default() };
        self.frame(|envelope| &envelope.error, &values)
    }

    /// Returns an example of a message. Bytes without a schema have none.
    pub(super) fn message(&self, message: &MessageContract) -> Option<Value> {
        match (message.frame, &message.content) {
            (FrameContract::Envelope, content) => {
                self.frame(|envelope| &envelope.message, &self.named(&message.name, content)?)
            }
            (_, ContentContract::Nothing) => Some(Value::Null),
            (FrameContract::Text, ContentContract::Raw) => Some("text".into()),
            (_, content) => content_example(content, &self.0.schemas),
        }
    }

    fn frame(&self, template: fn(&EnvelopeContract) -> &Value, values: &MessageValues<'_>) -> Option<Value> {
        // An envelope that could not write a template has `null` in its place.
        values.fill(template(self.0.envelope.as_ref()?)).filter(|frame| !frame.is_null())
    }

    /// Returns the name and the parameters of a message as the envelope writes them, or `None` if the parameters have no
    /// example.
    fn named<'a>(&self, name: &'a str, content: &ContentContract) -> Option<MessageValues<'a>> {
        let named = MessageValues { name, ..MessageValues::default() };
        let value = match content {
            ContentContract::Nothing | ContentContract::Raw => return Some(named),
            content => content_example(content, &self.0.schemas)?,
        };
        let format = self.0.envelope.as_ref().map(|envelope| &envelope.format);
        let is_wrapped = match content {
            ContentContract::Json { schema } => is_scalar(self.0, schema),
            _ => false,
        };
        let is_wrapped = is_wrapped && format == Some(&EnvelopeKind::JsonRpc);
        Some(MessageValues { params: Some(if is_wrapped { json!([value]) } else { value }), ..named })
    }
}

/// Returns an example of a content that is JSON.
pub(super) fn content_example(content: &ContentContract, schemas: &BTreeMap<String, Value>) -> Option<Value> {
    match content {
        ContentContract::Parameters { parameters } => parameters_example(parameters, schemas),
        ContentContract::Json { schema } => example(schema, schemas),
        ContentContract::Nothing | ContentContract::Raw => None,
    }
}

fn parameters_example(parameters: &[ParameterContract], schemas: &BTreeMap<String, Value>) -> Option<Value> {
    let mut object = Map::new();
    for parameter in parameters {
        match example(&parameter.schema, schemas) {
            Some(value) => _ = object.insert(parameter.name.clone(), value),
            None if parameter.is_optional => {}
            None => return None,
        }
    }
    Some(Value::Object(object))
}

#[cfg(test)]
mod tests;
