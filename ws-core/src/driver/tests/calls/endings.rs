//! Calls whose method or connection ends before the answer.

use std::time::Duration;

use super::{Caller, Double, call_from_outside, call_text, counts};
use crate::ClientCallError;
use crate::test::TestClient;

#[tokio::test]
async fn a_method_that_is_cancelled_forgets_its_call() {
    let mut client = TestClient::open(Caller).await;
    client.info(1_u32).await;
    assert_eq!(counts(&client), (1, 0));
    client.abort().await;
    client.advance(Duration::from_secs(2)).await;
    assert_eq!(counts(&client), (0, 0));
}

#[tokio::test]
async fn calls_fail_when_the_connection_ends() {
    for end in ["abort", "close", "stop"] {
        let mut client = TestClient::open(Caller).await;
        let call = call_from_outside(&client, 1);
        assert_eq!(client.text().await, call_text(1, 1));
        match end {
            "abort" => client.abort().await,
            "close" => client.close(1000).await,
            _ => client.ping("").await,
        }
        client.advance(Duration::ZERO).await;
        assert!(matches!(call.await.unwrap(), Err(ClientCallError::ConnectionEnded)), "{end}");
        let late = client.addr().call(Double { n: 2 }).await;
        assert!(matches!(late, Err(ClientCallError::Closed)), "{end}");
        assert_eq!(counts(&client), (0, 0));
    }
}

#[tokio::test]
async fn the_call_of_a_pending_method_fails_when_the_client_closes() {
    let mut client = TestClient::open(Caller).await;
    client.info(1_u32).await;
    for _ in 0..3 {
        client.text().await;
    }
    let outside = call_from_outside(&client, 2);
    assert_eq!(client.text().await, call_text(2, 2));
    client.close(1000).await;
    // At once, not after the time limit of the method.
    assert_eq!(client.text().await, "the connection ended before the client answered");
    assert!(matches!(outside.await.unwrap(), Err(ClientCallError::ConnectionEnded)));
}

#[tokio::test]
async fn an_address_of_a_dropped_connection_takes_no_call() {
    let client = TestClient::open(Caller).await;
    let addr = client.addr();
    drop(client);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(matches!(addr.call(Double { n: 1 }).await, Err(ClientCallError::Closed)));
    assert_eq!(addr.0.calls().len(), 0);
}
