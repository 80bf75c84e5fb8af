//! The first request of a connection. A handshake that arrives whole is answered without hyper, and clients
//! must not see a difference.

use tests::{HttpResponse, RawClient, Server, TIMEOUT, frame, handshake, serve};
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;
use ws_core::prelude::*;

#[websocket(path = "/plain", compress, subprotocols = ["chat"], max_lifetime = 1h)]
#[derive(Default)]
struct Plain;

#[websocket]
impl Plain {
    #[on_text]
    fn echo<'a>(&mut self, text: &'a str) -> &'a str {
        text
    }
}

/// Like [`Echo`], but its `#[on_upgrade]` takes the request.
#[websocket(path = "/rooms/{room}", compress, subprotocols = ["chat"])]
struct TakesRequest(String);

#[websocket]
impl TakesRequest {
    #[on_upgrade]
    async fn make(
        Path(room): Path<String>,
        headers: HeaderMap,
        PeerAddr(addr): PeerAddr,
    ) -> Result<Upgrade<Self>, StatusCode> {
        tokio::task::yield_now().await;
        let cookie = headers.get("cookie").map_or("", |cookie| cookie.to_str().unwrap());
        if cookie == "forged" {
            return Err(StatusCode::FORBIDDEN);
        }
        Ok(Upgrade::new(Self(format!("{room} {cookie} {}", addr.ip()))).header("x-room", &room))
    }

    #[on_open]
    fn open(&mut self) -> String {
        self.0.clone()
    }
}

#[websocket(path = "/panics")]
struct Panics;

impl Default for Panics {
    fn default() -> Self {
        panic!("on purpose")
    }
}

#[websocket]
impl Panics {
    #[on_text]
    fn text(&mut self, _: &str) {}
}

/// Handler that puts the query into the response: a subprotocol, or a header and its value.
#[websocket(path = "/answers", subprotocols = ["v1"])]
struct Answers;

#[websocket]
impl Answers {
    #[on_upgrade]
    fn make(Query(pairs): Query<Vec<(String, String)>>) -> Upgrade<Self> {
        pairs.iter().fold(Upgrade::new(Self), |upgrade, (name, value)| match name.as_str() {
            "subprotocol" => upgrade.subprotocol(value),
            name => upgrade.header(name, value),
        })
    }

    #[on_binary]
    fn agreed(&mut self, _: &[u8], cx: &mut Context<Self>) -> String {
        cx.subprotocol().unwrap_or("none").to_owned()
    }
}

#[tokio::test]
async fn headers_of_the_101_are_checked() {
    let answers = || Router::new().mount::<Answers>();
    for server in [serve(answers()).await, serve(answers().workers(1)).await] {
        for (query, agreed) in [
            ("x-room=lobby", Some("v1")),
            ("subprotocol=v2.json", Some("v2.json")),
            ("Sec-WebSocket-Protocol=v2.json", Some("v2.json")),
            ("sec-websocket-protocol=v2.json&x-room=lobby", Some("v2.json")),
            ("sec-websocket-protocol=v3", None),
            ("sec-websocket-protocol=v1,%20v2.json", None),
            ("sec-websocket-protocol=", None),
            ("subprotocol=v3", None),
            ("subprotocol=a%20b", None),
            ("subprotocol=v1,v2.json", None),
            ("connection=close", None),
            ("upgrade=h2c", None),
            ("sec-websocket-accept=forged", None),
            ("sec-websocket-extensions=foo", None),
            ("sec-websocket-version=12", None),
            ("content-length=5", None),
            ("transfer-encoding=chunked", None),
            ("a%20b=c", None),
            ("x-room=a%0Ab", None),
        ] {
            for more in ["", FOR_HYPER] {
                let more = format!("Sec-WebSocket-Protocol: v1, v2.json, a b\r\n{more}");
                let mut raw = server.raw().await;
                let answer = raw.request(&handshake(&format!("/answers?{query}"), &more)).await;
                assert_eq!(answer.status, if agreed.is_some() { 101 } else { 500 }, "{query} {more}");
                assert_eq!(answer.header("sec-websocket-protocol"), agreed, "{query} {more}");
                if let Some(agreed) = agreed {
                    raw.send(frame(0x82, b"?")).await;
                    assert_eq!(raw.frame().await, Some((0x81, agreed.as_bytes().to_vec())), "{query}");
                }
            }
        }
    }
}

