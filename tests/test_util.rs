//! The test kit, as users use it.

#[path = "test_util/calls.rs"]
mod calls;
#[path = "test_util/through.rs"]
mod through;
#[path = "test_util/time.rs"]
mod time;

use std::time::Duration;

use ws_core::prelude::*;
use ws_core::test::TestClient;

use time::{Late, Say};

/// Handler with every kind of method.
#[websocket(path = "/rooms/{room}", idle_timeout = 60s, ping_interval = none, max_message_size = 1KiB)]
#[derive(Default)]
struct Room {
    name: String,
    said: Option<tokio::sync::mpsc::UnboundedSender<CloseReason>>,
}

struct Shout(&'static str);

#[websocket]
impl Room {
    #[on_upgrade]
    fn join(Path(name): Path<String>, State(open): State<bool>) -> Result<Self, StatusCode> {
        if open { Ok(Self { name, said: None }) } else { Err(StatusCode::LOCKED) }
    }

    #[on_open]
    fn open(&mut self) -> String {
        format!("welcome to {}", self.name)
    }

    #[on_text]
    async fn text(&mut self, text: &str) -> Result<String, String> {
        match text {
            "panic" => panic!("on request"),
            "fail" => Err("on request".into()),
            _ => {
                tokio::time::sleep(Duration::from_millis(500)).await;
                Ok(text.to_uppercase())
            }
        }
    }

    #[on_binary]
    fn binary(&mut self, bytes: Bytes) -> (Bytes, Close, &'static str) {
        (bytes, Close::new(4000, "enough"), "never sent")
    }

    #[on_info]
    fn shout(&mut self, Shout(what): Shout) -> (Ping, &'static str) {
        (Ping::from("?"), what)
    }

    #[every(10s)]
    fn tick(&mut self) -> &'static str {
        "tick"
    }

    #[on_close]
    fn close(&mut self, reason: &CloseReason) {
        if let Some(said) = &self.said {
            said.send(reason.clone()).unwrap();
        }
    }
}

async fn room() -> TestClient<Room> {
    let mut client = TestClient::open(Room::default()).await;
    assert_eq!(client.text().await, "welcome to ");
    client
}

#[tokio::test]
async fn exchanges_messages_timers_and_infos() {
    let mut client = room().await;
    client.send("hi").await;
    client.expect_nothing().await;
    client.advance(Duration::from_millis(500)).await;
    assert_eq!(client.text().await, "HI");
    client.info(Shout("hey")).await;
    assert_eq!(client.pinged().await, "?");
    assert_eq!(client.text().await, "hey");
    client.ping("p").await;
    assert_eq!(client.ponged().await, "p");
    client.send(vec![1, 2]).await;
    assert_eq!(client.binary().await, [1, 2][..]);
    assert_eq!(client.closed().await, Close::new(4000, "enough"));
    client.expect_nothing().await;
    assert_eq!(client.close_reason().await, CloseReason::Stop(Close::new(4000, "enough")));
}

#[tokio::test]
async fn advances_virtual_time() {
    let mut client = room().await;
    for _ in 0..100 {
        client.advance(Duration::from_secs(10)).await;
        assert_eq!(client.text().await, "tick");
        client.pong("").await;
    }
    client.advance(Duration::from_secs(60)).await;
    for _ in 0..5 {
        assert_eq!(client.text().await, "tick");
    }
    assert_eq!(client.close_reason().await, CloseReason::Timeout);
}

#[tokio::test]
async fn reports_every_close_reason() {
    let mut client = room().await;
    client.close(1001).await;
    assert_eq!(client.closed().await.code, CloseCode::Away);
    assert_eq!(client.close_reason().await, CloseReason::Remote(Some(Close::from(1001))));

    let mut client = room().await;
    client.abort().await;
    assert!(matches!(client.close_reason().await, CloseReason::ConnectionLost(_)));

    let mut client = room().await;
    client.raw(&[0x81, 0x00]).await;
    assert_eq!(client.closed().await.code, CloseCode::Protocol);
    assert!(matches!(client.close_reason().await, CloseReason::Protocol(_)));

    let mut client = room().await;
    client.send("x".repeat(1025)).await;
    assert_eq!(client.closed().await.code, CloseCode::Size);

    for (say, expect) in [("panic", "handler panicked: on request"), ("fail", "handler failed: on request")] {
        let (said, mut reasons) = tokio::sync::mpsc::unbounded_channel();
        let mut client = TestClient::open(Room { said: Some(said), ..Room::default() }).await;
        client.send(say).await;
        assert_eq!(client.text().await, "welcome to ");
        assert_eq!(client.closed().await.code, CloseCode::Error);
        assert_eq!(client.close_reason().await.to_string(), expect);
        assert_eq!(reasons.recv().await.unwrap().to_string(), expect);
        assert!(reasons.recv().await.is_none(), "once");
    }
}

#[tokio::test]
async fn upgrades_and_rejects() {
    let mut client = TestClient::<Room>::upgrade("/rooms/lobby").state(true).open().await.unwrap();
    assert_eq!(client.text().await, "welcome to lobby");

    let refused = TestClient::<Room>::upgrade("/rooms/lobby").state(false).open().await.unwrap_err();
    assert_eq!(refused.status, StatusCode::LOCKED);

    assert!(refused.body.is_empty());

    let foreign =
        TestClient::<Room>::upgrade("/rooms/lobby").header("origin", "https://evil.example").state(true);
    let refused = foreign.open().await.unwrap_err();
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!(refused.body, "pages of this origin may not connect\n");
}

