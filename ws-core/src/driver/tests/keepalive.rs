//! Keep-alive pings and the maximum lifetime of a connection.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::peer::{Log, Peer, connect, frame};
use crate::prelude::*;

const S: Duration = Duration::from_secs(1);

#[websocket(ping_interval = 30s, pong_timeout = 5s, idle_timeout = none)]
struct Pinged(Log);

#[websocket]
impl Pinged {
    #[on_text]
    async fn wait(&mut self, seconds: &str) -> &'static str {
        sleep(S * seconds.parse().unwrap()).await;
        "done"
    }

    #[on_binary]
    fn deaf(&mut self, _: &[u8], cx: &mut Context<Self>) {
        cx.set_active(false);
    }

    #[on_close]
    fn close(&mut self, reason: &CloseReason) {
        self.0.send(format!("{reason:?}")).unwrap();
    }
}

/// Expects an empty ping as the next frame, that number of seconds after `since`.
async fn expect_ping(peer: &mut Peer, since: Instant, seconds: u64) {
    let ping = peer.frame().await.expect("a ping");
    assert_eq!((ping.opcode, ping.payload.len()), (9, 0));
    assert_eq!(since.elapsed().as_secs(), seconds);
}

#[tokio::test(start_paused = true)]
async fn silent_client_is_pinged_and_stays_connected_if_it_answers() {
    let mut peer = connect(Pinged);
    let start = Instant::now();
    expect_ping(&mut peer, start, 30).await;
    peer.raw(&frame(0x8a, b"")).await;
    expect_ping(&mut peer, start, 60).await;
    sleep(S * 4).await;
    // Any byte counts, and postpones the next ping.
    peer.raw(&[0x8a]).await;
    expect_ping(&mut peer, start, 94).await;
    assert_eq!(peer.event().await, "PongTimeout");
    assert_eq!(start.elapsed().as_secs(), 99);
    assert_eq!(peer.closed().await, 1001);
}

/// A handler that reads nothing for a month.
#[websocket(ping_interval = 30s, pong_timeout = 5s, idle_timeout = none)]
struct Paused(Log);

#[websocket]
impl Paused {
    #[on_open]
    fn open(&mut self, cx: &mut Context<Self>) {
        cx.set_active(false);
    }

    #[after(720h)]
    fn resume(&mut self, cx: &mut Context<Self>) {
        cx.set_active(true);
    }

    #[on_text]
    fn text(&mut self, text: &str) {
        self.0.send(text.to_owned()).unwrap();
    }

