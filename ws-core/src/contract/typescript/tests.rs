use std::collections::BTreeMap;

use expect_test::{expect, expect_file};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::names;
use super::schema::SchemaTypes;
use crate::contract::Contract;

/// A contract with everything that the model has.
fn everything() -> Contract {
    serde_json::from_str(include_str!("tests/everything.json")).unwrap()
}

/// Accept a difference with `UPDATE_EXPECT=1`. `clients/js` compiles the files and runs them.
#[test]
fn files_of_every_feature() {
    let files = everything().typescript();
    let names: Vec<_> = files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["board.ts", "chat.ts", "station.ts", "chat2.ts"]);
    for file in files {
        expect_file![format!("tests/{}", file.name)].assert_eq(&file.text);
    }
    for file in everything().javascript().iter().filter(|file| file.name.starts_with("board.")) {
        expect_file![format!("tests/javascript/{}", file.name)].assert_eq(&file.text);
    }
}

/// The client of the guide's chapter.
#[test]
fn file_of_the_chapter() {
    let contract: Contract = serde_json::from_str(include_str!("tests/chapter.json")).unwrap();
    expect_file!["tests/chapter/board.ts"].assert_eq(&contract.typescript()[0].text);
}

/// The handler of the chapter's first page.
mod market {
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    use crate::Messages;
    use crate::prelude::*;

    #[derive(Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only its schema is used")]
    pub(super) struct Order {
        symbol: String,
        /// How many shares.
        amount: u32,
    }

    #[derive(Serialize, Messages, JsonSchema)]
    pub(super) enum Event {
        /// A new price, in cents.
        Price { symbol: String, cents: u64 },
    }

    #[websocket(path = "/market", envelope = JsonRpc, sends = Event)]
    #[derive(Default)]
    pub(super) struct Market;

    /// Prices, and orders.
    #[websocket(contract)]
    impl Market {
        /// Returns what an order costs, in cents.
        #[on_call]
        fn order(&mut self, _order: Order) -> u64 {
            0
        }

        #[every(1s)]
        fn tick(&mut self) -> Event {
            Event::Price { symbol: "AAPL".into(), cents: 19_500 }
        }
    }
}

#[test]
fn file_of_the_first_page() {
    let contract = crate::Router::new().mount::<market::Market>().contract();
    expect_file!["tests/chapter/market.ts"].assert_eq(&contract.typescript()[0].text);
}

#[test]
fn scripts_come_with_what_they_import() {
    let files = everything().javascript();
    let imports = |text: &str| -> Vec<String> {
        let import = |line: &str| Some(line.split_once("from \"./")?.1.split('"').next()?.to_owned());
        text.replace("from\"", "from \"").split([';', '\n']).filter_map(import).collect()
    };
    let mut count = 0;
    for file in &files {
        for import in imports(&file.text) {
            assert!(files.iter().any(|other| other.name == import), "{}: {import}", file.name);
            count += 1;
        }
    }
    assert!(count >= 8 && files.len() == 12, "{count} {}", files.len());
}

#[track_caller]
fn check(schema: &Value, expected: &str) {
    let schemas = BTreeMap::from([("Known".to_owned(), json!({}))]);
    let types = SchemaTypes::new(&schemas, &mut names::reserved_types());
    assert_eq!(types.convert(schema).render(""), expected, "{schema}");
}

