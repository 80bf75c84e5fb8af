//! Messages in parts: `#[on_part]`.

use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};
use tokio::time::sleep;

use super::MANAGED_TRANSPORT;
use super::peer::{Log, connect, connect_with, frame, options};
use crate::handler::Handler;
use crate::prelude::*;

/// The log of a handler, and the message so far.
struct Collected {
    log: Log,
    message: Vec<u8>,
    parts: usize,
}

impl Collected {
    fn new(log: Log) -> Self {
        Self { log, message: Vec::new(), parts: 0 }
    }

    /// Takes a part, and logs the message if the part is its last.
    fn take(&mut self, part: Part<'_>) {
        assert_eq!(part.is_first(), self.parts == 0);
        assert_eq!(part.text().is_some(), part.kind() == MessageKind::Text);
        assert!(part.len() <= 128 << 10, "a part of {} bytes", part.len());
        self.parts += 1;
        self.message.extend_from_slice(&part);
        if part.is_last() {
            self.parts = 0;
            let message = std::mem::take(&mut self.message);
            self.log.send(describe(part.kind(), &message)).unwrap();
        }
    }

    fn close(&mut self, reason: &CloseReason) {
        let _ = self.log.send(format!("{reason:?}"));
    }
}

fn describe(kind: MessageKind, message: &[u8]) -> String {
    let sum = message.iter().fold(0_u32, |sum, &byte| sum.rotate_left(5) ^ u32::from(byte));
    format!("{kind:?} {} {sum:x}", message.len())
}

#[websocket(idle_timeout = none, ping_interval = none)]
struct Parts(Collected);

#[websocket]
impl Parts {
    #[on_part]
    fn part(&mut self, part: Part<'_>) {
        self.0.take(part);
    }

    #[on_ping]
    fn ping(&mut self, payload: &[u8]) {
        self.0.log.send(format!("ping after {} bytes", self.0.message.len() + payload.len())).unwrap();
    }

    #[on_close]
    fn close(&mut self, reason: &CloseReason) {
        self.0.close(reason);
    }
}

/// Like [`Parts`], but the method is pending for a while.
#[websocket(idle_timeout = none, ping_interval = none, read_ahead = 1KiB)]
struct Slow(Collected);

#[websocket]
impl Slow {
    #[on_part]
    async fn part(&mut self, part: Part<'_>) {
        sleep(Duration::from_millis(1)).await;
        self.0.take(part);
    }

    #[on_close]
    fn close(&mut self, reason: &CloseReason) {
        self.0.close(reason);
    }
}

/// The handler of whole messages.
#[websocket(idle_timeout = none, ping_interval = none, max_message_size = 100MiB)]
struct Whole(Collected);

#[websocket]
impl Whole {
    #[on_text]
    fn text(&mut self, text: &str) {
        self.0.log.send(describe(MessageKind::Text, text.as_bytes())).unwrap();
    }

    #[on_binary]
    fn binary(&mut self, bytes: &[u8]) {
        self.0.log.send(describe(MessageKind::Binary, bytes)).unwrap();
    }

    #[on_close]
    fn close(&mut self, reason: &CloseReason) {
        self.0.close(reason);
    }
}

/// A handler with a declared limit that equals the default.
#[websocket(idle_timeout = none, ping_interval = none, max_message_size = 1MiB)]
struct Limited(Collected);

#[websocket]
impl Limited {
    #[on_part]
    fn part(&mut self, part: Part<'_>) {
        self.0.take(part);
    }

    #[on_close]
    fn close(&mut self, reason: &CloseReason) {
        self.0.close(reason);
    }
}

/// Fills a message, so that its parts can be told apart.
fn content(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at % 251) as u8).collect()
}

#[tokio::test(start_paused = true)]
async fn message_above_the_default_limit_is_delivered_in_parts() {
    let message = content(3 << 20);
    let mut peer = connect_with(100_000, options::<Parts>(|_| ()), |log| Parts(Collected::new(log)));
    peer.raw(&frame(0x82, &message)).await;
    peer.send("after").await;
    assert_eq!(peer.event().await, describe(MessageKind::Binary, &message));
    assert_eq!(peer.event().await, describe(MessageKind::Text, b"after"));
}

#[tokio::test(start_paused = true)]
async fn declared_limit_holds_although_it_is_the_default() {
    assert_eq!(Limited::CHECKED_DECLARATION.options.max_message_size, 1 << 20);
    assert_eq!(Parts::CHECKED_DECLARATION.options.max_message_size, usize::MAX);
    assert_eq!(Whole::CHECKED_DECLARATION.options.max_message_size, 100 << 20);
    let mut peer = connect_with(4 << 20, options::<Limited>(|_| ()), |log| Limited(Collected::new(log)));
    peer.raw(&frame(0x82, &content(1 << 20))).await;
    peer.raw(&frame(0x82, &content((1 << 20) + 1))).await;
    assert_eq!(peer.event().await, describe(MessageKind::Binary, &content(1 << 20)));
    assert_eq!(peer.closed().await, 1009);
    assert_eq!(peer.event().await, "Protocol(MessageTooBig)");
}