/// Handler that takes address and headers of the request.
#[websocket(subprotocols = ["v1"])]
struct Visitor;

#[websocket]
impl Visitor {
    #[on_upgrade]
    fn come(peer: Option<PeerAddr>, Path(name): Path<String>) -> Upgrade<Self> {
        let from = peer.map_or("nowhere".into(), |peer| peer.0.to_string());
        Upgrade::new(Self).header("x-visitor", &format!("{name} from {from}"))
    }

    #[on_open]
    fn open(&mut self, cx: &mut Context<Self>) -> String {
        format!("{:?} {:?}", cx.peer_addr(), cx.subprotocol())
    }
}

#[tokio::test]
async fn passes_address_and_headers_to_an_upgrade() {
    let request =
        TestClient::<Visitor>::upgrade_at("/{name}", "/alice").header("sec-websocket-protocol", "v1");
    let mut client = request.peer_addr(([10, 0, 0, 1], 5000).into()).open().await.unwrap();
    assert_eq!(client.headers()["x-visitor"], "alice from 10.0.0.1:5000");
    assert_eq!(client.headers()["sec-websocket-protocol"], "v1");
    assert_eq!(client.text().await, "Some(10.0.0.1:5000) Some(\"v1\")");

    let client = TestClient::<Visitor>::upgrade_at("/{name}", "/bob").open().await.unwrap();
    assert_eq!(client.headers()["x-visitor"], "bob from nowhere");
}

/// Returns the panic message of a failing test.
async fn failure(test: impl Future<Output = ()> + Send + 'static) -> String {
    let panic = tokio::spawn(test).await.unwrap_err().into_panic();
    panic.downcast_ref::<String>().unwrap().clone()
}

/// Returns the log of a failure or of `{:?}`, without padding.
fn happened(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.starts_with("  ")).map(str::trim_start).collect()
}

#[tokio::test]
async fn failed_expectation_prints_the_log() {
    let message = failure(async {
        let mut client = room().await;
        client.send("hi").await;
        client.advance(Duration::from_secs(1)).await;
        client.binary().await;
    });
    let message = message.await;
    let first = message.lines().next().unwrap();
    assert!(first.ends_with("expected a binary message, but text \"HI\""), "{message}");
    let expect = [
        "0ns  opened",
        "0ns  handler sent text \"welcome to \"",
        "0ns  client sent text \"hi\"",
        "0ns  1s pass",
        "500ms  handler sent text \"HI\"",
    ];
    assert_eq!(happened(&message), expect);
}

#[tokio::test]
async fn failures_name_the_line_of_the_test() {
    #[track_caller]
    fn check(line: u32, message: &str, expect: &str) {
        let rest = message.strip_prefix(&format!("{}:{line}:", file!()));
        assert!(rest.is_some_and(|rest| rest.contains(expect)), "line {line}: {message}");
    }
    let line = line!() + 1;
    let wrong = failure(async { drop(TestClient::<Room>::upgrade("/attic").state(true).open().await) }).await;
    check(line, &wrong, "\"/attic\" does not match \"/rooms/{room}\"");
    let line = line!() + 1;
    let wrong = failure(async { drop(TestClient::<Visitor>::upgrade_at("/{a", "/a").open().await) }).await;
    check(line, &wrong, "cannot mount a handler at \"/{a\"");
    let wrong = TestClient::<Visitor>::upgrade_at("/{name}", "/a").header("no header", "");
    let line = line!() + 1;
    let wrong = failure(async { drop(wrong.open().await) }).await;
    check(line, &wrong, "invalid HTTP header name");

    let mut gone = room().await;
    gone.info(Shout("hey")).await;
    gone.abort().await;
    assert_eq!(gone.pinged().await, "?", "it came before");
    let log = format!("{gone:?}");
    let expect = "the client has disconnected with `abort()` and cannot send";
    for act in ["send", "ping", "pong", "close", "raw"] {
        let mut gone = room().await;
        gone.abort().await;
        let (line, wrong) = match act {
            "send" => (line!(), failure(async move { gone.send("hi").await }).await),
            "ping" => (line!(), failure(async move { gone.ping("hi").await }).await),
            "pong" => (line!(), failure(async move { gone.pong("hi").await }).await),
            "close" => (line!(), failure(async move { gone.close(1000).await }).await),
            _ => (line!(), failure(async move { gone.raw(b"hi").await }).await),
        };
        check(line, &wrong, expect);
        assert!(!wrong.contains("client sent"), "{wrong}");
    }
    assert_eq!(happened(&log).last(), Some(&"0ns  client disconnected"));
}

#[derive(serde::Deserialize, PartialEq, Debug)]
struct Point {
    x: i32,
}

#[tokio::test]
async fn decodes_json() {
    let mut client = TestClient::open(Late).await;
    client.info(Say("{ \"x\": 3 }")).await;
    assert_eq!(client.json::<Point>().await, Point { x: 3 });
    for (said, expect) in [
        ("{}", "but text \"{}\": missing field `x` at line 1 column 2"),
        ("ping", "but ping b\"\""),
        ("", "but no message arrived"),
    ] {
        let wrong = failure(async move {
            let mut client = TestClient::open(Late).await;
            client.info(Say(said)).await;
            client.json::<Point>().await;
        });
        let wrong = wrong.await;
        let first = wrong.lines().next().unwrap();
        assert!(first.starts_with(&format!("{}:{}:", file!(), line!() - 4)), "{first}");
        assert!(first.ends_with(&format!("expected JSON of `test_util::Point`, {expect}")), "{first}");
    }
}
