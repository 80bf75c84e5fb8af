//! WebSockets over HTTP/2 (RFC 8441).

#[path = "http2/calls.rs"]
mod calls;
#[path = "http2/deflate.rs"]
mod deflate;
#[path = "http2/drain.rs"]
mod drain;
#[path = "http2/flow.rs"]
mod flow;
#[path = "http2/server.rs"]
mod server;
#[path = "http2/windows.rs"]
mod windows;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use h2::ext::Protocol;
use hyper::Request;
use tests::http2::{Connection, Socket, connect};
use tests::{Server, TIMEOUT, frame, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use ws_core::prelude::*;

type Reasons = mpsc::UnboundedSender<CloseReason>;

#[derive(Clone)]
struct Shared {
    reasons: Reasons,
    addr: Arc<Mutex<Option<Addr<Echo>>>>,
}

/// Echo with a few commands.
#[websocket(path = "/echo/{name}", subprotocols = ["chat.v2"], close_timeout = 500ms, outbox_limit = 256KiB)]
struct Echo(Shared);

struct Active(bool);

#[websocket]
impl Echo {
    #[on_upgrade]
    fn make(Path(name): Path<String>, State(shared): State<Shared>) -> Result<Self, StatusCode> {
        if name == "nobody" { Err(StatusCode::UNAUTHORIZED) } else { Ok(Self(shared)) }
    }

    #[on_open]
    fn open(&mut self, cx: &mut Context<Self>) {
        *self.0.addr.lock().unwrap() = Some(cx.addr());
    }

    #[on_text]
    fn text(&mut self, text: &str, cx: &mut Context<Self>) -> String {
        match text {
            "stop" => cx.close(4000),
            "flood" => _ = (0..100).map(|_| cx.send("x".repeat(10_000))).count(),
            "pause" => cx.set_active(false),
            "peer" => return cx.peer_addr().unwrap().ip().to_string(),
            _ => {}
        }
        text.to_owned()
    }

    #[on_binary]
    fn binary(&mut self, bytes: &[u8]) -> String {
        bytes.len().to_string()
    }

    #[on_info]
    fn active(&mut self, Active(active): Active, cx: &mut Context<Self>) {
        cx.set_active(active);
    }

    #[on_close]
    fn close(&mut self, reason: &CloseReason) {
        self.0.reasons.send(reason.clone()).unwrap();
    }
}

struct Setup {
    server: Server,
    shared: Shared,
    reasons: mpsc::UnboundedReceiver<CloseReason>,
}

async fn setup_with(change: impl FnOnce(Router) -> Router) -> Setup {
    let (sender, reasons) = mpsc::unbounded_channel();
    let shared = Shared { reasons: sender, addr: Arc::default() };
    let router = Router::new().mount::<Echo>().with_state(shared.clone());
    Setup { server: serve(change(router)).await, shared, reasons }
}

async fn setup() -> Setup {
    setup_with(|router| router).await
}

impl Setup {
    async fn reason(&mut self) -> CloseReason {
        tokio::time::timeout(TIMEOUT, self.reasons.recv()).await.expect("`#[on_close]` runs").unwrap()
    }
}

#[tokio::test]
async fn echo_and_close() {
    let mut setup = setup().await;
    let client = setup.server.http2().await;
    let mut socket = client.open("/echo/a").await;
    for forbidden in ["sec-websocket-accept", "upgrade", "connection", "sec-websocket-protocol"] {
        assert!(!socket.response.headers().contains_key(forbidden), "{forbidden}");
    }
    socket.text("hello").await;
    assert_eq!(socket.next_text().await, "hello");
    socket.text("peer").await;
    assert_eq!(socket.next_text().await, "127.0.0.1");

    socket.close(1000).await;
    assert_eq!(socket.close_code().await, 1000);
    assert_eq!(socket.frame().await, None);
    assert!(matches!(setup.reason().await, CloseReason::Remote(Some(_))));
    // The client gets time to end its direction; then the stream is not reset.
    assert_eq!(socket.reset(Duration::from_millis(100)).await, None);
    socket.end();
    drop(socket);
    let mut other = client.open("/echo/b").await;
    other.text("still here").await;
    assert_eq!(other.next_text().await, "still here");
}

#[tokio::test]
async fn resets_a_stream_that_the_client_does_not_end() {
    let setup = setup().await;
    let client = setup.server.http2().await;
    let mut socket = client.open("/echo/a").await;
    socket.close(1000).await;
    assert_eq!(socket.close_code().await, 1000);
    assert_eq!(socket.frame().await, None);
    assert_eq!(socket.reset(TIMEOUT).await, Some(Reason::CANCEL));
}

#[tokio::test]
async fn server_closes_first() {
    let mut setup = setup().await;
    let client = setup.server.http2().await;
    let mut socket = client.open("/echo/a").await;
    socket.text("stop").await;
    assert_eq!(socket.close_code().await, 4000);
    socket.close(4000).await;
    assert_eq!(socket.frame().await, None);
    socket.end();
    assert!(matches!(setup.reason().await, CloseReason::Stop(_)));
}

#[tokio::test]
async fn negotiates_the_subprotocol() {
    let setup = setup().await;
    let client = setup.server.http2().await;
    let mut request = connect("/echo/a");
    request.headers_mut().insert("sec-websocket-protocol", "chat.v1, chat.v2".parse().unwrap());
    let socket = client.socket(request).await;
    assert_eq!(socket.response.headers()["sec-websocket-protocol"], "chat.v2");
}

#[tokio::test]
async fn two_sockets_on_one_connection() {
    let mut setup = setup().await;
    let client = setup.server.http2().await;
    let (mut one, mut other) = (client.open("/echo/a").await, client.open("/echo/b").await);
    for round in 0..3 {
        one.text(&format!("one {round}")).await;
        other.text(&format!("other {round}")).await;
        assert_eq!(other.next_text().await, format!("other {round}"));
        assert_eq!(one.next_text().await, format!("one {round}"));
    }
    one.close(1000).await;
    assert_eq!(one.close_code().await, 1000);
    assert_eq!(one.frame().await, None);
    assert!(matches!(setup.reason().await, CloseReason::Remote(_)));
    other.text("alive").await;
    assert_eq!(other.next_text().await, "alive");
}

#[tokio::test]
async fn large_messages_pass_flow_control() {
    let setup = setup().await;
    let client = setup.server.http2().await;
    let mut socket = client.open("/echo/a").await;
    // 512 KiB, eight times the window.
    let mut message = vec![0x82, 0xff];
    message.extend((512_u64 << 10).to_be_bytes());
    message.extend([0; 4]);
    message.resize(message.len() + (512 << 10), 7);
    socket.raw(message.into()).await;
    assert_eq!(socket.next_text().await, "524288");
}

#[tokio::test]
async fn refuses_with_the_statuses_of_http1() {
    let setup = setup_with(|router| router.max_connections(1)).await;
    let client = setup.server.http2().await;
    let with = |name: &'static str, value: &str| {
        let mut request = connect("/echo/a");
        request.headers_mut().insert(name, value.parse().unwrap());
        request
    };
    let mut without_version = connect("/echo/a");
    without_version.headers_mut().remove("sec-websocket-version");
    let mut other_protocol = connect("/echo/a");
    other_protocol.extensions_mut().insert(Protocol::from_static("connect-udp"));
    let tunnel = Request::connect("server.example.com:80").body(()).unwrap();
    let get = Request::get("http://server.example.com/echo/a").body(()).unwrap();
    let cases = [
        ("path", connect("/nowhere"), 404, None),
        ("upgrade", connect("/echo/nobody"), 401, None),
        ("version", with("sec-websocket-version", "12"), 426, Some(("sec-websocket-version", "13, 8, 7"))),
        ("no version", without_version, 426, Some(("sec-websocket-version", "13, 8, 7"))),
        ("origin", with("origin", "http://evil.example"), 403, None),
        ("length", with("content-length", "3"), 400, None),
        ("protocol", other_protocol, 501, None),
        ("get", get, 405, Some(("allow", "CONNECT"))),
        ("tunnel", tunnel, 405, Some(("allow", "GET"))),
    ];
    for (name, request, status, header) in cases {
        let body = (request.method() == "GET").then_some(&b""[..]);
        let reply = client.request(request, body).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(reply.status, status, "{name}");
        if let Some((header, value)) = header {
            assert_eq!(reply.headers[header], value, "{name}");
        }
        assert!(!reply.headers.contains_key("upgrade") && !reply.headers.contains_key("connection"));
    }
    let mut socket = client.open("/echo/a").await;
    assert_eq!(client.request(connect("/echo/b"), None).await.unwrap().status, 503);
    socket.text("hello").await;
    assert_eq!(socket.next_text().await, "hello");
}

