//! Values against the JSON Schemas of a contract: the parts of draft 7 that schemars writes. A keyword without a rule
//! here allows every value.

use std::cell::Cell;
use std::collections::BTreeMap;

use serde_json::{Map, Number, Value};
use ws_core::contract::JsonSchema;

use crate::shape::Shape;

/// The named schemas of a handler.
pub(crate) type NamedSchemas = BTreeMap<String, JsonSchema>;

/// How deep parts of schemas are followed. A schema may refer to itself.
const MAX_DEPTH: usize = 256;

/// How many parts of schemas one check compares, after which every value fits. The alternatives of a hostile contract
/// could multiply.
const MAX_STEPS: usize = 100_000;

/// Returns how a value differs from a schema, in words; `None` if it does not. `path` names the value.
pub(crate) fn mismatch(
    schema: &JsonSchema,
    value: &Value,
    schemas: &NamedSchemas,
    path: &str,
) -> Option<String> {
    SchemaCheck { schemas, steps: Cell::new(0) }.check(schema, value, path, 0).err()
}

/// Returns the schema that a reference of the contract leads to.
pub(crate) fn resolve<'a>(schema: &'a JsonSchema, schemas: &'a NamedSchemas) -> &'a JsonSchema {
    let mut found = schema;
    for _ in 0..=schemas.len() {
        let name = found.get("$ref").and_then(Value::as_str).and_then(|to| to.strip_prefix("#/schemas/"));
        match name.and_then(|name| schemas.get(name)) {
            Some(named) => found = named,
            None => break,
        }
    }
    found
}

struct SchemaCheck<'a> {
    schemas: &'a NamedSchemas,
    steps: Cell<usize>,
}

impl SchemaCheck<'_> {
    fn check(&self, schema: &JsonSchema, value: &Value, path: &str, depth: usize) -> Result<(), String> {
        self.steps.set(self.steps.get() + 1);
        if self.steps.get() > MAX_STEPS {
            return Ok(());
        }
        let found = resolve(schema, self.schemas);
        let wrong = || {
            let shape = Shape::default().of(schema);
            Err(format!("`{path}` is {}, and the contract says: {shape}", excerpt(value)))
        };
        let schema = match found {
            Value::Bool(false) => return wrong(),
            Value::Object(schema) if depth < MAX_DEPTH => schema,
            _ => return Ok(()),
        };
        if !has_type(schema, value) || !is_listed(schema, value) || !is_in_range(schema, value) {
            return wrong();
        }
        for part in list(schema, "allOf") {
            self.check(part, value, path, depth + 1)?;
        }
        for keyword in ["anyOf", "oneOf"] {
            let alternatives = list(schema, keyword);
            let fits = |one: &Value| self.check(one, value, path, depth + 1).is_ok();
            if !alternatives.is_empty() && !alternatives.iter().any(fits) {
                return wrong();
            }
        }
        match value {
            Value::Array(items) => self.check_items(schema, items, path, depth),
            Value::Object(members) => self.check_members(schema, members, path, depth),
            _ => Ok(()),
        }
    }

    fn check_items(
        &self,
        schema: &Map<String, Value>,
        items: &[Value],
        path: &str,
        depth: usize,
    ) -> Result<(), String> {
        let bound = |name| schema.get(name).and_then(Value::as_u64);
        let count = items.len() as u64;
        if bound("minItems").is_some_and(|min| count < min)
            || bound("maxItems").is_some_and(|max| count > max)
        {
            let (min, max) = (bound("minItems").unwrap_or(0), bound("maxItems"));
            let max = max.map_or_else(|| "more".to_owned(), |max| max.to_string());
            return Err(format!("`{path}` has {count} items, and the contract says: {min} to {max}"));
        }
        for (at, item) in items.iter().enumerate() {
            let of_item = match schema.get("items") {
                Some(Value::Array(tuple)) => tuple.get(at).or_else(|| schema.get("additionalItems")),
                other => other,
            };
            if let Some(of_item) = of_item {
                self.check(of_item, item, &format!("{path}[{at}]"), depth + 1)?;
            }
        }
        Ok(())
    }

    fn check_members(
        &self,
        schema: &Map<String, Value>,
        members: &Map<String, Value>,
        path: &str,
        depth: usize,
    ) -> Result<(), String> {
        for name in list(schema, "required").iter().filter_map(Value::as_str) {
            if !members.contains_key(name) {
                return Err(format!("`{path}.{name}` is missing"));
            }
        }
        let properties = schema.get("properties").and_then(Value::as_object);
        for (name, member) in members {
            let known = properties.and_then(|properties| properties.get(name));
            // `false` only says that no further member is known.
            let others = schema.get("additionalProperties").filter(|others| others.is_object());
            if let Some(of_member) = known.or(others) {
                self.check(of_member, member, &format!("{path}.{name}"), depth + 1)?;
            }
        }
        Ok(())
    }
}

