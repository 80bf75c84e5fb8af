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

/// Two methods of one name are compared by their states.
#[test]
fn methods_of_several_states_are_compared_one_by_one() {
    let of_states = |result: Value| {
        let mut contract = board();
        let mut member = contract["handlers"][0]["client"]["calls"][0].clone();
        contract["handlers"][0]["client"]["calls"][0]["states"] = json!(["Guest"]);
        member["states"] = json!(["Member"]);
        member["result"] = result;
        set(&mut contract, "/client/calls/-", member);
        contract
    };
    let same = json!({ "$ref": "#/schemas/Receipt" });
    let found = changes(board(), of_states(same));
    assert!(found.iter().all(|change| change.rule == Rule::DocumentationChanged), "{found:?}");
    let found = changes(board(), of_states(json!({ "type": "string" })));
    assert!(found.iter().any(|change| change.rule == Rule::ResultWidened), "{found:?}");
    // And back: the one method has to do for both.
    let found = changes(of_states(json!({ "type": "string" })), board());
    assert!(found.iter().any(|change| change.rule == Rule::ResultWidened), "{found:?}");
}

/// A handler that gets states may refuse what it took always, also if the contract cannot know the first state.
#[test]
fn a_handler_that_gets_states_takes_less() {
    let (mut old, mut new) = (board(), board());
    for contract in [&mut old, &mut new] {
        set(contract, "/states/0/is_initial", Value::Null);
        set(contract, "/transitions", Value::Null);
        set(contract, "/server/messages/0/states", Value::Null);
    }
    set(&mut old, "/states", Value::Null);
    set(&mut old, "/client/calls/0/states", Value::Null);
    set(&mut new, "/client/calls/0/states", json!(["Member"]));
    let found = changes(old, new);
    assert!(found.iter().any(|change| change.rule == Rule::StateClosed), "{found:?}");
}

/// Clients do not see which method causes a transition.
#[test]
fn methods_of_transitions_may_be_renamed() {
    let of = |event: &str, name: &str| {
        let mut contract = board();
        let message = json!([{ "name": name, "frame": "text", "content": { "kind": "raw" } }]);
        set(&mut contract, "/client/messages", message);
        let transition = json!([{ "from": "Guest", "to": "Member", "event": event, "name": name }]);
        set(&mut contract, "/transitions", transition);
        contract
    };
    for event in ["on_text", "after"] {
        let found = changes(of(event, "late"), of(event, "too_late"));
        assert!(found.iter().all(|change| change.rule == Rule::DocumentationChanged), "{event}: {found:?}");
    }
    let found = changes(of("on_call", "order"), of("on_call", "buy"));
    assert!(found.iter().any(|change| change.rule == Rule::TransitionRemoved), "{found:?}");
}

/// Several errors of a call may have one code, with data of their own.
#[test]
fn errors_of_one_code_are_compared_together() {
    let of = |data: &[&str]| {
        let mut contract = board();
        let errors: Vec<_> =
            data.iter().map(|ty| json!({ "code": 1, "description": "", "data": { "type": ty } })).collect();
        set(&mut contract, "/client/calls/0/errors", json!(errors));
        contract
    };
    let rules = |old: &[&str], new: &[&str]| {
        let mut old = of(old);
        set(&mut old, "/name", json!("Other"));
        changes(old, of(new)).iter().map(|change| change.rule).collect::<Vec<_>>()
    };
    assert_eq!(rules(&["string", "number"], &["number", "string"]), [Rule::ErrorDataNarrowed]);
    assert_eq!(rules(&["string", "number"], &["string", "number"]), [Rule::DocumentationChanged]);
    assert_eq!(rules(&["string", "number"], &["string", "null"]), [Rule::ErrorDataWidened]);
    assert_eq!(rules(&["string"], &["string", "number"]), [Rule::ErrorDataWidened]);
}

/// A payload without an envelope may have several contents. Each old one fits one of the new ones.
#[test]
fn one_of_several_contents_has_to_do() {
    let of = |schemas: &[Value]| {
        let mut contract = board();
        let message = |schema: &Value| json!({ "name": "m", "frame": "text", "content": { "kind": "json", "schema": schema } });
        set(&mut contract, "/client/messages", schemas.iter().map(message).collect());
        contract
    };
    let (integer, string) = (json!({ "type": "integer" }), json!({ "type": "string" }));
    let found =
        changes(of(std::slice::from_ref(&integer)), of(&[string.clone(), json!({ "type": "number" })]));
    assert_eq!(
        found.iter().map(|change| change.rule).collect::<Vec<_>>(),
        [Rule::ContentWidened],
        "{found:?}"
    );
    let found = changes(of(&[integer.clone(), string.clone()]), of(&[integer]));
    assert_eq!(
        found.iter().map(|change| change.rule).collect::<Vec<_>>(),
        [Rule::ContentNarrowed],
        "{found:?}"
    );
}

