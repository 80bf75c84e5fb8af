//! `#[on_close]` exactly once, with the right reason, on every path.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, sleep};

use super::peer::{Log, Peer, connect, connect_with, frame, options};
use crate::clock::now;
use crate::prelude::*;

/// Does what it is told.
#[websocket(idle_timeout = 10s, max_message_size = 100B)]
struct Obedient(Log);

#[websocket]
impl Obedient {
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
            "bad close" => cx.close(1005),
            _ => {}
        }
        Ok(text)
    }

    #[on_close]
    fn close(&mut self, reason: &CloseReason) {
        self.0.send(format!("{reason:?}")).unwrap();
    }
}

/// Says something, expects a close code, and one call of `#[on_close]` with the reason.
#[track_caller]
fn check(
    say: &[u8],
    replies: &'static [&'static str],
    code: u16,
    reason: &'static str,
) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    let say = say.to_vec();
    async move {
        let mut peer = connect(Obedient);
        peer.raw(&say).await;
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
async fn every_reason_once() {
    check(&frame(0x88, &[]), &[], 0, "Remote(None)").await;
    check(&frame(0x88, b"\x03\xe9bye"), &[], 1001, "Remote(Some(Close { code: Away").await;
    check(&frame(0x88, &4999_u16.to_be_bytes()), &[], 4999, "Remote(Some(").await;
    check(&text("stop"), &["before"], 4001, "Stop(Close { code: Library(4001)").await;
    check(&text("crash"), &[], 1011, "Panic(\"sync part\")").await;
    check(&text("crash later"), &[], 1011, "Panic(\"async part\")").await;
    check(&text("fail"), &["before"], 1011, "Error { code: Error, message: \"cannot\" }").await;
    check(&text("bad close"), &["bad close"], 1011, "Error { code: Error, message: \"reply cannot").await;
    check(&text(""), &[""], 1000, "Timeout").await;
    check(b"\x81\x05hello", &[], 1002, "Protocol(BadFrame(\"frame is not masked\"))").await;
    check(&text(&"x".repeat(101)), &[], 1009, "Protocol(MessageTooBig)").await;
    check(&frame(0x81, b"\xff"), &[], 1007, "Protocol(BadEncoding)").await;
}

#[tokio::test(start_paused = true)]
async fn lost() {
    let mut peer = connect(Obedient);
    peer.send("hello").await;
    assert_eq!(peer.text().await, "hello");
    assert_eq!(peer.events().await, ["ConnectionLost(UnexpectedEof)"]);
}

#[tokio::test(start_paused = true)]
async fn half_closed_client_still_gets_its_reply() {
    let mut peer = connect(Obedient);
    peer.send("hello").await;
    peer.io.shutdown().await.unwrap();
    assert_eq!(peer.text().await, "hello");
    assert_eq!(peer.frame().await, None);
    assert_eq!(peer.events().await, ["ConnectionLost(UnexpectedEof)"]);
}

#[tokio::test(start_paused = true)]
async fn shutdown() {
    let mut peer = connect(Obedient);
    peer.send("hello").await;
    assert_eq!(peer.text().await, "hello");
    peer.connections.shut_down(now() + Duration::from_secs(5));
    assert_eq!(peer.closed().await, 1001);
    peer.connections.wait_empty().await;
    assert_eq!(peer.events().await, ["Shutdown"]);
}

#[tokio::test(start_paused = true)]
async fn flood_of_one_method_overflows() {
    let mut peer = connect(Obedient);
    peer.send("flood").await;
    assert_eq!(peer.event().await, "Overflow");
    // What had been accepted before is still delivered to a client that reads after all.
    for _ in 0..52 {
        assert_eq!(peer.frame().await.unwrap().payload.len(), 20_000);
    }
    assert_eq!(peer.closed().await, 1008);
}

#[tokio::test(start_paused = true)]
async fn panic_touches_no_other_connection() {
    let (mut one, mut other) = (connect(Obedient), connect(Obedient));
    one.send("crash").await;
    assert_eq!(one.closed().await, 1011);
    other.send("alive").await;
    assert_eq!(other.text().await, "alive");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_or_heard_after_a_close() {
    let mut peer = connect(Obedient);
    peer.raw(&[text("stop"), text("one more")].concat()).await;
    assert_eq!(peer.text().await, "before");
    assert_eq!(peer.closed().await, 4001);
}

#[tokio::test(start_paused = true)]
async fn server_waits_for_the_answer_to_its_close_but_not_for_ever() {
    let mut peer = connect(Obedient);
    peer.send("stop").await;
    assert_eq!(peer.text().await, "before");
    assert_eq!(peer.frame().await.unwrap().opcode, 8);
    assert!(peer.event().await.starts_with("Stop"), "`#[on_close]` does not wait for the client");
    let start = Instant::now();
    assert!(peer.is_silent(Duration::from_secs(4)).await, "TCP is kept open for the answer");
    assert_eq!(peer.frame().await, None);
    assert!(start.elapsed() < Duration::from_secs(6));
    peer.task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn close_that_crosses_data_is_seen() {
    let mut peer = connect(Obedient);
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
async fn end_between_two_parts_of_a_frame_waits_for_the_answer() {
    let crossing = text("crossing");
    for cut in 0..crossing.len() {
        let mut peer = connect(Obedient);
        peer.raw(&crossing[..cut]).await;
        assert_eq!(peer.frame().await.unwrap().opcode, 8, "the idle timeout");
        peer.raw(&crossing[cut..]).await;
        assert!(peer.is_silent(Duration::from_secs(1)).await, "TCP is kept open, cut at {cut}");
        peer.close(1000).await;
        assert_eq!(peer.frame().await, None);
        assert_eq!(peer.event().await, "Timeout");
    }
}

#[tokio::test(start_paused = true)]
async fn client_that_never_reads_its_close_is_left() {
    let mut peer = connect(Obedient);
    peer.raw(&[text("flood"), frame(0x88, &[])].concat()).await;
    assert_eq!(peer.event().await, "Overflow");
    let start = Instant::now();
    let Peer { task, io, .. } = peer;
    task.await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(6), "{:?}", start.elapsed());
    drop(io);
}

/// Closes by return value, from any method.
#[websocket]
#[derive(Default)]
struct Leaver;

#[websocket]
impl Leaver {
    #[on_open]
    fn open(&mut self) -> (&'static str, Close, &'static str) {
        ("hello", Close::from(1000), "nobody hears this")
    }
}

#[tokio::test(start_paused = true)]
async fn close_as_a_reply() {
    let mut peer = connect(|_| Leaver);
    assert_eq!(peer.text().await, "hello");
    assert_eq!(peer.closed().await, 1000);
}

/// An `on_close` that waits.
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
async fn slow_on_close_runs_whole_and_does_not_hold_the_socket() {
    let mut peer = connect(SlowLeaver);
    let start = Instant::now();
    peer.close(1000).await;
    assert_eq!(peer.closed().await, 1000);
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    assert_eq!(peer.events().await, ["closed"]);
    assert!(start.elapsed() >= Duration::from_secs(100));
}

#[tokio::test(start_paused = true)]
async fn async_method_that_closes_may_go_on() {
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
    assert!(start.elapsed() < Duration::from_secs(1), "the frame goes out while the method is pending");
    assert_eq!(peer.events().await, ["tidied up"]);
}
