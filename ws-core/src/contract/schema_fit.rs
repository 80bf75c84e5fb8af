//! Whether all values of one JSON Schema are values of another.
//!
//! The answer is yes only if a rule here proves it: a keyword without a rule must be equal in both. Members that the
//! first schema does not name do not occur, because serde writes none. `oneOf` is read like `anyOf`, because the
//! alternatives of schemars exclude each other.

mod same;
mod scalars;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Map, Value};

use crate::contract_model::JsonSchema;
pub(super) use same::{differs, refers_only_to};
use same::{plain, unchanged};
use scalars::{bounds_fit, format_fits, types, types_fit, values_fit};

type NamedSchemas = BTreeMap<String, JsonSchema>;

/// Where references to named schemas lead.
const SCHEMAS: &str = "#/schemas/";

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
const RULED: [&str; 24] = [
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
    "patternProperties",
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
    let unchanged = unchanged(part_schemas, whole_schemas);
    let mut fit =
        Fit { part_schemas, whole_schemas, unchanged, assumed: BTreeSet::new(), unguarded: BTreeSet::new() };
    fit.fits(sub, sup).err()
}

struct Fit<'a> {
    part_schemas: &'a NamedSchemas,
    whole_schemas: &'a NamedSchemas,
    /// The names of the schemas that are the same in both.
    unchanged: BTreeSet<String>,
    /// Pairs of schemas with a reference that are compared already, because types may refer to themselves.
    assumed: BTreeSet<(String, String)>,
    /// Those of the pairs that are compared without a member or an element in between. A type that is one of its own
    /// alternatives is a type of the others only.
    unguarded: BTreeSet<(String, String)>,
}

