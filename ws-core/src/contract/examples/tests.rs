//! The examples in documents of AsyncAPI.

use serde_json::{Value, json};

use crate::contract::Contract;

/// Checks the examples of all messages against their schemas. Returns the number of examples and the names of messages
/// without one.
#[track_caller]
fn check(contract: &Contract) -> (usize, Vec<String>) {
    let document = contract.asyncapi().to_value();
    let (mut count, mut without) = (0, Vec::new());
    for (name, message) in document["components"]["messages"].as_object().unwrap() {
        let schema = json!({
            "$schema": "http://json-schema.org/draft-07/schema#",
            "allOf": [message["payload"]],
            "components": document["components"],
        });
        let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
        let examples = message["examples"].as_array();
        if examples.is_none() {
            without.push(name.clone());
        }
        for example in examples.into_iter().flatten() {
            let payload = &example["payload"];
            if let Err(error) = validator.validate(payload) {
                panic!("{name}: {payload} is not an example: {error}");
            }
            count += 1;
        }
    }
    (count, without)
}

fn contract(json: &str) -> Contract {
    serde_json::from_str(json).unwrap()
}

#[test]
fn examples_fit_their_schemas() {
    let (count, without) = check(&contract(include_str!("../typescript/tests/everything.json")));
    // Bytes without a schema.
    assert_eq!(without, ["Board.image.sent.message", "Board.upload.message"]);
    assert!(count > 40, "{count}");
}

/// Returns a contract of one handler with JSON-RPC.
fn json_rpc(client: &Value) -> Contract {
    let mut everything: Value =
        serde_json::from_str(include_str!("../typescript/tests/everything.json")).unwrap();
    let envelope = everything["handlers"][0]["envelope"].take();
    let handler = json!({
        "name": "Rpc", "path": "/", "is_described": true, "envelope": envelope, "limits": { "max_deferred": 1 },
        "client": client,
    });
    serde_json::from_value(json!({ "format": 1, "handlers": [handler] })).unwrap()
}

fn payloads(contract: &Contract, message: &str) -> Vec<Value> {
    check(contract);
    let document = contract.asyncapi().to_value();
    let examples = document["components"]["messages"][message]["examples"].as_array().cloned();
    examples.unwrap_or_default().into_iter().map(|mut example| example["payload"].take()).collect()
}

#[test]
fn examples_are_whole_messages() {
    let contract = json_rpc(&json!({ "calls": [
        {
            "name": "add",
            "content": { "kind": "parameters", "parameters": [
                { "name": "a", "schema": { "type": "integer" } },
                { "name": "b", "is_optional": true, "schema": { "type": "string", "pattern": "^x" } },
            ] },
            "result": { "type": "boolean" },
            "errors": [
                { "code": -1, "description": "too many", "data": { "type": "integer" } },
                { "code": -2, "description": "too few" },
            ],
        },
        { "name": "one", "content": { "kind": "json", "schema": { "type": "integer" } }, "result": { "type": "null" } },
        { "name": "none", "content": { "kind": "nothing" }, "result": { "type": "string", "pattern": "^x" } },
    ] }));
    let call = |name: &str, params: Value| {
        let mut call = json!({ "jsonrpc": "2.0", "id": 1, "method": name, "params": params });
        if call["params"].is_null() {
            call.as_object_mut().unwrap().remove("params");
        }
        vec![call]
    };
    assert_eq!(payloads(&contract, "Rpc.add.call"), call("add", json!({ "a": 1 })));
    assert_eq!(payloads(&contract, "Rpc.one.call"), call("one", json!([1])));
    assert_eq!(payloads(&contract, "Rpc.none.call"), call("none", Value::Null));
    let result = |value: Value| vec![json!({ "jsonrpc": "2.0", "id": 1, "result": value })];
    assert_eq!(payloads(&contract, "Rpc.add.result"), result(json!(true)));
    assert_eq!(payloads(&contract, "Rpc.one.result"), result(Value::Null));
    assert_eq!(payloads(&contract, "Rpc.none.result"), [] as [Value; 0]);
    let error = |error: Value| json!({ "jsonrpc": "2.0", "id": 1, "error": error });
    let declared = [
        error(json!({ "code": -1, "message": "too many", "data": 1 })),
        error(json!({ "code": -2, "message": "too few" })),
    ];
    assert_eq!(payloads(&contract, "Rpc.add.error"), declared);
    let any = error(json!({ "code": -32603, "message": "Internal error" }));
    assert_eq!(payloads(&contract, "Rpc.one.error"), [any]);
}
