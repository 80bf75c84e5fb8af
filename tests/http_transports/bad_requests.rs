//! Requests that are malformed, each with its status and a sentence, and none with half a message for the handler.

use super::*;

/// Sends requests that have a status, and then a message, which has to be the first one that the handler sees.
async fn check(requests: impl IntoIterator<Item = (String, u16)>, events: &mut Events, setup: &mut Setup) {
    for (request, status) in requests {
        let response = setup.request(&request).await;
        assert_eq!(response.status, status, "{request:.300}");
        assert!(response.body.len() > 10 && response.body.contains(' '), "a sentence: {:?}", response.body);
    }
    setup.send(&events.token.clone(), 1, &["a"]).await;
    assert_eq!(events.next().await.text(), (1, "echo a"));
    assert_eq!(setup.said().await, Said::Text("a".into()));
    assert!(setup.log.try_recv().is_err(), "the handler has seen nothing else");
}

#[tokio::test]
async fn malformed_bodies_are_400() {
    let mut setup = setup().await;
    let (mut events, _) = setup.events("").await;
    let token = events.token.clone();
    let deep = format!(r#"{{"first":1,"messages":{}{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
    let bodies = [
        "",
        "{",
        "[]",
        "null",
        r#""text""#,
        &deep,
        // Data after the object.
        r#"{"first":1,"messages":["a"]}x"#,
        r#"{"first":1,"messages":["a"]}{"first":2,"messages":["b"]}"#,
        // Members that occur twice.
        r#"{"first":1,"messages":["a"],"messages":["b"]}"#,
        r#"{"first":1,"messages":["a"],"first":1}"#,
        r#"{"first":1,"messages":["a"],"ack":0,"ack":0}"#,
        r#"{"first":1,"messages":["a"],"close":{},"close":{}}"#,
        r#"{"first":1,"messages":["a",{"binary":"aGk=","binary":"aGk="}]}"#,
        // Messages that are none, after one that is.
        r#"{"first":1,"messages":["a",1]}"#,
        r#"{"first":1,"messages":["a",null]}"#,
        r#"{"first":1,"messages":["a",["b"]]}"#,
        r#"{"first":1,"messages":["a",{}]}"#,
        r#"{"first":1,"messages":["a",{"binary":1}]}"#,
        r#"{"first":1,"messages":["a",{"binary":"aGk"}]}"#,
        r#"{"first":1,"messages":["a",{"binary":"aG k="}]}"#,
        r#"{"first":1,"messages":["a",{"binary":"a-_="}]}"#,
        r#"{"first":1,"messages":["a","\ud800"]}"#,
        r#"{"messages":["a"]}"#,
        r#"{"first":0,"messages":["a"]}"#,
        r#"{"first":1e0,"messages":["a"]}"#,
        r#"{"first":18446744073709551616,"messages":["a"]}"#,
        r#"{"first":1,"messages":["a"],"close":{"code":1006}}"#,
        r#"{"first":1,"messages":["a"],"close":1000}"#,
        // A message that was not sent on this connection.
        r#"{"first":1,"messages":["a"],"ack":1}"#,
        r#"{"first":1,"messages":["a"],"ack":9007199254740991}"#,
    ];
    let requests = bodies.map(|body| (post(&token, "", body), 400));
    check(requests, &mut events, &mut setup).await;
}

#[tokio::test]
async fn acknowledgement_of_a_message_that_was_not_sent_is_400_and_changes_nothing() {
    let mut setup = setup().await;
    let (mut events, _) = setup.events("").await;
    let token = events.token.clone();
    setup.send(&token, 1, &["a", "b"]).await;
    assert_eq!(events.next().await.text(), (1, "echo a"));
    assert_eq!(events.next().await.text(), (2, "echo b"));
    let early = setup.post(&token, &json!({ "ack": 3, "first": 3, "messages": ["c"] })).await;
    assert_eq!(early.status, 400);
    assert_eq!(early.body, "`ack` is the number of a message that was not sent on this connection\n");
    // The session goes on, and has no message of that POST.
    let response = setup.post(&token, &json!({ "ack": 2, "first": 3, "messages": ["d"] })).await;
    assert_eq!((response.status, response.body.as_str()), (200, r#"{"received":3}"#));
    assert_eq!(events.next().await.text(), (3, "echo d"));
    for text in ["a", "b", "d"] {
        assert_eq!(setup.said().await, Said::Text(text.into()));
    }
    // On another connection, what an earlier one has sent counts once its client has it.
    let (mut events, _) = setup.events(&format!("Ws-Core-Session: {token}\r\nLast-Event-ID: 2\r\n")).await;
    assert_eq!(events.next().await.text(), (3, "echo d"));
    assert_eq!(setup.post(&token, &json!({ "ack": 3 })).await.status, 200);
    assert_eq!(setup.post(&token, &json!({ "ack": 4 })).await.status, 400);
}

#[tokio::test]
async fn malformed_headers_are_400() {
    let mut setup = setup().await;
    let (mut events, _) = setup.events("").await;
    let token = events.token.clone();
    let ids = ["", "x", "-1", "+1", "1.5", "1e3", "0x1", "1 2", "9007199254740992", "99999999999999999999"];
    let ids = ids.map(|id| get(&format!("Ws-Core-Session: {token}\r\nLast-Event-ID: {id}\r\n")));
    let tokens = ["", "no token", &token[1..], &format!("{token}="), "AAAAAAAAAAAAAAAAAAAAA!"]
        .map(|token| get(&format!("Ws-Core-Session: {token}\r\n")));
    let mut requests: Vec<(String, u16)> =
        ids.into_iter().chain(tokens).map(|request| (request, 400)).collect();
    for headers in [
        format!("Ws-Core-Session: {token}\r\nWs-Core-Session: {token}\r\n"),
        format!("Ws-Core-Session: {token}\r\nLast-Event-ID: 0\r\nLast-Event-ID: 0\r\n"),
        format!("Ws-Core-Session: {token}\u{e9}\r\n"),
        format!("Ws-Core-Session: {token}\r\nLast-Event-ID: \u{663}\r\n"),
    ] {
        requests.push((get(&headers), 400));
    }
    requests.extend([
        (post("no token", "", "{}"), 400),
        (post("new", "", "{}"), 400),
        (post(&token, "", "{}").replace("Ws-Core-Session", "X-Other"), 400),
        (post(&token, "", "{}").replace("Content-Type", "X-Other"), 415),
        (post(&token, "", "{}").replace("application/json", "application/json-seq"), 415),
    ]);
    check(requests, &mut events, &mut setup).await;
}

#[tokio::test]
async fn header_that_is_too_long_is_431() {
    let setup = setup_with(|router| router.max_header_size(8 << 10)).await;
    let (events, _) = setup.events("").await;
    for name in ["Ws-Core-Session", "Last-Event-ID", "Ws-Core-Protocols", "X-Other"] {
        let request = get(&format!("{name}: {}\r\n", "1".repeat(8 << 10)));
        assert_eq!(setup.request(&request).await.status, 431, "{name}");
    }
    // Shorter ones are malformed.
    for name in ["Ws-Core-Session", "Last-Event-ID"] {
        let request = get(&format!("Accept: text/event-stream\r\n{name}: {}\r\n", "1".repeat(4 << 10)));
        assert_eq!(setup.request(&request).await.status, 400, "{name}");
    }
    setup.send(&events.token, 1, &["a"]).await;
}

/// Returns the head of a POST without `Content-Length`.
fn post_head(token: &str, headers: &str) -> String {
    let request = post(token, headers, "");
    request.replace("Content-Length: 0\r\n", "")
}

#[tokio::test]
async fn chunked_bodies_count_what_arrives() {
    let mut setup = setup().await;
    let (mut events, _) = setup.events("").await;
    let token = events.token.clone();
    let chunked = post_head(&token, "Transfer-Encoding: chunked\r\n");
    let mut raw = setup.server.raw().await;
    for part in [&chunked[..], "7\r\n{\"first\r\n", "15\r\n\":1,\"messages\":[\"a\"]}\r\n"] {
        raw.send(part).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(setup.log.try_recv().is_err(), "the body is not complete");
    raw.send("0\r\n\r\n").await;
    let response = raw.read_response().await;
    assert_eq!((response.status, response.body.as_str()), (200, r#"{"received":1}"#));
    assert_eq!(events.next().await.text(), (1, "echo a"));
    // A byte more than the limit, without an end.
    let mut raw = setup.server.raw().await;
    raw.send(&chunked).await;
    let chunk = format!("8000\r\n{}\r\n", " ".repeat(0x8000));
    raw.send(format!("{}400\r\n{}\r\n1\r\n \r\n", chunk.repeat(12), " ".repeat(0x400))).await;
    assert_eq!(raw.read_response().await.status, 413);
    // A chunk that is none.
    let mut raw = setup.server.raw().await;
    raw.send(format!("{chunked}1c\r\n{{\"first\":2,\"messages\":[\"b\"]}}\r\nz\r\n")).await;
    assert_eq!(raw.read_response().await.status, 400);
    // A connection that ends within the body.
    let mut raw = setup.server.raw().await;
    raw.send(format!("{chunked}1c\r\n{{\"first\":2,\"messages\":[\"b\"]}}\r\n")).await;
    drop(raw);
    setup.send(&token, 2, &["c"]).await;
    assert_eq!(setup.said().await, Said::Text("a".into()));
    assert_eq!(setup.said().await, Said::Text("c".into()));
}

#[tokio::test]
async fn expect_continue_is_answered_before_the_body() {
    let setup = setup().await;
    let (mut events, _) = setup.events("").await;
    let token = events.token.clone();
    let body = r#"{"first":1,"messages":["a"]}"#;
    let head = |token: &str, len: usize| {
        post_head(token, &format!("Expect: 100-continue\r\nContent-Length: {len}\r\n"))
    };
    let mut raw = setup.server.raw().await;
    assert_eq!(raw.request(&head(&token, body.len())).await.status, 100);
    assert_eq!(raw.request(body).await.status, 200);
    assert_eq!(events.next().await.text(), (1, "echo a"));
    // A POST that is refused needs no body.
    for (request, status) in [
        (head("AAAAAAAAAAAAAAAAAAAAAA", 10), 410),
        (head(&token, 1 << 30), 413),
        (head(&token, 10).replace("application/json", "text/plain"), 415),
    ] {
        assert_eq!(setup.request(&request).await.status, status);
    }
}

#[tokio::test]
async fn head_and_other_methods_are_405() {
    let setup = setup().await;
    let (mut events, _) = setup.events("").await;
    let token = events.token.clone();
    let mut raw = setup.server.raw().await;
    for method in ["HEAD", "PUT", "DELETE", "PATCH", "TRACE", "POSTS"] {
        let request = get(&format!("Ws-Core-Session: {token}\r\n")).replace("GET", method);
        raw.send(request).await;
        // The response to a HEAD has no body.
        let is_head = method == "HEAD";
        let response = if is_head { head_only(&mut raw).await } else { raw.read_response().await };
        assert_eq!(
            (response.status, response.header("allow")),
            (405, Some("GET, POST, OPTIONS")),
            "{method}"
        );
    }
    let stream = get("Accept: text/event-stream\r\n").replace("GET", "HEAD");
    raw.send(stream).await;
    assert_eq!(head_only(&mut raw).await.status, 405);
    setup.send(&token, 1, &["a"]).await;
    assert_eq!(events.next().await.text(), (1, "echo a"));
}

/// Reads the head of a response.
async fn head_only(raw: &mut RawClient) -> HttpResponse {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        head.push(char::from(raw.byte().await.unwrap()));
    }
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
    HttpResponse { status, headers, body: String::new() }
}