#[test]
fn schemas_are_types() {
    let string = json!({ "type": "string" });
    check(&json!(true), "unknown");
    check(&json!({}), "unknown");
    check(&json!(false), "never");
    check(&json!({ "type": "integer", "format": "uint64" }), "number");
    check(&json!({ "type": ["string", "null"] }), "string | null");
    check(&json!({ "type": ["integer", "number"] }), "number");
    check(&json!({ "const": "a\"b" }), r#""a\"b""#);
    check(&json!({ "enum": [1, "a", null, true] }), r#"1 | "a" | null | true"#);
    check(&json!({ "const": { "a": [1] } }), "{ a: [1] }");
    check(&json!({ "$ref": "#/schemas/Known" }), "Known");
    check(&json!({ "$ref": "#/schemas/Unknown" }), "unknown");
    check(&json!({ "type": "array", "items": string }), "string[]");
    check(&json!({ "type": "array" }), "unknown[]");
    check(&json!({ "type": "array", "items": { "type": ["string", "null"] } }), "(string | null)[]");
    check(
        &json!({ "type": "array", "items": [string, true], "minItems": 2, "maxItems": 2 }),
        "[string, unknown]",
    );
    check(
        &json!({ "type": "array", "items": [string, string], "minItems": 1, "maxItems": 2 }),
        "[string, string?]",
    );
    check(&json!({ "type": "array", "items": [string] }), "[string?, ...unknown[]]");
    check(&json!({ "type": "array", "items": string, "minItems": 2, "maxItems": 2 }), "[string, string]");
    check(&json!({ "type": "array", "items": string, "minItems": 9, "maxItems": 9 }), "string[]");
    let two = json!({ "type": "array", "items": string, "minItems": 2, "maxItems": 2 });
    check(&json!({ "type": "array", "items": two, "minItems": 2, "maxItems": 2 }), "[string, string][]");
    check(&json!({ "type": "object" }), "{ [key: string]: unknown }");
    check(&json!({ "type": "object", "additionalProperties": string }), "{ [key: string]: string }");
    check(
        &json!({ "properties": { "a": string, "in": string, "x-y": {} }, "required": ["a", "z"] }),
        r#"{ a: string; in?: string; "x-y"?: unknown; z: unknown }"#,
    );
    check(
        &json!({ "type": "object", "properties": { "a": { "type": "integer" } }, "additionalProperties": string }),
        "{ a?: number; [key: string]: string | number | undefined }",
    );
    check(&json!({ "anyOf": [{ "$ref": "#/schemas/Known" }, { "type": "null" }] }), "Known | null");
    check(&json!({ "anyOf": [string, true] }), "unknown");
    check(&json!({ "allOf": [{ "$ref": "#/schemas/Known" }], "description": "Text." }), "Known");
    check(
        &json!({
            "type": "object", "properties": { "id": string }, "required": ["id"],
            "oneOf": [{ "properties": { "t": { "const": "a" } }, "required": ["t"] }, { "$ref": "#/schemas/Known" }],
        }),
        r#"{ id: string } & ({ t: "a" } | Known)"#,
    );
    check(&json!({ "type": "later", "format": 7 }), "unknown");
}

/// A client has to write all of an address, also what the handler does not take.
#[test]
fn all_parameters_of_the_path_are_parameters() {
    let contract: Contract = serde_json::from_value(json!({ "format": 1, "handlers": [{
        "name": "Any", "path": "/{{a}}/{_any}/{id}", "is_described": true, "version": 1, "limits": { "max_deferred": 1 },
        "path_parameters": [{ "name": "id", "schema": { "type": "integer" } }],
    }] }))
    .unwrap();
    let text = &contract.typescript()[0].text;
    assert!(text.contains("export interface AnyParameters {\n  id: number;\n  _any: string;\n}"), "{text}");
}

/// Two states may have methods of one name, with other parameters, results and errors.
#[test]
fn methods_of_one_name_have_methods_of_their_own() {
    let text = &everything().typescript()[1].text;
    assert!(text.contains(r#"return $call(this, "add", [a, b], options);"#), "{text}");
    assert!(text.contains(r#"return $call(this, "add_", [text], options);"#), "{text}");
    assert!(text.contains(r#"method: "add_""#), "{text}");
    assert_eq!(text.matches("| CallError<").count(), 2, "{text}");
}

#[test]
fn documentation_of_variants_takes_lines() {
    let schemas = BTreeMap::from([(
        "Side".to_owned(),
        json!({ "description": "A\nside. */", "oneOf": [{ "const": "buy", "description": "Buys." }, { "const": "sell" }] }),
    )]);
    let types = SchemaTypes::new(&schemas, &mut names::reserved_types());
    expect![[r#"
        /**
         * A
         * side. *\/
         */
        export type Side =
          /** Buys. */
          | "buy"
          | "sell";

    "#]]
    .assert_eq(&types.declarations());
}

#[test]
fn a_schema_of_any_depth_is_a_type() {
    let mut schema = json!({ "type": "string" });
    for _ in 0..110 {
        schema = json!({ "type": "array", "items": schema });
    }
    check(&schema, &format!("unknown{}", "[]".repeat(101)));
}

#[test]
fn names_of_files() {
    for (handler, expected) in [
        ("Board", "board"),
        ("PriceBoard2", "price-board2"),
        ("HTTPBoard", "httpboard"),
        ("Board<T>", "board-t"),
        ("../../etc/passwd", "etc-passwd"),
        ("", "handler"),
        ("Ä", "handler"),
    ] {
        assert_eq!(names::file(handler), expected);
    }
}

/// Replaces all texts of a contract from which code is made.
fn replace(value: &mut Value, evil: &str) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, evil)),
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(text)
                        if ["name", "path", "description", "reason", "states", "$ref", "const"]
                            .contains(&name.as_str()) =>
                    {
                        *text = evil.to_owned();
                    }
                    member => replace(member, evil),
                }
            }
        }
        _ => {}
    }
}

/// Returns the text of a module without comments and strings.
fn code(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some(char) = rest.chars().next() {
        let skipped = if rest.starts_with("/*") {
            rest.find("*/").unwrap() + 2
        } else if rest.starts_with("//") {
            rest.find(['\n', '\u{2028}', '\u{2029}']).unwrap()
        } else if char == '"' {
            let mut end = 1;
            while !rest[end..].starts_with('"') {
                let is_escape = rest[end..].starts_with('\\');
                end += if is_escape { 2 } else { rest[end..].chars().next().unwrap().len_utf8() };
            }
            end + 1
        } else {
            code.push(char);
            char.len_utf8()
        };
        rest = &rest[skipped..];
    }
    code
}

/// A contract may be one of an untrusted server.
#[test]
fn names_and_comments_cannot_become_code() {
    let evil = "x*/\n\u{2028}\"`${evil()}\\'";
    let text = include_str!("tests/everything.json");
    let mut contract: Value = serde_json::from_str(text).unwrap();
    replace(&mut contract, evil);
    let contract: Contract = serde_json::from_value(contract).unwrap();
    for file in contract.typescript() {
        // Outside of comments and strings, no name is left.
        let code = code(&file.text);
        assert!(!code.contains(['`', '\\', '\'', '\u{2028}']) && !code.contains("evil()"), "{}", file.text);
    }
}

/// Returns any JSON, with the keywords of schemas as names more often than others.
fn any_json() -> impl Strategy<Value = Value> {
    let keyword = prop::sample::select(vec![
        "type",
        "const",
        "enum",
        "anyOf",
        "oneOf",
        "allOf",
        "properties",
        "required",
        "items",
        "additionalItems",
        "additionalProperties",
        "patternProperties",
        "minItems",
        "maxItems",
        "$ref",
        "description",
        "deprecated",
    ]);
    let word = prop::sample::select(vec![
        "object",
        "array",
        "string",
        "integer",
        "null",
        "#/schemas/A",
        "a",
        "__proto__",
    ]);
    let leaf = prop_oneof![
        any::<Option<bool>>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0_u64..10).prop_map(Value::from),
        word.prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        let name = prop_oneof![4 => keyword.clone().prop_map(ToOwned::to_owned), 1 => ".{0,8}"];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((name, inner), 0..5).prop_map(|members| members.into_iter().collect()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The same contract gives the same bytes. Brackets outside of comments and strings are paired.
    #[test]
    fn any_schema_has_a_client(schema in any_json(), name in ".{0,12}") {
        let mut contract: Value = serde_json::from_str(include_str!("tests/chapter.json")).unwrap();
        let handler = &mut contract["handlers"][0];
        handler["schemas"]["A"] = schema.clone();
        handler["schemas"][&name] = schema.clone();
        handler["client"]["calls"][1]["name"] = name.as_str().into();
        handler["client"]["calls"][1]["result"] = schema.clone();
        handler["client"]["calls"][1]["content"]["parameters"][1]["schema"] = schema;
        let contract: Contract = serde_json::from_value(contract).unwrap();
        let files = contract.typescript();
        prop_assert_eq!(&files, &contract.typescript());
        for file in files.iter().chain(&contract.javascript()[..2]) {
            let code = code(&file.text);
            for (open, close) in [('(', ')'), ('[', ']'), ('{', '}')] {
                prop_assert_eq!(code.matches(open).count(), code.matches(close).count(), "{}", file.text);
            }
        }
    }
}
