//! Addresses of clients behind proxies: by the headers of requests, and by the PROXY protocol.

#[path = "forwarding/proxy_protocol.rs"]
mod proxy_protocol;
#[path = "spans/recorder.rs"]
mod recorder;

use std::net::SocketAddr;
use std::time::Duration;

use recorder::Lines;
use tests::{RawClient, Server, handshake, http2, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tracing::subscriber::{NoSubscriber, set_default};
use tracing::{Dispatch, Level};
use ws_core::prelude::*;

/// Handler without `#[on_upgrade]`, whose handshakes are plain.
#[websocket(path = "/plain")]
#[derive(Default)]
struct Plain;

#[websocket]
impl Plain {
    #[on_open]
    fn open(&mut self, cx: &mut Context<Self>) -> Option<String> {
        cx.peer_addr().map(|addr| addr.to_string())
    }
}

/// Handler whose `#[on_upgrade]` takes the address.
#[websocket(path = "/parsed", bullet, session)]
struct Parsed(SocketAddr);

#[websocket]
impl Parsed {
    #[on_upgrade]
    fn make(PeerAddr(addr): PeerAddr) -> Self {
        Self(addr)
    }

    #[on_open]
    fn open(&mut self, cx: &mut Context<Self>) -> String {
        assert_eq!(cx.peer_addr(), Some(self.0));
        self.0.to_string()
    }
}

fn app() -> Router {
    let page = axum::routing::get(async |PeerAddr(addr): PeerAddr| addr.to_string());
    Router::new().mount::<Plain>().mount::<Parsed>().fallback(axum::Router::new().route("/page", page))
}

/// Connects from 127.0.0.`host`.
async fn connect(addr: SocketAddr, host: u8) -> RawClient {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, host], 0).into()).unwrap();
    RawClient(socket.connect(addr).await.unwrap())
}

/// Returns the address that a handler shows, for a handshake with more header lines.
async fn opened(client: &mut RawClient, path: &str, lines: &str) -> String {
    assert_eq!(client.request(&handshake(path, lines)).await.status, 101);
    String::from_utf8(client.frame().await.unwrap().1).unwrap()
}

/// Checks that every kind of request has the expected address.
async fn check(server: &Server, host: u8, lines: &str, expected: impl Fn(&RawClient) -> String) {
    for path in ["/plain", "/parsed"] {
        let mut client = connect(server.addr, host).await;
        assert_eq!(opened(&mut client, path, lines).await, expected(&client), "{path} {lines}");
        // A request in two parts is one for hyper.
        let mut client = connect(server.addr, host).await;
        let long = format!("{lines}X-Long: {}\r\n", "x".repeat(9000));
        let request = handshake(path, &long);
        client.send(&request[..200]).await;
        assert_eq!(client.request(&request[200..]).await.status, 101);
        let shown = String::from_utf8(client.frame().await.unwrap().1).unwrap();
        assert_eq!(shown, expected(&client), "{path} {lines}");
    }
    let mut client = connect(server.addr, host).await;
    // Each request of a connection has its own header.
    let first = client.request("GET /page HTTP/1.1\r\nHost: x\r\n\r\n").await.body;
    assert_eq!(first, client.0.local_addr().unwrap().to_string());
    let page = client.request(&format!("GET /page HTTP/1.1\r\nHost: x\r\n{lines}\r\n")).await.body;
    assert_eq!(page, expected(&client), "{lines}");
}

fn own(client: &RawClient) -> String {
    client.0.local_addr().unwrap().to_string()
}

#[tokio::test]
async fn header_of_a_trusted_proxy_is_the_address() {
    let server = serve(app().trusted_proxies(["127.0.0.2", "10.0.0.0/8"])).await;
    let forwarded = "X-Forwarded-For: 1.2.3.4, 203.0.113.7, 10.0.0.1\r\n";
    check(&server, 2, forwarded, |_| "203.0.113.7:0".into()).await;
    check(&server, 2, "Forwarded: for=1.2.3.4, For=\"203.0.113.7:80\"\r\n", |_| "203.0.113.7:80".into())
        .await;
    check(&server, 2, "", own).await;
    check(&server, 2, "X-Forwarded-For: unknown\r\n", own).await;
}

