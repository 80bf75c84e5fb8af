//! WebSockets over HTTP/2 (RFC 8441).

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use h2::ext::Protocol;
use hyper::Request;
use tests::http2::{Connection, connect};
use tests::{PATIENCE, Server, frame, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use ws_core::prelude::*;

type Reasons = mpsc::UnboundedSender<CloseReason>;

#[derive(Clone)]
struct Shared {
    reasons: Reasons,
    addr: Arc<Mutex<Option<Addr<Echo>>>>,
}

/// Echoes, and does a few things on request.
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
        tokio::time::timeout(PATIENCE, self.reasons.recv()).await.expect("`#[on_close]` runs").unwrap()
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
    assert_eq!(socket.heard().await, "hello");
    socket.text("peer").await;
    assert_eq!(socket.heard().await, "127.0.0.1");

    socket.close(1000).await;
    assert_eq!(socket.closed().await, 1000);
    assert_eq!(socket.frame().await, None);
    assert!(matches!(setup.reason().await, CloseReason::Remote(Some(_))));
    // The client has time to end its direction too, and then nothing is reset.
    assert_eq!(socket.reset(Duration::from_millis(100)).await, None);
    socket.end();
    drop(socket);
    let mut other = client.open("/echo/b").await;
    other.text("still here").await;
    assert_eq!(other.heard().await, "still here");
}

#[tokio::test]
async fn client_that_does_not_end_its_stream_is_reset() {
    let setup = setup().await;
    let client = setup.server.http2().await;
    let mut socket = client.open("/echo/a").await;
    socket.close(1000).await;
    assert_eq!(socket.closed().await, 1000);
    assert_eq!(socket.frame().await, None);
    assert_eq!(socket.reset(PATIENCE).await, Some(Reason::CANCEL));
}

#[tokio::test]
async fn server_closes_first() {
    let mut setup = setup().await;
    let client = setup.server.http2().await;
    let mut socket = client.open("/echo/a").await;
    socket.text("stop").await;
    assert_eq!(socket.closed().await, 4000);
    socket.close(4000).await;
    assert_eq!(socket.frame().await, None);
    socket.end();
    assert!(matches!(setup.reason().await, CloseReason::Stop(_)));
}

#[tokio::test]
async fn subprotocol_is_agreed_upon() {
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
        assert_eq!(other.heard().await, format!("other {round}"));
        assert_eq!(one.heard().await, format!("one {round}"));
    }
    one.close(1000).await;
    assert_eq!(one.closed().await, 1000);
    assert_eq!(one.frame().await, None);
    assert!(matches!(setup.reason().await, CloseReason::Remote(_)));
    other.text("alive").await;
    assert_eq!(other.heard().await, "alive");
}

#[tokio::test]
async fn large_messages_pass_the_windows() {
    let setup = setup().await;
    let client = setup.server.http2().await;
    let mut socket = client.open("/echo/a").await;
    // 512 KiB, eight times the window.
    let mut message = vec![0x82, 0xff];
    message.extend((512_u64 << 10).to_be_bytes());
    message.extend([0; 4]);
    message.resize(message.len() + (512 << 10), 7);
    socket.raw(message.into()).await;
    assert_eq!(socket.heard().await, "524288");
}

#[tokio::test]
async fn refusals_have_the_statuses_of_http1() {
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
        let reply = client.ask(request, body).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(reply.status, status, "{name}");
        if let Some((header, value)) = header {
            assert_eq!(reply.headers[header], value, "{name}");
        }
        assert!(!reply.headers.contains_key("upgrade") && !reply.headers.contains_key("connection"));
    }
    let mut socket = client.open("/echo/a").await;
    assert_eq!(client.ask(connect("/echo/b"), None).await.unwrap().status, 503);
    socket.text("hello").await;
    assert_eq!(socket.heard().await, "hello");
}

#[tokio::test]
async fn upgrade_of_http1_is_refused() {
    let setup = setup().await;
    let client = setup.server.http2().await;
    let request = Request::get("http://server.example.com/echo/a")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    assert_eq!(client.ask(request.body(()).unwrap(), Some(b"")).await.unwrap().status, 405);
}

/// Says what it hears, inside another server.
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
    assert_eq!(socket.heard().await, "hello");
    let get = Request::get("http://server.example.com/live/nested").body(()).unwrap();
    assert_eq!(client.ask(get, Some(b"")).await.unwrap().status, 405);
    let (ended, ()) = tokio::join!(
        async {
            assert_eq!(socket.closed().await, 1001);
            socket.close(1001).await;
            socket.frame().await
        },
        router.shutdown()
    );
    assert_eq!(ended, None);
}

