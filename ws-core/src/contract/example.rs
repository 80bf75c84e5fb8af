//! Example values of JSON Schemas.

mod scalars;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::contract_model::JsonSchema;
use scalars::{integer, number, string};

/// The number of schemas that one example visits at most. Types that contain others several times would otherwise make
/// examples of any size.
const MAX_VISITS: u32 = 2_000;

/// The depth of an example, below which the members that may be missing are left out.
const DETAILED_DEPTH: usize = 6;

/// The depth of an example at most.
const MAX_DEPTH: usize = 48;

/// Returns a value that a schema takes: what the schema declares (`examples`, `const`, `default`, `enum`), otherwise a
/// simple value of its type. The same schema gives the same value.
///
/// Returns `None` if no value is found: for a type without a finite value, for `pattern`, `not` and other conditions that
/// only a value of the schema's author is sure to hold, and beyond bounds of size.
pub(super) fn example(schema: &JsonSchema, schemas: &BTreeMap<String, JsonSchema>) -> Option<Value> {
    ExampleFinder { schemas, names: Vec::new(), depth: 0, visits: MAX_VISITS }.value(schema)
}

struct ExampleFinder<'a> {
    schemas: &'a BTreeMap<String, JsonSchema>,
    /// The names of schemas that the current value is inside of. A finite value needs none of them a second time.
    names: Vec<&'a str>,
    depth: usize,
    visits: u32,
}

/// The keywords whose conditions examples do not check.
const UNSUPPORTED: [&str; 6] = ["pattern", "not", "if", "contains", "propertyNames", "dependencies"];

impl<'a> ExampleFinder<'a> {
    fn value(&mut self, schema: &'a JsonSchema) -> Option<Value> {
        self.visits = self.visits.checked_sub(1)?;
        if self.depth == MAX_DEPTH {
            return None;
        }
        self.depth += 1;
        let value = match schema {
            Value::Object(keywords) => declared(keywords).or_else(|| self.made(keywords)),
            Value::Bool(true) => Some(json!({})),
            _ => None,
        };
        self.depth -= 1;
        value
    }