/// Starts a server on the runtime, and one on a worker.
async fn servers() -> [Server; 2] {
    let router = || Router::new().mount::<Plain>().mount::<TakesRequest>().mount::<Panics>();
    [serve(router()).await, serve(router().workers(1)).await]
}

/// Returns a response without the headers that only hyper writes.
fn without_headers_of_hyper(mut answer: HttpResponse) -> (u16, Vec<(String, String)>, String) {
    answer.headers.retain(|(name, _)| name != "date");
    answer.headers.sort();
    (answer.status, answer.headers, answer.body)
}

/// Header that leaves the request to hyper, which reads all requests with a body.
const FOR_HYPER: &str = "Content-Length: 0\r\n";

#[tokio::test]
async fn fast_path_answers_like_hyper() {
    for server in servers().await {
        for path in [
            "/plain",
            "/%70lain",
            "/plain%2F",
            "/plain?a=b",
            "/rooms/blue%20salon",
            "/%72ooms/a%2Fb%2561",
            "/rooms/%ff",
            "/rooms/a/b",
            "/panics",
            "/none",
        ] {
            for more in [
                "",
                "Sec-WebSocket-Protocol: mqtt, chat\r\nCookie: x\r\n",
                "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n",
                "sec-websocket-extensions: permessage-deflate;\r\n",
                "ORIGIN: http://server.example.com\r\n",
                "Origin: http://elsewhere.example\r\n",
                "Host: another\r\n",
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
                "Sec-WebSocket-Version: 12\r\n",
                "Cookie: forged\r\nConnection: keep-alive\r\n",
            ] {
                let fast = server.raw().await.request(&handshake(path, more)).await;
                let general =
                    server.raw().await.request(&handshake(path, &format!("{more}{FOR_HYPER}"))).await;
                assert_eq!(
                    without_headers_of_hyper(fast),
                    without_headers_of_hyper(general),
                    "{path} {more}"
                );
            }
        }
    }
}

#[tokio::test]
async fn equivalent_paths_have_one_handler() {
    for server in servers().await {
        for (path, status) in [
            ("/%70l%61in", 101),
            ("/pl%2561in", 404),
            ("/plain%2F", 404),
            ("/rooms/%e4%f6", 400),
            ("/%72ooms/%C3%A4", 101),
        ] {
            for more in ["", FOR_HYPER] {
                let answer = server.raw().await.request(&handshake(path, more)).await;
                assert_eq!(answer.status, status, "{path} {more:?}");
            }
        }
        let mut raw = server.raw().await;
        assert_eq!(raw.request(&handshake("/%72ooms/a%2Fb%2561", "")).await.header("x-room"), Some("a/b%61"));
    }
}

#[tokio::test]
async fn reads_bytes_after_the_handshake() {
    let hello = frame(0x81, b"hello");
    for server in servers().await {
        for more in ["", FOR_HYPER] {
            let mut raw = server.raw().await;
            let both = [handshake("/plain", more).as_bytes(), &hello[..3]].concat();
            raw.send(both).await;
            assert_eq!(raw.read_response().await.status, 101);
            raw.send(&hello[3..]).await;
            assert_eq!(raw.frame().await, Some((0x81, b"hello".to_vec())));
            raw.send(&hello).await;
            assert_eq!(raw.frame().await, Some((0x81, b"hello".to_vec())));
            raw.send(frame(0x88, &1000_u16.to_be_bytes())).await;
            assert_eq!(raw.frame().await, Some((0x88, 1000_u16.to_be_bytes().to_vec())));
            assert_eq!(raw.frame().await, None);
        }
        let mut raw = server.raw().await;
        assert_eq!(raw.request(&handshake("/rooms/7", "Cookie: x\r\n")).await.header("x-room"), Some("7"));
        assert_eq!(raw.frame().await, Some((0x81, b"7 x 127.0.0.1".to_vec())));
    }
}