/// Checks that no kind of request gets an address.
async fn check_refused(server: &Server, host: u8, lines: &str, why: &str) {
    let page = format!("GET /page HTTP/1.1\r\nHost: x\r\n{lines}\r\n");
    for request in [handshake("/plain", lines), handshake("/parsed", lines), handshake("/none", lines), page]
    {
        // As one part, and as two, so that hyper reads it.
        for first in [0, 30] {
            let mut client = connect(server.addr, host).await;
            client.send(&request[..first]).await;
            let response = client.request(&request[first..]).await;
            assert_eq!((response.status, response.body.trim()), (400, why), "{request}");
        }
    }
}

/// A proxy that writes one of both headers passes the other one on, in which its client claims to be the proxy.
#[tokio::test]
async fn clients_cannot_take_the_address_of_a_proxy() {
    let contradict = "Forwarded and X-Forwarded-For contradict each other";
    for router in [app(), app().workers(1)] {
        let server = serve(router.trusted_proxies(["127.0.0.2"])).await;
        for (lines, why) in [
            ("Forwarded: for=127.0.0.2\r\nX-Forwarded-For: 203.0.113.7\r\n", contradict),
            ("Forwarded: for=unknown\r\nX-Forwarded-For: 203.0.113.7\r\n", contradict),
            ("Forwarded: for=203.0.113.7\r\nX-Forwarded-For: 127.0.0.2\r\n", contradict),
            ("Forwarded: for=\"\r\nX-Forwarded-For: 203.0.113.7\r\n", "Forwarded is malformed"),
            ("Forwarded: a=\", for=203.0.113.7\r\n", "Forwarded is malformed"),
        ] {
            check_refused(&server, 2, lines, why).await;
        }
        check(&server, 2, "Forwarded: for=203.0.113.7\r\nX-Forwarded-For: 203.0.113.7\r\n", |_| {
            "203.0.113.7:0".into()
        })
        .await;
    }
}

#[tokio::test]
async fn header_of_another_client_changes_nothing() {
    for proxies in [&["127.0.0.2"][..], &[]] {
        let server = serve(app().trusted_proxies(proxies)).await;
        check(&server, 3, "X-Forwarded-For: 203.0.113.7\r\n", own).await;
        check(&server, 3, "Forwarded: for=127.0.0.2\r\nX-Forwarded-For: 127.0.0.2\r\n", own).await;
    }
}

/// Header lines, each with the address for which a trusted proxy makes them count. `None` is the proxy's own.
const FORGED: [(&str, Option<&str>); 13] = [
    ("X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-For: 203.0.113.7\r\n", Some("203.0.113.7:0")),
    ("X-Forwarded-For: 203.0.113.7:40000\r\n", Some("203.0.113.7:40000")),
    ("X-Forwarded-For: [2001:db8::1]\r\n", Some("[2001:db8::1]:0")),
    ("X-Forwarded-For: 192.0.2.1, [2001:db8::1]:80\r\n", Some("[2001:db8::1]:80")),
    ("X-Forwarded-For: ::ffff:203.0.113.7\r\n", Some("203.0.113.7:0")),
    ("X-Forwarded-For: 203.0.113.7, unknown\r\n", None),
    ("X-Forwarded-For: 203.0.113.7, \x01\r\n", None),
    ("Forwarded: for=192.0.2.1\r\nForwarded: for=203.0.113.7\r\n", Some("203.0.113.7:0")),
    ("Forwarded: for=\"[2001:db8::1]\"\r\n", Some("[2001:db8::1]:0")),
    ("Forwarded: for=\"[2001:db8::1]:80\";by=unknown\r\n", Some("[2001:db8::1]:80")),
    ("Forwarded: for=203.0.113.7, for=unknown\r\n", None),
    ("Forwarded: for=203.0.113.7, for=_hidden\r\n", None),
    ("Forwarded: for=203.0.113.7, for=\"_hidden:_port\"\r\n", None),
];

/// Returns the status of a handshake with header lines, and the address that the handler shows.
async fn address(server: &Server, host: u8, lines: &str) -> (u16, String, String) {
    let mut client = connect(server.addr, host).await;
    let status = client.request(&handshake("/plain", lines)).await.status;
    let shown = if status == 101 { client.frame().await.unwrap().1 } else { Vec::new() };
    (status, String::from_utf8(shown).unwrap(), own(&client))
}

