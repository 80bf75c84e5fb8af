use serde_json::json;

use super::*;

#[track_caller]
fn check(sub: Value, sup: Value, expect: Option<&str>) {
    let none = NamedSchemas::new();
    let found = misfit((&sub, &none), (&sup, &none));
    match (&found, expect) {
        (None, None) => {}
        (Some(why), Some(expect)) if why.contains(expect) => {}
        _ => panic!("{sub} in {sup}: {found:?}, not {expect:?}"),
    }
}

#[track_caller]
fn fits(sub: Value, sup: Value) {
    check(sub, sup, None);
}

#[test]
fn types() {
    fits(json!({ "type": "string" }), json!({}));
    fits(json!({ "type": "string" }), json!({ "type": ["string", "null"], "description": "text" }));
    fits(json!({ "type": "integer" }), json!({ "type": "number" }));
    check(json!({ "type": "number" }), json!({ "type": "integer" }), Some("type number is not taken"));
    check(json!({ "type": ["string", "null"] }), json!({ "type": "string" }), Some("type null"));
    check(json!({}), json!({ "type": "string" }), Some("is not taken"));
    check(json!(true), json!({ "type": "string" }), Some("is not taken"));
    check(json!({}), json!(false), Some("no value"));
    fits(json!(false), json!({ "type": "string" }));
}

#[test]
fn numbers_and_formats() {
    let integer = |format: &str| json!({ "type": "integer", "format": format });
    fits(integer("int32"), integer("int64"));
    check(integer("int64"), integer("int32"), Some("the format"));
    fits(integer("uint8"), integer("int16"));
    check(integer("int8"), integer("uint8"), Some("the format"));
    check(json!({ "type": "integer" }), integer("int64"), Some("the format"));
    fits(integer("int64"), json!({ "type": "integer" }));
    fits(integer("uint8"), json!({ "type": "integer", "minimum": 0, "maximum": 255 }));
    check(integer("uint16"), json!({ "type": "integer", "maximum": 255 }), Some("`maximum` is 255"));
    fits(json!({ "type": "integer", "minimum": 1 }), json!({ "type": "integer", "minimum": 0 }));
    check(json!({ "type": "integer" }), json!({ "type": "integer", "minimum": 0 }), Some("`minimum` is 0"));
    check(
        json!({ "type": "string", "maxLength": 9 }),
        json!({ "type": "string", "maxLength": 8 }),
        Some("maxLength"),
    );
    fits(json!({ "type": "number", "format": "float" }), json!({ "type": "number", "format": "double" }));
    let optional = json!({ "type": ["integer", "null"], "format": "uint8", "minimum": 0 });
    fits(json!({ "type": "null" }), optional.clone());
    check(json!({ "type": ["integer", "null"] }), optional, Some("`minimum`"));
    fits(integer("uint64"), integer("int128"));
    check(integer("int128"), integer("int64"), Some("the format"));
    check(
        json!({ "type": "string", "format": "uri" }),
        json!({ "type": "string", "format": "uuid" }),
        Some("format"),
    );
}

#[test]
fn values() {
    fits(json!({ "enum": ["a"] }), json!({ "enum": ["a", "b"] }));
    fits(json!({ "const": "a" }), json!({ "type": "string" }));
    check(json!({ "enum": ["a", "b"] }), json!({ "enum": ["a"] }), Some("\"b\" is not known"));
    check(json!({ "type": "string" }), json!({ "enum": ["a"] }), Some("only some values"));
    check(json!({ "const": 1 }), json!({ "type": "string" }), Some("another type"));
    check(json!({ "const": "aa" }), json!({ "type": "string", "maxLength": 1 }), Some("with types only"));
}

#[test]
fn alternatives() {
    let either = json!({ "anyOf": [{ "type": "string" }, { "type": "integer" }] });
    fits(json!({ "type": "integer" }), either.clone());
    fits(json!({ "type": ["integer", "string"] }), either.clone());
    check(either.clone(), json!({ "type": "integer" }), Some("type string"));
    check(json!({ "type": "null" }), either.clone(), Some("none of the alternatives"));
    fits(
        either.clone(),
        json!({ "oneOf": [{ "type": "integer" }, { "type": "string" }, { "type": "null" }] }),
    );
    fits(json!({ "allOf": [{ "type": "string" }] }), json!({ "allOf": [{ "type": ["string", "null"] }] }));
    // The keywords beside alternatives hold for each.
    let tagged = json!({ "type": "object", "required": ["id"], "properties": { "id": { "type": "integer" } },
                         "oneOf": [{ "properties": { "a": { "const": 1 } }, "required": ["a"] }] });
    fits(tagged.clone(), json!({ "type": "object", "required": ["a", "id"] }));
    check(tagged, json!({ "type": "object", "required": ["b"] }), Some("`b` is needed"));
}

