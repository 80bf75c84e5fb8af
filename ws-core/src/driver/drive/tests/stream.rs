//! State and limits that a `WebSocketStream` brings: buffered messages, its configuration.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context as TaskContext, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tungstenite::protocol::WebSocketConfig;

use super::*;

/// The stream was used before and has buffered two messages and a half.
#[tokio::test(start_paused = true)]
async fn buffered_input_of_the_stream_is_handled() {
    let (mut peer_io, driver_io) = duplex(1 << 10);
    let all = [frame(0x81, b"1"), frame(0x81, b"2"), frame(0x82, b"3"), frame(0x81, b"four")].concat();
    let (now, later) = all.split_at(all.len() - 6);
    peer_io.write_all(now).await.unwrap();
    let mut stream = WebSocketStream::from_raw_socket(driver_io, Role::Server, None).await;
    assert_eq!(stream.next().await.unwrap().unwrap(), Message::text("1"));
    // The stream also has one unsent message.
    stream.feed(Message::text("before")).await.unwrap();

    let (log, _events) = unbounded_channel();
    tokio::spawn(drive(Echo(log), stream));
    let mut client = WebSocketStream::from_raw_socket(peer_io, Role::Client, None).await;
    for expect in ["before", "2", "3"] {
        assert_eq!(client.next().await.unwrap().unwrap().into_text().unwrap(), expect);
    }
    client.get_mut().write_all(later).await.unwrap();
    assert_eq!(client.next().await.unwrap().unwrap(), Message::text("four"));
}

#[tokio::test(start_paused = true)]
async fn buffered_output_of_the_stream_is_sent() {
    let (peer_io, driver_io) = duplex(1 << 10);
    let mut stream = WebSocketStream::from_raw_socket(driver_io, Role::Server, None).await;
    for text in ["one", "two"] {
        stream.feed(Message::text(text)).await.unwrap();
    }
    let (log, _events) = unbounded_channel();
    tokio::spawn(drive(Echo(log), stream));
    let mut client = WebSocketStream::from_raw_socket(peer_io, Role::Client, None).await;
    let start = Instant::now();
    for expect in ["one", "two"] {
        assert_eq!(client.next().await.unwrap().unwrap().into_text().unwrap(), expect);
    }
    assert!(start.elapsed() < Duration::from_secs(1), "the buffered message is sent at once");
}

#[tokio::test(start_paused = true)]
async fn stream_that_was_closed_before_is_a_lost_connection() {
    let (peer_io, driver_io) = duplex(1 << 10);
    let mut client = WebSocketStream::from_raw_socket(peer_io, Role::Client, None).await;
    let mut stream = WebSocketStream::from_raw_socket(driver_io, Role::Server, None).await;
    client.send(Message::Close(None)).await.unwrap();
    assert_eq!(stream.next().await.unwrap().unwrap(), Message::Close(None));
    let (log, mut events) = unbounded_channel();
    let reason = drive(Echo(log), stream).await;
    assert_eq!(reason, CloseReason::ConnectionLost(std::io::ErrorKind::UnexpectedEof));
    assert_eq!(events.recv().await.as_deref(), Some("ConnectionLost(UnexpectedEof)"));
    assert_eq!(client.next().await.unwrap().unwrap(), Message::Close(None));
}

/// Runs an echo with a configuration and one message of the client to its end.
async fn configured(config: WebSocketConfig, message: Message) -> (Vec<Message>, CloseReason) {
    let (peer_io, driver_io) = duplex(64);
    let (log, _events) = unbounded_channel();
    let stream = WebSocketStream::from_raw_socket(driver_io, Role::Server, Some(config)).await;
    let task = tokio::spawn(drive(Echo(log), stream));
    let mut client = WebSocketStream::from_raw_socket(peer_io, Role::Client, None).await;
    // The server may close before the message is sent completely.
    let _ = client.send(message).await;
    let _ = client.send(Message::Close(None)).await;
    let mut seen = Vec::new();
    while let Some(Ok(message)) = client.next().await {
        seen.push(message);
    }
    drop(client);
    (seen, task.await.unwrap())
}

#[tokio::test(start_paused = true)]
async fn limits_of_the_stream_apply_too() {
    let config = || WebSocketConfig::default().write_buffer_size(0);
    let (seen, reason) = configured(config().max_message_size(Some(9)), Message::text("0123456789")).await;
    assert_eq!(seen, [close_frame(1009, "message too big")]);
    assert_eq!(reason.to_string(), "protocol error: message too big");

    // A message above the buffer size is sent in parts.
    let text = Message::text("x".repeat(900));
    let (seen, reason) = configured(config().max_write_buffer_size(910), text.clone()).await;
    assert_eq!(seen, [text, Message::Close(None)]);
    assert_eq!(reason, CloseReason::Remote(None));

    // A message that can never be sent ends the connection.
    let (seen, reason) =
        configured(config().max_write_buffer_size(900), Message::text("x".repeat(900))).await;
    assert_eq!(seen, []);
    assert_eq!(reason, CloseReason::ConnectionLost(std::io::ErrorKind::FileTooLarge));
}

