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
    assert_eq!(peer.event().await, "Timeout");
    assert_eq!(start.elapsed().as_secs(), 99);
    assert_eq!(peer.closed().await, 1000);
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
    assert_eq!(peer.event().await, "Timeout");
    assert_eq!(start.elapsed().as_secs(), 66);
}

#[tokio::test(start_paused = true)]
async fn client_is_not_pinged_while_the_server_does_not_read() {
    let mut peer = connect(Pinged);
    peer.raw(&frame(0x82, b"")).await;
    assert!(peer.is_silent(S * 1000).await);
}

#[websocket(max_lifetime = 1h, idle_timeout = 10m)]
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
