//! The test kit, as a user would use it.

use std::time::Duration;

use ws_core::prelude::*;
use ws_core::test::Test;

/// One of everything.
#[websocket(path = "/rooms/{room}", idle_timeout = 60s, max_message_size = 1KiB)]
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
            "panic" => panic!("as asked"),
            "fail" => Err("as asked".into()),
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

async fn room() -> Test<Room> {
    let mut client = Test::open(Room::default()).await;
    assert_eq!(client.text().await, "welcome to ");
    client
}

#[tokio::test]
async fn messages_timers_and_mail() {
    let mut client = room().await;
    client.send("hi").await;
    client.nothing().await;
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
    client.nothing().await;
    assert_eq!(client.reason().await, CloseReason::Stop(Close::new(4000, "enough")));
}

#[tokio::test]
async fn a_thousand_seconds_take_no_time() {
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
    assert_eq!(client.reason().await, CloseReason::Timeout);
}

#[tokio::test]
async fn every_end() {
    let mut client = room().await;
    client.close(1001).await;
    assert_eq!(client.closed().await.code, CloseCode::Away);
    assert_eq!(client.reason().await, CloseReason::Remote(Some(Close::from(1001))));

    let mut client = room().await;
    client.abort().await;
    assert!(matches!(client.reason().await, CloseReason::Lost(_)));

    let mut client = room().await;
    client.raw(&[0x81, 0x00]).await;
    assert_eq!(client.closed().await.code, CloseCode::Protocol);
    assert!(matches!(client.reason().await, CloseReason::Protocol(_)));

    let mut client = room().await;
    client.send("x".repeat(1025)).await;
    assert_eq!(client.closed().await.code, CloseCode::Size);

    for (say, expect) in [("panic", "handler panicked: as asked"), ("fail", "handler failed: as asked")] {
        let (said, mut reasons) = tokio::sync::mpsc::unbounded_channel();
        let mut client = Test::open(Room { said: Some(said), ..Room::default() }).await;
        client.send(say).await;
        assert_eq!(client.text().await, "welcome to ");
        assert_eq!(client.closed().await.code, CloseCode::Error);
        assert_eq!(client.reason().await.to_string(), expect);
        assert_eq!(reasons.recv().await.unwrap().to_string(), expect);
        assert!(reasons.recv().await.is_none(), "once");
    }
}

#[tokio::test]
async fn upgrade_and_its_rejection() {
    let mut client = Test::<Room>::upgrade("/rooms/lobby").state(true).open().await.unwrap();
    assert_eq!(client.text().await, "welcome to lobby");

    let refused = Test::<Room>::upgrade("/rooms/lobby").state(false).open().await.unwrap_err();
    assert_eq!(refused.status, StatusCode::LOCKED);

    assert!(refused.body.is_empty());

    let foreign = Test::<Room>::upgrade("/rooms/lobby").header("origin", "https://evil.example").state(true);
    let refused = foreign.open().await.unwrap_err();
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!(refused.body, "pages of this origin may not connect\n");
}

/// What a request may bring besides its path.
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
async fn address_and_headers_of_an_upgrade() {
    let request = Test::<Visitor>::upgrade_at("/{name}", "/alice").header("sec-websocket-protocol", "v1");
    let mut client = request.peer_addr(([10, 0, 0, 1], 5000).into()).open().await.unwrap();
    assert_eq!(client.headers()["x-visitor"], "alice from 10.0.0.1:5000");
    assert_eq!(client.headers()["sec-websocket-protocol"], "v1");
    assert_eq!(client.text().await, "Some(10.0.0.1:5000) Some(\"v1\")");

    let client = Test::<Visitor>::upgrade_at("/{name}", "/bob").open().await.unwrap();
    assert_eq!(client.headers()["x-visitor"], "bob from nowhere");
}

/// What a test that fails says.
async fn failure(test: impl Future<Output = ()> + Send + 'static) -> String {
    let panic = tokio::spawn(test).await.unwrap_err().into_panic();
    panic.downcast_ref::<String>().unwrap().clone()
}

