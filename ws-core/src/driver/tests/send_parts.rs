//! Messages that a method sends in parts: `cx.send_parts`.

use std::io;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::MANAGED_TRANSPORT;
use super::peer::{Log, Peer, connect_with, frame, options};
use crate::prelude::*;

const S: Duration = Duration::from_secs(1);

/// What a handler writes next.
enum Step {
    Write(Vec<u8>),
    Finish,
    Panic,
    Drop,
    Leak,
    /// Leaks the writer, and sends a message in one of three ways.
    LeakAndSend(u8),
}

#[websocket(idle_timeout = none, ping_interval = none, outbox_high_water = 4KiB, outbox_limit = 4KiB)]
struct Sends {
    log: Log,
    steps: mpsc::UnboundedReceiver<Step>,
    topic: Topic<String>,
}

#[websocket]
impl Sends {
    #[on_open]
    fn open(&mut self, cx: &mut Context<Self>) {
        cx.forward(&self.topic);
    }

    /// Sends a message of this kind, in the steps of the test.
    #[on_text]
    async fn send(&mut self, kind: String, cx: &mut Context<Self>) -> io::Result<()> {
        let kind = if kind == "text" { MessageKind::Text } else { MessageKind::Binary };
        cx.send(Deferred::new(async {
            sleep(S).await;
            "deferred"
        }));
        let mut message = cx.send_parts(kind);
        let sent = loop {
            match self.steps.recv().await.unwrap() {
                Step::Write(bytes) => match message.write(&bytes).await {
                    Ok(()) => self.log.send(format!("wrote {}", bytes.len())).unwrap(),
                    Err(error) => break Err(error),
                },
                Step::Finish => break message.finish().await,
                Step::Panic => panic!("within a message"),
                Step::Drop => return Ok(()),
                Step::Leak => {
                    std::mem::forget(message);
                    return Ok(());
                }
                Step::LeakAndSend(how) => {
                    std::mem::forget(message);
                    match how {
                        0 => cx.send("interleaved"),
                        1 => cx.send(vec![7; 3000]),
                        _ => cx.send(Json(7)),
                    }
                    return Ok(());
                }
            }
        };
        let _ = self.log.send(format!("{:?}", sent.as_ref().map_err(io::Error::kind)));
        sent
    }

    #[on_close]
    fn close(&mut self, reason: &CloseReason) {
        let _ = self.log.send(format!("{reason:?}"));
    }
}

struct Sending {
    peer: Peer,
    steps: mpsc::UnboundedSender<Step>,
    topic: Topic<String>,
}

/// Connects a client through `buffer` bytes, and starts a message.
async fn start(kind: &str, buffer: usize) -> Sending {
    let (steps, receiver) = mpsc::unbounded_channel();
    let topic = Hub::local().topic("news");
    let handler_topic = topic.clone();
    let options = options::<Sends>(|_| ());
    let mut peer =
        connect_with(buffer, options, move |log| Sends { log, steps: receiver, topic: handler_topic });
    peer.send(kind).await;
    Sending { peer, steps, topic }
}

impl Sending {
    fn step(&self, step: Step) {
        self.steps.send(step).unwrap_or_else(|_| panic!("the handler waits for a step"));
    }

    fn write(&self, bytes: &[u8]) {
        self.step(Step::Write(bytes.to_vec()));
    }
}

#[tokio::test(start_paused = true)]
async fn each_write_is_a_fragment() {
    let mut sending = start("text", 1 << 20).await;
    sending.write("☃a".as_bytes());
    assert_eq!(sending.peer.fragment().await, Some((0x01, "☃a".into())));
    // A character may be divided between writes, and a write may be empty.
    sending.write(b"");
    sending.write(&"☃".as_bytes()[..1]);
    assert_eq!(sending.peer.fragment().await, Some((0x00, vec![0xe2])));
    sending.write(&"☃".as_bytes()[1..]);
    assert_eq!(sending.peer.fragment().await, Some((0x00, vec![0x98, 0x83])));
    sending.step(Step::Finish);
    assert_eq!(sending.peer.fragment().await, Some((0x80, Vec::new())));
    assert_eq!(sending.peer.text().await, "deferred");
}

#[tokio::test(start_paused = true)]
async fn message_without_a_write_is_empty() {
    let mut sending = start("binary", 1 << 20).await;
    sending.step(Step::Finish);
    assert_eq!(sending.peer.fragment().await, Some((0x82, Vec::new())));
}

