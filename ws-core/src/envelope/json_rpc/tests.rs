use serde_json::{Value, json};

use super::super::testing::{answer, describe};
use super::*;

#[track_caller]
fn check(text: &str, expected: &str) {
    assert_eq!(describe(&JsonRpc::open(text)), expected, "{text}");
}

/// The methods of the examples of the specification (§7).
fn methods(name: &str, params: Option<&RawValue>) -> Result<Value, CallError> {
    let params: Value = params.map_or(Value::Null, |params| serde_json::from_str(params.get()).unwrap());
    let number = |name: &str, position: usize| {
        params.get(name).or_else(|| params.get(position)).and_then(Value::as_i64).unwrap()
    };
    match name {
        "subtract" => Ok(json!(number("minuend", 0) - number("subtrahend", 1))),
        "sum" => Ok(json!((0..3).map(|position| number("", position)).sum::<i64>())),
        "get_data" => Ok(json!(["hello", 5])),
        _ => Err(CallError::method_not_found("Method not found")),
    }
}

/// Compares the answer with an example. The order of members is not significant.
#[track_caller]
fn check_answer(text: &str, expected: Option<&str>) {
    let parsed = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    assert_eq!(answer::<JsonRpc>(text, methods).as_deref().map(parsed), expected.map(parsed), "{text}");
}