#[test]
fn members() {
    let object = |members: Value, required: Value| json!({ "type": "object", "properties": members, "required": required });
    let a = || json!({ "a": { "type": "integer" } });
    // The first schema writes no member that it does not name.
    fits(
        object(a(), json!(["a"])),
        object(json!({ "a": { "type": "number" }, "b": { "type": "string" } }), json!(["a"])),
    );
    fits(object(json!({ "a": {}, "b": {} }), json!(["a"])), object(json!({ "a": {} }), json!([])));
    check(object(a(), json!([])), object(a(), json!(["a"])), Some("`a` is needed, and may be missing"));
    check(
        object(a(), json!([])),
        object(json!({ "a": { "type": "string" } }), json!([])),
        Some("member `a`"),
    );
    let closed = json!({ "type": "object", "additionalProperties": false });
    check(object(a(), json!([])), closed, Some("`a` is not taken"));
    let map = |of: &str| json!({ "type": "object", "additionalProperties": { "type": of } });
    fits(map("integer"), map("number"));
    check(map("number"), map("integer"), Some("other members"));
    check(map("string"), object(a(), json!([])), Some("member `a`"));
    fits(object(a(), json!([])), map("integer"));
}

/// The schema of a map whose keys are numbers.
#[test]
fn members_of_a_pattern() {
    let map = |pattern: &str, of: Value| json!({ "type": "object", "patternProperties": { pattern: of }, "additionalProperties": false });
    let (digits, signed) = (r"^\d+$", r"^-?\d+$");
    let (integer, number, string) =
        (json!({ "type": "integer" }), json!({ "type": "number" }), json!({ "type": "string" }));
    let any_name = |of: &Value| json!({ "type": "object", "additionalProperties": of });
    fits(map(digits, integer.clone()), map(digits, number.clone()));
    check(map(digits, number.clone()), map(digits, integer.clone()), Some("other members"));
    fits(map(digits, integer.clone()), any_name(&number));
    check(map(digits, string), any_name(&integer), Some("other members"));
    check(any_name(&integer), map(digits, integer.clone()), Some("other members"));
    check(map(digits, integer.clone()), map(signed, integer.clone()), Some("other members"));
    check(
        json!({ "type": "object", "properties": { "1": number } }),
        json!({ "type": "object", "patternProperties": { digits: integer } }),
        Some("member `1`"),
    );
    check(json!({}), json!({ "properties": { "a": integer } }), Some("is not taken"));
}

#[test]
fn elements() {
    let list = |of: Value| json!({ "type": "array", "items": of });
    let pair = |a: &str, b: &str| json!({ "type": "array", "items": [{ "type": a }, { "type": b }], "minItems": 2, "maxItems": 2 });
    fits(list(json!({ "type": "integer" })), list(json!({ "type": "number" })));
    fits(list(json!({ "type": "integer" })), json!({ "type": "array" }));
    check(json!({ "type": "array" }), list(json!({ "type": "integer" })), Some("element"));
    fits(pair("integer", "string"), pair("number", "string"));
    check(pair("number", "string"), pair("integer", "string"), Some("element 0"));
    fits(pair("integer", "integer"), list(json!({ "type": "integer" })));
    check(pair("integer", "string"), list(json!({ "type": "integer" })), Some("element"));
    check(list(json!({ "type": "integer" })), pair("integer", "integer"), Some("minItems"));
    check(
        json!({ "type": "array", "items": [{ "type": "integer" }] }),
        json!({ "type": "array", "items": [{ "type": "integer" }], "additionalItems": { "type": "string" } }),
        Some("is not taken"),
    );
}