/// A message without an envelope has no name by which clients could ignore it.
#[test]
fn a_new_message_without_a_name_has_to_be_one_that_clients_know() {
    let of = |contents: &[(&str, Value)]| {
        let mut contract = board();
        set(&mut contract, "/envelope", Value::Null);
        let messages = contents.iter().enumerate().map(|(index, (frame, schema))| {
            json!({ "name": format!("m{index}"), "frame": frame, "content": { "kind": "json", "schema": schema } })
        });
        set(&mut contract, "/server/messages", messages.collect());
        contract
    };
    let number = ("text", json!({ "type": "number" }));
    let rules = |more: (&str, Value)| {
        let found = changes(of(std::slice::from_ref(&number)), of(&[number.clone(), more]));
        found.iter().map(|change| change.rule).collect::<Vec<_>>()
    };
    assert_eq!(rules(("text", json!({ "type": "string" }))), [Rule::SentUnnamed]);
    assert_eq!(rules(("text", json!({ "type": "integer" }))), [Rule::SentAdded]);
    assert_eq!(rules(("binary", json!({ "type": "string" }))), [Rule::SentAdded]);
}

/// The values of a map whose keys are numbers are in no member, and may have another type under the same name.
#[test]
fn what_a_map_refers_to_is_compared() {
    let of = |ty: &str| {
        let mut contract = board();
        let map = json!({ "type": "object", "patternProperties": { "^\\d+$": { "$ref": "#/schemas/Item" } }, "additionalProperties": false });
        set(&mut contract, "/client/calls/0/result", map);
        set(&mut contract, "/schemas/Item", json!({ "type": ty }));
        contract
    };
    let found = changes(of("integer"), of("string"));
    assert!(found.iter().any(|change| change.rule == Rule::ResultWidened), "{found:?}");
}

/// The name of a method without an envelope is invisible to clients.
#[test]
fn raw_methods_may_be_renamed() {
    let raw = |name: &str| {
        let mut contract = board();
        let message = json!([{ "name": name, "frame": "text", "content": { "kind": "raw" } }]);
        set(&mut contract, "/client/messages", message.clone());
        set(&mut contract, "/server/messages", message);
        contract
    };
    let found = changes(raw("echo"), raw("reply"));
    assert!(found.iter().all(|change| change.rule == Rule::DocumentationChanged), "{found:?}");
    let mut json = raw("reply");
    set(&mut json, "/client/messages/0/content", json!({ "kind": "json", "schema": true }));
    assert_eq!(changes(raw("echo"), json)[0].rule, Rule::ContentKind);
}

/// A member that is lost, by hand or by a merge, would hide changes.
#[test]
fn a_file_that_has_lost_a_part_is_not_read() {
    let lost = |at: &str, to: Value| {
        let mut contract = board();
        set(&mut contract, at, to);
        Contract::from_json(&contract.to_string()).map(|_| ()).map_err(|error| error.to_string())
    };
    let expect = |at: &str, to: Value, why: &str| {
        let found = lost(at, to).unwrap_err();
        assert!(found.contains(why), "{at}: {found}");
    };
    for name in ["name", "path", "is_described", "limits"] {
        expect(&format!("/{name}"), Value::Null, &format!("has no `{name}`"));
    }
    expect("/version", Value::Null, "has no `version`");
    expect("/is_described", json!(false), "is not described, but has a description");
    expect("/schemas", json!({}), "refers to a schema that it does not have");
    expect("/server/messages/0/content/schema/$ref", json!("#/schemas/B"), "refers to a schema");
    lost("/description", Value::Null).unwrap();
    lost("/close_codes", Value::Null).unwrap();
}

/// A file of its own in the folder for temporary files, removed at the end.
struct TempFile(std::path::PathBuf);

impl TempFile {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("ws-core-contract-{}-{name}", std::process::id()));
        Self(folder.join("contract").join("board.json"))
    }

    fn with(name: &str, text: &str) -> Self {
        let file = Self::new(name);
        fs::create_dir_all(file.0.parent().unwrap()).unwrap();
        fs::write(&file.0, text).unwrap();
        file
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.0).unwrap()
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(self.0.parent().and_then(Path::parent).unwrap());
    }
}

