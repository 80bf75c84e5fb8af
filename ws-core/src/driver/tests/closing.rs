//! `#[on_close]` runs exactly once with the right reason, however the connection closes.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, sleep};

use super::peer::{Log, Peer, connect, connect_with, frame, options};
use crate::clock::now;
use crate::prelude::*;

/// Handler that follows its client's commands.
#[websocket(idle_timeout = 10s, max_message_size = 100B)]
struct Commanded(Log);

#[websocket]
impl Commanded {
    #[on_text]
    async fn text(&mut self, text: String, cx: &mut Context<Self>) -> Result<String, &'static str> {
        match &*text {
            "stop" => {
                cx.send("before");
                cx.close(Close::new(4001, "enough"));
                assert_eq!(cx.buffered(), 2 + 6 + 2 + 2 + 6, "a text and a close frame");
                cx.send("after");
                assert_eq!(cx.buffered(), 18);
            }
            "crash" => panic!("sync part"),
            "crash later" => {
                sleep(Duration::from_millis(5)).await;
                panic!("async part")
            }
            "fail" => {
                cx.send("before");
                return Err("cannot");
            }
            "flood" => {
                for _ in 0..100 {
                    cx.send(vec![0; 20_000]);
                }
            }
            "bad close" => cx.close(1006),
            _ => {}
        }
        Ok(text)
    }

    #[on_close]
    fn close(&mut self, reason: &CloseReason) {
        self.0.send(format!("{reason:?}")).unwrap();
    }
}

/// Sends bytes, and expects replies, a close code and one call of `#[on_close]` with a reason.
#[track_caller]
fn check(
    input: &[u8],
    replies: &'static [&'static str],
    code: u16,
    reason: &'static str,
) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    let input = input.to_vec();
    async move {
        let mut peer = connect(Commanded);
        peer.raw(&input).await;
        for expect in replies {
            assert_eq!(peer.text().await, *expect, "{caller}");
        }
        assert_eq!(peer.closed().await, code, "{caller}");
        let events = peer.events().await;
        assert_eq!(events.len(), 1, "{caller}: {events:?}");
        assert!(events[0].starts_with(reason), "{caller}: {events:?}");
    }
}

fn text(text: &str) -> Vec<u8> {
    frame(0x81, text.as_bytes())
}

#[tokio::test(start_paused = true)]
async fn each_close_reason_is_reported_once() {
    check(&frame(0x88, &[]), &[], 0, "Remote(None)").await;
    check(&frame(0x88, b"\x03\xe9bye"), &[], 1001, "Remote(Some(Close { code: Away").await;
    check(&frame(0x88, &4999_u16.to_be_bytes()), &[], 4999, "Remote(Some(").await;
    check(&text("stop"), &["before"], 4001, "Stop(Close { code: Library(4001)").await;
    check(&text("crash"), &[], 1011, "Panic(\"sync part\")").await;
    check(&text("crash later"), &[], 1011, "Panic(\"async part\")").await;
    check(&text("fail"), &["before"], 1011, "Error { code: Error, message: \"cannot\" }").await;
    check(&text("bad close"), &["bad close"], 1011, "Error { code: Error, message: \"reply cannot").await;
    check(&text(&"x".repeat(101)), &[], 1009, "Protocol(MessageTooBig)").await;
    if !super::HAS_SESSION {
        check(&text(""), &[""], 1001, "Timeout").await;
    }
    if !super::ONLY_MESSAGES {
        check(b"\x81\x05hello", &[], 1002, "Protocol(BadFrame(\"frame is not masked\"))").await;
        check(&frame(0x81, b"\xff"), &[], 1007, "Protocol(BadEncoding)").await;
    }
}

#[tokio::test(start_paused = true)]
async fn disconnect_is_reported() {
    let mut peer = connect(Commanded);
    peer.send("hello").await;
    assert_eq!(peer.text().await, "hello");
    assert_eq!(peer.events().await, ["ConnectionLost(UnexpectedEof)"]);
}

#[tokio::test(start_paused = true)]
async fn half_closed_client_receives_its_reply() {
    if super::HAS_SESSION {
        return; // The session waits for another connection.
    }
    let mut peer = connect(Commanded);
    peer.send("hello").await;
    peer.io.shutdown().await.unwrap();
    assert_eq!(peer.text().await, "hello");
    assert_eq!(peer.frame().await, None);
    assert_eq!(peer.events().await, ["ConnectionLost(UnexpectedEof)"]);
}

#[tokio::test(start_paused = true)]
async fn shutdown_closes_with_1001() {
    let mut peer = connect(Commanded);
    peer.send("hello").await;
    assert_eq!(peer.text().await, "hello");
    peer.connections.shut_down(now() + Duration::from_secs(5));
    assert_eq!(peer.closed().await, 1001);
    peer.connections.wait_empty().await;
    assert_eq!(peer.events().await, ["Shutdown"]);
}

#[tokio::test(start_paused = true)]
async fn flood_of_one_method_overflows() {
    let mut peer = connect(Commanded);
    peer.send("flood").await;
    assert_eq!(peer.event().await, "Overflow");
    // Messages before the overflow are still delivered if the client reads.
    for _ in 0..52 {
        assert_eq!(peer.frame().await.unwrap().payload.len(), 20_000);
    }
    assert_eq!(peer.closed().await, 1013);
}

