//! Sessions: a handler that goes on over one connection after another.

mod carriers;
mod client;
mod closes;
mod ends;
mod hostile;
mod network;
mod places;
mod polls;
mod silence;
mod steady;
mod takeovers;

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep};

use super::peer::{Log, frame};
use crate::handler::Handler;
use crate::prelude::*;
use client::{Peer, Read, begin};

const S: Duration = Duration::from_secs(1);

/// A handler that logs all its events.
#[websocket(session, idle_timeout = none, ping_interval = none)]
struct Logged(Log);

#[websocket]
impl Logged {
    #[on_open]
    fn open(&mut self) {
        self.0.send("open".into()).unwrap();
    }

    #[on_text]
    fn text(&mut self, text: &str) -> String {
        self.0.send(text.into()).unwrap();
        format!("re: {text}")
    }

    #[on_detach]
    fn detach(&mut self) -> &'static str {
        self.0.send("detach".into()).unwrap();
        "while you were away"
    }

    #[on_attach]
    fn attach(&mut self, cx: &mut Context<Self>) -> &'static str {
        self.0.send("attach".into()).unwrap();
        cx.send_after(S, Tick);
        "welcome back"
    }

    #[on_info]
    fn tick(&mut self, _: Tick) -> &'static str {
        "tick"
    }

    #[on_close]
    fn close(&mut self, reason: &CloseReason) {
        self.0.send(format!("{reason:?}")).unwrap();
    }
}

struct Tick;

async fn logged() -> Peer {
    let mut peer = begin(1 << 16, Logged::CHECKED_DECLARATION.options, Logged).await;
    assert_eq!(peer.event().await, "open");
    peer
}

#[tokio::test(start_paused = true)]
async fn session_goes_on_over_another_connection() {
    let mut peer = logged().await;
    peer.send("one").await;
    assert_eq!(peer.text().await, "re: one");
    peer.send("two").await;
    assert_eq!((peer.event().await, peer.event().await), ("one".into(), "two".into()));
    // The reply to the second message is lost with the connection.
    peer.cut();
    assert_eq!(peer.event().await, "detach");
    sleep(29 * S).await;
    assert!(peer.resume().await);
    assert_eq!(peer.event().await, "attach");
    for expected in ["re: two", "while you were away", "welcome back", "tick"] {
        assert_eq!(peer.text().await, expected);
    }
    peer.send("three").await;
    assert_eq!(peer.text().await, "re: three");
    // `#[on_open]` and `#[on_close]` run once a session.
    peer.raw(&frame(0x88, &1000_u16.to_be_bytes())).await;
    assert_eq!(peer.event().await, "three");
    assert_eq!(peer.event().await, "Remote(Some(Close { code: Normal, reason: Utf8Bytes(b\"\") }))");
    assert_eq!(peer.event().await, "handler dropped");
    assert!(!peer.resume().await && peer.sessions.len() == 0);
}

/// The connection is lost at each byte from the client, within frames and between them.
#[tokio::test(start_paused = true)]
async fn message_that_is_cut_at_any_byte_is_handled_once() {
    let texts = ["a", "", "\u{e9}llo", &"x".repeat(130)];
    let bytes = |text: &&str| {
        let (first, second) = text.as_bytes().split_at(text.len() / 3);
        [frame(0x01, first), frame(0x89, b"?"), frame(0x80, second)].concat()
    };
    let stream: Vec<u8> = texts.iter().flat_map(bytes).collect();
    for cut in 0..=stream.len() {
        let mut peer = logged().await;
        texts.iter().for_each(|text| peer.queue(text));
        let io = peer.io.as_mut().unwrap();
        io.write_all(&stream[..cut]).await.unwrap();
        // The server reads the bytes before it finds the end, or together with it.
        if cut % 2 == 0 {
            sleep(S).await;
        }
        peer.cut();
        sleep(S).await;
        assert!(peer.resume().await);
        sleep(S).await;
        let mut events = Vec::new();
        while let Ok(event) = peer.log.try_recv() {
            events.push(event);
        }
        events.retain(|event| event != "attach" && event != "detach");
        assert_eq!(events, texts, "cut at {cut}");
        let mut replies = Vec::new();
        while replies.len() < texts.len() {
            match peer.frame_or_pong().await {
                Read::Text(text) if text.starts_with("re: ") => replies.push(text),
                _ => {}
            }
        }
        assert_eq!(replies, texts.map(|text| format!("re: {text}")));
    }
}

