//! The server: shutdown, isolation of connections, addresses.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tests::http2::Connection;
use tests::whoami::{self, PlainService, Whoami};
use tests::{TIMEOUT, handshake, serve};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tungstenite::Message;
use ws_core::prelude::*;

use tests::tungstenite;

type Reasons = mpsc::UnboundedSender<CloseReason>;

#[derive(Clone)]
struct Shared {
    reasons: Reasons,
    addr: Arc<Mutex<Option<Addr<Worker>>>>,
}

/// Handler that works slowly and reports its close reason.
#[websocket(path = "/worker")]
struct Worker(Shared);

struct Job(u32);

#[websocket]
impl Worker {
    #[on_upgrade]
    fn make(State(shared): State<Shared>) -> Self {
        Self(shared)
    }

    #[on_open]
    fn open(&mut self, cx: &mut Context<Self>) -> String {
        *self.0.addr.lock().unwrap() = Some(cx.addr());
        cx.peer_addr().unwrap().ip().to_string()
    }

    #[on_info]
    async fn work(&mut self, Job(n): Job) -> String {
        tokio::time::sleep(Duration::from_millis(50)).await;
        format!("job {n}")
    }

    #[on_text]
    fn text(&mut self, _: &str) {
        panic!("on request");
    }

    #[on_close]
    fn close(&mut self, reason: &CloseReason) {
        self.0.reasons.send(reason.clone()).unwrap();
    }
}

fn worker() -> (Router, Shared, mpsc::UnboundedReceiver<CloseReason>) {
    let (reasons, receiver) = mpsc::unbounded_channel();
    let shared = Shared { reasons, addr: Arc::default() };
    (Router::new().mount::<Worker>().with_state(shared.clone()), shared, receiver)
}

async fn next(reasons: &mut mpsc::UnboundedReceiver<CloseReason>) -> CloseReason {
    tokio::time::timeout(TIMEOUT, reasons.recv()).await.expect("`#[on_close]` runs").unwrap()
}

#[tokio::test]
async fn shutdown_drains() {
    let (router, shared, mut reasons) = worker();
    let mut server = serve(router).await;
    let mut client = server.connect("/worker").await;
    assert_eq!(client.text().await, "127.0.0.1");
    let addr = shared.addr.lock().unwrap().take().unwrap();
    for n in 0..3 {
        addr.send(Job(n)).unwrap();
    }
    server.stop();
    for n in 0..3 {
        assert_eq!(client.text().await, format!("job {n}"));
    }
    assert_eq!(client.close_code().await, 1001);
    server.join().await;
    assert_eq!(next(&mut reasons).await, CloseReason::Shutdown);
    assert!(addr.send(Job(9)).unwrap_err().is_closed());
}

#[tokio::test]
async fn handshake_during_a_drain_is_told_to_come_back() {
    let (mut router, ..) = worker();
    router.clone().shutdown().await;
    let request = hyper::Request::get("/worker")
        .header("host", "localhost")
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .body(String::new());
    let response = tower_service::Service::call(&mut router, request.unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()["retry-after"], "1");
}

#[tokio::test]
async fn dropping_the_server_closes_connections() {
    let (router, shared, mut reasons) = worker();
    let server = serve(router).await;
    let mut client = server.connect("/worker").await;
    assert_eq!(client.text().await, "127.0.0.1");
    shared.addr.lock().unwrap().take().unwrap().send(Job(1)).unwrap();
    server.abort().await;
    assert_eq!(client.text().await, "job 1");
    assert_eq!(client.close_code().await, 1001);
    assert_eq!(next(&mut reasons).await, CloseReason::Shutdown);
}

#[tokio::test]
async fn panic_closes_one_connection() {
    let (router, _, mut reasons) = worker();
    let server = serve(router).await;
    let (mut one, mut other) = (server.connect("/worker").await, server.connect("/worker").await);
    assert_eq!((one.text().await, other.text().await), ("127.0.0.1".into(), "127.0.0.1".into()));
    one.send("crash").await;
    assert_eq!(one.close_code().await, 1011);
    assert_eq!(next(&mut reasons).await, CloseReason::Panic("on request".into()));
    other.send(Message::Ping(Bytes::from_static(b"alive"))).await;
    assert_eq!(other.next().await, Message::Pong(Bytes::from_static(b"alive")));
}

