//! How much a client may say in a second.

use std::time::Duration;

use tokio::time::sleep;

use super::peer::{Log, Peer, connect, connect_with, frame, options};
use crate::prelude::*;

const MS: Duration = Duration::from_millis(1);

#[websocket(max_message_rate = 10, max_control_rate = 20, idle_timeout = 10m)]
struct Limited(Log);

#[websocket]
impl Limited {
    #[on_text]
    fn echo(&mut self, text: String) -> String {
        text
    }

    #[on_binary]
    fn pause(&mut self, _: &[u8], cx: &mut Context<Self>) {
        cx.set_active(false);
        cx.send_after(MS * 3000, Resume);
    }

    #[on_info]
    fn resume(&mut self, Resume: Resume, cx: &mut Context<Self>) {
        cx.set_active(true);
    }

    #[on_close]
    fn close(&mut self, reason: &CloseReason) {
        self.0.send(format!("{reason:?}")).unwrap();
    }
}

struct Resume;

/// So many messages come and are answered.
async fn says(peer: &mut Peer, count: usize) {
    for n in 0..count {
        peer.send(&n.to_string()).await;
        assert_eq!(peer.text().await, n.to_string());
    }
}

/// That was too many.
async fn is_closed(mut peer: Peer) {
    assert_eq!(peer.closed().await, 1008);
    assert_eq!(peer.event().await, "Protocol(LimitExceeded)");
}

#[tokio::test(start_paused = true)]
async fn a_seconds_worth_of_messages_and_one_more() {
    let mut peer = connect(Limited);
    says(&mut peer, 10).await;
    peer.send("one more").await;
    is_closed(peer).await;
}

#[tokio::test(start_paused = true)]
async fn messages_that_keep_to_the_rate() {
    let mut peer = connect(Limited);
    says(&mut peer, 9).await;
    for _ in 0..50 {
        says(&mut peer, 1).await;
        sleep(MS * 100).await;
    }
    // Silence is not saved up: it is a second's worth again.
    sleep(MS * 60_000).await;
    says(&mut peer, 10).await;
    sleep(MS * 99).await;
    peer.send("one more").await;
    is_closed(peer).await;
}

#[tokio::test(start_paused = true)]
async fn messages_that_waited_are_no_burst() {
    let mut peer = connect_with(4096, options::<Limited>(|_| {}), Limited);
    peer.raw(&frame(0x82, b"")).await;
    sleep(MS).await;
    // Three seconds without being read: what may come in them, and the nine that are left.
    let count = 30 + 9;
    for n in 0..count {
        peer.send(&n.to_string()).await;
    }
    for n in 0..count {
        assert_eq!(peer.text().await, n.to_string());
    }
    peer.send("one more").await;
    is_closed(peer).await;
}

#[tokio::test(start_paused = true)]
async fn pings_have_a_rate_of_their_own() {
    let mut peer = connect(Limited);
    says(&mut peer, 10).await;
    for n in 0..20 {
        peer.raw(&frame(0x89, &[n])).await;
        let pong = peer.frame().await.unwrap();
        assert_eq!((pong.opcode, &pong.payload[..]), (10, &[n][..]));
    }
    peer.raw(&frame(0x8a, b"")).await;
    is_closed(peer).await;
}

#[tokio::test(start_paused = true)]
async fn flood_of_pings_ends_by_default() {
    let mut peer =
        connect_with(64, options::<Limited>(|options| options.max_control_rate = Some(1000)), Limited);
    assert_eq!(crate::Options::DEFAULT.max_control_rate, Some(1000));
    for _ in 0..1000 {
        peer.raw(&frame(0x89, b"")).await;
        assert_eq!(peer.frame().await.unwrap().opcode, 10);
    }
    peer.raw(&frame(0x8a, b"")).await;
    is_closed(peer).await;
}

#[tokio::test(start_paused = true)]
async fn close_frame_is_never_too_many() {
    let mut peer = connect(Limited);
    says(&mut peer, 10).await;
    for _ in 0..20 {
        peer.raw(&frame(0x8a, b"")).await;
    }
    peer.close(1000).await;
    assert_eq!(peer.closed().await, 1000);
    assert!(peer.event().await.starts_with("Remote"));
}
