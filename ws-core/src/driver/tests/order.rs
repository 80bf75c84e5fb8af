//! Methods run one at a time and in order; the connection still works while a method is pending.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::peer::{Log, connect, connect_with, frame, options};
use crate::prelude::*;

/// Handler that sleeps for the milliseconds in the message, then echoes the message.
#[websocket]
struct Sleeper {
    log: Log,
    running: bool,
    noting: bool,
}

struct Note(&'static str);

#[websocket]
impl Sleeper {
    #[on_text]
    async fn sleep(&mut self, text: String, cx: &mut Context<Self>) -> String {
        assert!(!std::mem::replace(&mut self.running, true), "two methods at a time");
        cx.send(format_args!("begin {text}"));
        sleep(Duration::from_millis(text.parse().unwrap_or(0))).await;
        self.running = false;
        format!("end {text}")
    }

    #[on_ping]
    fn ping(&mut self, payload: &[u8]) {
        assert!(!self.running, "two methods at a time");
        self.log.send(format!("ping {}", payload.len())).unwrap();
    }

    #[on_info]
    fn note(&mut self, Note(note): Note) -> &'static str {
        assert!(!self.running, "two methods at a time");
        note
    }

    #[on_open]
    fn open(&mut self, cx: &mut Context<Self>) {
        if self.noting {
            cx.send_after(Duration::from_millis(280), Note("note"));
        }
    }

    #[on_close]
    async fn close(&mut self, reason: &CloseReason) {
        sleep(Duration::from_millis(10)).await;
        self.log.send(reason.to_string()).unwrap();
    }
}

fn sleeper(log: Log) -> Sleeper {
    Sleeper { log, running: false, noting: false }
}

#[tokio::test(start_paused = true)]
async fn messages_are_handled_one_at_a_time_and_in_order() {
    let mut peer = connect(|log| Sleeper { noting: true, ..sleeper(log) });
    let all = [frame(0x81, b"300"), frame(0x81, b"20"), frame(0x81, b"0")].concat();
    peer.raw(&all).await;
    for expect in ["begin 300", "end 300", "begin 20", "end 20", "begin 0", "end 0", "note"] {
        assert_eq!(peer.text().await, expect);
    }
}

#[tokio::test(start_paused = true)]
async fn ping_is_answered_while_a_method_is_pending() {
    if super::ONLY_MESSAGES {
        return; // Pings.
    }
    let mut peer = connect(sleeper);
    let start = Instant::now();
    peer.send("5000").await;
    assert_eq!(peer.text().await, "begin 5000", "a frame is flushed while its method is pending");
    peer.raw(&frame(0x89, b"ping!")).await;
    let pong = peer.frame().await.unwrap();
    assert_eq!((pong.opcode, &pong.payload[..]), (0xa, &b"ping!"[..]));
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    assert!(peer.log.try_recv().is_err(), "`#[on_ping]` waits for the pending method");
    assert_eq!(peer.text().await, "end 5000");
    assert_eq!(peer.event().await, "ping 5");
}

#[tokio::test(start_paused = true)]
async fn messages_before_a_close_are_handled_before_it() {
    let mut peer = connect(sleeper);
    peer.send("100").await;
    peer.send("200").await;
    peer.close(1000).await;
    for expect in ["begin 100", "end 100", "begin 200", "end 200"] {
        assert_eq!(peer.text().await, expect);
    }
    assert_eq!(peer.closed().await, 1000);
}

#[tokio::test(start_paused = true)]
async fn close_is_received_while_a_method_is_stuck() {
    let mut peer = connect(sleeper);
    let start = Instant::now();
    peer.send("3600000").await;
    assert_eq!(peer.text().await, "begin 3600000");
    peer.close(1001).await;
    assert_eq!(peer.closed().await, 1001);
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    assert_eq!(peer.events().await, ["closed by the client: 1001"]);
}

#[tokio::test(start_paused = true)]
async fn disconnect_is_detected_while_a_method_is_stuck() {
    let mut peer = connect(sleeper);
    peer.send("3600000").await;
    assert_eq!(peer.text().await, "begin 3600000");
    let start = Instant::now();
    assert_eq!(peer.events().await, ["connection lost: unexpected end of file"]);
    // After a poll, the next one may still come.
    let limit = if super::ONLY_MESSAGES { 12 } else { 2 };
    assert!(start.elapsed() < Duration::from_secs(limit), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn protocol_error_does_not_overtake_an_earlier_message() {
    if super::ONLY_MESSAGES {
        return; // A malformed frame.
    }
    let mut peer = connect(sleeper);
    peer.raw(&[frame(0x81, b"50"), b"\x81\x05hello".to_vec()].concat()).await;
    assert_eq!(peer.text().await, "begin 50");
    assert_eq!(peer.text().await, "end 50");
    assert_eq!(peer.closed().await, 1002);
}

/// Handler of async methods with borrowed and owned payloads.
#[websocket]
#[derive(Default)]
struct Payloads;

#[derive(serde::Deserialize)]
struct Sum(Vec<u32>);

#[websocket]
impl Payloads {
    #[on_text]
    async fn borrowed(&mut self, text: &str) -> Json<usize> {
        sleep(Duration::from_millis(1)).await;
        Json(text.len())
    }

    #[on_binary]
    async fn decoded(&mut self, Json(Sum(terms)): Json<Sum>) -> String {
        tokio::task::yield_now().await;
        terms.iter().sum::<u32>().to_string()
    }
}

#[tokio::test(start_paused = true)]
async fn async_methods_take_any_payload() {
    let mut peer = connect(|_| Payloads);
    peer.send("four").await;
    assert_eq!(peer.text().await, "4");
    peer.raw(&frame(0x82, b"[1,2,3]")).await;
    assert_eq!(peer.text().await, "6");
    peer.raw(&frame(0x82, b"[1,2,")).await;
    assert_eq!(peer.closed().await, 1007);
}

#[tokio::test(start_paused = true)]
async fn messages_of_one_read_are_all_handled_whatever_preceded_them() {
    if super::ONLY_MESSAGES {
        return; // Pings.
    }
    let together = [frame(0x81, b"1"), frame(0x81, b"2"), frame(0x81, b"3")].concat();
    let mut peer = connect_with(4096, options::<Sleeper>(|_| {}), sleeper);
    for before in ["a ping", "a message while a method is pending", "nothing"] {
        match before {
            "a ping" => {
                peer.raw(&frame(0x89, b"")).await;
                assert_eq!(peer.frame().await.unwrap().opcode, 10);
            }
            "nothing" => {}
            _ => {
                peer.send("50").await;
                assert_eq!(peer.text().await, "begin 50");
                peer.send("0").await;
                for text in ["end 50", "begin 0", "end 0"] {
                    assert_eq!(peer.text().await, text);
                }
            }
        }
        peer.raw(&together).await;
        for n in 1..=3 {
            for text in [format!("begin {n}"), format!("end {n}")] {
                let next = tokio::time::timeout(Duration::from_secs(1), peer.text());
                assert_eq!(next.await.expect(before), text, "after {before}");
            }
        }
    }
}
