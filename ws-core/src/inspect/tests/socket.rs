//! What pages see, and what they may do.

use super::*;

#[tokio::test]
async fn connections_are_listed_searched_and_sorted() {
    let router = router(Inspector::local());
    let _guests = [guest(&router, "user:1").await, guest(&router, "user:22").await];
    let mut page = PageClient::open(&router).await;
    page.view(json!({})).await;
    let report = page.until(|report| report["totals"]["connections"] == 3).await;
    assert_eq!(report["connections"]["matched"], 3);
    let report = page.view(json!({ "query": "ROOM user:2" })).await;
    assert_eq!((&report["connections"]["matched"], &report["connections"]["total"]), (&json!(1), &json!(3)));
    let row = &report["connections"]["rows"][0];
    assert_eq!((&row["tags"], &row["state"]), (&json!(["user:22"]), &json!("idle")));
    let id = first_id(&report);
    assert!(row["handler"].as_str().unwrap().ends_with("::Room"));
    let report = page
        .view(json!({ "sort": "id", "is_descending": true, "limit": 1, "offset": 1, "selected": id }))
        .await;
    assert_eq!(
        (first_id(&report), &report["details"]["id"]),
        (id, &json!(id)),
        "the second of three in either order"
    );
    let report = page.view(json!({ "selected": NO_ID })).await;
    assert_eq!((&report["selected"], &report["details"]), (&json!(NO_ID), &Value::Null));
}

#[tokio::test]
async fn rates_are_those_between_samples() {
    let router = router(Inspector::local());
    let mut guest = guest(&router, "user:1").await;
    let mut page = PageClient::open(&router).await;
    page.view(json!({})).await;
    page.until(|report| report["totals"]["connections"] == 2).await;
    guest.send("x".repeat(94)).await;
    let report = page.until(|report| report["connections"]["rows"][0]["received_rate"] != 0).await;
    let row = &report["connections"]["rows"][0];
    // 94 bytes with a header of 6; the echo has one of 2.
    assert_eq!(
        (&row["received_rate"], &row["sent_rate"], &row["received"]),
        (&json!(100), &json!(96), &json!(100))
    );
    assert_eq!(row["rates"].as_array().unwrap().last(), Some(&json!(196)));
}

#[tokio::test]
async fn first_message_describes_the_handlers() {
    let router = Router::new().inspect("/_ws", Inspector::local()).mount::<Room>();
    let request = TestClient::<InspectorSocket>::upgrade_at("/_ws", "/_ws").peer_addr(local());
    let mut page = PageClient(request.open_through(router).await.unwrap(), 0);
    let hello = page.next().await;
    assert_eq!((&hello["may_act"], &hello["shows_messages"]), (&json!(true), &json!(false)));
    let endpoints = hello["endpoints"].as_array().unwrap();
    assert_eq!(
        (endpoints.len(), &endpoints[0]["path"]),
        (1, &json!("/rooms/{room}")),
        "a later mount is in it"
    );
    let changed: Vec<_> = endpoints[0]["options"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|option| option["is_changed"] == true)
        .collect();
    assert_eq!(changed, [&json!({ "name": "overflow", "value": "drop_oldest", "is_changed": true })]);
}

#[tokio::test]
async fn close_and_kick_close() {
    let router = router(Inspector::local());
    let (mut one, mut other) = (guest(&router, "user:1").await, guest(&router, "user:2").await);
    let mut same = guest(&router, "user:2").await;
    let mut page = PageClient::open(&router).await;
    page.view(json!({})).await;
    let id = first_id(&page.until(|report| report["totals"]["connections"] == 4).await);
    page.send(json!({ "type": "close", "id": id, "code": 4000, "reason": "x".repeat(200) })).await;
    assert_eq!(page.event("closed").await["count"], 1);
    assert_eq!(one.closed().await, Close::new(4000, "x".repeat(123)));
    page.send(json!({ "type": "kick", "tag": "user:2", "code": 4003, "reason": "signed out" })).await;
    assert_eq!(page.event("closed").await["count"], 2);
    for client in [&mut other, &mut same] {
        assert_eq!(client.closed().await, Close::new(4003, "signed out"));
    }
    for request in [
        json!({ "type": "close", "id": NO_ID, "code": 4000, "reason": "" }),
        json!({ "type": "kick", "tag": "no", "code": 1000, "reason": "" }),
    ] {
        page.send(request).await;
        assert_eq!(page.event("closed").await["count"], 0);
    }
}