#[tokio::test]
async fn large_headers_are_refused() {
    let setup = setup().await;
    let client = setup.server.http2().await;
    let mut request = connect("/echo/a");
    request.headers_mut().insert("x-large", "x".repeat(17_000).parse().unwrap());
    assert_eq!(client.ask(request, None).await.unwrap().status, 431);
    client.open("/echo/a").await;
}

#[tokio::test]
async fn lost_streams_end_their_sockets_alone() {
    let mut setup = setup().await;
    let client = setup.server.http2().await;
    let mut other = client.open("/echo/other").await;

    let mut reset = client.open("/echo/a").await;
    reset.send.send_reset(Reason::CANCEL);
    assert_eq!(setup.reason().await, CloseReason::Lost(std::io::ErrorKind::ConnectionReset));

    let mut ended = client.open("/echo/a").await;
    ended.end();
    assert_eq!(ended.frame().await, None);
    assert_eq!(setup.reason().await, CloseReason::Lost(std::io::ErrorKind::UnexpectedEof));

    other.text("alive").await;
    assert_eq!(other.heard().await, "alive");
    client.task.abort();
    assert!(matches!(setup.reason().await, CloseReason::Lost(_)));
}

#[tokio::test]
async fn what_came_before_the_end_of_a_stream_is_handled() {
    let mut setup = setup().await;
    let client = setup.server.http2().await;
    let mut socket = client.open("/echo/a").await;
    for n in 0..3 {
        socket.text(&n.to_string()).await;
    }
    socket.end();
    for n in 0..3 {
        assert_eq!(socket.heard().await, n.to_string());
    }
    assert_eq!(socket.frame().await, None);
    assert_eq!(setup.reason().await, CloseReason::Lost(std::io::ErrorKind::UnexpectedEof));

    let mut socket = client.open("/echo/a").await;
    socket.text("hello").await;
    socket.send.send_reset(Reason::CANCEL);
    assert_eq!(setup.reason().await, CloseReason::Lost(std::io::ErrorKind::ConnectionReset));
}

#[tokio::test]
async fn fault_is_told_before_the_end() {
    let mut setup = setup().await;
    let client = setup.server.http2().await;
    let mut socket = client.open("/echo/a").await;
    socket.raw(Bytes::from_static(b"\x81\x01x no mask")).await;
    assert_eq!(socket.closed().await, 1002);
    assert_eq!(socket.frame().await, None);
    socket.end();
    assert!(matches!(setup.reason().await, CloseReason::Protocol(_)));
}

#[tokio::test]
async fn client_that_does_not_read_holds_up_nobody_else() {
    let mut setup = setup().await;
    let client = setup.server.http2().await;
    let (mut slow, mut other) = (client.open("/echo/slow").await, client.open("/echo/b").await);
    // 1 MB against a window of 64 KiB.
    slow.text("flood").await;
    for _ in 0..20 {
        other.text("quick").await;
        assert_eq!(other.heard().await, "quick");
    }
    assert_eq!(setup.reason().await, CloseReason::Overflow);
    // What it was owed is dropped with the stream.
    assert_eq!(slow.reset(PATIENCE).await, Some(Reason::CANCEL));
    other.text("alive").await;
    assert_eq!(other.heard().await, "alive");
}

#[tokio::test]
async fn inactive_handler_shuts_the_window() {
    let setup = setup().await;
    let client = setup.server.http2().await;
    let mut held = client.open("/echo/held").await;
    held.text("pause").await;
    assert_eq!(held.heard().await, "pause");
    let addr = setup.shared.addr.lock().unwrap().take().unwrap();
    let mut other = client.open("/echo/b").await;
    let message = Bytes::from([&[0x82, 0xfe, 0x10, 0x00, 0, 0, 0, 0][..], &[1; 4096]].concat());
    let mut sent = 0;
    while held.capacity(message.len()).await.is_some_and(|capacity| capacity >= message.len()) {
        held.send.send_data(message.clone(), false).unwrap();
        sent += 1;
        assert!(sent < 100, "the window stays open");
    }
    // The window, and what the driver read before it was told to stop.
    assert!((10..=32).contains(&sent), "{sent}");
    other.text("alive").await;
    assert_eq!(other.heard().await, "alive");
    addr.send(Active(true)).unwrap();
    for _ in 0..sent {
        assert_eq!(held.heard().await, "4096");
    }
    // It is open again.
    let mut rest = message.clone();
    while !rest.is_empty() {
        let capacity = held.capacity(rest.len()).await.expect("the window opens").min(rest.len());
        held.send.send_data(rest.split_to(capacity), false).unwrap();
    }
    assert_eq!(held.heard().await, "4096");
}

#[tokio::test]
async fn many_small_frames_are_no_offence() {
    let setup = setup().await;
    let client = setup.server.http2().await;
    let mut sockets = Vec::new();
    for _ in 0..100 {
        sockets.push(client.open("/echo/a").await);
    }
    let small = Bytes::from(frame(0x82, b"x"));
    for socket in &mut sockets {
        for _ in 0..1000 {
            socket.send.send_data(small.clone(), false).unwrap();
        }
    }
    for socket in &mut sockets {
        for _ in 0..1000 {
            assert_eq!(socket.heard().await, "1");
        }
    }
}