/// A keyword that no rule covers has to be equal.
#[test]
fn unknown_keywords_differ() {
    let pattern = |text: &str| json!({ "type": "string", "pattern": text });
    fits(pattern("a"), pattern("a"));
    fits(pattern("a"), json!({ "type": "string" }));
    check(pattern("aa"), pattern("a"), Some("the keyword `pattern`"));
    check(json!({ "type": "string" }), pattern("a"), Some("the keyword `pattern`"));
    check(json!({ "type": "string" }), json!({ "not": { "const": "a" } }), Some("the keyword `not`"));
    // The same reference may lead to another type.
    let of = |ty: &str| NamedSchemas::from([("A".to_owned(), json!({ "type": ty }))]);
    let schema = json!({ "type": "object", "propertyNames": { "$ref": "#/schemas/A" } });
    let found = misfit((&schema, &of("string")), (&schema, &of("integer")));
    assert!(found.is_some_and(|why| why.contains("the keyword `propertyNames`")));
    assert_eq!(misfit((&schema, &of("string")), (&schema, &of("string"))), None);
    let map = json!({ "type": "object", "patternProperties": { "^\\d+$": { "$ref": "#/schemas/A" } } });
    let found = misfit((&map, &of("string")), (&map, &of("integer")));
    assert!(found.is_some_and(|why| why.contains("type string is not taken")));
}

/// A type that is one of its own alternatives adds no values to the others.
#[test]
fn types_of_themselves_end() {
    let of = |schema: Value| NamedSchemas::from([("A".to_owned(), schema)]);
    let a = json!({ "$ref": "#/schemas/A" });
    let integer = json!({ "type": "integer" });
    let (loose, text) = (of(json!({ "anyOf": [a, { "type": "string" }] })), of(json!({ "type": "string" })));
    assert!(misfit((&integer, &loose), (&a, &loose)).is_some());
    assert_eq!(misfit((&a, &loose), (&a, &loose)), None);
    assert_eq!(misfit((&a, &text), (&a, &loose)), None);
    for cycle in [json!({ "allOf": [a] }), a.clone(), json!({ "anyOf": [a] })] {
        let cycle = of(cycle);
        assert!(misfit((&integer, &cycle), (&a, &cycle)).is_some(), "{cycle:?}");
        assert!(misfit((&a, &cycle), (&a, &text)).is_some(), "{cycle:?}");
    }
}

/// A comment at one variant of an enum makes alternatives of its values, and a comment at a member makes a part of its
/// reference.
#[test]
fn comments_change_no_values() {
    let plain = json!({ "type": "string", "enum": ["a", "b", "c"] });
    let commented = json!({ "oneOf": [
        { "type": "string", "enum": ["a", "c"] }, { "type": "string", "const": "b", "description": "B." },
    ] });
    fits(plain.clone(), commented.clone());
    fits(commented.clone(), plain);
    check(json!({ "enum": ["a", "d"] }), commented, Some("none of the alternatives"));
    let tree = |next: Value| {
        NamedSchemas::from([("Tree".to_owned(), json!({ "type": "object", "properties": { "next": next } }))])
    };
    let a = json!({ "$ref": "#/schemas/Tree" });
    let (plain, commented) = (tree(a.clone()), tree(json!({ "allOf": [a], "description": "The next." })));
    assert_eq!(misfit((&a, &plain), (&a, &commented)), None);
    assert_eq!(misfit((&a, &commented), (&a, &plain)), None);
}

#[test]
fn references() {
    let list = |of: &str| {
        let next = json!({ "anyOf": [{ "$ref": "#/schemas/List" }, { "type": "null" }] });
        let value = json!({ "type": "object", "properties": { "value": { "type": of }, "next": next }, "required": ["value"] });
        NamedSchemas::from([("List".to_owned(), value)])
    };
    let (reference, integer, number) = (json!({ "$ref": "#/schemas/List" }), list("integer"), list("number"));
    assert_eq!(misfit((&reference, &integer), (&reference, &number)), None);
    assert!(misfit((&reference, &number), (&reference, &integer)).unwrap().contains("member `next`"));
    let lost = json!({ "$ref": "#/schemas/Lost" });
    assert!(misfit((&lost, &integer), (&lost, &integer)).unwrap().contains("leads nowhere"));
    assert!(misfit((&reference, &integer), (&json!({}), &integer)).is_none());
}
