//! Servers on Unix sockets, and on several listeners.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tests::{RawClient, TIMEOUT, handshake, tungstenite};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::{WebSocketStream, client_async};
use tungstenite::Message;
use ws_core::prelude::*;
use ws_core::{Error, Listener};

#[websocket(path = "/echo")]
#[derive(Default)]
struct Echo;

#[websocket]
impl Echo {
    #[on_text]
    fn text(&mut self, text: String, cx: &mut Context<Self>) -> String {
        match text.as_str() {
            "peer" => cx.peer_addr().map_or_else(|| "none".to_owned(), |addr| addr.to_string()),
            "thread" => std::thread::current().name().unwrap_or_default().to_owned(),
            _ => text,
        }
    }

    #[on_binary]
    fn binary(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        bytes
    }
}

#[websocket(path = "/made")]
struct Made(String);

#[websocket]
impl Made {
    #[on_upgrade]
    fn make(peer: Option<PeerAddr>) -> Self {
        Self(peer.map_or_else(|| "none".to_owned(), |PeerAddr(addr)| addr.to_string()))
    }

    #[on_text]
    fn peer(&mut self, _: &str) -> String {
        self.0.clone()
    }
}

fn app() -> Router {
    let page =
        async |peer: Option<PeerAddr>| peer.map_or_else(|| "none".to_owned(), |peer| peer.0.to_string());
    let pages = axum::Router::new().route("/page", axum::routing::get(page));
    Router::new().mount::<Echo>().mount::<Made>().fallback(pages)
}

/// A path for a socket, whose file is removed on drop.
struct SocketPath(PathBuf);

