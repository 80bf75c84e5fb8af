//! TLS, and the protocols inside it.

#[path = "tls/bullet.rs"]
mod bullet;
#[path = "tls/calls.rs"]
mod calls;
#[path = "tls/certificates.rs"]
mod certificates;
#[path = "tls/client.rs"]
mod client;
#[path = "tls/reload.rs"]
mod reload;
#[path = "tls/sessions.rs"]
mod sessions;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use tests::http2::Connection;
use tests::{TIMEOUT, tungstenite};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};
use tungstenite::Message;
use ws_core::prelude::*;
use ws_core::{Error, Tls, TlsError};

#[websocket(path = "/echo", bullet)]
struct Echo(mpsc::UnboundedSender<CloseReason>);

#[websocket]
impl Echo {
    #[on_upgrade]
    fn make(State(reasons): State<mpsc::UnboundedSender<CloseReason>>) -> Self {
        Self(reasons)
    }

    #[on_text]
    fn text(&mut self, text: &str, cx: &mut Context<Self>) -> Option<String> {
        match text {
            "stop" => cx.close(4000),
            "peer" => return Some(cx.peer_addr()?.ip().to_string()),
            _ => return Some(text.to_owned()),
        }
        None
    }

    #[on_binary]
    fn binary(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        bytes
    }

    #[on_close]
    fn close(&mut self, reason: &CloseReason) {
        let _ = self.0.send(reason.clone());
    }
}

/// Temporary folder with a certificate, deleted on drop.
struct Files(PathBuf);

impl Files {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("ws-core-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let files = Self(std::env::temp_dir().join(name));
        fs::create_dir_all(&files.0).unwrap();
        files.renew();
        files
    }

