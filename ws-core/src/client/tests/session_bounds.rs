//! The bounds of sessions of clients.

use futures_util::SinkExt;
use tungstenite::Message;

use super::sessions::{Socket, accept_session, close, greeting_with, object, read};
use super::*;
use crate::BoxError;

/// A handler that sends texts of 1,000 bytes, more than the outbox has room for below its high-water mark.
#[websocket]
#[derive(Default)]
struct Sender(Log);

#[websocket]
impl Sender {
    #[on_open]
    fn open(&mut self) -> Vec<String> {
        self.0.add("open");
        (0..200).map(text).collect()
    }
    #[on_text]
    fn text(&mut self, _: &str) {
        self.0.add("text");
    }
    #[on_close]
    fn close(&mut self, reason: &CloseReason) {
        self.0.add(reason);
    }
}

fn text(number: usize) -> String {
    format!("{number:01000}")
}

/// Reads the next message of the application.
async fn read_data(socket: &mut Socket) -> Message {
    loop {
        match read(socket).await {
            Message::Text(text) if text.starts_with("\0{\"ack\":") => {}
            message => return message,
        }
    }
}

async fn expect(socket: &mut Socket, numbers: std::ops::Range<usize>) {
    for number in numbers {
        assert_eq!(read_data(socket).await, Message::text(text(number)));
    }
}

async fn expect_nothing(socket: &mut Socket) {
    let message = tokio::time::timeout(Duration::from_secs(3), read_data(socket)).await;
    assert!(message.is_err(), "{message:?}");
}

async fn begin(io: DuplexStream, buffer: usize) -> Socket {
    let (mut socket, _) = accept_session(io).await;
    socket.send(greeting_with(false, 0, buffer)).await.unwrap();
    socket
}

#[tokio::test(start_paused = true)]
async fn client_waits_for_acknowledgements() {
    let log = Log::default();
    let client = client(|number, io| async move {
        if number == 1 {
            let mut socket = begin(io, 4000).await;
            expect(&mut socket, 0..4).await;
            expect_nothing(&mut socket).await;
            socket.send(object("{\"ack\":1}")).await.unwrap();
            expect(&mut socket, 4..5).await;
            // The acknowledgement is behind messages that the engine does not read, because its outbox is full.
            for _ in 0..20 {
                socket.send(Message::text(text(0))).await.unwrap();
            }
            socket.send(object("{\"ack\":5}")).await.unwrap();
            expect(&mut socket, 5..9).await;
            expect_nothing(&mut socket).await;
        } else {
            let (mut socket, offered) = accept_session(io).await;
            assert!(offered.ends_with(".20"), "{offered}");
            socket.send(greeting_with(true, 7, 4000)).await.unwrap();
            expect(&mut socket, 7..11).await;
            close(socket, 1000).await;
        }
    });
    let ended = client.session(4000).run(|| Sender(log.clone())).await.unwrap();
    assert_eq!((ended.reason, ended.connections), (CloseReason::Remote(Some(Close::default())), 2));
}

/// Messages count as received while the engine does not read them, and are acknowledged in time.
#[tokio::test(start_paused = true)]
async fn messages_that_are_read_ahead_are_acknowledged() {
    let client = client(|_, io| async move {
        let mut socket = begin(io, 4000).await;
        expect(&mut socket, 0..4).await;
        let began = Instant::now();
        socket.send(Message::binary("")).await.unwrap();
        assert_eq!(read(&mut socket).await, object("{\"ack\":1}"));
        assert_eq!(began.elapsed(), Duration::from_secs(5));
        // A quarter of the buffer, with the longest headers.
        for _ in 0..63 {
            socket.send(Message::binary("")).await.unwrap();
        }
        assert_eq!(read(&mut socket).await, object("{\"ack\":64}"));
        assert_eq!(began.elapsed(), Duration::from_secs(5));
        close(socket, 1000).await;
    });
    client.session(4000).run(Sender::default).await.unwrap();
}

