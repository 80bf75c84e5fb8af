//! The JSON Schemas of types, as they are read and as they are written.

use std::collections::{BTreeMap, BTreeSet};

use percent_encoding::percent_decode_str;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema as Described, SchemaGenerator};
use serde_json::{Map, Value};

use super::JsonSchema;

/// Where references to schemas of the client's side lead until [`Schemas::merge`].
const INPUT: &str = "#/input/";
/// Where references to named schemas lead.
const SCHEMAS: &str = "#/schemas/";

/// A type with a JSON Schema: any type with schemars' `JsonSchema`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no JSON Schema, which the contract of its handler needs",
    label = "not `schemars::JsonSchema`",
    note = "add `#[derive(schemars::JsonSchema)]` to a type of your own, and `schemars = \"1\"` to Cargo.toml",
    note = "a type of another crate may have it behind a feature of schemars, or as a `#[schemars(with = \"…\")]` of the field"
)]
pub trait HasSchema {
    /// Adds the schema to those of a generator.
    #[doc(hidden)]
    fn add_to(generator: &mut SchemaGenerator) -> JsonSchema;

    /// Returns the schema itself, also if the type has a name.
    #[doc(hidden)]
    fn inline(generator: &mut SchemaGenerator) -> JsonSchema;
}

#[diagnostic::do_not_recommend]
impl<T: Described + ?Sized> HasSchema for T {
    fn add_to(generator: &mut SchemaGenerator) -> JsonSchema {
        let schema = generator.subschema_for::<T>();
        transformed(schema, generator)
    }

    fn inline(generator: &mut SchemaGenerator) -> JsonSchema {
        let schema = T::json_schema(generator);
        transformed(schema, generator)
    }
}

/// Transforms a schema into one of draft 7. The generator transforms the named schemas only.
fn transformed(mut schema: schemars::Schema, generator: &mut SchemaGenerator) -> JsonSchema {
    for transform in generator.transforms_mut() {
        transform.transform(&mut schema);
    }
    decoded(schema.to_value())
}

/// Returns a schema whose references have names as they are, with members in the order of their names. schemars encodes
/// some characters of references (RFC 6901 §6).
fn decoded(schema: Value) -> Value {
    let mut schema = sorted(schema);
    change_references(&mut schema, &|target| {
        let parts = |prefix| Some((prefix, target.strip_prefix(prefix)?));
        let (prefix, name) = parts(INPUT).or_else(|| parts(SCHEMAS))?;
        let name = percent_decode_str(name).decode_utf8().ok()?;
        Some(format!("{prefix}{}", name.replace("~1", "/").replace("~0", "~")))
    });
    schema
}

/// The schemas of one handler.
#[derive(Debug)]
pub(super) struct Schemas {
    read: SchemaGenerator,
    written: SchemaGenerator,
}

impl Schemas {
    pub(super) fn new() -> Self {
        let settings = |path: &str| {
            SchemaSettings::draft07().with(|settings| {
                settings.definitions_path =
                    path.trim_start_matches('#').trim_end_matches('/').to_owned().into();
                settings.meta_schema = None;
            })
        };
        Self {
            read: settings(INPUT).for_deserialize().into_generator(),
            written: settings(SCHEMAS).for_serialize().into_generator(),
        }
    }

    /// Returns the schema of a type as serde reads it.
    pub(super) fn read<T: HasSchema + ?Sized>(&mut self) -> JsonSchema {
        T::add_to(&mut self.read)
    }

    /// Returns the schema of a type as serde writes it.
    pub(super) fn written<T: HasSchema + ?Sized>(&mut self) -> JsonSchema {
        T::add_to(&mut self.written)
    }

    /// Like [`read`](Self::read), but not as a reference.
    pub(super) fn read_inline<T: HasSchema + ?Sized>(&mut self) -> JsonSchema {
        T::inline(&mut self.read)
    }

    /// Like [`written`](Self::written), but not as a reference.
    pub(super) fn written_inline<T: HasSchema + ?Sized>(&mut self) -> JsonSchema {
        T::inline(&mut self.written)
    }

    /// Returns the named schemas, and the names of those that are read in a way of their own.
    pub(super) fn merge(mut self) -> (BTreeMap<String, JsonSchema>, InputNames) {
        let entries = |map: Map<String, Value>| map.into_iter().map(|(name, schema)| (name, decoded(schema)));
        let read: BTreeMap<_, _> = entries(self.read.take_definitions(true)).collect();
        let mut schemas: BTreeMap<_, _> = entries(self.written.take_definitions(true)).collect();
        let names = InputNames::new(&read, &schemas);
        for (name, mut schema) in read {
            names.rename(&mut schema);
            schemas.insert(names.name(&name), schema);
        }
        (schemas, names)
    }
}

/// The names of the schemas that a client's messages refer to.
#[derive(Debug)]
pub(super) struct InputNames(BTreeMap<String, String>);

impl InputNames {
    /// Finds the schemas that differ in both directions, themselves or in what they refer to.
    fn new(read: &BTreeMap<String, Value>, written: &BTreeMap<String, Value>) -> Self {
        let differs = |name: &String, schema: &Value| {
            let mut schema = schema.clone();
            rename_references(&mut schema, &|name| Some(format!("{SCHEMAS}{name}")));
            written.get(name).is_some_and(|other| *other != schema)
        };
        let mut own: BTreeSet<&String> =
            read.iter().filter(|(name, schema)| differs(name, schema)).map(|(name, _)| name).collect();
        loop {
            let refers = |schema: &Value| {
                let found = std::cell::Cell::new(false);
                rename_references(&mut schema.clone(), &|name| {
                    found.set(found.get() || own.iter().any(|own| *own == name));
                    None
                });
                found.get()
            };
            let more: Vec<_> = read
                .iter()
                .filter(|(name, schema)| !own.contains(name) && written.contains_key(*name) && refers(schema))
                .map(|(name, _)| name)
                .collect();
            if more.is_empty() {
                break;
            }
            own.extend(more);
        }
        let mut names = BTreeMap::new();
        for name in own {
            let mut input = format!("{name}Input");
            while read.contains_key(&input) || written.contains_key(&input) {
                input.push('_');
            }
            names.insert(name.clone(), input);
        }
        Self(names)
    }

    fn name(&self, name: &str) -> String {
        self.0.get(name).map_or_else(|| name.to_owned(), Clone::clone)
    }

    /// Changes the references of the client's side into references to named schemas.
    pub(super) fn rename(&self, value: &mut Value) {
        rename_references(value, &|name| Some(format!("{SCHEMAS}{}", self.name(name))));
    }
}

/// Changes references to the client's schemas.
fn rename_references(value: &mut Value, rename: &dyn Fn(&str) -> Option<String>) {
    change_references(value, &|target| target.strip_prefix(INPUT).and_then(rename));
}

/// Changes the targets of references.
fn change_references(value: &mut Value, change: &dyn Fn(&str) -> Option<String>) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| change_references(item, change)),
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(text) if name == "$ref" => {
                        if let Some(changed) = change(text) {
                            *text = changed;
                        }
                    }
                    member => change_references(member, change),
                }
            }
        }
        _ => {}
    }
}

/// Returns a value with members in the order of their names, also if `serde_json` keeps the order of insertion.
pub(super) fn sorted(value: Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        Value::Object(members) => {
            let members: BTreeMap<_, _> = members.into_iter().collect();
            Value::Object(members.into_iter().map(|(name, member)| (name, sorted(member))).collect())
        }
        other => other,
    }
}