#[test]
fn a_missing_file_is_written_only_on_demand() {
    let (file, new) = (TempFile::new("missing"), contract(board()));
    let why = check_file(&file.0, &new, false).unwrap_err();
    assert!(why.starts_with("there is no contract at `"), "{why}");
    assert!(why.contains("UPDATE_CONTRACT=1 cargo test"), "{why}");
    assert!(!file.0.exists());
    check_file(&file.0, &new, true).unwrap();
    check_file(&file.0, &new, false).unwrap();
    assert_eq!(file.text(), new.to_json());
}

#[test]
fn a_compatible_change_is_accepted_on_demand() {
    let file = TempFile::with("compatible", &contract(board()).to_json());
    let mut new = board();
    set(&mut new, "/close_codes", json!([]));
    let new = contract(new);
    let why = check_file(&file.0, &new, false).unwrap_err();
    assert!(
        why.contains("compatible: the close code 1001 (idle) is gone: clients get it no longer\n"),
        "{why}"
    );
    assert!(why.ends_with("help: accept with `UPDATE_CONTRACT=1 cargo test`, and commit the file"), "{why}");
    check_file(&file.0, &new, true).unwrap();
    assert_eq!(file.text(), new.to_json());
}

#[test]
fn a_breaking_change_needs_another_version() {
    let before = contract(board()).to_json();
    let file = TempFile::with("breaking", &before);
    let mut new = board();
    set(&mut new, "/client/calls/0/states", json!(["Member"]));
    for is_update in [false, true] {
        let why = check_file(&file.0, &contract(new.clone()), is_update).unwrap_err();
        let sentence = "breaks clients: the call `order` in the state `Guest` is no longer taken: \
                        clients that send it there are refused\n";
        assert!(why.contains(sentence), "{why}");
        assert!(why.contains("`#[websocket(contract(version = 2))]`"), "{why}");
        assert_eq!(file.text(), before);
    }
    set(&mut new, "/version", json!(2));
    let why = check_file(&file.0, &contract(new.clone()), false).unwrap_err();
    assert!(why.ends_with("help: accept with `UPDATE_CONTRACT=1 cargo test`, and commit the file"), "{why}");
    check_file(&file.0, &contract(new), true).unwrap();
}

/// The version of another handler accepts nothing for a handler that is gone.
#[test]
fn a_handler_that_is_gone_is_accepted_by_hand() {
    let mut old = board();
    let mut other = old["handlers"][0].clone();
    other["path"] = json!("/other");
    old["handlers"].as_array_mut().unwrap().push(other);
    let file = TempFile::with("gone", &contract(old).to_json());
    let mut new = board();
    set(&mut new, "/version", json!(2));
    let why = check_file(&file.0, &contract(new), true).unwrap_err();
    assert!(why.contains("the handler at `/other` is gone: clients that connect to it get 404"), "{why}");
    assert!(why.contains("help: if no client uses the handler, remove its entry from `"), "{why}");
}

#[test]
fn a_file_that_cannot_be_read_neither_passes_nor_is_overwritten() {
    let unreadable = [
        ("", "EOF"),
        ("{", "EOF"),
        ("[]", "invalid"),
        (r#"{"handlers": []}"#, "missing field `format`"),
        (r#"{"format": 2, "handlers": []}"#, "its format is 2"),
        (r#"{"format": 1, "handlers": [], "more": 1}"#, "unknown field `more`"),
        (r#"{"format": 1, "handlers": [{"path": "/a", "new": 1}]}"#, "unknown field `new`"),
        (r#"{"format": 1, "handlers": [{"path": "/a"}, {"path": "/a"}]}"#, "is in it twice"),
        (r#"{"format": 1, "handlers": [{"path": "/a"}]}"#, "`/a` has no `name`"),
        (r#"{"format": 1, "handlers": [{"name": "A", "path": "/a", "is_described": true}]}"#, "no `limits`"),
    ];
    for (index, (text, expect)) in unreadable.into_iter().enumerate() {
        let file = TempFile::with(&format!("unreadable-{index}"), text);
        for is_update in [false, true] {
            let why = check_file(&file.0, &contract(json!({ "format": 1, "handlers": [] })), is_update)
                .unwrap_err();
            assert!(why.contains("cannot be read") && why.contains(expect), "{text}: {why}");
        }
        assert_eq!(file.text(), text);
    }
    // A folder in place of the file, and bytes that are no text.
    let file = TempFile::with("bytes", "");
    fs::write(&file.0, [0xff]).unwrap();
    check_file(&file.0, &contract(board()), true).unwrap_err();
    check_file(file.0.parent().unwrap(), &contract(board()), true).unwrap_err();
}
