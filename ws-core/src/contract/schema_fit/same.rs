//! Whether schemas are the same, and what they refer to.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{ANNOTATIONS, NamedSchemas, SCHEMAS};
use crate::contract_model::JsonSchema;

/// Returns whether two schemas differ in more than annotations, themselves or in what they refer to.
pub(in crate::contract) fn differs(
    (old, old_schemas): (&JsonSchema, &NamedSchemas),
    (new, new_schemas): (&JsonSchema, &NamedSchemas),
) -> bool {
    plain(old, false) != plain(new, false) || !refers_only_to(new, &unchanged(old_schemas, new_schemas))
}

/// Returns a schema without annotations. The names of members are not keywords, and values have none.
pub(super) fn plain(schema: &JsonSchema, are_members: bool) -> JsonSchema {
    match schema {
        Value::Array(items) => items.iter().map(|item| plain(item, false)).collect(),
        Value::Object(members) => members
            .iter()
            .filter(|(name, _)| are_members || !ANNOTATIONS.contains(&&***name))
            .map(|(name, member)| {
                let member = match &**name {
                    "const" | "enum" if !are_members => member.clone(),
                    "properties" | "patternProperties" if !are_members => plain(member, true),
                    _ => plain(member, false),
                };
                (name.clone(), member)
            })
            .collect(),
        other => other.clone(),
    }
}

/// Returns the names of the schemas that are the same in both lists, together with all that they refer to.
pub(super) fn unchanged(some: &NamedSchemas, others: &NamedSchemas) -> BTreeSet<String> {
    let is_same = |(name, schema): &(&String, &JsonSchema)| {
        others.get(*name).is_some_and(|other| plain(schema, false) == plain(other, false))
    };
    let mut names: BTreeSet<String> = some.iter().filter(is_same).map(|(name, _)| name.clone()).collect();
    loop {
        let refers_to_same =
            |name: &&String| some.get(*name).is_some_and(|schema| refers_only_to(schema, &names));
        let rest: BTreeSet<String> = names.iter().filter(refers_to_same).cloned().collect();
        if rest.len() == names.len() {
            return names;
        }
        names = rest;
    }
}

/// Returns whether all references in a schema are to these names.
pub(in crate::contract) fn refers_only_to(schema: &JsonSchema, names: &BTreeSet<String>) -> bool {
    match schema {
        Value::Array(items) => items.iter().all(|item| refers_only_to(item, names)),
        Value::Object(members) => members.iter().all(|(name, member)| match (&**name, member) {
            ("$ref", Value::String(target)) => {
                target.strip_prefix(SCHEMAS).is_some_and(|name| names.contains(name))
            }
            ("const" | "enum", _) => true,
            (_, member) => refers_only_to(member, names),
        }),
        _ => true,
    }
}
