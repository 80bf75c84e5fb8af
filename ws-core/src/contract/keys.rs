//! The names of components of AsyncAPI.

use serde_json::Value;

use crate::contract_model::JsonSchema;

/// Returns a name as the key of a component, which has letters, digits, `.`, `-` and `_`.
pub(super) fn key(name: &str) -> String {
    name.replace(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '-' | '_'), "_")
}

pub(super) fn schema_key(channel: &str, name: &str) -> String {
    format!("{channel}.{}", key(name))
}

/// Returns a schema whose references lead to the components of a channel.
pub(super) fn with_references(channel: &str, schema: &JsonSchema) -> JsonSchema {
    match schema {
        Value::Array(items) => items.iter().map(|item| with_references(channel, item)).collect(),
        Value::Object(members) => {
            let member = |(name, member): (&String, &Value)| {
                let target = member.as_str().and_then(|target| target.strip_prefix("#/schemas/"));
                let member = match target {
                    Some(target) if name == "$ref" => {
                        format!("#/components/schemas/{}", schema_key(channel, target)).into()
                    }
                    _ => with_references(channel, member),
                };
                (name.clone(), member)
            };
            members.iter().map(member).collect()
        }
        other => other.clone(),
    }
}
