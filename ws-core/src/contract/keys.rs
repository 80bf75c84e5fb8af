//! The names of components of AsyncAPI.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::contract_model::{HandlerContract, JsonSchema};

/// Returns a name as the key of a component, which has letters, digits, `.`, `-` and `_`.
pub(super) fn key(name: &str) -> String {
    name.replace(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '-' | '_'), "_")
}

/// The keys of a handler's schemas. Names that differ only in other characters have different keys.
pub(super) struct SchemaKeys(BTreeMap<String, String>);

impl SchemaKeys {
    pub(super) fn new(channel: &str, handler: &HandlerContract) -> Self {
        let mut taken = BTreeSet::new();
        let unique = |name: &String| {
            let mut unique = format!("{channel}.{}", key(name));
            while !taken.insert(unique.clone()) {
                unique.push('_');
            }
            (name.clone(), unique)
        };
        Self(handler.schemas.keys().map(unique).collect())
    }

    /// Returns the key of a schema. A reference that leads nowhere stays one.
    pub(super) fn key(&self, name: &str) -> String {
        self.0.get(name).cloned().unwrap_or_else(|| key(name))
    }
}

/// Returns the names of the parameters of a path, in its order.
pub(super) fn path_names(path: &str) -> Vec<String> {
    let path = path.replace("{{", "").replace("}}", "");
    let tails = path.split('{').skip(1).filter_map(|tail| tail.split_once('}'));
    tails.map(|(name, _)| name.trim_start_matches('*').to_owned()).filter(|name| !name.is_empty()).collect()
}

/// Returns a schema whose references lead to components.
pub(super) fn with_references(keys: &SchemaKeys, schema: &JsonSchema) -> JsonSchema {
    match schema {
        Value::Array(items) => items.iter().map(|item| with_references(keys, item)).collect(),
        Value::Object(members) => {
            let member = |(name, member): (&String, &Value)| {
                let target = member.as_str().and_then(|target| target.strip_prefix("#/schemas/"));
                let member = match target {
                    Some(target) if name == "$ref" => {
                        format!("#/components/schemas/{}", keys.key(target)).into()
                    }
                    _ => with_references(keys, member),
                };
                (name.clone(), member)
            };
            members.iter().map(member).collect()
        }
        other => other.clone(),
    }
}