#[tokio::test]
async fn page_without_the_permission_to_act_is_closed_and_closes_nothing() {
    let guard = |_: &Parts| Permission::Look;
    let router = router(Inspector::guarded(guard));
    let mut guest = guest(&router, "user:1").await;
    let mut page = PageClient::open(&router).await;
    page.view(json!({})).await;
    let id = first_id(&page.until(|report| report["totals"]["connections"] == 2).await);
    for request in [
        json!({ "type": "kick", "tag": "user:1", "code": 4000, "reason": "" }),
        json!({ "type": "close", "id": id, "code": 4000, "reason": "" }),
        json!({ "type": "close", "id": NO_ID, "code": 4000, "reason": "" }),
    ] {
        let mut page = PageClient::open(&router).await;
        page.send(request).await;
        assert_eq!(page.closed().await, Close::new(1008, "not permitted"));
    }
    guest.send("still here").await;
    assert_eq!(guest.text().await, "still here");
}

#[tokio::test]
async fn malformed_request_closes_the_page() {
    let router = router(Inspector::local());
    for request in
        ["{}", "x", r#"{"type":"view","limit":-1}"#, r#"{"type":"close","id":1}"#, r#"{"type":"other"}"#]
    {
        let mut page = PageClient::open(&router).await;
        page.0.send(request).await;
        assert_eq!(page.closed().await.code, 1007.into(), "{request}");
    }
    let mut page = PageClient::open(&router).await;
    page.0.send(vec![0_u8]).await;
    assert_eq!(page.closed().await.code, 1003.into());
}

#[tokio::test]
async fn topics_and_members_are_listed() {
    let (hub, empty) = (crate::Hub::local(), crate::Hub::local());
    let router = router(Inspector::local().hub("empty", &empty).hub("main", &hub));
    let topic = hub.topic::<String>("room:lobby").history(8);
    let _other = hub.topic::<u64>("numbers");
    let _guest = TestClient::open(Room(Some(topic.clone()), "anna".into())).await;
    topic.publish("hello".into()).unwrap();
    let mut page = PageClient::open(&router).await;
    let report = page.view(json!({ "tab": "topics", "hub": 1, "topic": "room:lobby" })).await;
    let topics = &report["topics"];
    assert_eq!(
        (&topics["total"], &report["broker"]["connected"], &report["connections"]),
        (&json!(2), &Value::Null, &Value::Null)
    );
    let lobby = &topics["rows"][1];
    let figures =
        ["name", "subscribers", "members", "history", "offset", "is_local"].map(|name| lobby[name].clone());
    assert_eq!(figures, [json!("room:lobby"), json!(1), json!(1), json!(1), json!(1), json!(false)]);
    assert_eq!(report["topic"]["members"][0]["name"], "anna");
    let report = page.view(json!({ "tab": "topics", "hub": 1, "query": "LOBBY" })).await;
    assert_eq!((&report["topics"]["matched"], &report["topic"]), (&json!(1), &Value::Null));
    for hub in [0, 7] {
        let report = page.view(json!({ "tab": "topics", "hub": hub })).await;
        assert!(report["topics"].is_null() || report["topics"]["total"] == 0);
    }
}

#[tokio::test]
async fn lag_is_the_number_of_waiting_messages() {
    let hub = crate::Hub::local();
    let topic = hub.topic::<String>("room");
    // The task of the handler does not run while this test publishes.
    let mut guest = TestClient::open(Room(Some(topic.clone()), "anna".into())).await;
    for _ in 0..3 {
        topic.publish("line".into()).unwrap();
    }
    let topics = hub.inspected_topics();
    assert_eq!(topics[0].waiting(), (3, 3));
    drop(topics);
    guest.text().await;
    assert_eq!(hub.inspected_topics()[0].waiting(), (0, 0));
}
