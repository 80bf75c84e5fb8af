//! Random messages, cuts and parameters, in both directions at once, with async methods.

use std::time::Duration;

use flate2::{Compress, Compression, Decompress};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf, duplex, split};

use super::{Arc, Connection, Cx, DeflateParams, Handler, frame, now, run};
use crate::prelude::*;
use crate::wire::testing::{peer_deflates, peer_inflates};

/// Handler that echoes, binary messages after a delay, and sends its own messages.
#[websocket(max_control_rate = none)]
struct Talkative(Vec<String>);

struct Next;

#[websocket]
impl Talkative {
    #[on_open]
    fn open(&mut self, cx: &mut Context<Self>) {
        self.0.reverse();
        cx.send_after(Duration::from_millis(1), Next);
    }

    #[on_text]
    fn text<'a>(&mut self, text: &'a str) -> &'a str {
        text
    }

    #[on_binary]
    async fn binary(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        tokio::time::sleep(Duration::from_millis(bytes.len() as u64 % 3)).await;
        bytes
    }

    #[on_info]
    fn next(&mut self, _: Next, cx: &mut Context<Self>) -> Option<String> {
        let text = self.0.pop()?;
        cx.send_after(Duration::from_millis(text.len() as u64 % 3), Next);
        Some(text)
    }
}

/// A message, and how the client sends it.
#[derive(Clone, Debug)]
struct Sent {
    payload: Vec<u8>,
    is_text: bool,
    is_compressed: bool,
    /// Maximum payload of one frame.
    fragment: usize,
    /// Whether pings are sent between its frames.
    pings: bool,
}

/// Generates more or less compressible text, different from the server's own messages.
fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-f]{0,80}", ("[a-z ]{1,20}", 1..1500_usize).prop_map(|(text, times)| text.repeat(times))]
}

fn sent() -> impl Strategy<Value = Sent> {
    let bytes = prop_oneof![text().prop_map(String::into_bytes), prop::collection::vec(any::<u8>(), 0..3000)];
    let payload = prop_oneof![
        text().prop_map(|text| (text.into_bytes(), true)),
        bytes.prop_map(|bytes| (bytes, false))
    ];
    (payload, any::<bool>(), 1..3000_usize, any::<bool>()).prop_map(
        |((payload, is_text), is_compressed, fragment, pings)| Sent {
            payload,
            is_text,
            is_compressed,
            fragment,
            pings,
        },
    )
}

fn agreed() -> impl Strategy<Value = DeflateParams> {
    let takeover = (any::<bool>(), any::<bool>());
    (0..=9_u8, 1..=9_u8, 9..=15_u8, takeover, 0..200_usize).prop_map(
        |(level, mem_level, window_bits, (server_takeover, client_takeover), min_size)| DeflateParams {
            per_frame: false,
            level,
            mem_level,
            window_bits,
            server_takeover,
            client_takeover,
            min_size,
        },
    )
}

/// Sends all messages. Returns the number of pings.
async fn send_all(mut io: WriteHalf<DuplexStream>, messages: &[Sent], takeover: bool) -> usize {
    let mut codec = Compress::new(Compression::default(), false);
    let mut pings = 0;
    for message in messages {
        if !takeover {
            codec.reset();
        }
        let payload = if message.is_compressed {
            peer_deflates(&mut codec, &message.payload)
        } else {
            message.payload.clone()
        };
        let mut rest = &payload[..];
        let mut first = u8::from(!message.is_text) + 1 + (u8::from(message.is_compressed) << 6);
        loop {
            let (part, remaining) = rest.split_at(rest.len().min(message.fragment));
            rest = remaining;
            let fin = u8::from(rest.is_empty()) << 7;
            io.write_all(&frame(fin | first, part)).await.unwrap();
            if rest.is_empty() {
                break;
            }
            first = 0;
            if message.pings {
                io.write_all(&frame(0x89, &pings.to_string().into_bytes())).await.unwrap();
                pings += 1;
            }
        }
    }
    // The server still reads to the end.
    io.write_all(&frame(0x81, b"end")).await.unwrap();
    pings
}

/// Returns the echoes, the server's own messages and the number of pongs.
async fn receive_all(
    io: &mut ReadHalf<DuplexStream>,
    takeover: bool,
    server_messages: usize,
) -> (Vec<Vec<u8>>, Vec<String>, usize) {
    let mut codec = Decompress::new(false);
    let (mut echoes, mut others, mut pongs) = (Vec::new(), Vec::new(), 0);
    let mut is_over = false;
    while !is_over || others.len() < server_messages {
        let first = io.read_u8().await.unwrap();
        let len = match io.read_u8().await.unwrap() {
            126 => usize::from(io.read_u16().await.unwrap()),
            127 => usize::try_from(io.read_u64().await.unwrap()).unwrap(),
            short => usize::from(short),
        };
        let mut payload = vec![0; len];
        io.read_exact(&mut payload).await.unwrap();
        if first & 0x40 != 0 {
            if !takeover {
                codec = Decompress::new(false);
            }
            payload = peer_inflates(&mut codec, &payload);
        }
        match first & 0xbf {
            0x81 if payload == b"end" => is_over = true,
            0x81 if payload.starts_with(b"SENDS ") => others.push(String::from_utf8(payload).unwrap()),
            0x81 | 0x82 => echoes.push(payload),
            0x8a => {
                assert_eq!(payload, pongs.to_string().into_bytes());
                pongs += 1;
            }
            other => panic!("{other:x}: {payload:?}"),
        }
    }
    (echoes, others, pongs)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..Default::default() })]

    #[test]
    fn both_sides_understand_each_other(
        agreed in agreed(),
        messages in prop::collection::vec(sent(), 0..12),
        sends in prop::collection::vec(text().prop_map(|text| format!("SENDS {text}")), 0..8),
        buffer in 1..5000_usize,
        read_ahead in 1..5000_usize,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let (echoes, others, pings, pongs) = runtime.block_on(async {
            let (client, server) = duplex(buffer);
            let mut options = Talkative::CHECKED_DECLARATION.options;
            options.read_ahead = read_ahead;
            let wire = Connection::new(Arc::new(options), Vec::new(), now()).with_compression(Some(agreed));
            let task = tokio::spawn(run(Talkative(sends.clone()), Cx::new(wire, None, None), server, None));
            let (mut read, write) = split(client);
            let talk = send_all(write, &messages, agreed.client_takeover);
            let listen = receive_all(&mut read, agreed.server_takeover, sends.len());
            let (pings, (echoes, others, pongs)) = tokio::join!(talk, listen);
            drop(read);
            task.await.unwrap();
            (echoes, others, pings, pongs)
        });
        let sent: Vec<Vec<u8>> = messages.into_iter().map(|sent| sent.payload).collect();
        prop_assert!(echoes == sent);
        prop_assert_eq!(others, sends);
        prop_assert_eq!(pongs, pings);
    }
}
