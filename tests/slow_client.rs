//! A client that does not read, over a real socket: what it receives after it begins to read.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tests::{TIMEOUT, handshake, serve};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};
use ws_core::Tls;
use ws_core::prelude::*;

/// Bytes of a tick on the wire.
const TICK: usize = 124;
const TICKS: usize = 20_000;

/// The client's receive buffer, which Linux doubles.
const RECEIVE_BUFFER: u32 = 32 << 10;

/// Ticks that the network may hold: the receive buffer, the unsent limit and as much again, because the kernel
/// counts its own data structures.
const MAX_STALE: usize = 4 * (2 * RECEIVE_BUFFER as usize + (16 << 10)) / TICK;

macro_rules! tickers {
    ($($name:ident ($($options:tt)*))*) => {$(
        #[websocket($($options)*)]
        struct $name(Topic<String>);

        #[websocket]
        impl $name {
            #[on_upgrade]
            fn make(State(ticks): State<Topic<String>>) -> Self {
                Self(ticks)
            }

            #[on_open]
            fn open(&mut self, cx: &mut Context<Self>) {
                cx.forward(&self.0);
            }
        }
    )*};
}

tickers! {
    Latest(path = "/latest", overflow = latest)
    Unlimited(path = "/unlimited", overflow = latest, unsent_limit = none)
    Old(path = "/old", overflow = latest, legacy, origins = any)
    OldUnlimited(path = "/old-unlimited", overflow = latest, legacy, origins = any, unsent_limit = none)
    Small(path = "/small", overflow = latest, unsent_limit = none, send_buffer = 8KiB)
}

/// The subscribers of the servers below.
fn router(ticks: &Topic<String>) -> Router {
    Router::new().mount::<Latest>().mount::<Unlimited>().mount::<Small>().with_state(ticks.clone())
}

/// Connects a client with a small receive buffer.
async fn connect(addr: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(RECEIVE_BUFFER).unwrap();
    socket.connect(addr).await.unwrap()
}

/// Sends a request, and reads the answer up to the end of its head.
async fn request(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), request: &[u8]) {
    stream.write_all(request).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
}

/// Returns how many ticks a client receives before the newest one, if it begins to read after the last.
async fn stale(ticks: &Topic<String>, mut stream: impl AsyncRead + AsyncWrite + Unpin) -> usize {
    // The subscription begins with the method `open`.
    while ticks.subscribers() == 0 {
        sleep(Duration::from_millis(1)).await;
    }
    for tick in 0..TICKS {
        ticks.publish(format!("{tick:>120}")).unwrap();
        tokio::task::yield_now().await;
        if tick % 100 == 0 {
            // Workers run on threads of their own.
            sleep(Duration::from_millis(1)).await;
        }
    }
    let newest = format!("\"{:>120}\"", TICKS - 1);
    let mut received = Vec::new();
    // A frame of draft 76 ends with a byte of its own.
    let is_newest =
        |received: &[u8]| received.strip_suffix(&[0xff]).unwrap_or(received).ends_with(newest.as_bytes());
    while !is_newest(&received) {
        let read = timeout(TIMEOUT, stream.read_buf(&mut received)).await.expect("the newest tick").unwrap();
        assert!(read > 0, "the connection ended");
    }
    drop(stream);
    while ticks.subscribers() > 0 {
        sleep(Duration::from_millis(1)).await;
    }
    received.len() / TICK - 1
}

/// Checks how many stale ticks a client with the default limit received. `unlimited` is the number of one without.
fn check(how: &str, latest: usize, unlimited: usize) {
    println!("{how}: {latest} stale ticks of {TICKS}; without a limit {unlimited}");
    if cfg!(target_os = "linux") {
        assert!(latest < MAX_STALE, "{how}: {latest} of {MAX_STALE}");
    }
}

/// Checks that the limit has an effect, on the test's own thread. A worker may be so slow that few ticks reach it.
fn check_effect(how: &str, latest: usize, unlimited: usize) {
    check(how, latest, unlimited);
    if cfg!(target_os = "linux") {
        assert!(unlimited > 2 * latest, "{how}: {unlimited}, and {latest} with the limit");
    }
}

#[tokio::test]
async fn newest_tick_follows_what_the_network_holds() {
    for workers in [0, 1] {
        let ticks = Hub::local().topic::<String>("ticks");
        let router = router(&ticks);
        let server = serve(if workers > 0 { router.workers(workers) } else { router }).await;
        let mut counts = Vec::new();
        for path in ["/unlimited", "/small", "/latest"] {
            let mut stream = connect(server.addr).await;
            request(&mut stream, handshake(path, "").as_bytes()).await;
            counts.push(stale(&ticks, stream).await);
        }
        if workers > 0 {
            check("a worker", counts[2], counts[0]);
        } else {
            check_effect("the runtime", counts[2], counts[0]);
        }
        println!("{workers} workers: {} with a small send buffer", counts[1]);
        assert!(counts[1] < MAX_STALE, "{} of {MAX_STALE}", counts[1]);
    }
}

/// The server, and the certificate that its clients trust.
async fn serve_tls(router: Router) -> (SocketAddr, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = std::env::temp_dir().join(format!("ws-core-slow-{}", std::process::id()));
    let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let tls = Tls::load(&cert, &key).unwrap();
    std::fs::remove_dir_all(folder).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(router.serve_tls_listener(listener, tls, std::future::pending()));
    (addr, made.cert.der().clone())
}

/// TLS has a buffer of its own. What waits there is as old as what waits in the kernel.
#[tokio::test]
async fn newest_tick_follows_what_the_network_holds_of_tls() {
    let ticks = Hub::local().topic::<String>("ticks");
    let (addr, cert) = serve_tls(router(&ticks)).await;
    let mut roots = RootCertStore::empty();
    roots.add(cert).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(config));
    let mut counts = Vec::new();
    for path in ["/unlimited", "/latest"] {
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = connector.connect(name, connect(addr).await).await.unwrap();
        request(&mut stream, handshake(path, "").as_bytes()).await;
        counts.push(stale(&ticks, stream).await);
    }
    check_effect("TLS", counts[1], counts[0]);
}

/// The handshake of draft 76, whose challenge is that of the draft's introduction.
fn handshake_of_draft_76(path: &str) -> Vec<u8> {
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key2: 12998 5 Y3 1  .P00\r\nUpgrade: WebSocket\r\n\
         Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 5\r\nOrigin: http://example.com\r\n\r\n"
    );
    [head.as_bytes(), b"^n:ds[4U"].concat()
}

#[tokio::test]
async fn newest_tick_follows_what_the_network_holds_of_draft_76() {
    let ticks = Hub::local().topic::<String>("ticks");
    let router = Router::new().mount::<Old>().mount::<OldUnlimited>().with_state(ticks.clone());
    let server = serve(router).await;
    let mut counts = Vec::new();
    for path in ["/old-unlimited", "/old"] {
        let mut stream = connect(server.addr).await;
        request(&mut stream, &handshake_of_draft_76(path)).await;
        counts.push(stale(&ticks, stream).await);
    }
    check_effect("draft 76", counts[1], counts[0]);
}
