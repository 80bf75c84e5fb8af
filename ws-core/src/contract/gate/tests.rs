mod cases;
mod files;

use serde_json::{Value, json};

use super::super::rules::ContractChange;
use super::*;

/// A contract with one of everything.
fn board() -> Value {
    json!({ "format": 1, "handlers": [{
        "name": "Board",
        "path": "/board/{seat}",
        "is_described": true,
        "version": 1,
        "description": "A board.",
        "path_parameters": [{ "name": "seat", "schema": { "type": "integer", "format": "uint8" } }],
        "query": [
            { "name": "depth", "is_optional": true, "schema": { "type": ["integer", "null"] } },
            { "name": "token", "schema": { "type": "string" } },
        ],
        "subprotocols": ["board.v2", "board.v1"],
        "envelope": {
            "format": { "kind": "json_rpc" },
            "message": { "method": "$name", "params": "$params" },
            "call": { "id": "$id" },
            "result": { "result": "$result" },
            "error": { "error": "$message" },
        },
        "limits": {
            "max_message_size": 1024, "max_frame_size": 512, "max_message_rate": 10, "max_deferred": 64,
            "idle_timeout": 60_000, "ping_interval": 25_000, "max_lifetime": 3_600_000, "compress": true,
        },
        "session": { "resume": 30_000, "buffer": 262_144 },
        "client": {
            "calls": [{
                "name": "order",
                "description": "Orders.",
                "content": { "kind": "parameters", "parameters": [
                    { "name": "id", "schema": { "type": "integer", "format": "int64" } },
                    { "name": "note", "is_optional": true, "schema": { "type": ["string", "null"] } },
                ] },
                "result": { "$ref": "#/schemas/Receipt" },
                "errors": [{ "code": -32001, "description": "closed", "data": { "type": "string" } }],
                "states": ["Guest", "Member"],
            }],
            "messages": [{
                "name": "typing",
                "frame": "envelope",
                "content": { "kind": "json", "schema": { "type": "string" } },
            }],
        },
        "server": {
            "calls": [{
                "name": "confirm",
                "content": { "kind": "json", "schema": { "type": "string" } },
                "result": { "type": "boolean" },
            }],
            "messages": [{
                "name": "price",
                "frame": "envelope",
                "content": { "kind": "json", "schema": { "$ref": "#/schemas/Receipt" } },
                "states": ["Member"],
            }],
        },
        "close_codes": [{ "code": 1001, "reason": "idle" }],
        "states": [{ "name": "Guest", "is_initial": true }, { "name": "Member" }],
        "transitions": [{ "from": "Guest", "to": "Member", "event": "on_call", "name": "order" }],
        "schemas": { "Receipt": {
            "type": "object",
            "properties": { "id": { "type": "integer" }, "kind": { "enum": ["a", "b"] } },
            "required": ["id"],
        } },
    }] })
}

fn contract(value: Value) -> Contract {
    serde_json::from_value(value).expect("a contract")
}

fn changes(old: Value, new: Value) -> Vec<ContractChange> {
    compare(&contract(old), &contract(new)).into_iter().flat_map(|handler| handler.changes).collect()
}

/// Sets a value of the handler, or removes it with `null`.
fn set(contract: &mut Value, at: &str, to: Value) {
    let at = format!("/handlers/0{at}");
    let (parent, name) = at.rsplit_once('/').unwrap();
    match contract.pointer_mut(parent).unwrap() {
        Value::Object(members) if to.is_null() => _ = members.remove(name),
        Value::Object(members) => _ = members.insert(name.to_owned(), to),
        Value::Array(items) if name == "-" => items.push(to),
        Value::Array(items) if to.is_null() => _ = items.remove(name.parse().unwrap()),
        Value::Array(items) => items[name.parse::<usize>().unwrap()] = to,
        other => panic!("{other} has no members"),
    }
}

/// What changes: the contract, a JSON pointer, and the new value.
type Change = (&'static str, &'static str, Value);

