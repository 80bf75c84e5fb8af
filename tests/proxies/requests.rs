//! Handshakes, idle connections and close codes of applications behind a proxy.

use std::sync::Arc;

use futures_util::StreamExt;
use tests::{Client, HttpResponse, TIMEOUT, tungstenite};
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};
use tokio_tungstenite::{client_async, connect_async};
use tungstenite::client::IntoClientRequest;
use tungstenite::protocol::CloseFrame;
use tungstenite::{Error, Message};

use super::*;

/// Handler that reports its request, and closes on request.
#[websocket(path = "/rooms/{room}")]
struct Room {
    room: String,
    client: String,
    reasons: mpsc::UnboundedSender<CloseReason>,
}

#[derive(serde::Deserialize)]
struct Parameters {
    since: u32,
}

#[websocket]
impl Room {
    #[on_upgrade]
    fn enter(
        Path(room): Path<String>,
        Query(parameters): Query<Parameters>,
        State(reasons): State<mpsc::UnboundedSender<CloseReason>>,
        PeerAddr(client): PeerAddr,
        headers: HeaderMap,
    ) -> Self {
        let protocol = headers.get("x-forwarded-proto").map_or("", |value| value.to_str().unwrap());
        let client = format!("{client} {protocol}");
        Self { room: format!("{room} since {}", parameters.since), client, reasons }
    }

    #[on_open]
    fn open(&mut self) -> String {
        format!("{} {}", self.room, self.client)
    }

    #[on_text]
    fn close(&mut self, text: &str) -> Close {
        Close::new(4001, text.to_owned())
    }

    #[on_close]
    fn closed(&mut self, reason: &CloseReason) {
        let _ = self.reasons.send(reason.clone());
    }
}

/// Handler whose client is pinged more often than the proxy's timeout of the tests.
#[websocket(path = "/pinged", ping_interval = 500ms)]
#[derive(Default)]
struct Pinged;

#[websocket]
impl Pinged {
    #[on_text]
    fn echo(&mut self, text: String) -> String {
        text
    }
}

#[websocket(path = "/silent", ping_interval = none)]
#[derive(Default)]
struct Silent;

#[websocket]
impl Silent {
    #[on_text]
    fn echo(&mut self, text: String) -> String {
        text
    }
}

fn app() -> (Router, mpsc::UnboundedReceiver<CloseReason>) {
    let (sender, reasons) = mpsc::unbounded_channel();
    let router = Router::new().mount::<Room>().mount::<Pinged>().mount::<Silent>().with_state(sender);
    (router.fallback(health()).trusted_proxies(["127.0.0.1"]), reasons)
}

fn request(url: String, origin: &str) -> tungstenite::handshake::client::Request {
    let mut request = url.into_client_request().unwrap();
    request.headers_mut().insert("origin", origin.parse().unwrap());
    request
}

async fn connect(addr: SocketAddr, path: &str, origin: &str) -> tungstenite::Result<Client> {
    let (socket, response) = connect_async(request(format!("ws://{addr}{path}"), origin)).await?;
    Ok(Client { socket, response })
}

