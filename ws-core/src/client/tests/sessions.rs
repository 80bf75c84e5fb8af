//! Sessions of clients, with servers that speak the protocol message by message.

use futures_util::{SinkExt, StreamExt};
use tungstenite::Message;
use tungstenite::handshake::server::{Request, Response};
use tungstenite::protocol::CloseFrame;

use super::*;

const TOKEN: &str = "AAECAwQFBgcICQoLDA0ODw";
pub(super) const BUFFER: usize = 256 << 10;

pub(super) type Socket = WebSocketStream<DuplexStream>;

/// Accepts a WebSocket, and selects the session protocol. Returns the subprotocols that were offered.
#[expect(clippy::result_large_err, reason = "the type of tungstenite's callbacks")]
pub(super) async fn accept_session(io: DuplexStream) -> (Socket, String) {
    let mut offered = String::new();
    let select = |request: &Request, mut response: Response| {
        offered = request.headers()["sec-websocket-protocol"].to_str().unwrap().to_owned();
        response.headers_mut().insert("sec-websocket-protocol", "ws-core.session.v1".parse().unwrap());
        Ok(response)
    };
    let socket = tokio_tungstenite::accept_hdr_async(io, select).await.unwrap();
    (socket, offered)
}

pub(super) fn greeting(resumed: bool, received: u64) -> Message {
    greeting_with(resumed, received, BUFFER)
}

pub(super) fn greeting_with(resumed: bool, received: u64, buffer: usize) -> Message {
    let resume = 30_000;
    object(&format!(
        "{{\"session\":{{\"buffer\":{buffer},\"received\":{received},\"resume\":{resume},\"resumed\":{resumed},\"token\":\"{TOKEN}\"}}}}"
    ))
}

pub(super) fn object(json: &str) -> Message {
    Message::text(format!("\0{json}"))
}

/// Reads the next message that is not a ping.
pub(super) async fn read(socket: &mut Socket) -> Message {
    loop {
        match socket.next().await.unwrap().unwrap() {
            Message::Ping(_) | Message::Pong(_) => {}
            message => return message,
        }
    }
}

/// Sends a close frame, and waits for the end.
pub(super) async fn close(mut socket: Socket, code: u16) {
    let frame = CloseFrame { code: code.into(), reason: "".into() };
    socket.send(Message::Close(Some(frame))).await.unwrap();
    while let Some(Ok(_)) = socket.next().await {}
}

/// A handler that sends two messages, and logs all that happens.
#[websocket(session)]
#[derive(Default)]
pub(super) struct Pair(pub(super) Log);

#[websocket]
impl Pair {
    #[on_open]
    fn open(&mut self) -> [&'static str; 2] {
        self.0.add("open");
        ["one", "two"]
    }
    #[on_text]
    fn text(&mut self, text: &str) {
        self.0.add(text);
    }
    #[on_detach]
    fn detach(&mut self) {
        self.0.add("detach");
    }
    #[on_attach]
    fn attach(&mut self) -> &'static str {
        self.0.add("attach");
        "three"
    }
    #[on_close]
    fn close(&mut self, reason: &CloseReason) {
        self.0.add(reason);
    }
}

/// The exchange in the chapter about the protocol.
#[tokio::test(start_paused = true)]
async fn session_goes_on_after_a_loss() {
    let log = Log::default();
    let client = client(|number, io| async move {
        let (mut socket, offered) = accept_session(io).await;
        if number == 1 {
            assert_eq!(offered, "ws-core.session.v1");
            socket.send(greeting(false, 0)).await.unwrap();
            assert_eq!(read(&mut socket).await, Message::text("one"));
            assert_eq!(read(&mut socket).await, Message::text("two"));
            socket.send(Message::text("re: one")).await.unwrap();
            tokio::task::yield_now().await;
        } else {
            // The server has `one` only: the client sends the others once more, and nothing twice.
            assert_eq!(offered, format!("ws-core.session.v1, ws-core.resume.{TOKEN}.1"));
            socket.send(greeting(true, 1)).await.unwrap();
            socket.send(object("{\"text\":\"\\u0000re: two\"}")).await.unwrap();
            for expect in ["two", "three"] {
                assert_eq!(read(&mut socket).await, Message::text(expect));
            }
            assert_eq!(read(&mut socket).await, object("{\"ack\":2}"));
            close(socket, 1000).await;
        }
    });
    let ended = client.run(|| Pair(log.clone())).await.unwrap();
    assert_eq!((ended.connections, ended.attempts), (2, 2));
    let expect = ["open", "re: one", "detach", "attach", "\0re: two", "closed by the client: 1000"];
    assert_eq!(log.entries(), expect);
}

