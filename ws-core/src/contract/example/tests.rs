//! Examples of schemas. Each is checked by a validator.

use std::collections::BTreeMap;

use schemars::JsonSchema as Schema;
use serde_json::{Value, json};

use super::example;

/// Returns the example of a schema in a document with named schemas, after a check.
#[track_caller]
fn valid(schema: &Value, schemas: &Value) -> Option<Value> {
    let named: BTreeMap<String, Value> = serde_json::from_value(schemas.clone()).unwrap();
    let value = example(schema, &named)?;
    let document = json!({ "$schema": "http://json-schema.org/draft-07/schema#", "allOf": [schema], "schemas": schemas });
    let validator = jsonschema::options().should_validate_formats(true).build(&document).unwrap();
    if let Err(error) = validator.validate(&value) {
        panic!("{value} is not an example of {schema}: {error}");
    }
    assert_eq!(example(schema, &named), Some(value.clone()), "another one the second time");
    Some(value)
}

#[track_caller]
fn check(schema: &Value, expect: &Value) {
    assert_eq!(valid(schema, &json!({})).as_ref(), Some(expect), "{schema}");
}

#[track_caller]
fn check_none(schema: &Value) {
    assert_eq!(valid(schema, &json!({})), None, "{schema}");
}

#[test]
fn declared_values_come_first() {
    check(&json!({ "type": "string", "examples": ["AAPL", "MSFT"] }), &json!("AAPL"));
    check(&json!({ "type": "string", "pattern": "^[A-Z]+$", "examples": ["AAPL"] }), &json!("AAPL"));
    check(&json!({ "const": 7 }), &json!(7));
    check(&json!({ "type": "integer", "default": 20 }), &json!(20));
    check(&json!({ "type": ["integer", "null"], "default": null }), &json!(1));
    check(&json!({ "enum": [null, "buy", "sell"] }), &json!("buy"));
}

