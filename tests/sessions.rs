//! Sessions over TCP: the handshake that begins or resumes one, and the limits of the server.

use std::time::Duration;

use serde_json::Value;
use tests::{HttpResponse, RawClient, Server, frame, handshake, serve};
use ws_core::prelude::*;
use ws_core::{Drain, Subprotocols};

#[websocket(path = "/echo", session(resume = 5s), compress, subprotocols = ["chat.v2"], origins = any)]
struct Echo {
    offers: String,
    count: u32,
}

#[websocket]
impl Echo {
    #[on_upgrade]
    fn join(offers: Subprotocols) -> Self {
        Self { offers: offers.join(" "), count: 0 }
    }

    #[on_text]
    fn echo(&mut self, text: &str, cx: &mut Context<Self>) -> String {
        self.count += 1;
        format!("{} {text} {} {}", self.count, self.offers, cx.subprotocol().unwrap_or("-"))
    }
}

/// A handler that is made without the request.
#[websocket(path = "/plain", session)]
#[derive(Default)]
struct Plain;

#[websocket]
impl Plain {
    #[on_text]
    fn echo<'a>(&mut self, text: &'a str) -> &'a str {
        text
    }
}

#[websocket(path = "/without")]
#[derive(Default)]
struct Without;

#[websocket]
impl Without {
    #[on_text]
    fn echo<'a>(&mut self, text: &'a str) -> &'a str {
        text
    }
}

/// A handler that has the debug output of its headers.
#[websocket(path = "/headers", session, origins = any)]
struct Headers(String);

#[websocket]
impl Headers {
    #[on_upgrade]
    fn join(headers: HeaderMap) -> Self {
        Self(format!("{headers:?}"))
    }

    #[on_text]
    fn contains(&mut self, text: &str) -> String {
        self.0.contains(text).to_string()
    }
}

fn router() -> Router {
    Router::new().mount::<Echo>().mount::<Plain>().mount::<Without>().mount::<Headers>()
}

struct Client {
    raw: RawClient,
    response: HttpResponse,
    session: Value,
}

/// Sends a handshake with an offer of subprotocols and more headers.
async fn offer(server: &Server, path: &str, offer: &str, more: &str) -> (RawClient, HttpResponse) {
    let mut raw = server.raw().await;
    let head = format!("Sec-WebSocket-Protocol: {offer}\r\n{more}");
    let response = raw.request(&handshake(path, &head)).await;
    (raw, response)
}

impl Client {
    async fn begin(server: &Server, path: &str) -> Self {
        Self::connect(server, path, "ws-core.session.v1, chat.v2", "Origin: https://a.example\r\n").await
    }

    async fn connect(server: &Server, path: &str, protocols: &str, more: &str) -> Self {
        let (mut raw, response) = offer(server, path, protocols, more).await;
        assert_eq!(
            (response.status, response.header("sec-websocket-protocol")),
            (101, Some("ws-core.session.v1"))
        );
        let mut session = object(&mut raw).await;
        let session = session["session"].take();
        Self { raw, response, session }
    }

    fn token(&self) -> &str {
        self.session["token"].as_str().unwrap()
    }

    /// Resumes the session over a connection with an origin.
    async fn resume(&self, server: &Server, path: &str, received: u64, origin: &str) -> Self {
        let protocols = format!("ws-core.resume.{}.{received}, ws-core.session.v1, chat.v2", self.token());
        Self::connect(server, path, &protocols, &format!("Origin: {origin}\r\n")).await
    }

    async fn send(&mut self, text: &str) {
        self.raw.send(frame(0x81, text.as_bytes())).await;
    }

    async fn text(&mut self) -> String {
        let (first, payload) = self.raw.frame().await.expect("a message");
        assert_eq!(first, 0x81, "{payload:?}");
        String::from_utf8(payload).unwrap()
    }
}

