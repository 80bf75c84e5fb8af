//! The examples of the specification of JSON-RPC 2.0 (§7), from frame to frame.

use serde_json::{Value, json};

use crate::prelude::*;
use crate::test::TestClient;

#[websocket(envelope = JsonRpc)]
#[derive(Default)]
struct Examples(Vec<i64>);

#[websocket]
impl Examples {
    #[on_call]
    fn subtract(&mut self, minuend: i64, subtrahend: i64) -> i64 {
        minuend - subtrahend
    }

    #[on_call]
    fn sum(&mut self, a: i64, b: i64, c: i64) -> i64 {
        a + b + c
    }

    #[on_call]
    async fn get_data(&mut self) -> (&'static str, u8) {
        tokio::task::yield_now().await;
        ("hello", 5)
    }

    #[on_message]
    fn update(&mut self, a: i64, b: i64, c: i64, d: i64, e: i64) {
        self.0.extend([a, b, c, d, e]);
    }

    #[on_message]
    fn notify_hello(&mut self, n: i64) {
        self.0.push(n);
    }

    /// Returns what the notifications have brought.
    #[on_call]
    fn notified(&mut self) -> Vec<i64> {
        std::mem::take(&mut self.0)
    }
}

/// Replaces the texts of errors, which are free (§5.1).
fn without_texts(mut answer: Value) -> Value {
    let answers = match &mut answer {
        Value::Array(answers) => answers.iter_mut().collect(),
        single => vec![single],
    };
    for answer in answers {
        if let Some(Value::Object(error)) = answer.get_mut("error") {
            assert!(error.insert("message".into(), "…".into()).is_some_and(|message| message.is_string()));
            error.remove("data");
        }
    }
    answer
}

fn error(code: i64, id: Value) -> Value {
    json!({ "jsonrpc": "2.0", "error": { "code": code, "message": "…" }, "id": id })
}

fn result(result: Value, id: Value) -> Value {
    json!({ "jsonrpc": "2.0", "result": result, "id": id })
}

#[tokio::test]
async fn examples_of_the_specification() {
    let mut client = TestClient::open(Examples::default()).await;
    let examples = [
        (
            r#"{"jsonrpc": "2.0", "method": "subtract", "params": [42, 23], "id": 1}"#,
            Some(result(json!(19), json!(1))),
        ),
        (
            r#"{"jsonrpc": "2.0", "method": "subtract", "params": [23, 42], "id": 2}"#,
            Some(result(json!(-19), json!(2))),
        ),
        (
            r#"{"jsonrpc": "2.0", "method": "subtract", "params": {"subtrahend": 23, "minuend": 42}, "id": 3}"#,
            Some(result(json!(19), json!(3))),
        ),
        (
            r#"{"jsonrpc": "2.0", "method": "subtract", "params": {"minuend": 42, "subtrahend": 23}, "id": 4}"#,
            Some(result(json!(19), json!(4))),
        ),
        (r#"{"jsonrpc": "2.0", "method": "update", "params": [1,2,3,4,5]}"#, None),
        (r#"{"jsonrpc": "2.0", "method": "foobar"}"#, None),
        (
            r#"{"jsonrpc": "2.0", "method": "notified", "id": 5}"#,
            Some(result(json!([1, 2, 3, 4, 5]), json!(5))),
        ),
        (r#"{"jsonrpc": "2.0", "method": "foobar", "id": "1"}"#, Some(error(-32601, json!("1")))),
        (r#"{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]"#, Some(error(-32700, Value::Null))),
        (r#"{"jsonrpc": "2.0", "method": 1, "params": "bar"}"#, Some(error(-32600, Value::Null))),
        (
            r#"[{"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"}, {"jsonrpc": "2.0", "method" ]"#,
            Some(error(-32700, Value::Null)),
        ),
        ("[]", Some(error(-32600, Value::Null))),
        ("[1]", Some(json!([error(-32600, Value::Null)]))),
        ("[1,2,3]", Some(json!([1, 2, 3].map(|_| error(-32600, Value::Null))))),
        (
            r#"[
              {"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"},
              {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]},
              {"jsonrpc": "2.0", "method": "subtract", "params": [42,23], "id": "2"},
              {"foo": "boo"},
              {"jsonrpc": "2.0", "method": "foo.get", "params": {"name": "myself"}, "id": "5"},
              {"jsonrpc": "2.0", "method": "get_data", "id": "9"}
            ]"#,
            Some(json!([
                result(json!(7), json!("1")),
                result(json!(19), json!("2")),
                error(-32600, Value::Null),
                error(-32601, json!("5")),
                result(json!(["hello", 5]), json!("9")),
            ])),
        ),
        (
            r#"[
              {"jsonrpc": "2.0", "method": "notify_sum", "params": [1,2,4]},
              {"jsonrpc": "2.0", "method": "notify_hello", "params": [8]}
            ]"#,
            None,
        ),
        (r#"{"jsonrpc": "2.0", "method": "notified", "id": null}"#, Some(result(json!([7, 8]), Value::Null))),
    ];
    for (text, expected) in examples {
        client.send(text).await;
        match expected {
            Some(expected) => {
                let answer = serde_json::from_str(&client.text().await).unwrap();
                assert_eq!(without_texts(answer), expected, "{text}");
            }
            None => client.expect_nothing().await,
        }
    }
}

#[tokio::test]
async fn bad_input_gets_an_error_and_the_connection_lives() {
    let mut client = TestClient::open(Examples::default()).await;
    let batch = vec![r#"{"jsonrpc":"2.0","method":"notified","id":1}"#; 20_000].join(",");
    for (text, code) in [
        ("hello".to_owned(), -32700),
        ("[".repeat(100_000), -32700),
        (format!("[{batch}]"), -32600),
        (r#"{"jsonrpc":"2.0","method":"sum","id":{}}"#.into(), -32600),
        (format!(r#"{{"jsonrpc":"2.0","method":"{}","id":1}}"#, "n".repeat(1_000_000)), -32601),
        (r#"{"jsonrpc":"2.0","method":"sum","params":["a"],"id":1}"#.into(), -32602),
    ] {
        client.send(text).await;
        let answer = client.text().await;
        assert!(answer.len() < 1000 && answer.contains(&code.to_string()), "{answer:.1000}");
    }
    assert_eq!(client.call("sum", json!([1, 2, 3])).await.unwrap(), 6);
}
