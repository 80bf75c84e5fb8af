//! The messages of one connection: off by default, redacted, cut, and bounded.

use super::super::protocol::MessageRow;
use super::super::watch::{MAX_BINARY, MAX_COPIED, MAX_TEXT, MAX_WAITING};
use super::*;

/// Opens a page that watches the only connection of a router. Returns the number of the connection as well.
async fn watching(router: &Router) -> (PageClient, Value) {
    let mut page = PageClient::open(router).await;
    page.view(json!({})).await;
    let report = page.until(|report| report["totals"]["connections"] == 2).await;
    let id = first_id(&report);
    page.send(json!({ "type": "watch", "id": id })).await;
    (page, json!(id))
}

fn contents(messages: &Value) -> Vec<Value> {
    messages["items"].as_array().unwrap().iter().map(|item| item["content"].clone()).collect()
}

#[tokio::test]
async fn messages_are_shown_as_the_program_says() {
    let router = router(Inspector::local().messages(|message| match message.text() {
        Some("panic") => panic!("on purpose"),
        Some(text) if text.starts_with("hide") => Shown::Hidden,
        Some(text) => Shown::Text(text.replace("secret", "…")),
        None => Shown::Whole,
    }));
    let mut guest = guest(&router, "user:1").await;
    let (mut page, id) = watching(&router).await;
    assert_eq!(page.event("watching").await["id"], id);
    for text in ["a secret", "hide", "panic"] {
        guest.send(text).await;
    }
    guest.send(vec![0xab; 300]).await;
    page.0.advance(Duration::from_secs(1)).await;
    let messages = page.event("messages").await;
    let (hidden, hex) = (Value::Null, json!("ab".repeat(MAX_BINARY)));
    let shown = [
        json!("a …"),
        json!("a …"),
        hidden.clone(),
        hidden.clone(),
        hidden.clone(),
        hidden,
        hex.clone(),
        hex,
    ];
    assert_eq!(contents(&messages), shown);
    let items = &messages["items"];
    assert_eq!(
        (&items[0]["is_sent"], &items[1]["is_sent"], &items[0]["len"]),
        (&json!(false), &json!(true), &json!(8))
    );
    assert_eq!(
        (&items[6]["is_hex"], &items[6]["is_cut"], &items[6]["len"]),
        (&json!(true), &json!(true), &json!(300))
    );
    assert_eq!((&messages["dropped"], &messages["id"]), (&json!(0), &id));
}

#[tokio::test]
async fn no_message_is_shown_unless_the_program_and_the_page_want_it() {
    let router = router(Inspector::local());
    let mut one = guest(&router, "user:1").await;
    let (mut page, _) = watching(&router).await;
    assert_eq!(page.event("watching").await["id"], Value::Null);
    one.send("hello").await;
    page.0.advance(Duration::from_secs(2)).await;
    assert!(page.drain().await.iter().all(|event| event["type"] != "messages"));

    let router = super::router(Inspector::local().messages(|_| Shown::Whole));
    let mut one = guest(&router, "user:1").await;
    let (mut page, id) = watching(&router).await;
    assert_eq!(page.event("watching").await["id"], id);
    page.send(json!({ "type": "unwatch" })).await;
    assert_eq!(page.event("watching").await["id"], Value::Null);
    one.send("hello").await;
    page.0.advance(Duration::from_secs(2)).await;
    assert!(page.drain().await.iter().all(|event| event["type"] != "messages"));
    // Neither a connection that does not exist, nor that of a page.
    let own = first_id(&page.view(json!({ "query": "InspectorSocket" })).await);
    for id in [NO_ID, own] {
        page.send(json!({ "type": "watch", "id": id })).await;
        assert_eq!(page.event("watching").await["id"], Value::Null);
    }
}

#[tokio::test]
async fn long_messages_are_cut_and_too_long_ones_are_hidden() {
    let router = router(Inspector::local().messages(|message| {
        assert!(message.payload.len() <= MAX_COPIED);
        Shown::Whole
    }));
    let mut guest = guest(&router, "user:1").await;
    let (mut page, id) = watching(&router).await;
    assert_eq!(page.event("watching").await["id"], id);
    // The cut would be within a letter.
    guest.send(format!("x{}", "é".repeat(MAX_TEXT))).await;
    guest.send("y".repeat(MAX_COPIED + 1)).await;
    page.0.advance(Duration::from_secs(1)).await;
    let messages = page.event("messages").await;
    let items: Vec<&Value> = messages["items"].as_array().unwrap().iter().step_by(2).collect();
    assert_eq!(items[0]["content"], json!(format!("x{}", "é".repeat(MAX_TEXT / 2 - 1))));
    assert_eq!((&items[0]["is_cut"], &items[0]["len"]), (&json!(true), &json!(2 * MAX_TEXT + 1)));
    assert_eq!((&items[1]["content"], &items[1]["len"]), (&Value::Null, &json!(MAX_COPIED + 1)));
}

#[tokio::test]
async fn waiting_messages_are_bounded() {
    let router = router(Inspector::local().messages(|_| Shown::Whole));
    let mut guest = guest(&router, "user:1").await;
    let (mut page, id) = watching(&router).await;
    assert_eq!(page.event("watching").await["id"], id);
    for _ in 0..MAX_WAITING {
        guest.send("x").await;
    }
    let mut seen = 0;
    for _ in 0..10 {
        page.0.advance(Duration::from_millis(100)).await;
        for messages in page.drain().await.iter().filter(|event| event["type"] == "messages") {
            let items = messages["items"].as_array().unwrap().len();
            assert!(items <= MAX_WAITING);
            seen += items as u64 + messages["dropped"].as_u64().unwrap();
        }
    }
    assert_eq!(seen, 2 * MAX_WAITING as u64, "each message was shown or counted");
}

#[test]
fn queue_counts_bytes() {
    use crate::message::MessageKind;
    use crate::wire::{MessageTap, TappedMessage};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let messages = runtime.block_on(async {
        let router = router(Inspector::local());
        let page = PageClient::open(&router).await;
        let watch = super::super::watch::Watch::new(1, "handler", page.0.addr().recipient());
        let payload = vec![0; MAX_COPIED];
        for _ in 0..20 {
            let message = TappedMessage {
                direction: Direction::Sent,
                kind: MessageKind::Binary,
                payload: &payload,
                is_part: true,
            };
            assert!(watch.on_message(&message));
        }
        let show: ShowMessage = Arc::new(|_| Shown::Whole);
        let messages = watch.take(&show);
        watch.end();
        let last = TappedMessage {
            direction: Direction::Sent,
            kind: MessageKind::Binary,
            payload: &[],
            is_part: true,
        };
        assert!(!watch.on_message(&last), "an ended watch takes no more");
        messages
    });
    // A mebibyte has room for 16.
    assert_eq!((messages.items.len(), messages.dropped), (16, 4));
    let MessageRow { is_part, is_binary, is_cut, .. } = messages.items[0];
    assert!(is_part && is_binary && is_cut);
}