/// Reads a control object. The greeting is longer than the frames that `RawClient` reads.
async fn object(raw: &mut RawClient) -> Value {
    assert_eq!(raw.byte().await, Some(0x81));
    let mut len = usize::from(raw.byte().await.unwrap());
    if len == 126 {
        len = usize::from(raw.byte().await.unwrap()) << 8 | usize::from(raw.byte().await.unwrap());
    }
    let mut payload = Vec::new();
    for _ in 0..len {
        payload.push(raw.byte().await.unwrap());
    }
    assert_eq!(payload[0], 0);
    serde_json::from_slice(&payload[1..]).unwrap()
}

const ORIGIN: &str = "https://a.example";

#[tokio::test]
async fn session_is_resumed_over_tcp() {
    let server = serve(router()).await;
    let mut client = Client::begin(&server, "/echo").await;
    assert_eq!(client.response.header("sec-websocket-extensions"), None);
    let Value::Object(session) = &client.session else { panic!("{:?}", client.session) };
    let names: Vec<_> = session.keys().map(String::as_str).collect();
    assert_eq!(names, ["buffer", "received", "resume", "resumed", "subprotocol", "token"]);
    assert_eq!((&session["resume"], &session["buffer"]), (&5000.into(), &(256 << 10).into()));
    assert_eq!((&session["resumed"], &session["subprotocol"]), (&false.into(), &"chat.v2".into()));
    assert_eq!(client.token().len(), 22);
    client.send("a").await;
    // The handler sees the subprotocols of the application only.
    assert_eq!(client.text().await, "1 a chat.v2 chat.v2");
    client.send("b").await;
    client.send("c").await;
    tokio::time::sleep(Duration::from_millis(100)).await;

    let mut again = client.resume(&server, "/echo", 1, ORIGIN).await;
    assert_eq!((&again.session["resumed"], &again.session["received"]), (&true.into(), &3.into()));
    assert_eq!(again.text().await, "2 b chat.v2 chat.v2");
    assert_eq!(again.text().await, "3 c chat.v2 chat.v2");
    // The earlier connection had its messages, and is closed.
    assert_eq!(client.text().await, "2 b chat.v2 chat.v2");
    assert_eq!(client.text().await, "3 c chat.v2 chat.v2");
    assert_eq!(client.raw.frame().await, Some((0x88, 4900_u16.to_be_bytes().to_vec())));
    assert_eq!(client.raw.frame().await, None);
    again.send("d").await;
    assert_eq!(again.text().await, "4 d chat.v2 chat.v2");
}

#[tokio::test]
async fn token_of_another_origin_path_or_time_begins_anew() {
    let server = serve(router()).await;
    let mut client = Client::begin(&server, "/echo").await;
    let token = client.token().to_owned();
    for (path, received, origin) in
        [("/echo", 0, "https://b.example"), ("/plain", 0, "http://server.example.com")]
    {
        let other = client.resume(&server, path, received, origin).await;
        assert_eq!(other.session["resumed"], false, "{path} {origin}");
        assert_ne!(other.token(), token);
    }
    client.send("still here").await;
    assert_eq!(client.text().await, "1 still here chat.v2 chat.v2");

    // A number that was not sent: the client begins anew, and the session that it meant is over.
    let other = client.resume(&server, "/echo", 9, ORIGIN).await;
    assert_eq!(other.session["resumed"], false);
    assert_eq!(client.raw.frame().await.unwrap().1[..2], 4900_u16.to_be_bytes());

    for malformed in [
        "ws-core.resume.",
        "ws-core.resume..1",
        "ws-core.resume.x.y",
        "ws-core.resume.AAECAwQFBgcICQoLDA0ODw.-1",
    ] {
        let offers = format!("{malformed}, ws-core.session.v1");
        let other = Client::connect(&server, "/echo", &offers, "Origin: https://a.example\r\n").await;
        assert_eq!(other.session["resumed"], false, "{malformed}");
    }
}

