//! Whether all values of one JSON Schema are values of another.
//!
//! The answer is yes only if a rule here proves it: a keyword without a rule must be equal in both. Members that the
//! first schema does not name do not occur, because serde writes none. `oneOf` is read like `anyOf`, because the
//! alternatives of schemars exclude each other.

mod scalars;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::contract_model::JsonSchema;
use scalars::{bounds_fit, format_fits, types, types_fit, values_fit};

type NamedSchemas = BTreeMap<String, JsonSchema>;

/// Keywords that do not change which values are valid.
const ANNOTATIONS: [&str; 9] = [
    "title",
    "description",
    "default",
    "examples",
    "$schema",
    "$comment",
    "deprecated",
    "readOnly",
    "writeOnly",
];

/// Keywords with a rule, for all types.
const RULED: [&str; 23] = [
    "$ref",
    "allOf",
    "anyOf",
    "oneOf",
    "enum",
    "const",
    "type",
    "format",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "items",
    "additionalItems",
    "minItems",
    "maxItems",
    "properties",
    "required",
    "additionalProperties",
    "minProperties",
    "maxProperties",
    "exclusiveMinimum",
    "exclusiveMaximum",
];

/// Returns why a value of `sub` may not be one of `sup`; `None` if each is one.
pub(super) fn misfit(
    (sub, part_schemas): (&JsonSchema, &NamedSchemas),
    (sup, whole_schemas): (&JsonSchema, &NamedSchemas),
) -> Option<String> {
    let mut fit = Fit { part_schemas, whole_schemas, assumed: BTreeSet::new() };
    fit.fits(sub, sup).err()
}

/// Returns whether two schemas differ in more than annotations, themselves or in what they refer to.
pub(super) fn differs(
    (old, old_schemas): (&JsonSchema, &NamedSchemas),
    (new, new_schemas): (&JsonSchema, &NamedSchemas),
) -> bool {
    let all = |schemas: &NamedSchemas| {
        schemas.iter().map(|(name, schema)| (name.clone(), plain(schema, false))).collect::<NamedSchemas>()
    };
    plain(old, false) != plain(new, false)
        || (new.to_string().contains("\"$ref\"") && all(old_schemas) != all(new_schemas))
}

/// Returns a schema without annotations. The names of members are not keywords.
fn plain(schema: &JsonSchema, are_members: bool) -> JsonSchema {
    match schema {
        Value::Array(items) => items.iter().map(|item| plain(item, false)).collect(),
        Value::Object(members) => members
            .iter()
            .filter(|(name, _)| are_members || !ANNOTATIONS.contains(&&***name))
            .map(|(name, member)| (name.clone(), plain(member, !are_members && name == "properties")))
            .collect(),
        other => other.clone(),
    }
}

struct Fit<'a> {
    part_schemas: &'a NamedSchemas,
    whole_schemas: &'a NamedSchemas,
    /// Pairs of schemas with a reference that are compared already, because types may refer to themselves.
    assumed: BTreeSet<(String, String)>,
}