#[tokio::test]
async fn refuses_the_upgrade_of_http1() {
    let setup = setup().await;
    let client = setup.server.http2().await;
    let request = Request::get("http://server.example.com/echo/a")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    assert_eq!(client.request(request.body(()).unwrap(), Some(b"")).await.unwrap().status, 405);
}

/// Echo inside of another server.
#[websocket(path = "/nested")]
#[derive(Default)]
struct Nested;

#[websocket]
impl Nested {
    #[on_text]
    fn text(&mut self, text: String) -> String {
        text
    }
}

#[tokio::test]
async fn router_nests_in_axum() {
    let router = Router::new().mount::<Nested>();
    let app = axum::Router::new().nest_service("/live", router.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    let client = Connection::new(tokio::net::TcpStream::connect(addr).await.unwrap()).await;
    let mut socket = client.open("/live/nested").await;
    socket.text("hello").await;
    assert_eq!(socket.next_text().await, "hello");
    let get = Request::get("http://server.example.com/live/nested").body(()).unwrap();
    assert_eq!(client.request(get, Some(b"")).await.unwrap().status, 405);
    let (ended, ()) = tokio::join!(
        async {
            assert_eq!(socket.close_code().await, 1001);
            socket.close(1001).await;
            socket.frame().await
        },
        router.shutdown()
    );
    assert_eq!(ended, None);
}

#[tokio::test]
async fn refuses_large_headers() {
    let setup = setup().await;
    let client = setup.server.http2().await;
    let mut request = connect("/echo/a");
    request.headers_mut().insert("x-large", "x".repeat(17_000).parse().unwrap());
    assert_eq!(client.request(request, None).await.unwrap().status, 431);
    client.open("/echo/a").await;
}

#[tokio::test]
async fn reset_stream_ends_only_its_socket() {
    let mut setup = setup().await;
    let client = setup.server.http2().await;
    let mut other = client.open("/echo/other").await;

    let mut reset = client.open("/echo/a").await;
    reset.send.send_reset(Reason::CANCEL);
    assert_eq!(setup.reason().await, CloseReason::ConnectionLost(std::io::ErrorKind::ConnectionReset));

    let mut ended = client.open("/echo/a").await;
    ended.end();
    assert_eq!(ended.frame().await, None);
    assert_eq!(setup.reason().await, CloseReason::ConnectionLost(std::io::ErrorKind::UnexpectedEof));

    other.text("alive").await;
    assert_eq!(other.next_text().await, "alive");
    client.task.abort();
    assert!(matches!(setup.reason().await, CloseReason::ConnectionLost(_)));
}

#[tokio::test]
async fn handles_messages_before_the_end_of_a_stream() {
    let mut setup = setup().await;
    let client = setup.server.http2().await;
    let mut socket = client.open("/echo/a").await;
    for n in 0..3 {
        socket.text(&n.to_string()).await;
    }
    socket.end();
    for n in 0..3 {
        assert_eq!(socket.next_text().await, n.to_string());
    }
    assert_eq!(socket.frame().await, None);
    assert_eq!(setup.reason().await, CloseReason::ConnectionLost(std::io::ErrorKind::UnexpectedEof));

    let mut socket = client.open("/echo/a").await;
    socket.text("hello").await;
    socket.send.send_reset(Reason::CANCEL);
    assert_eq!(setup.reason().await, CloseReason::ConnectionLost(std::io::ErrorKind::ConnectionReset));
}

#[tokio::test]
async fn sends_the_close_code_before_the_end() {
    let mut setup = setup().await;
    let client = setup.server.http2().await;
    let mut socket = client.open("/echo/a").await;
    socket.raw(Bytes::from_static(b"\x81\x01x no mask")).await;
    assert_eq!(socket.close_code().await, 1002);
    // The stream ends after the client's close frame.
    socket.raw(Bytes::from_static(b"\x88\x82\0\0\0\0\x03\xea")).await;
    assert_eq!(socket.frame().await, None);
    socket.end();
    assert!(matches!(setup.reason().await, CloseReason::Protocol(_)));
}

/// Returns an HTTP/2 frame.
fn frame2(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&len[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Returns the uncompressed header block of a handshake.
fn handshake() -> Vec<u8> {
    [
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "http"),
        (":path", "/echo/a"),
        (":authority", "server.example.com"),
        ("sec-websocket-version", "13"),
    ]
    .iter()
    .flat_map(|(name, value)| {
        let len = |text: &str| [u8::try_from(text.len()).unwrap()];
        [&[0], &len(name)[..], name.as_bytes(), &len(value), value.as_bytes()].concat()
    })
    .collect()
}
