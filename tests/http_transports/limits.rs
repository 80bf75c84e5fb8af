//! What bad input and misuse get.

use tokio::net::TcpSocket;

use super::*;

#[tokio::test]
async fn malformed_requests_have_a_status() {
    let mut setup = setup().await;
    let (mut events, _) = setup.events("").await;
    let token = events.token.clone();
    let other = "AAAAAAAAAAAAAAAAAAAAAA";
    let large = json!({ "first": 1, "messages": ["x".repeat(400 << 10)] }).to_string();
    for (request, status) in [
        (get("Ws-Core-Session: new\r\nLast-Event-ID: x\r\n"), 400),
        (post(&token, "", "{"), 400),
        (post(&token, "", r#"{"messages":["a"]}"#), 400),
        (post(&token, "", "{}").replace("Ws-Core-Session", "X-Other"), 400),
        (post(&token, "", "{}").replace("application/json", "text/plain"), 415),
        (post(&token, "", r#"{"first":2,"messages":["gap"]}"#), 409),
        (post(&token, "", &large), 413),
        (post(other, "", "{}"), 410),
        (post("no token", "", "{}"), 400),
        // Bound to the first origin of its requests.
        (post(&token, "Origin: https://friend.example\r\n", "{}"), 200),
        (post(&token, "Origin: https://other.example\r\n", "{}"), 410),
        (post(&token, "", "{}").replace("POST", "PUT"), 405),
        (post(&token, "", "{}").replace("/live", "/other"), 404),
    ] {
        let response = setup.request(&request).await;
        assert_eq!(response.status, status, "{request:.200}");
        assert!(response.body.len() > 2, "the reason is a sentence");
    }
    let refused = setup.request(&get("Accept: text/event-stream\r\nX-Refused: yes\r\n")).await;
    assert_eq!(refused.status, 401);
    setup.send(&token, 1, &["a"]).await;
    assert_eq!(events.next().await.text(), (1, "echo a"));
    assert_eq!(setup.said().await, Said::Text("a".into()));
    assert!(setup.log.try_recv().is_err(), "no handler has seen anything else");
}

#[tokio::test]
async fn message_above_the_limit_closes_with_1009() {
    let setup = setup().await;
    let (mut events, _) = setup.events("").await;
    let token = events.token.clone();
    let body = json!({ "first": 1, "messages": ["x".repeat((64 << 10) + 1)] });
    setup.post(&token, &body).await;
    assert_eq!(events.next().await.object()["close"]["code"], 1009);
}

#[tokio::test]
async fn replayed_post_is_handled_once() {
    let mut setup = setup().await;
    let (mut events, _) = setup.events("").await;
    let token = events.token.clone();
    // The method waits, so that the session reads nothing more, and the client gives up on its POST.
    setup.send(&token, 1, &["block"]).await;
    let body = json!({ "first": 2, "messages": ["a", "b"] }).to_string();
    for _ in 0..3 {
        let mut raw = setup.server.raw().await;
        raw.send(post(&token, "", &body)).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    setup.send(&token, 2, &["a", "b", "c"]).await;
    for text in ["block", "a", "b", "c"] {
        assert_eq!(setup.said().await, Said::Text(text.into()));
    }
    let mut expect = 1..;
    for text in ["echo a", "echo b", "echo c"] {
        assert_eq!(events.next().await.text(), (expect.next().unwrap(), text));
    }
}

#[tokio::test]
async fn post_from_another_address_is_refused() {
    let setup = setup().await;
    let (mut events, _) = setup.events("").await;
    let token = events.token.clone();
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let mut other = RawClient(socket.connect(setup.server.addr).await.unwrap());
    let body = r#"{"first":1,"messages":["stolen"]}"#;
    assert_eq!(other.request(&post(&token, "", body)).await.status, 403);
    setup.send(&token, 1, &["mine"]).await;
    assert_eq!(events.next().await.text(), (1, "echo mine"));
    // A client whose address has changed resumes first.
    let resume = format!("Accept: text/event-stream\r\nWs-Core-Session: {token}\r\nLast-Event-ID: 1\r\n");
    let mut moved = Events {
        head: other.request(&get(&resume)).await,
        raw: other,
        read: String::new(),
        token: token.clone(),
    };
    assert_eq!(moved.next().await.object()["session"]["resumed"], json!(true));
    assert_eq!(setup.post(&token, &json!({})).await.status, 403);
}

#[tokio::test]
async fn slow_body_is_408() {
    let setup = setup_with(|router| router.handshake_timeout(2 * MOMENT)).await;
    let (events, _) = setup.events("").await;
    let mut raw = setup.server.raw().await;
    let request = post(&events.token, "", r#"{"first":1,"messages":["a"]}"#);
    raw.send(&request[..request.len() - 5]).await;
    assert_eq!(raw.read_response().await.status, 408);
    setup.send(&events.token, 1, &["a"]).await;
}

#[tokio::test]
async fn origins_are_those_of_the_handshake() {
    let setup = setup().await;
    let friend = "Origin: https://friend.example\r\n";
    let (events, _) = setup.events(friend).await;
    assert_eq!(events.head.header("access-control-allow-origin"), Some("https://friend.example"));
    assert_eq!(events.head.header("access-control-allow-credentials"), Some("true"));
    let body = r#"{"first":1,"messages":["a"]}"#;
    let response = setup.request(&post(&events.token, friend, body)).await;
    assert_eq!(response.status, 200);
    assert_eq!(response.header("access-control-allow-origin"), Some("https://friend.example"));
    let evil = "Origin: https://evil.example\r\n";
    for request in [
        post(&events.token, evil, body),
        get(&format!("{evil}Accept: text/event-stream\r\n")),
        get(&format!("{evil}Ws-Core-Session: {}\r\n", events.token)),
    ] {
        let response = setup.request(&request).await;
        assert_eq!(response.status, 403);
        assert_eq!(response.header("access-control-allow-origin"), None);
    }
    // The token is useless to another page that may connect.
    let other = "Origin: https://other.example\r\n";
    assert_eq!(setup.request(&post(&events.token, other, body)).await.status, 410);
    let (_, session) = setup.events(&format!("{other}Ws-Core-Session: {}\r\n", events.token)).await;
    assert_eq!(session["resumed"], json!(false));

    let preflight =
        get(&format!("{friend}Access-Control-Request-Method: POST\r\n")).replace("GET", "OPTIONS");
    let response = setup.request(&preflight).await;
    assert_eq!(response.status, 204);
    for (name, value) in [
        ("access-control-allow-origin", "https://friend.example"),
        ("access-control-allow-methods", "GET, POST"),
        (
            "access-control-allow-headers",
            "content-type, last-event-id, ws-core-session, ws-core-protocols, x-socket-transport",
        ),
        ("access-control-allow-credentials", "true"),
        ("access-control-max-age", "600"),
    ] {
        assert_eq!(response.header(name), Some(value), "{name}");
    }
}

#[tokio::test]
async fn sessions_count_as_connections() {
    let setup = setup_with(|router| router.max_connections(1)).await;
    let (events, _) = setup.events("").await;
    let token = events.token.clone();
    let new = get("Accept: text/event-stream\r\n");
    assert_eq!(setup.request(&new).await.status, 503);
    drop(events);
    // A session that is resumed needs no other place.
    let (_, session) = setup.events(&format!("Ws-Core-Session: {token}\r\n")).await;
    assert_eq!(session["resumed"], json!(true));
}

/// A guess is one of 2^128, and none tells more than that it is wrong.
#[tokio::test]
async fn guessed_tokens_find_nothing() {
    let mut setup = setup_with(|router| router.max_connections(2)).await;
    let (mut events, _) = setup.events("").await;
    let token = events.token.clone();
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut raw = setup.server.raw().await;
    for index in 0..21 {
        let mut guess = token.clone().into_bytes();
        let at = alphabet.iter().position(|letter| *letter == guess[index]).unwrap();
        guess[index] = alphabet[at ^ 1];
        let guess = String::from_utf8(guess).unwrap();
        let request = post(&guess, "", r#"{"first":1,"messages":["stolen"]}"#);
        let response = raw.request(&request).await;
        assert_eq!((response.status, response.body.contains("unknown")), (410, true));
    }
    // A GET begins a session instead, which counts against the limits.
    let guess = "Ws-Core-Session: AAAAAAAAAAAAAAAAAAAAAA\r\n";
    let (_other, session) = setup.events(guess).await;
    assert_eq!(session["resumed"], json!(false));
    assert_eq!(setup.request(&get(guess)).await.status, 503);
    setup.send(&token, 1, &["mine"]).await;
    assert_eq!(events.next().await.text(), (1, "echo mine"));
    assert_eq!(setup.said().await, Said::Text("mine".into()));
}

#[tokio::test]
async fn posts_of_a_session_at_once_are_bounded() {
    let mut setup = setup().await;
    let (mut events, _) = setup.events("").await;
    let token = events.token.clone();
    let request = post(&token, "", r#"{"first":1,"messages":["a"]}"#);
    let mut halves = Vec::new();
    for _ in 0..8 {
        let mut raw = setup.server.raw().await;
        raw.send(&request[..request.len() - 5]).await;
        halves.push(raw);
    }
    // Each of the eight is being read.
    while setup.request(&request).await.status != 429 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // A client that gives up makes room.
    halves.pop();
    while setup.request(&request).await.status != 200 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(events.next().await.text(), (1, "echo a"));
    for mut raw in halves {
        raw.send(&request[request.len() - 5..]).await;
        assert_eq!(raw.read_response().await.body, r#"{"received":1}"#);
    }
    assert_eq!(setup.said().await, Said::Text("a".into()));
    assert!(setup.log.try_recv().is_err(), "all were the same message");
}

#[tokio::test]
async fn two_tabs_with_one_token_are_one_connection() {
    let setup = setup().await;
    let (mut first, _) = setup.events("").await;
    let token = first.token.clone();
    let resume = format!("Ws-Core-Session: {token}\r\n");
    // The copy of a tab takes over, and the first one may not come back.
    let (mut second, session) = setup.events(&resume).await;
    assert_eq!(session["resumed"], json!(true));
    assert_eq!(first.next().await.object()["close"]["code"], 4900);
    assert_eq!(first.raw.chunks().await, "");
    // A poll takes over as well, and is taken over from.
    let mut polling = setup.server.raw().await;
    polling.send(get(&resume)).await;
    assert_eq!(second.next().await.object()["close"]["code"], 4900);
    let (mut third, _) = setup.events(&resume).await;
    let polled = parse(&polling.read_response().await.body);
    assert_eq!(polled.last().unwrap().object()["close"]["code"], 4900);
    setup.send(&token, 1, &["a"]).await;
    assert_eq!(third.next().await.text(), (1, "echo a"));
}

#[tokio::test]
async fn abandoned_sessions_are_bounded_and_freed() {
    let (sender, mut log) = mpsc::unbounded_channel();
    let router = Router::new().mount::<Brief>().with_state(sender);
    let server = serve(router.max_connections_per_address(20)).await;
    let new = |kind: &str| format!("GET /brief HTTP/1.1\r\nHost: x\r\nWs-Core-Session: new\r\n{kind}\r\n");
    // Clients that begin a session and go, half of them by events.
    for index in 0..20 {
        let kind = if index % 2 == 0 { "Accept: text/event-stream\r\n" } else { "" };
        assert_eq!(server.raw().await.request(&new(kind)).await.status, 200);
    }
    let refused = server.raw().await.request(&new("")).await;
    assert_eq!(refused.status, 429);
    for _ in 0..20 {
        let reason = tokio::time::timeout(TIMEOUT, log.recv()).await.expect("a session lives on").unwrap();
        assert!(matches!(reason, CloseReason::ConnectionLost(_)), "{reason:?}");
    }
    while server.raw().await.request(&new("")).await.status != 200 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A handler whose clients are soon forgotten, and that sends more than they read.
#[websocket(
    path = "/brief",
    session(resume = 2s, buffer = 64KiB),
    outbox_limit = 256KiB,
    outbox_high_water = 64KiB,
    ping_interval = none,
)]
struct Brief(mpsc::UnboundedSender<CloseReason>);

#[websocket]
impl Brief {
    #[on_upgrade]
    fn make(State(reasons): State<mpsc::UnboundedSender<CloseReason>>) -> Self {
        Self(reasons)
    }

    #[on_text]
    fn flood(&mut self, _: &str, cx: &mut Context<Self>) {
        cx.send_every(Duration::from_millis(1), Flood);
    }

    #[on_info]
    fn send(&mut self, _: Flood) -> String {
        "x".repeat(10_000)
    }

    #[on_close]
    fn close(&mut self, reason: &CloseReason) {
        let _ = self.0.send(reason.clone());
    }
}

#[derive(Clone)]
struct Flood;

/// The kernel holds some megabytes for a client that does not read, so the acknowledgement decides.
#[tokio::test]
async fn client_that_does_not_read_its_events_is_closed() {
    for reads in [false, true] {
        let (sender, mut log) = mpsc::unbounded_channel();
        let server = serve(Router::new().mount::<Brief>().with_state(sender)).await;
        let mut raw = server.raw().await;
        let head = "GET /brief HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n";
        assert_eq!(raw.request(head).await.status, 200);
        let mut first = String::new();
        while parse(&first).is_empty() {
            first += &raw.chunk().await;
        }
        let token = parse(&first)[0].object()["session"]["token"].as_str().unwrap().to_owned();
        let go = post(&token, "", r#"{"first":1,"messages":["go"]}"#).replace("/live", "/brief");
        assert_eq!(server.raw().await.request(&go).await.status, 200);
        let end = tokio::time::timeout(TIMEOUT, log.recv());
        let reason = if reads {
            // A client that reads, and acknowledges nothing.
            let (reason, _) = tokio::join!(end, async {
                while let Ok(chunk) = tokio::time::timeout(TIMEOUT, raw.chunk()).await
                    && !chunk.is_empty()
                {}
            });
            reason
        } else {
            end.await
        };
        assert_eq!(reason.expect("the handler lives"), Some(CloseReason::Overflow), "reads: {reads}");
    }
}