    /// Makes a value of the keywords, each of which adds members to an object.
    fn made(&mut self, schema: &'a Map<String, Value>) -> Option<Value> {
        if let Some(name) = schema.get("$ref") {
            return self.referred(name.as_str()?);
        }
        if UNSUPPORTED.iter().any(|keyword| schema.contains_key(*keyword)) {
            return None;
        }
        let mut value = match (schema.get("type"), schema.contains_key("properties")) {
            (Some(types), _) => Some(self.of_types(types, schema)?),
            (None, true) => Some(self.object(schema)?),
            (None, false) => None,
        };
        for part in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            let part = self.value(part)?;
            value = Some(merged(value, part));
        }
        for options in ["oneOf", "anyOf"].iter().filter_map(|keyword| schema.get(*keyword)?.as_array()) {
            let option = self.first(options)?;
            value = Some(merged(value, option));
        }
        Some(value.unwrap_or_else(|| json!({})))
    }

    fn referred(&mut self, reference: &'a str) -> Option<Value> {
        let name = reference.strip_prefix("#/schemas/")?;
        let schema = self.schemas.get(name).filter(|_| !self.names.contains(&name))?;
        self.names.push(name);
        let value = self.value(schema);
        self.names.pop();
        value
    }

    /// Returns a value of the first alternative that has one, of those that are not `null` if possible.
    fn first(&mut self, options: &'a [JsonSchema]) -> Option<Value> {
        let is_null = |schema: &JsonSchema| schema.get("type") == Some(&json!("null"));
        let some = options.iter().filter(|schema| !is_null(schema)).find_map(|schema| self.value(schema));
        some.or_else(|| options.iter().any(is_null).then_some(Value::Null))
    }

    /// Returns a value of the first type that has one, of those other than `null` if possible.
    fn of_types(&mut self, types: &Value, schema: &'a Map<String, Value>) -> Option<Value> {
        match types {
            Value::Array(types) => {
                let is_null = |ty: &&Value| *ty == "null";
                let some = types.iter().filter(|ty| !is_null(ty)).find_map(|ty| self.of_type(ty, schema));
                some.or_else(|| types.iter().any(|ty| is_null(&ty)).then_some(Value::Null))
            }
            ty => self.of_type(ty, schema),
        }
    }

    fn of_type(&mut self, ty: &Value, schema: &'a Map<String, Value>) -> Option<Value> {
        match ty.as_str()? {
            "null" => Some(Value::Null),
            "boolean" => Some(true.into()),
            "integer" => integer(schema),
            "number" => number(schema),
            "string" => string(schema),
            "array" => self.array(schema),
            "object" => self.object(schema),
            _ => None,
        }
    }

    fn array(&mut self, schema: &'a Map<String, Value>) -> Option<Value> {
        let min = length(schema, "minItems").unwrap_or(0);
        let max = length(schema, "maxItems").unwrap_or(usize::MAX);
        let (listed, other): (&[JsonSchema], Option<&JsonSchema>) = match schema.get("items") {
            Some(Value::Array(items)) => (items, schema.get("additionalItems")),
            items => (&[], items),
        };
        let mut values = Vec::new();
        for item in listed.iter().take(max) {
            values.push(self.value(item)?);
        }
        // An array of one element says more than an empty one.
        let count = if listed.is_empty() { min.max(1).min(max) } else { min };
        let is_set = schema.get("uniqueItems") == Some(&Value::Bool(true));
        while values.len() < count {
            let value = match other {
                Some(schema) => self.value(schema),
                None => Some(json!({})),
            };
            match value {
                Some(value) if !(is_set && values.contains(&value)) => values.push(value),
                _ if values.len() >= min => break,
                _ => return None,
            }
        }
        Some(values.into())
    }

    fn object(&mut self, schema: &'a Map<String, Value>) -> Option<Value> {
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
        let required: Vec<&str> = required.filter_map(Value::as_str).collect();
        let mut object = Map::new();
        for (name, member) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let is_required = required.contains(&&**name);
            if !is_required && self.depth > DETAILED_DEPTH {
                continue;
            }
            match self.value(member) {
                Some(value) => _ = object.insert(name.clone(), value),
                None if is_required => return None,
                None => {}
            }
        }
        let min = length(schema, "minProperties").unwrap_or(0);
        let wanted = if object.is_empty() && required.is_empty() { min.max(1) } else { min };
        self.add_members(&mut object, wanted, schema);
        if let Some(max) = length(schema, "maxProperties") {
            let optional: Vec<_> =
                object.keys().filter(|name| !required.contains(&&***name)).cloned().collect();
            for name in optional.into_iter().rev().take(object.len().saturating_sub(max)) {
                object.remove(&name);
            }
        }
        let is_complete = object.len() >= min && required.iter().all(|name| object.contains_key(*name));
        is_complete.then_some(Value::Object(object))
    }

    /// Adds members of a map until an object has this number.
    fn add_members(
        &mut self,
        object: &mut Map<String, Value>,
        wanted: usize,
        schema: &'a Map<String, Value>,
    ) {
        // Of the patterns, schemars writes those of numbers as keys.
        let numbers = schema.get("patternProperties").and_then(Value::as_object).and_then(|patterns| {
            patterns.iter().find(|(pattern, _)| matches!(&***pattern, r"^\d+$" | r"^-?\d+$"))
        });
        let (prefix, member) = match (numbers, schema.get("additionalProperties")) {
            (Some((_, member)), _) => ("", member),
            (None, Some(member)) => ("key", member),
            (None, None) => return,
        };
        for number in 1..=wanted.min(MAX_VISITS as usize) {
            if object.len() >= wanted {
                break;
            }
            let Some(value) = self.value(member) else { break };
            object.entry(format!("{prefix}{number}")).or_insert(value);
        }
    }
}

/// Returns what a schema declares as its value.
fn declared(schema: &Map<String, Value>) -> Option<Value> {
    let first = |keyword| schema.get(keyword).and_then(Value::as_array).and_then(|values| values.first());
    let default = schema.get("default").filter(|value| !value.is_null());
    let enumerated = || {
        let values = schema.get("enum").and_then(Value::as_array)?;
        values.iter().find(|value| !value.is_null()).or(values.first())
    };
    first("examples").or_else(|| schema.get("const")).or(default).or_else(enumerated).cloned()
}

/// Returns an object with the members of both, or the second value if one of them is not an object.
fn merged(value: Option<Value>, part: Value) -> Value {
    match (value, part) {
        (Some(Value::Object(mut members)), Value::Object(others)) => {
            members.extend(others);
            Value::Object(members)
        }
        // A part without a type says nothing about a value that is not an object.
        (Some(value), Value::Object(others)) if others.is_empty() => value,
        (_, part) => part,
    }
}

fn length(schema: &Map<String, Value>, keyword: &str) -> Option<usize> {
    schema.get(keyword)?.as_u64()?.try_into().ok()
}
