//! Input after the server's close frame: the end of the stream follows the client's close frame, and a client
//! that sends without end is read slowly and not forever.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

use super::peer::{Log, Peer, connect, connect_with, frame, options};
use crate::prelude::*;

const MIB: usize = 1 << 20;

#[websocket(max_message_size = 1MiB, max_message_rate = 5, idle_timeout = 20s, unhandled = close)]
struct Strict(Log);

#[websocket]
impl Strict {
    #[on_text]
    fn text(&mut self, text: &str, cx: &mut Context<Self>) {
        match text {
            "stop" => cx.close(4001),
            "crash" => panic!("on purpose"),
            _ => {}
        }
    }

    #[on_close]
    fn close(&mut self, reason: &CloseReason) {
        self.0.send(format!("{reason:?}")).unwrap();
    }
}

/// Input after which the server closes, with the code of its close frame.
fn causes() -> Vec<(Vec<u8>, u16)> {
    let text = |text: &str| frame(0x81, text.as_bytes());
    vec![
        (b"\x81\x05hello".to_vec(), 1002),
        (frame(0x83, b"opcode"), 1002),
        (frame(0xc1, b"reserved bit"), 1002),
        (frame(0x89, &[0; 126]), 1002),
        (frame(0x81, b"not UTF-8: \xff"), 1007),
        (frame(0x81, &[&[b'x'; 300][..], b"\xff", &[b'x'; 70_000]].concat()), 1007),
        (text("").repeat(6), 1008),
        (frame(0x82, &vec![0; MIB + 1]), 1009),
        ([frame(0x02, &vec![0; MIB]), frame(0x80, b"x")].concat(), 1009),
        (frame(0x82, b"unhandled"), 1003),
        (text("stop"), 4001),
        (text("crash"), 1011),
    ]
}

/// Reads the close frame and returns its code.
async fn code(peer: &mut Peer) -> u16 {
    let close = peer.frame().await.expect("a close frame");
    assert_eq!(close.opcode, 8);
    u16::from_be_bytes([close.payload[0], close.payload[1]])
}

#[tokio::test(start_paused = true)]
async fn stream_ends_after_the_clients_close_frame() {
    for (input, expected) in causes() {
        let mut peer = connect(Strict);
        // More messages follow before the client notices the close frame.
        peer.raw(&[&input[..], &frame(0x81, b"crossing"), &frame(0x82, &[0x88; 200])].concat()).await;
        assert_eq!(code(&mut peer).await, expected);
        assert!(peer.is_silent(Duration::from_secs(4)).await, "{expected}: the stream ended first");
        let start = Instant::now();
        peer.close(expected).await;
        assert_eq!(peer.frame().await, None, "{expected}");
        assert_eq!(start.elapsed(), Duration::ZERO, "{expected}");
    }
}

#[tokio::test(start_paused = true)]
async fn stream_ends_after_a_close_frame_that_is_invalid() {
    for payload in [&b"\x03"[..], b"\x03\xec", b"\x03\xe8\xff"] {
        let mut peer = connect(Strict);
        let start = Instant::now();
        peer.raw(&frame(0x88, payload)).await;
        assert!(matches!(code(&mut peer).await, 1002 | 1007));
        assert_eq!(peer.frame().await, None);
        assert_eq!(start.elapsed(), Duration::ZERO);
    }
}

