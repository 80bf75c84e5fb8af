//! The operations and messages of a channel of AsyncAPI.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::examples::ExampleMessages;
use super::frames::{Filling, frame_schema};
use super::keys::{SchemaKeys, key, with_references};
use crate::contract_model::{
    CallContract, ContentContract, EnvelopeContract, FrameContract, HandlerContract, JsonSchema,
    MessageContract, SideContract,
};

/// The side of a connection.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Side {
    Client,
    Server,
}

/// The parts of a document.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) channels: Map<String, Value>,
    pub(super) operations: Map<String, Value>,
    pub(super) messages: Map<String, Value>,
    pub(super) schemas: Map<String, Value>,
}

/// A channel while it is made.
pub(super) struct DocumentChannel<'a> {
    pub(super) key: &'a str,
    pub(super) handler: &'a HandlerContract,
    pub(super) schemas: &'a SchemaKeys,
    pub(super) parts: &'a mut Parts,
    pub(super) messages: Map<String, Value>,
    /// The keys of the operations of both sides.
    pub(super) names: BTreeSet<String>,
}

impl DocumentChannel<'_> {
    pub(super) fn add_side(&mut self, side: &SideContract, from: Side) {
        for call in &side.calls {
            // Methods of several states may have one name.
            let operation = operation_key(&call.name, from, &mut self.names);
            self.add_call(call, from, &operation);
        }
        for message in &side.messages {
            let operation = operation_key(&message.name, from, &mut self.names);
            self.add_message(message, from, &operation);
        }
    }

    fn add_call(&mut self, call: &CallContract, from: Side, operation: &str) {
        let envelope = self.handler.envelope.as_ref();
        let template = |of: fn(&EnvelopeContract) -> &Value| {
            envelope.map_or(Value::Null, |envelope| of(envelope).clone())
        };
        let filling = |content, result| Filling { name: &call.name, content, result };
        let (nothing, handler) = (&ContentContract::Nothing, self.handler);
        let called = frame_schema(handler, &template(|e| &e.call), &filling(&call.content, None));
        let result = frame_schema(handler, &template(|e| &e.result), &filling(nothing, Some(&call.result)));
        let error = frame_schema(handler, &template(|e| &e.error), &filling(nothing, None));
        let errors: Vec<_> =
            call.errors.iter().map(|error| format!("- `{}`: {}", error.code, error.description)).collect();
        let name = &call.name;
        let description = call.description.as_deref();
        let error_text = match &*errors {
            [] => "The call failed.".to_owned(),
            errors => format!("The call failed. The method's own codes:\n\n{}", errors.join("\n")),
        };
        let examples = ExampleMessages(handler);
        let call_key = self.add(operation, "call", name, description, &called);
        self.add_examples(&call_key, examples.call(call));
        let result_key = self.add(operation, "result", name, None, &result);
        self.add_examples(&result_key, examples.result(call));
        let error_key = self.add(operation, "error", name, Some(&error_text), &error);
        self.add_examples(&error_key, examples.errors(call));
        let mut described = self.operation(&call_key, from, description, &call.states);
        described["reply"] = json!({
            "channel": { "$ref": format!("#/channels/{}", self.key) },
            "messages": [self.message_reference(&result_key), self.message_reference(&error_key)],
        });
        self.parts.operations.insert(format!("{}.{operation}", self.key), described);
    }

    fn add_message(&mut self, message: &MessageContract, from: Side, operation: &str) {
        let (handler, description) = (self.handler, message.description.as_deref());
        let text = |format: Option<&str>| match format {
            Some(format) => json!({ "type": "string", "format": format }),
            None => json!({ "type": "string" }),
        };
        let (schema, content_type) = match (message.frame, &message.content, &handler.envelope) {
            (FrameContract::Envelope, content, Some(envelope)) => {
                let filling = Filling { name: &message.name, content, result: None };
                (frame_schema(handler, &envelope.message, &filling), None)
            }
            (_, ContentContract::Json { schema }, _) => (schema.clone(), None),
            (_, ContentContract::Nothing, _) => (json!({ "type": "null" }), None),
            (FrameContract::Binary, ..) => (text(Some("binary")), Some("application/octet-stream")),
            _ => (text(None), Some("text/plain")),
        };
        let key = self.add(operation, "message", &message.name, description, &schema);
        if let (Some(content_type), Some(added)) =
            (content_type, self.parts.messages.get_mut(&format!("{}.{key}", self.key)))
        {
            added["contentType"] = content_type.into();
        }
        self.add_examples(&key, ExampleMessages(handler).message(message));
        let described = self.operation(&key, from, description, &message.states);
        self.parts.operations.insert(format!("{}.{operation}", self.key), described);
    }

    /// Adds a message, and returns its key in the channel.
    fn add(
        &mut self,
        operation: &str,
        kind: &str,
        name: &str,
        description: Option<&str>,
        schema: &JsonSchema,
    ) -> String {
        let message_key = format!("{operation}.{kind}");
        let component = format!("{}.{message_key}", self.key);
        let title = if kind == "message" { name.to_owned() } else { format!("{name}: {kind}") };
        let mut message = json!({ "name": name, "title": title });
        if let Some(description) = description {
            message["description"] = description.into();
        }
        if schema.pointer("/properties/id").is_some() {
            message["correlationId"] = json!({ "location": "$message.payload#/id" });
        }
        message["contentType"] = "application/json".into();
        message["payload"] = with_references(self.schemas, schema);
        self.messages
            .insert(message_key.clone(), json!({ "$ref": format!("#/components/messages/{component}") }));
        self.parts.messages.insert(component, message);
        message_key
    }

    /// Adds examples to the message with this key.
    fn add_examples(&mut self, message_key: &str, payloads: impl IntoIterator<Item = Value>) {
        let examples: Vec<_> = payloads.into_iter().map(|payload| json!({ "payload": payload })).collect();
        let message = self.parts.messages.get_mut(&format!("{}.{message_key}", self.key));
        if let (Some(message), false) = (message, examples.is_empty()) {
            message["examples"] = examples.into();
        }
    }

    /// Returns an operation of the server.
    fn operation(&self, message: &str, from: Side, description: Option<&str>, states: &[String]) -> Value {
        let action = if from == Side::Client { "receive" } else { "send" };
        let mut operation = json!({
            "action": action,
            "channel": { "$ref": format!("#/channels/{}", self.key) },
            "messages": [self.message_reference(message)],
        });
        if let Some(summary) = description.and_then(|text| text.lines().next()) {
            operation["summary"] = summary.into();
        }
        if !states.is_empty() {
            operation["description"] = format!("In the states {}.", states.join(", ")).into();
            operation["x-states"] = json!(states);
        }
        operation
    }

    fn message_reference(&self, message: &str) -> Value {
        json!({ "$ref": format!("#/channels/{}/messages/{message}", self.key) })
    }
}

/// Returns a key for an operation that no other has.
fn operation_key(name: &str, from: Side, names: &mut BTreeSet<String>) -> String {
    let mut name = match from {
        Side::Client => key(name),
        Side::Server => format!("{}.sent", key(name)),
    };
    while !names.insert(name.clone()) {
        name.push('_');
    }
    name
}