#[tokio::test(start_paused = true)]
async fn reset_is_the_end_of_the_handler() {
    let log = Log::default();
    let client = client(|number, io| async move {
        let (mut socket, offered) = accept_session(io).await;
        assert_eq!(offered.contains("resume"), number == 2);
        socket.send(greeting(false, 0)).await.unwrap();
        assert_eq!(read(&mut socket).await, Message::text("one"));
        if number == 2 {
            // The new session numbers from 1 again.
            socket.send(object("{\"ack\":1}")).await.unwrap();
            close(socket, 1000).await;
        }
    });
    let ended = client.run(|| Pair(log.clone())).await.unwrap();
    assert_eq!((ended.connections, ended.attempts), (2, 2));
    let expect = ["open", "detach", "superseded by a new session", "open", "closed by the client: 1000"];
    assert_eq!(log.entries(), expect);
}

/// A server that has restarted without sessions.
#[tokio::test(start_paused = true)]
async fn next_connection_may_have_no_session() {
    let log = Log::default();
    let client = client(|number, io| async move {
        if number == 1 {
            let (mut socket, _) = accept_session(io).await;
            socket.send(greeting(false, 0)).await.unwrap();
            read(&mut socket).await;
        } else {
            let mut socket = accept(io).await;
            assert_eq!(read(&mut socket).await, Message::text("one"));
            socket.send(Message::text("\0{\"ack\":1}")).await.unwrap();
            close(socket, 1000).await;
        }
    });
    client.run(|| Pair(log.clone())).await.unwrap();
    let entries = log.entries();
    assert_eq!(
        entries[2..],
        ["superseded by a new session", "open", "\0{\"ack\":1}", "closed by the client: 1000"]
    );
}

/// A server of an earlier version, which is then updated.
#[tokio::test(start_paused = true)]
async fn first_connection_may_have_no_session() {
    let log = Log::default();
    let client = client(|number, io| async move {
        if number == 1 {
            let mut socket = accept(io).await;
            assert_eq!(read(&mut socket).await, Message::text("one"));
            socket.send(Message::text("\0{}")).await.unwrap();
        } else {
            let (mut socket, offered) = accept_session(io).await;
            assert_eq!(offered, "ws-core.session.v1");
            socket.send(greeting(false, 0)).await.unwrap();
            assert_eq!(read(&mut socket).await, Message::text("one"));
            close(socket, 1000).await;
        }
    });
    // The object `session` may be longer than the messages of the application.
    client.max_message_size(3).run(|| Pair(log.clone())).await.unwrap();
    let lost = "connection lost: unexpected end of file";
    assert_eq!(log.entries(), ["open", "\0{}", lost, "open", "closed by the client: 1000"]);
}

#[tokio::test(start_paused = true)]
async fn client_is_taken_over_once() {
    let client = client(|number, io| async move {
        let (mut socket, _) = accept_session(io).await;
        // The third one is lost, so that the fourth may be taken over again.
        socket.send(greeting(number > 1, 0)).await.unwrap();
        match number {
            2 => drop(socket),
            _ => close(socket, 4900).await,
        }
    });
    let log = Log::default();
    let ended = client.run(|| Pair(log.clone())).await.unwrap();
    assert_eq!((ended.reason, ended.connections), (CloseReason::Remote(Some(4900.into())), 4));
    assert_eq!(log.entries().iter().filter(|entry| *entry == "open").count(), 1);
}

#[tokio::test(start_paused = true)]
async fn session_without_a_connection_ends_when_the_server_gives_it_up() {
    let log = Log::default();
    let client = client(|number, io| async move {
        if number == 1 {
            let (mut socket, _) = accept_session(io).await;
            socket.send(greeting(false, 0)).await.unwrap();
            read(&mut socket).await;
        }
    });
    let policy = |disconnect: &Disconnect<'_>| match disconnect.cause {
        DisconnectCause::Closed(_) if disconnect.attempt > 1 => None,
        _ => Some(Duration::from_secs(7)),
    };
    let began = Instant::now();
    let ended = client.reconnect(policy).run(|| Pair(log.clone())).await.unwrap();
    assert_eq!(ended.reason, CloseReason::ConnectionLost(io::ErrorKind::UnexpectedEof));
    assert_eq!((began.elapsed(), ended.attempts), (Duration::from_secs(30), 5));
    assert_eq!(log.entries(), ["open", "detach", "connection lost: unexpected end of file"]);
}

