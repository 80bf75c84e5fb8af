//! Memory of messages and connections, as the allocator counts it.

#[path = "allocation/parts.rs"]
mod parts;

use allocation_counter::{AllocationInfo, measure};
use tests::deflate::Codec;
use tests::{RawClient, Server, frame, handshake, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::{Builder, Runtime};
use ws_core::prelude::*;

const MIB: usize = 1 << 20;
const LIMIT: usize = MIB;

/// Peak for a message at the limit. A growing buffer is copied from one of half the size; the remaining bytes
/// are the thread's read and write buffers and a codec per direction.
const MOST: usize = LIMIT + LIMIT / 2 + (512 << 10);

/// Server and client on a single thread, so that allocations of other threads do not count. The client's
/// allocations count; its messages are created before.
struct Stage(Runtime);

impl Stage {
    fn new() -> Self {
        Self(Builder::new_current_thread().enable_all().build().unwrap())
    }

    fn run<T>(&self, case: impl Future<Output = T>) -> T {
        self.0.block_on(case)
    }

    /// Returns a server and a connected client.
    fn begin(&self, path: &str) -> (Server, RawClient) {
        self.run(async {
            let server = server().await;
            let raw = open(&server, path).await;
            (server, raw)
        })
    }

    fn measure(&self, case: impl Future<Output = ()>) -> AllocationInfo {
        measure(|| self.run(case))
    }

    /// Returns the peak of allocated bytes.
    fn peak(&self, case: impl Future<Output = ()>) -> usize {
        usize::try_from(self.measure(case).bytes_max).unwrap()
    }

    /// Returns the bytes that remain allocated, divided by `of`.
    fn left(&self, of: usize, case: impl Future<Output = ()>) -> usize {
        usize::try_from(self.measure(case).bytes_current).unwrap_or(0) / of
    }
}

macro_rules! counts {
    ($($name:ident at $path:literal $(, $options:meta)?;)*) => {$(
        #[websocket(path = $path, max_message_size = LIMIT $(, $options)?)]
        #[derive(Default)]
        struct $name;

        #[websocket]
        impl $name {
            #[on_text]
            fn text<'a>(&mut self, text: &'a str) -> &'a str {
                text
            }

            #[on_binary]
            fn binary(&mut self, bytes: &[u8]) -> String {
                bytes.len().to_string()
            }
        }
    )*};
}

counts! {
    Plain at "/plain";
    Silent at "/silent", compress;
    Takeover at "/takeover", compress(min_size = 0);
    Alone at "/alone", compress(server_no_context_takeover, client_no_context_takeover, min_size = 0);
}

/// Handler whose pending method makes the driver read ahead.
#[websocket(path = "/slow", max_message_size = LIMIT, compress(client_no_context_takeover))]
#[derive(Default)]
struct Slow;

#[websocket]
impl Slow {
    #[on_binary]
    async fn binary(&mut self, bytes: Bytes) -> String {
        tokio::time::sleep(Duration::from_millis(5)).await;
        bytes.len().to_string()
    }
}

/// Echo by an async method, which is pending for messages of one byte.
#[websocket(path = "/async")]
#[derive(Default)]
struct Async;

#[websocket]
impl Async {
    #[on_text]
    async fn text(&mut self, text: String) -> String {
        if text.len() == 1 {
            tokio::task::yield_now().await;
        }
        text
    }
}

/// Echo with a mailbox that stays unused.
#[websocket(path = "/info")]
#[derive(Default)]
struct Informed;

#[websocket]
impl Informed {
    #[on_text]
    fn text<'a>(&mut self, text: &'a str) -> &'a str {
        text
    }

    #[on_info]
    fn info(&mut self, _: u8) {}
}

/// Like [`Informed`], but its address is in use.
#[websocket(path = "/known")]
#[derive(Default)]
struct Known(Option<Addr<Self>>);

#[websocket]
impl Known {
    #[on_open]
    fn open(&mut self, cx: &mut Context<Self>) {
        self.0 = Some(cx.addr());
    }

    #[on_text]
    fn text<'a>(&mut self, text: &'a str) -> &'a str {
        text
    }

    #[on_info]
    fn info(&mut self, _: u8) {}
}

async fn server() -> Server {
    let router = Router::new().mount::<Plain>().mount::<Takeover>().mount::<Alone>();
    let router =
        router.mount::<Silent>().mount::<Slow>().mount::<Async>().mount::<Informed>().mount::<Known>();
    serve(router).await
}

