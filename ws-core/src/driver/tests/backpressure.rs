//! A connection under load: no stall, no lost message, no message out of order.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, timeout};

use super::peer::{Log, Peer, connect_with, frame, options};
use crate::clock::now;
use crate::handler::Handler;
use crate::prelude::*;

const MIB: usize = 1 << 20;

/// Handler that echoes after a delay.
#[websocket]
#[derive(Default)]
struct SlowEcho;

#[websocket]
impl SlowEcho {
    #[on_text]
    async fn echo(&mut self, text: String) -> String {
        sleep(Duration::from_millis(10)).await;
        text
    }
}

#[tokio::test(start_paused = true)]
async fn full_read_ahead_queue_resumes_after_a_large_reply() {
    let mut peer = connect_with(MIB, options::<SlowEcho>(|_| {}), |_| SlowEcho);
    let text = "x".repeat(70_000);
    for _ in 0..3 {
        peer.send(&text).await;
    }
    let start = Instant::now();
    for _ in 0..3 {
        assert_eq!(peer.text().await.len(), 70_000);
    }
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn close_after_a_large_reply_loses_nothing() {
    let mut peer = connect_with(MIB, options::<SlowEcho>(|_| {}), |_| SlowEcho);
    let large = "x".repeat(70_000);
    let texts = [&*large, "second", "third"];
    let mut all: Vec<u8> = texts.iter().flat_map(|text| frame(0x81, text.as_bytes())).collect();
    all.extend(frame(0x88, &1000_u16.to_be_bytes()));
    peer.raw(&all).await;
    for text in texts {
        assert_eq!(peer.text().await, text);
    }
    assert_eq!(peer.closed().await, 1000);
}

/// Handler that stops reading in an async method, while messages are read ahead, and resumes on a mailbox
/// message.
#[websocket]
#[derive(Default)]
struct Pauser;

struct Resume;

#[websocket]
impl Pauser {
    #[on_text]
    async fn text(&mut self, text: String, cx: &mut Context<Self>) -> String {
        if text == "pause" {
            sleep(Duration::from_millis(100)).await;
            cx.set_active(false);
            cx.send_after(Duration::from_secs(1), Resume);
        }
        text
    }

    #[on_info]
    fn resume(&mut self, _: Resume, cx: &mut Context<Self>) {
        cx.set_active(true);
    }
}

#[tokio::test(start_paused = true)]
async fn read_ahead_messages_precede_new_ones_when_reading_resumes() {
    let mut peer = connect_with(1024, options::<Pauser>(|_| {}), |_| Pauser);
    peer.raw(&[frame(0x81, b"pause"), frame(0x81, b"2"), frame(0x81, b"3")].concat()).await;
    assert_eq!(peer.text().await, "pause");
    peer.send("4").await;
    for expect in ["2", "3", "4"] {
        assert_eq!(peer.text().await, expect);
    }
}

struct Bytes(usize);

/// Handler that sends the requested number of bytes in a sync method.
#[websocket]
struct Feed(Sender<Addr<Self>>);

#[websocket]
impl Feed {
    #[on_open]
    fn open(&mut self, cx: &mut Context<Self>) {
        self.0.send(cx.addr()).unwrap();
    }

    #[on_info]
    fn feed(&mut self, bytes: Bytes) -> Vec<u8> {
        vec![0; bytes.0]
    }
}

/// Like [`Feed`], but in an async method.
#[websocket]
struct AsyncFeed(Sender<Addr<Self>>);

#[websocket]
impl AsyncFeed {
    #[on_open]
    fn open(&mut self, cx: &mut Context<Self>) {
        self.0.send(cx.addr()).unwrap();
    }

    #[on_info]
    async fn feed(&mut self, bytes: Bytes) -> Vec<u8> {
        vec![0; bytes.0]
    }
}

async fn feed<H: Handler>(make: impl FnOnce(Sender<Addr<H>>) -> H) -> (Peer, Addr<H>) {
    let (addr, addrs): (_, Receiver<Addr<H>>) = channel();
    let peer = connect_with(128 * MIB, options::<H>(|_| {}), |_: Log| make(addr));
    tokio::task::yield_now().await;
    (peer, addrs.recv().unwrap())
}

async fn expect(peer: &mut Peer, messages: usize, bytes: usize) {
    for n in 0..messages {
        let frame = peer.frame().await.unwrap();
        assert_eq!((frame.opcode, frame.payload.len()), (2, bytes), "message {n}");
    }
}

#[tokio::test(start_paused = true)]
async fn burst_of_mailbox_messages_does_not_overflow_if_the_client_reads() {
    let (mut peer, addr) = feed(Feed).await;
    (0..64).for_each(|_| addr.send(Bytes(20_000)).unwrap());
    expect(&mut peer, 64, 20_000).await;

    let (mut peer, addr) = feed(AsyncFeed).await;
    (0..1000).for_each(|_| addr.send(Bytes(2048)).unwrap());
    expect(&mut peer, 1000, 2048).await;
}

#[tokio::test(start_paused = true)]
async fn burst_of_mailbox_messages_is_handled_before_a_shutdown() {
    let (mut peer, addr) = feed(Feed).await;
    (0..1000).for_each(|_| addr.send(Bytes(2000)).unwrap());
    peer.connections.shut_down(now() + Duration::from_secs(5));
    expect(&mut peer, 1000, 2000).await;
    assert_eq!(peer.closed().await, 1001);
}

/// Each reply is flushed within the iteration, more often than tokio's coop budget allows.
#[tokio::test(start_paused = true)]
async fn large_replies_to_many_mailbox_messages_do_not_overflow() {
    for shutdown in [false, true] {
        let (mut peer, addr) = feed(Feed).await;
        (0..1000).for_each(|_| addr.send(Bytes(70_000)).unwrap());
        if shutdown {
            peer.connections.shut_down(now() + Duration::from_secs(10));
        }
        expect(&mut peer, 1000, 70_000).await;
    }
}

/// Handler that sends itself a message for each message that it receives.
#[websocket]
#[derive(Default)]
struct Perpetual;

struct Again;

#[websocket]
impl Perpetual {
    #[on_open]
    fn open(&mut self, cx: &mut Context<Self>) {
        cx.addr().send(Again).unwrap();
    }

    #[on_info]
    async fn again(&mut self, again: Again, cx: &mut Context<Self>) {
        let _ = cx.addr().send(again);
    }

    #[on_text]
    fn echo<'a>(&mut self, text: &'a str) -> &'a str {
        text
    }
}

