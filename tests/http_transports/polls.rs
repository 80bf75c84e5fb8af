//! Long polls.

use super::*;

/// Polls. Returns the value of the first object, and the events after it.
async fn poll(setup: &Setup, headers: &str) -> (Value, Vec<SentEvent>) {
    let response = setup.request(&get(headers)).await;
    assert_eq!(response.status, 200);
    assert_eq!(response.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(response.header("cache-control"), Some("no-store, no-transform"));
    let mut events = parse(&response.body);
    (events.remove(0).object()["session"].take(), events)
}

#[tokio::test]
async fn polls_carry_a_session() {
    let mut setup = setup().await;
    let (session, events) = poll(&setup, "Ws-Core-Session: new\r\n").await;
    assert_eq!((&session["resumed"], &session["interval"], events.len()), (&json!(false), &json!(25_000), 0));
    let token = session["token"].as_str().unwrap().to_owned();
    // A poll that waits, and the message that ends it.
    let again = |last: u64| format!("Ws-Core-Session: {token}\r\nLast-Event-ID: {last}\r\n");
    let headers = again(0);
    let (polled, ()) = tokio::join!(poll(&setup, &headers), async {
        tokio::time::sleep(MOMENT).await;
        setup.send(&token, 1, &["a"]).await;
    });
    assert_eq!((&polled.0["resumed"], polled.1[0].text()), (&json!(true), (1, "echo a")));
    // Messages between two polls wait for the next one.
    let body = json!({ "first": 2, "messages": ["b", "c"] });
    let headers = again(1);
    let next_poll = async {
        tokio::time::sleep(MOMENT).await;
        poll(&setup, &headers).await
    };
    let (polled, response) = tokio::join!(next_poll, setup.post(&token, &body));
    assert_eq!((response.status, response.body.as_str()), (200, r#"{"received":3}"#));
    assert_eq!(polled.1[0].text(), (2, "echo b"));
    // Without an acknowledgement, the messages come again.
    let (session, events) = poll(&setup, &again(1)).await;
    assert_eq!(session["received"], json!(3));
    let texts: Vec<_> = events.iter().map(SentEvent::text).collect();
    assert_eq!(texts, [(2, "echo b"), (3, "echo c")]);
    for text in ["a", "b", "c"] {
        assert_eq!(setup.said().await, Said::Text(text.into()));
    }
    assert!(setup.log.try_recv().is_err(), "the session counts as attached between polls");
}

#[tokio::test]
async fn page_of_the_fallback_has_the_same_path() {
    let pages = axum::Router::new().fallback(async || "page");
    let setup = setup_with(|router| router.fallback(pages)).await;
    assert_eq!(setup.request(&get("")).await.body, "page");
    assert_eq!(poll(&setup, "Ws-Core-Session: new\r\n").await.0["resumed"], json!(false));
}

/// A handler whose polls are short.
#[websocket(path = "/short", session(poll_timeout = 1s))]
#[derive(Default)]
struct Short;

#[websocket]
impl Short {
    #[on_text]
    async fn wait(&mut self, _: String) -> &'static str {
        std::future::pending().await
    }
}

#[tokio::test]
async fn poll_timeout_ends_polls_and_posts() {
    let server = serve(Router::new().mount::<Short>()).await;
    let path = |request: String| request.replace("/live", "/short");
    let first = server.raw().await.request(&path(get("Ws-Core-Session: new\r\n"))).await;
    let session = parse(&first.body)[0].object()["session"].take();
    assert_eq!(session["interval"], json!(1000));
    let token = session["token"].as_str().unwrap();
    let start = std::time::Instant::now();
    let poll = path(get(&format!("Ws-Core-Session: {token}\r\n")));
    let response = server.raw().await.request(&poll).await;
    assert_eq!((response.status, parse(&response.body).len()), (200, 1), "the object `session` only");
    assert!(start.elapsed() >= Duration::from_secs(1));
    // The first message is handled for good, and the read-ahead takes some more: a POST of many waits.
    let many: Vec<String> = (0..200).map(|_| "x".repeat(1000)).collect();
    let body = json!({ "first": 1, "messages": many }).to_string();
    let mut poll_again = server.raw().await;
    poll_again.send(&poll).await;
    let start = std::time::Instant::now();
    let response = server.raw().await.request(&path(post(token, "", &body))).await;
    let received: Value = serde_json::from_str(&response.body).unwrap();
    assert_eq!(response.status, 200);
    assert!(received["received"].as_u64().unwrap() < 200, "{received}");
    assert!(start.elapsed() >= Duration::from_secs(1));
}