#[tokio::test(start_paused = true)]
async fn pings_are_answered_and_other_messages_wait_until_the_end() {
    let mut sending = start("binary", 1 << 20).await;
    sending.write(b"one");
    assert_eq!(sending.peer.fragment().await, Some((0x02, b"one".to_vec())));
    sending.topic.publish("news".to_owned()).expect("the topic is local");
    sleep(2 * S).await; // The deferred reply is ready.
    sending.peer.raw(&frame(0x89, b"hi")).await;
    assert_eq!(sending.peer.fragment().await, Some((0x8a, b"hi".to_vec())));
    sending.write(b"two");
    assert_eq!(sending.peer.fragment().await, Some((0x00, b"two".to_vec())));
    assert!(sending.peer.is_silent(S).await);
    sending.step(Step::Finish);
    assert_eq!(sending.peer.fragment().await, Some((0x80, Vec::new())));
    let mut waited = [sending.peer.text().await, sending.peer.text().await];
    waited.sort();
    assert_eq!(waited, ["\"news\"", "deferred"]);
}

#[tokio::test(start_paused = true)]
async fn writer_that_is_dropped_closes_with_1011() {
    let mut sending = start("binary", 1 << 20).await;
    sending.write(b"one");
    assert_eq!(sending.peer.fragment().await, Some((0x02, b"one".to_vec())));
    sending.step(Step::Drop);
    assert_eq!(sending.peer.closed().await, 1011);
    assert_eq!(sending.peer.event().await, "wrote 3");
    assert!(sending.peer.event().await.contains("abandoned"));
}

/// No message follows the fragments, and nothing waits for a message that cannot be finished.
#[tokio::test(start_paused = true)]
async fn writer_that_is_leaked_closes_with_1011() {
    let steps = [Step::Leak, Step::LeakAndSend(0), Step::LeakAndSend(1), Step::LeakAndSend(2)];
    for step in steps {
        let mut sending = start("binary", 1 << 20).await;
        sending.write(b"one");
        assert_eq!(sending.peer.fragment().await, Some((0x02, b"one".to_vec())));
        assert_eq!(sending.peer.event().await, "wrote 3");
        let begin = tokio::time::Instant::now();
        sending.step(step);
        assert_eq!(sending.peer.closed().await, 1011);
        assert_eq!(begin.elapsed(), Duration::ZERO);
        assert!(sending.peer.event().await.contains("abandoned"));
    }
}

#[tokio::test(start_paused = true)]
async fn panic_within_a_message_is_the_close_reason() {
    let mut sending = start("binary", 1 << 20).await;
    sending.step(Step::Panic);
    assert_eq!(sending.peer.closed().await, 1011);
    assert!(sending.peer.event().await.starts_with("Panic("));
}

#[tokio::test(start_paused = true)]
async fn text_that_is_not_utf8_is_an_error() {
    for (bytes, fails_at_the_end) in [(&b"a\xff"[..], false), (b"a\xe2", true)] {
        let mut sending = start("text", 1 << 20).await;
        sending.write(bytes);
        if fails_at_the_end {
            assert_eq!(sending.peer.fragment().await, Some((0x01, bytes.to_vec())));
            sending.step(Step::Finish);
            assert_eq!(sending.peer.event().await, "wrote 2");
        }
        assert_eq!(sending.peer.event().await, "Err(InvalidData)");
        assert_eq!(sending.peer.closed().await, 1011);
    }
}

/// The client reads nothing: a message of any size waits, and the server holds twice the high-water mark.
#[tokio::test(start_paused = true)]
async fn write_waits_for_room_and_divides_its_bytes() {
    let mut sending = start("binary", 1).await;
    let message: Vec<u8> = (0..100_000_u32).map(|at| (at % 251) as u8).collect();
    sending.write(&message);
    sending.step(Step::Finish);
    assert!(timeout(100 * S, sending.peer.event()).await.is_err(), "the write completed");
    let mut received = Vec::new();
    loop {
        let (first, payload) = sending.peer.fragment().await.unwrap();
        assert!(payload.len() <= 4 << 10, "a fragment of {} bytes", payload.len());
        received.extend(payload);
        if first & 0x80 != 0 {
            break;
        }
    }
    assert_eq!(received, message);
    assert_eq!(sending.peer.event().await, "wrote 100000");
    assert_eq!(sending.peer.event().await, "Ok(())");
}

#[tokio::test(start_paused = true)]
async fn writer_of_a_closed_connection_is_cancelled_or_fails() {
    let mut sending = start("binary", 1 << 20).await;
    sending.peer.close(1000).await;
    sleep(3 * S).await;
    let _ = sending.steps.send(Step::Write(b"late".to_vec()));
    assert!(sending.peer.event().await.starts_with("Remote"), "the method goes on");
    if !MANAGED_TRANSPORT {
        assert_eq!(sending.peer.fragment().await, Some((0x88, vec![3, 232])));
    }
}
