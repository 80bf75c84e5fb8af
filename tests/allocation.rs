//! What messages and connections cost in memory, as the allocator counts it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use peak_alloc::PeakAlloc;
use tests::deflate::Codec;
use tests::{Raw, Server, frame, handshake, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use ws_core::prelude::*;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

const MIB: usize = 1 << 20;
const LIMIT: usize = MIB;

/// A buffer that grows to the limit is copied from one of half of it. The rest is the thread's: what is
/// read at a time, what is written, and a codec for each direction.
const MOST: usize = LIMIT + LIMIT / 2 + (512 << 10);

/// One test at a time, as the allocator is that of the process. The client's side runs in it too, so
/// what it sends is made before.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// On one thread, of which nothing is left behind.
fn run<T>(case: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(case)
}

/// How many more bytes were allocated at a time, at the most, than when it began.
struct Peak(usize);

impl Peak {
    fn new() -> Self {
        ALLOCATOR.reset_peak_usage();
        Self(ALLOCATOR.current_usage())
    }

    fn so_far(&self) -> usize {
        ALLOCATOR.peak_usage() - self.0
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

/// Reads ahead while its method is pending.
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

/// An echo by an async method, which waits for messages of one byte.
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

async fn server() -> Server {
    let router = Router::new().mount::<Plain>().mount::<Takeover>().mount::<Alone>();
    let router = router.mount::<Silent>().mount::<Slow>().mount::<Async>();
    serve(router).await
}

async fn open(server: &Server, path: &str) -> Raw {
    let mut raw = server.raw().await;
    let answer = raw.ask(&handshake(path, "Sec-WebSocket-Extensions: permessage-deflate\r\n")).await;
    assert_eq!(
        (answer.status, answer.header("sec-websocket-extensions").is_some()),
        (101, !["/plain", "/async"].contains(&path))
    );
    raw
}

/// A mebibyte of zeros, compressed to one kibibyte; as many behind each other as you like are one
/// message, and more than a thousand times as large as it is on the wire no message can be.
fn zeros() -> Vec<u8> {
    let mut zeros = Codec::default().deflated(&vec![0; MIB]);
    zeros.extend([0, 0, 0xff, 0xff]);
    assert!(zeros.len() < 1100, "{}", zeros.len());
    zeros
}

async fn close_code(raw: &mut Raw) -> u16 {
    let (first, payload) = raw.frame().await.expect("a frame");
    assert_eq!(first, 0x88, "{payload:?}");
    u16::from_be_bytes([payload[0], payload[1]])
}

/// Sends a message that would be a gibibyte, in segments.
#[track_caller]
fn explode(path: &str, message: &[u8], segment: usize) {
    let peak = run(async {
        let server = server().await;
        let mut raw = open(&server, path).await;
        raw.0.set_nodelay(true).unwrap();
        let peak = Peak::new();
        for segment in message.chunks(segment) {
            raw.send(segment).await;
        }
        assert_eq!(close_code(&mut raw).await, 1009);
        peak.so_far()
    });
    assert!(peak <= MOST, "{peak} bytes, and not {MOST}");
}

#[test]
fn bomb_costs_no_more_than_the_limit() {
    let _alone = alone();
    let bomb = frame(0xc2, &zeros().repeat(1024));
    for path in ["/takeover", "/alone", "/slow"] {
        explode(path, &bomb, bomb.len());
        explode(path, &bomb, 1000);
    }
    // As little as goes beyond the limit.
    explode("/takeover", &frame(0xc2, &zeros().repeat(2)), 1);
}

#[test]
fn bomb_in_fragments_costs_no_more() {
    let _alone = alone();
    for size in [10, 1000, 100_000] {
        let payload = zeros().repeat(1024);
        let mut bomb = frame(0x42, &[]);
        for part in payload.chunks(size) {
            bomb.extend(frame(0x00, part));
        }
        explode("/takeover", &bomb, bomb.len());
        explode("/alone", &bomb, 50_000);
    }
}

#[test]
fn messages_as_large_as_they_may_be_cost_no_more_when_they_are_many() {
    let _alone = alone();
    let mut message = zeros();
    message.truncate(message.len() - 4);
    let messages = frame(0xc2, &message).repeat(100);
    for path in ["/alone", "/slow"] {
        let peak = run(async {
            let server = server().await;
            let mut raw = open(&server, path).await;
            let peak = Peak::new();
            raw.send(&messages).await;
            for _ in 0..100 {
                let (_, payload) = raw.frame().await.expect("an answer");
                assert!(!payload.is_empty());
            }
            peak.so_far()
        });
        // The method has one, and one is read ahead.
        let most = if path == "/slow" { MOST + LIMIT } else { MOST };
        assert!(peak <= most, "{path}: {peak} bytes, and not {most}");
    }
}

/// What each of many connections has allocated when it has been sent a message and has answered.
fn connection(path: &str, message: &[u8]) -> usize {
    const CONNECTIONS: usize = 64;
    run(async {
        let server = server().await;
        let mut all = Vec::with_capacity(2 * CONNECTIONS);
        // The first have what is the thread's on their bill.
        let mut before = 0;
        for n in 0..2 * CONNECTIONS {
            if n == CONNECTIONS {
                before = ALLOCATOR.current_usage();
            }
            let mut raw = open(&server, path).await;
            raw.send(message).await;
            let (first, _) = raw.frame().await.expect("an answer");
            assert_eq!(first & 0xbf, 0x81);
            all.push(raw);
        }
        (ALLOCATOR.current_usage() - before) / CONNECTIONS
    })
}

#[test]
fn connection_has_nothing_of_a_large_message_behind_it() {
    let _alone = alone();
    let base = connection("/plain", &frame(0x82, b"short"));
    for len in [64 << 10, 300 << 10, LIMIT] {
        let large = connection("/plain", &frame(0x82, &vec![1; len]));
        assert!(large <= base + 1000, "{large} bytes after {len}, {base} after few");
    }
}

#[test]
fn connection_has_codecs_only_while_it_needs_them() {
    /// What is there to say what was agreed upon.
    const LITTLE: usize = 300;
    let _alone = alone();
    let text = b"what is said";
    let (plain, deflated) = (frame(0x81, text), frame(0xc1, &Codec::default().deflated(text)));
    let base = connection("/plain", &plain);
    // The client's side is in it too.
    assert!(base < 8 << 10, "{base} bytes");
    let silent = connection("/silent", &plain);
    assert!(silent <= base + LITTLE, "{silent} bytes with nothing compressed, {base} without");
    let alone = connection("/alone", &deflated);
    assert!(alone <= base + LITTLE, "{alone} bytes between messages, {base} without");
    // Or the others would say nothing.
    let inflates = connection("/silent", &deflated);
    assert!((40 << 10..56 << 10).contains(&inflates), "{inflates} bytes to inflate");
    let both = connection("/takeover", &deflated);
    assert!((400 << 10..450 << 10).contains(&both), "{both} bytes for both");
}

/// Says the same again and again: what was allocated at a time, at the most, for each of the last hundred
/// messages, and what is left of each. The test harness allocates too, now and then, so that it is what
/// most of them cost.
fn echoes(path: &str, text: &[u8]) -> (usize, usize) {
    // A frame without its mask.
    let (message, len) = (frame(0x81, text), frame(0x81, text).len() - 4);
    run(async {
        let server = server().await;
        let mut raw = open(&server, path).await;
        let mut answer = vec![0; len];
        let (mut peaks, mut before) = ([0; 100], 0);
        for n in 0..200 {
            if n == 100 {
                // Those before have what is the thread's on their bill, and the runtime's.
                before = ALLOCATOR.current_usage();
            }
            let peak = Peak::new();
            raw.0.write_all(&message).await.unwrap();
            raw.0.read_exact(&mut answer).await.unwrap();
            assert!(answer.ends_with(text));
            peaks[n % 100] = peak.so_far();
        }
        let left = ALLOCATOR.current_usage().saturating_sub(before);
        peaks.sort_unstable();
        (peaks[50], left / 100)
    })
}

#[test]
fn message_of_a_sync_method_costs_no_allocation() {
    let _alone = alone();
    assert_eq!(echoes("/plain", b"what is said"), (0, 0));
    assert_eq!(echoes("/plain", &[b'x'; 10_000]), (0, 0));
}

#[test]
fn message_of_an_async_method_costs_its_future_and_its_payload() {
    /// What the method above is, with its caller.
    const FUTURE: usize = 256;
    let _alone = alone();
    for text in ["what is said", "x"] {
        let (most, left) = echoes("/async", text.as_bytes());
        assert!((1..=FUTURE + text.len()).contains(&most), "{most} bytes for {text:?}");
        assert_eq!(left, 0, "bytes of each message");
    }
}

/// What the server has allocated for each of many connections that have been sent a message, and have
/// answered: nothing of the client's.
fn idle(path: &str) -> usize {
    const CONNECTIONS: usize = 256;
    let message = frame(0x81, b"what is said");
    run(async {
        let server = server().await;
        let mut all = Vec::with_capacity(2 * CONNECTIONS);
        let mut before = 0;
        for n in 0..2 * CONNECTIONS {
            if n == CONNECTIONS {
                before = ALLOCATOR.current_usage();
            }
            let mut raw = open(&server, path).await;
            raw.send(&message).await;
            assert!(raw.frame().await.is_some());
            // Nothing of it is the runtime's any more, when that has looked.
            all.push(raw.0.into_std().unwrap());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        (ALLOCATOR.current_usage() - before) / CONNECTIONS
    })
}

#[test]
fn idle_connection_holds_nothing_of_its_handshake() {
    /// Its task, its state and its place among the runtime's sockets; hyper's buffer alone has 8 KiB.
    const MOST: usize = 1440;
    let _alone = alone();
    for path in ["/plain", "/async"] {
        let bytes = idle(path);
        assert!(bytes <= MOST, "{bytes} bytes for {path}, and not {MOST}");
    }
}
