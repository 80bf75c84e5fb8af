//! Sessions over server-sent events, long polls and POSTs.

#[path = "http_transports/bad_requests.rs"]
mod bad_requests;
#[path = "http_transports/limits.rs"]
mod limits;
#[path = "http_transports/polls.rs"]
mod polls;
#[path = "http_transports/protocols.rs"]
mod protocols;
#[path = "http_transports/proxies.rs"]
mod proxies;

use std::time::Duration;

use serde_json::{Value, json};
use tests::{HttpResponse, RawClient, Server, TIMEOUT, serve};
use tokio::sync::mpsc;
use ws_core::prelude::*;

/// Time limit of what is short.
const MOMENT: Duration = Duration::from_millis(50);

/// What a handler reports.
#[derive(Debug, PartialEq)]
enum Said {
    Text(String),
    Binary(Vec<u8>),
    Detached,
    Attached,
    Closed(CloseReason),
}

type Log = mpsc::UnboundedSender<Said>;

/// Echo that reports what happens.
#[websocket(
    path = "/live",
    session(resume = 10s, buffer = 64KiB),
    subprotocols = ["chat.v2"],
    origins = ["https://friend.example", "https://other.example"],
    max_message_size = 64KiB,
    ping_interval = 50ms,
    pong_timeout = 10s,
    read_ahead = 1KiB,
)]
struct Live(Log);

#[websocket]
impl Live {
    #[on_upgrade]
    fn make(State(log): State<Log>, headers: HeaderMap) -> Result<Upgrade<Self>, StatusCode> {
        if headers.contains_key("x-refused") {
            return Err(StatusCode::UNAUTHORIZED);
        }
        Ok(Upgrade::new(Self(log)).header("set-cookie", "seen=1"))
    }

    #[on_text]
    async fn text(&mut self, text: String, cx: &mut Context<Self>) {
        match &*text {
            "protocol" => cx.send(cx.subprotocol().unwrap_or("none").to_owned()),
            "bytes" => cx.send(vec![1, 2, 3]),
            "stop" => cx.close((4000, "as you wish")),
            "block" => tokio::time::sleep(4 * MOMENT).await,
            _ => cx.send(format!("echo {text}")),
        }
        let _ = self.0.send(Said::Text(text));
    }

    #[on_binary]
    fn binary(&mut self, bytes: Vec<u8>) {
        let _ = self.0.send(Said::Binary(bytes));
    }

    #[on_detach]
    fn detached(&mut self) {
        let _ = self.0.send(Said::Detached);
    }

    #[on_attach]
    fn attached(&mut self) {
        let _ = self.0.send(Said::Attached);
    }

    #[on_close]
    fn close(&mut self, reason: &CloseReason) {
        let _ = self.0.send(Said::Closed(reason.clone()));
    }
}

struct Setup {
    server: Server,
    log: mpsc::UnboundedReceiver<Said>,
}

async fn setup() -> Setup {
    setup_with(|router| router).await
}

async fn setup_with(limit: impl FnOnce(Router) -> Router) -> Setup {
    let (sender, log) = mpsc::unbounded_channel();
    let router = Router::new().mount::<Live>().with_state(sender);
    Setup { server: serve(limit(router)).await, log }
}

/// An event of a response.
#[derive(Debug, Default, PartialEq)]
struct SentEvent {
    kind: String,
    id: Option<u64>,
    data: String,
}

impl SentEvent {
    fn object(&self) -> Value {
        assert_eq!(self.kind, "session", "{self:?}");
        serde_json::from_str(&self.data).unwrap()
    }

    /// Returns the id and the data of a text message.
    #[track_caller]
    fn text(&self) -> (u64, &str) {
        assert_eq!(self.kind, "", "{self:?}");
        (self.id.expect("a message has an id"), &self.data)
    }
}

/// Returns the events of a stream, without comments.
fn parse(stream: &str) -> Vec<SentEvent> {
    let blocks = stream.split("\n\n").filter(|block| !block.is_empty() && *block != ":");
    let event = |block: &str| {
        let mut event = SentEvent::default();
        let mut lines = Vec::new();
        for line in block.lines() {
            match line.split_once(": ") {
                Some(("event", kind)) => event.kind = kind.into(),
                Some(("id", id)) => event.id = Some(id.parse().unwrap()),
                Some(("data", data)) => lines.push(data),
                Some(("retry", "1000")) => return None,
                _ => panic!("unexpected line {line:?}"),
            }
        }
        event.data = lines.join("\n");
        Some(event)
    };
    blocks.filter_map(event).collect()
}

/// A stream of events.
struct Events {
    raw: RawClient,
    head: HttpResponse,
    read: String,
    token: String,
}

