//! permessage-deflate over HTTP/2 streams.

use h2::client::Builder;
use tests::deflate::Codec;
use tokio::net::TcpStream;

use super::*;

/// Echo with context takeover. Its size limit is low, because the codecs of a debug build are slow. While they work
/// on ten messages of that size, the client waits for the first byte, and no wait is longer than `TIMEOUT`.
#[websocket(path = "/takeover", compress(min_size = 0), max_message_size = 256KiB, outbox_limit = 2MiB)]
#[derive(Default)]
struct Takeover;

#[websocket]
impl Takeover {
    #[on_binary]
    fn binary<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        bytes
    }
}

/// Handler with async methods, without context takeover.
#[websocket(path = "/alone", compress(server_no_context_takeover, client_no_context_takeover, min_size = 0))]
#[derive(Default)]
struct Alone;

#[websocket]
impl Alone {
    #[on_binary]
    async fn binary(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        tokio::task::yield_now().await;
        bytes
    }
}

/// WebSocket client that compresses all messages.
struct Deflated {
    socket: Socket,
    codec: Codec,
    forgets: bool,
}

impl Deflated {
    async fn open(client: &Connection, path: &str) -> Self {
        let mut request = connect(path);
        request.headers_mut().insert("sec-websocket-extensions", "permessage-deflate".parse().unwrap());
        let socket = client.socket(request).await;
        let extensions = socket.response.headers()["sec-websocket-extensions"].to_str().unwrap();
        let forgets = extensions.contains("client_no_context_takeover");
        assert_eq!((forgets, extensions.starts_with("permessage-deflate")), (path == "/alone", true));
        Self { socket, codec: Codec::default(), forgets }
    }

    /// Queues a message as one frame or three. Flow control decides when it is sent.
    fn send(&mut self, message: &[u8], in_parts: bool) {
        if self.forgets {
            self.codec.deflate.reset();
        }
        let payload = self.codec.compress(message);
        let bytes = if in_parts {
            let (first, rest) = payload.split_at(payload.len() / 3);
            let (second, third) = rest.split_at(rest.len() / 2);
            [frame(0x42, first), frame(0x00, second), frame(0x80, third)].concat()
        } else {
            frame(0xc2, &payload)
        };
        self.socket.send.send_data(bytes.into(), false).unwrap();
    }

    async fn next(&mut self) -> Vec<u8> {
        let (first, payload) = self.socket.frame().await.expect("a frame");
        if first == 0x82 {
            // Without context takeover, a message that would not shrink is sent uncompressed.
            assert!(self.forgets);
            return payload;
        }
        assert_eq!(first, 0xc2, "{} bytes", payload.len());
        if self.forgets {
            self.codec.inflate.reset(false);
        }
        self.codec.decompress(&payload)
    }
}

/// Returns repetitive text or noise.
fn message(size: usize, seed: u32) -> Vec<u8> {
    let mut state = seed;
    let words = (0..).map(|n: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        if seed.is_multiple_of(2) {
            (state >> 24).to_le_bytes()[0]
        } else {
            b"what is said again "[n as usize % 19]
        }
    });
    words.take(size).collect()
}

/// Sends in both directions at once. The client's windows have some hundred bytes; the server's have four
/// kibibytes, because there are many sockets.
async fn pass(path: &str, sizes: &[usize], window: u32) {
    let server = serve(Router::new().mount::<Takeover>().mount::<Alone>()).await;
    let stream = TcpStream::connect(server.addr).await.unwrap();
    let client = Connection::with(stream, Builder::new().initial_window_size(window)).await;
    let mut sockets = Vec::new();
    for _ in 0..10 {
        sockets.push(Deflated::open(&client, path).await);
    }
    for (n, &size) in (0..).zip(sizes) {
        for (seed, socket) in (n..).zip(&mut sockets) {
            socket.send(&message(size, seed), seed % 3 == 0);
        }
    }
    for (n, &size) in (0..).zip(sizes) {
        for (seed, socket) in (n..).zip(&mut sockets) {
            assert!(socket.next().await == message(size, seed), "{size} bytes of {seed}");
        }
    }
    for socket in &mut sockets {
        socket.socket.close(1000).await;
        assert_eq!(socket.socket.close_code().await, 1000);
    }
}

const SIZES: [usize; 16] =
    [0, 1, 2, 3, 64, 125, 126, 1000, 4095, 4096, 4097, 16_384, 65_535, 65_536, 100_000, 200_000];

#[tokio::test]
async fn messages_of_many_sizes_pass_small_windows() {
    pass("/takeover", &SIZES, 700).await;
}

#[tokio::test]
async fn messages_without_context_takeover_pass_small_windows() {
    pass("/alone", &SIZES, 700).await;
}

#[tokio::test]
async fn one_byte_messages_pass_a_one_byte_window() {
    pass("/takeover", &[1; 50], 1).await;
    pass("/alone", &[40; 5], 1).await;
}

#[tokio::test]
async fn passes_messages_at_the_size_limit() {
    pass("/takeover", &[256 << 10], 15_000).await;
}

#[tokio::test]
async fn bomb_closes_only_its_own_stream() {
    let server = serve(Router::new().mount::<Takeover>()).await;
    let client = server.http2().await;
    let mut other = Deflated::open(&client, "/takeover").await;
    let mut bomb = Deflated::open(&client, "/takeover").await;
    bomb.send(&vec![0; 8 << 20], false);
    assert_eq!(bomb.socket.close_code().await, 1009);
    other.send(b"alive", false);
    assert_eq!(other.next().await, b"alive");
}