impl Fit<'_> {
    fn fits(&mut self, sub: &JsonSchema, sup: &JsonSchema) -> Result<(), String> {
        if plain(sub, false) == plain(sup, false) && refers_only_to(sub, &self.unchanged) {
            return Ok(());
        }
        let (part_name, whole_name) = (reference(sub), reference(sup));
        if part_name.is_some() || whole_name.is_some() {
            let pair = (sub.to_string(), sup.to_string());
            if self.unguarded.contains(&pair) {
                return Err("a type is one of its own alternatives".into());
            }
            if !self.assumed.insert(pair.clone()) {
                return Ok(());
            }
            let sub = resolve(sub, part_name, self.part_schemas)?;
            let sup = resolve(sup, whole_name, self.whole_schemas)?;
            self.unguarded.insert(pair.clone());
            let found = self.fits(sub, sup);
            self.unguarded.remove(&pair);
            return found;
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
            let is_same = sub.get(name) == Some(value) && refers_only_to(value, &self.unchanged);
            if !is_known && !is_same {
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

    /// Like [`fits`](Self::fits), but for the values of a member or the elements of an array.
    fn fits_inside(&mut self, sub: &JsonSchema, sup: &JsonSchema) -> Result<(), String> {
        let unguarded = std::mem::take(&mut self.unguarded);
        let found = self.fits(sub, sup);
        self.unguarded = unguarded;
        found
    }

    /// Checks whether one of several alternatives takes all values. A value or a type at a time, because
    /// `["string", "null"]` may fit into two alternatives.
    fn fits_one(&mut self, sub: &Map<String, Value>, alternatives: &[Value]) -> Result<(), String> {
        let mut last = String::from("no alternative takes it");
        if let Some(values) =
            list(sub, "enum").filter(|values| values.len() > 1 && !sub.contains_key("const"))
        {
            return values.iter().try_for_each(|value| {
                self.fits_one(&Map::from_iter([("const".to_owned(), value.clone())]), alternatives)
            });
        }
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
                    self.fits_inside(item, &other).map_err(|why| format!("element {index}: {why}"))?;
                }
                // Elements beyond those of the first schema.
                let is_closed =
                    sub.get("maxItems").and_then(Value::as_u64).is_some_and(|max| max <= a.len() as u64);
                if is_closed {
                    return Ok(());
                }
                let rest: Vec<_> = b.iter().skip(a.len()).cloned().chain([more(sup)]).collect();
                rest.iter().try_for_each(|other| self.fits_inside(&more(sub), other))
            }
            (Some(Value::Array(a)), Some(b)) => {
                let is_closed =
                    sub.get("maxItems").and_then(Value::as_u64).is_some_and(|max| max <= a.len() as u64);
                let rest = (!is_closed).then(|| more(sub));
                a.iter()
                    .chain(&rest)
                    .try_for_each(|item| self.fits_inside(item, b))
                    .map_err(|why| format!("element: {why}"))
            }
            (Some(a), Some(Value::Array(b))) => {
                let rest = [more(sup)];
                b.iter()
                    .chain(&rest)
                    .try_for_each(|item| self.fits_inside(a, item))
                    .map_err(|why| format!("element: {why}"))
            }
            (a, Some(b)) => {
                let any = Value::Bool(true);
                self.fits_inside(a.unwrap_or(&any), b).map_err(|why| format!("element: {why}"))
            }
        }
    }

    fn members_fit(&mut self, sub: &Map<String, Value>, sup: &Map<String, Value>) -> Result<(), String> {
        let members = |schema: &Map<String, Value>, keyword: &str| {
            schema.get(keyword).and_then(Value::as_object).cloned().unwrap_or_default()
        };
        let (part_members, whole_members) = (members(sub, "properties"), members(sup, "properties"));
        let (part_patterns, whole_patterns) =
            (members(sub, "patternProperties"), members(sup, "patternProperties"));
        let other = sup.get("additionalProperties").cloned().unwrap_or(Value::Bool(true));
        // A pattern of both is compared below. Names are not matched with others: each may be one of theirs.
        let patterns: Vec<_> =
            whole_patterns.iter().filter(|(pattern, _)| !part_patterns.contains_key(*pattern)).collect();
        for (name, schema) in &part_members {
            let target = whole_members.get(name).unwrap_or(&other);
            if *target == Value::Bool(false) {
                return Err(format!("the member `{name}` is not taken"));
            }
            for target in [target].into_iter().chain(patterns.iter().map(|(_, schema)| *schema)) {
                self.fits_inside(schema, target).map_err(|why| format!("member `{name}`: {why}"))?;
            }
        }
        // A map has members of any name, or of a pattern. Without any keyword, a value has all members.
        let any = Value::Bool(true);
        let is_any = ["type", "properties", "patternProperties"].iter().all(|name| !sub.contains_key(*name));
        let rest = sub.get("additionalProperties").or_else(|| is_any.then_some(&any));
        let rest = rest.filter(|rest| **rest != Value::Bool(false)).map(|rest| (None, rest));
        for (pattern, rest) in part_patterns.iter().map(|(name, rest)| (Some(name), rest)).chain(rest) {
            let same = pattern.and_then(|pattern| whole_patterns.get(pattern));
            let targets =
                [same.unwrap_or(&other)].into_iter().chain(patterns.iter().map(|(_, schema)| *schema));
            for target in targets {
                self.fits_inside(rest, target).map_err(|why| format!("other members: {why}"))?;
            }
            for (name, schema) in whole_members.iter().filter(|(name, _)| !part_members.contains_key(*name)) {
                self.fits_inside(rest, schema).map_err(|why| format!("member `{name}`: {why}"))?;
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
    let found = name.strip_prefix(SCHEMAS).and_then(|name| schemas.get(name));
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
    let mut parts: VecDeque<&Value> = parts.iter().collect();
    let mut followed = BTreeSet::new();
    while let Some(part) = parts.pop_front() {
        if let Some(name) = reference(part) {
            // The same part again adds nothing, also if it is a part of itself.
            if followed.insert(name) {
                parts.push_back(resolve(part, Some(name), schemas)?);
            }
            continue;
        }
        let Value::Object(part) = part else { continue };
        for (name, value) in part {
            match (whole.get_mut(name), value) {
                (_, Value::Array(more)) if name == "allOf" => parts.extend(more),
                (Some(Value::Object(own)), Value::Object(more)) if name == "properties" => {
                    more.iter().for_each(|(name, schema)| {
                        own.entry(name.clone()).or_insert_with(|| schema.clone());
                    });
                }
                (Some(Value::Array(own)), Value::Array(more)) if name == "required" => {
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
