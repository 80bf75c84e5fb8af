//! Handlers over streams of tungstenite, with tungstenite at the other end too. That the promises
//! of a connection hold here is tested with those of the others, in `driver/tests/assisted`.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::WebSocketStream;
use tungstenite::Message;
use tungstenite::protocol::frame::CloseFrame;
use tungstenite::protocol::{Role, WebSocketConfig};

use super::drive;
use crate::handler::Handler;
use crate::prelude::*;
use crate::wire::testing::frame;

type Log = UnboundedSender<String>;
type Socket = WebSocketStream<DuplexStream>;

/// Echoes, and does what it is told.
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

    #[on_close]
    fn close(&mut self, reason: &CloseReason) {
        self.0.send(format!("{reason:?}")).unwrap();
    }
}

/// Sleeps as many milliseconds as it is told, then says so.
#[websocket]
struct Sleeper(Log);

#[websocket]
impl Sleeper {
    #[on_text]
    async fn text(&mut self, text: String) -> String {
        sleep(Duration::from_millis(text.parse().unwrap())).await;
        text
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

struct Peer {
    socket: Socket,
    log: UnboundedReceiver<String>,
    task: JoinHandle<CloseReason>,
}

fn other(role: Role) -> Role {
    if role == Role::Server { Role::Client } else { Role::Server }
}

/// A handler in a role, and the stream at the other end of a buffer.
async fn connect<H: Handler>(buffer: usize, role: Role, make: impl FnOnce(Log) -> H) -> Peer {
    let (near, far) = duplex(buffer);
    let (log, events) = unbounded_channel();
    let stream = WebSocketStream::from_raw_socket(far, role, None).await;
    let task = tokio::spawn(drive(make(log), stream));
    let socket = WebSocketStream::from_raw_socket(near, other(role), None).await;
    Peer { socket, log: events, task }
}

impl Peer {
    async fn send(&mut self, message: impl Into<Message>) {
        self.socket.send(message.into()).await.unwrap();
    }

    async fn next(&mut self) -> Option<Message> {
        let next = timeout(Duration::from_secs(120), self.socket.next()).await;
        next.expect("something comes").transpose().unwrap()
    }

    /// Reads to the end, and returns why `drive` says that it came, and all that the handler said.
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
async fn every_reply_comes_before_the_close() {
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
async fn one_pong_a_ping() {
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
async fn one_pong_a_ping_while_a_method_is_pending() {
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
    assert!(peer.log.try_recv().is_err(), "`#[on_ping]` waits for its turn");
    assert_eq!(peer.next().await, Some(Message::text("5000")));
    peer.send(Message::Close(None)).await;
    assert_eq!(peer.end().await.1, ["ping 3", "ping 3", "Remote(None)"]);
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
    assert_eq!(peer.next().await, Some(close_frame(1008, "reading too slowly")));
    assert_eq!(peer.end().await.0, CloseReason::Overflow);
}

#[tokio::test(start_paused = true)]
async fn client_role_refuses_masked_frames() {
    let (mut near, far) = duplex(64);
    let (log, _events) = unbounded_channel();
    let stream = WebSocketStream::from_raw_socket(far, Role::Client, None).await;
    let task = tokio::spawn(drive(Echo(log), stream));
    near.write_all(&frame(0x81, b"masked")).await.unwrap();
    let mut server = WebSocketStream::from_raw_socket(near, Role::Server, None).await;
    assert_eq!(server.next().await.unwrap().unwrap(), close_frame(1002, "frame is masked"));
    drop(server);
    assert_eq!(task.await.unwrap().to_string(), "protocol fault: frame is masked");
}

/// A stream that was used before, and has bytes that were not asked for: two messages and a half.
#[tokio::test(start_paused = true)]
async fn what_the_stream_has_read_is_not_lost() {
    let (mut near, far) = duplex(1 << 10);
    let all = [frame(0x81, b"1"), frame(0x81, b"2"), frame(0x82, b"3"), frame(0x81, b"four")].concat();
    let (now, later) = all.split_at(all.len() - 6);
    near.write_all(now).await.unwrap();
    let mut stream = WebSocketStream::from_raw_socket(far, Role::Server, None).await;
    assert_eq!(stream.next().await.unwrap().unwrap(), Message::text("1"));
    // And one that it has not sent.
    stream.feed(Message::text("before")).await.unwrap();

    let (log, _events) = unbounded_channel();
    tokio::spawn(drive(Echo(log), stream));
    near.write_all(later).await.unwrap();
    let mut client = WebSocketStream::from_raw_socket(near, Role::Client, None).await;
    for expect in ["before", "2", "3", "four"] {
        assert_eq!(client.next().await.unwrap().unwrap().into_text().unwrap(), expect);
    }
}

#[tokio::test(start_paused = true)]
async fn stream_that_was_closed_before_is_lost() {
    let (near, far) = duplex(1 << 10);
    let mut client = WebSocketStream::from_raw_socket(near, Role::Client, None).await;
    let mut stream = WebSocketStream::from_raw_socket(far, Role::Server, None).await;
    client.send(Message::Close(None)).await.unwrap();
    assert_eq!(stream.next().await.unwrap().unwrap(), Message::Close(None));
    let (log, mut events) = unbounded_channel();
    let reason = drive(Echo(log), stream).await;
    assert_eq!(reason, CloseReason::Lost(std::io::ErrorKind::UnexpectedEof));
    assert_eq!(events.recv().await.as_deref(), Some("Lost(UnexpectedEof)"));
    assert_eq!(client.next().await.unwrap().unwrap(), Message::Close(None));
}

/// Runs an echo with a configuration against a client that says something, to the end.
async fn configured(config: WebSocketConfig, say: Message) -> (Vec<Message>, CloseReason) {
    let (near, far) = duplex(64);
    let (log, _events) = unbounded_channel();
    let stream = WebSocketStream::from_raw_socket(far, Role::Server, Some(config)).await;
    let task = tokio::spawn(drive(Echo(log), stream));
    let mut client = WebSocketStream::from_raw_socket(near, Role::Client, None).await;
    // A fault may be found before all of it is out.
    let _ = client.send(say).await;
    let _ = client.send(Message::Close(None)).await;
    let mut seen = Vec::new();
    while let Some(Ok(message)) = client.next().await {
        seen.push(message);
    }
    drop(client);
    (seen, task.await.unwrap())
}

#[tokio::test(start_paused = true)]
async fn limits_of_the_stream_count_too() {
    let config = || WebSocketConfig::default().write_buffer_size(0);
    let (seen, reason) = configured(config().max_message_size(Some(9)), Message::text("0123456789")).await;
    assert_eq!(seen, [close_frame(1009, "message too big")]);
    assert_eq!(reason.to_string(), "protocol fault: message too big");

    // What does not fit its buffer at once goes out bit by bit.
    let text = Message::text("x".repeat(900));
    let (seen, reason) = configured(config().max_write_buffer_size(910), text.clone()).await;
    assert_eq!(seen, [text, Message::Close(None)]);
    assert_eq!(reason, CloseReason::Remote(None));

    // What never will ends the connection.
    let (seen, reason) =
        configured(config().max_write_buffer_size(900), Message::text("x".repeat(900))).await;
    assert_eq!(seen, []);
    assert_eq!(reason, CloseReason::Lost(std::io::ErrorKind::FileTooLarge));
}

#[tokio::test(start_paused = true)]
async fn several_frames_of_a_turn_fit_a_small_buffer_of_the_stream() {
    #[websocket]
    #[derive(Default)]
    struct Many;

    #[websocket]
    impl Many {
        #[on_open]
        fn open(&mut self) -> Vec<Pong> {
            (0..50).map(|n| Pong::from(vec![n; 100])).collect()
        }

        #[on_pong]
        fn pong(&mut self) -> Close {
            Close::default()
        }
    }

    let (near, far) = duplex(64);
    let config = WebSocketConfig::default().write_buffer_size(0).max_write_buffer_size(103);
    let stream = WebSocketStream::from_raw_socket(far, Role::Server, Some(config)).await;
    tokio::spawn(drive(Many, stream));
    let mut client = WebSocketStream::from_raw_socket(near, Role::Client, None).await;
    for n in 0..50 {
        assert_eq!(client.next().await.unwrap().unwrap(), Message::Pong(vec![n; 100].into()));
    }
    client.send(Message::Pong("".into())).await.unwrap();
    assert_eq!(client.next().await.unwrap().unwrap(), close_frame(1000, ""));
}

#[tokio::test(start_paused = true)]
async fn dropped_it_ends_without_a_word() {
    let mut peer = connect(64, Role::Server, Echo).await;
    peer.send("hello").await;
    assert_eq!(peer.next().await, Some(Message::text("hello")));
    peer.task.abort();
    assert!(peer.log.recv().await.is_none(), "`#[on_close]` does not run");
    assert!(peer.socket.next().await.unwrap().is_err());
}

/// How often a connection is polled while a client does something.
async fn polls<H: Handler>(handler: H, client: impl AsyncFnOnce(&mut Socket)) -> u32 {
    let (near, far) = duplex(1 << 10);
    let stream = WebSocketStream::from_raw_socket(far, Role::Server, None).await;
    let mut client_end = WebSocketStream::from_raw_socket(near, Role::Client, None).await;
    let mut driven = pin!(drive(handler, stream));
    let mut polls = 0;
    let counted = poll_fn(|task| {
        polls += 1;
        Pin::new(&mut driven).poll(task)
    });
    tokio::select! {
        biased;
        reason = counted => panic!("ended: {reason}"),
        () = client(&mut client_end) => polls,
    }
}

#[tokio::test(start_paused = true)]
async fn connection_that_waits_does_not_spin() {
    let waiting = async |_: &mut Socket| sleep(Duration::from_secs(50)).await;
    // As often as the client is, for it is the same task here.
    let (log, _events) = unbounded_channel();
    assert!(polls(Echo(log), waiting).await < 10);
    // While a method is pending.
    let (log, _events) = unbounded_channel();
    let pending = async |socket: &mut Socket| {
        socket.send(Message::text("60000")).await.unwrap();
        socket.send(Message::Ping("p".into())).await.unwrap();
        sleep(Duration::from_secs(50)).await;
    };
    assert!(polls(Sleeper(log), pending).await < 20);
    // While the client does not read.
    let (log, _events) = unbounded_channel();
    let blocked = async |socket: &mut Socket| {
        socket.send(Message::binary(vec![0; 900])).await.unwrap();
        for _ in 0..3 {
            let _ = timeout(Duration::from_secs(1), socket.send(Message::binary(vec![0; 900]))).await;
        }
        sleep(Duration::from_secs(40)).await;
    };
    assert!(polls(Echo(log), blocked).await < 30);
}

#[test]
fn future_is_send() {
    fn check<F: Future<Output = CloseReason> + Send>(_: fn(Sleeper, Socket) -> F) {}
    check(drive::<Sleeper, DuplexStream>);
}