#[tokio::test]
async fn endless_mailbox_messages_starve_neither_the_socket_nor_the_close() {
    let mut peer = connect_with(1024, options::<Perpetual>(|_| {}), |_| Perpetual);
    peer.send("still here").await;
    assert_eq!(peer.text().await, "still here");
    peer.close(1000).await;
    assert_eq!(peer.closed().await, 1000);
}

/// Handler with a slow method and a timer.
#[websocket]
struct Ticker {
    log: Log,
    left: u32,
}

#[websocket]
impl Ticker {
    #[every(5ms)]
    fn tick(&mut self) {
        self.log.send("tick".into()).unwrap();
    }

    #[on_binary]
    fn work(&mut self, _: &[u8]) {
        std::thread::sleep(Duration::from_millis(1));
        self.left -= 1;
        if self.left == 0 {
            self.log.send("done".into()).unwrap();
        }
    }
}

#[tokio::test]
async fn flood_from_the_start_does_not_starve_timers() {
    let messages = frame(0x82, &[0; 60_000]).repeat(100);
    let mut peer = connect_with(64 * MIB, options::<Ticker>(|_| {}), |log| Ticker { log, left: 100 });
    peer.raw(&messages).await;
    let mut ticks = 0;
    while peer.event().await == "tick" {
        ticks += 1;
    }
    assert!(ticks >= 3, "{ticks} ticks of 5 ms in 100 ms");
}

/// Handler that sends more bytes than a slow client reads before the idle timeout.
#[websocket(idle_timeout = 10s)]
struct Download(Log);

#[websocket]
impl Download {
    #[on_text]
    fn download(&mut self, _: &str) -> Vec<u8> {
        vec![0; 200_000]
    }

    #[on_close]
    fn close(&mut self, reason: &CloseReason) {
        self.0.send(format!("{reason:?}")).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn client_that_reads_is_not_idle_while_the_server_does_not_read() {
    let mut peer = connect_with(1024, options::<Download>(|_| {}), Download);
    peer.send("please").await;
    let mut chunk = [0; 1000];
    for _ in 0..200 {
        sleep(Duration::from_millis(100)).await;
        peer.io.read_exact(&mut chunk).await.expect("the server still sends");
    }
    // A client that stops reading is idle after the timeout.
    peer.send("please").await;
    assert_eq!(timeout(Duration::from_secs(17), peer.event()).await.as_deref(), Ok("Timeout"));
}

#[websocket(close_timeout = 1s)]
#[derive(Default)]
struct Closer;

#[websocket]
impl Closer {
    #[on_open]
    fn open(&mut self) -> Close {
        Close::default()
    }
}

#[tokio::test]
async fn client_that_floods_instead_of_closing_is_disconnected() {
    let mut peer = connect_with(MIB, options::<Closer>(|_| {}), |_| Closer);
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let flood = tokio::spawn(async move {
        let messages = frame(0x82, &[0; 60_000]).repeat(10);
        while !stopped.load(Ordering::Relaxed) && peer.io.write_all(&messages).await.is_ok() {}
        peer
    });
    let start = std::time::Instant::now();
    let peer = flood.await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    peer.task.await.unwrap();
}
