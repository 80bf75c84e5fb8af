//! Handlers over `WebSocketStream`s, with tungstenite as the peer. The general behaviour of such connections is
//! tested in `driver/tests/managed_transport`.

mod stream;

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::WebSocketStream;
use tungstenite::Message;
use tungstenite::protocol::Role;
use tungstenite::protocol::frame::CloseFrame;

use super::drive;
use crate::handler::Handler;
use crate::prelude::*;
use crate::wire::testing::frame;

type Log = UnboundedSender<String>;
type Socket = WebSocketStream<DuplexStream>;

/// Handler that echoes, and follows its peer's commands.
#[websocket]
struct Echo(Log);

#[websocket]
impl Echo {
    #[on_open]
    fn open(&mut self, cx: &mut Context<Self>) {
        assert_eq!((cx.peer_addr(), cx.subprotocol()), (None, None));
    }

    #[on_text]
    fn text(&mut self, text: &str, cx: &mut Context<Self>) -> String {
        match text {
            "leave" => cx.close(Close::new(4001, "enough")),
            "report" => _ = cx.send_after(Duration::from_secs(1), Report),
            "enough" => {
                (0..20).for_each(|_| cx.send(vec![0; 20_000]));
                cx.close(Close::new(4001, "enough"));
            }
            "flood" => (0..100).for_each(|_| cx.send(vec![0; 20_000])),
            _ => {}
        }
        text.to_owned()
    }

    #[on_binary]
    fn binary(&mut self, bytes: &[u8]) -> Vec<u8> {
        bytes.to_vec()
    }

    #[on_ping]
    fn ping(&mut self, payload: &[u8]) -> Option<Pong> {
        self.0.send(format!("ping {}", payload.len())).unwrap();
        (payload == b"two").then(|| Pong::from("own"))
    }

    #[on_info]
    fn report(&mut self, _: Report, cx: &mut Context<Self>) {
        self.0.send(format!("{} wait", cx.buffered())).unwrap();
    }

    #[on_close]
    fn close(&mut self, reason: &CloseReason) {
        self.0.send(format!("{reason:?}")).unwrap();
    }
}

struct Report;

/// Handler that sleeps for the requested number of milliseconds, then replies.
#[websocket]
struct Sleeper(Log);

#[websocket]
impl Sleeper {
    #[on_text]
    async fn text(&mut self, text: String, cx: &mut Context<Self>) -> String {
        if text == "nap" {
            let addr = cx.addr();
            cx.send_after(Duration::ZERO, Nap(addr, Duration::from_millis(100)));
            return text;
        }
        sleep(Duration::from_millis(text.parse().unwrap())).await;
        text
    }

    #[on_info]
    async fn nap(&mut self, Nap(address, time): Nap) {
        sleep(time).await;
        let _ = address.send(Nap(address.clone(), time));
    }

    #[on_ping]
    async fn ping(&mut self, payload: Vec<u8>) {
        self.0.send(format!("ping {}", payload.len())).unwrap();
    }

    #[on_close]
    async fn close(&mut self, reason: &CloseReason) {
        self.0.send(format!("{reason:?}")).unwrap();
    }
}

/// A mailbox message that keeps a handler busy, because the handler sends itself the next one.
struct Nap(Addr<Sleeper>, Duration);

struct Peer {
    socket: Socket,
    log: UnboundedReceiver<String>,
    task: JoinHandle<CloseReason>,
}

fn other(role: Role) -> Role {
    if role == Role::Server { Role::Client } else { Role::Server }
}

/// Runs a handler in a role, and returns the peer's side.
async fn connect<H: Handler>(buffer: usize, role: Role, make: impl FnOnce(Log) -> H) -> Peer {
    let (peer_io, driver_io) = duplex(buffer);
    let (log, events) = unbounded_channel();
    let stream = WebSocketStream::from_raw_socket(driver_io, role, None).await;
    let task = tokio::spawn(drive(make(log), stream));
    let socket = WebSocketStream::from_raw_socket(peer_io, other(role), None).await;
    Peer { socket, log: events, task }
}

impl Peer {
    async fn send(&mut self, message: impl Into<Message>) {
        self.socket.send(message.into()).await.unwrap();
    }

    async fn next(&mut self) -> Option<Message> {
        let next = timeout(Duration::from_secs(120), self.socket.next()).await;
        next.expect("a message or the end").transpose().unwrap()
    }

    /// Reads to the end. Returns the close reason of `drive` and the handler's log.
    async fn end(mut self) -> (CloseReason, Vec<String>) {
        while self.next().await.is_some() {}
        let reason = self.task.await.unwrap();
        let mut events = Vec::new();
        while let Some(event) = self.log.recv().await {
            events.push(event);
        }
        (reason, events)
    }
}

