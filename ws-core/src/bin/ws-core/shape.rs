//! JSON Schemas as short types for people: `string[]`, `{ side: Side, note?: string | null }`.

use serde_json::{Map, Value};
use ws_core::contract::{CallContract, ContentContract, ErrorContract, JsonSchema, ParameterContract};

/// How deep a type is written.
const MAX_DEPTH: usize = 8;

/// A writer of types.
#[derive(Clone, Copy, Default)]
pub(crate) struct Shape {
    depth: usize,
}

impl Shape {
    /// Returns the type of a schema.
    pub(crate) fn of(self, schema: &JsonSchema) -> String {
        let inner = Self { depth: self.depth + 1 };
        let schema = match schema {
            Value::Bool(false) => return "nothing".into(),
            Value::Object(schema) if self.depth < MAX_DEPTH => schema,
            _ => return "any".into(),
        };
        if let Some(to) = schema.get("$ref").and_then(Value::as_str) {
            return to.strip_prefix("#/schemas/").unwrap_or(to).to_owned();
        }
        let alternatives = |list: &Vec<Value>, text: &dyn Fn(&Value) -> String| {
            list.iter().map(text).collect::<Vec<_>>().join(" | ")
        };
        if let Some(only) = schema.get("const") {
            return only.to_string();
        }
        if let Some(Value::Array(values)) = schema.get("enum") {
            return alternatives(values, &Value::to_string);
        }
        if let Some(Value::Array(list)) = schema.get("anyOf").or_else(|| schema.get("oneOf")) {
            return alternatives(list, &|one| inner.of(one));
        }
        if let Some(Value::Array(list)) = schema.get("allOf") {
            return list.iter().map(|one| inner.of(one)).collect::<Vec<_>>().join(" & ");
        }
        match schema.get("type") {
            Some(Value::String(name)) => inner.of_type(name, schema),
            Some(Value::Array(names)) => alternatives(names, &|name| {
                name.as_str().map_or_else(|| "any".to_owned(), |name| inner.of_type(name, schema))
            }),
            _ => "any".into(),
        }
    }

    fn of_type(self, name: &str, schema: &Map<String, Value>) -> String {
        match name {
            "array" => match schema.get("items") {
                Some(Value::Array(items)) => {
                    let items: Vec<_> = items.iter().map(|item| self.of(item)).collect();
                    format!("[{}]", items.join(", "))
                }
                Some(item) => {
                    let item = self.of(item);
                    if item.contains([' ', '|']) { format!("({item})[]") } else { format!("{item}[]") }
                }
                None => "any[]".into(),
            },
            "object" => self.of_object(schema),
            "integer" => match schema.get("format").and_then(Value::as_str) {
                Some(format) => format!("integer ({format})"),
                None => "integer".into(),
            },
            name => name.to_owned(),
        }
    }

    fn of_object(self, schema: &Map<String, Value>) -> String {
        let required = schema.get("required").and_then(Value::as_array);
        let is_required = |name: &str| required.is_some_and(|names| names.iter().any(|one| one == name));
        let properties = schema.get("properties").and_then(Value::as_object);
        let members: Vec<_> = properties
            .into_iter()
            .flatten()
            .map(|(name, schema)| {
                let mark = if is_required(name) { "" } else { "?" };
                format!("{name}{mark}: {}", self.of(schema))
            })
            .collect();
        match schema.get("additionalProperties") {
            _ if !members.is_empty() => format!("{{ {} }}", members.join(", ")),
            Some(others @ Value::Object(_)) => format!("{{ [name]: {} }}", self.of(others)),
            _ => "object".into(),
        }
    }

    /// Returns the parameters of a call or message, as in a signature: `(symbols: string[], depth?: integer)`.
    pub(crate) fn parameters(self, content: &ContentContract) -> String {
        match content {
            ContentContract::Parameters { parameters } => {
                let list: Vec<_> = parameters.iter().map(|one| self.parameter(one)).collect();
                format!("({})", list.join(", "))
            }
            ContentContract::Json { schema } => format!("({})", self.of(schema)),
            ContentContract::Raw => "(text or bytes)".into(),
            _ => "()".into(),
        }
    }

    /// Returns a parameter with its type: `depth?: integer`.
    pub(crate) fn parameter(self, parameter: &ParameterContract) -> String {
        let mark = if parameter.is_optional { "?" } else { "" };
        format!("{}{mark}: {}", parameter.name, self.of(&parameter.schema))
    }

    /// Returns the signature of a call: `order(id: integer) -> Receipt`.
    pub(crate) fn call(self, call: &CallContract) -> String {
        let result = match call.result.get("type").and_then(Value::as_str) {
            Some("null") => String::new(),
            _ => format!(" -> {}", self.of(&call.result)),
        };
        format!("{}{}{result}", call.name, self.parameters(&call.content))
    }

    /// Returns an error of a call: `-32001 refused, with string`.
    pub(crate) fn error(self, error: &ErrorContract) -> String {
        let data = error.data.as_ref().map_or_else(String::new, |data| format!(", with {}", self.of(data)));
        format!("{} {}{data}", error.code, error.description)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(schema: &Value, expect: &str) {
        assert_eq!(Shape::default().of(schema), expect);
    }

    #[test]
    fn types_are_short() {
        check(&json!({ "type": ["string", "null"] }), "string | null");
        check(&json!({ "type": "array", "items": { "type": ["string", "null"] } }), "(string | null)[]");
        check(
            &json!({ "type": "object", "properties": { "a": { "$ref": "#/schemas/A" }, "b": true }, "required": ["a"] }),
            "{ a: A, b?: any }",
        );
        check(
            &json!({ "type": "object", "additionalProperties": { "type": "number" } }),
            "{ [name]: number }",
        );
        check(&json!({ "enum": ["a", 1] }), "\"a\" | 1");
        let mut deep = json!({ "type": "string" });
        for _ in 0..100 {
            deep = json!({ "type": "array", "items": deep });
        }
        check(&deep, &format!("any{}", "[]".repeat(MAX_DEPTH)));
    }
}