#[tokio::test]
async fn used_port_is_an_error_that_names_the_address() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = taken.local_addr().unwrap();
    let error = Router::new().serve(addr).await.unwrap_err();
    assert!(error.to_string().starts_with(&format!("cannot listen on {addr}: ")), "{error}");
    let error = Router::new().serve("nonsense").await.unwrap_err();
    assert!(error.to_string().starts_with("invalid listen address `nonsense`: "), "{error}");
}

#[tokio::test]
async fn fallback_answers_other_paths() {
    let page = axum::Router::new().route("/", axum::routing::get(async || "a page"));
    let (router, ..) = worker();
    let server = serve(router.fallback(page)).await;
    let mut raw = server.raw().await;
    let answer = raw.request("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "a page"));
    assert_eq!(raw.request("GET /none HTTP/1.1\r\nHost: x\r\n\r\n").await.status, 404);
    assert_eq!(server.connect("/worker").await.text().await, "127.0.0.1");
}

/// The first service needs axum's router, the second does not.
#[tokio::test]
async fn extractors_find_the_client() {
    for workers in [0, 2] {
        for is_app in [true, false] {
            let router = Router::new().mount::<Whoami>().workers(workers);
            let router = if is_app { router.fallback(whoami::app()) } else { router.fallback(PlainService) };
            let server = serve(router).await;

            let mut raw = server.raw().await;
            let expect = whoami::answer(raw.0.local_addr().unwrap(), false);
            let page = raw.request("GET /whoami HTTP/1.1\r\nHost: x\r\n\r\n").await;
            assert_eq!((page.status, page.body.as_str()), (200, expect.as_str()));
            // The handler on the parsed route, and with more headers than that route takes, by hyper.
            for more in ["", &"X: y\r\n".repeat(70)] {
                let mut raw = server.raw().await;
                let expect = whoami::answer(raw.0.local_addr().unwrap(), false);
                assert_eq!(raw.request(&handshake("/socket", more)).await.status, 101);
                assert_eq!(raw.frame().await, Some((0x81, expect.into_bytes())));
            }

            let tcp = TcpStream::connect(server.addr).await.unwrap();
            let expect = whoami::answer(tcp.local_addr().unwrap(), false);
            let http2 = Connection::new(tcp).await;
            let request = hyper::Request::get("http://localhost/whoami").body(()).unwrap();
            let page = http2.request(request, Some(b"")).await.unwrap();
            assert_eq!((page.status, &page.body), (200, &expect));
            assert_eq!(http2.open("/socket").await.next_text().await, expect);
        }
    }
}

#[tokio::test]
async fn path_is_a_page_and_a_socket() {
    let page = axum::Router::new().route("/worker", axum::routing::any(async || "a page"));
    let (router, ..) = worker();
    let without = serve(router.clone()).await;
    let server = serve(router.fallback(page)).await;
    let mut raw = server.raw().await;
    for request in [
        "GET /worker HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /worker HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
        "POST /worker HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
    ] {
        let answer = raw.request(request).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "a page"), "{request}");
    }
    assert_eq!(without.raw().await.request("GET /worker HTTP/1.1\r\nHost: x\r\n\r\n").await.status, 426);
    // The form of a handshake that nginx forwards by default.
    let nginx = tests::handshake("/worker", "")
        .replace("Upgrade: websocket\r\n", "")
        .replace("Connection: Upgrade", "Connection: close")
        .replace("HTTP/1.1", "HTTP/1.0");
    let answer = server.raw().await.request(&nginx).await;
    assert_eq!(answer.status, 426);
    assert!(answer.body.contains("HTTP/1.0"), "{}", answer.body);
    assert_eq!(server.connect("/worker").await.text().await, "127.0.0.1");
}