/// The list of what happened in a failure or in `{:?}`, without the padding.
fn happened(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.starts_with("  ")).map(str::trim_start).collect()
}

#[tokio::test]
async fn failed_expectation_says_what_happened() {
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
    let wrong = failure(async { drop(Test::<Room>::upgrade("/attic").state(true).open().await) }).await;
    check(line, &wrong, "\"/attic\" does not match \"/rooms/{room}\"");
    let line = line!() + 1;
    let wrong = failure(async { drop(Test::<Visitor>::upgrade_at("/{a", "/a").open().await) }).await;
    check(line, &wrong, "cannot mount a handler at \"/{a\"");
    let wrong = Test::<Visitor>::upgrade_at("/{name}", "/a").header("no header", "");
    let line = line!() + 1;
    let wrong = failure(async { drop(wrong.open().await) }).await;
    check(line, &wrong, "invalid HTTP header name");

    let mut gone = room().await;
    gone.info(Shout("hey")).await;
    gone.abort().await;
    assert_eq!(gone.pinged().await, "?", "it came before");
    let log = format!("{gone:?}");
    let expect = "the client went away with `abort()`, so it can do nothing more";
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
    assert_eq!(happened(&log).last(), Some(&"0ns  client went away"));
}

#[derive(serde::Deserialize, PartialEq, Debug)]
struct Point {
    x: i32,
}

#[tokio::test]
async fn json_is_text_that_deserializes() {
    let mut client = Test::open(Late).await;
    client.info(Say("{ \"x\": 3 }")).await;
    assert_eq!(client.json::<Point>().await, Point { x: 3 });
    for (said, expect) in [
        ("{}", "but text \"{}\": missing field `x` at line 1 column 2"),
        ("ping", "but ping b\"\""),
        ("", "but nothing came"),
    ] {
        let wrong = failure(async move {
            let mut client = Test::open(Late).await;
            client.info(Say(said)).await;
            client.json::<Point>().await;
        });
        let wrong = wrong.await;
        let first = wrong.lines().next().unwrap();
        assert!(first.starts_with(&format!("{}:{}:", file!(), line!() - 4)), "{first}");
        assert!(first.ends_with(&format!("expected JSON of `kit::Point`, {expect}")), "{first}");
    }
}

/// Something at 100 ms, and what others need a while for.
#[websocket(idle_timeout = none)]
#[derive(Default)]
struct Late;

#[derive(Clone, Copy)]
struct Say(&'static str);

#[websocket]
impl Late {
    #[after(100ms)]
    fn late(&mut self) -> &'static str {
        "late"
    }

    #[on_text]
    async fn text(&mut self, text: &str, cx: &mut Context<Self>) -> Option<String> {
        match text {
            "block" => {
                let sleep = || std::thread::sleep(Duration::from_millis(20));
                tokio::task::spawn_blocking(sleep).await.unwrap();
                Some("blocked".into())
            }
            "chain" => {
                let (first, mut last) = tokio::sync::mpsc::channel(1);
                for _ in 0..200 {
                    let (next, end) = tokio::sync::mpsc::channel::<u32>(1);
                    let mut before = std::mem::replace(&mut last, end);
                    tokio::spawn(async move {
                        let count = before.recv().await.unwrap();
                        tokio::task::yield_now().await;
                        next.send(count + 1).await.unwrap();
                    });
                }
                first.send(0).await.unwrap();
                Some(last.recv().await.unwrap().to_string())
            }
            "sleep" => {
                tokio::time::sleep(Duration::from_millis(50)).await;
                Some("slept".into())
            }
            "much" => {
                cx.send(vec![0; 512 << 10]);
                tokio::time::sleep(MS).await;
                Some(cx.buffered().to_string())
            }
            _ => None,
        }
    }

    #[on_info]
    fn say(&mut self, Say(what): Say) -> Option<Message> {
        match what {
            "" => None,
            "ping" => Some(Ping::default().into()),
            text => Some(text.into()),
        }
    }
}

const MS: Duration = Duration::from_millis(1);

