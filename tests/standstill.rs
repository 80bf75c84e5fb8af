//! A server process that is stopped and continued: requests that waited in their sockets are served.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use tests::http2::Connection;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use ws_core::prelude::*;

#[websocket(path = "/echo", idle_timeout = 3s)]
#[derive(Default)]
struct Echo;

#[websocket]
impl Echo {
    #[on_text]
    fn text(&mut self, text: &str) -> String {
        text.to_owned()
    }
}

/// Name of the variable that holds the number of workers.
const WORKERS: &str = "WS_CORE_STOPPED_WORKERS";

const MS: Duration = Duration::from_millis(1);
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the server process of the other test"]
async fn server_process() {
    let workers = std::env::var(WORKERS).unwrap().parse().unwrap();
    let router = || {
        Router::new()
            .mount::<Echo>()
            .fallback(axum::Router::new().fallback(async || "a page"))
            .handshake_timeout(HANDSHAKE_TIMEOUT)
            .workers(workers)
    };
    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let secure = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("ADDR {} {}.", plain.local_addr().unwrap(), secure.local_addr().unwrap());
    let forever = std::future::pending;
    let tls = tests::self_signed().unwrap();
    let (plain, secure) = tokio::join!(
        router().serve_listener(plain, forever()),
        router().serve_tls_listener(secure, tls, forever())
    );
    plain.and(secure).unwrap();
}

/// A server process, killed when dropped.
struct ServerProcess {
    child: Child,
    plain: SocketAddr,
    secure: SocketAddr,
}

impl ServerProcess {
    fn start(workers: usize) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["server_process", "--exact", "--ignored", "--nocapture"])
            .env(WORKERS, workers.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let addrs = lines.find_map(|line| {
            let line = line.unwrap();
            let (plain, secure) = line.split_once("ADDR ")?.1.trim_end_matches('.').split_once(' ')?;
            Some((plain.parse().unwrap(), secure.parse().unwrap()))
        });
        let (plain, secure) = addrs.expect("the server listens");
        Self { child, plain, secure }
    }

    fn signal(&self, name: &str) {
        let kill = Command::new("kill").args([name, &self.child.id().to_string()]).status();
        assert!(kill.unwrap().success());
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A verifier that accepts the certificate of the test.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

fn tls_connector() -> TlsConnector {
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

type BoxResult = Result<(), Box<dyn std::error::Error + Send + Sync>>;

/// Requests the page. Returns an error if the stream ends before the response.
async fn get(stream: &mut (impl AsyncReadExt + AsyncWriteExt + Unpin)) -> BoxResult {
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await?;
    let mut response = Vec::new();
    while !response.ends_with(b"a page") {
        response.push(stream.read_u8().await?);
    }
    Ok(())
}

/// A client of one kind. While the server is stopped, from `stop` on, the client sends what the server waits for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// A later request on a connection of HTTP/1.1.
    Http1,
    /// A later request on a connection of HTTP/2, which would otherwise end as unused.
    Http2,
    /// Messages of three WebSockets over HTTP/2, which would otherwise be closed as idle.
    Http2Sockets,
    /// The rest of the preface of HTTP/2.
    Preface,
    /// The handshake of TLS, in which the client sends twice.
    Tls,
}

impl Kind {
    async fn run(self, plain: SocketAddr, secure: SocketAddr, stop: Instant) -> BoxResult {
        let sends_at = stop + 300 * MS;
        match self {
            Self::Http1 => {
                sleep_until(stop - 1000 * MS).await;
                let mut tcp = TcpStream::connect(plain).await?;
                get(&mut tcp).await?;
                sleep_until(sends_at).await;
                get(&mut tcp).await
            }
            Self::Http2 => {
                let client = Connection::new(TcpStream::connect(plain).await?).await;
                let page = || Request::get("http://x/").body(()).unwrap();
                client.request(page(), Some(b"")).await?;
                sleep_until(sends_at).await;
                let page = client.request(page(), Some(b"")).await?;
                if page.status == 200 { Ok(()) } else { Err("no page".into()) }
            }
            Self::Http2Sockets => {
                let client = Connection::new(TcpStream::connect(plain).await?).await;
                let mut sockets = Vec::new();
                for _ in 0..3 {
                    sockets.push(client.open("/echo").await);
                }
                for (at, text) in [(stop - 1000 * MS, "first"), (sends_at, "waits")] {
                    sleep_until(at).await;
                    for socket in &mut sockets {
                        socket.text(text).await;
                    }
                    for socket in &mut sockets {
                        let frame = socket.try_frame().await?.ok_or("the stream has ended")?;
                        if frame.1 != text.as_bytes() {
                            return Err(format!("{frame:?} instead of {text}").into());
                        }
                    }
                }
                Ok(())
            }
            Self::Preface => {
                sleep_until(stop - 1000 * MS).await;
                let mut tcp = TcpStream::connect(plain).await?;
                tcp.write_all(b"PRI * HTTP/2.0\r\n\r\n").await?;
                sleep_until(sends_at).await;
                // The end of the preface, a SETTINGS frame, and a PING, which the server answers.
                tcp.write_all(b"SM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await?;
                tcp.write_all(b"\0\0\x08\x06\0\0\0\0\0a ping! ").await?;
                let mut read = Vec::new();
                while !read.ends_with(b"a ping! ") {
                    read.push(tcp.read_u8().await?);
                }
                Ok(())
            }
            Self::Tls => {
                sleep_until(stop - 1000 * MS).await;
                let tcp = TcpStream::connect(secure).await?;
                sleep_until(sends_at).await;
                let name = ServerName::try_from("localhost").unwrap();
                let mut stream = tls_connector().connect(name, tcp).await?;
                get(&mut stream).await
            }
        }
    }
}

/// Stops a server for five seconds, past the time limits of its clients. Returns those that it disconnected.
async fn disconnected(workers: usize) -> Vec<(Kind, String)> {
    let server = ServerProcess::start(workers);
    let start = Instant::now();
    // HTTP/2 ends an unused connection at the second deadline after its last request.
    let stop = start + 2 * HANDSHAKE_TIMEOUT - 800 * MS;
    let mut clients: Vec<(Kind, JoinHandle<BoxResult>)> = Vec::new();
    for kind in [Kind::Http1, Kind::Http2, Kind::Http2Sockets, Kind::Preface, Kind::Tls] {
        for _ in 0..20 {
            let client = kind.run(server.plain, server.secure, stop);
            clients.push((kind, tokio::spawn(client)));
        }
    }
    sleep_until(stop).await;
    server.signal("-STOP");
    sleep_until(stop + 5000 * MS).await;
    server.signal("-CONT");
    let mut disconnected = Vec::new();
    for (kind, client) in clients {
        if let Err(error) = timeout(tests::TIMEOUT, client).await.expect("the server goes on").unwrap() {
            disconnected.push((kind, error.to_string()));
        }
    }
    disconnected
}

#[tokio::test]
async fn server_that_was_stopped_serves_the_requests_that_waited() {
    let (runtime, workers) = tokio::join!(disconnected(0), disconnected(1));
    assert_eq!((runtime, workers), (vec![], vec![]));
}