impl SocketPath {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("ws-core-{}-{}.sock", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for SocketPath {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A server on a Unix socket.
struct UnixServer {
    path: SocketPath,
    stop: oneshot::Sender<()>,
    task: JoinHandle<ws_core::Result<()>>,
}

impl UnixServer {
    fn start(router: Router) -> Self {
        let (path, (stop, stopped)) = (SocketPath::new(), oneshot::channel());
        let server = router.serve_unix(path.0.clone(), async { _ = stopped.await });
        Self { path, stop, task: tokio::spawn(server) }
    }

    async fn connect(&self) -> UnixStream {
        let connected = timeout(TIMEOUT, async {
            loop {
                match UnixStream::connect(&self.path.0).await {
                    Ok(stream) => return stream,
                    Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
        });
        connected.await.expect("the server listens")
    }

    async fn socket(&self, path: &str, lines: &[(&'static str, &str)]) -> WebSocketStream<UnixStream> {
        let mut request = tungstenite::http::Request::get(format!("ws://localhost{path}"))
            .header("host", "localhost")
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        for (name, value) in lines {
            request = request.header(*name, *value);
        }
        client_async(request.body(()).unwrap(), self.connect().await).await.unwrap().0
    }
}

async fn call(socket: &mut WebSocketStream<UnixStream>, message: impl Into<Message>) -> Message {
    socket.send(message.into()).await.unwrap();
    timeout(TIMEOUT, socket.next()).await.expect("a message").unwrap().unwrap()
}

#[tokio::test]
async fn unix_socket_serves_handlers_and_pages() {
    for workers in [0, 1] {
        let server = UnixServer::start(app().workers(workers).max_connections_per_address(1));
        let mut sockets = Vec::new();
        // Clients of a Unix socket have no address, so no limit per address.
        for _ in 0..3 {
            let mut socket = server.socket("/echo", &[]).await;
            assert_eq!(call(&mut socket, "peer").await, Message::from("none"));
            let thread = call(&mut socket, "thread").await.into_text().unwrap();
            assert_eq!(thread.starts_with("ws-worker"), workers > 0, "{thread}");
            sockets.push(socket);
        }
        assert_eq!(call(&mut server.socket("/made", &[]).await, "peer").await, Message::from("none"));
        // More than the socket takes at a time.
        let large = Message::from(vec![7; 900_000]);
        assert_eq!(call(&mut sockets[0], large.clone()).await, large);

        let mut client = server.connect().await;
        client.write_all(b"GET /page HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut page = String::new();
        timeout(TIMEOUT, client.read_to_string(&mut page)).await.unwrap().unwrap();
        assert!(page.ends_with("\r\n\r\nnone"), "{page}");

        drop(server.stop);
        for mut socket in sockets {
            let close = timeout(TIMEOUT, socket.next()).await.unwrap().unwrap().unwrap();
            assert!(matches!(close, Message::Close(Some(close)) if u16::from(close.code) == 1001));
            while socket.next().await.is_some() {}
        }
        timeout(TIMEOUT, server.task).await.unwrap().unwrap().unwrap();
        assert!(!server.path.0.exists());
    }
}

#[tokio::test]
async fn proxy_on_a_unix_socket_forwards_addresses() {
    let server = UnixServer::start(app().trusted_proxies(["unix:", "127.0.0.1"]));
    for path in ["/echo", "/made"] {
        let mut socket = server.socket(path, &[("x-forwarded-for", "1.2.3.4, 203.0.113.7, 127.0.0.1")]).await;
        assert_eq!(call(&mut socket, "peer").await, Message::from("203.0.113.7:0"));
        let mut socket = server.socket(path, &[("x-forwarded-for", "unknown")]).await;
        assert_eq!(call(&mut socket, "peer").await, Message::from("none"));
    }
    // Without the element, the header changes nothing.
    let server = UnixServer::start(app().trusted_proxies(["0.0.0.0/0", "::/0"]));
    for path in ["/echo", "/made"] {
        let mut socket = server.socket(path, &[("x-forwarded-for", "203.0.113.7")]).await;
        assert_eq!(call(&mut socket, "peer").await, Message::from("none"));
    }
}

#[tokio::test]
async fn proxy_header_over_a_unix_socket() {
    let server = UnixServer::start(app().proxy_protocol(["unix:"]));
    let mut client = server.connect().await;
    client.write_all(b"PROXY TCP4 203.0.113.7 192.0.2.1 40000 443\r\n").await.unwrap();
    client.write_all(b"GET /page HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut page = String::new();
    timeout(TIMEOUT, client.read_to_string(&mut page)).await.unwrap().unwrap();
    assert!(page.ends_with("203.0.113.7:40000"), "{page}");
}

#[tokio::test]
async fn silent_client_of_a_unix_socket_is_disconnected() {
    let server = UnixServer::start(app().handshake_timeout(Duration::from_millis(200)));
    for sent in [&b""[..], b"GET /echo HTTP/1.1\r\n"] {
        let mut client = server.connect().await;
        client.write_all(sent).await.unwrap();
        let mut answer = Vec::new();
        timeout(TIMEOUT, client.read_to_end(&mut answer)).await.expect("the server ends it").unwrap();
        assert!(!answer.starts_with(b"HTTP/1.1 101"));
    }
}

#[tokio::test]
async fn path_in_use_is_an_error() {
    let server = UnixServer::start(app());
    server.connect().await;
    let path = server.path.0.clone();
    let error = app().serve_unix(&path, std::future::pending()).await.unwrap_err();
    assert!(matches!(&error, Error::Path { path: failed, .. } if *failed == path), "{error}");
    assert!(error.to_string().starts_with("cannot listen on `"), "{error}");
    server.connect().await;
}

#[tokio::test]
async fn listeners_share_limits_and_shutdown() {
    for workers in [0, 1] {
        let path = SocketPath::new();
        let (first, second) = (
            TcpListener::bind("127.0.0.1:0").await.unwrap(),
            TcpListener::bind("127.0.0.1:0").await.unwrap(),
        );
        let third = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tcp = [first.local_addr().unwrap(), second.local_addr().unwrap()];
        let tls_addr = third.local_addr().unwrap();
        let unix = UnixListener::bind(&path.0).unwrap();
        let listeners: [Listener; 4] = [
            first.into(),
            second.into(),
            unix.into(),
            Listener::from(third).tls(tests::self_signed().unwrap()),
        ];
        let (stop, stopped) = oneshot::channel::<()>();
        let router = app().workers(workers).max_connections(3);
        let server = tokio::spawn(router.serve_listeners(listeners, async { _ = stopped.await }));

        let mut clients = Vec::new();
        for addr in tcp {
            let mut client = RawClient(TcpStream::connect(addr).await.unwrap());
            assert_eq!(client.request(&handshake("/echo", "")).await.status, 101);
            clients.push(client);
        }
        let mut unix = UnixStream::connect(&path.0).await.unwrap();
        unix.write_all(handshake("/echo", "").as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        unix.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 101");
        for addr in tcp {
            let mut client = RawClient(TcpStream::connect(addr).await.unwrap());
            assert_eq!(client.request(&handshake("/echo", "")).await.status, 503);
        }
        // Plain bytes get an alert of TLS.
        let mut plain = RawClient(TcpStream::connect(tls_addr).await.unwrap());
        plain.send(handshake("/echo", "")).await;
        assert_eq!(plain.byte().await, Some(21));

        drop(stop);
        for client in &mut clients {
            assert!(client.frame().await.unwrap().1.starts_with(&1001_u16.to_be_bytes()));
        }
        drop((clients, unix));
        timeout(TIMEOUT, server).await.unwrap().unwrap().unwrap();
        assert!(TcpStream::connect(tcp[0]).await.is_err() && TcpStream::connect(tls_addr).await.is_err());
    }
}