#[tokio::test(start_paused = true)]
async fn policy_ends_a_session_without_a_connection() {
    let client = client(|number, mut io| async move {
        if number == 1 {
            let (mut socket, _) = accept_session(io).await;
            socket.send(greeting(false, 0)).await.unwrap();
            read(&mut socket).await;
        } else {
            read_head(&mut io).await;
            io.write_all(b"HTTP/1.1 401 x\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        }
    });
    let log = Log::default();
    let error = client.run(|| Pair(log.clone())).await.unwrap_err();
    assert_eq!(error.status(), Some(StatusCode::UNAUTHORIZED));
    assert_eq!(log.entries()[1..], ["detach", "connection lost: unexpected end of file"]);
}

#[tokio::test(start_paused = true)]
async fn violations_end_the_session() {
    let long = format!("{{\"text\":\"{}\"", "x".repeat(100));
    for sent in ["{\"ack\":3}", "{\"ack\":-1}", "{}", "{\"ack\":1,\"ping\":2}", &long] {
        let sent = object(sent);
        let client = client(move |_, io| {
            let sent = sent.clone();
            async move {
                let (mut socket, _) = accept_session(io).await;
                socket.send(greeting(false, 0)).await.unwrap();
                socket.send(object("{\"later\":[]}")).await.unwrap();
                for _ in 0..2 {
                    read(&mut socket).await;
                }
                socket.send(object("{\"ack\":2}")).await.unwrap();
                socket.send(sent).await.unwrap();
                let Message::Close(Some(frame)) = read(&mut socket).await else { panic!("no close") };
                assert_eq!(u16::from(frame.code), 1002);
                socket.close(None).await.unwrap_or_default();
            }
        });
        let ended = client.reconnect(|_: &Disconnect<'_>| None).run(Pair::default).await.unwrap();
        assert!(matches!(ended.reason, CloseReason::Protocol(_)), "{:?}", ended.reason);
    }
}

/// A server that resumes another session, has messages that were not sent, or sends something else first.
#[tokio::test(start_paused = true)]
async fn invalid_greetings_are_refused() {
    for first in
        [Message::text("hello"), object("{\"ack\":0}"), greeting(true, 0), object("{\"session\":{}}")]
    {
        let client = client(move |_, io| {
            let first = first.clone();
            async move {
                let (mut socket, _) = accept_session(io).await;
                socket.send(first).await.unwrap();
                while let Some(Ok(_)) = socket.next().await {}
            }
        });
        let error = client.run(Pair::default).await.unwrap_err();
        assert!(matches!(error, ConnectError::Handshake(_)), "{error}");
    }
    let impossible = client(|number, io| async move {
        let (mut socket, _) = accept_session(io).await;
        socket.send(greeting(number == 2, if number == 2 { 9 } else { 0 })).await.unwrap();
        match number {
            1 => drop(read(&mut socket).await),
            2 => {
                let Message::Close(Some(frame)) = read(&mut socket).await else { panic!("no close") };
                assert_eq!(u16::from(frame.code), 1002);
            }
            _ => close(socket, 1000).await,
        }
    });
    let log = Log::default();
    assert_eq!(impossible.run(|| Pair(log.clone())).await.unwrap().connections, 3);
    assert_eq!(log.entries()[2], "superseded by a new session");
    let silent = client(|_, io| async move {
        let (mut socket, _) = accept_session(io).await;
        while let Some(Ok(_)) = socket.next().await {}
    });
    let error = silent.reconnect(|_: &Disconnect<'_>| None).run(Pair::default).await.unwrap_err();
    assert!(matches!(error, ConnectError::Timeout), "{error}");
}

#[tokio::test(start_paused = true)]
async fn acknowledgements_are_sent_in_time() {
    let client = client(|_, io| async move {
        let (mut socket, _) = accept_session(io).await;
        socket.send(greeting(false, 0)).await.unwrap();
        for expect in ["one", "two"] {
            assert_eq!(read(&mut socket).await, Message::text(expect));
        }
        let began = Instant::now();
        socket.send(Message::text("x")).await.unwrap();
        assert_eq!(read(&mut socket).await, object("{\"ack\":1}"));
        assert_eq!(began.elapsed(), Duration::from_secs(5));
        for _ in 0..128 {
            socket.send(Message::text("x")).await.unwrap();
        }
        assert_eq!(read(&mut socket).await, object("{\"ack\":129}"));
        socket.send(Message::binary(vec![0; BUFFER / 4])).await.unwrap();
        assert_eq!(read(&mut socket).await, object("{\"ack\":130}"));
        assert_eq!(began.elapsed(), Duration::from_secs(5));
        close(socket, 1000).await;
    });
    client.run(Pair::default).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn silent_connection_is_replaced() {
    let client = client(|number, io| async move {
        let (mut socket, _) = accept_session(io).await;
        socket.send(greeting(number > 1, 0)).await.unwrap();
        if number == 1 {
            // Pings are read and answered by a stream that is polled. This one is not.
            std::future::pending::<()>().await;
        }
        assert_eq!(read(&mut socket).await, Message::text("one"));
        close(socket, 1000).await;
    });
    let log = Log::default();
    let began = Instant::now();
    assert_eq!(client.run(|| Pair(log.clone())).await.unwrap().connections, 2);
    assert_eq!(log.entries(), ["open", "detach", "attach", "closed by the client: 1000"]);
    // The interval of pings, the time for the answer, and the delay.
    assert!((45..=46).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
}