/// A row: the rule, and what changes in the contract. A row with `old` changes the older contract.
fn rows() -> Vec<(Rule, Vec<Change>)> {
    let integer = || json!({ "type": "integer" });
    let number = || json!({ "type": "number" });
    let call = |name| json!({ "name": name, "content": { "kind": "nothing" }, "result": true });
    let message = |name| json!({ "name": name, "frame": "envelope", "content": { "kind": "nothing" } });
    let note = "/client/calls/0/content/parameters/1";
    let new = |at, to| vec![("new", at, to)];
    let old = |at, to| vec![("old", at, to)];
    vec![
        (Rule::HandlerAdded, vec![("new", "", Value::Null)]),
        (Rule::HandlerRemoved, vec![("old", "", Value::Null)]),
        (Rule::DescriptionAdded, old("/is_described", json!(false))),
        (Rule::DescriptionRemoved, new("/is_described", json!(false))),
        (Rule::VersionRaised, new("/version", json!(2))),
        (Rule::VersionLowered, old("/version", json!(2))),
        (Rule::DocumentationChanged, new("/description", json!("Another text."))),
        (Rule::PathParameterNarrowed, old("/path_parameters/0/schema", integer())),
        (Rule::PathParameterWidened, new("/path_parameters/0/schema", integer())),
        (Rule::QueryAdded, new("/query/-", json!({ "name": "a", "is_optional": true, "schema": true }))),
        (Rule::QueryNeeded, new("/query/0/is_optional", json!(false))),
        (Rule::QueryRemoved, new("/query/0", Value::Null)),
        (Rule::QueryOptional, new("/query/1/is_optional", json!(true))),
        (Rule::QueryNarrowed, new("/query/1/schema", integer())),
        (Rule::QueryWidened, new("/query/1/schema", json!({ "type": ["string", "null"] }))),
        (Rule::SubprotocolAdded, new("/subprotocols/-", json!("board.v3"))),
        (Rule::SubprotocolRemoved, new("/subprotocols/1", Value::Null)),
        (Rule::EnvelopeChanged, new("/envelope/message", json!({ "type": "$name" }))),
        (Rule::LimitLowered, new("/limits/max_message_size", json!(1000))),
        (Rule::LimitRaised, new("/limits/max_message_size", Value::Null)),
        (Rule::SessionAdded, old("/session", Value::Null)),
        (Rule::SessionRemoved, new("/session", Value::Null)),
        (Rule::CloseCodeAdded, new("/close_codes/-", json!({ "code": 4401, "reason": "log in" }))),
        (Rule::CloseCodeRemoved, new("/close_codes/0", Value::Null)),
        (Rule::CallAdded, new("/client/calls/-", call("cancel"))),
        (Rule::CallRemoved, new("/client/calls/0/name", json!("buy"))),
        (Rule::MessageAdded, new("/client/messages/-", message("hello"))),
        (Rule::MessageRemoved, new("/client/messages/0", Value::Null)),
        (Rule::MessageRemoved, new("/client/messages/0/frame", json!("text"))),
        (Rule::StateClosed, new("/client/calls/0/states", json!(["Member"]))),
        (Rule::StateOpened, old("/client/calls/0/states", json!(["Member"]))),
        (
            Rule::ParameterAdded,
            new(
                "/client/calls/0/content/parameters/-",
                json!({ "name": "a", "is_optional": true, "schema": true }),
            ),
        ),
        (
            Rule::ParameterNeeded,
            new("/client/calls/0/content/parameters/-", json!({ "name": "a", "schema": true })),
        ),
        (Rule::ParameterRemoved, new(note, Value::Null)),
        (
            Rule::ParameterOptional,
            vec![("old", "/client/calls/0/content/parameters/1/is_optional", json!(false))],
        ),
        (
            Rule::ParameterMoved,
            new(
                "/client/calls/0/content/parameters",
                json!([
                    { "name": "note", "is_optional": true, "schema": { "type": ["string", "null"] } },
                    { "name": "id", "schema": { "type": "integer", "format": "int64" } },
                ]),
            ),
        ),
        (Rule::ContentNarrowed, new("/client/messages/0/content/schema", integer())),
        (Rule::ContentWidened, new("/client/messages/0/content/schema", json!(true))),
        (Rule::ContentKind, new("/client/messages/0/content", json!({ "kind": "raw" }))),
        (Rule::ResultWidened, new("/schemas/Receipt/properties/id", number())),
        (Rule::ResultNarrowed, new("/schemas/Receipt/properties/at", integer())),
        (Rule::ErrorAdded, new("/client/calls/0/errors/-", json!({ "code": 1, "description": "" }))),
        (Rule::ErrorRemoved, new("/client/calls/0/errors/0", Value::Null)),
        (Rule::ErrorDataWidened, new("/client/calls/0/errors/0/data", number())),
        (Rule::ErrorDataNarrowed, new("/client/calls/0/errors/0/data", json!({ "const": "a" }))),
        (Rule::SentAdded, new("/server/messages/-", message("news"))),
        (
            Rule::SentUnnamed,
            new("/server/messages/-", json!({ "name": "hi", "frame": "text", "content": { "kind": "raw" } })),
        ),
        (Rule::SentRemoved, new("/server/messages/0", Value::Null)),
        (Rule::SentFrame, new("/server/messages/0/frame", json!("text"))),
        (Rule::SentWidened, new("/schemas/Receipt/required", json!([]))),
        (Rule::SentNarrowed, new("/schemas/Receipt/properties/kind", json!({ "const": "a" }))),
        (Rule::ClientCallAdded, new("/server/calls/-", call("pick"))),
        (Rule::ClientCallRemoved, new("/server/calls/0", Value::Null)),
        (Rule::ClientCallWidened, new("/server/calls/0/content/schema", number())),
        (Rule::ClientCallNarrowed, new("/server/calls/0/content/schema", json!({ "enum": ["a"] }))),
        (Rule::ClientResultNarrowed, new("/server/calls/0/result", json!({ "const": true }))),
        (Rule::ClientResultWidened, new("/server/calls/0/result", json!(true))),
        (Rule::FirstStateChanged, new("/states/1/is_initial", json!(true))),
        (
            Rule::TransitionAdded,
            new(
                "/transitions/-",
                json!({ "from": "Member", "to": "Guest", "event": "on_call", "name": "order" }),
            ),
        ),
        (
            Rule::TransitionNew,
            new(
                "/transitions/-",
                json!({ "from": "Member", "to": "Guest", "event": "on_call", "name": "logout" }),
            ),
        ),
        (Rule::TransitionRemoved, new("/transitions/0", Value::Null)),
        (Rule::StateListChanged, new("/states/-", json!({ "name": "Admin" }))),
        // Further rows of the same rules.
        (Rule::ParameterNeeded, new("/client/calls/0/content/parameters/1/is_optional", json!(false))),
        (
            Rule::ContentNarrowed,
            vec![(
                "new",
                "/client/calls/0/content/parameters/0/schema",
                json!({ "type": "integer", "format": "int32" }),
            )],
        ),
        (Rule::LimitLowered, new("/limits/idle_timeout", json!(1000))),
        (Rule::LimitLowered, new("/limits/max_message_rate", json!(9))),
        (Rule::LimitLowered, new("/limits/max_frame_size", json!(100))),
        (Rule::LimitLowered, new("/limits/max_lifetime", json!(100))),
        (Rule::LimitLowered, new("/limits/max_deferred", json!(1))),
        (Rule::LimitLowered, new("/session/resume", json!(1))),
        (Rule::SentWidened, new("/schemas/Receipt/properties/kind", json!({ "enum": ["a", "b", "c"] }))),
        (Rule::SentRemoved, vec![("old", "/server/messages/0/states", json!(["Member", "Guest"]))]),
    ]
}