    #[on_close]
    fn close(&mut self, reason: &CloseReason) {
        self.0.send(format!("{reason:?}")).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn client_has_its_time_to_answer_after_a_month_of_silence() {
    let mut peer = connect(Paused);
    let start = Instant::now();
    expect_ping(&mut peer, start, 30 * 24 * 3600).await;
    sleep(S * 4).await;
    peer.send("here").await;
    assert_eq!(peer.event().await, "here");
    expect_ping(&mut peer, start, 30 * 24 * 3600 + 34).await;
    assert_eq!(peer.event().await, "PongTimeout");
    assert_eq!(start.elapsed().as_secs(), 30 * 24 * 3600 + 39);
}

#[tokio::test(start_paused = true)]
async fn busy_client_is_not_pinged() {
    let mut peer = connect(Pinged);
    for _ in 0..10 {
        sleep(S * 29).await;
        peer.raw(&frame(0x8a, b"")).await;
    }
    assert!(peer.is_silent(S * 29).await);
}

#[tokio::test(start_paused = true)]
async fn client_is_pinged_while_a_method_is_pending() {
    let mut peer = connect(Pinged);
    let start = Instant::now();
    peer.send("100").await;
    expect_ping(&mut peer, start, 30).await;
    peer.raw(&frame(0x8a, b"")).await;
    expect_ping(&mut peer, start, 60).await;
    // From now on the method has `cancel_timeout`.
    assert_eq!(peer.event().await, "PongTimeout");
    assert_eq!(start.elapsed().as_secs(), 66);
}

#[tokio::test(start_paused = true)]
async fn client_is_not_pinged_while_the_server_does_not_read() {
    let mut peer = connect(Pinged);
    peer.raw(&frame(0x82, b"")).await;
    assert!(peer.is_silent(S * 1000).await);
}

/// Handler that sends a message a minute to a client that only listens, with the default options.
#[websocket]
struct News(Log);

#[websocket]
impl News {
    #[every(60s)]
    fn tick(&mut self) -> &'static str {
        "tick"
    }

    #[on_close]
    fn close(&mut self, reason: &CloseReason) {
        self.0.send(format!("{reason:?}")).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn client_that_only_listens_lives_with_the_defaults() {
    let mut peer = connect(News);
    let start = Instant::now();
    let (mut texts, mut pings) = (0, 0);
    while texts < 60 {
        let frame_received = peer.frame().await.expect("the connection is open");
        match frame_received.opcode {
            1 => texts += 1,
            9 => {
                pings += 1;
                peer.raw(&frame(0x8a, b"")).await;
            }
            _ => panic!("{frame_received:?}"),
        }
    }
    assert_eq!(start.elapsed().as_secs(), 3600);
    // A deadline that has passed waits for two passes of the I/O driver, so the last ping may be due after the hour.
    assert!((3600 / 25 - 1..=3600 / 25).contains(&pings), "{pings} pings");
}

#[tokio::test(start_paused = true)]
async fn client_that_cannot_be_reached_is_closed_with_its_own_reason() {
    let mut peer = connect(News);
    let start = Instant::now();
    expect_ping(&mut peer, start, 25).await;
    let close = peer.frame().await.expect("a close frame");
    assert_eq!((close.opcode, &*close.payload), (8, &b"\x03\xe9no pong"[..]));
    assert_eq!(start.elapsed().as_secs(), 45);
    assert_eq!(peer.event().await, "PongTimeout");
}

/// Handler with more patience with a pong than between two pings.
#[websocket(ping_interval = 5s, pong_timeout = 20s)]
#[derive(Default)]
struct Patient;

#[websocket]
impl Patient {
    #[on_text]
    fn text(&mut self, _: &str) {}
}

#[tokio::test(start_paused = true)]
async fn next_ping_may_be_due_before_the_timeout_of_the_last_one() {
    let mut peer = connect(|_| Patient);
    let start = Instant::now();
    for seconds in [5, 10, 15] {
        expect_ping(&mut peer, start, seconds).await;
        peer.raw(&frame(0x8a, b"")).await;
    }
}

/// Restarts its idle timeout while a ping is unanswered.
#[websocket(ping_interval = 5s, pong_timeout = 5s)]
struct Postponing(Log);

#[websocket]
impl Postponing {
    #[after(7s)]
    fn restart(&mut self, cx: &mut Context<Self>) {
        cx.set_idle_timeout(S * 60);
    }

    #[on_close]
    fn close(&mut self, reason: &CloseReason) {
        self.0.send(format!("{reason:?}")).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn new_idle_timeout_does_not_answer_the_ping() {
    let mut peer = connect(Postponing);
    let start = Instant::now();
    expect_ping(&mut peer, start, 5).await;
    assert_eq!(peer.event().await, "PongTimeout");
    assert_eq!(start.elapsed().as_secs(), 10);
}

#[websocket(max_lifetime = 1h, idle_timeout = 10m, ping_interval = none)]
struct Lifetime(Log);

#[websocket]
impl Lifetime {
    #[on_text]
    fn echo(&mut self, text: String) -> String {
        text
    }

    #[on_close]
    fn close(&mut self, reason: &CloseReason) {
        self.0.send(format!("{reason:?}")).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn lifetime_ends_a_busy_connection() {
    let mut peer = connect(Lifetime);
    let start = Instant::now();
    for _ in 0..11 {
        sleep(S * 300).await;
        peer.send("still here").await;
        assert_eq!(peer.text().await, "still here");
    }
    assert_eq!(peer.event().await, "Expired");
    assert_eq!(start.elapsed().as_secs(), 3600);
    assert_eq!(peer.closed().await, 1001);
}
