//! Changes whose rule depends on more than the changed part.

use serde_json::{Value, json};

use super::*;

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
