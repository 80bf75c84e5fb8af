//! The option `bullet`: a handler reached by server-sent events, polling and POST.

#[path = "bullet/limits.rs"]
mod limits;
#[path = "bullet/origins.rs"]
mod origins;
#[path = "bullet/protocols.rs"]
mod protocols;

use std::time::Duration;

use tests::{HttpResponse, Server, TIMEOUT, serve};
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;
use ws_core::prelude::*;

/// Time limit of the handlers that have a short one.
const MOMENT: Duration = Duration::from_millis(50);

type Reasons = mpsc::UnboundedSender<CloseReason>;

/// Handler that does at the start what its path says, and then what a text says. Reports its close reason.
#[websocket(
    path = "/bullet/{mode}",
    bullet,
    origins = ["https://friend.example"],
    max_message_size = 64KiB,
    cancel_timeout = 1ms,
    compress(min_size = 0),
)]
struct Bullet {
    mode: String,
    reasons: Reasons,
}

struct Later;

#[websocket]
impl Bullet {
    #[on_upgrade]
    fn make(
        Path(mode): Path<String>,
        State(reasons): State<Reasons>,
    ) -> Result<Upgrade<Self>, (StatusCode, &'static str)> {
        if mode == "refused" {
            return Err((StatusCode::UNAUTHORIZED, "who are you?"));
        }
        let is_short = mode == "short";
        let pings = mode == "pings";
        let mut upgrade = Upgrade::new(Self { mode, reasons }).header("set-cookie", "seen=1");
        if is_short {
            upgrade = upgrade.options(|options| {
                (options.idle_timeout, options.ping_interval) = (Some(MOMENT), None);
            });
        }
        if pings {
            upgrade = upgrade.options(|options| options.ping_interval = Some(MOMENT));
        }
        Ok(upgrade)
    }

    #[on_open]
    fn open(&mut self, cx: &mut Context<Self>) {
        match &*self.mode {
            "now" => {
                cx.send("first");
                cx.send("second");
            }
            "lines" => cx.send("a\nb\r\nc"),
            "binary" => {
                cx.send(vec![1, 2, 3]);
                cx.send("text");
            }
            "large" => cx.send("x".repeat(4_000_000)),
            "later" => _ = cx.send_after(MOMENT, Later),
            "close" => cx.close(4000),
            "fail" => cx.close(1011),
            _ => {}
        }
    }

    #[on_info]
    fn later(&mut self, _: Later) -> &'static str {
        "later"
    }

    #[on_text]
    async fn text(
        &mut self,
        text: String,
        cx: &mut Context<Self>,
    ) -> Result<Option<Deferred<String>>, &'static str> {
        match &*text {
            "nothing" => {}
            "two" => {
                cx.send("one");
                cx.send("");
                cx.send("three");
            }
            "slow" => {
                tokio::time::sleep(2 * MOMENT).await;
                cx.send("slow");
            }
            "never" => std::future::pending().await,
            "deferred" => {
                return Ok(Some(Deferred::new(async {
                    tokio::time::sleep(2 * MOMENT).await;
                    "deferred".to_owned()
                })));
            }
            "binary" => cx.send(vec![1, 2, 3]),
            "fail" => return Err("it failed"),
            "fail late" => {
                cx.send("half");
                return Err("it failed");
            }
            "fail large" => {
                cx.send("x".repeat(4_000_000));
                return Err("it failed");
            }
            "large" => cx.send("x".repeat(4_000_000)),
            "panic" => panic!("it panicked"),
            text => cx.send(format!("echo {text}")),
        }
        Ok(None)
    }

    #[on_close]
    fn close(&mut self, reason: &CloseReason) {
        let _ = self.reasons.send(reason.clone());
    }
}

/// Handler without the option.
#[websocket(path = "/plain", bullet = false)]
#[derive(Default)]
struct Plain;

#[websocket]
impl Plain {
    #[on_text]
    fn text(&mut self, _: &str) {}
}

struct Setup {
    server: Server,
    reasons: mpsc::UnboundedReceiver<CloseReason>,
}

async fn setup() -> Setup {
    setup_with(|router| router).await
}

async fn setup_with(limit: impl FnOnce(Router) -> Router) -> Setup {
    let (sender, reasons) = mpsc::unbounded_channel();
    let router = Router::new().mount::<Bullet>().mount::<Plain>().with_state(sender);
    Setup { server: serve(limit(router)).await, reasons }
}

impl Setup {
    async fn reason(&mut self) -> CloseReason {
        tokio::time::timeout(TIMEOUT, self.reasons.recv()).await.expect("the handler lives").unwrap()
    }

    async fn get(&self, mode: &str) -> HttpResponse {
        self.server.raw().await.request(&get(mode, "")).await
    }