    /// Writes a new certificate and its key.
    fn renew(&self) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(self.cert(), made.cert.pem()).unwrap();
        fs::write(self.key(), made.signing_key.serialize_pem()).unwrap();
    }

    fn cert(&self) -> PathBuf {
        self.0.join("cert.pem")
    }

    fn key(&self) -> PathBuf {
        self.0.join("key.pem")
    }

    fn load(&self) -> Result<Tls, Error> {
        Tls::load(self.cert(), self.key())
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

struct Setup {
    addr: SocketAddr,
    files: Files,
    tls: Tls,
    stop: Option<oneshot::Sender<()>>,
    server: JoinHandle<ws_core::Result<()>>,
    reasons: mpsc::UnboundedReceiver<CloseReason>,
}

async fn setup_with(change: impl FnOnce(Router) -> Router) -> Setup {
    let files = Files::new();
    let tls = files.load().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let (sender, reasons) = mpsc::unbounded_channel();
    let router = change(Router::new().mount::<Echo>().with_state(sender));
    let server = router.serve_tls_listener(listener, tls.clone(), async { _ = stopped.await });
    Setup { addr, files, tls, stop: Some(stop), server: tokio::spawn(server), reasons }
}

async fn setup() -> Setup {
    setup_with(|router| router).await
}

/// Opens a TLS connection that trusts a single certificate.
async fn connect(addr: SocketAddr, cert: &Path, alpn: &[&str]) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(cert).unwrap()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    let stream = TcpStream::connect(addr).await?;
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

type Socket = tokio_tungstenite::WebSocketStream<TlsStream<TcpStream>>;

async fn receive(socket: &mut Socket) -> Message {
    let next = tokio::time::timeout(TIMEOUT, socket.next()).await.expect("a message");
    next.unwrap_or(Ok(Message::Close(None))).unwrap()
}

impl Setup {
    async fn connect(&self, alpn: &[&str]) -> TlsStream<TcpStream> {
        connect(self.addr, &self.files.cert(), alpn).await.unwrap()
    }

    /// Opens a WebSocket over HTTP/1.1.
    async fn socket(&self) -> Socket {
        let stream = self.connect(&["http/1.1"]).await;
        tokio_tungstenite::client_async("wss://localhost/echo", stream).await.unwrap().0
    }

    async fn reason(&mut self) -> CloseReason {
        tokio::time::timeout(TIMEOUT, self.reasons.recv()).await.expect("`#[on_close]` runs").unwrap()
    }
}

#[tokio::test]
async fn echo_over_http1() {
    let mut setup = setup().await;
    let mut socket = setup.socket().await;
    socket.send("hello".into()).await.unwrap();
    assert_eq!(receive(&mut socket).await, Message::from("hello"));
    socket.send("peer".into()).await.unwrap();
    assert_eq!(receive(&mut socket).await, Message::from("127.0.0.1"));
    // More than a TLS record, and more than the socket accepts at a time.
    let large = Message::from(vec![7; 900_000]);
    socket.send(large.clone()).await.unwrap();
    assert_eq!(receive(&mut socket).await, large);
    socket.close(None).await.unwrap();
    while socket.next().await.is_some() {}
    assert_eq!(setup.reason().await, CloseReason::Remote(None));
}

#[tokio::test]
async fn ends_with_close_notify() {
    let setup = setup().await;
    let mut stream = setup.connect(&[]).await;
    stream.write_all(tests::handshake("/echo", "").as_bytes()).await.unwrap();
    stream.write_all(&tests::frame(0x88, &1000_u16.to_be_bytes())).await.unwrap();
    // Without a close_notify, rustls would return an unexpected end of file.
    let mut answer = Vec::new();
    tokio::time::timeout(TIMEOUT, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    assert!(answer.ends_with(&[0x88, 2, 0x03, 0xe8]), "{answer:?}");
}

#[tokio::test]
async fn abrupt_disconnect_is_a_lost_connection() {
    let mut setup = setup().await;
    let mut socket = setup.socket().await;
    socket.send("hello".into()).await.unwrap();
    assert_eq!(receive(&mut socket).await, Message::from("hello"));
    drop(socket);
    assert!(matches!(setup.reason().await, CloseReason::ConnectionLost(_)));
}

#[tokio::test]
async fn alpn_selects_the_protocol() {
    let setup = setup().await;
    for (offer, chosen) in [
        (&["h2", "http/1.1"][..], Some("h2")),
        (&["http/1.1", "h2"], Some("h2")),
        (&["http/1.1"], Some("http/1.1")),
        (&[], None),
    ] {
        let stream = setup.connect(offer).await;
        assert_eq!(stream.get_ref().1.alpn_protocol(), chosen.map(str::as_bytes), "{offer:?}");
        if chosen == Some("h2") {
            let mut socket = Connection::new(stream).await.open("/echo").await;
            socket.text("hello").await;
            assert_eq!(socket.next_text().await, "hello");
        } else {
            let socket = tokio_tungstenite::client_async("wss://localhost/echo", stream).await;
            let (mut socket, _) = socket.unwrap();
            socket.send("hello".into()).await.unwrap();
            assert_eq!(receive(&mut socket).await, Message::from("hello"));
        }
    }
    let neither = connect(setup.addr, &setup.files.cert(), &["spdy/1"]).await;
    assert!(neither.unwrap_err().to_string().contains("NoApplicationProtocol"));
}

#[tokio::test]
async fn http2_ends_with_close_notify() {
    let mut setup = setup().await;
    let client = Connection::new(setup.connect(&["h2"]).await).await;
    let mut socket = client.open("/echo").await;
    socket.text("stop").await;
    assert_eq!(socket.close_code().await, 4000);
    socket.close(4000).await;
    assert_eq!(socket.frame().await, None);
    socket.end();
    drop(socket);
    drop(setup.stop.take());
    client.join().await.unwrap();
    setup.server.await.unwrap().unwrap();
}

#[tokio::test]
async fn shutdown_drains() {
    let mut setup = setup().await;
    let (mut old, client) = (setup.socket().await, Connection::new(setup.connect(&["h2"]).await).await);
    let mut new = client.open("/echo").await;
    drop(setup.stop.take());
    let Message::Close(Some(close)) = receive(&mut old).await else { panic!("expected a close") };
    assert_eq!(u16::from(close.code), 1001);
    while old.next().await.is_some() {}
    assert_eq!(new.close_code().await, 1001);
    new.close(1001).await;
    assert_eq!(new.frame().await, None);
    new.end();
    drop((new, client));
    tokio::time::timeout(TIMEOUT, setup.server).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn disconnects_silent_clients() {
    let setup = setup_with(|router| router.handshake_timeout(Duration::from_millis(200))).await;
    let start = Instant::now();
    // No bytes, the start of a record, and bytes that are not TLS.
    for words in [&b""[..], b"\x16\x03\x01\x02\x00", b"GET /echo HTTP/1.1\r\n"] {
        let mut stream = TcpStream::connect(setup.addr).await.unwrap();
        stream.write_all(words).await.unwrap();
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(TIMEOUT, stream.read_to_end(&mut answer)).await.unwrap();
    }
    // A TLS connection without a request.
    for alpn in ["http/1.1", "h2"] {
        let mut stream = setup.connect(&[alpn]).await;
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(TIMEOUT, stream.read_to_end(&mut answer)).await.unwrap();
    }
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[tokio::test]
async fn slow_handshakes_do_not_block_others() {
    let setup = setup().await;
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(TcpStream::connect(setup.addr).await.unwrap());
    }
    let start = Instant::now();
    let mut socket = setup.socket().await;
    socket.send("hello".into()).await.unwrap();
    assert_eq!(receive(&mut socket).await, Message::from("hello"));
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[track_caller]
fn broken(files: &Files, says: &str) -> TlsError {
    let Err(Error::Tls(error)) = files.load() else { panic!("it is loaded") };
    assert!(error.to_string().contains(says), "{error}");
    error
}

#[test]
fn invalid_files_are_errors_that_name_the_file() {
    let files = Files::new();
    files.load().unwrap();

    let other = Files::new();
    fs::copy(other.key(), files.key()).unwrap();
    assert!(matches!(
        broken(&files, "key.pem` does not match the certificate in"),
        TlsError::Mismatch { .. }
    ));

    fs::copy(files.cert(), files.key()).unwrap();
    let error = broken(&files, "no private key in");
    assert!(matches!(error, TlsError::NoKey(path) if path == files.key()));
    fs::write(files.key(), "").unwrap();
    assert!(matches!(broken(&files, "no private key in"), TlsError::NoKey(_)));
    fs::write(files.key(), "-----BEGIN PRIVATE KEY-----\n?\n-----END PRIVATE KEY-----\n").unwrap();
    assert!(matches!(broken(&files, "is not a PEM file"), TlsError::Malformed { .. }));
    fs::write(files.key(), "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").unwrap();
    assert!(matches!(broken(&files, "cannot be used"), TlsError::Unusable { .. }));
    fs::remove_file(files.key()).unwrap();
    let error = broken(&files, "cannot read `");
    assert!(matches!(error, TlsError::Unreadable { path, .. } if path == files.key()));

    files.renew();
    fs::copy(files.key(), files.cert()).unwrap();
    assert!(matches!(broken(&files, "no certificate in"), TlsError::NoCertificate(_)));
    fs::remove_file(files.cert()).unwrap();
    assert!(matches!(broken(&files, "cannot read `"), TlsError::Unreadable { .. }));

    // Certificate and key in one file.
    files.renew();
    let both = [fs::read(files.cert()).unwrap(), fs::read(files.key()).unwrap()].concat();
    fs::write(files.cert(), both).unwrap();
    Tls::load(files.cert(), files.cert()).unwrap();
}

#[tokio::test]
async fn serves_with_address_and_files() {
    let files = Files::new();
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = taken.local_addr().unwrap();
    let (sender, _) = mpsc::unbounded_channel();
    let router = Router::new().mount::<Echo>().with_state(sender);
    let error = router.clone().serve_tls(addr, files.cert(), files.key()).await.unwrap_err();
    assert!(matches!(error, Error::Bind { .. }), "{error}");
    drop(taken);

    let (stop, stopped) = oneshot::channel::<()>();
    let stopped = async { _ = stopped.await };
    let server = tokio::spawn(router.serve_tls_with_shutdown(addr, files.cert(), files.key(), stopped));
    let stream = loop {
        match connect(addr, &files.cert(), &[]).await {
            Ok(stream) => break stream,
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    };
    let (mut socket, _) = tokio_tungstenite::client_async("wss://localhost/echo", stream).await.unwrap();
    socket.send("hello".into()).await.unwrap();
    assert_eq!(receive(&mut socket).await, Message::from("hello"));
    socket.close(None).await.unwrap();
    while socket.next().await.is_some() {}
    drop(stop);
    server.await.unwrap().unwrap();
}