#[test]
fn examples_of_the_specification() {
    let examples: [(&str, Option<&str>); 13] = [
        // Positional parameters.
        (
            r#"{"jsonrpc": "2.0", "method": "subtract", "params": [42, 23], "id": 1}"#,
            Some(r#"{"jsonrpc": "2.0", "result": 19, "id": 1}"#),
        ),
        (
            r#"{"jsonrpc": "2.0", "method": "subtract", "params": [23, 42], "id": 2}"#,
            Some(r#"{"jsonrpc": "2.0", "result": -19, "id": 2}"#),
        ),
        // Named parameters.
        (
            r#"{"jsonrpc": "2.0", "method": "subtract", "params": {"subtrahend": 23, "minuend": 42}, "id": 3}"#,
            Some(r#"{"jsonrpc": "2.0", "result": 19, "id": 3}"#),
        ),
        (
            r#"{"jsonrpc": "2.0", "method": "subtract", "params": {"minuend": 42, "subtrahend": 23}, "id": 4}"#,
            Some(r#"{"jsonrpc": "2.0", "result": 19, "id": 4}"#),
        ),
        // Notifications.
        (r#"{"jsonrpc": "2.0", "method": "update", "params": [1,2,3,4,5]}"#, None),
        (r#"{"jsonrpc": "2.0", "method": "foobar"}"#, None),
        // A method that does not exist.
        (
            r#"{"jsonrpc": "2.0", "method": "foobar", "id": "1"}"#,
            Some(
                r#"{"jsonrpc": "2.0", "error": {"code": -32601, "message": "Method not found"}, "id": "1"}"#,
            ),
        ),
        // Invalid JSON.
        (
            r#"{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]"#,
            Some(r#"{"jsonrpc": "2.0", "error": {"code": -32700, "message": "Parse error"}, "id": null}"#),
        ),
        // An invalid request.
        (
            r#"{"jsonrpc": "2.0", "method": 1, "params": "bar"}"#,
            Some(
                r#"{"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null}"#,
            ),
        ),
        // A batch with invalid JSON.
        (
            r#"[
              {"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"},
              {"jsonrpc": "2.0", "method"
            ]"#,
            Some(r#"{"jsonrpc": "2.0", "error": {"code": -32700, "message": "Parse error"}, "id": null}"#),
        ),
        // An empty batch.
        (
            "[]",
            Some(
                r#"{"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null}"#,
            ),
        ),
        // A batch of notifications.
        (
            r#"[
              {"jsonrpc": "2.0", "method": "notify_sum", "params": [1,2,4]},
              {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]}
            ]"#,
            None,
        ),
        // A batch.
        (
            r#"[
              {"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"},
              {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]},
              {"jsonrpc": "2.0", "method": "subtract", "params": [42,23], "id": "2"},
              {"foo": "boo"},
              {"jsonrpc": "2.0", "method": "foo.get", "params": {"name": "myself"}, "id": "5"},
              {"jsonrpc": "2.0", "method": "get_data", "id": "9"}
            ]"#,
            Some(
                r#"[
              {"jsonrpc": "2.0", "result": 7, "id": "1"},
              {"jsonrpc": "2.0", "result": 19, "id": "2"},
              {"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null},
              {"jsonrpc": "2.0", "error": {"code": -32601, "message": "Method not found"}, "id": "5"},
              {"jsonrpc": "2.0", "result": ["hello", 5], "id": "9"}
            ]"#,
            ),
        ),
    ];
    for (text, expected) in examples {
        check_answer(text, expected);
    }
}

#[test]
fn invalid_batches_of_the_specification() {
    let invalid =
        r#"{"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null}"#;
    check_answer("[1]", Some(&format!("[{invalid}]")));
    check_answer("[1,2,3]", Some(&format!("[{invalid},{invalid},{invalid}]")));
}

#[test]
fn ids_of_every_kind_are_kept() {
    for id in ["1", "-1", "1.50", "0.1e-7", "123456789012345678901234567890", "null", "\"\"", r#""\u00e4\"""#]
    {
        let text = format!(r#"{{"jsonrpc":"2.0","method":"get_data","id":{id}}}"#);
        check(&text, &format!("call {id} get_data -"));
        let expected = format!(r#"{{"jsonrpc":"2.0","result":["hello",5],"id":{id}}}"#);
        assert_eq!(answer::<JsonRpc>(&text, methods), Some(expected));
    }
}

#[test]
fn what_is_not_a_request_is_invalid() {
    for (text, id) in [
        (r#"{"jsonrpc":"2.0","method":"a","id":[1]}"#, "null"),
        (r#"{"jsonrpc":"2.0","method":"a","id":{}}"#, "null"),
        (r#"{"jsonrpc":"2.0","method":"a","id":true}"#, "null"),
        (r#"{"method":"a","id":1}"#, "1"),
        (r#"{"jsonrpc":"1.0","method":"a","id":1}"#, "1"),
        (r#"{"jsonrpc":2.0,"method":"a","id":1}"#, "1"),
        (r#"{"jsonrpc":null,"method":"a"}"#, "null"),
        (r#"{"jsonrpc":"2.0","method":null,"id":"x"}"#, "\"x\""),
        (r#"{"jsonrpc":"2.0","method":["a"],"id":1}"#, "1"),
        (r#"{"jsonrpc":"2.0","method":"\ud800","id":1}"#, "1"),
        (r#"{"jsonrpc":"2.0","method":"a","params":1,"id":1}"#, "1"),
        (r#"{"jsonrpc":"2.0","method":"a","params":"b","id":1}"#, "1"),
        (r#"{"jsonrpc":"2.0","method":"a","params":null,"id":1}"#, "1"),
        (r#"{"jsonrpc":"2.0","method":"a","method":"b","id":1}"#, "1"),
        (r#"{"jsonrpc":"2.0","method":"a","id":1,"\u0069d":2}"#, "2"),
        (r#"{"jsonrpc":"2.0","id":1}"#, "1"),
        ("{}", "null"),
        ("1", "null"),
        ("\"text\"", "null"),
        (" null ", "null"),
    ] {
        check(text, &format!("invalid {id} -32600"));
    }
}

#[test]
fn what_is_not_json_is_a_parse_error() {
    for text in
        ["", " ", "hello", "{", "[", "{]", "[{}", "1 2", "{} {}", "[] []", "nul", "[1,]", "\u{feff}{}"]
    {
        check(text, "invalid null -32700");
    }
}

#[test]
fn members_have_any_order_and_spelling() {
    check(
        " {\"id\":1 , \"x\":{\"id\":2},\"params\":[ 1 ],\"m\\u0065thod\":\"\\u0061\\n\",\"jsonrpc\":\"\\u0032.0\"}\n",
        "call 1 a\n [ 1 ]",
    );
    check(r#"{"jsonrpc":"2.0","method":"a","params":{"a":1,"a":2}}"#, r#"message a {"a":1,"a":2}"#);
    check(r#"{"jsonrpc":"2.0","method":"a","id":1,"result":2}"#, "call 1 a -");
}

#[test]
fn names_are_borrowed_and_may_be_long() {
    let name = "n".repeat(1 << 20);
    let text = format!(r#"{{"jsonrpc":"2.0","method":"{name}","id":1}}"#);
    let Incoming::Call { name: opened, .. } = JsonRpc::open(&text) else { panic!("a call") };
    assert!(matches!(opened, std::borrow::Cow::Borrowed(opened) if opened == name));
}

#[test]
fn answers_belong_to_calls_of_the_server() {
    for (text, expected) in [
        (r#"{"jsonrpc":"2.0","result":{"a":1},"id":7}"#, r#"answer 7 {"a":1}"#),
        (r#"{"jsonrpc":"2.0","result":null,"id":7}"#, "answer 7 null"),
        (r#"{"jsonrpc":"2.0","result":1,"error":null,"id":7}"#, "answer 7 1"),
        (
            r#"{"jsonrpc":"2.0","error":{"code":-5,"message":"n\u006f","data":[1]},"id":7}"#,
            "answer 7 -5 no [1]",
        ),
        (r#"{"jsonrpc":"2.0","result":null,"error":{"code":-5,"message":"no"},"id":7}"#, "answer 7 -5 no -"),
        (
            r#"{"jsonrpc":"2.0","error":{"code":0.5},"id":7}"#,
            "answer 7 -32603 the client's error has no text -",
        ),
        (
            r#"{"jsonrpc":"2.0","error":"oops","id":7}"#,
            "answer 7 -32603 the client's error is not an object \"oops\"",
        ),
        (
            r#"{"jsonrpc":"2.0","result":1,"error":{"code":1,"message":"x"},"id":7}"#,
            "answer 7 -32603 the answer has a result and an error -",
        ),
        (r#"{"result":1,"id":7}"#, "answer 7 -32600 the answer is not one of JSON-RPC 2.0 -"),
        // Ids that no call of the server has.
        (r#"{"jsonrpc":"2.0","result":1,"id":"7"}"#, "answer 0 1"),
        (r#"{"jsonrpc":"2.0","result":1,"id":7.0}"#, "answer 0 1"),
        (r#"{"jsonrpc":"2.0","result":1,"id":-7}"#, "answer 0 1"),
        (r#"{"jsonrpc":"2.0","result":1,"id":[7]}"#, "answer 0 1"),
        (r#"{"jsonrpc":"2.0","result":1}"#, "answer 0 1"),
        (
            r#"{"jsonrpc":"2.0","error":{"code":-32700,"message":"Parse error"},"id":null}"#,
            "answer 0 -32700 Parse error -",
        ),
    ] {
        check(text, expected);
        assert_eq!(answer::<JsonRpc>(text, methods), None, "{text}");
    }
}

#[test]
fn batches_are_bounded() {
    let entry = r#"{"jsonrpc":"2.0","method":"get_data"}"#;
    let batch = |entries: usize| format!("[{}]", vec![entry; entries].join(","));
    let largest = batch(MAX_BATCH);
    let Incoming::Batch(entries) = JsonRpc::open(&largest) else { panic!("a batch") };
    assert_eq!(entries.len(), MAX_BATCH);
    for entries in [MAX_BATCH + 1, 100_000] {
        check(&batch(entries), "invalid null -32600");
    }
    // The end is read also if there are too many.
    check(&batch(MAX_BATCH + 1).replace(']', ""), "invalid null -32700");
    check(&(batch(MAX_BATCH + 1) + "x"), "invalid null -32700");
}

#[test]
fn a_batch_in_a_batch_is_invalid() {
    check(
        r#"[[], [{"jsonrpc":"2.0","method":"a","id":1}], {"jsonrpc":"2.0","result":1,"id":2}]"#,
        "[invalid null -32600, invalid null -32600, answer 2 1]",
    );
}

#[test]
fn nesting_is_bounded() {
    let call = |depth: usize| {
        let value = "[".repeat(depth) + &"]".repeat(depth);
        format!(r#"{{"jsonrpc":"2.0","method":"echo","params":[{value}],"id":1}}"#)
    };
    assert!(matches!(JsonRpc::open(&call(64)), Incoming::Call { params: Some(params), .. }
        if serde_json::from_str::<[Value; 1]>(params.get()).is_ok()));
    assert!(matches!(JsonRpc::open(&format!("[{}]", call(64))), Incoming::Batch(_)));
    for text in
        [call(65), format!("[{}]", call(65)), call(1 << 20), "[".repeat(1 << 20), "{\"a\":".repeat(1 << 18)]
    {
        check(&text, "invalid null -32700");
    }
}

fn message<T: Serialize + ?Sized>(params: &T) -> String {
    let mut out = b"before ".to_vec();
    JsonRpc::write_message("n\"ame", params, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn params_are_objects_or_arrays() {
    let with = |params: &str| format!(r#"before {{"jsonrpc":"2.0","method":"n\"ame"{params}}}"#);
    assert_eq!(message(&json!({"n": 1})), with(r#","params":{"n":1}"#));
    assert_eq!(message(&(1, 2)), with(r#","params":[1,2]"#));
    assert_eq!(message(&[0; 0]), with(r#","params":[]"#));
    assert_eq!(message("text"), with(r#","params":["text"]"#));
    assert_eq!(message(&7), with(r#","params":[7]"#));
    assert_eq!(message(&true), with(r#","params":[true]"#));
    assert_eq!(message(&()), with(""));
}

#[test]
fn calls_have_ids() {
    let mut out = Vec::new();
    JsonRpc::write_call(7, "answer", &json!({"question": "?"}), &mut out).unwrap();
    let call = r#"{"jsonrpc":"2.0","id":7,"method":"answer","params":{"question":"?"}}"#;
    assert_eq!(String::from_utf8(out).unwrap(), call);
}

#[test]
fn what_does_not_serialize_is_an_error() {
    let unwritable = std::collections::HashMap::from([((1, 2), 3)]);
    let mut out = Vec::new();
    assert!(JsonRpc::write_message("name", &unwritable, &mut out).is_err());
    assert!(JsonRpc::write_call(1, "name", &unwritable, &mut out).is_err());
    assert!(JsonRpc::write_answer(&RawId::null(), Ok(&unwritable), &mut out).is_err());
}

#[test]
fn errors_have_data_if_they_were_given_some() {
    let mut out = Vec::new();
    let error = CallError::new(-32000, "division by zero").with_data(&json!({"dividend": 7}));
    JsonRpc::write_answer::<()>(&RawId::null(), Err(&error), &mut out).unwrap();
    let expected = r#"{"jsonrpc":"2.0","error":{"code":-32000,"message":"division by zero","data":{"dividend":7}},"id":null}"#;
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}