async fn open(server: &Server, path: &str) -> RawClient {
    let mut raw = server.raw().await;
    let answer = raw.request(&handshake(path, "Sec-WebSocket-Extensions: permessage-deflate\r\n")).await;
    assert_eq!(
        (answer.status, answer.header("sec-websocket-extensions").is_some()),
        (101, !["/plain", "/async", "/info", "/known"].contains(&path))
    );
    raw
}

/// Returns a mebibyte of zeros, compressed to one kibibyte. Any number of them in a row form one message.
/// Deflate cannot compress by more than a factor of about a thousand.
fn zeros() -> Vec<u8> {
    let mut zeros = Codec::default().compress(&vec![0; MIB]);
    zeros.extend([0, 0, 0xff, 0xff]);
    assert!(zeros.len() < 1100, "{}", zeros.len());
    zeros
}

async fn close_code(raw: &mut RawClient) -> u16 {
    let (first, payload) = raw.frame().await.expect("a frame");
    assert_eq!(first, 0x88, "{payload:?}");
    u16::from_be_bytes([payload[0], payload[1]])
}

/// Sends a message that would inflate to a gibibyte, in segments.
#[track_caller]
fn send_bomb(path: &str, message: &[u8], segment: usize) {
    let stage = Stage::new();
    let (_server, mut raw) = stage.begin(path);
    raw.0.set_nodelay(true).unwrap();
    let peak = stage.peak(async {
        for segment in message.chunks(segment) {
            raw.send(segment).await;
        }
        assert_eq!(close_code(&mut raw).await, 1009);
    });
    assert!(peak <= MOST, "{peak} bytes, and not {MOST}");
}

#[test]
fn bomb_stays_within_the_message_limit() {
    let bomb = frame(0xc2, &zeros().repeat(1024));
    for path in ["/takeover", "/alone", "/slow"] {
        send_bomb(path, &bomb, bomb.len());
        send_bomb(path, &bomb, 1000);
    }
    // The smallest message above the limit.
    send_bomb("/takeover", &frame(0xc2, &zeros().repeat(2)), 1);
}

#[test]
fn fragmented_bomb_stays_within_the_message_limit() {
    for size in [10, 1000, 100_000] {
        let payload = zeros().repeat(1024);
        let mut bomb = frame(0x42, &[]);
        for part in payload.chunks(size) {
            bomb.extend(frame(0x00, part));
        }
        send_bomb("/takeover", &bomb, bomb.len());
        send_bomb("/alone", &bomb, 50_000);
    }
}

#[test]
fn repeated_messages_at_the_limit_do_not_add_up() {
    let mut message = zeros();
    message.truncate(message.len() - 4);
    let messages = frame(0xc2, &message).repeat(100);
    for path in ["/alone", "/slow"] {
        let stage = Stage::new();
        let (_server, mut raw) = stage.begin(path);
        let peak = stage.peak(async {
            raw.send(&messages).await;
            for _ in 0..100 {
                let (_, payload) = raw.frame().await.expect("an answer");
                assert!(!payload.is_empty());
            }
        });
        // The method holds a message, and another one is read ahead.
        let most = if path == "/slow" { MOST + LIMIT } else { MOST };
        assert!(peak <= most, "{path}: {peak} bytes, and not {most}");
    }
}

/// Returns the bytes per connection after a message and its answer.
fn connection(path: &str, message: &[u8]) -> usize {
    const CONNECTIONS: usize = 64;
    let stage = Stage::new();
    let server = stage.run(server());
    let mut all = Vec::with_capacity(2 * CONNECTIONS);
    let mut more = async || {
        for _ in 0..CONNECTIONS {
            let mut raw = open(&server, path).await;
            raw.send(message).await;
            let (first, _) = raw.frame().await.expect("an answer");
            assert_eq!(first & 0xbf, 0x81);
            all.push(raw);
        }
    };
    // The first connections allocate the thread's buffers.
    stage.run(more());
    stage.left(CONNECTIONS, more())
}

/// Returns the peak of allocated bytes for a handshake.
fn handshake_peak(proxies: &[&str], line: &str) -> usize {
    let (stage, request) = (Stage::new(), handshake("/plain", line));
    let server = stage.run(serve(Router::new().mount::<Plain>().trusted_proxies(proxies)));
    let mut all = Vec::with_capacity(4);
    let mut open = async || {
        let mut raw = RawClient(tokio::net::TcpStream::connect(server.addr).await.unwrap());
        assert_eq!(raw.request(&request).await.status, 101);
        all.push(raw);
    };
    // The first connections allocate the thread's buffers.
    stage.run(open());
    stage.run(open());
    stage.peak(open())
}