/// A handler that sends a message in parts after others.
#[websocket]
#[derive(Default)]
struct PartSender;

#[websocket]
impl PartSender {
    #[on_open]
    async fn open(&mut self, cx: &mut Context<Self>) -> Result<(), BoxError> {
        cx.send(text(0));
        let mut parts = cx.send_parts(MessageKind::Text);
        for number in 0..100 {
            parts.write(text(number).as_bytes()).await?;
        }
        Ok(parts.finish().await?)
    }
}

/// An acknowledgement cannot be sent within a message. If the server waits for one, the client has to go on.
#[tokio::test(start_paused = true)]
async fn message_in_parts_goes_on_beyond_the_buffer() {
    for buffer in [0, 1500] {
        let client = client(move |_, io| async move {
            let mut socket = begin(io, buffer).await;
            expect(&mut socket, 0..1).await;
            socket.send(Message::binary("")).await.unwrap();
            if buffer == 0 {
                // The next message begins beyond the buffer.
                socket.send(object("{\"ack\":1}")).await.unwrap();
            }
            assert_eq!(read_data(&mut socket).await.len(), 100 * 1000);
            close(socket, 1000).await;
        });
        client.session(buffer).run(PartSender::default).await.unwrap();
    }
}

/// The buffer of a client is at least as large as that of the server, up to a limit.
#[tokio::test(start_paused = true)]
async fn buffer_has_room_for_what_a_server_leaves_unacknowledged() {
    for (own, of_server, messages) in [(1, 10_000, 10), (20_000, 1, 20)] {
        let client = client(move |_, io| async move {
            let mut socket = begin(io, of_server).await;
            expect(&mut socket, 0..messages).await;
            expect_nothing(&mut socket).await;
            close(socket, 1000).await;
        });
        client.session(own).run(Sender::default).await.unwrap();
    }
}

/// A server that sends more than a client reads ahead, and never acknowledges: the oldest messages are kept no longer.
#[tokio::test(start_paused = true)]
async fn messages_that_are_read_ahead_are_bounded() {
    let log = Log::default();
    let client = client(|number, io| async move {
        if number == 1 {
            let mut socket = begin(io, 4000).await;
            expect(&mut socket, 0..4).await;
            let most = (64 << 10) / (1000 + size_of::<Message>()) + 1;
            for _ in 0..most - 1 {
                socket.send(Message::text(text(0))).await.unwrap();
            }
            expect_nothing(&mut socket).await;
            socket.send(Message::text(text(0))).await.unwrap();
            expect(&mut socket, 4..6).await;
        } else if number == 2 {
            // The client has dropped the second message.
            let (mut socket, _) = accept_session(io).await;
            socket.send(greeting_with(true, 1, 4000)).await.unwrap();
            assert!(read(&mut socket).await.is_close());
        } else {
            close(begin(io, 4000).await, 1000).await;
        }
    });
    client.session(4000).run(|| Sender(log.clone())).await.unwrap();
    let entries = log.entries();
    assert_eq!(entries.iter().filter(|entry| *entry == "open").count(), 2);
    assert!(entries.contains(&"superseded by a new session".to_owned()), "{entries:?}");
}

/// Empty messages need memory too.
#[tokio::test(start_paused = true)]
async fn empty_messages_that_are_read_ahead_are_bounded() {
    let most = (64 << 10) / size_of::<Message>() + 1;
    let client = client(move |_, io| async move {
        let mut socket = begin(io, 4000).await;
        expect(&mut socket, 0..4).await;
        for _ in 0..most - 1 {
            socket.send(Message::binary("")).await.unwrap();
        }
        expect_nothing(&mut socket).await;
        socket.send(Message::binary("")).await.unwrap();
        expect(&mut socket, 4..6).await;
        close(socket, 1000).await;
    });
    client.session(4000).run(Sender::default).await.unwrap();
}