#[tokio::test]
async fn handshake_may_follow_other_requests_and_arrive_in_pieces() {
    for server in servers().await {
        let mut raw = server.raw().await;
        // Refused by the handshake, by a handler, and at an unknown path. hyper writes them and continues.
        for (path, more, status) in [
            ("/plain", "Origin: http://elsewhere.example\r\n", 403),
            ("/rooms/7", "Cookie: forged\r\n", 403),
            ("/none", "", 404),
        ] {
            assert_eq!(raw.request(&handshake(path, more)).await.status, status);
        }
        let request = handshake("/plain", "");
        for byte in request.as_bytes() {
            raw.send([*byte]).await;
            tokio::task::yield_now().await;
        }
        assert_eq!(raw.read_response().await.status, 101);
        raw.send(frame(0x81, b"hello")).await;
        assert_eq!(raw.frame().await, Some((0x81, b"hello".to_vec())));

        // Two requests in a packet, of which the first is refused.
        let mut raw = server.raw().await;
        raw.send(handshake("/none", "") + &request).await;
        assert_eq!((raw.read_response().await.status, raw.read_response().await.status), (404, 101));
    }
}

#[tokio::test]
async fn silent_clients_do_not_delay_others() {
    for workers in [0, 1] {
        let router = Router::new().mount::<Plain>().workers(workers);
        let server = serve(router.handshake_timeout(std::time::Duration::from_millis(100))).await;
        let (mut silent, mut slow) = (server.raw().await, server.raw().await);
        slow.send("GET /plain").await;
        let mut open = server.connect("/plain").await;
        for RawClient(late) in [&mut silent, &mut slow] {
            let mut rest = Vec::new();
            let end = tokio::time::timeout(TIMEOUT, late.read_to_end(&mut rest)).await;
            end.expect("the server closes TCP").unwrap();
            assert!(!rest.starts_with(b"HTTP/1.1 1"));
        }
        open.send("hello").await;
        assert_eq!(open.text().await, "hello");
    }
}

/// Handler whose `#[on_upgrade]` never completes.
#[websocket(path = "/waits")]
struct Waits;

/// Channel that reports the start and the drop of an `#[on_upgrade]`.
type Waiting = mpsc::UnboundedSender<&'static str>;

struct DropReport(Waiting);

impl Drop for DropReport {
    fn drop(&mut self) {
        self.0.send("ends").unwrap();
    }
}

#[websocket]
impl Waits {
    #[on_upgrade]
    async fn make(State(waiting): State<Waiting>) -> Self {
        waiting.send("begins").unwrap();
        let _report = DropReport(waiting);
        std::future::pending().await
    }

    #[on_text]
    fn text(&mut self, _: &str) {}
}

#[tokio::test]
async fn disconnect_drops_a_pending_on_upgrade() {
    for workers in [0, 1] {
        let (waiting, mut reports) = mpsc::unbounded_channel();
        let router = Router::new().mount::<Plain>().mount::<Waits>().with_state(waiting);
        let router = router.max_connections(1).handshake_timeout(std::time::Duration::MAX);
        let server = serve(router.workers(workers)).await;
        for request in [handshake("/waits", ""), handshake("/waits", FOR_HYPER)] {
            let mut raw = server.raw().await;
            raw.send(request).await;
            assert_eq!(reports.recv().await, Some("begins"));
            drop(raw);
            let end = tokio::time::timeout(TIMEOUT, reports.recv()).await;
            assert_eq!(end.expect("the handler is dropped"), Some("ends"));
        }
        // Its permit is released, or about to be.
        let mut raw = server.raw().await;
        while raw.request(&handshake("/plain", "")).await.status != 101 {}
    }
}

#[tokio::test]
async fn shutdown_does_not_wait_for_silent_clients() {
    for mut server in servers().await {
        let mut silent = server.raw().await;
        // The server has accepted it, because a later connection was accepted.
        drop(server.connect("/plain").await);
        server.stop();
        assert_eq!(silent.byte().await, None);
        let addr = server.addr;
        server.join().await;
        assert!(tokio::net::TcpStream::connect(addr).await.is_err());
    }
}

#[tokio::test]
async fn fallback_may_upgrade_the_connection() {
    use axum::extract::Request;
    let page = async |request: Request| -> String {
        let upgrade = request.extensions().get::<hyper::upgrade::OnUpgrade>();
        format!("{}", upgrade.is_some())
    };
    let pages = axum::Router::new().route("/other", axum::routing::get(page));
    for workers in [0, 1] {
        let router = Router::new().mount::<Plain>().fallback(pages.clone());
        let server = serve(router.workers(workers)).await;
        assert_eq!(server.raw().await.request(&handshake("/other", "")).await.body, "true");
    }
}