#[tokio::test]
async fn forged_header_changes_nothing() {
    let server = serve(app().trusted_proxies(["127.0.0.2"])).await;
    for (lines, expected) in FORGED {
        let (status, shown, own) = address(&server, 2, lines).await;
        // HTTP does not allow control characters.
        if lines.contains('\x01') {
            assert_eq!(status, 400, "{lines:?}");
            continue;
        }
        assert_eq!((status, shown.as_str()), (101, expected.unwrap_or(&own)), "{lines}");
        let (status, shown, own) = address(&server, 3, lines).await;
        assert_eq!((status, shown), (101, own), "{lines}");
    }
    // An IPv6 address has to be quoted. A guess at a malformed header could be wrong.
    let malformed = "Forwarded: for=[2001:db8::1]\r\n";
    assert_eq!(address(&server, 2, malformed).await.0, 400);
    let (status, shown, own) = address(&server, 3, malformed).await;
    assert_eq!((status, shown), (101, own));
}

#[tokio::test]
async fn long_header_changes_nothing() {
    let million = format!("X-Forwarded-For: {}203.0.113.7\r\n", "192.0.2.1, ".repeat(100_000));
    let server = serve(app().trusted_proxies(["127.0.0.2"]).max_header_size(2 << 20)).await;
    assert_eq!(address(&server, 2, &million).await.1, "203.0.113.7:0");
    let (status, shown, own) = address(&server, 3, &million).await;
    assert_eq!((status, shown), (101, own));
    // Without the setting, such a head is too large.
    let server = serve(app().trusted_proxies(["127.0.0.2"])).await;
    for host in [2, 3] {
        let mut client = connect(server.addr, host).await;
        // The server closes before it has read all of the header.
        let _ = client.0.write_all(handshake("/plain", &million).as_bytes()).await;
        let mut response = Vec::new();
        let _ = client.0.read_to_end(&mut response).await;
        assert!(response.is_empty() || response.starts_with(b"HTTP/1.1 431"), "{}", response.escape_ascii());
    }
}

#[tokio::test]
async fn headers_count_over_http2() {
    let server = serve(app().trusted_proxies(["127.0.0.1"])).await;
    let client = server.http2().await;
    let mut request = http2::connect("/parsed");
    request.headers_mut().insert("x-forwarded-for", "1.2.3.4, 203.0.113.7".parse().unwrap());
    let mut socket = client.socket(request).await;
    assert_eq!(socket.next_text().await, "203.0.113.7:0");
}

#[tokio::test]
async fn workers_count_headers() {
    let server = serve(app().workers(1).trusted_proxies(["127.0.0.2"])).await;
    check(&server, 2, "X-Forwarded-For: 203.0.113.7\r\n", |_| "203.0.113.7:0".into()).await;
    check(&server, 3, "X-Forwarded-For: 203.0.113.7\r\n", own).await;
}

#[tokio::test]
async fn limit_per_address_counts_clients_of_a_proxy() {
    let server = serve(app().trusted_proxies(["127.0.0.2"]).max_connections_per_address(1)).await;
    let open = async |client: &str| {
        let mut raw = connect(server.addr, 2).await;
        let lines = format!("X-Forwarded-For: {client}\r\n");
        let status = raw.request(&handshake("/plain", &lines)).await.status;
        (raw, status)
    };
    let mut opened = Vec::new();
    // More than the spare connections of one address, so that the proxy itself has no limit.
    for host in 0..50 {
        opened.push(open(&format!("203.0.113.{host}")).await);
    }
    assert!(opened.iter().all(|(_, status)| *status == 101));
    assert_eq!(open("203.0.113.7").await.1, 429);
    assert_eq!(open("203.0.113.7, 203.0.113.8").await.1, 429);
    // A client cannot count as another by what it sends itself.
    assert_eq!(open("198.51.100.1, 203.0.113.7").await.1, 429);
    // Silent connections of a proxy are limited only in total.
    let mut silent = Vec::new();
    for _ in 0..40 {
        silent.push(connect(server.addr, 2).await);
    }
    assert_eq!(open("203.0.113.99").await.1, 101);
}

#[tokio::test]
async fn ipv4_client_of_a_listener_for_both_protocols_has_an_ipv4_address() {
    for workers in [0, 1] {
        // A machine without IPv6 has no such listener.
        let Ok(listener) = TcpListener::bind("[::]:0").await else { return };
        let addr = SocketAddr::from(([127, 0, 0, 1], listener.local_addr().unwrap().port()));
        let router = app().workers(workers).trusted_proxies(["127.0.0.9"]);
        tokio::spawn(router.serve_listener(listener, std::future::pending()));
        let mut client = RawClient(TcpStream::connect(addr).await.unwrap());
        let expected = own(&client);
        assert_eq!(opened(&mut client, "/plain", "").await, expected);
    }
}