impl Fit<'_> {
    fn fits(&mut self, sub: &JsonSchema, sup: &JsonSchema) -> Result<(), String> {
        let (part_name, whole_name) = (reference(sub), reference(sup));
        if part_name.is_some() || whole_name.is_some() {
            if !self.assumed.insert((sub.to_string(), sup.to_string())) {
                return Ok(());
            }
            let sub = resolve(sub, part_name, self.part_schemas)?;
            let sup = resolve(sup, whole_name, self.whole_schemas)?;
            return self.fits(sub, sup);
        }
        let empty = Map::new();
        let sup = match sup {
            Value::Bool(true) => return Ok(()),
            Value::Object(sup) => sup,
            _ => return Err("no value is valid".into()),
        };
        let sub = match sub {
            Value::Bool(false) => return Ok(()),
            Value::Object(sub) => sub,
            _ => &empty,
        };
        for (name, value) in sup {
            let is_known = RULED.contains(&&**name) || ANNOTATIONS.contains(&&**name);
            if !is_known && sub.get(name) != Some(value) {
                return Err(format!("the keyword `{name}` of the schema differs"));
            }
        }
        // Alternatives of the first schema: each has to fit.
        for keyword in ["anyOf", "oneOf"] {
            if let Some(alternatives) = list(sub, keyword) {
                return alternatives.iter().try_for_each(|one| {
                    self.fits(&with_rest(sub, keyword, one), &Value::Object(sup.clone()))
                });
            }
        }
        if let Some(parts) = list(sub, "allOf") {
            return self.fits(&merged(sub, parts, self.part_schemas)?, &Value::Object(sup.clone()));
        }
        if let Some(parts) = list(sup, "allOf") {
            parts.iter().try_for_each(|part| self.fits(&Value::Object(sub.clone()), part))?;
        }
        for keyword in ["anyOf", "oneOf"] {
            if let Some(alternatives) = list(sup, keyword) {
                self.fits_one(sub, alternatives)?;
            }
        }
        values_fit(sub, sup)?;
        if sub.contains_key("const") || sub.contains_key("enum") {
            // The values themselves are compared.
            return Ok(());
        }
        types_fit(sub, sup)?;
        bounds_fit(sub, sup)?;
        format_fits(sub, sup)?;
        let types = types(sub);
        if types.contains("array") {
            self.items_fit(sub, sup)?;
        }
        if types.contains("object") {
            self.members_fit(sub, sup)?;
        }
        Ok(())
    }

    /// Checks whether one of several alternatives takes all values. A type at a time, because `["string", "null"]` may
    /// fit into two alternatives.
    fn fits_one(&mut self, sub: &Map<String, Value>, alternatives: &[Value]) -> Result<(), String> {
        let mut last = String::from("no alternative takes it");
        let sub_types = match sub.get("type") {
            Some(Value::Array(types)) => types.clone(),
            _ => Vec::new(),
        };
        if sub_types.len() > 1 && !sub.contains_key("enum") {
            return sub_types.into_iter().try_for_each(|ty| {
                let mut one = sub.clone();
                one.insert("type".into(), ty);
                self.fits_one(&one, alternatives)
            });
        }
        for alternative in alternatives {
            let before = self.assumed.clone();
            match self.fits(&Value::Object(sub.clone()), alternative) {
                Ok(()) => return Ok(()),
                Err(why) => {
                    self.assumed = before;
                    last = why;
                }
            }
        }
        if alternatives.len() > 1 { Err("none of the alternatives takes it".into()) } else { Err(last) }
    }

    fn items_fit(&mut self, sub: &Map<String, Value>, sup: &Map<String, Value>) -> Result<(), String> {
        let more =
            |schema: &Map<String, Value>| schema.get("additionalItems").cloned().unwrap_or(Value::Bool(true));
        match (sub.get("items"), sup.get("items")) {
            (_, None) => Ok(()),
            (Some(Value::Array(a)), Some(Value::Array(b))) => {
                for (index, item) in a.iter().enumerate() {
                    let other = b.get(index).cloned().unwrap_or_else(|| more(sup));
                    self.fits(item, &other).map_err(|why| format!("element {index}: {why}"))?;
                }
                // Elements beyond those of the first schema.
                let is_closed =
                    sub.get("maxItems").and_then(Value::as_u64).is_some_and(|max| max <= a.len() as u64);
                if is_closed {
                    return Ok(());
                }
                let rest: Vec<_> = b.iter().skip(a.len()).cloned().chain([more(sup)]).collect();
                rest.iter().try_for_each(|other| self.fits(&more(sub), other))
            }
            (Some(Value::Array(a)), Some(b)) => {
                let is_closed =
                    sub.get("maxItems").and_then(Value::as_u64).is_some_and(|max| max <= a.len() as u64);
                let rest = (!is_closed).then(|| more(sub));
                a.iter()
                    .chain(&rest)
                    .try_for_each(|item| self.fits(item, b))
                    .map_err(|why| format!("element: {why}"))
            }
            (Some(a), Some(Value::Array(b))) => {
                let rest = [more(sup)];
                b.iter()
                    .chain(&rest)
                    .try_for_each(|item| self.fits(a, item))
                    .map_err(|why| format!("element: {why}"))
            }
            (a, Some(b)) => {
                let any = Value::Bool(true);
                self.fits(a.unwrap_or(&any), b).map_err(|why| format!("element: {why}"))
            }
        }
    }

    fn members_fit(&mut self, sub: &Map<String, Value>, sup: &Map<String, Value>) -> Result<(), String> {
        let empty = Map::new();
        let members =
            |schema: &'_ Map<String, Value>| schema.get("properties").and_then(Value::as_object).cloned();
        let (part_members, whole_members) =
            (members(sub).unwrap_or_else(|| empty.clone()), members(sup).unwrap_or(empty));
        let other = sup.get("additionalProperties").cloned().unwrap_or(Value::Bool(true));
        for (name, schema) in &part_members {
            let target = whole_members.get(name).unwrap_or(&other);
            if *target == Value::Bool(false) {
                return Err(format!("the member `{name}` is not taken"));
            }
            self.fits(schema, target).map_err(|why| format!("member `{name}`: {why}"))?;
        }
        // A map has members of any name.
        if let Some(rest) = sub.get("additionalProperties").filter(|rest| **rest != Value::Bool(false)) {
            self.fits(rest, &other).map_err(|why| format!("other members: {why}"))?;
            for (name, schema) in whole_members.iter().filter(|(name, _)| !part_members.contains_key(*name)) {
                self.fits(rest, schema).map_err(|why| format!("member `{name}`: {why}"))?;
            }
        }
        let (has, needs) = (names(sub), names(sup));
        match needs.difference(&has).next() {
            Some(name) => Err(format!("the member `{name}` is needed, and may be missing")),
            None => Ok(()),
        }
    }
}