#[test]
fn each_rule_has_its_change() {
    let mut seen = Vec::new();
    for (rule, edits) in rows() {
        let (mut old, mut new) = (board(), board());
        for (side, at, to) in edits {
            let contract = if side == "old" { &mut old } else { &mut new };
            if at.is_empty() {
                // The other contract has no handler.
                let other = if side == "old" { &mut new } else { &mut old };
                other["handlers"] = json!([]);
            } else {
                set(contract, at, to);
            }
        }
        let found = changes(old, new);
        assert!(found.iter().any(|change| change.rule == rule), "{rule:?}: {found:?}");
        // A compatible change is not reported as a breaking one.
        if rule.effect() == ClientEffect::Compatible && rule != Rule::StateListChanged {
            assert!(
                found.iter().all(|change| change.rule.effect() == ClientEffect::Compatible),
                "{rule:?}: {found:?}"
            );
        }
        seen.push(rule);
    }
    let missing: Vec<_> = Rule::ALL.iter().filter(|rule| !seen.contains(rule)).collect();
    assert!(missing.is_empty(), "{missing:?} have no row");
}

/// Changes each value of the contract. A change is either found by a rule or one of documentation.
#[test]
fn no_change_stays_unseen() {
    fn leaves(value: &Value, at: &str, found: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                members.iter().for_each(|(name, member)| leaves(member, &format!("{at}/{name}"), found));
            }
            Value::Array(items) if !items.is_empty() => {
                items
                    .iter()
                    .enumerate()
                    .for_each(|(index, item)| leaves(item, &format!("{at}/{index}"), found));
            }
            _ => found.push(at.to_owned()),
        }
    }
    let harmless = |at: &str| {
        let name = at.rsplit('/').next().unwrap();
        at == "/name" || matches!(name, "description" | "reason" | "compress" | "ping_interval")
    };
    let mut all = Vec::new();
    leaves(&board()["handlers"][0], "", &mut all);
    assert!(all.len() > 60, "{all:?}");
    for at in all {
        let mut new = board();
        let changed = match new.pointer(&format!("/handlers/0{at}")).unwrap() {
            Value::String(text) if at.ends_with("$ref") => json!(text.replace("Receipt", "Nothing")),
            Value::String(text) if text == "on_call" => json!("on_text"),
            Value::String(text) if text == "envelope" => json!("text"),
            Value::String(text) if text == "json_rpc" => json!("custom"),
            Value::String(text) if text == "parameters" || text == "json" => continue,
            Value::String(text) => json!(format!("{text}x")),
            Value::Number(number) => json!(number.as_i64().unwrap() + 1),
            Value::Bool(on) => json!(!on),
            other => panic!("{at}: {other}"),
        };
        set(&mut new, &at, changed);
        let found = changes(board(), new);
        let is_seen = found.iter().any(|change| change.rule != Rule::DocumentationChanged);
        assert!(is_seen != harmless(&at), "{at}: {found:?}");
    }
}
