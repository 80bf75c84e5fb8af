//! Behaviour of a connection over the frames of draft 76.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::peer::{Log, options};
use crate::clock::now;
use crate::connections::{ConnectionLimits, ConnectionTracker};
use crate::context::Context as Cx;
use crate::driver::run;
use crate::handler::Handler;
use crate::options::Options;
use crate::prelude::*;
use crate::transport::hixie::HixieTransport;
use crate::wire::Connection;

const S: Duration = Duration::from_secs(1);

/// Handler that follows its client's commands.
#[websocket(idle_timeout = 10s, max_message_size = 1000B, max_lifetime = 1h, outbox_limit = 100KiB)]
struct Commanded(Log);

#[websocket]
impl Commanded {
    #[on_text]
    async fn text(&mut self, text: String, cx: &mut Context<Self>) -> String {
        match &*text {
            "binary" => cx.send((vec![0; 10], Ping::default(), Pong::default())),
            "close" => cx.close(Close::new(4001, "enough")),
            "flood" => {
                for _ in 0..100 {
                    cx.send("x".repeat(10_000));
                }
            }
            "slow" => sleep(S).await,
            _ => {}
        }
        text
    }

    #[on_ping]
    fn ping(&mut self) {
        self.0.send("ping".into()).unwrap();
    }

    #[on_pong]
    fn pong(&mut self) {
        self.0.send("pong".into()).unwrap();
    }

    #[on_close]
    fn close(&mut self, reason: &CloseReason) {
        self.0.send(format!("{reason:?}")).unwrap();
    }
}

struct LegacyClient {
    io: DuplexStream,
    log: mpsc::UnboundedReceiver<String>,
    connections: Arc<ConnectionTracker>,
}

/// Connects a client of draft 76 that has sent its keys.
async fn connect(buffer: usize, change: impl FnOnce(&mut Options)) -> LegacyClient {
    connect_to(Commanded, buffer, options::<Commanded>(change)).await
}

/// Like [`connect`], but to another handler.
async fn connect_to<H: Handler>(make: fn(Log) -> H, buffer: usize, mut options: Options) -> LegacyClient {
    let (mut io, server) = duplex(buffer);
    let request = hyper::Request::get("/")
        .header("host", "example.com")
        .header("connection", "Upgrade")
        .header("upgrade", "WebSocket")
        .header("sec-websocket-key1", "1 0")
        .header("sec-websocket-key2", "1 0");
    let legacy = Options { legacy: true, ..Options::DEFAULT };
    let request = request.body(()).unwrap().into_parts().0;
    let challenge = crate::upgrade::check(&request, &legacy).unwrap().challenge().unwrap();
    // As in the router, because draft 76 has no pings.
    options.ping_interval = None;
    let (log, events) = mpsc::unbounded_channel();
    let connections = Arc::<ConnectionTracker>::default();
    let permit = connections.admit(&ConnectionLimits::new(10), None).ok();
    tokio::spawn(async move {
        let hixie =
            HixieTransport::handshake(server, vec![0; 8], challenge, options.max_message_size).await.unwrap();
        let cx = Cx::new(Connection::new(options.into(), Vec::new(), now()), None, None);
        run(make(log), cx, hixie, permit).await
    });
    io.read_exact(&mut [0; 16]).await.unwrap();
    LegacyClient { io, log: events, connections }
}

