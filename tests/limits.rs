//! Clients that try to cost a server more than themselves. Each ends by a limit while the server serves others.
//! Limits on new connections are here too.

use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::time::Duration;

use tests::{RawClient, Server, TIMEOUT, frame, handshake, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use ws_core::prelude::*;

type Reasons = mpsc::UnboundedSender<CloseReason>;

#[websocket(path = "/echo")]
#[derive(Default)]
struct Echo;

#[websocket]
impl Echo {
    #[on_text]
    fn echo<'a>(&mut self, text: &'a str) -> &'a str {
        text
    }
}

/// Handler that sends more than it receives and reports its close reason.
#[websocket(path = "/probed", idle_timeout = 300ms, close_timeout = 100ms, max_message_rate = 1000)]
struct Probed(Reasons);

#[websocket]
impl Probed {
    #[on_upgrade]
    fn make(State(reasons): State<Reasons>) -> Self {
        Self(reasons)
    }

    #[on_binary]
    fn repeat(&mut self, _: &[u8]) -> Vec<u8> {
        vec![0; 60 << 10]
    }

    #[on_close]
    fn close(&mut self, reason: &CloseReason) {
        self.0.send(reason.clone()).unwrap();
    }
}

/// Handler with `max_lifetime`.
#[websocket(path = "/mortal", max_lifetime = 400ms, close_timeout = 100ms)]
struct Mortal(Reasons);

#[websocket]
impl Mortal {
    #[on_upgrade]
    fn make(State(reasons): State<Reasons>) -> Self {
        Self(reasons)
    }

    /// Works slower than a client that sends without pause.
    #[on_text]
    fn work(&mut self, _: &str) {
        std::thread::sleep(Duration::from_millis(1));
    }

    #[on_close]
    fn close(&mut self, reason: &CloseReason) {
        self.0.send(reason.clone()).unwrap();
    }
}

/// Handler that pings its client.
#[websocket(path = "/pinged", ping_interval = 100ms, pong_timeout = 100ms)]
struct Pinged(Reasons);

#[websocket]
impl Pinged {
    #[on_upgrade]
    fn make(State(reasons): State<Reasons>) -> Self {
        Self(reasons)
    }

    #[on_close]
    fn close(&mut self, reason: &CloseReason) {
        self.0.send(reason.clone()).unwrap();
    }
}

/// Starts a server; the channel gets the close reasons.
async fn server() -> (Server, mpsc::UnboundedReceiver<CloseReason>) {
    let (reasons, ended) = mpsc::unbounded_channel();
    let router = Router::new().mount::<Echo>().mount::<Probed>().mount::<Mortal>().mount::<Pinged>();
    (serve(router.with_state(reasons).handshake_timeout(Duration::from_millis(300))).await, ended)
}

async fn open(server: &Server, path: &str) -> RawClient {
    let mut raw = server.raw().await;
    assert_eq!(raw.request(&handshake(path, "")).await.status, 101);
    raw
}

/// Runs a probe to its end while the server answers another client.
async fn beside<T>(server: &Server, probe: impl Future<Output = T>) -> T {
    let mut healthy = open(server, "/echo").await;
    let mut probe = pin!(timeout(TIMEOUT, probe));
    loop {
        healthy.send(frame(0x81, b"well?")).await;
        assert_eq!(healthy.frame().await, Some((0x81, b"well?".to_vec())));
        tokio::select! {
            end = &mut probe => {
                healthy.send(frame(0x81, b"still?")).await;
                assert_eq!(healthy.frame().await, Some((0x81, b"still?".to_vec())));
                return end.expect("the probe ends");
            }
            () = sleep(Duration::from_millis(5)) => {}
        }
    }
}

/// Sends a frame repeatedly until the server closes; returns the close code.
async fn flood(raw: &mut RawClient, frame: &[u8]) -> u16 {
    flood_with(raw, &frame.repeat(500)).await
}

async fn flood_with(raw: &mut RawClient, bytes: &[u8]) -> u16 {
    let (mut read, mut write) = raw.0.split();
    let sends = async { while write.write_all(bytes).await.is_ok() {} };
    let answers = async {
        let mut last = Vec::new();
        let mut buffer = [0; 4096];
        while let Ok(len @ 1..) = read.read(&mut buffer).await {
            last.extend_from_slice(&buffer[..len]);
        }
        last
    };
    // The server stops reading after its close; the client stops when the server ends TCP.
    let last = tokio::select! {
        last = answers => last,
        () = async { sends.await; std::future::pending().await } => unreachable!(),
    };
    let close = last.windows(4).rposition(|bytes| bytes[0] == 0x88).expect("a close frame");
    u16::from_be_bytes([last[close + 2], last[close + 3]])
}

/// Returns the code of the next frame, a close frame.
async fn close_code(raw: &mut RawClient) -> u16 {
    let (first, payload) = raw.frame().await.expect("a close frame");
    assert_eq!(first, 0x88);
    u16::from_be_bytes([payload[0], payload[1]])
}

#[tokio::test]
async fn times_out_a_head_sent_byte_by_byte() {
    let (server, _ended) = server().await;
    beside(&server, async {
        let mut raw = server.raw().await;
        for byte in handshake("/probed", &"X-Long: and so on\r\n".repeat(100)).as_bytes() {
            if raw.0.write_all(&[*byte]).await.is_err() {
                return;
            }
            sleep(Duration::from_millis(2)).await;
        }
        panic!("it is let in");
    })
    .await;
}

#[tokio::test]
async fn times_out_half_a_frame() {
    let (server, mut ended) = server().await;
    beside(&server, async {
        let mut raw = open(&server, "/probed").await;
        raw.send(&frame(0x82, &[0; 100])[..50]).await;
        assert_eq!(close_code(&mut raw).await, 1001);
    })
    .await;
    assert_eq!(ended.recv().await, Some(CloseReason::Timeout));
}

