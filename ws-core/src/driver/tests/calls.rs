//! Calls to the client: routing of answers, limits, cancellation, and the end of the connection.

use std::collections::HashMap;
use std::time::Duration;

use serde::Serialize;
use serde_json::json;
use tokio::task::JoinHandle;

use crate::prelude::*;
use crate::test::TestClient;

mod dropped_answers;
mod endings;
mod in_parts;

#[derive(Call, Serialize)]
#[call(returns = u32)]
pub(super) struct Double {
    pub(super) n: u32,
}

#[derive(Call, Serialize)]
#[call("broken.call", returns = u32)]
struct Broken(HashMap<(u8, u8), u8>);

/// The message is a number for the client to double.
#[websocket(envelope = JsonRpc, max_pending_calls = 3, read_ahead = 1KiB)]
#[derive(Default)]
pub(super) struct Caller;

#[websocket]
impl Caller {
    #[on_info]
    async fn double(&mut self, n: u32, cx: &mut Context<Self>) -> String {
        cx.send("before");
        let call = cx.call(Double { n });
        cx.send("after");
        match call.timeout(Duration::from_secs(5)).await {
            Ok(doubled) => format!("{n} -> {doubled}"),
            Err(error) => error.to_string(),
        }
    }

    #[on_binary]
    fn binary(&mut self, bytes: &[u8], cx: &mut Context<Self>) -> String {
        format!("{} bytes, {} pending", bytes.len(), cx.pending_calls())
    }

    #[on_ping]
    fn close(&mut self, cx: &mut Context<Self>) {
        cx.close(1000);
        assert_eq!(poll_now(cx.call(Double { n: 0 })).unwrap_err().to_string(), "the connection has ended");
    }
}

/// Returns the result of a future that is ready.
fn poll_now<R: serde::de::DeserializeOwned>(call: crate::PendingCall<R>) -> Result<R, ClientCallError> {
    let mut call = std::pin::pin!(call);
    let mut task = std::task::Context::from_waker(std::task::Waker::noop());
    match std::future::Future::poll(call.as_mut(), &mut task) {
        std::task::Poll::Ready(result) => result,
        std::task::Poll::Pending => panic!("the call is pending"),
    }
}

/// Like [`Caller`], but without an async method: the session has no lock.
#[websocket(envelope = Tagged)]
#[derive(Default)]
struct SyncCaller;

#[websocket]
impl SyncCaller {
    #[on_text]
    fn text(&mut self, text: &str) -> String {
        text.to_owned()
    }
}

/// Like [`SyncCaller`], but with a method that waits.
#[websocket(envelope = Tagged)]
#[derive(Default)]
struct PatientCaller;

#[websocket]
impl PatientCaller {
    #[on_text]
    async fn text(&mut self, _: &str) -> &'static str {
        tokio::time::sleep(Duration::from_secs(5)).await;
        "waited"
    }
}

type Calling = JoinHandle<Result<u32, ClientCallError>>;

fn call_from_outside<H: crate::Handler + crate::Enveloped>(client: &TestClient<H>, n: u32) -> Calling {
    tokio::spawn(client.addr().call(Double { n }))
}

fn call_text(id: u64, n: u32) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"double","params":{{"n":{n}}}}}"#)
}

async fn answer<H: crate::Handler>(client: &mut TestClient<H>, id: u64, result: u32) {
    client.send(json!({ "jsonrpc": "2.0", "id": id, "result": result }).to_string()).await;
}

/// Returns the number of calls that wait, and of answers that were dropped.
fn counts<H: crate::Handler>(client: &TestClient<H>) -> (usize, u64) {
    let addr = client.addr();
    let calls = addr.0.calls();
    (calls.len(), calls.dropped())
}

#[tokio::test]
async fn a_method_awaits_the_answer_to_its_call() {
    let mut client = TestClient::open(Caller).await;
    client.info(4_u32).await;
    assert_eq!(client.text().await, "before");
    assert_eq!(client.text().await, call_text(1, 4));
    assert_eq!(client.text().await, "after");
    answer(&mut client, 1, 8).await;
    assert_eq!(client.text().await, "4 -> 8");
    assert_eq!(counts(&client), (0, 0));
}

/// A call with long parameters.
#[derive(Call, Serialize)]
#[call(returns = u32)]
struct Show {
    text: String,
}