#[tokio::test(start_paused = true)]
async fn panic_does_not_affect_other_connections() {
    let (mut one, mut other) = (connect(Commanded), connect(Commanded));
    one.send("crash").await;
    assert_eq!(one.closed().await, 1011);
    other.send("alive").await;
    assert_eq!(other.text().await, "alive");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_or_received_after_a_close() {
    let mut peer = connect(Commanded);
    peer.raw(&[text("stop"), text("one more")].concat()).await;
    assert_eq!(peer.text().await, "before");
    assert_eq!(peer.closed().await, 4001);
}

#[tokio::test(start_paused = true)]
async fn server_waits_for_the_close_reply_for_a_limited_time() {
    if super::ONLY_MESSAGES {
        return; // The response answers.
    }
    let mut peer = connect(Commanded);
    peer.send("stop").await;
    assert_eq!(peer.text().await, "before");
    assert_eq!(peer.frame().await.unwrap().opcode, 8);
    assert!(peer.event().await.starts_with("Stop"), "`#[on_close]` does not wait for the client");
    let start = Instant::now();
    assert!(peer.is_silent(Duration::from_secs(4)).await, "the stream stays open for the reply");
    assert_eq!(peer.frame().await, None);
    assert!(start.elapsed() < Duration::from_secs(6));
    peer.task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn close_reply_after_crossing_data_is_received() {
    if super::ONLY_MESSAGES {
        return; // A part of a message.
    }
    let mut peer = connect(Commanded);
    peer.send("stop").await;
    assert_eq!(peer.text().await, "before");
    assert_eq!(peer.frame().await.unwrap().opcode, 8);
    peer.raw(&[text("crossing"), frame(0x01, b"half a mess")].concat()).await;
    peer.raw(&frame(0x88, &4001_u16.to_be_bytes())).await;
    let start = Instant::now();
    assert_eq!(peer.frame().await, None);
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn close_within_a_partial_frame_waits_for_the_reply() {
    if super::HAS_SESSION {
        return; // The idle timeout detaches.
    }
    let crossing = text("crossing");
    for cut in 0..crossing.len() {
        let mut peer = connect(Commanded);
        peer.raw(&crossing[..cut]).await;
        assert_eq!(peer.frame().await.unwrap().opcode, 8, "the idle timeout");
        peer.raw(&crossing[cut..]).await;
        assert!(peer.is_silent(Duration::from_secs(1)).await, "the stream stays open, cut at {cut}");
        peer.close(1000).await;
        assert_eq!(peer.frame().await, None);
        assert_eq!(peer.event().await, "Timeout");
    }
}

#[tokio::test(start_paused = true)]
async fn client_that_never_reads_the_close_frame_is_disconnected() {
    let mut peer = connect(Commanded);
    peer.raw(&[text("flood"), frame(0x88, &[])].concat()).await;
    assert_eq!(peer.event().await, "Overflow");
    let start = Instant::now();
    let Peer { task, io, .. } = peer;
    task.await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(6), "{:?}", start.elapsed());
    drop(io);
}

/// Handler that closes by the return value of a method.
#[websocket]
#[derive(Default)]
struct Leaver;

#[websocket]
impl Leaver {
    #[on_open]
    fn open(&mut self) -> (&'static str, Close, &'static str) {
        ("hello", Close::from(1000), "not sent")
    }
}

#[tokio::test(start_paused = true)]
async fn close_as_a_reply_ends_the_connection() {
    let mut peer = connect(|_| Leaver);
    assert_eq!(peer.text().await, "hello");
    assert_eq!(peer.closed().await, 1000);
}

/// Handler with a slow `#[on_close]`.
#[websocket]
struct SlowLeaver(Log);

#[websocket]
impl SlowLeaver {
    #[on_close]
    async fn close(&mut self) {
        sleep(Duration::from_secs(100)).await;
        self.0.send("closed".into()).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn slow_on_close_completes_and_does_not_delay_the_close() {
    let mut peer = connect(SlowLeaver);
    let start = Instant::now();
    peer.close(1000).await;
    assert_eq!(peer.closed().await, 1000);
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    assert_eq!(peer.events().await, ["closed"]);
    assert!(start.elapsed() >= Duration::from_secs(100));
}

#[tokio::test(start_paused = true)]
async fn async_method_may_continue_after_its_close() {
    #[websocket]
    struct Tidy(Log);

    #[websocket]
    impl Tidy {
        #[on_text]
        async fn text(&mut self, _: &str, cx: &mut Context<Self>) {
            cx.close(1000);
            sleep(Duration::from_secs(30)).await;
            self.0.send("tidied up".into()).unwrap();
        }
    }

    let mut peer = connect_with(64, options::<Tidy>(|_| {}), Tidy);
    let start = Instant::now();
    peer.send("go").await;
    assert_eq!(peer.closed().await, 1000);
    assert!(start.elapsed() < Duration::from_secs(1), "the close frame is sent while the method is pending");
    assert_eq!(peer.events().await, ["tidied up"]);
}