    async fn post(&self, text: &str) -> HttpResponse {
        let mut raw = self.server.raw().await;
        let mut response = raw.request(&post("any", "", text)).await;
        if response.header("transfer-encoding") == Some("chunked") {
            response.body = raw.chunks().await;
        }
        response
    }
}

fn get(mode: &str, headers: &str) -> String {
    format!("GET /bullet/{mode}?_=1353 HTTP/1.1\r\nHost: server.example.com\r\n{headers}\r\n")
}

fn get_events(mode: &str) -> String {
    get(mode, "Accept: text/event-stream\r\n")
}

fn post(mode: &str, headers: &str, text: &str) -> String {
    let len = text.len();
    format!(
        "POST /bullet/{mode} HTTP/1.1\r\nHost: server.example.com\r\n{headers}Content-Length: {len}\r\n\r\n{text}"
    )
}

fn code(reason: &CloseReason) -> Option<u16> {
    if let CloseReason::Remote(Some(close)) = reason { Some(close.code.into()) } else { None }
}

#[tokio::test]
async fn poll_returns_the_next_message() {
    let mut setup = setup().await;
    for (mode, body) in [("now", "first"), ("later", "later"), ("lines", "a\nb\r\nc"), ("binary", "text")] {
        let response = setup.get(mode).await;
        assert_eq!((response.status, response.body.as_str()), (200, body), "{mode}");
        assert_eq!(response.header("content-type"), Some("text/plain; charset=utf-8"));
        assert_eq!(response.header("cache-control"), Some("no-store, no-transform"));
        assert_eq!(response.header("x-accel-buffering"), Some("no"));
        assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(response.header("set-cookie"), Some("seen=1"));
        assert_eq!(response.header("vary"), Some("origin"));
        assert_eq!(code(&setup.reason().await), Some(1000), "each poll is a handler");
    }
}

#[tokio::test]
async fn poll_without_a_message_is_204() {
    let mut setup = setup().await;
    let response = setup.get("close").await;
    assert_eq!((response.status, response.body.as_str()), (204, ""));
    assert!(matches!(setup.reason().await, CloseReason::Stop(_)));
    for mode in ["short", "pings"] {
        assert_eq!(setup.get(mode).await.status, 204);
        assert_eq!(code(&setup.reason().await), Some(1000), "the client of a poll closes after its time");
    }
    assert_eq!(setup.get("fail").await.status, 500);
    // The connection of HTTP/1.1 remains.
    let mut raw = setup.server.raw().await;
    assert_eq!(raw.request(&get("close", "")).await.status, 204);
    assert_eq!(raw.request(&get("now", "")).await.body, "first");
    assert_eq!(raw.request(&get("now", "")).await.body, "first");
}

#[tokio::test]
async fn poll_ends_with_its_client() {
    let mut setup = setup().await;
    for request in [get("silent", ""), get_events("silent")] {
        let mut raw = setup.server.raw().await;
        raw.send(request).await;
        tokio::time::sleep(MOMENT).await;
        drop(raw);
        assert!(matches!(setup.reason().await, CloseReason::ConnectionLost(_)));
    }
}

#[tokio::test]
async fn events_are_all_messages() {
    let mut setup = setup().await;
    let mut raw = setup.server.raw().await;
    let response = raw.request(&get_events("now")).await;
    assert_eq!(response.status, 200);
    assert_eq!(response.header("content-type"), Some("text/event-stream"));
    assert_eq!(response.header("cache-control"), Some("no-store, no-transform"));
    assert_eq!(response.header("x-accel-buffering"), Some("no"));
    assert_eq!(response.header("set-cookie"), Some("seen=1"));
    assert_eq!(raw.chunk().await, "data: first\n\ndata: second\n\n");
    drop(raw);
    assert!(matches!(setup.reason().await, CloseReason::ConnectionLost(_)));

    for (mode, events) in [
        ("lines", "data: a\ndata: b\ndata: c\n\n"),
        ("later", "data: later\n\n"),
        ("binary", "data: text\n\n"),
        ("pings", ":\n\n"),
    ] {
        let mut raw = setup.server.raw().await;
        raw.request(&get_events(mode)).await;
        assert_eq!(raw.chunk().await, events);
    }
    // The connection lives as long as its pings are answered.
    let mut raw = setup.server.raw().await;
    raw.request(&get_events("pings")).await;
    for _ in 0..4 {
        assert_eq!(raw.chunk().await, ":\n\n");
    }
}

#[tokio::test]
async fn events_end_with_the_handler() {
    let setup = setup().await;
    for mode in ["close", "short", "fail"] {
        let mut raw = setup.server.raw().await;
        assert_eq!(raw.request(&get_events(mode)).await.status, 200);
        assert_eq!(raw.chunks().await, "", "{mode}");
    }
}

