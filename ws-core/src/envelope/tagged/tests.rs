use serde_json::{Value, json};

use super::super::testing::{answer, describe};
use super::*;

/// `{"event": …, "data": …}`.
enum Events {}

impl TagNames for Events {
    const TAG: &'static str = "event";
    const CONTENT: Option<&'static str> = Some("data");
}

#[track_caller]
fn check<N: TagNames>(text: &str, expected: &str) {
    assert_eq!(describe(&Tagged::<N>::open(text)), expected, "{text}");
}

fn methods(_: &str, _: Option<&RawValue>) -> Result<Value, CallError> {
    Ok(json!(7))
}

#[test]
fn parameters_are_beside_the_tag() {
    let text = r#"{"type":"typing","room":"a"}"#;
    check::<TypeTag>(text, &format!("message typing {text}"));
    check::<TypeTag>(&format!("  {text}\n"), &format!("message typing {text}"));
    let text = r#"{"room":"a","id":"x","t\u0079pe":"t\u0079ping"}"#;
    check::<TypeTag>(text, &format!("call \"x\" typing {text}"));
    // These are members of the message, not of an answer.
    let text = r#"{"type":"done","result":1,"error":null}"#;
    check::<TypeTag>(text, &format!("message done {text}"));
}

#[test]
fn parameters_have_their_own_member() {
    check::<Events>(r#"{"event":"typing","data":{"room":"a"}}"#, r#"message typing {"room":"a"}"#);
    check::<Events>(r#"{"event":"typing"}"#, "message typing -");
    check::<Events>(r#"{"event":"typing","data":7,"id":null,"x":[]}"#, "call null typing 7");
    check::<Events>(r#"{"type":"typing","data":7}"#, "invalid null -32600");
}

#[test]
fn what_is_wrong_gets_an_error() {
    for text in ["", "hello", "{", r#"{"type":"a"} x"#, "{\"type\"}", "[}"] {
        check::<TypeTag>(text, "invalid null -32700");
        check::<Events>(text, "invalid null -32700");
    }
    for (text, id) in [
        ("1", "null"),
        ("[]", "null"),
        (r#"[{"type":"a","id":1}]"#, "null"),
        ("{}", "null"),
        (r#"{"id":1}"#, "1"),
        (r#"{"type":1,"id":1}"#, "1"),
        (r#"{"type":"\ud800","id":1}"#, "1"),
        (r#"{"type":"a","id":{}}"#, "null"),
        (r#"{"type":"a","id":false}"#, "null"),
        (r#"{"type":"a","type":"b","id":1}"#, "1"),
    ] {
        check::<TypeTag>(text, &format!("invalid {id} -32600"));
    }
    check::<Events>(r#"{"event":"a","data":1,"data":2}"#, "invalid null -32600");
    assert_eq!(
        answer::<Tagged>(r#"{"id":5}"#, methods).unwrap(),
        r#"{"id":5,"error":{"code":-32600,"message":"Invalid Request"}}"#
    );
}

#[test]
fn nesting_is_bounded() {
    let message = |depth: usize| {
        format!(r#"{{"type":"a","event":"a","data":[{}{}]}}"#, "[".repeat(depth), "]".repeat(depth))
    };
    assert!(matches!(<Tagged>::open(&message(64)), Incoming::Message { .. }));
    assert!(matches!(Tagged::<Events>::open(&message(64)), Incoming::Message { .. }));
    for depth in [65, 1 << 20] {
        check::<TypeTag>(&message(depth), "invalid null -32700");
        check::<Events>(&message(depth), "invalid null -32700");
    }
}

#[test]
fn answers_of_both_sides() {
    assert_eq!(answer::<Tagged>(r#"{"type":"a","id":1.0}"#, methods).unwrap(), r#"{"id":1.0,"result":7}"#);
    for (text, expected) in [
        (r#"{"id":3,"result":[1]}"#, "answer 3 [1]"),
        (r#"{"id":3,"error":{"code":4,"message":"no"}}"#, "answer 3 4 no -"),
        (r#"{"id":"3","result":[1]}"#, "answer 0 [1]"),
        (r#"{"error":{"code":4,"message":"no"},"id":null}"#, "answer 0 4 no -"),
    ] {
        check::<TypeTag>(text, expected);
        check::<Events>(text, expected);
        assert_eq!(answer::<Tagged>(text, methods), None);
    }
}

fn written<N: TagNames, T: Serialize + ?Sized>(id: Option<u64>, params: &T) -> Result<String, String> {
    let mut out = b"before ".to_vec();
    let result = match id {
        Some(id) => Tagged::<N>::write_call(id, "a", params, &mut out),
        None => Tagged::<N>::write_message("a", params, &mut out),
    };
    result.map(|()| String::from_utf8(out).unwrap()).map_err(|error| error.to_string())
}

#[test]
fn content_is_merged_or_has_its_member() {
    let object = json!({"b": {}});
    assert_eq!(written::<TypeTag, _>(None, &object).unwrap(), r#"before {"type":"a","b":{}}"#);
    assert_eq!(written::<TypeTag, _>(Some(7), &object).unwrap(), r#"before {"type":"a","id":7,"b":{}}"#);
    assert_eq!(written::<TypeTag, _>(None, &()).unwrap(), r#"before {"type":"a"}"#);
    assert_eq!(written::<TypeTag, _>(Some(7), &json!({})).unwrap(), r#"before {"type":"a","id":7}"#);
    for params in [json!([1]), json!(1), json!("null"), json!(true)] {
        assert!(written::<TypeTag, _>(None, &params).unwrap_err().contains("has to be an object"));
    }
    assert_eq!(written::<Events, _>(None, &object).unwrap(), r#"before {"event":"a","data":{"b":{}}}"#);
    assert_eq!(written::<Events, _>(Some(7), &[1]).unwrap(), r#"before {"event":"a","id":7,"data":[1]}"#);
    assert_eq!(written::<Events, _>(None, "null").unwrap(), r#"before {"event":"a","data":"null"}"#);
    assert_eq!(written::<Events, _>(None, &()).unwrap(), r#"before {"event":"a"}"#);
    assert_eq!(written::<Events, _>(None, &json!({})).unwrap(), r#"before {"event":"a","data":{}}"#);
}
