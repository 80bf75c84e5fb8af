//! permessage-deflate over TCP, against an independent encoder and decoder.

use std::fmt::Write as _;
use std::time::Duration;

use tests::deflate::Codec;
use tests::{RawClient, Server, frame, handshake, serve};
use tokio::io::AsyncReadExt;
use ws_core::prelude::*;

const OFFER: &str = "Sec-WebSocket-Extensions: permessage-deflate\r\n";

/// Client that compresses all messages.
struct Client {
    raw: RawClient,
    extensions: Option<String>,
    codec: Codec,
}

async fn connect(server: &Server, path: &str, offer: &str) -> Client {
    let mut raw = server.raw().await;
    let answer = raw.request(&handshake(path, offer)).await;
    assert_eq!(answer.status, 101);
    let extensions = answer.header("sec-websocket-extensions").map(Into::into);
    Client { raw, extensions, codec: Codec::default() }
}

impl Client {
    async fn send(&mut self, text: &str) {
        let payload = self.codec.compress(text.as_bytes());
        self.raw.send(frame(0xc1, &payload)).await;
    }

    /// Returns the first byte and the inflated payload of the next frame.
    async fn next(&mut self) -> (u8, Vec<u8>) {
        let first = self.raw.byte().await.expect("a frame");
        let len = match self.raw.byte().await.unwrap() {
            126 => usize::from(self.raw.0.read_u16().await.unwrap()),
            127 => usize::try_from(self.raw.0.read_u64().await.unwrap()).unwrap(),
            short => usize::from(short),
        };
        let mut payload = vec![0; len];
        self.raw.0.read_exact(&mut payload).await.unwrap();
        if first & 0x40 != 0 {
            payload = self.codec.decompress(&payload);
        }
        (first, payload)
    }

    #[track_caller]
    fn expect(&mut self, first: u8, payload: &str) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            let (got, bytes) = self.next().await;
            assert!(
                got == first && bytes == payload.as_bytes(),
                "{caller}: {got:x} and {} bytes",
                bytes.len()
            );
        }
    }

    async fn close_code(&mut self) -> u16 {
        self.closed().await.0
    }

    /// Returns the code and the reason of the close frame.
    async fn closed(&mut self) -> (u16, String) {
        let (first, payload) = self.next().await;
        assert_eq!(first, 0x88);
        (u16::from_be_bytes([payload[0], payload[1]]), String::from_utf8(payload[2..].to_vec()).unwrap())
    }
}

#[websocket(path = "/echo", compress, max_message_size = 100KiB)]
#[derive(Default)]
struct Echo;

#[websocket]
impl Echo {
    #[on_upgrade]
    fn join(headers: HeaderMap) -> Upgrade<Self> {
        let is_uncompressed = headers.contains_key("x-uncompressed");
        Upgrade::new(Self).options(|options| {
            if is_uncompressed {
                options.compress = None;
            }
        })
    }

    #[on_text]
    fn text<'a>(&mut self, text: &'a str, cx: &mut Context<Self>) -> Option<&'a str> {
        match text {
            "formatted" => cx.send(format_args!("{:>100}", 1)),
            "json" => cx.send(Json(vec![10; 100])),
            "off and on" => {
                cx.set_compress(false);
                cx.send("a".repeat(100));
                cx.set_compress(true);
                cx.send("a".repeat(100));
            }
            "pause" => {
                cx.set_active(false);
                cx.send_after(Duration::from_millis(50), ());
            }
            "much" => {
                // The outbox limit counts compressed bytes; 10 MB would exceed it.
                for _ in 0..100 {
                    cx.send(vec![0; 100_000]);
                }
            }
            text => return Some(text),
        }
        None
    }

    #[on_info]
    fn resume(&mut self, _: (), cx: &mut Context<Self>) -> &'static str {
        cx.set_active(true);
        "going on"
    }

    #[on_binary]
    fn binary(&mut self, bytes: Bytes) -> Bytes {
        bytes
    }
}

/// Handler whose pending method outlasts the read-ahead limit.
#[websocket(path = "/slow", read_ahead = 4KiB, compress(
    level = 1, server_max_window_bits = 10, server_no_context_takeover, client_no_context_takeover, min_size = 0,
))]
#[derive(Default)]
struct Slow;

#[websocket]
impl Slow {
    #[on_text]
    async fn text(&mut self, text: String) -> String {
        tokio::time::sleep(Duration::from_millis(1)).await;
        text
    }
}

async fn server() -> Server {
    serve(Router::new().mount::<Echo>().mount::<Slow>()).await
}