/// The session of a refused token may go on, and a handler may log its headers.
#[tokio::test]
async fn token_is_not_in_the_debug_output_of_headers() {
    let server = serve(router()).await;
    let first = Client::begin(&server, "/headers").await;
    let mut other = first.resume(&server, "/headers", 0, "https://other.example").await;
    assert_eq!(other.session["resumed"], false);
    for (text, expect) in [("https://other.example", "true"), (first.token(), "false")] {
        other.send(text).await;
        assert_eq!(other.text().await, expect);
    }
}

#[tokio::test]
async fn clients_and_handlers_without_sessions_are_served_as_ever() {
    let server = serve(router()).await;
    for (path, offers, selected) in [
        ("/echo", "chat.v2", Some("chat.v2")),
        ("/plain", "other", None),
        ("/without", "ws-core.session.v1", None),
    ] {
        let (mut raw, response) = offer(&server, path, offers, "").await;
        assert_eq!((response.status, response.header("sec-websocket-protocol")), (101, selected), "{path}");
        raw.send(frame(0x81, b"hello")).await;
        let (_, payload) = raw.frame().await.unwrap();
        assert!(String::from_utf8(payload).unwrap().contains("hello"), "{path}");
    }
    // A handler without `#[on_upgrade]` has sessions too.
    let mut client = Client::connect(&server, "/plain", "ws-core.session.v1", "").await;
    client.send("hello").await;
    assert_eq!(client.text().await, "hello");
}

#[tokio::test]
async fn session_counts_as_one_connection_however_it_is_carried() {
    let server = serve(router().max_connections(1)).await;
    let client = Client::begin(&server, "/echo").await;
    let (_, response) = offer(&server, "/echo", "ws-core.session.v1", "").await;
    assert_eq!(response.status, 503);
    let mut again = client.resume(&server, "/echo", 0, ORIGIN).await;
    assert_eq!(again.session["resumed"], true);
    drop(client);
    again.send("a").await;
    assert_eq!(again.text().await, "1 a chat.v2 chat.v2");
    // A session without a connection keeps its place.
    let token = again.token().to_owned();
    drop(again.raw);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let (_, response) = offer(&server, "/echo", "ws-core.session.v1", "").await;
    assert_eq!(response.status, 503);
    let protocols = format!("ws-core.session.v1, ws-core.resume.{token}.1");
    let mut last = Client::connect(&server, "/echo", &protocols, "Origin: https://a.example\r\n").await;
    assert_eq!(last.session["resumed"], true);
    last.raw.send(frame(0x88, &1000_u16.to_be_bytes())).await;
    assert_eq!(last.raw.frame().await.unwrap().0, 0x88);
    assert_eq!(last.raw.frame().await, None);
    for _ in 0..100 {
        let (_, response) = offer(&server, "/echo", "ws-core.session.v1", "").await;
        if response.status == 101 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the place of a closed session is not free");
}

#[tokio::test]
async fn sessions_of_a_server_with_workers_run_on_the_runtime() {
    let server = serve(router().workers(1)).await;
    let mut client = Client::begin(&server, "/echo").await;
    client.send("a").await;
    assert_eq!(client.text().await, "1 a chat.v2 chat.v2");
    let mut again = client.resume(&server, "/echo", 1, ORIGIN).await;
    again.send("b").await;
    assert_eq!(again.text().await, "2 b chat.v2 chat.v2");
}

#[tokio::test]
async fn shutdown_tells_sessions_when_to_come_back() {
    let mut server = serve(router().drain(Drain::spread(Duration::from_secs(10)))).await;
    let mut client = Client::begin(&server, "/echo").await;
    let (mut plain, _) = offer(&server, "/echo", "chat.v2", "").await;
    server.stop();
    let object = object(&mut client.raw).await;
    assert!(object["reconnect"].as_u64().unwrap() <= 10_000);
    assert_eq!(client.raw.frame().await.unwrap().1[..2], 1012_u16.to_be_bytes());
    assert_eq!(plain.frame().await.unwrap().1[..2], 1001_u16.to_be_bytes());
    drop((client, plain));
    server.join().await;
}
