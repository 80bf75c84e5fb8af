//! The opening handshake over TCP, byte for byte.

use std::time::Duration;

use tests::{RawClient, Server, frame, handshake, serve};
use ws_core::prelude::*;
use ws_core::test::TestClient;

#[websocket(path = "/echo", subprotocols = ["chat.v2", "chat.v1"])]
#[derive(Default)]
struct Echo;

#[websocket]
impl Echo {
    #[on_text]
    fn echo<'a>(&mut self, text: &'a str) -> &'a str {
        text
    }

    #[on_binary]
    fn protocol(&mut self, _: &[u8], cx: &mut Context<Self>) -> String {
        cx.subprotocol().unwrap_or("none").to_owned()
    }
}

async fn server() -> Server {
    serve(Router::new().mount::<Echo>()).await
}

/// Asserts that the connection is a WebSocket to [`Echo`].
async fn echoes(raw: &mut RawClient) {
    raw.send(frame(0x81, b"hello")).await;
    assert_eq!(raw.frame().await, Some((0x81, b"hello".to_vec())));
}

#[tokio::test]
async fn answers_the_handshake_of_the_rfc() {
    let server = server().await;
    let mut raw = server.raw().await;
    let answer = raw.request(&handshake("/echo", "")).await;
    assert_eq!(answer.status, 101);
    assert_eq!(answer.header("upgrade"), Some("websocket"));
    assert!(answer.header("connection").unwrap().eq_ignore_ascii_case("upgrade"));
    assert_eq!(answer.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_eq!(answer.header("sec-websocket-protocol"), None);
    assert_eq!(answer.header("sec-websocket-extensions"), None);
    echoes(&mut raw).await;
}

#[tokio::test]
async fn refuses_with_a_reason_and_keeps_the_connection() {
    let server = server().await;
    let mut raw = server.raw().await;
    let plain = "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n";
    let post = "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi";
    let change = |from: &str, to: &str| handshake("/echo", "").replace(from, to);
    let cases = [
        (handshake("/nowhere", ""), 404, None),
        (post.into(), 405, Some(("allow", "GET"))),
        (plain.into(), 426, Some(("upgrade", "websocket"))),
        (change("Version: 13", "Version: 12"), 426, Some(("sec-websocket-version", "13, 8, 7"))),
        (change("Sec-WebSocket-Version: 13\r\n", ""), 426, Some(("upgrade", "websocket"))),
        (change("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""), 400, None),
        (change("dGhlIHNhbXBsZSBub25jZQ==", "short"), 400, None),
        (handshake("/echo", "Origin: https://evil.example\r\n"), 403, None),
    ];
    for (request, status, header) in cases {
        let answer = raw.request(&request).await;
        assert_eq!(answer.status, status, "{request}");
        if let Some((name, value)) = header {
            assert_eq!(answer.header(name), Some(value), "{request}");
        }
        assert_eq!(answer.body.lines().count(), 1, "{:?}", answer.body);
    }
    assert_eq!(raw.request(&handshake("/echo", "Origin: http://server.example.com\r\n")).await.status, 101);
    echoes(&mut raw).await;
}

#[tokio::test]
async fn drafts_8_and_7() {
    let server = server().await;
    for version in ["8", "7"] {
        let request = handshake("/echo", "Sec-WebSocket-Origin: http://server.example.com\r\n")
            .replace("Version: 13", &format!("Version: {version}"));
        let mut raw = server.raw().await;
        assert_eq!(raw.request(&request).await.status, 101);
        echoes(&mut raw).await;
        let foreign = request.replace("http://server", "http://evil");
        assert_eq!(server.raw().await.request(&foreign).await.status, 403);
    }
}

#[tokio::test]
async fn reads_bytes_in_the_packet_of_the_handshake() {
    let server = server().await;
    // A frame, half a frame, several frames, and no frame.
    let mut raw = server.raw().await;
    let request = handshake("/echo", "").into_bytes();
    raw.send([&request[..], &frame(0x81, b"early"), &frame(0x81, b"bird")[..3]].concat()).await;
    assert_eq!(raw.read_response().await.status, 101);
    assert_eq!(raw.frame().await, Some((0x81, b"early".to_vec())));
    raw.send(&frame(0x81, b"bird")[3..]).await;
    assert_eq!(raw.frame().await, Some((0x81, b"bird".to_vec())));

    let mut raw = server.raw().await;
    let many: Vec<u8> = (0..500).flat_map(|_| frame(0x81, &[b'x'; 100])).collect();
    raw.send([&request[..], &many].concat()).await;
    assert_eq!(raw.read_response().await.status, 101);
    for _ in 0..500 {
        assert_eq!(raw.frame().await.unwrap().1.len(), 100);
    }

    let mut raw = server.raw().await;
    raw.send([&request[..], b"GET /echo HTTP/1.1\r\n\r\n"].concat()).await;
    assert_eq!(raw.read_response().await.status, 101);
    let (first, payload) = raw.frame().await.unwrap();
    assert_eq!((first, &payload[..2]), (0x88, &1002_u16.to_be_bytes()[..]));
    assert_eq!(raw.frame().await, None);
}

#[tokio::test]
async fn negotiates_the_subprotocol() {
    let server = server().await;
    for (offer, agreed) in [("chat.v1, chat.v2", "chat.v2"), ("mqtt, chat.v1", "chat.v1")] {
        let mut raw = server.raw().await;
        let answer = raw.request(&handshake("/echo", &format!("Sec-WebSocket-Protocol: {offer}\r\n"))).await;
        assert_eq!(answer.header("sec-websocket-protocol"), Some(agreed));
        raw.send(frame(0x82, b"?")).await;
        assert_eq!(raw.frame().await.unwrap().1, agreed.as_bytes());
    }
    let mut raw = server.raw().await;
    let answer = raw.request(&handshake("/echo", "Sec-WebSocket-Protocol: mqtt\r\n")).await;
    assert_eq!((answer.status, answer.header("sec-websocket-protocol")), (101, None));
}

#[tokio::test]
async fn refuses_above_capacity_before_the_101() {
    let server = serve(Router::new().mount::<Echo>().max_connections(2)).await;
    let (one, _two) = (server.connect("/echo").await, server.connect("/echo").await);
    // Pending handshakes hold permits, so these two use all of them.
    let mut raw = server.raw().await;
    let answer = raw.request(&handshake("/echo", "")).await;
    assert_eq!((answer.status, answer.body.as_str()), (503, "too many connections: try again later\n"));
    drop(one);
    // The permit is released once the server notices the disconnect.
    for _ in 0..100 {
        if raw.request(&handshake("/echo", "")).await.status == 101 {
            return echoes(&mut raw).await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the permit is never released");
}

#[tokio::test]
async fn refuses_large_headers_and_slow_clients() {
    let router = Router::new().mount::<Echo>().handshake_timeout(Duration::from_millis(200));
    let server = serve(router).await;
    let mut raw = server.raw().await;
    let answer = raw.request(&handshake("/echo", &format!("X-Large: {}\r\n", "x".repeat(17_000)))).await;
    assert_eq!(answer.status, 431);

    // RFC 9112 §3: a target that is too long is not a header.
    for (len, status) in [(16_000, 101), (16_300, 431), (17_000, 414), (70_000, 414), (200_000, 414)] {
        let request = handshake(&format!("/echo?{}", "x".repeat(len)), "");
        let answer = server.raw().await.request(&request).await;
        assert_eq!(answer.status, status, "{len}");
    }
    // The lines have a limit, too.
    for (lines, status) in [(90, 101), (101, 431)] {
        let answer = server.raw().await.request(&handshake("/echo", &"X: y\r\n".repeat(lines))).await;
        assert_eq!(answer.status, status, "{lines}");
    }
    for (max, lines, status) in
        [(20, 10, 101), (20, 16, 431), (200, 190, 101), (200, 201, 431), (usize::MAX, 2_000, 101)]
    {
        let server = serve(Router::new().mount::<Echo>().max_headers(max)).await;
        let answer = server.raw().await.request(&handshake("/echo", &"X: y\r\n".repeat(lines))).await;
        assert_eq!(answer.status, status, "{lines} of {max}");
    }

    let mut raw = server.raw().await;
    raw.send("GET /echo HTTP/1.1\r\nHost").await;
    let start = std::time::Instant::now();
    while raw.byte().await.is_some() {}
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[websocket(path = "/slow")]
struct Slow;

#[websocket]
impl Slow {
    #[on_upgrade]
    async fn upgrade() -> Self {
        std::future::pending::<()>().await;
        Self
    }
}

#[tokio::test]
async fn handshake_timeout_ends_a_slow_upgrade() {
    let server = serve(Router::new().mount::<Slow>().handshake_timeout(Duration::from_millis(200))).await;
    assert_eq!(server.raw().await.request(&handshake("/slow", "")).await.status, 503);
}

/// Handler whose rejection axum would send as 200.
#[websocket(path = "/mute/{name}")]
struct Mute;

#[websocket]
impl Mute {
    #[on_upgrade]
    fn come(Path(name): Path<String>) -> Result<Self, String> {
        if name == "nobody" { Err("nobody by that name".into()) } else { Ok(Self) }
    }
}

#[derive(serde::Deserialize)]
struct Seat {
    seat: u8,
}

/// Handler that takes a parameter by a name that only one of its paths has.
#[websocket]
struct Seated;

#[websocket]
impl Seated {
    #[on_upgrade]
    fn sit(Path(Seat { seat }): Path<Seat>) -> Result<Self, StatusCode> {
        if seat == 0 { Err(StatusCode::CONFLICT) } else { Ok(Self) }
    }
}

#[tokio::test]
async fn error_of_an_upgrade_is_not_a_success() {
    let refused = TestClient::<Mute>::upgrade("/mute/nobody").open().await.unwrap_err();
    assert_eq!(
        (refused.status, &*refused.body),
        (StatusCode::INTERNAL_SERVER_ERROR, &b"nobody by that name"[..])
    );
    assert!(TestClient::<Mute>::upgrade("/mute/alice").open().await.is_ok());
}

#[tokio::test]
async fn mismatched_path_is_a_server_error() {
    for (path, uri, expect) in
        [("/{seat}", "/0", 409), ("/{seat}", "/300", 400), ("/{seat}", "/left", 400), ("/{chair}", "/7", 500)]
    {
        let refused = TestClient::<Seated>::upgrade_at(path, uri).open().await.unwrap_err();
        assert_eq!(refused.status.as_u16(), expect, "{path} {uri}");
    }
    // Parameters with an underscore are not extracted.
    assert!(TestClient::<Seated>::upgrade_at("/{_row}/{seat}", "/a/7").open().await.is_ok());
}

/// Set in the process whose stderr is read.
const CHILD: &str = "WS_CORE_REFUSES";

#[tokio::test]
async fn forbidden_page_is_a_line_on_stderr() {
    if std::env::var_os(CHILD).is_some() {
        let server = serve(Router::new().mount::<Echo>()).await;
        let request = handshake("/echo", "Origin: http://localhost:5173\r\n");
        assert_eq!(server.raw().await.request(&request).await.status, 403);
        // The refusal of a version adds no line.
        let request = handshake("/echo", "").replace("Version: 13", "Version: 12");
        assert_eq!(server.raw().await.request(&request).await.status, 426);
        return;
    }
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "forbidden_page_is_a_line_on_stderr", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let stderr = String::from_utf8(child.stderr).unwrap();
    assert!(child.status.success(), "{stderr}");
    let lines: Vec<_> = stderr.lines().filter(|line| line.starts_with("ws-core: ")).collect();
    let [line] = lines[..] else { panic!("{stderr}") };
    for part in
        ["\"/echo\"", "Echo", "403", "http://localhost:5173", "server.example.com", "origins = localhost"]
    {
        assert!(line.contains(part), "{line}");
    }
}

#[websocket(path = "/developed", origins = localhost)]
#[derive(Default)]
struct Developed;

#[websocket]
impl Developed {
    #[on_text]
    fn text(&mut self, _: &str) {}
}

#[tokio::test]
async fn pages_of_a_development_server_connect_if_allowed() {
    let server = serve(Router::new().mount::<Echo>().mount::<Developed>()).await;
    for (path, origin, status) in [
        ("/developed", "http://localhost:5173", 101),
        ("/developed", "http://[::1]:3000", 101),
        ("/developed", "http://server.example.com", 101),
        ("/developed", "http://evil.example", 403),
        ("/echo", "http://localhost:5173", 403),
    ] {
        let answer = server.raw().await.request(&handshake(path, &format!("Origin: {origin}\r\n"))).await;
        assert_eq!(answer.status, status, "{path} {origin}");
    }
}