#[tokio::test]
async fn max_lifetime_ends_a_frame_sent_byte_by_byte() {
    let (server, mut ended) = server().await;
    beside(&server, async {
        let mut raw = open(&server, "/mortal").await;
        // Missing bytes take no memory, but the frame never ends.
        raw.send([0x82, 0xff, 0, 0, 0, 0, 0, 0x0f, 0, 0, 1, 2, 3, 4]).await;
        while raw.0.write_all(b"x").await.is_ok() && ended.is_empty() {
            sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(close_code(&mut raw).await, 1001);
    })
    .await;
    assert_eq!(ended.recv().await, Some(CloseReason::Expired));
}

#[tokio::test]
async fn closes_a_client_that_never_reads() {
    let (server, mut ended) = server().await;
    let reason = beside(&server, async {
        let mut raw = open(&server, "/probed").await;
        let asks = frame(0x82, b"more").repeat(10);
        while ended.is_empty() {
            // The server eventually stops reading.
            let _ = timeout(Duration::from_millis(50), raw.0.write_all(&asks)).await;
        }
        ended.recv().await
    })
    .await;
    assert_eq!(reason, Some(CloseReason::Timeout));
}

/// Asserts that a frame, repeated without end after another, closes the connection with 1008.
async fn endless(first: &[u8], frame: &[u8]) {
    let (server, mut ended) = server().await;
    let code = beside(&server, async {
        let mut raw = open(&server, "/probed").await;
        raw.send(first).await;
        flood(&mut raw, frame).await
    })
    .await;
    assert_eq!(
        (code, ended.recv().await),
        (1008, Some(CloseReason::Protocol(ws_core::ProtocolError::LimitExceeded)))
    );
}

#[tokio::test]
async fn closes_on_endless_pings() {
    endless(&[], &frame(0x89, b"")).await;
}

#[tokio::test]
async fn closes_on_endless_empty_fragments() {
    endless(&frame(0x01, b""), &frame(0x00, b"")).await;
}

#[tokio::test]
async fn closes_on_endless_messages() {
    endless(&[], &frame(0x81, b"")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn max_lifetime_ends_a_client_that_sends_without_pause() {
    let (server, mut ended) = server().await;
    // A read returns one or two frames of 50,000 bytes.
    let message = [&[0x81, 0xfe, 0xc3, 0x50, 0, 0, 0, 0][..], &[b'x'; 50_000]].concat();
    let code = beside(&server, async {
        let mut raw = open(&server, "/mortal").await;
        flood_with(&mut raw, &message).await
    })
    .await;
    assert_eq!((code, ended.recv().await), (1001, Some(CloseReason::Expired)));
}

#[tokio::test]
async fn closes_a_half_open_connection() {
    let (server, mut ended) = server().await;
    beside(&server, async {
        let mut raw = open(&server, "/pinged").await;
        assert_eq!(raw.frame().await, Some((0x89, Vec::new())));
        raw.send(frame(0x8a, b"")).await;
        assert_eq!(raw.frame().await, Some((0x89, Vec::new())));
        assert_eq!(ended.recv().await, Some(CloseReason::PongTimeout));
    })
    .await;
}

/// Connects a client from another loopback address.
async fn from(server: &Server, last: u8) -> RawClient {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), 0))).unwrap();
    RawClient(socket.connect(server.addr).await.unwrap())
}

#[tokio::test]
async fn limits_connections_per_address() {
    let server = serve(Router::new().mount::<Echo>().max_connections_per_address(2)).await;
    let asks = |mut raw: RawClient| async {
        let answer = raw.request(&handshake("/echo", "")).await;
        (raw, answer.status)
    };
    let (first, status) = asks(from(&server, 2).await).await;
    assert_eq!(status, 101);
    let (_second, status) = asks(from(&server, 2).await).await;
    assert_eq!(status, 101);
    let (third, status) = asks(from(&server, 2).await).await;
    assert_eq!(status, 429);
    assert_eq!(asks(from(&server, 3).await).await.1, 101);
    // The refused connection too can take a released permit.
    drop(first);
    let mut third = third;
    let status = timeout(TIMEOUT, async {
        loop {
            let (raw, status) = asks(third).await;
            third = raw;
            if status != 429 {
                return status;
            }
        }
    });
    assert_eq!(status.await.expect("the permit is released"), 101);
}

#[tokio::test]
async fn one_address_cannot_use_up_the_handshakes() {
    let server = serve(Router::new().mount::<Echo>().max_connections_per_address(1)).await;
    let mut silent = Vec::new();
    for _ in 0..1 + 32 {
        silent.push(from(&server, 2).await);
    }
    assert_eq!(from(&server, 2).await.byte().await, None);
    assert_eq!(from(&server, 3).await.request(&handshake("/echo", "")).await.status, 101);
}

#[tokio::test]
async fn limits_handshakes_per_second() {
    let server = serve(Router::new().mount::<Echo>().max_upgrade_rate(1)).await;
    let mut first = server.raw().await;
    let mut second = server.raw().await;
    // Handshakes refused for other reasons do not count.
    assert_eq!(first.request(&handshake("/echo", "Origin: https://evil.example\r\n")).await.status, 403);
    assert_eq!(first.request(&handshake("/echo", "")).await.status, 101);
    let answer = second.request(&handshake("/echo", "")).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
    let status = timeout(TIMEOUT, async {
        loop {
            sleep(Duration::from_millis(100)).await;
            let status = second.request(&handshake("/echo", "")).await.status;
            if status != 503 {
                return status;
            }
        }
    });
    assert_eq!(status.await.expect("the second passes"), 101);
}
