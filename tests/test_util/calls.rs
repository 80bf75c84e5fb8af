//! Calls in both directions, and what a failed expectation prints.

use serde_json::{Value, json};
use ws_core::prelude::*;
use ws_core::test::TestClient;

use super::{failure, happened};

#[derive(Call, serde::Serialize)]
#[call(returns = String)]
struct Ask {
    question: String,
}

#[websocket(envelope = JsonRpc)]
#[derive(Default)]
struct Board;

#[websocket]
impl Board {
    #[on_call]
    fn add(&mut self, a: i64, b: i64) -> i64 {
        a + b
    }

    #[on_call]
    fn later(&mut self, seconds: u64) -> Deferred<u64> {
        Deferred::new(async move {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            seconds
        })
    }

    #[on_call]
    async fn ask(&mut self, question: String, cx: &mut Context<Self>) -> Result<String, ClientCallError> {
        cx.call(Ask { question }).await
    }

    #[on_binary]
    fn binary(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        bytes
    }
}

async fn open() -> TestClient<Board> {
    TestClient::open(Board).await
}

#[tokio::test]
async fn calls_are_answered_in_both_directions() {
    let mut client = open().await;
    assert_eq!(client.call("add", json!([1, 2])).await.unwrap(), 3);
    assert_eq!(client.call("nothing", ()).await.unwrap_err().code(), -32601);
    client.send(vec![1]).await;
    let asked = client.send_call("ask", json!({ "question": "why?" })).await;
    client
        .answer("ask", |params: Value| {
            assert_eq!(params, json!({ "question": "why?" }));
            Ok("because")
        })
        .await;
    assert_eq!(client.answer_to(asked).await.unwrap(), "because");
    // Other messages have stayed.
    assert_eq!(client.binary().await, [1][..]);
    let refused = client.send_call("ask", json!(["why?"])).await;
    client.answer::<Value, ()>("ask", |_| Err(CallError::new(1, "no"))).await;
    assert_eq!(client.answer_to(refused).await.unwrap_err().code(), -32603);
}

#[tokio::test]
async fn deferred_answers_follow_the_clock() {
    let mut client = open().await;
    let later = client.send_call("later", json!([5])).await;
    client.advance(Duration::from_secs(5)).await;
    assert_eq!(client.answer_to(later).await.unwrap(), 5);
}

#[tokio::test]
async fn failures_print_names() {
    let message = failure(async {
        let mut client = open().await;
        drop(client.send_call("ask", json!(["x".repeat(100)])).await);
        client.send(vec![1]).await;
        client.answer("confirm", |_: Value| Ok(true)).await;
    })
    .await;
    let x = "x".repeat(47);
    let (first, log) = message.split_once('\n').unwrap();
    let call = format!(r#"the call `ask` {{"question":"{x}…"#);
    assert!(first.ends_with(&format!("expected the call `confirm`, but got {call}")), "{first}");
    assert!(log.contains(&format!("handler sent {call}")), "{log}");
    assert!(!happened(log).is_empty() && !log.contains("jsonrpc"), "{log}");

    let message = failure(async {
        let mut client = open().await;
        client.send(vec![1]).await;
        drop(client.call("later", json!([5])).await);
    })
    .await;
    let expected = "expected the answer to the call `later`, but got binary [1]";
    assert!(message.contains(expected), "{message}");
}