/// The connection is lost at each byte from the server.
#[tokio::test(start_paused = true)]
async fn reply_that_is_cut_at_any_byte_arrives_once() {
    for cut in 0.. {
        let mut peer = logged().await;
        for text in ["one", "\0two", "three"] {
            let object = serde_json::json!({ "text": text });
            peer.queue(text);
            peer.send_object(&object.to_string()).await;
        }
        sleep(S).await;
        let io = peer.io.as_mut().unwrap();
        let mut part = vec![0; 1 << 12];
        let len = io.read(&mut part).await.unwrap();
        let (part, is_whole) = (&part[..len.min(cut)], cut >= len);
        // The client has the frames that are whole.
        let (mut at, mut received) = (0, Vec::new());
        while at + 2 <= part.len() && at + 2 + usize::from(part[at + 1]) <= part.len() {
            let end = at + 2 + usize::from(part[at + 1]);
            received.push(String::from_utf8(part[at + 2..end].to_vec()).unwrap());
            at = end;
        }
        peer.received = received.len() as u64;
        peer.cut();
        sleep(S).await;
        assert!(peer.resume().await);
        while received.len() < 3 {
            received.push(peer.text().await);
        }
        assert_eq!(received, ["re: one", "re: \0two", "re: three"], "cut at {cut}");
        assert_eq!(peer.text().await, "while you were away");
        if is_whole {
            return;
        }
    }
}

impl Peer {
    /// Reads a frame; pongs are skipped.
    async fn frame_or_pong(&mut self) -> Read {
        loop {
            let Some((opcode, payload)) = self.any_frame().await else { return Read::End };
            match opcode {
                10 => {}
                1 if payload.first() != Some(&0) => {
                    self.received += 1;
                    return Read::Text(String::from_utf8(payload).unwrap());
                }
                _ => return Read::Ping,
            }
        }
    }
}

/// A handler whose method waits.
#[websocket(session, ping_interval = none)]
struct Slow(Log);

#[websocket]
impl Slow {
    #[on_text]
    async fn text(&mut self, text: String, cx: &mut Context<Self>) -> String {
        cx.send("wait");
        sleep(10 * S).await;
        self.0.send(text.clone()).unwrap();
        format!("re: {text}")
    }

    #[on_detach]
    async fn detach(&mut self) {
        self.0.send("detach".into()).unwrap();
    }

    #[on_attach]
    async fn attach(&mut self) {
        self.0.send("attach".into()).unwrap();
    }

    #[every(4s)]
    fn tick(&mut self) -> &'static str {
        "tick"
    }
}

#[tokio::test(start_paused = true)]
async fn pending_method_goes_on_without_a_connection() {
    let mut peer = begin(1 << 16, Slow::CHECKED_DECLARATION.options, Slow).await;
    peer.send("one").await;
    peer.send("two").await;
    assert_eq!(peer.text().await, "wait");
    peer.cut();
    sleep(5 * S).await;
    // Neither method has run: the handler is busy, and has lost and found its connection meanwhile.
    assert!(peer.resume().await);
    peer.cut();
    assert_eq!(peer.event().await, "one");
    assert_eq!(peer.event().await, "detach");
    assert!(peer.resume().await);
    assert_eq!(peer.text().await, "re: one");
    let start = Instant::now();
    let mut texts = Vec::new();
    while !texts.contains(&"re: two".to_owned()) {
        texts.push(peer.text().await);
    }
    assert!(texts.contains(&"wait".into()), "{texts:?}");
    assert!(start.elapsed() <= 11 * S);
    assert_eq!((peer.event().await, peer.event().await), ("two".into(), "attach".into()));
}

#[tokio::test(start_paused = true)]
async fn timers_go_on_without_a_connection() {
    let mut peer = begin(1 << 16, Slow::CHECKED_DECLARATION.options, Slow).await;
    peer.cut();
    sleep(21 * S).await;
    assert!(peer.resume().await);
    for _ in 0..5 {
        assert_eq!(peer.text().await, "tick");
    }
    assert_eq!((peer.event().await, peer.event().await), ("detach".into(), "attach".into()));
}

#[tokio::test(start_paused = true)]
async fn server_acknowledges_after_128_messages_and_answers_pings() {
    let mut peer = logged().await;
    for index in 0..127 {
        peer.send(&index.to_string()).await;
        assert_eq!(peer.read().await, Read::Text(format!("re: {index}")));
    }
    peer.send_object("{\"ping\":17}").await;
    assert_eq!(peer.object("pong").await, 17);
    peer.send_object("{\"later\":true}").await;
    peer.send("127").await;
    let read = (peer.read().await, peer.read().await);
    let ack = Read::Object(serde_json::json!({ "ack": 128 }));
    let reply = Read::Text("re: 127".into());
    assert!(read == (ack.clone(), reply.clone()) || read == (reply, ack), "{read:?}");
    // A quarter of the buffer, in fewer messages.
    peer.send(&"x".repeat(1 << 16)).await;
    assert!(peer.text().await.len() > 1 << 16);
    peer.send("end").await;
    peer.text().await;
    assert_eq!(peer.link.received(), 130);
}