#[test]
fn list_of_proxies_is_not_stored() {
    for line in [
        format!("X-Forwarded-For: {}\r\n", "a,".repeat(7000)),
        format!("Forwarded: {}\r\n", "a=a,".repeat(3500)),
    ] {
        let (unread, read) = (handshake_peak(&[], &line), handshake_peak(&["127.0.0.1"], &line));
        assert!(read <= unread + 1024, "{read} bytes, {unread} if the header is not read");
    }
}

#[test]
fn connection_keeps_no_memory_of_a_large_message() {
    let base = connection("/plain", &frame(0x82, b"short"));
    for len in [64 << 10, 300 << 10, LIMIT] {
        let large = connection("/plain", &frame(0x82, &vec![1; len]));
        assert!(large <= base + 1000, "{large} bytes after {len}, {base} after few");
    }
}

#[test]
fn connection_holds_codecs_only_while_in_use() {
    /// Bytes of the negotiated parameters.
    const LITTLE: usize = 300;
    let text = b"a message..";
    let (plain, deflated) = (frame(0x81, text), frame(0xc1, &Codec::default().compress(text)));
    let base = connection("/plain", &plain);
    // The figure includes the client's side.
    assert!(base < 8 << 10, "{base} bytes");
    let silent = connection("/silent", &plain);
    assert!(silent <= base + LITTLE, "{silent} bytes with nothing compressed, {base} without");
    let alone = connection("/alone", &deflated);
    assert!(alone <= base + LITTLE, "{alone} bytes between messages, {base} without");
    // Otherwise the assertions above would prove nothing.
    let inflates = connection("/silent", &deflated);
    assert!((40 << 10..56 << 10).contains(&inflates), "{inflates} bytes to inflate");
    let both = connection("/takeover", &deflated);
    assert!((400 << 10..450 << 10).contains(&both), "{both} bytes for both");
}

/// Returns the allocations of a hundred equal messages.
fn echoes(path: &str, text: &[u8]) -> AllocationInfo {
    // A masked frame with a zero key.
    let (message, len) = (frame(0x81, text), frame(0x81, text).len() - 4);
    let stage = Stage::new();
    let (_server, mut raw) = stage.begin(path);
    let mut answer = vec![0; len];
    let mut hundred = async || {
        for _ in 0..100 {
            raw.0.write_all(&message).await.unwrap();
            raw.0.read_exact(&mut answer).await.unwrap();
            assert!(answer.ends_with(text));
        }
    };
    // The first messages allocate the buffers of the thread and of the runtime.
    stage.run(hundred());
    stage.measure(hundred())
}

#[test]
fn sync_method_allocates_nothing_per_message() {
    for text in [&b"a message.."[..], &[b'x'; 10_000]] {
        assert_eq!(echoes("/plain", text), AllocationInfo::default());
    }
}

#[test]
fn async_method_allocates_future_and_payload() {
    /// Size of the future of the method above, with its caller.
    const FUTURE: usize = 256;
    for text in ["a message..", "x"] {
        let cost = echoes("/async", text.as_bytes());
        let most = usize::try_from(cost.bytes_max).unwrap();
        assert!((1..=FUTURE + text.len()).contains(&most), "{cost:?} for {text:?}");
        // The division drops occasional allocations of the runtime.
        assert_eq!((cost.count_total / 100, cost.bytes_current), (2, 0), "{cost:?} for {text:?}");
    }
}

/// Returns the server's bytes per connection after a message and its answer, without the client's side.
fn idle(path: &str) -> usize {
    const CONNECTIONS: usize = 256;
    let message = frame(0x81, b"a message..");
    let stage = Stage::new();
    let server = stage.run(server());
    let mut all = Vec::with_capacity(2 * CONNECTIONS);
    let mut more = async || {
        for _ in 0..CONNECTIONS {
            let mut raw = open(&server, path).await;
            raw.send(&message).await;
            assert!(raw.frame().await.is_some());
            // The runtime releases the client sockets when it runs next.
            all.push(raw.0.into_std().unwrap());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    stage.run(more());
    stage.left(CONNECTIONS, more())
}

#[test]
fn idle_connection_keeps_no_memory_of_its_handshake() {
    /// Task, state, timer, the entry in the registry, and the runtime's socket registration. hyper's buffer alone would take 8 KiB. An
    /// optimised build needs 150 bytes less.
    const MOST: usize = 1184;
    /// Bytes of a mailbox, once the address is in use. The last 32 are for the calls to the client, which are
    /// elsewhere if there are any, and for what a test reads of a state (feature `test-util`).
    const MAILBOX: usize = 96;
    for (path, most) in [("/plain", MOST), ("/async", MOST), ("/info", MOST), ("/known", MOST + MAILBOX)] {
        let bytes = idle(path);
        assert!(bytes <= most, "{bytes} bytes for {path}, and not {most}");
    }
}
