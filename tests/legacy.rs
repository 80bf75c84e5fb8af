//! The browsers' drafts with the option `legacy`, byte for byte.

#[path = "legacy/deflate.rs"]
mod deflate;
#[path = "legacy/hostile.rs"]
mod hostile;
#[path = "legacy/transports.rs"]
mod transports;

use std::time::Duration;

use tests::{RawClient, Server, TIMEOUT, serve};
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;
use ws_core::prelude::*;

/// Handshake timeout, below the time limit of a test.
const MOMENT: Duration = Duration::from_millis(50);

type Reasons = mpsc::UnboundedSender<CloseReason>;

/// Echo that reports its close reason.
#[websocket(
    path = "/demo",
    legacy,
    subprotocols = ["sample"],
    max_message_size = 64KiB,
    compress(min_size = 0),
)]
struct Echo(Reasons);

#[websocket]
impl Echo {
    #[on_upgrade]
    fn make(headers: HeaderMap, State(reasons): State<Reasons>) -> Result<Upgrade<Self>, StatusCode> {
        if headers.contains_key("x-stranger") {
            return Err(StatusCode::UNAUTHORIZED);
        }
        let mut upgrade = Upgrade::new(Self(reasons));
        if let Some(url) = headers.get("x-asked-for") {
            upgrade = upgrade.header("sec-websocket-location", url.to_str().unwrap());
        }
        Ok(upgrade.options(|options| {
            options.legacy &= !headers.contains_key("x-modern");
            if headers.contains_key("x-ping") {
                (options.ping_interval, options.pong_timeout) = (Some(MOMENT), MOMENT);
            }
        }))
    }

    #[on_text]
    async fn echo(&mut self, text: String, cx: &mut Context<Self>) -> String {
        match &*text {
            "protocol" => return cx.subprotocol().unwrap_or("none").to_owned(),
            "binary" => cx.send(vec![1, 2, 3]),
            "wait" => {
                cx.send("waiting");
                tokio::time::sleep(4 * MOMENT).await;
            }
            _ => {}
        }
        text
    }

    #[on_close]
    fn close(&mut self, reason: &CloseReason) {
        let _ = self.0.send(reason.clone());
    }
}

const OFF: bool = false;

/// Handler without the option.
#[websocket(path = "/modern", legacy = OFF, compress)]
#[derive(Default)]
struct Modern;

#[websocket]
impl Modern {
    #[on_text]
    fn echo(&mut self, text: String) -> String {
        text
    }
}

struct Setup {
    server: Server,
    reasons: mpsc::UnboundedReceiver<CloseReason>,
}

fn router(reasons: Reasons) -> Router {
    Router::new().mount::<Echo>().mount::<Modern>().with_state(reasons)
}

async fn setup_with(change: impl FnOnce(Router) -> Router) -> Setup {
    let (sender, reasons) = mpsc::unbounded_channel();
    Setup { server: serve(change(router(sender))).await, reasons }
}

async fn setup() -> Setup {
    setup_with(|router| router).await
}

impl Setup {
    async fn reason(&mut self) -> CloseReason {
        tokio::time::timeout(TIMEOUT, self.reasons.recv()).await.expect("`#[on_close]` runs").unwrap()
    }

    /// Connects a client and completes the handshake of draft 76.
    async fn old(&self) -> RawClient {
        let mut raw = self.server.raw().await;
        raw.send(request("/demo", "")).await;
        raw.send(KEY3).await;
        head(&mut raw).await;
        expect(&mut raw, PROOF).await;
        raw
    }
}

const KEY3: &[u8] = b"^n:ds[4U";
const PROOF: &[u8] = b"8jKS'y:G*Co,Wxa-";

/// Returns the head of the example handshake in the draft's introduction, with more header lines.
fn request(path: &str, more: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key2: 12998 5 Y3 1  .P00\r\nSec-WebSocket-Protocol: sample\r\n\
         Upgrade: WebSocket\r\nSec-WebSocket-Key1: 4 @1  46546xW%0l 1 5\r\n\
         Origin: http://example.com\r\n{more}\r\n"
    )
}

/// Reads the head of a response.
async fn head(raw: &mut RawClient) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(raw.byte().await.expect("an answer"));
    }
    String::from_utf8(head).unwrap()
}

/// Asserts the next bytes.
#[track_caller]
fn expect(raw: &mut RawClient, bytes: &[u8]) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    async move {
        let mut got = vec![0; bytes.len()];
        let read = tokio::time::timeout(TIMEOUT, raw.0.read_exact(&mut got)).await;
        read.expect("the server answers").unwrap_or_else(|error| panic!("{caller}: {error}"));
        let text = String::from_utf8_lossy;
        assert!(got == bytes, "{caller}: {} instead of {}", text(&got), text(bytes));
    }
}

/// Reads until the server closes TCP.
async fn rest(raw: &mut RawClient) -> Vec<u8> {
    let mut rest = Vec::new();
    tokio::time::timeout(TIMEOUT, raw.0.read_to_end(&mut rest))
        .await
        .expect("the server closes TCP")
        .unwrap();
    rest
}

