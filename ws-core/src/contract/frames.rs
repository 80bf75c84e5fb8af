//! The JSON Schemas of whole messages: an envelope's template, filled with the schemas of a message.

use serde_json::{Map, Value, json};

use crate::contract_model::{ContentContract, EnvelopeKind, HandlerContract, JsonSchema, ParameterContract};

/// The values that fill a template.
pub(super) struct Filling<'a> {
    pub(super) name: &'a str,
    pub(super) content: &'a ContentContract,
    /// The schema of the result, in a template of a result.
    pub(super) result: Option<&'a JsonSchema>,
}

/// Returns the schema of a message in a handler's envelope.
pub(super) fn frame_schema(handler: &HandlerContract, template: &Value, filling: &Filling<'_>) -> JsonSchema {
    let params = match filling.content {
        ContentContract::Nothing | ContentContract::Raw => None,
        ContentContract::Parameters { parameters } => Some(parameters_schema(parameters)),
        ContentContract::Json { schema } => {
            let format = handler.envelope.as_ref().map(|envelope| &envelope.format);
            let is_wrapped = format == Some(&EnvelopeKind::JsonRpc) && is_scalar(handler, schema);
            // Beside the name, `null` has no members.
            let is_beside = template.as_object().is_some_and(has_params_beside);
            let is_left_out = is_beside && is_null(handler, schema);
            let schema = if is_wrapped { tuple(std::slice::from_ref(schema)) } else { schema.clone() };
            (!is_left_out).then_some(schema)
        }
    };
    TemplateFill { filling, params }.schema(template)
}

struct TemplateFill<'a> {
    filling: &'a Filling<'a>,
    params: Option<JsonSchema>,
}

impl TemplateFill<'_> {
    fn schema(&self, template: &Value) -> JsonSchema {
        match template {
            Value::String(text) => self.placeholder(text),
            Value::Array(items) => tuple(&items.iter().map(|item| self.schema(item)).collect::<Vec<_>>()),
            Value::Object(members) => self.object(members),
            Value::Null => json!({}),
            other => json!({ "const": other }),
        }
    }

    fn placeholder(&self, text: &str) -> JsonSchema {
        match text {
            "$name" => json!({ "type": "string", "const": self.filling.name }),
            "$params" => self.params.clone().unwrap_or_else(|| json!({})),
            "$result" => self.filling.result.cloned().unwrap_or_else(|| json!({})),
            "$id" => json!({ "type": ["integer", "string"], "description": "The id of the call." }),
            "$id_text" => json!({ "type": "string", "description": "The id of the call." }),
            "$code" => json!({ "type": "integer" }),
            "$message" => json!({ "type": "string" }),
            "$data" => json!({}),
            text => json!({ "type": "string", "const": text }),
        }
    }

    fn object(&self, members: &Map<String, Value>) -> JsonSchema {
        let is_beside = has_params_beside(members);
        let has_no_params = self.params.is_none();
        let (mut properties, mut required) = (Map::new(), Vec::new());
        for (name, member) in members {
            let is_params = name == "$params" || *member == "$params";
            if (is_beside && name == "$params") || (is_params && has_no_params) {
                continue;
            }
            properties.insert(name.clone(), self.schema(member));
            // Data of an error, and parameters that may all be left out, are optional.
            let is_optional = *member == "$data" || (is_params && self.are_params_optional());
            if !is_optional {
                required.push(name.clone());
            }
        }
        let object = json!({ "type": "object", "properties": properties, "required": required });
        match &self.params {
            Some(params) if is_beside => json!({ "allOf": [object, params] }),
            _ => object,
        }
    }

    fn are_params_optional(&self) -> bool {
        match self.filling.content {
            ContentContract::Parameters { parameters } => {
                parameters.iter().all(|parameter| parameter.is_optional)
            }
            _ => false,
        }
    }
}