/// A frame of HTTP/2.
fn frame2(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&len[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The same, but so that all of it is there when the server begins to read.
#[tokio::test]
async fn many_small_frames_may_come_at_once() {
    const SOCKETS: u32 = 40;
    const MESSAGES: usize = 1500;
    let setup = setup().await;
    let head: Vec<u8> = [
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
    .collect();
    // A window of 1 MiB for a stream, and of 16 for the connection.
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame2(4, 0, 0, &[0, 4, 0, 0x10, 0, 0]));
    bytes.extend(frame2(8, 0, 0, &(16_u32 << 20).to_be_bytes()));
    for socket in 0..SOCKETS {
        bytes.extend(frame2(1, 4, socket * 2 + 1, &head));
        let message = frame2(0, 0, socket * 2 + 1, &frame(0x82, b"x"));
        bytes.extend(message.repeat(MESSAGES));
    }
    let mut raw = setup.server.raw().await;
    // Nobody else gets to run meanwhile.
    let mut sent = 0;
    while sent < bytes.len()
        && let Ok(len) = raw.0.try_write(&bytes[sent..])
    {
        sent += len;
    }
    assert!(sent > 200_000, "{sent} bytes were taken");
    let (mut read, mut write) = raw.0.split();
    let answers = async {
        let mut left = usize::try_from(SOCKETS).unwrap() * MESSAGES * 3;
        while left > 0 {
            let mut head = [0; 9];
            read.read_exact(&mut head).await.unwrap();
            let mut payload = vec![0; usize::from(u16::from_be_bytes([head[1], head[2]]))];
            read.read_exact(&mut payload).await.unwrap();
            assert_ne!(head[3], 7, "GOAWAY {}", String::from_utf8_lossy(&payload[8..]));
            left -= if head[3] == 0 { payload.len() } else { 0 };
        }
    };
    let rest = async { write.write_all(&bytes[sent..]).await.unwrap() };
    let both = async { tokio::join!(answers, rest) };
    tokio::time::timeout(PATIENCE, both).await.expect("all is answered");
}

#[tokio::test]
async fn streams_of_a_connection_are_bounded() {
    let setup = setup().await;
    let client = setup.server.http2().await;
    let mut sockets = Vec::new();
    for _ in 0..256 {
        sockets.push(client.open("/echo/a").await);
    }
    let mut more = std::pin::pin!(client.open("/echo/a"));
    assert!(tokio::time::timeout(Duration::from_millis(200), more.as_mut()).await.is_err());
    drop(sockets.pop());
    let mut more = tokio::time::timeout(PATIENCE, more).await.unwrap();
    more.text("hello").await;
    assert_eq!(more.heard().await, "hello");
}

#[tokio::test]
async fn windows_of_lost_streams_come_back() {
    let mut setup = setup().await;
    let client = setup.server.http2().await;
    // 24 MB that nobody reads, against a window of 16 for the connection.
    let unread = Bytes::from([&[0x82, 0xfe, 0xea, 0x60, 0, 0, 0, 0][..], &[1; 60_000]].concat());
    for round in 0..400 {
        let mut socket = client.open("/echo/a").await;
        socket.text("pause").await;
        assert_eq!(socket.heard().await, "pause", "{round}");
        socket.raw(unread.clone()).await;
        socket.send.send_reset(Reason::CANCEL);
        // It would be seen when the socket is read from again.
        setup.shared.addr.lock().unwrap().take().unwrap().send(Active(true)).unwrap();
        setup.reason().await;
    }
    let mut last = client.open("/echo/a").await;
    last.raw(unread).await;
    assert_eq!(last.heard().await, "60000");
}

#[tokio::test]
async fn shutdown_tells_sockets_and_connection() {
    let mut setup = setup().await;
    let client = setup.server.http2().await;
    let (mut one, mut other) = (client.open("/echo/a").await, client.open("/echo/b").await);
    let idle = setup.server.http2().await;
    setup.server.stop();
    for socket in [&mut one, &mut other] {
        assert_eq!(socket.closed().await, 1001);
        socket.close(1001).await;
        assert_eq!(socket.frame().await, None);
        socket.end();
    }
    assert_eq!((setup.reason().await, setup.reason().await), (CloseReason::Shutdown, CloseReason::Shutdown));
    drop((one, other));
    let start = std::time::Instant::now();
    setup.server.ended().await;
    idle.ended().await.unwrap();
    client.ended().await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[tokio::test]
async fn http1_is_spoken_on_the_same_port() {
    let setup = setup().await;
    let client = setup.server.http2().await;
    let mut new = client.open("/echo/a").await;
    let mut old = setup.server.connect("/echo/b").await;
    new.text("over HTTP/2").await;
    old.send("over HTTP/1.1").await;
    assert_eq!(old.text().await, "over HTTP/1.1");
    assert_eq!(new.heard().await, "over HTTP/2");
    // A method that begins as the preface does, in pieces.
    let mut raw = setup.server.raw().await;
    raw.send("P").await;
    tokio::time::sleep(Duration::from_millis(30)).await;
    assert_eq!(raw.ask("UT / HTTP/1.1\r\nHost: x\r\n\r\n").await.status, 404);
}

#[tokio::test]
async fn preface_may_come_in_pieces() {
    let setup = setup().await;
    let (client, mut near) = tokio::io::duplex(1024);
    let mut far = tokio::net::TcpStream::connect(setup.server.addr).await.unwrap();
    tokio::spawn(async move {
        let mut first = [0; 2];
        near.read_exact(&mut first).await.unwrap();
        for byte in first {
            far.write_all(&[byte]).await.unwrap();
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        tokio::io::copy_bidirectional(&mut near, &mut far).await
    });
    let mut socket = Connection::new(client).await.open("/echo/a").await;
    socket.text("hello").await;
    assert_eq!(socket.heard().await, "hello");
}

#[tokio::test]
async fn silent_clients_are_cut_off() {
    let setup = setup_with(|router| router.handshake_timeout(Duration::from_millis(200))).await;
    let start = std::time::Instant::now();
    for words in ["", "P", "PRI * HTTP/2.0\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        let mut raw = setup.server.raw().await;
        raw.send(words).await;
        while raw.byte().await.is_some() {}
    }
    // One that speaks and has no streams is told.
    let idle = setup.server.http2().await;
    idle.ended().await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());

    // A socket is a stream, however quiet.
    let client = setup.server.http2().await;
    let mut socket = client.open("/echo/a").await;
    tokio::time::sleep(Duration::from_millis(900)).await;
    socket.text("hello").await;
    assert_eq!(socket.heard().await, "hello");
}

#[tokio::test]
async fn rapid_resets_end_the_connection() {
    let slow = axum::Router::new().fallback(async || std::future::pending::<()>().await);
    let setup = setup_with(|router| router.fallback(slow)).await;
    let client = setup.server.http2().await;
    for _ in 0..1000 {
        let Ok(mut requests) = client.requests.clone().ready().await else { break };
        let request = Request::get("http://server.example.com/").body(()).unwrap();
        let Ok((_, mut send)) = requests.send_request(request, false) else { break };
        tokio::time::sleep(Duration::from_millis(1)).await;
        send.send_reset(Reason::CANCEL);
    }
    let error = client.ended().await.unwrap_err();
    assert_eq!(error.reason(), Some(Reason::ENHANCE_YOUR_CALM), "{error}");
}

#[tokio::test]
async fn fallback_answers_other_requests() {
    let pages = axum::Router::new()
        .route("/", axum::routing::get(async || "a page"))
        .route("/large", axum::routing::get(async || "x".repeat(1 << 20)))
        .route(
            "/old",
            axum::routing::get(async || ([("connection", "close"), ("keep-alive", "5")], "a page")),
        )
        .route("/count", axum::routing::post(async |body: axum::body::Bytes| body.len().to_string()));
    let setup = setup_with(|router| router.fallback(pages)).await;
    let client = setup.server.http2().await;
    let get = |path: &str| Request::get(format!("http://server.example.com{path}")).body(()).unwrap();
    let page = client.ask(get("/"), Some(b"")).await.unwrap();
    assert_eq!((page.status, page.body.as_str()), (200, "a page"));
    assert_eq!(page.headers["content-length"], "6");
    assert!(page.headers.contains_key("date"));
    assert_eq!(client.ask(get("/large"), Some(b"")).await.unwrap().body.len(), 1 << 20);
    // As it would be answered over HTTP/1.1.
    let old = client.ask(get("/old"), Some(b"")).await.unwrap();
    assert_eq!((old.status, old.headers.get("connection"), old.headers.get("keep-alive")), (200, None, None));
    assert_eq!(client.ask(get("/none"), Some(b"")).await.unwrap().status, 404);
    let post = Request::post("http://server.example.com/count").body(()).unwrap();
    assert_eq!(client.ask(post, Some(&[1; 200_000])).await.unwrap().body, "200000");
    let head = Request::head("http://server.example.com/").body(()).unwrap();
    let head = client.ask(head, Some(b"")).await.unwrap();
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    // A handler at a path that the fallback has no part in.
    let mut socket = client.open("/echo/a").await;
    socket.raw(frame(0x81, b"hello").into()).await;
    assert_eq!(socket.heard().await, "hello");
}
