//! Signs of life, and the end of a life that is long enough.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::peer::{Log, Peer, connect, frame};
use crate::prelude::*;

const S: Duration = Duration::from_secs(1);

#[websocket(ping_interval = 30s, pong_timeout = 5s, idle_timeout = none)]
struct Asked(Log);

#[websocket]
impl Asked {
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

/// The next frame is an empty ping, and so much time has passed.
async fn pinged(peer: &mut Peer, since: Instant, seconds: u64) {
    let ping = peer.frame().await.expect("a ping");
    assert_eq!((ping.opcode, ping.payload.len()), (9, 0));
    assert_eq!(since.elapsed().as_secs(), seconds);
}

#[tokio::test(start_paused = true)]
async fn silent_client_is_asked_and_goes_on_if_it_answers() {
    let mut peer = connect(Asked);
    let start = Instant::now();
    pinged(&mut peer, start, 30).await;
    peer.raw(&frame(0x8a, b"")).await;
    pinged(&mut peer, start, 60).await;
    sleep(S * 4).await;
    // Any byte will do, and puts the next ping off.
    peer.raw(&[0x8a]).await;
    pinged(&mut peer, start, 94).await;
    assert_eq!(peer.event().await, "Timeout");
    assert_eq!(start.elapsed().as_secs(), 99);
    assert_eq!(peer.closed().await, 1000);
}

#[tokio::test(start_paused = true)]
async fn busy_client_is_not_asked() {
    let mut peer = connect(Asked);
    for _ in 0..10 {
        sleep(S * 29).await;
        peer.raw(&frame(0x8a, b"")).await;
    }
    assert!(peer.is_silent(S * 29).await);
}

#[tokio::test(start_paused = true)]
async fn client_is_asked_while_a_method_is_pending() {
    let mut peer = connect(Asked);
    let start = Instant::now();
    peer.send("100").await;
    pinged(&mut peer, start, 30).await;
    peer.raw(&frame(0x8a, b"")).await;
    pinged(&mut peer, start, 60).await;
    // The method has `cancel_timeout` from then on.
    assert_eq!(peer.event().await, "Timeout");
    assert_eq!(start.elapsed().as_secs(), 66);
}

#[tokio::test(start_paused = true)]
async fn client_that_is_not_read_is_not_asked() {
    let mut peer = connect(Asked);
    peer.raw(&frame(0x82, b"")).await;
    assert!(peer.is_silent(S * 1000).await);
}

#[websocket(max_lifetime = 1h, idle_timeout = 10m)]
struct Mortal(Log);

#[websocket]
impl Mortal {
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
async fn lifetime_ends_a_connection_however_busy_it_is() {
    let mut peer = connect(Mortal);
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