fn list<'a>(schema: &'a Map<String, Value>, keyword: &str) -> &'a [Value] {
    schema.get(keyword).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn has_type(schema: &Map<String, Value>, value: &Value) -> bool {
    let is_of = |name: &str| match (name, value) {
        ("null", Value::Null)
        | ("boolean", Value::Bool(_))
        | ("string", Value::String(_))
        | ("array", Value::Array(_))
        | ("object", Value::Object(_))
        | ("number", Value::Number(_)) => true,
        ("integer", Value::Number(number)) => is_integer(number),
        _ => false,
    };
    match schema.get("type") {
        Some(Value::String(name)) => is_of(name),
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).any(is_of),
        _ => true,
    }
}

/// Numbers beyond 64 bits are read as floats.
fn is_integer(number: &Number) -> bool {
    number.is_i64() || number.is_u64() || number.as_f64().is_some_and(|float| float.fract() == 0.0)
}

fn is_listed(schema: &Map<String, Value>, value: &Value) -> bool {
    let is_const = schema.get("const").is_none_or(|only| only == value);
    is_const && schema.get("enum").and_then(Value::as_array).is_none_or(|values| values.contains(value))
}

fn is_in_range(schema: &Map<String, Value>, value: &Value) -> bool {
    let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
    match value {
        Value::Number(number) => {
            let float = number.as_f64().unwrap_or_default();
            bound("minimum").is_none_or(|min| float >= min)
                && bound("maximum").is_none_or(|max| float <= max)
                && bound("exclusiveMinimum").is_none_or(|min| float > min)
                && bound("exclusiveMaximum").is_none_or(|max| float < max)
                && fits_format(schema, number)
        }
        Value::String(text) => {
            let count = text.chars().count() as u64;
            let bound = |name: &str| schema.get(name).and_then(Value::as_u64);
            bound("minLength").is_none_or(|min| count >= min)
                && bound("maxLength").is_none_or(|max| count <= max)
        }
        _ => true,
    }
}

/// Returns whether an integer fits into the Rust type that `format` names.
fn fits_format(schema: &Map<String, Value>, number: &Number) -> bool {
    let format = schema.get("format").and_then(Value::as_str).unwrap_or_default();
    let number: Option<i128> = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
    let (is_signed, bits) = match format {
        "int8" => (true, 8),
        "int16" => (true, 16),
        "int32" => (true, 32),
        "int64" | "int" => (true, 64),
        "uint8" => (false, 8),
        "uint16" => (false, 16),
        "uint32" => (false, 32),
        "uint64" | "uint" => (false, 64),
        _ => return true,
    };
    let (min, max) =
        if is_signed { (-(1_i128 << (bits - 1)), (1 << (bits - 1)) - 1) } else { (0, (1 << bits) - 1) };
    // A float is beyond 64 bits, or not an integer.
    number.is_some_and(|number| (min..=max).contains(&number))
}