/// Calls of the program may exceed `outbox_limit` together. A client that reads slowly keeps its connection.
#[tokio::test]
async fn calls_from_the_program_wait_for_room() {
    // A long call exceeds the limit although the outbox is below its high-water mark, or is longer than the limit.
    let lengths = [10 << 10, 1020 << 10, 60 << 10, 60 << 10, 2000 << 10, 1, 1020 << 10];
    let mut client = TestClient::open(SyncCaller).await;
    let addr = client.addr();
    let _calls: Vec<Calling> =
        lengths.map(|len| tokio::spawn(addr.call(Show { text: "x".repeat(len) }))).into();
    for len in lengths {
        assert!(client.text().await.len() > len);
    }
    client.send("still open").await;
    assert_eq!(client.text().await, "still open");
}

#[tokio::test]
async fn calls_wait_for_room_while_a_method_is_pending() {
    let mut client = TestClient::open(PatientCaller).await;
    let addr = client.addr();
    client.send("wait").await;
    let _calls: Vec<Calling> =
        (0..40).map(|_| tokio::spawn(addr.call(Show { text: "x".repeat(60 << 10) }))).collect();
    for _ in 0..40 {
        assert!(client.text().await.len() > 60 << 10);
    }
    client.advance(Duration::from_secs(5)).await;
    assert_eq!(client.text().await, "waited");
}

#[tokio::test]
async fn an_answer_passes_the_messages_that_wait_for_the_method() {
    let mut client = TestClient::open(Caller).await;
    client.info(4_u32).await;
    client.send(vec![0; 1]).await;
    client.send(vec![0; 2]).await;
    answer(&mut client, 1, 8).await;
    for _ in 0..3 {
        client.text().await;
    }
    assert_eq!(client.text().await, "4 -> 8");
    assert_eq!(client.text().await, "1 bytes, 0 pending");
    assert_eq!(client.text().await, "2 bytes, 0 pending");
}

#[tokio::test]
async fn an_answer_behind_a_full_queue_comes_after_the_timeout() {
    let mut client = TestClient::open(Caller).await;
    client.info(4_u32).await;
    client.send(vec![0; 2048]).await;
    answer(&mut client, 1, 8).await;
    for _ in 0..3 {
        client.text().await;
    }
    client.expect_nothing().await;
    client.advance(Duration::from_secs(5)).await;
    assert_eq!(client.text().await, "the client did not answer in time");
    assert_eq!(client.text().await, "2048 bytes, 0 pending");
}

#[tokio::test]
async fn an_answer_may_come_in_fragments() {
    let mut client = TestClient::open(Caller).await;
    client.info(4_u32).await;
    let text = json!({ "jsonrpc": "2.0", "id": 1, "result": 8 }).to_string();
    for (first_byte, part) in [(0x01, &text[..9]), (0x80, &text[9..])] {
        let mut frame = vec![first_byte, 0x80 | u8::try_from(part.len()).unwrap(), 0, 0, 0, 0];
        frame.extend_from_slice(part.as_bytes());
        client.raw(&frame).await;
    }
    for _ in 0..3 {
        client.text().await;
    }
    assert_eq!(client.text().await, "4 -> 8");
}

#[tokio::test]
async fn answers_come_in_any_order() {
    let mut client = TestClient::open(Caller).await;
    let calls: Vec<Calling> = (1..=3).map(|n| call_from_outside(&client, n)).collect();
    for n in 1..=3 {
        assert_eq!(client.text().await, call_text(n.into(), n));
    }
    for id in [3, 1, 2] {
        answer(&mut client, id, u32::try_from(id).unwrap() * 2).await;
    }
    for (call, expected) in calls.into_iter().zip([2, 4, 6]) {
        assert_eq!(call.await.unwrap().unwrap(), expected);
    }
    assert_eq!(counts(&client), (0, 0));
}

#[tokio::test]
async fn answers_in_a_batch_are_routed() {
    let mut client = TestClient::open(Caller).await;
    let calls: Vec<Calling> = (1..=2).map(|n| call_from_outside(&client, n)).collect();
    client.advance(Duration::ZERO).await;
    let answers = json!([
        { "jsonrpc": "2.0", "id": 2, "result": 4 },
        { "jsonrpc": "2.0", "id": 1, "result": 2 },
    ]);
    client.send(answers.to_string()).await;
    for (call, expected) in calls.into_iter().zip([2, 4]) {
        assert_eq!(call.await.unwrap().unwrap(), expected);
    }
}

#[tokio::test]
async fn a_call_from_outside_is_sent_while_a_method_is_pending() {
    let mut client = TestClient::open(Caller).await;
    client.info(4_u32).await;
    let call = call_from_outside(&client, 7);
    for expected in ["before", &call_text(1, 4), "after", &call_text(2, 7)] {
        assert_eq!(client.text().await, expected);
    }
    answer(&mut client, 2, 14).await;
    assert_eq!(call.await.unwrap().unwrap(), 14);
    answer(&mut client, 1, 8).await;
    assert_eq!(client.text().await, "4 -> 8");
}

