//! Clients that cost a server more than they cost themselves: each ends by a limit, and the others
//! are served meanwhile. And who may connect at all.

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

/// Answers more than it hears, and says why it ended.
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

/// The same with a life that ends.
#[websocket(path = "/mortal", max_lifetime = 400ms, close_timeout = 100ms)]
struct Mortal(Reasons);

#[websocket]
impl Mortal {
    #[on_upgrade]
    fn make(State(reasons): State<Reasons>) -> Self {
        Self(reasons)
    }

    /// Slower than a client that sends without end.
    #[on_text]
    fn work(&mut self, _: &str) {
        std::thread::sleep(Duration::from_millis(1));
    }

    #[on_close]
    fn close(&mut self, reason: &CloseReason) {
        self.0.send(reason.clone()).unwrap();
    }
}

/// The same that is asked whether it lives.
#[websocket(path = "/asked", ping_interval = 100ms, pong_timeout = 100ms)]
struct Asked(Reasons);

#[websocket]
impl Asked {
    #[on_upgrade]
    fn make(State(reasons): State<Reasons>) -> Self {
        Self(reasons)
    }

    #[on_close]
    fn close(&mut self, reason: &CloseReason) {
        self.0.send(reason.clone()).unwrap();
    }
}

/// A server, and why its connections ended.
async fn server() -> (Server, mpsc::UnboundedReceiver<CloseReason>) {
    let (reasons, ended) = mpsc::unbounded_channel();
    let router = Router::new().mount::<Echo>().mount::<Probed>().mount::<Mortal>().mount::<Asked>();
    (serve(router.with_state(reasons).handshake_timeout(Duration::from_millis(300))).await, ended)
}

async fn open(server: &Server, path: &str) -> RawClient {
    let mut raw = server.raw().await;
    assert_eq!(raw.request(&handshake(path, "")).await.status, 101);
    raw
}

/// Runs a probe to its end while another client asks and is answered.
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

/// Sends the same frame until the server has enough; returns the close code.
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
    // The server stops to read when it has closed, and the client when that ends TCP.
    let last = tokio::select! {
        last = answers => last,
        () = async { sends.await; std::future::pending().await } => unreachable!(),
    };
    let close = last.windows(4).rposition(|bytes| bytes[0] == 0x88).expect("a close frame");
    u16::from_be_bytes([last[close + 2], last[close + 3]])
}

/// The code of the close frame that comes next.
async fn close_code(raw: &mut RawClient) -> u16 {
    let (first, payload) = raw.frame().await.expect("a close frame");
    assert_eq!(first, 0x88);
    u16::from_be_bytes([payload[0], payload[1]])
}

#[tokio::test]
async fn head_byte_by_byte() {
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
async fn half_a_frame() {
    let (server, mut ended) = server().await;
    beside(&server, async {
        let mut raw = open(&server, "/probed").await;
        raw.send(&frame(0x82, &[0; 100])[..50]).await;
        assert_eq!(close_code(&mut raw).await, 1000);
    })
    .await;
    assert_eq!(ended.recv().await, Some(CloseReason::Timeout));
}

#[tokio::test]
async fn frame_byte_by_byte() {
    let (server, mut ended) = server().await;
    beside(&server, async {
        let mut raw = open(&server, "/mortal").await;
        // What is not there yet takes no memory, but it is sent for ever.
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
async fn never_reading() {
    let (server, mut ended) = server().await;
    let reason = beside(&server, async {
        let mut raw = open(&server, "/probed").await;
        let asks = frame(0x82, b"more").repeat(10);
        while ended.is_empty() {
            // Sooner or later the server stops to read.
            let _ = timeout(Duration::from_millis(50), raw.0.write_all(&asks)).await;
        }
        ended.recv().await
    })
    .await;
    assert_eq!(reason, Some(CloseReason::Timeout));
}

/// A frame that is sent for ever, behind another, ends the connection with 1008.
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
async fn endless_ping() {
    endless(&[], &frame(0x89, b"")).await;
}

#[tokio::test]
async fn endless_empty_fragments() {
    endless(&frame(0x01, b""), &frame(0x00, b"")).await;
}

#[tokio::test]
async fn endless_messages() {
    endless(&[], &frame(0x81, b"")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn client_that_never_lets_a_turn_end() {
    let (server, mut ended) = server().await;
    // A frame of 50,000 bytes, so that one read brings one or two.
    let message = [&[0x81, 0xfe, 0xc3, 0x50, 0, 0, 0, 0][..], &[b'x'; 50_000]].concat();
    let code = beside(&server, async {
        let mut raw = open(&server, "/mortal").await;
        flood_with(&mut raw, &message).await
    })
    .await;
    assert_eq!((code, ended.recv().await), (1001, Some(CloseReason::Expired)));
}

#[tokio::test]
async fn peer_that_is_gone_without_a_word() {
    let (server, mut ended) = server().await;
    beside(&server, async {
        let mut raw = open(&server, "/asked").await;
        assert_eq!(raw.frame().await, Some((0x89, Vec::new())));
        raw.send(frame(0x8a, b"")).await;
        assert_eq!(raw.frame().await, Some((0x89, Vec::new())));
        assert_eq!(ended.recv().await, Some(CloseReason::Timeout));
    })
    .await;
}

/// A client of another address.
async fn from(server: &Server, last: u8) -> RawClient {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), 0))).unwrap();
    RawClient(socket.connect(server.addr).await.unwrap())
}

#[tokio::test]
async fn connections_of_one_address() {
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
    // A place that becomes free can be taken, by the connection that was refused too.
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
    assert_eq!(status.await.expect("the place becomes free"), 101);
}

#[tokio::test]
async fn one_address_does_not_take_the_places_of_handshakes() {
    let server = serve(Router::new().mount::<Echo>().max_connections_per_address(1)).await;
    let mut silent = Vec::new();
    for _ in 0..1 + 32 {
        silent.push(from(&server, 2).await);
    }
    assert_eq!(from(&server, 2).await.byte().await, None);
    assert_eq!(from(&server, 3).await.request(&handshake("/echo", "")).await.status, 101);
}

#[tokio::test]
async fn handshakes_in_a_second() {
    let server = serve(Router::new().mount::<Echo>().max_upgrade_rate(1)).await;
    let mut first = server.raw().await;
    let mut second = server.raw().await;
    // What is refused for another reason does not count.
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