fn close_frame(code: u16, reason: &'static str) -> Message {
    Message::Close(Some(CloseFrame { code: code.into(), reason: Utf8Bytes::from_static(reason) }))
}

#[tokio::test(start_paused = true)]
async fn messages_of_every_size_in_both_roles() {
    for role in [Role::Server, Role::Client] {
        for len in [0, 1, 125, 126, 65_535, 65_536, 1 << 20] {
            let mut peer = connect(1 << 14, role, Echo).await;
            let (mut to, mut from) = (&mut peer.socket).split();
            let sent = [Message::text("é".repeat(len / 2)), Message::binary(vec![7; len])];
            let sending = async {
                for message in sent.clone() {
                    to.send(message).await.unwrap();
                }
            };
            let receiving = async {
                for message in &sent {
                    assert_eq!(from.next().await.unwrap().unwrap(), *message, "{len} bytes");
                }
            };
            tokio::join!(sending, receiving);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_reply_precedes_the_close() {
    let mut peer = connect(64, Role::Server, Echo).await;
    let (mut to, mut from) = (&mut peer.socket).split();
    let sending = async {
        for n in 0..100 {
            to.feed(Message::text(n.to_string().repeat(20))).await.unwrap();
        }
        to.send(close_frame(4000, "bye")).await.unwrap();
    };
    let receiving = async {
        for n in 0..100 {
            assert_eq!(from.next().await.unwrap().unwrap(), Message::text(n.to_string().repeat(20)));
        }
        assert_eq!(from.next().await.unwrap().unwrap(), close_frame(4000, "bye"));
        assert!(from.next().await.is_none());
    };
    tokio::join!(sending, receiving);
    drop((to, from));
    let reason = CloseReason::Remote(Some(Close::new(4000, "bye")));
    assert_eq!(peer.end().await, (reason.clone(), vec![format!("{reason:?}")]));
}

#[tokio::test(start_paused = true)]
async fn quick_methods_answer_before_the_close_and_slow_ones_do_not() {
    let mut peer = connect(1 << 10, Role::Server, Sleeper).await;
    for text in ["200", "100", "0", "10"] {
        peer.socket.feed(Message::text(text)).await.unwrap();
    }
    peer.send(Message::Close(None)).await;
    for text in ["200", "100", "0", "10"] {
        assert_eq!(peer.next().await, Some(Message::text(text)));
    }
    assert_eq!(peer.next().await, Some(Message::Close(None)));
    assert_eq!(peer.end().await.0, CloseReason::Remote(None));

    let mut peer = connect(1 << 10, Role::Server, Sleeper).await;
    peer.send("900").await;
    peer.send(Message::Close(None)).await;
    let start = Instant::now();
    assert_eq!(peer.next().await, Some(Message::Close(None)));
    assert!(start.elapsed() < Duration::from_millis(300), "a close is answered meanwhile");
    assert_eq!(peer.end().await, (CloseReason::Remote(None), vec!["Remote(None)".into()]));
    assert_eq!(start.elapsed().as_millis() / 10, 90, "the method runs to its end");
}

#[tokio::test(start_paused = true)]
async fn each_ping_has_one_pong() {
    let mut peer = connect(64, Role::Server, Echo).await;
    for payload in ["one", "two", "", "three"] {
        peer.send(Message::Ping(payload.into())).await;
    }
    peer.send("end").await;
    for payload in ["one", "two", "own", "", "three"] {
        assert_eq!(peer.next().await, Some(Message::Pong(payload.into())));
    }
    assert_eq!(peer.next().await, Some(Message::text("end")));
    peer.send(Message::Close(None)).await;
    let events = ["ping 3", "ping 3", "ping 0", "ping 5", "Remote(None)"];
    assert_eq!(peer.end().await.1, events);
}

#[tokio::test(start_paused = true)]
async fn each_ping_has_one_pong_while_a_method_is_pending() {
    let mut peer = connect(64, Role::Server, Sleeper).await;
    peer.send("5000").await;
    let start = Instant::now();
    for payload in ["one", "two"] {
        peer.send(Message::Ping(payload.into())).await;
    }
    for payload in ["one", "two"] {
        assert_eq!(peer.next().await, Some(Message::Pong(payload.into())));
    }
    assert!(start.elapsed() < Duration::from_millis(300), "{:?}", start.elapsed());
    assert!(peer.log.try_recv().is_err(), "`#[on_ping]` waits for the pending method");
    assert_eq!(peer.next().await, Some(Message::text("5000")));
    peer.send(Message::Close(None)).await;
    assert_eq!(peer.end().await.1, ["ping 3", "ping 3", "Remote(None)"]);
}

/// Consecutive methods defer the pong no longer than one method.
#[tokio::test(start_paused = true)]
async fn ping_is_answered_while_mailbox_messages_keep_methods_pending() {
    let mut peer = connect(64, Role::Server, Sleeper).await;
    peer.send("nap").await;
    assert_eq!(peer.next().await, Some(Message::text("nap")));
    for _ in 0..5 {
        let start = Instant::now();
        peer.send(Message::Ping("p".into())).await;
        assert_eq!(peer.next().await, Some(Message::Pong("p".into())));
        assert!(start.elapsed() < Duration::from_millis(300), "{:?}", start.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn handler_closes_with_code_and_text() {
    for role in [Role::Server, Role::Client] {
        let mut peer = connect(64, role, Echo).await;
        peer.send("leave").await;
        assert_eq!(peer.next().await, Some(close_frame(4001, "enough")));
        let reason = CloseReason::Stop(Close::new(4001, "enough"));
        assert_eq!(peer.end().await, (reason.clone(), vec![format!("{reason:?}")]));
    }
}

#[tokio::test(start_paused = true)]
async fn peer_that_does_not_read_overflows() {
    let mut peer = connect(1 << 10, Role::Server, Echo).await;
    peer.send("flood").await;
    assert_eq!(peer.log.recv().await.as_deref(), Some("Overflow"));
    for _ in 0..52 {
        assert_eq!(peer.next().await, Some(Message::binary(vec![0; 20_000])));
    }
    assert_eq!(peer.next().await, Some(close_frame(1013, "reading too slowly")));
    assert_eq!(peer.end().await.0, CloseReason::Overflow);
}

#[tokio::test(start_paused = true)]
async fn unflushed_output_of_the_stream_counts_as_buffered() {
    let mut peer = connect(1 << 10, Role::Server, Echo).await;
    peer.send("report").await;
    peer.send(Message::binary(vec![0; 10_000])).await;
    assert_eq!(peer.log.recv().await.as_deref(), Some("10004 wait"));
}

/// A client that still sends receives the close frame before the stream is shut down.
#[tokio::test(start_paused = true)]
async fn stream_is_shut_down_after_the_answer_to_a_protocol_error() {
    let (mut peer_io, driver_io) = duplex(1 << 10);
    let (log, _events) = unbounded_channel();
    let stream = WebSocketStream::from_raw_socket(driver_io, Role::Server, None).await;
    tokio::spawn(drive(Echo(log), stream));
    peer_io.write_all(b"\x81\x04bare").await.unwrap();
    let mut seen = [0; 23];
    peer_io.read_exact(&mut seen).await.unwrap();
    assert_eq!(&seen, b"\x88\x15\x03\xeaframe is not masked");
    assert!(
        timeout(Duration::from_secs(4), peer_io.read_u8()).await.is_err(),
        "the stream is shut down first"
    );
    peer_io.write_all(b"more").await.expect("the server still reads");
    peer_io.write_all(&frame(0x88, &1002_u16.to_be_bytes())).await.unwrap();
    let end = timeout(Duration::from_millis(1), peer_io.read_u8()).await;
    assert!(end.is_ok_and(|read| read.is_err()), "the stream is not shut down");
}

#[tokio::test(start_paused = true)]
async fn client_role_rejects_masked_frames() {
    let (mut peer_io, driver_io) = duplex(64);
    let (log, _events) = unbounded_channel();
    let stream = WebSocketStream::from_raw_socket(driver_io, Role::Client, None).await;
    let task = tokio::spawn(drive(Echo(log), stream));
    peer_io.write_all(&frame(0x81, b"masked")).await.unwrap();
    let mut server = WebSocketStream::from_raw_socket(peer_io, Role::Server, None).await;
    assert_eq!(server.next().await.unwrap().unwrap(), close_frame(1002, "frame is masked"));
    drop(server);
    assert_eq!(task.await.unwrap().to_string(), "protocol error: frame is masked");
}

#[tokio::test(start_paused = true)]
async fn dropped_future_closes_without_a_close_frame() {
    let mut peer = connect(64, Role::Server, Echo).await;
    peer.send("hello").await;
    assert_eq!(peer.next().await, Some(Message::text("hello")));
    peer.task.abort();
    assert!(peer.log.recv().await.is_none(), "`#[on_close]` does not run");
    assert!(peer.socket.next().await.unwrap().is_err());
}

#[test]
fn future_is_send() {
    fn check<F: Future<Output = CloseReason> + Send>(_: fn(Sleeper, Socket) -> F) {}
    check(drive::<Sleeper, DuplexStream>);
}
