//! JSON Schemas as types.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::super::JsonSchema;
use super::names::{self, Suffix};
use super::types::{TsMember, TsType, after, doc};

/// Where references to named schemas lead.
const SCHEMAS: &str = "#/schemas/";
/// The longest array of a fixed length that is a tuple.
const MAX_TUPLE: u64 = 8;
/// The depth of a schema beyond which its type is `unknown`.
const MAX_DEPTH: usize = 100;

/// The named schemas of a handler, with the names of their types.
#[derive(Debug)]
pub(super) struct SchemaTypes<'a> {
    schemas: &'a BTreeMap<String, JsonSchema>,
    names: BTreeMap<&'a str, String>,
}

impl<'a> SchemaTypes<'a> {
    /// Names the types. Names that are taken are changed.
    pub(super) fn new(schemas: &'a BTreeMap<String, JsonSchema>, taken: &mut BTreeSet<String>) -> Self {
        let name = |name: &'a String| {
            (name.as_str(), names::unique(&names::identifier(name), taken, Suffix::Underscore))
        };
        Self { schemas, names: schemas.keys().map(name).collect() }
    }

    /// Returns the declarations of all types, with their documentation.
    pub(super) fn declarations(&self) -> String {
        let mut text = String::new();
        for (name, schema) in self.schemas {
            let Some(name) = self.names.get(name.as_str()) else { continue };
            let declared = self.convert(schema);
            text += &doc(description(schema).as_deref(), "");
            let _ = match &declared {
                TsType::Object(..) => {
                    writeln!(text, "export interface {name} {{\n{}}}\n", declared.members("  "))
                }
                _ => writeln!(text, "{};\n", after(&format!("export type {name} ="), &declared.render(""))),
            };
        }
        text
    }

    /// Returns the type of a schema.
    pub(super) fn convert(&self, schema: &JsonSchema) -> TsType {
        self.convert_at(schema, 0)
    }

    fn convert_at(&self, schema: &JsonSchema, depth: usize) -> TsType {
        let Value::Object(schema) = schema else {
            return TsType::name(if *schema == Value::Bool(false) { "never" } else { "unknown" });
        };
        if depth > MAX_DEPTH {
            return TsType::unknown();
        }
        if let Some(target) = schema.get("$ref") {
            let name = target.as_str().and_then(|target| self.names.get(target.strip_prefix(SCHEMAS)?));
            return name.map_or_else(TsType::unknown, |name| TsType::name(name));
        }
        let mut parts = Vec::new();
        if let Some(value) = schema.get("const") {
            parts.push(literal(value));
        } else if let Some(Value::Array(values)) = schema.get("enum") {
            parts.push(TsType::union(values.iter().map(|value| (None, literal(value))).collect()));
        } else {
            parts.push(self.convert_types(schema, depth));
        }
        if let Some(Value::Array(all)) = schema.get("allOf") {
            parts.extend(all.iter().map(|part| self.convert_at(part, depth + 1)));
        }
        for keyword in ["anyOf", "oneOf"] {
            let Some(Value::Array(options)) = schema.get(keyword) else { continue };
            let option = |option| (description(option), self.convert_at(option, depth + 1));
            parts.push(TsType::union(options.iter().map(option).collect()));
        }
        TsType::intersection(parts)
    }

    /// Returns the type that `type` and the keywords of arrays and objects describe.
    fn convert_types(&self, schema: &Map<String, Value>, depth: usize) -> TsType {
        let types: Vec<_> = match schema.get("type") {
            Some(Value::Array(types)) => types.iter().filter_map(Value::as_str).collect(),
            Some(Value::String(one)) => vec![one.as_str()],
            _ if schema.contains_key("properties") || schema.contains_key("required") => vec!["object"],
            _ => return TsType::unknown(),
        };
        // The members of the object are those of the parts.
        let is_composed = ["allOf", "anyOf", "oneOf"].iter().any(|keyword| schema.contains_key(*keyword));
        let has_members = ["properties", "additionalProperties", "patternProperties"]
            .iter()
            .any(|keyword| schema.get(*keyword).is_some_and(|value| *value != Value::Bool(false)));
        let convert = |name: &str| match name {
            "null" | "boolean" | "string" | "number" => TsType::name(name),
            "integer" => TsType::name("number"),
            "array" => self.convert_array(schema, depth),
            "object" if is_composed && !has_members => TsType::unknown(),
            "object" => self.convert_object(schema, depth),
            _ => TsType::unknown(),
        };
        TsType::union(types.into_iter().map(|name| (None, convert(name))).collect())
    }

    fn convert_array(&self, schema: &Map<String, Value>, depth: usize) -> TsType {
        let limit = |keyword| schema.get(keyword).and_then(Value::as_u64);
        let (min, max) = (limit("minItems").unwrap_or(0), limit("maxItems"));
        match schema.get("items") {
            Some(Value::Array(items)) => {
                let types: Vec<_> = items.iter().map(|item| self.convert_at(item, depth + 1)).collect();
                let is_closed = max.is_some_and(|max| max <= items.len() as u64);
                let rest = match schema.get("additionalItems") {
                    Some(Value::Bool(false)) => None,
                    _ if is_closed => None,
                    rest => Some(Box::new(
                        rest.map_or_else(TsType::unknown, |rest| self.convert_at(rest, depth + 1)),
                    )),
                };
                let required = usize::try_from(min).map_or(items.len(), |min| min.min(items.len()));
                TsType::Tuple(types, required, rest)
            }
            item => {
                let item = item.map_or_else(TsType::unknown, |item| self.convert_at(item, depth + 1));
                // A type that is repeated is a name, so that nested arrays stay short.
                let is_short = matches!(item, TsType::Name(_)) && (1..=MAX_TUPLE).contains(&min);
                if is_short && max == Some(min) {
                    let items: Vec<_> = (0..min).map(|_| item.clone()).collect();
                    let required = items.len();
                    return TsType::Tuple(items, required, None);
                }
                TsType::Array(Box::new(item))
            }
        }
    }

    fn convert_object(&self, schema: &Map<String, Value>, depth: usize) -> TsType {
        let required: BTreeSet<_> = match schema.get("required") {
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
            _ => BTreeSet::new(),
        };
        let member = |(name, schema): (&String, &Value)| TsMember {
            name: name.clone(),
            is_optional: !required.contains(name.as_str()),
            description: description(schema),
            member: self.convert_at(schema, depth + 1),
        };
        let mut members: Vec<_> = match schema.get("properties") {
            Some(Value::Object(properties)) => sorted(properties).map(member).collect(),
            _ => Vec::new(),
        };
        let is_known = |name: &str| members.iter().any(|member: &TsMember| member.name == name);
        let further: Vec<_> = required
            .iter()
            .filter(|name| !is_known(name))
            .map(|name| TsMember {
                name: (*name).to_owned(),
                is_optional: false,
                description: None,
                member: TsType::unknown(),
            })
            .collect();
        members.extend(further);
        // Maps whose keys are not strings have a pattern for their keys.
        let pattern = match schema.get("patternProperties") {
            Some(Value::Object(patterns)) => sorted(patterns).next().map(|(_, schema)| schema),
            _ => None,
        };
        let others = match pattern.or_else(|| schema.get("additionalProperties")) {
            None | Some(Value::Bool(false)) => None,
            Some(others) => Some(self.convert_at(others, depth + 1)),
        };
        let others = match others {
            // The type of an index includes those of the members.
            Some(others) if !members.is_empty() => {
                let mut options = vec![(None, others)];
                options.extend(members.iter().map(|member| (None, member.member.clone())));
                if members.iter().any(|member| member.is_optional) {
                    options.push((None, TsType::name("undefined")));
                }
                Some(TsType::union(options))
            }
            None if members.is_empty() => Some(TsType::unknown()),
            others => others,
        };
        TsType::Object(members, others.map(Box::new))
    }
}

/// Returns members in the order of their names, also if `serde_json` keeps another one.
pub(super) fn sorted(members: &Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    members.iter().collect::<BTreeMap<_, _>>().into_iter()
}

/// Returns the documentation of a schema.
pub(super) fn description(schema: &JsonSchema) -> Option<String> {
    let text = schema.get("description").and_then(Value::as_str).unwrap_or_default();
    let is_deprecated = schema.get("deprecated") == Some(&Value::Bool(true));
    match (text.trim(), is_deprecated) {
        ("", false) => None,
        ("", true) => Some("@deprecated".to_owned()),
        (text, false) => Some(text.to_owned()),
        (text, true) => Some(format!("{text}\n\n@deprecated")),
    }
}

/// Returns the type of one value.
fn literal(value: &Value) -> TsType {
    match value {
        Value::Array(items) => TsType::Tuple(items.iter().map(literal).collect(), items.len(), None),
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| TsMember {
                name: name.clone(),
                is_optional: false,
                description: None,
                member: literal(value),
            };
            TsType::Object(sorted(members).map(member).collect(), None)
        }
        value => TsType::Name(value.to_string()),
    }
}