/// Returns the begin of a value's JSON.
fn excerpt(value: &Value) -> String {
    const MAX: usize = 60;
    let json = value.to_string();
    match json.char_indices().nth(MAX) {
        Some((end, _)) => format!("{}…", &json[..end]),
        None => json,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(schema: &Value, value: &Value, expect: Option<&str>) {
        let schemas = NamedSchemas::from([
            ("Side".to_owned(), json!({ "enum": ["buy", "sell"] })),
            ("Loop".to_owned(), json!({ "$ref": "#/schemas/Loop" })),
            ("Deep".to_owned(), json!({ "allOf": [{ "$ref": "#/schemas/Deep" }] })),
        ]);
        assert_eq!(mismatch(schema, value, &schemas, "a").as_deref(), expect, "{schema} {value}");
    }

    #[test]
    fn values_fit_or_not() {
        let symbols = json!({ "type": "array", "items": { "type": "string" }, "minItems": 1 });
        check(&symbols, &json!(["x"]), None);
        check(&symbols, &json!([1]), Some("`a[0]` is 1, and the contract says: string"));
        check(&symbols, &json!("x"), Some("`a` is \"x\", and the contract says: string[]"));
        check(&symbols, &json!([]), Some("`a` has 0 items, and the contract says: 1 to more"));
        let side = json!({ "$ref": "#/schemas/Side" });
        check(&side, &json!("buy"), None);
        check(&side, &json!("hold"), Some("`a` is \"hold\", and the contract says: Side"));
        let order = json!({ "type": "object", "properties": { "side": side }, "required": ["side"] });
        check(&order, &json!({ "side": "sell", "more": 1 }), None);
        check(&order, &json!({}), Some("`a.side` is missing"));
        check(&order, &json!({ "side": 1 }), Some("`a.side` is 1, and the contract says: Side"));
        let either = json!({ "anyOf": [{ "type": "null" }, order] });
        check(&either, &json!(null), None);
        check(&either, &json!(1), Some("`a` is 1, and the contract says: null | { side: Side }"));
        let tuple = json!({ "type": "array", "items": [{ "type": "string" }, { "type": "integer" }] });
        check(&tuple, &json!(["x", 1]), None);
        check(&tuple, &json!(["x", 1.5]), Some("`a[1]` is 1.5, and the contract says: integer"));
    }

    #[test]
    fn numbers_have_ranges() {
        let byte = json!({ "type": "integer", "format": "uint8", "minimum": 0 });
        let wrong = |value: &str| format!("`a` is {value}, and the contract says: integer (uint8)");
        check(&byte, &json!(255), None);
        check(&byte, &json!(256), Some(&wrong("256")));
        check(&byte, &json!(-1), Some(&wrong("-1")));
        check(&json!({ "type": "integer", "format": "uint64" }), &json!(u64::MAX), None);
        check(&json!({ "type": "integer", "format": "int64" }), &json!(i64::MIN), None);
        let above = json!({ "type": "number", "exclusiveMinimum": 0 });
        check(&above, &json!(0.5), None);
        check(&above, &json!(0), Some("`a` is 0, and the contract says: number"));
    }

    #[test]
    fn schemas_that_lead_nowhere_end() {
        check(&json!({ "$ref": "#/schemas/Loop" }), &json!(1), None);
        check(&json!({ "$ref": "#/schemas/Deep" }), &json!(1), None);
        check(&json!({ "$ref": "#/schemas/Gone" }), &json!(1), None);
        let alternatives = json!({ "anyOf": [{ "$ref": "#/schemas/Twice" }, { "$ref": "#/schemas/Twice" }] });
        let twice = json!({ "allOf": [alternatives, { "type": "string" }] });
        let schemas = NamedSchemas::from([("Twice".to_owned(), twice)]);
        // Compared to the end, these would be 2^256 steps.
        assert_eq!(mismatch(&alternatives, &json!(1), &schemas, "a"), None);
        check(&json!(true), &json!(1), None);
        check(&json!(false), &json!(1), Some("`a` is 1, and the contract says: nothing"));
    }
}