#[tokio::test(start_paused = true)]
async fn several_frames_of_a_poll_fit_a_small_buffer_of_the_stream() {
    #[websocket]
    #[derive(Default)]
    struct Many;

    #[websocket]
    impl Many {
        #[on_open]
        fn open(&mut self) -> Vec<Pong> {
            (0..50).map(|n| Pong::from(vec![n; 58])).collect()
        }

        #[on_pong]
        fn pong(&mut self) -> (Pong, Close) {
            (Pong::from(vec![50; 58]), Close::new(4000, "x".repeat(60)))
        }
    }

    let (peer_io, driver_io) = duplex(64);
    let config = WebSocketConfig::default().write_buffer_size(100).max_write_buffer_size(110);
    let stream = WebSocketStream::from_raw_socket(driver_io, Role::Server, Some(config)).await;
    tokio::spawn(drive(Many, stream));
    let mut client = WebSocketStream::from_raw_socket(peer_io, Role::Client, None).await;
    let pong = |n| Message::Pong(vec![n; 58].into());
    for n in 0..50 {
        assert_eq!(client.next().await.unwrap().unwrap(), pong(n));
    }
    client.send(Message::Pong("".into())).await.unwrap();
    assert_eq!(client.next().await.unwrap().unwrap(), pong(50));
    assert!(
        matches!(client.next().await.unwrap().unwrap(), Message::Close(Some(close)) if close.reason.len() == 60)
    );
}

/// Returns how often a connection is polled while `client` runs.
async fn polls<H: Handler>(handler: H, client: impl AsyncFnOnce(&mut Socket)) -> u32 {
    let (peer_io, driver_io) = duplex(1 << 10);
    let stream = WebSocketStream::from_raw_socket(driver_io, Role::Server, None).await;
    let mut client_end = WebSocketStream::from_raw_socket(peer_io, Role::Client, None).await;
    let mut driven = pin!(drive(handler, stream));
    let mut polls = 0;
    let counted = poll_fn(|task| {
        polls += 1;
        assert!(polls < 1000, "the task spins");
        Pin::new(&mut driven).poll(task)
    });
    tokio::select! {
        biased;
        reason = counted => panic!("ended: {reason}"),
        () = client(&mut client_end) => polls,
    }
}

#[tokio::test(start_paused = true)]
async fn idle_connection_does_not_spin() {
    let waiting = async |_: &mut Socket| sleep(Duration::from_secs(40)).await;
    // The client runs in the same task, so both are polled equally often.
    let (log, _events) = unbounded_channel();
    assert!(polls(Echo(log), waiting).await < 10);
    // While a method is pending.
    let (log, _events) = unbounded_channel();
    let pending = async |socket: &mut Socket| {
        socket.send(Message::text("60000")).await.unwrap();
        socket.send(Message::Ping("p".into())).await.unwrap();
        sleep(Duration::from_secs(40)).await;
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

/// A stream that takes every other write, so that a write may succeed just before a read.
struct Hesitant {
    io: DuplexStream,
    refuses: bool,
}

impl AsyncRead for Hesitant {
    fn poll_read(
        self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_read(task, buf)
    }
}

impl AsyncWrite for Hesitant {
    fn poll_write(self: Pin<&mut Self>, task: &mut TaskContext<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.refuses = !this.refuses;
        if !this.refuses {
            task.waker().wake_by_ref();
            return Poll::Pending;
        }
        Pin::new(&mut this.io).poll_write(task, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(task)
    }

    fn poll_shutdown(self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(task)
    }
}

/// The stream would send its reply to the peer's close before the queued close.
#[tokio::test(start_paused = true)]
async fn reply_to_a_crossing_close_does_not_overtake_our_close() {
    for refuses in [false, true] {
        let (peer_io, io) = duplex(1 << 20);
        let (log, _events) = unbounded_channel();
        let driver_io = Hesitant { io, refuses };
        let stream = WebSocketStream::from_raw_socket(driver_io, Role::Server, None).await;
        let task = tokio::spawn(drive(Echo(log), stream));
        let mut client = WebSocketStream::from_raw_socket(peer_io, Role::Client, None).await;
        client.feed(Message::text("enough")).await.unwrap();
        client.send(close_frame(1000, "")).await.unwrap();
        for _ in 0..20 {
            assert_eq!(client.next().await.unwrap().unwrap(), Message::binary(vec![0; 20_000]));
        }
        assert_eq!(client.next().await.unwrap().unwrap(), close_frame(4001, "enough"));
        drop(client);
        assert_eq!(task.await.unwrap(), CloseReason::Stop(Close::new(4001, "enough")));
    }
}