#[tokio::test]
async fn nothing_but_advance_takes_time() {
    let mut client = Test::open(Late).await;
    let start = tokio::time::Instant::now();
    let mut other = Test::open(Late).await;
    client.ping("p").await;
    client.ponged().await;
    client.send("nothing").await;
    client.info(Say("hey")).await;
    client.text().await;
    client.nothing().await;
    assert!(client.next().await.is_none());
    other.close(1000).await;
    other.closed().await;
    other.reason().await;
    Test::open(Late).await.abort().await;
    assert_eq!(start.elapsed(), Duration::ZERO);
    failure(async {
        Test::open(Late).await.text().await;
    })
    .await;
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test]
async fn time_is_exact_and_does_not_add_up() {
    // Wherever the clock stood: between two ticks of the runtime's timers too.
    for (fraction, steps) in [(0, 99), (1, 33), (123_456, 198), (500_000, 1), (999_999, 9)] {
        tokio::time::pause();
        tokio::time::advance(Duration::from_nanos(fraction)).await;
        let mut client = Test::open(Late).await;
        client.send("sleep").await;
        let start = tokio::time::Instant::now();
        for _ in 0..steps {
            client.advance(MS * 99 / steps).await;
        }
        assert_eq!(start.elapsed(), 99 * MS);
        assert_eq!(client.text().await, "slept");
        client.ping("a look at what is due").await;
        client.ponged().await;
        client.nothing().await;
        assert!(format!("{client:?}").contains(" 50ms  handler sent text \"slept\"\n"), "{client:?}");
        client.advance(MS).await;
        assert_eq!(start.elapsed(), 100 * MS);
        assert_eq!(client.text().await, "late");
        tokio::time::resume();
    }
}

#[tokio::test]
async fn clients_of_a_test_share_one_clock() {
    let (mut one, mut other) = (Test::open(Late).await, Test::open(Late).await);
    for _ in 0..45 {
        one.advance(MS / 10).await;
        other.advance(MS / 10 + MS).await;
    }
    one.advance(45 * MS).await;
    one.nothing().await;
    other.nothing().await;
    one.advance(MS).await;
    assert_eq!((one.text().await, other.text().await), ("late".into(), "late".into()));
}

#[tokio::test]
async fn log_has_what_nobody_has_read_when_it_came() {
    let (mut one, other) = (Test::open(Late).await, Test::open(Late).await);
    one.send("sleep").await;
    let addr = other.addr();
    tokio::spawn(async move {
        tokio::time::sleep(20 * MS).await;
        addr.send(Say("early")).unwrap();
    });
    one.advance(MS * 200).await;
    let expect = ["0ns  opened", "20ms  handler sent text \"early\"", "100ms  handler sent text \"late\""];
    assert_eq!(happened(&format!("{other:?}")), expect);
    let expect = [
        "0ns  opened",
        "0ns  client sent text \"sleep\"",
        "0ns  200ms pass",
        "50ms  handler sent text \"slept\"",
        "100ms  handler sent text \"late\"",
    ];
    assert_eq!(happened(&format!("{one:?}")), expect);
    assert_eq!((one.text().await, one.text().await), ("slept".into(), "late".into()));
    assert_eq!(happened(&format!("{one:?}")), expect, "reading is no event");
}

#[tokio::test]
async fn other_threads_and_long_chains_of_tasks_are_waited_for() {
    let mut client = Test::open(Late).await;
    client.send("block").await;
    client.nothing().await;
    assert_eq!(client.text().await, "blocked");
    client.send("block").await;
    client.advance(MS).await;
    assert_eq!(client.next().await, Some(Message::text("blocked")));
    client.send("chain").await;
    assert!(format!("{client:?}").ends_with("handler sent text \"200\"\n"), "{client:?}");
}

#[tokio::test]
async fn client_that_is_not_asked_takes_a_quarter_of_a_mebibyte() {
    let mut client = Test::open(Late).await;
    client.send("much").await;
    client.advance(MS).await;
    assert_eq!(client.binary().await.len(), 512 << 10);
    let waited: usize = client.text().await.parse().unwrap();
    let took = (512 << 10) - waited;
    assert!((250 << 10..=256 << 10).contains(&took), "{took}");
}