#[tokio::test]
async fn shutdown_completes_a_pending_response() {
    let slow = async || {
        tokio::time::sleep(Duration::from_millis(300)).await;
        "finished"
    };
    let page = axum::Router::new().route("/", axum::routing::get(slow));
    let (router, ..) = worker();
    let mut server = serve(router.fallback(page)).await;
    let mut raw = server.raw().await;
    raw.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.stop();
    server.join().await;
    assert_eq!(raw.read_response().await.body, "finished");
}

#[tokio::test]
async fn refuses_handshakes_after_a_shutdown() {
    let (router, ..) = worker();
    let server = serve(router.clone()).await;
    router.shutdown().await;
    assert_eq!(server.raw().await.request(&tests::handshake("/worker", "")).await.status, 503);
}

#[websocket(path = "/")]
struct Faulty;

#[websocket]
impl Faulty {
    #[on_upgrade]
    async fn make(headers: HeaderMap, PeerAddr(addr): PeerAddr) -> Self {
        assert!(!headers.contains_key("x-panic"), "on request by {addr}");
        Self
    }
}

#[tokio::test]
async fn panic_in_on_upgrade_is_a_500() {
    let server = serve(Router::new().mount::<Faulty>()).await;
    let mut raw = server.raw().await;
    assert_eq!(raw.request(&tests::handshake("/", "X-Panic: 1\r\n")).await.status, 500);
    assert_eq!(raw.request(&tests::handshake("/", "")).await.status, 101);
}

#[tokio::test]
async fn router_nests_in_axum() {
    let (router, _, mut reasons) = worker();
    // Only `serve` sets the peer address; without it, the greeting of the worker would panic.
    let app = axum::Router::new()
        .route("/", axum::routing::get(async || "a page"))
        .nest_service("/live", router.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    let (mut socket, _) = tokio_tungstenite::connect_async(format!("ws://{addr}/live/worker")).await.unwrap();
    let close = futures_util::StreamExt::next(&mut socket).await.unwrap().unwrap();
    assert!(matches!(close, Message::Close(Some(frame)) if u16::from(frame.code) == 1011), "{reasons:?}");
    assert!(matches!(next(&mut reasons).await, CloseReason::Panic(_)));
    assert!(futures_util::StreamExt::next(&mut socket).await.is_none());
    router.shutdown().await;
}

#[tokio::test]
async fn overlapping_paths_are_refused_at_once() {
    let router = Router::<Shared>::new().mount::<Worker>();
    let clash = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| router.mount::<Worker>()));
    let message = clash.unwrap_err();
    let message = message.downcast_ref::<String>().unwrap();
    assert!(message.starts_with("cannot mount a handler at \"/worker\": "), "{message}");
}

#[test]
fn paths_that_would_match_nothing_are_refused_at_once() {
    for (paths, advice) in [
        (&["/x/:y"][..], "help: write `{y}` for `:y`"),
        (&["/a", "/a"], "conflict"),
        (&["/%61", "/a"], "conflict"),
        (&["a"], "help: write `\"/a\"`"),
    ] {
        let mount = |router: Router<Shared>, path: &&str| router.mount_at::<Worker>(path);
        let mounted = std::panic::catch_unwind(|| paths.iter().fold(Router::<Shared>::new(), mount));
        let message = mounted.unwrap_err();
        let message = message.downcast_ref::<String>().unwrap();
        assert!(message.contains(advice), "{message}");
    }
}

#[tokio::test]
async fn times_may_be_without_end() {
    let (router, ..) = worker();
    let mut server = serve(router.handshake_timeout(Duration::MAX).shutdown_timeout(Duration::MAX)).await;
    let mut raw = server.raw().await;
    assert_eq!(raw.request("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.status, 404);
    let mut client = server.connect("/worker").await;
    client.text().await;
    server.stop();
    assert_eq!(client.close_code().await, 1001);
    drop(raw);
    server.join().await;
}