impl LegacyClient {
    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.io.write_all(bytes.as_ref()).await.expect("the server reads");
    }

    /// Expects these bytes next.
    #[track_caller]
    fn expect(&mut self, bytes: &[u8]) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            let mut got = vec![0; bytes.len()];
            self.io.read_exact(&mut got).await.unwrap_or_else(|error| panic!("{caller}: {error}"));
            assert_eq!(got, bytes, "{caller}");
        }
    }

    /// Expects the close frame, answers, and expects the end of the stream. The handler has to log this reason.
    #[track_caller]
    fn ends(mut self, reason: &str) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            self.expect(b"\xff\x00").await;
            // The server may have closed the stream already.
            let _ = self.io.write_all(b"\xff\x00").await;
            let mut rest = Vec::new();
            self.io.read_to_end(&mut rest).await.unwrap();
            assert_eq!(rest, b"", "{caller}");
            assert_eq!(self.log.recv().await.as_deref(), Some(reason), "{caller}");
            assert_eq!(self.log.recv().await, None, "{caller}: no more events");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn text_is_echoed_and_other_messages_are_dropped() {
    let mut client = connect(64, |_| {}).await;
    client.send(b"\x00hello\xff\x00\xff\x00binary\xff").await;
    client.expect(b"\x00hello\xff\x00\xff\x00binary\xff").await;
    client.send(b"\x80\x02ab\x01ab\xff\x00slow\xff\x00\xe2\x98\x83\xff\xff\x00").await;
    client.expect("\u{0}slow".as_bytes()).await;
    client.expect(b"\xff\x00\xe2\x98\x83\xff").await;
    client.ends("Remote(None)").await;
}

#[tokio::test(start_paused = true)]
async fn handler_closes_and_the_server_awaits_the_reply() {
    let mut client = connect(64, |_| {}).await;
    client.send(b"\x00close\xff").await;
    let start = Instant::now();
    let mut end = Vec::new();
    client.io.read_to_end(&mut end).await.unwrap();
    assert_eq!(end, b"\xff\x00", "and no message after the close");
    assert_eq!(start.elapsed(), 5 * S, "`close_timeout`");
    let mut client = connect(64, |_| {}).await;
    client.send(b"\x00close\xff\x00crosses\xff").await;
    let start = Instant::now();
    client.ends(r#"Stop(Close { code: Library(4001), reason: Utf8Bytes(b"enough") })"#).await;
    assert!(start.elapsed() < S);
}

#[tokio::test(start_paused = true)]
async fn protocol_errors_have_their_reasons() {
    for (sent, reason) in [
        (&[b"\x00", &[b'x'; 1001][..]].concat()[..], "Protocol(MessageTooBig)"),
        (b"\x00caf\xc3\xff", "Protocol(BadEncoding)"),
        (b"\x80\xff\xff\xff\xff\xff\xff", "Protocol(MessageTooBig)"),
        (&[b"\x01", &[b'x'; 1001][..]].concat(), "Protocol(MessageTooBig)"),
        (&[0x80; 100], "Protocol(BadFrame(\"length does not end\"))"),
    ] {
        let mut client = connect(64, |_| {}).await;
        client.send(b"\x00before\xff").await;
        client.send(sent).await;
        // A client that still sends receives the close.
        client.send([b'y'; 500]).await;
        client.expect(b"\x00before\xff").await;
        client.ends(reason).await;
    }
}

#[tokio::test(start_paused = true)]
async fn any_byte_resets_the_idle_timeout() {
    let mut client = connect(64, |_| {}).await;
    let start = Instant::now();
    for bytes in [&b"\x00"[..], b"a", b"\xff", b"\x80", b"\x02", b"ab", b"\x01", b"ab", b"\xff"] {
        sleep(8 * S).await;
        client.send(bytes).await;
    }
    client.expect(b"\x00a\xff").await;
    client.ends("Timeout").await;
    assert_eq!(start.elapsed(), 82 * S);
}

#[tokio::test(start_paused = true)]
async fn lifetime_ends_the_connection() {
    let mut client = connect(64, |options| options.idle_timeout = None).await;
    let start = Instant::now();
    client.send(b"\x00a\xff").await;
    client.expect(b"\x00a\xff").await;
    client.ends("Expired").await;
    assert_eq!(start.elapsed(), 3600 * S);
}

#[tokio::test(start_paused = true)]
async fn shutdown_drains_messages() {
    let mut client = connect(64, |_| {}).await;
    client.send(b"\x00slow\xff\x00second\xff").await;
    sleep(S / 2).await;
    client.connections.shut_down(now() + 10 * S);
    let connections = Arc::clone(&client.connections);
    client.expect(b"\x00slow\xff\x00second\xff").await;
    client.ends("Shutdown").await;
    connections.wait_empty().await;
}

#[tokio::test(start_paused = true)]
async fn client_that_does_not_read_is_closed() {
    let mut client = connect(64, |_| {}).await;
    client.send(b"\x00flood\xff").await;
    sleep(S).await;
    // Queued messages are sent completely if the client begins to read in time.
    for _ in 0..10 {
        client.expect(&[b"\x00", "x".repeat(10_000).as_bytes(), b"\xff"].concat()).await;
    }
    client.ends("Overflow").await;
}

#[tokio::test(start_paused = true)]
async fn server_does_not_read_from_a_client_that_does_not_read() {
    let mut client = connect(64, |options| options.outbox_high_water = 1000).await;
    let message = [b"\x00", &[b'x'; 900][..], b"\xff"].concat();
    let mut sent = 0;
    while tokio::time::timeout(S, client.io.write_all(&message)).await.is_ok() {
        sent += 1;
        assert!(sent < 100, "{sent} messages were read");
    }
    for _ in 0..sent {
        client.expect(&message).await;
    }
}

#[tokio::test(start_paused = true)]
async fn disconnect_is_reported() {
    let LegacyClient { mut io, mut log, .. } = connect(64, |_| {}).await;
    io.write_all(b"\x00a\xff\x00b").await.unwrap();
    drop(io);
    let reason = log.recv().await.unwrap();
    assert!(reason.starts_with("ConnectionLost("), "{reason}");
}

#[test]
fn random_pieces_in_both_directions() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut runner = TestRunner::new(Config { cases: 100, failure_persistence: None, ..Config::default() });
    let texts = prop::collection::vec("[a-zé☃]{0,250}", 1..20);
    let pieces = prop::collection::vec(1..300_usize, 1..20);
    let run = |(texts, pieces, buffer): (Vec<String>, Vec<usize>, usize)| {
        runtime.block_on(async {
            let client = connect(buffer, |_| {}).await;
            let texts: Vec<&str> = texts.iter().map(|text| text.trim_start_matches("slow")).collect();
            let all: Vec<u8> =
                texts.iter().flat_map(|text| [b"\x00", text.as_bytes(), b"\xff"].concat()).collect();
            let (mut read, mut write) = tokio::io::split(client.io);
            let stream = [&all[..], b"\xff\x00"].concat();
            let sent = stream.clone();
            let writer = tokio::spawn(async move {
                let mut rest = &sent[..];
                for len in pieces.iter().cycle() {
                    let (piece, more) = rest.split_at((*len).min(rest.len()));
                    write.write_all(piece).await.unwrap();
                    tokio::task::yield_now().await;
                    rest = more;
                    if rest.is_empty() {
                        break;
                    }
                }
            });
            let mut got = Vec::new();
            read.read_to_end(&mut got).await.unwrap();
            writer.await.unwrap();
            assert_eq!(String::from_utf8_lossy(&got), String::from_utf8_lossy(&stream));
        });
        Ok(())
    };
    runner.run(&(texts, pieces, 1..200_usize), run).unwrap();
}

