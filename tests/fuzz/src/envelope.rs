//! Opens arbitrary text in the built-in envelopes. Only calls are answered, with the id that they have, and only
//! text that is not JSON, or nested too deeply, is a parse error.

use serde_json::value::RawValue;
use serde_json::{Map, Value};
use ws_core::{Envelope, Incoming, JsonRpc, RawId, TagNames, Tagged};

/// Member names that differ from the defaults.
enum Events {}

impl TagNames for Events {
    const TAG: &'static str = "event";
    const CONTENT: Option<&'static str> = Some("data");
}

/// Runs the target. `data` is a text message.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let is_json = serde_json::from_str::<&RawValue>(&text).is_ok();
    check_top::<JsonRpc>(&text, is_json, "method");
    check_top::<Tagged>(&text, is_json, "type");
    check_top::<Tagged<Events>>(&text, is_json, "event");
}

fn check_top<E: Envelope<Id = RawId>>(text: &str, is_json: bool, name_member: &str) {
    let opened = E::open(text);
    if !is_json {
        assert!(matches!(&opened, Incoming::Invalid { error, .. } if error.code() == -32700), "{text}");
    }
    // The parser of `Value` recurses, and accepts less nesting than 128. Deeper text is not compared further.
    let value = serde_json::from_str::<Value>(text).ok();
    match (opened, value) {
        (Incoming::Batch(entries), value) => {
            assert!(!entries.is_empty() && entries.len() <= 1000);
            let values = value.map(|value| value.as_array().cloned().expect("a batch is an array"));
            for (at, entry) in entries.into_iter().enumerate() {
                assert!(!matches!(entry, Incoming::Batch(_)), "a batch in a batch");
                check::<E>(entry, values.as_ref().map(|values| &values[at]), name_member);
            }
        }
        (opened, value) => check::<E>(opened, value.as_ref(), name_member),
    }
}

/// Checks what a text is against an independent parser.
fn check<E: Envelope<Id = RawId>>(opened: Incoming<'_, RawId>, value: Option<&Value>, name_member: &str) {
    let empty = Map::new();
    let object = value.and_then(Value::as_object).unwrap_or(&empty);
    let has_name = object.get(name_member).is_some_and(Value::is_string);
    let has_id = object.get("id").is_some_and(|id| id.is_string() || id.is_number() || id.is_null());
    let mut answer = Vec::new();
    match opened {
        Incoming::Call { id, params, .. } => {
            assert!(value.is_none() || has_name && has_id);
            E::write_answer(&id, Ok(&params), &mut answer).unwrap();
            check_answer(&answer, id.as_str());
        }
        Incoming::Invalid { id, error } => {
            let is_answer = !object.contains_key(name_member)
                && (object.contains_key("result") || object.contains_key("error"));
            assert!(!is_answer || error.code() == -32700, "an answer is never answered");
            assert!([-32600, -32700].contains(&error.code()));
            E::write_answer::<()>(&id, Err(&error), &mut answer).unwrap();
            check_answer(&answer, id.as_str());
        }
        Incoming::Message { .. } => assert!(value.is_none() || has_name && !object.contains_key("id")),
        Incoming::Answer { .. } => assert!(!object.contains_key(name_member)),
        other => panic!("{other:?}"),
    }
}

/// Checks that an answer is JSON, and has the id to the letter.
fn check_answer(answer: &[u8], id: &str) {
    let answer = std::str::from_utf8(answer).unwrap();
    let members: std::collections::HashMap<String, &RawValue> = serde_json::from_str(answer).unwrap();
    assert_eq!(members["id"].get(), id);
}
