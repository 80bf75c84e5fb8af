use serde_json::{Value, json};
use ws_core::test::TestClient;

use super::*;

/// Opens a connection to the lobby and returns its first message.
async fn enter(hub: &Hub, query: &str) -> (TestClient<Guest>, Value) {
    let uri = format!("/rooms/lobby?{query}");
    let mut guest = TestClient::<Guest>::upgrade(&uri).state(hub.clone()).open().await.unwrap();
    let hello = guest.json().await;
    (guest, hello)
}

/// Receives a line and returns its text and position.
async fn line(guest: &mut TestClient<Guest>) -> (String, String) {
    let event: Value = guest.json().await;
    assert_eq!(event["is"], "line");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (text(&event["line"]["text"]), text(&event["at"]))
}

#[tokio::test]
async fn guests_receive_lines_and_presence() {
    let hub = Hub::local();
    let (mut anna, _) = enter(&hub, "name=anna").await;
    let first: Value = anna.json().await;
    assert_eq!((&first["is"], &first["name"]), (&json!("joined"), &json!("anna")));
    let (mut ben, hello) = enter(&hub, "name=ben").await;
    assert_eq!((&hello["is"], &hello["recovered"]), (&json!("hello"), &json!(true)));
    assert_eq!(ben.json::<Value>().await, first);
    let second: Value = ben.json().await;
    assert_eq!((&second["name"], second["id"] == first["id"]), (&json!("ben"), false));
    assert_eq!(anna.json::<Value>().await, second);

    ben.send("hello").await;
    for guest in [&mut anna, &mut ben] {
        let line: Value = guest.json().await;
        assert_eq!(line["line"], json!({ "by": "ben", "text": "hello" }));
    }
    ben.abort().await;
    assert_eq!(anna.json::<Value>().await, json!({ "is": "left", "id": second["id"] }));
    anna.send("   ").await;
    anna.expect_nothing().await;
}

#[tokio::test]
async fn reconnecting_guest_gets_missed_lines() {
    let hub = Hub::local();
    let room = hub.topic::<Line>("room:lobby");
    let publish = |text: &str| room.publish(Line { by: "anna".into(), text: text.into() }).unwrap();
    let (mut ben, _) = enter(&hub, "name=ben").await;
    let _joined: Value = ben.json().await;
    publish("one");
    let (_, since) = line(&mut ben).await;
    ben.abort().await;
    publish("two");
    publish("three");
    let (mut ben, hello) = enter(&hub, &format!("name=ben&since={since}")).await;
    assert_eq!(hello["recovered"], true);
    assert_eq!((line(&mut ben).await.0, line(&mut ben).await.0), ("two".into(), "three".into()));
    assert_eq!(ben.json::<Value>().await["is"], "joined");
    ben.abort().await;
    // The history no longer has the page's position.
    (0..HISTORY).for_each(|_| drop(publish("bla")));
    let (mut ben, hello) = enter(&hub, &format!("name=ben&since={since}")).await;
    assert_eq!(hello["recovered"], false);
    assert_eq!(ben.json::<Value>().await["is"], "joined");
}

#[tokio::test]
async fn newcomer_gets_the_last_lines() {
    let hub = Hub::local();
    let (mut anna, _) = enter(&hub, "name=anna").await;
    for number in 1..=60 {
        hub.topic("room:lobby").publish(Line { by: "ben".into(), text: number.to_string() }).unwrap();
    }
    anna.advance(Duration::ZERO).await;
    let (mut carl, hello) = enter(&hub, "name=carl").await;
    assert_eq!(hello["recovered"], true);
    for number in 11..=60 {
        assert_eq!(line(&mut carl).await.0, number.to_string());
    }
}

#[tokio::test]
async fn rejects_long_names_and_lines() {
    let hub = Hub::local();
    let long = "x".repeat(MAX_NAME + 1);
    for uri in [format!("/rooms/lobby?name={long}"), format!("/rooms/{long}?name=anna")]
        .into_iter()
        .chain(["%20", "%00", ""].map(|name| format!("/rooms/lobby?name={name}")))
        .chain(["/rooms/lobby".to_owned(), "/rooms/lobby?name=anna&since=yesterday".to_owned()])
    {
        let rejection = TestClient::<Guest>::upgrade(&uri).state(hub.clone()).open().await.unwrap_err();
        assert_eq!(rejection.status, StatusCode::BAD_REQUEST, "{uri}");
    }
    let (mut anna, _) = enter(&hub, "name=anna").await;
    let _joined: Value = anna.json().await;
    anna.send("x".repeat(2049)).await;
    assert_eq!(anna.closed().await.code, CloseCode::Size);
}

#[tokio::test]
async fn slow_page_gets_lagged() {
    let hub = Hub::local();
    let (mut anna, _) = enter(&hub, "name=anna").await;
    let _joined: Value = anna.json().await;
    for _ in 0..=1024 {
        hub.topic("room:lobby").publish(Line { by: "ben".into(), text: "bla".into() }).unwrap();
    }
    assert_eq!(anna.json::<Value>().await, json!({ "is": "lagged" }));
    line(&mut anna).await;
}

#[cfg(feature = "contract")]
#[test]
fn contract_is_kept() {
    let router = Router::new().mount::<Guest>().with_state(Hub::local());
    ws_core::contract::check("contract/chat.json", &router);
}
