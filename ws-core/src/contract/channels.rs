//! The channels of a document of AsyncAPI: one for each handler.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::keys::{SchemaKeys, key, path_names, with_references};
use super::operations::{DocumentChannel, Parts, Side};
use crate::contract_model::HandlerContract;

impl Parts {
    pub(super) fn add_handler(&mut self, handler: &HandlerContract) {
        let mut channel_key = key(&handler.name);
        let mut number = 1;
        while self.channels.contains_key(&channel_key) {
            number += 1;
            channel_key = format!("{}_{number}", key(&handler.name));
        }
        let schemas = SchemaKeys::new(&channel_key, handler);
        for (name, schema) in &handler.schemas {
            self.schemas.insert(schemas.key(name), with_references(&schemas, schema));
        }
        let mut channel = DocumentChannel {
            key: &channel_key,
            handler,
            schemas: &schemas,
            parts: self,
            messages: Map::new(),
            names: BTreeSet::new(),
        };
        channel.add_side(&handler.client, Side::Client);
        channel.add_side(&handler.server, Side::Server);
        let messages = channel.messages;
        let mut described = channel_of(handler, &schemas);
        described["messages"] = messages.into();
        self.channels.insert(channel_key, described);
    }
}

/// Returns the channel of a handler, without its messages.
fn channel_of(handler: &HandlerContract, schemas: &SchemaKeys) -> Value {
    let mut channel = json!({ "address": address(&handler.path), "title": handler.name });
    if let Some(description) = &handler.description {
        channel["description"] = description.as_str().into();
    }
    let parameters = handler.path_parameters.iter().map(|parameter| {
        let ty = parameter.schema.get("type").and_then(Value::as_str).unwrap_or("string");
        let text = parameter.description.clone().unwrap_or_else(|| format!("A value of type {ty}."));
        let mut described = json!({ "description": text });
        // Parameters of an address are strings.
        let values = parameter.schema.get("enum").and_then(Value::as_array);
        if let Some(values) = values.filter(|values| values.iter().all(Value::is_string)) {
            described["enum"] = json!(values);
        }
        (parameter.name.clone(), described)
    });
    let mut parameters: Map<String, Value> = parameters.collect();
    // A parameter that the handler does not take is one of the address all the same.
    for name in path_names(&handler.path) {
        parameters.entry(name).or_insert_with(|| json!({ "description": "Any value." }));
    }
    if !parameters.is_empty() {
        channel["parameters"] = parameters.into();
    }
    let mut binding = json!({ "method": "GET", "bindingVersion": "0.1.0" });
    if !handler.query.is_empty() {
        let properties: Map<_, _> = handler
            .query
            .iter()
            .map(|parameter| {
                let mut schema = with_references(schemas, &parameter.schema);
                if let (Some(text), Some(members)) = (&parameter.description, schema.as_object_mut()) {
                    members.insert("description".into(), text.as_str().into());
                }
                (parameter.name.clone(), schema)
            })
            .collect();
        let required: Vec<_> = handler
            .query
            .iter()
            .filter(|parameter| !parameter.is_optional)
            .map(|parameter| &parameter.name)
            .collect();
        binding["query"] = json!({ "type": "object", "properties": properties });
        if !required.is_empty() {
            binding["query"]["required"] = json!(required);
        }
    }
    if !handler.subprotocols.is_empty() {
        binding["headers"] = json!({
            "type": "object",
            "properties": { "Sec-WebSocket-Protocol": { "type": "string", "enum": handler.subprotocols } },
        });
    }
    channel["bindings"] = json!({ "ws": binding });
    channel["x-close-codes"] = json!(handler.close_codes);
    channel["x-limits"] = json!(handler.limits);
    if !handler.states.is_empty() {
        channel["x-states"] = json!(handler.states);
        channel["x-transitions"] = json!(handler.transitions);
    }
    channel
}

/// Returns the address of a path, whose rest parameters are written like others. Braces that are no parameter are
/// encoded.
fn address(path: &str) -> String {
    path.replace("{{", "%7B").replace("}}", "%7D").replace("{*", "{")
}