fn get(headers: &str) -> String {
    format!("GET /live HTTP/1.1\r\nHost: server.example.com\r\n{headers}\r\n")
}

impl Setup {
    async fn said(&mut self) -> Said {
        tokio::time::timeout(TIMEOUT, self.log.recv()).await.expect("the handler is silent").unwrap()
    }

    async fn request(&self, request: &str) -> HttpResponse {
        self.server.raw().await.request(request).await
    }

    /// Opens a stream of events. Returns it with the value of its first object.
    async fn events(&self, headers: &str) -> (Events, Value) {
        let mut raw = self.server.raw().await;
        let head = raw.request(&get(&format!("Accept: text/event-stream\r\n{headers}"))).await;
        assert_eq!(head.status, 200);
        let mut events = Events { raw, head, read: String::new(), token: String::new() };
        let session = events.next().await.object()["session"].take();
        events.token = session["token"].as_str().unwrap().into();
        (events, session)
    }

    async fn post(&self, token: &str, body: &Value) -> HttpResponse {
        self.request(&post(token, "", &body.to_string())).await
    }

    /// Sends messages, and checks that the server has them all.
    #[track_caller]
    fn send<'a>(
        &'a self,
        token: &'a str,
        first: u64,
        messages: &'a [&'a str],
    ) -> impl Future<Output = ()> + 'a {
        let caller = std::panic::Location::caller();
        async move {
            let response = self.post(token, &json!({ "first": first, "messages": messages })).await;
            let received = json!({ "received": first + messages.len() as u64 - 1 }).to_string();
            assert_eq!((response.status, response.body), (200, received), "{caller}");
        }
    }
}

fn post(token: &str, headers: &str, body: &str) -> String {
    let len = body.len();
    format!(
        "POST /live HTTP/1.1\r\nHost: server.example.com\r\nWs-Core-Session: {token}\r\nContent-Type: \
         application/json\r\n{headers}Content-Length: {len}\r\n\r\n{body}"
    )
}

impl Events {
    /// Returns the next event.
    async fn next(&mut self) -> SentEvent {
        loop {
            while let Some(end) = self.read.find("\n\n") {
                let block: String = self.read.drain(..end + 2).collect();
                if let Some(event) = parse(&block).pop() {
                    return event;
                }
            }
            let chunk = self.raw.chunk().await;
            assert_ne!(chunk, "", "the stream has ended");
            self.read += &chunk;
        }
    }
}