#[tokio::test(start_paused = true)]
async fn stream_that_is_no_longer_framed_ends_after_the_answer() {
    let mut peer = connect(Strict);
    peer.raw(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff no frames at all").await;
    assert_eq!(code(&mut peer).await, 1002);
    let start = Instant::now();
    peer.close(1002).await;
    assert_eq!(peer.frame().await, None);
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn stream_ends_after_close_timeout_without_an_answer() {
    for (input, expected) in causes() {
        let mut peer = connect(Strict);
        let start = Instant::now();
        peer.raw(&input).await;
        assert_eq!(code(&mut peer).await, expected);
        assert_eq!(peer.frame().await, None);
        let time = start.elapsed();
        assert!(
            (Duration::from_secs(5)..Duration::from_millis(5300)).contains(&time),
            "{expected}: {time:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn client_that_sends_twenty_megabytes_first_receives_the_code() {
    let mut peer = connect_with(64 << 10, options::<Strict>(|_| {}), Strict);
    peer.raw(&frame(0x82, &vec![0; 20_000_000])).await;
    assert_eq!(peer.closed().await, 1009);
}

/// Sends binary frames until the server closes the stream, and returns the number of bytes and the time.
async fn flood(mut peer: Peer) -> (usize, Duration) {
    let frame = frame(0x82, &[0; 10_000]);
    let (start, mut sent) = (Instant::now(), 0);
    while let Ok(len) = peer.io.write(&frame).await {
        sent += len;
    }
    peer.task.await.unwrap();
    (sent, start.elapsed())
}

#[tokio::test(start_paused = true)]
async fn endless_input_is_read_slowly() {
    for (input, expected) in causes() {
        let mut peer = connect_with(64 << 10, options::<Strict>(|_| {}), Strict);
        peer.raw(&input).await;
        assert_eq!(code(&mut peer).await, expected);
        let (sent, _) = flood(peer).await;
        assert!((19 * MIB..22 * MIB).contains(&sent), "{expected}: {sent}");
    }
}

#[tokio::test(start_paused = true)]
async fn discard_limit_resets_the_stream() {
    for limit in [0, 100, 3 * MIB] {
        for (input, expected) in causes() {
            let changed = options::<Strict>(|options| {
                options.discard_limit = limit;
                options.close_timeout = Duration::from_hours(1);
            });
            let mut peer = connect_with(64 << 10, changed, Strict);
            let len = input.len();
            // The largest message exceeds the smaller limits by itself.
            if peer.io.write_all(&input).await.is_ok() {
                assert_eq!(code(&mut peer).await, expected);
            }
            let (sent, time) = flood(peer).await;
            assert!(sent <= limit + (192 << 10), "{expected}: {sent} of {limit}");
            assert!(sent + len + (128 << 10) > limit, "{expected}: {sent} of {limit}");
            assert!(time < Duration::from_secs(2), "{expected}: {time:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn pace_falls_up_to_the_discard_limit() {
    let changed = options::<Strict>(|options| options.close_timeout = Duration::from_hours(1));
    let mut peer = connect_with(64 << 10, changed, Strict);
    peer.send("stop").await;
    assert_eq!(code(&mut peer).await, 4001);
    let (sent, time) = flood(peer).await;
    assert!((64 * MIB..65 * MIB).contains(&sent), "{sent}");
    // 32 MiB at 4 MiB a second, and 32 MiB at 2 MiB a second.
    assert!((23..26).contains(&time.as_secs()), "{time:?}");
}

#[tokio::test(start_paused = true)]
async fn four_clients_are_read_slowly_together() {
    let sent = Arc::<AtomicUsize>::default();
    let mut clients = Vec::new();
    for _ in 0..4 {
        let changed = options::<Strict>(|options| options.close_timeout = Duration::from_hours(1));
        let mut peer = connect_with(64 << 10, changed, Strict);
        peer.raw(&frame(0x82, &vec![0; MIB + 1])).await;
        assert_eq!(code(&mut peer).await, 1009);
        let sent = Arc::clone(&sent);
        clients.push(tokio::spawn(async move {
            let frame = frame(0x82, &[0; 10_000]);
            while let Ok(len) = peer.io.write(&frame).await {
                sent.fetch_add(len, Ordering::Relaxed);
            }
        }));
    }
    let mut seconds = Vec::new();
    while clients.iter().any(|client| !client.is_finished()) {
        let before = sent.load(Ordering::Relaxed);
        tokio::time::sleep(Duration::from_secs(1)).await;
        seconds.push(sent.load(Ordering::Relaxed) - before);
    }
    // The first second also has the megabyte that silence saves up, and a full stream.
    assert!(seconds[0] <= 4 * (5 * MIB + (128 << 10)), "{seconds:?}");
    assert!(seconds[1..].iter().all(|&bytes| bytes <= 4 * (4 * MIB + (64 << 10))), "{seconds:?}");
    let all: usize = seconds.iter().sum();
    assert!((4 * 62 * MIB..4 * 65 * MIB).contains(&all), "{all}");
}