#[tokio::test]
async fn a_handler_without_async_methods_calls_too() {
    let mut client = TestClient::open(SyncCaller).await;
    let call = call_from_outside(&client, 7);
    assert_eq!(client.text().await, r#"{"type":"double","id":1,"n":7}"#);
    client.send(r#"{"id":1,"result":14}"#).await;
    assert_eq!(call.await.unwrap().unwrap(), 14);
    client.expect_nothing().await;
}

#[tokio::test]
async fn errors_of_the_client_are_typed() {
    let mut client = TestClient::open(Caller).await;
    let call = call_from_outside(&client, 7);
    client.advance(Duration::ZERO).await;
    client.send(r#"{"jsonrpc":"2.0","id":1,"error":{"code":-5,"message":"no","data":[1]}}"#).await;
    let Err(ClientCallError::Refused(error)) = call.await.unwrap() else { panic!("refused") };
    assert_eq!((error.code(), error.message()), (-5, "no"));
    assert_eq!(error.data().unwrap().get(), "[1]");
}

#[tokio::test]
async fn results_of_another_type_are_errors() {
    let mut client = TestClient::open(Caller).await;
    let call = call_from_outside(&client, 7);
    client.advance(Duration::ZERO).await;
    client.send(r#"{"jsonrpc":"2.0","id":1,"result":"fourteen"}"#).await;
    assert!(matches!(call.await.unwrap(), Err(ClientCallError::Decode(_))));
}

#[tokio::test]
async fn params_that_do_not_serialize_are_not_sent() {
    let mut client = TestClient::open(Caller).await;
    let broken = client.addr().call(Broken([((1, 2), 3)].into()));
    assert!(matches!(broken.await, Err(ClientCallError::Encode(_))));
    client.expect_nothing().await;
    assert_eq!(counts(&client), (0, 0));
}

#[tokio::test]
async fn the_timeout_may_change_after_a_poll() {
    let mut client = TestClient::open(Caller).await;
    let mut call = client.addr().call(Double { n: 1 });
    std::future::poll_fn(|task| {
        assert!(std::pin::Pin::new(&mut call).poll(task).is_pending());
        std::task::Poll::Ready(())
    })
    .await;
    let call = tokio::spawn(call.timeout(Duration::from_secs(2)));
    client.advance(Duration::from_secs(2)).await;
    assert!(matches!(call.await.unwrap(), Err(ClientCallError::Timeout)));
}

#[tokio::test]
async fn calls_wait_thirty_seconds_by_default() {
    let mut client = TestClient::open(Caller).await;
    let default = call_from_outside(&client, 1);
    let short = tokio::spawn(client.addr().call(Double { n: 2 }).timeout(Duration::from_secs(2)));
    let endless = tokio::spawn(client.addr().call(Double { n: 3 }).timeout(Duration::MAX));
    client.advance(Duration::from_millis(1999)).await;
    assert!(!short.is_finished());
    client.advance(Duration::from_millis(1)).await;
    assert!(matches!(short.await.unwrap(), Err(ClientCallError::Timeout)));
    client.advance(Duration::from_millis(27_999)).await;
    assert!(!default.is_finished());
    client.advance(Duration::from_millis(1)).await;
    assert!(matches!(default.await.unwrap(), Err(ClientCallError::Timeout)));
    assert_eq!(counts(&client), (1, 0));
    // Late answers are dropped and counted.
    for _ in 0..3 {
        client.text().await;
    }
    answer(&mut client, 1, 2).await;
    answer(&mut client, 2, 4).await;
    assert_eq!(counts(&client), (1, 2));
    answer(&mut client, 3, 6).await;
    assert_eq!(endless.await.unwrap().unwrap(), 6);
}

#[tokio::test]
async fn pending_calls_are_limited() {
    let mut client = TestClient::open(Caller).await;
    let calls: Vec<Calling> = (1..=3).map(|n| call_from_outside(&client, n)).collect();
    let addr = client.addr();
    assert!(matches!(addr.call(Double { n: 4 }).await, Err(ClientCallError::TooManyPending)));
    client.send(vec![]).await;
    for n in 1..=3 {
        assert_eq!(client.text().await, call_text(n.into(), n));
    }
    assert_eq!(client.text().await, "0 bytes, 3 pending");
    answer(&mut client, 2, 4).await;
    let fourth = call_from_outside(&client, 4);
    assert_eq!(client.text().await, call_text(4, 4));
    answer(&mut client, 4, 8).await;
    assert_eq!(fourth.await.unwrap().unwrap(), 8);
    drop(calls);
}