/// A handler that sends each text back, in parts.
#[websocket]
struct InParts(Log, String);

#[websocket]
impl InParts {
    #[on_part]
    async fn part(&mut self, part: Part<'_>, cx: &mut Context<Self>) -> std::io::Result<()> {
        self.0.send(format!("{} {}", part.is_first(), part.is_last())).unwrap();
        self.1.push_str(part.text().unwrap());
        if part.is_last() {
            let text = std::mem::take(&mut self.1);
            let mut message = cx.send_parts(MessageKind::Text);
            let (start, end) = text.as_bytes().split_at(2);
            message.write(start).await?;
            message.write(end).await?;
            message.finish().await?;
        }
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn messages_in_parts_go_both_ways() {
    let options = InParts::CHECKED_DECLARATION.options;
    let mut client = connect_to(|log| InParts(log, String::new()), 64, options).await;
    client.send("\0a☃".as_bytes()).await;
    assert_eq!(client.log.recv().await.unwrap(), "true false");
    client.send("☃b".as_bytes()).await;
    assert_eq!(client.log.recv().await.unwrap(), "false false");
    client.send(b"\xff").await;
    assert_eq!(client.log.recv().await.unwrap(), "false true");
    client.expect(b"\x00").await;
    client.expect("a☃☃b".as_bytes()).await;
    client.expect(b"\xff").await;
}