#[tokio::test]
async fn events_carry_a_session() {
    let mut setup = setup().await;
    let (mut events, session) = setup.events("Ws-Core-Protocols: chat.v1, chat.v2\r\n").await;
    for (name, value) in [
        ("content-type", "text/event-stream"),
        ("cache-control", "no-store, no-transform"),
        ("x-accel-buffering", "no"),
        ("set-cookie", "seen=1"),
        ("vary", "origin"),
    ] {
        assert_eq!(events.head.header(name), Some(value), "{name}");
    }
    let token = events.token.clone();
    let expect = json!({
        "token": token, "resumed": false, "received": 0, "resume": 10_000, "buffer": 65_536,
        "interval": 50, "subprotocol": "chat.v2",
    });
    assert_eq!(session, expect);
    setup.send(&token, 1, &["a", "b\nc", "d\re", "protocol"]).await;
    assert_eq!(events.next().await.text(), (1, "echo a"));
    assert_eq!(events.next().await.text(), (2, "echo b\nc"));
    let event = events.next().await;
    assert_eq!((event.id, event.object()), (Some(3), json!({ "text": "echo d\re" })));
    assert_eq!(events.next().await.text(), (4, "chat.v2"));
    let more = json!({ "first": 5, "messages": ["bytes", { "binary": "aGk=" }, "\u{0}x"], "ack": 4 });
    assert_eq!(setup.post(&token, &more).await.body, r#"{"received":7}"#);
    let event = events.next().await;
    assert_eq!((event.kind.as_str(), event.id, event.data.as_str()), ("binary", Some(5), "AQID"));
    assert_eq!(events.next().await.text(), (6, "echo \u{0}x"));
    for text in ["a", "b\nc", "d\re", "protocol", "bytes"] {
        assert_eq!(setup.said().await, Said::Text(text.into()));
    }
    assert_eq!(setup.said().await, Said::Binary(b"hi".into()));
    assert_eq!(setup.said().await, Said::Text("\u{0}x".into()));

    setup.post(&token, &json!({ "close": { "code": 1000, "reason": "bye" } })).await;
    let event = events.next().await;
    assert_eq!(event.object(), json!({ "close": { "code": 1000, "reason": "" } }));
    assert!(matches!(setup.said().await, Said::Closed(CloseReason::Remote(Some(_)))));
    assert_eq!(setup.post(&token, &json!({})).await.status, 410);
}

#[tokio::test]
async fn events_resume_where_they_were() {
    let mut setup = setup().await;
    let (mut events, _) = setup.events("Ws-Core-Session: new\r\n").await;
    let token = events.token.clone();
    setup.send(&token, 1, &["a", "b"]).await;
    assert_eq!(events.next().await.text(), (1, "echo a"));
    drop(events);
    for expect in [Said::Text("a".into()), Said::Text("b".into()), Said::Detached] {
        assert_eq!(setup.said().await, expect);
    }
    let resume = format!("Ws-Core-Session: {token}\r\nLast-Event-ID: 1\r\n");
    let (mut events, session) = setup.events(&resume).await;
    assert_eq!((&session["resumed"], &session["received"]), (&json!(true), &json!(2)));
    assert_eq!(setup.said().await, Said::Attached);
    assert_eq!(events.next().await.text(), (2, "echo b"));
    // What the server has is not handled again.
    setup.send(&token, 2, &["b", "c"]).await;
    assert_eq!(events.next().await.text(), (3, "echo c"));
    assert_eq!(setup.said().await, Said::Text("c".into()));

    // Another stream takes over.
    let (mut other, session) =
        setup.events(&format!("Ws-Core-Session: {token}\r\nLast-Event-ID: 3\r\n")).await;
    assert_eq!(session["resumed"], json!(true));
    assert_eq!(events.next().await.object()["close"]["code"], 4900);
    setup.send(&token, 4, &["d"]).await;
    assert_eq!(other.next().await.text(), (4, "echo d"));

    // More than the session keeps, or has sent: a new one.
    for last in [2, 9] {
        let (_, session) =
            setup.events(&format!("Ws-Core-Session: {token}\r\nLast-Event-ID: {last}\r\n")).await;
        assert_eq!((&session["resumed"], &session["received"]), (&json!(false), &json!(0)));
        assert_ne!(session["token"], json!(token));
    }
}

#[tokio::test]
async fn websocket_and_events_carry_the_same_session() {
    let setup = setup().await;
    let (mut events, _) = setup.events("").await;
    let token = events.token.clone();
    setup.send(&token, 1, &["a"]).await;
    assert_eq!(events.next().await.text(), (1, "echo a"));
    let offer = format!("ws-core.session.v1, ws-core.resume.{token}.1");
    let mut socket = setup.server.try_connect("/live", &[("sec-websocket-protocol", &offer)]).await.unwrap();
    let first = socket.text().await;
    assert!(first.starts_with('\0') && first.contains(r#""resumed":true"#), "{first}");
    // A POST does not reach the WebSocket.
    let response = setup.post(&token, &json!({ "first": 2, "messages": ["b"] })).await;
    assert_eq!(response.status, 409);
    socket.send("b").await;
    assert_eq!(socket.text().await, "echo b");
    drop(socket);
    let (mut events, session) =
        setup.events(&format!("Ws-Core-Session: {token}\r\nLast-Event-ID: 1\r\n")).await;
    assert_eq!((&session["resumed"], &session["received"]), (&json!(true), &json!(2)));
    assert_eq!(events.next().await.text(), (2, "echo b"));
}

#[tokio::test]
async fn close_by_the_handler_is_an_event() {
    let mut setup = setup().await;
    let (mut events, _) = setup.events("").await;
    let token = events.token.clone();
    setup.post(&token, &json!({ "first": 1, "messages": ["stop"] })).await;
    let close = json!({ "close": { "code": 4000, "reason": "as you wish" } });
    assert_eq!(events.next().await.object(), close);
    assert_eq!(events.raw.chunks().await, "");
    assert_eq!(setup.said().await, Said::Text("stop".into()));
    assert!(matches!(setup.said().await, Said::Closed(CloseReason::Stop(_))));
    while setup.post(&token, &json!({})).await.status != 410 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (_, session) = setup.events(&format!("Ws-Core-Session: {token}\r\n")).await;
    assert_eq!(session["resumed"], json!(false));
}

#[tokio::test]
async fn shutdown_tells_when_to_connect_again() {
    let mut setup = setup().await;
    let (mut events, _) = setup.events("").await;
    setup.server.stop();
    let event = events.next().await;
    assert!(event.object()["reconnect"].is_u64(), "{event:?}");
    assert_eq!(events.next().await.object()["close"]["code"], 1012);
    drop(events);
    setup.server.join().await;
}