#[tokio::test]
async fn is_negotiated_after_on_upgrade() {
    let server = server().await;
    let answer = async |path, offer| connect(&server, path, offer).await.extensions;
    assert_eq!(answer("/echo", OFFER).await.unwrap(), "permessage-deflate");
    assert_eq!(answer("/echo", "").await, None);
    assert_eq!(answer("/echo", "Sec-WebSocket-Extensions: foo; bar\r\n").await, None);
    let uncompressed = format!("{OFFER}x-uncompressed: 1\r\n");
    assert_eq!(answer("/echo", &uncompressed).await, None);
    let offers = "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=8\r\n\
                  Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";
    assert_eq!(answer("/echo", offers).await.unwrap(), "permessage-deflate; client_max_window_bits=15");
    let expect = "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=10";
    assert_eq!(answer("/slow", OFFER).await.unwrap(), expect);
}

#[tokio::test]
async fn compresses_messages_that_shrink() {
    let server = server().await;
    let mut client = connect(&server, "/echo", OFFER).await;
    let long = "so long ".repeat(100);
    for _ in 0..3 {
        client.send("short").await;
        client.expect(0x81, "short").await;
        client.send(&long).await;
        client.expect(0xc1, &long).await;
    }
    client.raw.send(frame(0x82, long.as_bytes())).await;
    client.expect(0xc2, &long).await;
    client.raw.send(frame(0x89, &[b'p'; 100])).await;
    client.expect(0x8a, &"p".repeat(100)).await;
    client.send("formatted").await;
    client.expect(0xc1, &format!("{:>100}", 1)).await;
    client.send("json").await;
    client.expect(0xc1, &format!("[{}10]", "10,".repeat(99))).await;
    client.send("off and on").await;
    client.expect(0x81, &"a".repeat(100)).await;
    client.expect(0xc1, &"a".repeat(100)).await;
    client.send("much").await;
    for _ in 0..100 {
        assert_eq!(client.next().await, (0xc2, vec![0; 100_000]));
    }
}

#[tokio::test]
async fn does_not_compress_without_negotiation() {
    let server = server().await;
    let mut client = connect(&server, "/echo", &format!("{OFFER}x-uncompressed: 1\r\n")).await;
    client.raw.send(frame(0x81, &[b'a'; 200])).await;
    client.expect(0x81, &"a".repeat(200)).await;
    client.send("off and on").await;
    assert_eq!(client.close_code().await, 1002);
}

#[tokio::test]
async fn inflates_fragments_while_a_method_is_pending() {
    let server = server().await;
    let mut client = connect(&server, "/slow", OFFER).await;
    let mut stream = Vec::new();
    let texts: Vec<String> = (0..50).fold(Vec::new(), |mut all, n| {
        let mut text = String::new();
        for _ in 0..500 {
            write!(text, "{n} ").unwrap();
        }
        all.push(text);
        all
    });
    for text in &texts {
        client.codec.deflate.reset();
        let payload = client.codec.compress(text.as_bytes());
        let (first, second) = payload.split_at(payload.len() / 2);
        stream.extend([frame(0x41, first), frame(0x89, b""), frame(0x80, second)].concat());
    }
    for piece in stream.chunks(700) {
        client.raw.send(piece).await;
    }
    let mut seen = 0;
    while seen < texts.len() {
        client.codec.inflate.reset(false);
        let (first, payload) = client.next().await;
        if first != 0x8a {
            assert!(first == 0xc1 && payload == texts[seen].as_bytes(), "{seen}");
            seen += 1;
        }
    }
    client.raw.send(frame(0xc1, &[0x00])).await;
    client.expect(0xc1, "").await;
    // Compression would not shrink noise, so noise is sent uncompressed.
    client.raw.send(frame(0x81, b"xyz")).await;
    client.expect(0x81, "xyz").await;
}

#[tokio::test]
async fn pause_stops_reading_compressed_messages() {
    let server = server().await;
    let mut client = connect(&server, "/echo", OFFER).await;
    client.send("pause").await;
    let long = "held back ".repeat(1000);
    client.send(&long).await;
    client.send(&long).await;
    client.expect(0x81, "going on").await;
    client.expect(0xc1, &long).await;
    client.expect(0xc1, &long).await;
    // Close frames are never compressed.
    client.raw.send(frame(0x88, &[3, 232])).await;
    assert_eq!(client.close_code().await, 1000);
}

#[tokio::test]
async fn protocol_errors_close_with_their_codes() {
    let server = server().await;
    let mut bomb = connect(&server, "/echo", OFFER).await;
    let payload = bomb.codec.compress(&vec![0; 50 << 20]);
    bomb.raw.send(frame(0xc2, &payload[..1000])).await;
    assert_eq!(bomb.close_code().await, 1009);
    let mut noise = connect(&server, "/echo", OFFER).await;
    noise.raw.send(frame(0xc2, &[0xff, 0xff])).await;
    assert_eq!(noise.closed().await, (1007, "message cannot be inflated".to_owned()));
    for (first, payload, code) in
        [(0xc1, &[0xff, 0xff][..], 1007), (0xc9, b"", 1002), (0xa1, b"", 1002), (0xc0, b"", 1002)]
    {
        let mut client = connect(&server, "/echo", OFFER).await;
        client.raw.send(frame(first, payload)).await;
        assert_eq!(client.close_code().await, code, "{first:x}");
    }
}
