//! Test support: a server on a free port, a WebSocket client and a raw TCP client.

pub mod calls;
pub mod deflate;
pub mod http2;
pub mod nats;
pub mod proxy;
pub mod values;
pub mod whoami;

use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
pub use tokio_tungstenite::tungstenite;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use tungstenite::Message;
use tungstenite::client::IntoClientRequest;
use ws_core::{BoxError, Router, Tls};

/// Limit for every wait. A test that reaches it has failed.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// Returns TLS settings with a self-signed certificate, for a server that runs outside a test.
pub fn self_signed() -> Result<Tls, BoxError> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()])?;
    let folder = std::env::temp_dir().join(format!("ws-core-{}", std::process::id()));
    let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    std::fs::create_dir_all(&folder)?;
    std::fs::write(&cert, made.cert.pem())?;
    std::fs::write(&key, made.signing_key.serialize_pem())?;
    let tls = Tls::load(&cert, &key);
    std::fs::remove_dir_all(folder)?;
    Ok(tls?)
}

/// Returns a port without a listener.
///
/// Ports below 32768 are never ephemeral ports of clients, so the port stays free until the server starts.
pub fn free_port() -> u16 {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let begin = std::process::id() as usize * 101;
    loop {
        let port = 16_384 + (begin + NEXT.fetch_add(1, Ordering::Relaxed)) % 16_384;
        let port = u16::try_from(port).expect("ports fit into 16 bits");
        if StdListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// A running server. Dropping it starts the shutdown.
pub struct Server {
    pub addr: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<ws_core::Result<()>>,
}

/// Serves a router on a free port.
///
/// The environment variable `WORKERS` sets the number of workers, so that all tests can also run on workers.
pub async fn serve(mut router: Router) -> Server {
    if let Some(workers) = std::env::var("WORKERS").ok().and_then(|workers| workers.parse().ok()) {
        router = router.workers(workers);
    }
    start(router).await
}

/// Serves a router on a free port, on the threads that the router or the server decides.
pub async fn start(router: Router) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let shutdown = async {
        let _ = stopped.await;
    };
    let task = tokio::spawn(router.serve_listener(listener, shutdown));
    Server { addr, stop: Some(stop), task }
}

impl Server {
    /// Connects a client at a path.
    pub async fn connect(&self, path: &str) -> Client {
        self.try_connect(path, &[]).await.unwrap()
    }

    /// Like [`connect`](Self::connect), with additional headers. Returns why the handshake failed.
    pub async fn try_connect(&self, path: &str, headers: &[(&str, &str)]) -> tungstenite::Result<Client> {
        let mut request = format!("ws://{}{path}", self.addr).into_client_request()?;
        for (name, value) in headers {
            let name = tungstenite::http::HeaderName::from_bytes(name.as_bytes()).unwrap();
            request.headers_mut().append(name, value.parse().unwrap());
        }
        let (socket, response) = connect_async(request).await?;
        Ok(Client { socket, response })
    }

    /// Opens a TCP connection without a handshake.
    pub async fn raw(&self) -> RawClient {
        RawClient(TcpStream::connect(self.addr).await.unwrap())
    }

    /// Starts the shutdown.
    pub fn stop(&mut self) {
        drop(self.stop.take());
    }

    /// Waits until the server has shut down.
    pub async fn join(self) {
        tokio::time::timeout(TIMEOUT, self.task)
            .await
            .expect("the server did not shut down")
            .unwrap()
            .unwrap();
    }

    /// Drops the server's future.
    pub async fn abort(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

pub struct Client {
    pub socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    pub response: tungstenite::http::Response<Option<Vec<u8>>>,
}

impl Client {
    pub async fn send(&mut self, message: impl Into<Message>) {
        self.socket.send(message.into()).await.unwrap();
    }

    /// Reads a message. The end of the connection counts as `Close(None)`.
    pub async fn next(&mut self) -> Message {
        let next =
            tokio::time::timeout(TIMEOUT, self.socket.next()).await.expect("timed out waiting for a message");
        next.unwrap_or(Ok(Message::Close(None))).unwrap()
    }

    #[track_caller]
    pub fn text(&mut self) -> impl Future<Output = String> {
        let caller = std::panic::Location::caller();
        async move {
            match self.next().await {
                Message::Text(text) => text.to_string(),
                other => panic!("{caller}: expected text, got {other:?}"),
            }
        }
    }

    #[track_caller]
    pub fn close_code(&mut self) -> impl Future<Output = u16> {
        let caller = std::panic::Location::caller();
        async move {
            match self.next().await {
                Message::Close(close) => {
                    // The client sends its close frame during the next read, which finds the end of TCP.
                    let _ = self.socket.next().await;
                    close.map_or(0, |close| close.code.into())
                }
                other => panic!("{caller}: expected a close, got {other:?}"),
            }
        }
    }
}

/// Returns the handshake of RFC 6455 §1.2 for a path, with additional header lines.
pub fn handshake(path: &str, more: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{more}\r\n"
    )
}

/// Encodes a masked frame.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let key = [1, 2, 3, 4];
    let mut out = vec![first];
    if let Ok(len @ 0..=125) = u8::try_from(payload.len()) {
        out.push(0x80 | len);
    } else if let Ok(len) = u16::try_from(payload.len()) {
        out.push(0x80 | 126);
        out.extend(len.to_be_bytes());
    } else {
        out.push(0x80 | 127);
        out.extend((payload.len() as u64).to_be_bytes());
    }
    out.extend(key);
    out.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    out
}

pub struct RawClient(pub TcpStream);

/// An HTTP response. Header names are in lower case.
#[derive(Debug)]
pub struct HttpResponse {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl HttpResponse {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl RawClient {
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Sends a request and reads the response.
    pub async fn request(&mut self, request: &str) -> HttpResponse {
        self.send(request).await;
        self.read_response().await
    }

    pub async fn read_response(&mut self) -> HttpResponse {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.byte().await.expect("the server closed the connection instead of answering"));
        }
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: Vec<_> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let len = headers.iter().find(|(name, _)| name == "content-length");
        let mut body = vec![0; len.map_or(0, |(_, len)| len.parse().unwrap())];
        self.0.read_exact(&mut body).await.unwrap();
        HttpResponse { status, headers, body: String::from_utf8(body).unwrap() }
    }

    /// Reads a chunk of a body, or the end of the body, which is an empty chunk.
    pub async fn chunk(&mut self) -> String {
        let mut size = Vec::new();
        while !size.ends_with(b"\r\n") {
            size.push(self.byte().await.expect("the server closed the connection inside a body"));
        }
        let size = usize::from_str_radix(std::str::from_utf8(&size).unwrap().trim_end(), 16).unwrap();
        let mut chunk = vec![0; size + 2];
        self.0.read_exact(&mut chunk).await.unwrap();
        assert_eq!(chunk.split_off(size), b"\r\n");
        String::from_utf8(chunk).unwrap()
    }

    /// Reads the rest of a body in chunks.
    pub async fn chunks(&mut self) -> String {
        let mut body = String::new();
        loop {
            match self.chunk().await {
                end if end.is_empty() => return body,
                chunk => body += &chunk,
            }
        }
    }

    /// Reads a frame. Returns its first byte and its payload, or `None` at the end of TCP.
    pub async fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let first = self.byte().await?;
        let len = self.byte().await?;
        assert!(len <= 125, "only short frames are supported");
        let mut payload = vec![0; usize::from(len)];
        self.0.read_exact(&mut payload).await.ok()?;
        Some((first, payload))
    }

    pub async fn byte(&mut self) -> Option<u8> {
        let byte = tokio::time::timeout(TIMEOUT, self.0.read_u8()).await;
        byte.expect("timed out waiting for the server").ok()
    }
}