#[tokio::test(start_paused = true)]
async fn control_frames_between_the_fragments_are_handled() {
    if MANAGED_TRANSPORT {
        return; // tungstenite assembles the message first.
    }
    let mut peer = connect(|log| Parts(Collected::new(log)));
    peer.raw(&frame(0x01, b"abc")).await;
    peer.raw(&frame(0x89, b"")).await;
    assert_eq!(peer.fragment().await, Some((0x8a, Vec::new())));
    assert_eq!(peer.event().await, "ping after 3 bytes");
    peer.raw(&frame(0x80, b"def")).await;
    assert_eq!(peer.event().await, describe(MessageKind::Text, b"abcdef"));
}

#[tokio::test(start_paused = true)]
async fn message_that_ends_early_has_no_last_part() {
    for close in [false, true] {
        let mut peer = connect(|log| Parts(Collected::new(log)));
        peer.raw(&frame(0x02, b"abc")).await;
        if close {
            peer.close(1000).await;
            let end = if MANAGED_TRANSPORT { "Remote" } else { "Remote(Some(Close { code: Normal" };
            assert!(peer.event().await.starts_with(end));
        } else {
            assert_eq!(peer.events().await, ["ConnectionLost(UnexpectedEof)"]);
        }
    }
}

/// A pending method stops the reads of an upload: parts wait up to `read_ahead`, and the rest in the socket.
#[tokio::test(start_paused = true)]
async fn async_method_takes_copies_and_holds_back_the_upload() {
    let mut peer = connect_with(64, options::<Slow>(|_| ()), |log| Slow(Collected::new(log)));
    let message = content(10_000);
    peer.raw(&frame(0x82, &message)).await;
    assert_eq!(peer.event().await, describe(MessageKind::Binary, &message));
    peer.close(1000).await;
    assert!(peer.event().await.starts_with("Remote"));
}

#[tokio::test(start_paused = true)]
async fn message_in_parts_counts_once_against_the_rate() {
    if MANAGED_TRANSPORT {
        return; // A message counts when tungstenite has assembled it.
    }
    let limit = |options: &mut crate::Options| options.max_message_rate = Some(2);
    let mut peer = connect_with(64, options::<Parts>(limit), |log| Parts(Collected::new(log)));
    for _ in 0..2 {
        peer.raw(&frame(0x01, b"a")).await;
        for _ in 0..20 {
            peer.raw(&frame(0x00, b"a")).await;
        }
        peer.raw(&frame(0x80, b"a")).await;
        assert_eq!(peer.event().await, describe(MessageKind::Text, &[b'a'; 22]));
    }
    peer.raw(&frame(0x01, b"a")).await;
    assert_eq!(peer.closed().await, 1008);
}

/// Sends a stream to a handler, and returns its log.
async fn log_of<H: Handler>(make: fn(Log) -> H, buffer: usize, stream: &[u8]) -> Vec<String> {
    let mut peer = connect_with(buffer, H::CHECKED_DECLARATION.options, make);
    // The server may have closed the stream because of an error in it.
    let _ = tokio::io::AsyncWriteExt::write_all(&mut peer.io, stream).await;
    // The client goes on to read, so that the close handshake completes.
    let _ = tokio::io::AsyncWriteExt::write_all(&mut peer.io, &frame(0x88, b"")).await;
    while peer.fragment().await.is_some() {}
    peer.events().await
}

/// A message: its content, whether it is text, and where it is divided into fragments.
type Sent = (Vec<u8>, bool, [Index; 3]);

/// The parts, concatenated, are the messages that `#[on_text]` and `#[on_binary]` take, with the same close.
#[test]
fn parts_are_the_messages_of_the_other_handler() {
    let content = prop_oneof![
        "\\PC{0,40}".prop_map(String::into_bytes),
        ("[a-z☃]{1,20}", 1..20_000_usize).prop_map(|(text, times)| text.repeat(times).into_bytes()),
        prop::collection::vec(any::<u8>(), 0..300),
    ];
    let messages = prop::collection::vec((content, any::<bool>(), any::<[Index; 3]>()), 1..5);
    let input = (messages, prop::sample::select(vec![1000, 7000, 100_000]));
    let mut runner = TestRunner::new(Config { cases: 100, failure_persistence: None, ..Config::default() });
    let test = |(messages, buffer): (Vec<Sent>, usize)| {
        let mut stream = Vec::new();
        for (content, is_text, cuts) in messages {
            let mut cuts = cuts.map(|cut| cut.index(content.len() + 1));
            cuts.sort_unstable();
            let opcode = if is_text { 1 } else { 2 };
            stream.extend(frame(opcode, &content[..cuts[0]]));
            stream.extend(frame(0x00, &content[cuts[0]..cuts[1]]));
            stream.extend(frame(0x89, b"ping"));
            stream.extend(frame(0x00, &content[cuts[1]..cuts[2]]));
            stream.extend(frame(0x80, &content[cuts[2]..]));
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        let (whole, parts, slow) = runtime.unwrap().block_on(async {
            let whole = log_of(|log| Whole(Collected::new(log)), buffer, &stream).await;
            let parts = log_of(|log| Parts(Collected::new(log)), buffer, &stream).await;
            (whole, parts, log_of(|log| Slow(Collected::new(log)), buffer, &stream).await)
        });
        let without_pings = |log: Vec<String>| -> Vec<String> {
            log.into_iter().filter(|line| !line.starts_with("ping")).collect()
        };
        let parts = without_pings(parts);
        prop_assert_eq!(&parts, &whole);
        prop_assert_eq!(&slow, &whole);
        Ok(())
    };
    runner.run(&input, test).unwrap();
}