#[tokio::test]
async fn answers_the_example_of_the_draft() {
    let mut setup = setup().await;
    let mut raw = setup.server.raw().await;
    raw.send([request("/demo", "").as_bytes(), KEY3, b"\x00with the keys\xff"].concat()).await;
    let head = head(&mut raw).await;
    assert!(head.starts_with("HTTP/1.1 101 WebSocket Protocol Handshake\r\n"), "{head}");
    let mut headers: Vec<&str> = head.lines().skip(1).filter(|line| !line.is_empty()).collect();
    headers.retain(|line| !line.starts_with("date: "));
    headers.sort_unstable();
    let mut expected = [
        "connection: Upgrade",
        "upgrade: WebSocket",
        "sec-websocket-origin: http://example.com",
        "sec-websocket-location: ws://example.com/demo",
        "sec-websocket-protocol: sample",
    ];
    expected.sort_unstable();
    assert_eq!(headers, expected);
    expect(&mut raw, PROOF).await;
    expect(&mut raw, b"\x00with the keys\xff").await;
    raw.send(b"\x00protocol\xff\x00binary\xff").await;
    expect(&mut raw, b"\x00sample\xff\x00binary\xff").await;
    raw.send(b"\xff\x00").await;
    assert_eq!(rest(&mut raw).await, b"\xff\x00");
    assert_eq!(setup.reason().await, CloseReason::Remote(None));
}

#[tokio::test]
async fn accepts_keys_and_frames_byte_by_byte() {
    let setup = setup().await;
    let mut raw = setup.server.raw().await;
    for byte in request("/demo", "").bytes() {
        raw.send([byte]).await;
    }
    // A proxy withholds the keys until it has received the response head.
    head(&mut raw).await;
    for byte in [KEY3, b"\x00ab\xff\x80\x01x\x01y\xff\x00c\xff\xff\x00"].concat() {
        raw.send([byte]).await;
    }
    assert_eq!(rest(&mut raw).await, [PROOF, b"\x00ab\xff\x00c\xff\xff\x00"].concat());
}

#[tokio::test]
async fn never_pings_a_draft_76_client() {
    let setup = setup().await;
    let mut raw = setup.server.raw().await;
    raw.send([request("/demo", "x-ping: yes\r\n").as_bytes(), KEY3].concat()).await;
    head(&mut raw).await;
    expect(&mut raw, PROOF).await;
    // An unanswered ping would close the connection.
    for _ in 0..3 {
        raw.send(b"\x00wait\xff").await;
        expect(&mut raw, b"\x00waiting\xff\x00wait\xff").await;
    }
}

#[tokio::test]
async fn refuses_with_a_reason_and_closes() {
    let setup = setup().await;
    let change = |from: &str, to: &str| request("/demo", "").replace(from, to);
    let cases = [
        (change("12998 5 Y3 1  .P00", "1299853100"), 400),
        (change("Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 5\r\n", ""), 400),
        (change("4 @1  46546xW%0l 1 5", "x  x"), 400),
        (change("4 @1  46546xW%0l 1 5", "1 1 1"), 400),
        (change("4 @1  46546xW%0l 1 5", "99999 99999"), 400),
        (change("Host: example.com\r\n", ""), 400),
        (request("/demo", "Content-Length: 8\r\n"), 400),
        (change("http://example.com", "http://evil.example"), 403),
        (request("/demo", "x-stranger: yes\r\n"), 401),
    ];
    for (request, status) in cases {
        let mut raw = setup.server.raw().await;
        raw.send([request.as_bytes(), KEY3].concat()).await;
        let answer = raw.read_response().await;
        assert_eq!(answer.status, status, "{request}");
        assert_eq!(answer.header("connection"), Some("close"), "{request}");
        assert_eq!(raw.byte().await, None, "what follows is no request");
    }
    for path in ["/modern", "/demo"] {
        let version = if path == "/demo" { "Sec-WebSocket-Version: 0\r\n" } else { "" };
        let answer = setup.server.raw().await.request(&request(path, version)).await;
        assert_eq!((answer.status, answer.header("sec-websocket-version")), (426, Some("13, 8, 7")));
    }
}

#[tokio::test]
async fn final_version_is_unchanged() {
    let setup = setup().await;
    let mut client = setup.server.connect("/demo").await;
    client.send("hello").await;
    assert_eq!(client.text().await, "hello");
    assert_eq!(client.response.headers()["upgrade"], "websocket");
}

#[tokio::test]
async fn on_upgrade_sees_the_url_but_cannot_change_the_handshake() {
    let setup = setup().await;
    for more in ["x-modern: yes\r\n", "x-asked-for: wss://app.example/live/demo\r\n"] {
        let mut raw = setup.server.raw().await;
        raw.send([request("/demo", more).as_bytes(), KEY3].concat()).await;
        let head = head(&mut raw).await;
        let location =
            if more.starts_with("x-asked") { "wss://app.example/live/demo" } else { "ws://example.com/demo" };
        assert!(head.contains(&format!("sec-websocket-location: {location}\r\n")), "{head}");
        expect(&mut raw, PROOF).await;
        raw.send(b"\x00a\xff").await;
        expect(&mut raw, b"\x00a\xff").await;
    }
}