#[tokio::test]
async fn post_is_a_message_with_its_reply() {
    let mut setup = setup().await;
    for (text, status, body) in [
        ("hello", 200, "echo hello"),
        ("", 200, "echo "),
        ("two", 200, "one\n\nthree"),
        ("slow", 200, "slow"),
        ("deferred", 200, "deferred"),
        ("nothing", 204, ""),
        ("binary", 204, ""),
    ] {
        let response = setup.post(text).await;
        assert_eq!((response.status, response.body.as_str()), (status, body), "{text:?}");
        assert_eq!(response.header("cache-control"), Some("no-store, no-transform"));
        assert_eq!(code(&setup.reason().await), Some(1000), "each POST is a handler");
    }
    // Messages of `#[on_open]` are a part of the response.
    let mut raw = setup.server.raw().await;
    let response = raw.request(&post("now", "", "hello")).await;
    assert_eq!(response.body, "first\nsecond\necho hello");
}

#[tokio::test]
async fn failure_of_a_post_has_a_status() {
    let mut setup = setup().await;
    for text in ["fail", "fail late", "panic"] {
        let response = setup.post(text).await;
        assert_eq!(response.status, 500, "{text}");
        setup.reason().await;
    }
    // The status of a large reply is sent before the failure, so the body has no end.
    let mut raw = setup.server.raw().await;
    assert_eq!(raw.request(&post("any", "", "fail large")).await.status, 200);
    let mut body = Vec::new();
    raw.0.read_to_end(&mut body).await.unwrap();
    assert!(body.len() > 4_000_000 && !body.ends_with(b"0\r\n\r\n"), "{}", body.len());
    let mut raw = setup.server.raw().await;
    raw.send("POST /bullet/any HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n").await;
    raw.send(b"caf\xe9").await;
    assert_eq!(raw.read_response().await.status, 400);
}

#[tokio::test]
async fn other_requests() {
    let setup = setup().await;
    let request = |method: &str, path: &str, headers: &str| {
        format!("{method} {path} HTTP/1.1\r\nHost: server.example.com\r\n{headers}\r\n")
    };
    for method in ["HEAD", "PUT", "DELETE", "PATCH", "TRACE", "get"] {
        let response = setup.server.raw().await;
        let mut raw = response;
        raw.send(request(method, "/bullet/now", "")).await;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(raw.byte().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
        assert!(head.starts_with("http/1.1 405 "), "{head}");
        assert!(head.contains("\r\nallow: get, post, options\r\n"), "{head}");
    }
    let response = setup.server.raw().await.request(&request("GET", "/plain", "")).await;
    assert_eq!(response.status, 426, "a handler without the option");
    let response = setup.server.raw().await.request(&request("GET", "/bullet/refused", "")).await;
    assert_eq!((response.status, response.body.as_str()), (401, "who are you?"));
    let response = setup.server.raw().await.request("GET /bullet/now HTTP/1.1\r\n\r\n").await;
    assert_eq!(response.status, 400, "without a host");
    // An incomplete handshake is answered like one.
    let response = setup.server.raw().await.request(&get("now", "Upgrade: websocket\r\n")).await;
    assert_eq!(response.status, 426);
    // Another upgrade is not possible, and a client may be answered without it.
    assert_eq!(setup.server.raw().await.request(&get("now", "Upgrade: h2c\r\n")).await.body, "first");
    // The hint of Bullet's client changes nothing, and neither does the offer of an extension.
    let headers = "X-Socket-Transport: xhrPolling\r\nSec-WebSocket-Extensions: permessage-deflate\r\n";
    assert_eq!(setup.server.raw().await.request(&get("now", headers)).await.body, "first");
    let mut client = setup.server.connect("/bullet/now").await;
    assert_eq!((client.text().await, client.text().await), ("first".into(), "second".into()));
}

#[tokio::test]
async fn bullet_has_its_path_before_the_fallback() {
    let page = axum::Router::new().fallback(async || "page");
    let setup = setup_with(|router| router.fallback(page)).await;
    assert_eq!(setup.get("now").await.body, "first");
    let response = setup.server.raw().await.request("GET /plain HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(response.body, "page");
}

#[tokio::test]
async fn shutdown_ends_events_and_polls() {
    let mut setup = setup().await;
    let mut events = setup.server.raw().await;
    events.request(&get_events("now")).await;
    events.chunk().await;
    let mut poll = setup.server.raw().await;
    poll.send(get("silent", "")).await;
    let mut slow = setup.server.raw().await;
    slow.send(post("any", "", "slow")).await;
    tokio::time::sleep(MOMENT).await;
    setup.server.stop();
    assert_eq!(events.chunks().await, "");
    assert_eq!(poll.read_response().await.status, 204);
    assert_eq!(slow.read_response().await.body, "slow");
    setup.server.join().await;
}
