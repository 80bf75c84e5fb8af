//! The envelope of a handler: templates of its messages, and the messages of `sends`.

use serde_json::{Value, json};

use crate::contract_model::{
    ContentContract, Description, EnvelopeContract, EnvelopeKind, FrameContract, HasSchema, JsonSchema,
    MessageContract,
};
use crate::envelope::{CallError, Envelope, Incoming, Messages, is_one_name};
use crate::handler::{Enveloped, NamedMessages};
use crate::reply::{AnyReply, SendsOnly, Unchecked};

/// The form of a handler's messages, which the contract describes.
pub trait ProtocolContract {
    /// Describes the envelope and the messages of `sends`.
    fn describe_protocol(to: &mut Description);
}

impl ProtocolContract for AnyReply {
    fn describe_protocol(_: &mut Description) {}
}

impl ProtocolContract for Unchecked {
    fn describe_protocol(_: &mut Description) {}
}

// The error about the bound names the messages of `sends`.
impl<H: Enveloped<Sends: SentMessages>> ProtocolContract for NamedMessages<H> {
    fn describe_protocol(to: &mut Description) {
        to.contract.envelope = Some(templates::<H::Envelope>());
        H::Sends::describe_messages(to);
    }
}

/// The messages of `sends`.
pub trait SentMessages {
    /// Describes the messages.
    fn describe_messages(to: &mut Description);
}

impl SentMessages for AnyReply {
    fn describe_messages(_: &mut Description) {}
}

impl SentMessages for Unchecked {
    fn describe_messages(_: &mut Description) {}
}

impl<M: Messages + HasSchema> SentMessages for SendsOnly<M> {
    fn describe_messages(to: &mut Description) {
        let schema = to.written_inline::<M>();
        let variants = variants(&schema);
        for (name, variant) in M::NAMES.iter().zip(M::VARIANTS) {
            let Some(found) = variants.iter().find(|found| is_one_name(&found.name, variant)) else {
                // A variant that serde skips is never sent.
                continue;
            };
            to.contract.server.messages.push(MessageContract {
                name: (*name).to_owned(),
                description: found.description.clone(),
                frame: FrameContract::Envelope,
                content: found.content.clone(),
                states: Vec::new(),
            });
        }
    }
}

/// A variant of an enum, in the schema of the enum.
struct VariantSchema {
    name: String,
    description: Option<String>,
    content: ContentContract,
}

/// Returns the variants of an externally tagged enum.
fn variants(schema: &JsonSchema) -> Vec<VariantSchema> {
    let alternatives = match schema.get("oneOf").and_then(Value::as_array) {
        Some(alternatives) => &**alternatives,
        None => std::slice::from_ref(schema),
    };
    let mut found = Vec::new();
    for alternative in alternatives {
        let text = |key: &str| alternative.get(key).and_then(Value::as_str).map(ToOwned::to_owned);
        let description = text("description");
        let mut unit = |name: String| {
            let description = description.clone().filter(|_| alternatives.len() > 1);
            found.push(VariantSchema { name, description, content: ContentContract::Nothing });
        };
        if let Some(names) = alternative.get("enum").and_then(Value::as_array) {
            names.iter().filter_map(Value::as_str).for_each(|name| unit(name.to_owned()));
        } else if let Some(name) = text("const") {
            unit(name);
        } else if let Some(members) = alternative.get("properties").and_then(Value::as_object) {
            found.extend(members.iter().map(|(name, schema)| VariantSchema {
                name: name.clone(),
                description: description.clone(),
                content: ContentContract::json(schema.clone()),
            }));
        }
    }
    found
}

/// The id in the template of a call: one that no text has by chance.
const ID: u64 = 4_815_162_342;
/// The code in the template of an error.
const CODE: i64 = -48_151_623;

/// Returns what an envelope writes, with placeholders for names and values.
fn templates<E: Envelope>() -> EnvelopeContract {
    let write = |write: &dyn Fn(&mut Vec<u8>) -> serde_json::Result<()>| {
        let mut out = Vec::new();
        match write(&mut out) {
            Ok(()) => serde_json::from_slice(&out).unwrap_or(Value::Null),
            Err(_) => Value::Null,
        }
    };
    let (params, result) = (json!({ "$params": true }), json!({ "$result": true }));
    let message = write(&|out| E::write_message("$name", &params, out));
    let call = write(&|out| E::write_call(ID, "$name", &params, out));
    // An envelope answers the id that it has read, and reads what it writes.
    let answer = |answer: Result<&Value, &CallError>| {
        let text = call.to_string();
        let Incoming::Call { id, .. } = E::open(&text) else { return Value::Null };
        write(&|out| E::write_answer(&id, answer, out))
    };
    let error = CallError::new(CODE, "$message").with_data("$data");
    let (result, error) = (answer(Ok(&result)), answer(Err(&error)));
    let [message, call, result, error] = [message, call, result, error].map(with_placeholders);
    EnvelopeContract { format: kind(&message, &call), message, call, result, error }
}

/// Replaces the values of a template by placeholders.
fn with_placeholders(value: Value) -> Value {
    match value {
        Value::Object(members)
            if members.len() == 1 && members.get("$params") == Some(&Value::Bool(true)) =>
        {
            "$params".into()
        }
        Value::Object(members) if members.len() == 1 && members.contains_key("$result") => "$result".into(),
        Value::Object(members) => {
            // In the order of the names, also if serde_json keeps the order of insertion.
            let members: std::collections::BTreeMap<_, _> = members.into_iter().collect();
            members.into_iter().map(|(name, member)| (name, with_placeholders(member))).collect()
        }
        Value::Array(items) => items.into_iter().map(with_placeholders).collect(),
        Value::Number(number) if number.as_u64() == Some(ID) => "$id".into(),
        Value::Number(number) if number.as_i64() == Some(CODE) => "$code".into(),
        Value::String(text) if text == ID.to_string() => "$id_text".into(),
        other => other,
    }
}

/// Returns the kind of an envelope that writes these templates. An envelope of the program that writes what a known one
/// writes is that one for a client.
fn kind(message: &Value, call: &Value) -> EnvelopeKind {
    if *message == json!({ "jsonrpc": "2.0", "method": "$name", "params": "$params" }) {
        return EnvelopeKind::JsonRpc;
    }
    let Some(members) = message.as_object() else { return EnvelopeKind::Custom };
    let Some(tag) = members.iter().find(|(_, value)| *value == "$name").map(|(tag, _)| tag) else {
        return EnvelopeKind::Custom;
    };
    let content = members.iter().find(|(_, value)| *value == "$params").map(|(name, _)| name);
    let is_beside = members.get("$params") == Some(&Value::Bool(true));
    let mut with_id = message.clone();
    with_id["id"] = "$id".into();
    match members.len() {
        2 if *call == with_id && (content.is_some() || is_beside) => {
            EnvelopeKind::Tagged { tag: tag.clone(), content: content.cloned() }
        }
        _ => EnvelopeKind::Custom,
    }
}
