//! Answers that no call awaits.

use std::time::Duration;

use super::{Caller, Double, SyncCaller, answer, call_from_outside, call_text, counts};
use crate::ClientCallError;
use crate::test::TestClient;

#[tokio::test]
async fn unknown_and_doubled_answers_are_dropped() {
    let mut client = TestClient::open(Caller).await;
    let calls = [call_from_outside(&client, 1), call_from_outside(&client, 2)];
    client.advance(Duration::ZERO).await;
    for id in ["99", "0", "\"1\"", "null", "18446744073709551616"] {
        client.send(format!(r#"{{"jsonrpc":"2.0","id":{id},"result":5}}"#)).await;
    }
    assert_eq!(counts(&client), (2, 5));
    answer(&mut client, 1, 2).await;
    answer(&mut client, 1, 3).await;
    assert_eq!(counts(&client), (1, 6));
    answer(&mut client, 2, 4).await;
    for (call, expected) in calls.into_iter().zip([2, 4]) {
        assert_eq!(call.await.unwrap().unwrap(), expected);
    }
}

#[tokio::test]
async fn a_dropped_call_is_forgotten() {
    let mut client = TestClient::open(Caller).await;
    let call = call_from_outside(&client, 1);
    assert_eq!(client.text().await, call_text(1, 1));
    call.abort();
    client.advance(Duration::ZERO).await;
    assert_eq!(counts(&client), (0, 0));
    answer(&mut client, 1, 2).await;
    client.expect_nothing().await;
    assert_eq!(counts(&client), (0, 1));
    // A call that is not sent yet is not sent any more.
    drop(client.addr().call(Double { n: 2 }));
    let call = call_from_outside(&client, 3);
    assert_eq!(client.text().await, call_text(3, 3));
    client.expect_nothing().await;
    drop(call);
}

#[tokio::test]
async fn late_answers_are_no_texts_for_the_handler() {
    let mut client = TestClient::open(SyncCaller).await;
    let call = call_from_outside(&client, 7);
    client.advance(Duration::from_secs(30)).await;
    assert!(matches!(call.await.unwrap(), Err(ClientCallError::Timeout)));
    client.text().await;
    client.send(r#"{"id":1,"result":14}"#).await;
    client.expect_nothing().await;
    assert_eq!(counts(&client), (0, 1));
    client.send(r#"{"type":"text"}"#).await;
    assert_eq!(client.text().await, r#"{"type":"text"}"#);
}