/// Returns the schema of parameters by name.
fn parameters_schema(parameters: &[ParameterContract]) -> JsonSchema {
    let properties: Map<_, _> =
        parameters.iter().map(|parameter| (parameter.name.clone(), parameter.schema.clone())).collect();
    let required: Vec<_> = parameters
        .iter()
        .filter(|parameter| !parameter.is_optional)
        .map(|parameter| &parameter.name)
        .collect();
    let names: Vec<_> = parameters.iter().map(|parameter| &*parameter.name).collect();
    let description = format!("By name, or as an array in the order {}.", names.join(", "));
    let mut schema = json!({ "type": "object", "properties": properties, "description": description });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

/// Returns the schema of an array with these elements.
fn tuple(items: &[JsonSchema]) -> JsonSchema {
    let count = items.len();
    json!({ "type": "array", "items": items, "minItems": count, "maxItems": count })
}

/// Returns whether the members of the parameters are beside the others of a template.
fn has_params_beside(template: &Map<String, Value>) -> bool {
    template.get("$params") == Some(&Value::Bool(true))
}

/// Returns the schema that references lead to, or `None` if they lead nowhere.
fn resolved<'a>(handler: &'a HandlerContract, mut schema: &'a JsonSchema) -> Option<&'a JsonSchema> {
    // A cycle of references has no schema at its end.
    for _ in 0..=handler.schemas.len() {
        let Some(name) =
            schema.get("$ref").and_then(Value::as_str).and_then(|to| to.strip_prefix("#/schemas/"))
        else {
            break;
        };
        schema = handler.schemas.get(name)?;
    }
    Some(schema)
}

/// Returns whether a value is always `null`, as far as its schema shows.
fn is_null(handler: &HandlerContract, schema: &JsonSchema) -> bool {
    resolved(handler, schema).is_some_and(|schema| schema["type"] == "null")
}

/// Returns whether a value is neither an object nor an array, as far as its schema shows.
pub(super) fn is_scalar(handler: &HandlerContract, schema: &JsonSchema) -> bool {
    let Some(schema) = resolved(handler, schema) else { return false };
    let is_scalar_type =
        |ty: &Value| matches!(ty.as_str(), Some("string" | "number" | "integer" | "boolean"));
    match schema.get("type") {
        Some(Value::Array(types)) => types.iter().all(|ty| is_scalar_type(ty) || *ty == "null"),
        Some(ty) => is_scalar_type(ty),
        None => schema.get("enum").is_some() || schema.get("const").is_some_and(|value| !value.is_object()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(template: &Value, content: &ContentContract, expect: &Value) {
        let handler = HandlerContract::default();
        let filling = Filling { name: "add", content, result: None };
        assert_eq!(&frame_schema(&handler, template, &filling), expect);
    }

    #[test]
    fn parameters_beside_the_name_are_of_one_object() {
        let schema = json!({ "$ref": "#/schemas/Add" });
        check(
            &json!({ "type": "$name", "$params": true }),
            &ContentContract::Json { schema: schema.clone() },
            &json!({ "allOf": [
                { "type": "object", "properties": { "type": { "type": "string", "const": "add" } }, "required": ["type"] },
                schema,
            ] }),
        );
    }

    #[test]
    fn null_beside_the_name_is_nothing() {
        let of_name = json!({
            "type": "object",
            "properties": { "type": { "type": "string", "const": "add" } },
            "required": ["type"],
        });
        let content = ContentContract::Json { schema: json!({ "type": "null" }) };
        check(&json!({ "type": "$name", "$params": true }), &content, &of_name);
    }

    #[test]
    fn no_content_leaves_the_member_out() {
        check(
            &json!({ "name": "$name", "params": "$params" }),
            &ContentContract::Nothing,
            &json!({
                "type": "object",
                "properties": { "name": { "type": "string", "const": "add" } },
                "required": ["name"],
            }),
        );
    }

    #[test]
    fn parameters_that_may_be_missing_may_all_be_missing() {
        let a = ParameterContract {
            name: "a".into(),
            description: None,
            is_optional: true,
            schema: json!({ "type": "string" }),
        };
        check(
            &json!({ "params": "$params" }),
            &ContentContract::Parameters { parameters: vec![a] },
            &json!({
                "type": "object",
                "properties": { "params": {
                    "type": "object",
                    "properties": { "a": { "type": "string" } },
                    "description": "By name, or as an array in the order a.",
                } },
                "required": [],
            }),
        );
    }
}