#[test]
fn numbers_are_within_their_bounds() {
    let integer = |bounds: Value, expect: i64| {
        let mut schema = bounds;
        schema["type"] = "integer".into();
        check(&schema, &json!(expect));
    };
    integer(json!({}), 1);
    integer(json!({ "minimum": 0, "maximum": 255 }), 1);
    integer(json!({ "minimum": 10 }), 10);
    integer(json!({ "maximum": -5 }), -5);
    integer(json!({ "exclusiveMinimum": 1, "exclusiveMaximum": 3 }), 2);
    integer(json!({ "minimum": 2.5 }), 3);
    integer(json!({ "multipleOf": 4 }), 4);
    integer(json!({ "minimum": -3, "maximum": 0, "multipleOf": 5 }), 0);
    check(&json!({ "type": "integer", "minimum": u64::MAX }), &json!(u64::MAX));
    check(&json!({ "type": "integer", "minimum": i64::MIN, "maximum": i64::MIN }), &json!(i64::MIN));
    check_none(&json!({ "type": "integer", "minimum": 3, "maximum": 2 }));
    check_none(&json!({ "type": "integer", "minimum": 1, "maximum": 3, "multipleOf": 5 }));
    check_none(&json!({ "type": "integer", "minimum": 1e300 }));

    check(&json!({ "type": "number" }), &json!(1.5));
    check(&json!({ "type": "number", "minimum": 0, "maximum": 1 }), &json!(0.0));
    check(&json!({ "type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1 }), &json!(0.5));
    check(&json!({ "type": "number", "exclusiveMaximum": -1 }), &json!(-2.0));
    check_none(&json!({ "type": "number", "minimum": 3, "exclusiveMaximum": 3 }));
}

#[test]
fn texts_have_their_length_and_format() {
    check(&json!({ "type": "string" }), &json!("string"));
    check(&json!({ "type": "string", "maxLength": 3 }), &json!("str"));
    check(&json!({ "type": "string", "minLength": 8 }), &json!("stringst"));
    check(&json!({ "type": "string", "minLength": 1, "maxLength": 1, "format": "char" }), &json!("a"));
    let formats = [
        "date-time",
        "date",
        "time",
        "duration",
        "email",
        "idn-email",
        "hostname",
        "idn-hostname",
        "ipv4",
        "ipv6",
        "uri",
        "iri",
        "uri-reference",
        "iri-reference",
        "uuid",
        "json-pointer",
        "regex",
        "a format of one's own",
    ];
    for format in formats {
        assert!(valid(&json!({ "type": "string", "format": format }), &json!({})).is_some(), "{format}");
    }
    check_none(&json!({ "type": "string", "format": "uuid", "maxLength": 8 }));
    check_none(&json!({ "type": "string", "pattern": "^[A-Z]+$" }));
    check_none(&json!({ "type": "string", "minLength": u32::MAX }));
}

#[test]
fn lists_have_their_items() {
    check(&json!({ "type": "array", "items": { "type": "boolean" } }), &json!([true]));
    check(&json!({ "type": "array", "items": true, "minItems": 2 }), &json!([{}, {}]));
    check(&json!({ "type": "array", "items": true, "maxItems": 0 }), &json!([]));
    check(&json!({ "type": "array", "items": false }), &json!([]));
    let pair = json!([{ "type": "integer" }, { "type": "string" }]);
    check(&json!({ "type": "array", "items": pair, "minItems": 2, "maxItems": 2 }), &json!([1, "string"]));
    check_none(
        &json!({ "type": "array", "items": { "type": "integer" }, "minItems": 2, "uniqueItems": true }),
    );
    check_none(&json!({ "type": "array", "items": true, "minItems": u32::MAX }));
}

#[test]
fn objects_have_their_members() {
    let properties = json!({ "a": { "type": "integer" }, "b": { "type": ["string", "null"] }, "c": false });
    check(
        &json!({ "type": "object", "properties": properties, "required": ["a"] }),
        &json!({ "a": 1, "b": "string" }),
    );
    check(
        &json!({ "type": "object", "properties": properties, "required": ["b"], "maxProperties": 1 }),
        &json!({ "b": "string" }),
    );
    check_none(&json!({ "type": "object", "properties": properties, "required": ["c"] }));
    check_none(&json!({ "type": "object", "required": ["unknown"] }));
    check(&json!({ "type": "object", "additionalProperties": { "type": "integer" } }), &json!({ "key1": 1 }));
    check(
        &json!({ "type": "object", "additionalProperties": true, "minProperties": 2 }),
        &json!({ "key1": {}, "key2": {} }),
    );
    check(
        &json!({ "type": "object", "patternProperties": { r"^\d+$": { "type": "boolean" } }, "additionalProperties": false }),
        &json!({ "1": true }),
    );
    check(&json!({ "type": "object", "additionalProperties": false }), &json!({}));
}

#[test]
fn parts_and_alternatives_are_one_value() {
    let a = json!({ "type": "object", "properties": { "a": { "const": 1 } }, "required": ["a"] });
    let b = json!({ "type": "object", "properties": { "b": { "const": 2 } }, "required": ["b"] });
    check(&json!({ "allOf": [a, b] }), &json!({ "a": 1, "b": 2 }));
    check(&json!({ "anyOf": [{ "type": "null" }, b] }), &json!({ "b": 2 }));
    check(&json!({ "oneOf": [false, { "type": "null" }] }), &json!(null));
    let with_own = json!({ "type": "object", "properties": { "id": { "const": 3 } }, "oneOf": [a, b] });
    check(&with_own, &json!({ "a": 1, "id": 3 }));
    check(&json!({ "description": "Any.", "allOf": [{ "type": "integer" }] }), &json!(1));
    check(&json!(true), &json!({}));
    check_none(&json!({ "not": { "type": "integer" } }));
}

#[test]
fn types_that_contain_themselves_end() {
    let tree = json!({ "Tree": {
        "type": "object",
        "properties": { "children": { "type": "array", "items": { "$ref": "#/schemas/Tree" } }, "next": { "$ref": "#/schemas/Tree" } },
        "required": ["children"],
    } });
    let example = valid(&json!({ "$ref": "#/schemas/Tree" }), &tree);
    assert_eq!(example, Some(json!({ "children": [] })));

    let sum = json!({ "Sum": { "oneOf": [
        { "type": "array", "items": [{ "$ref": "#/schemas/Sum" }, { "$ref": "#/schemas/Sum" }], "minItems": 2 },
        { "type": "integer" },
    ] } });
    assert_eq!(valid(&json!({ "$ref": "#/schemas/Sum" }), &sum), Some(json!(1)));

    let endless = json!({ "Endless": { "type": "object", "properties": { "next": { "$ref": "#/schemas/Endless" } }, "required": ["next"] } });
    assert_eq!(valid(&json!({ "$ref": "#/schemas/Endless" }), &endless), None);
    assert_eq!(valid(&json!({ "$ref": "#/schemas/Missing" }), &json!({})), None);
}

/// Returns schemas of which each contains the next one twice.
fn doubling(depth: usize, are_required: bool) -> Value {
    let mut schemas = json!({ format!("S{depth}"): { "type": "integer" } });
    for index in 0..depth {
        let next = json!({ "$ref": format!("#/schemas/S{}", index + 1) });
        let required = if are_required { json!(["a", "b"]) } else { json!([]) };
        schemas[format!("S{index}")] =
            json!({ "type": "object", "properties": { "a": next, "b": next }, "required": required });
    }
    schemas
}

#[test]
fn size_and_depth_have_bounds() {
    assert_eq!(valid(&json!({ "$ref": "#/schemas/S0" }), &doubling(30, true)), None);
    let optional = valid(&json!({ "$ref": "#/schemas/S0" }), &doubling(30, false)).unwrap();
    assert!(optional.to_string().len() < 10_000, "{optional}");
    let mut deep = json!({ "type": "integer" });
    for _ in 0..100 {
        deep = json!({ "type": "array", "items": [deep], "minItems": 1 });
    }
    assert_eq!(valid(&deep, &json!({})), None);
}

/// A type with what schemars writes for serde's attributes.
#[derive(Schema)]
#[expect(dead_code, reason = "only its schema is used")]
struct Everything {
    /// A symbol.
    #[schemars(length(min = 1, max = 4))]
    symbol: String,
    side: Side,
    shape: Shape,
    tagged: Tagged,
    number: u8,
    signed: Option<i16>,
    #[schemars(range(min = 10, max = 20))]
    percent: f32,
    letter: char,
    pair: (u8, String),
    counts: BTreeMap<u32, f64>,
    names: BTreeMap<String, Vec<u16>>,
    unit: (),
    #[serde(default)]
    is_final: bool,
    nested: Option<Box<Everything>>,
    any: Value,
    #[serde(flatten)]
    rest: Rest,
}

#[derive(Schema)]
#[expect(dead_code, reason = "only its schema is used")]
struct Rest {
    note: String,
}

#[derive(Schema)]
#[expect(dead_code, reason = "only its schema is used")]
enum Side {
    /// Buys.
    Buy,
    Sell,
}

#[derive(Schema)]
#[expect(dead_code, reason = "only its schema is used")]
enum Shape {
    Circle { radius: f64 },
    Line(u8, u8),
    Nothing,
}

#[derive(Schema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[expect(dead_code, reason = "only its schema is used")]
enum Tagged {
    First { id: u64 },
    Second(Rest),
}

#[test]
fn types_of_serde_have_examples() {
    let settings = schemars::generate::SchemaSettings::draft07()
        .with(|settings| settings.definitions_path = "/schemas".into());
    let mut schema = settings.into_generator().into_root_schema_for::<Everything>().to_value();
    let schemas = schema.as_object_mut().unwrap().remove("schemas").unwrap();
    let value = valid(&schema, &schemas).unwrap();
    assert_eq!(value["symbol"], "stri");
    assert_eq!(value["side"], "Sell", "schemars has variants without documentation first");
    assert_eq!(value["shape"], "Nothing");
    assert_eq!(value["tagged"], json!({ "type": "first", "id": 1 }));
    assert_eq!(value["percent"], 10.0);
    assert_eq!((&value["counts"], &value["note"]), (&json!({ "1": 1.5 }), &json!("string")));
}