/// Checks path and query, the check of the origin, TLS, other requests, and codes of the application.
async fn check_requests(proxy: &Proxy, reasons: &mut mpsc::UnboundedReceiver<CloseReason>) {
    const PATH: &str = "/rooms/a%20b?since=7";
    let origin = format!("http://{}", proxy.addr);
    let mut client = connect(proxy.addr, PATH, &origin).await.unwrap();
    assert!(client.text().await.starts_with("a b since 7 127.0.0.1:0"));
    client.send("x").await;
    assert_eq!(client.close_code().await, 4001);
    assert_eq!(reasons.recv().await, Some(CloseReason::Stop(Close::new(4001, "x"))));

    // The proxy deletes the header that it does not write.
    let mut forged = request(format!("ws://{}{PATH}", proxy.addr), &origin);
    forged.headers_mut().insert("forwarded", "for=203.0.113.7".parse().unwrap());
    let (socket, response) = connect_async(forged).await.unwrap();
    let mut client = Client { socket, response };
    assert!(client.text().await.starts_with("a b since 7 127.0.0.1:0"));
    client.send("x").await;
    assert_eq!(client.close_code().await, 4001);
    assert_eq!(reasons.recv().await, Some(CloseReason::Stop(Close::new(4001, "x"))));

    // The code of a client reaches the handler.
    let mut client = connect(proxy.addr, PATH, &origin).await.unwrap();
    let close = CloseFrame { code: 4002.into(), reason: "bye".into() };
    client.socket.close(Some(close)).await.unwrap();
    assert_eq!(reasons.recv().await, Some(CloseReason::Remote(Some(Close::new(4002, "bye")))));

    // A page of another host, and of another port of the same host.
    for origin in ["http://evil.example", "http://127.0.0.1"] {
        let Err(Error::Http(refused)) = connect(proxy.addr, PATH, origin).await else { panic!("{origin}") };
        assert_eq!(refused.status(), 403, "{origin}");
    }

    let tls = tls(proxy).await;
    let url = format!("wss://localhost:{}{PATH}", proxy.tls_addr.port());
    let origin = format!("https://localhost:{}", proxy.tls_addr.port());
    let (mut socket, _) = client_async(request(url, &origin), tls).await.unwrap();
    let first = tokio::time::timeout(TIMEOUT, socket.next()).await.unwrap().unwrap().unwrap();
    assert_eq!(first, Message::text("a b since 7 127.0.0.1:0 https"));

    let mut raw = RawClient(TcpStream::connect(proxy.addr).await.unwrap());
    let HttpResponse { status, body, .. } = raw.request("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!((status, &*body), (200, "well"));
}

async fn tls(proxy: &Proxy) -> tokio_rustls::client::TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(proxy.certificate.as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(proxy.tls_addr).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
}

/// Checks that the proxy ends an idle connection, and that pings prevent this.
///
/// The silent connections show that the proxy's timeout has passed, twice, so no time is asserted.
async fn check_idle(proxy: &Proxy) {
    let origin = format!("http://{}", proxy.addr);
    let mut pinged = connect(proxy.addr, "/pinged", &origin).await.unwrap();
    let silent = async {
        for _ in 0..2 {
            let mut silent = connect(proxy.addr, "/silent", &origin).await.unwrap();
            let end = tokio::time::timeout(6 * TIMEOUT, silent.socket.next()).await;
            let end = end.expect("the proxy ends no idle connection");
            assert!(!matches!(end, Some(Ok(_))), "{end:?}"); // No close frame.
        }
    };
    // The client answers pings while it reads.
    let next = async |pinged: &mut Client| loop {
        match pinged.socket.next().await {
            Some(Ok(Message::Ping(_))) => {}
            other => return other,
        }
    };
    tokio::select! {
        () = silent => {}
        end = next(&mut pinged) => panic!("the proxy ended a pinged connection: {end:?}"),
    }
    pinged.send("still here").await;
    assert_eq!(next(&mut pinged).await.unwrap().unwrap(), Message::text("still here"));
}

#[tokio::test]
async fn requests_pass_nginx() {
    let (router, mut reasons) = app();
    let server = serve(router).await;
    let Some(proxy) = Proxy::nginx(server.addr, &[]).await else { return };
    check_requests(&proxy, &mut reasons).await;
}

#[tokio::test]
async fn requests_pass_haproxy() {
    let (router, mut reasons) = app();
    let server = serve(router).await;
    let Some(proxy) = Proxy::haproxy(server.addr, &[]).await else { return };
    check_requests(&proxy, &mut reasons).await;
}

/// Without `Host $http_host`, the server compares the origin with a name that no page has. Without HTTP/1.1, the
/// request has no upgrade.
#[tokio::test]
async fn nginx_needs_each_line_of_the_handshake() {
    for (line, without, status) in [
        ("Host $http_host", "Host $proxy_host", 403),
        ("Host $http_host", "Host $host", 403),
        ("proxy_http_version 1.1;", "proxy_http_version 1.0;", 426),
        ("proxy_set_header Upgrade $http_upgrade;", "", 426),
    ] {
        let server = serve(app().0).await;
        let Some(proxy) = Proxy::nginx(server.addr, &[(line, without)]).await else { return };
        let origin = format!("http://{}", proxy.addr);
        let Err(Error::Http(refused)) = connect(proxy.addr, "/pinged", &origin).await else {
            panic!("{without}")
        };
        assert_eq!(refused.status(), status, "{without}");
    }
}

#[tokio::test]
async fn pings_outlast_the_timeout_of_nginx() {
    let server = serve(app().0).await;
    let edit = ("proxy_read_timeout 60s", "proxy_read_timeout 4s");
    let Some(proxy) = Proxy::nginx(server.addr, &[edit]).await else { return };
    check_idle(&proxy).await;
}

#[tokio::test]
async fn pings_outlast_the_timeout_of_haproxy() {
    let server = serve(app().0).await;
    let edit = ("timeout tunnel 60s", "timeout tunnel 4s");
    let Some(proxy) = Proxy::haproxy(server.addr, &[edit]).await else { return };
    check_idle(&proxy).await;
}