fn reference(schema: &JsonSchema) -> Option<&str> {
    schema.get("$ref").and_then(Value::as_str)
}

fn resolve<'s>(
    schema: &'s JsonSchema,
    name: Option<&str>,
    schemas: &'s NamedSchemas,
) -> Result<&'s JsonSchema, String> {
    let Some(name) = name else { return Ok(schema) };
    // A reference has no keywords beside it in draft 7.
    let found = name.strip_prefix("#/schemas/").and_then(|name| schemas.get(name));
    found.ok_or_else(|| format!("the reference `{name}` leads nowhere"))
}

fn list<'s>(schema: &'s Map<String, Value>, keyword: &str) -> Option<&'s Vec<Value>> {
    schema.get(keyword).and_then(Value::as_array)
}

/// Returns the names of the required members.
fn names(schema: &Map<String, Value>) -> BTreeSet<String> {
    let names = list(schema, "required").into_iter().flatten();
    names.filter_map(Value::as_str).map(ToOwned::to_owned).collect()
}

/// Returns one alternative together with the keywords beside the alternatives.
fn with_rest(schema: &Map<String, Value>, keyword: &str, one: &Value) -> Value {
    let mut rest = schema.clone();
    rest.remove(keyword);
    rest.retain(|name, _| !ANNOTATIONS.contains(&&**name));
    if rest.is_empty() {
        return one.clone();
    }
    rest.insert("allOf".into(), Value::Array(vec![one.clone()]));
    Value::Object(rest)
}

/// Returns a schema with the keywords of its `allOf`. Keywords that occur twice are taken from one of both, which can
/// only allow more values; but `properties` and `required` are joined.
fn merged(schema: &Map<String, Value>, parts: &[Value], schemas: &NamedSchemas) -> Result<Value, String> {
    let mut whole = schema.clone();
    whole.remove("allOf");
    for part in parts {
        let part = resolve(part, reference(part), schemas)?;
        let Value::Object(part) = part else { continue };
        for (name, value) in part {
            match (whole.get_mut(name), value) {
                (Some(Value::Object(own)), Value::Object(more)) if name == "properties" => {
                    more.iter().for_each(|(name, schema)| {
                        own.entry(name.clone()).or_insert_with(|| schema.clone());
                    });
                }
                (Some(Value::Array(own)), Value::Array(more)) if matches!(&**name, "required" | "allOf") => {
                    own.extend(more.iter().cloned());
                }
                (Some(_), _) => {}
                (None, value) => {
                    whole.insert(name.clone(), value.clone());
                }
            }
        }
    }
    Ok(Value::Object(whole))
}

#[cfg(test)]
mod tests;
