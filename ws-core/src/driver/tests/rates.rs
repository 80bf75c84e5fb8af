//! Rate limits of messages and pings.

use std::time::Duration;

use tokio::time::sleep;

use super::peer::{Log, Peer, connect, connect_with, frame, options};
use crate::prelude::*;

const MS: Duration = Duration::from_millis(1);

#[websocket(max_message_rate = 10, max_control_rate = 20, idle_timeout = 10m, ping_interval = none)]
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

/// Sends that number of messages and expects as many replies.
async fn exchange(peer: &mut Peer, count: usize) {
    for n in 0..count {
        peer.send(&n.to_string()).await;
        assert_eq!(peer.text().await, n.to_string());
    }
}

/// Expects the close of a connection that exceeded its rate.
async fn expect_closed(mut peer: Peer) {
    assert_eq!(peer.closed().await, 1008);
    assert_eq!(peer.event().await, "Protocol(LimitExceeded)");
}

#[tokio::test(start_paused = true)]
async fn messages_of_one_second_are_accepted_and_one_more_closes() {
    let mut peer = connect(Limited);
    exchange(&mut peer, 10).await;
    peer.send("one more").await;
    expect_closed(peer).await;
}

#[tokio::test(start_paused = true)]
async fn messages_within_the_rate_are_accepted() {
    let mut peer = connect(Limited);
    exchange(&mut peer, 9).await;
    for _ in 0..50 {
        exchange(&mut peer, 1).await;
        sleep(MS * 100).await;
    }
    // Silence does not add up: the allowance is that of one second.
    sleep(MS * 60_000).await;
    exchange(&mut peer, 10).await;
    sleep(MS * 99).await;
    peer.send("one more").await;
    expect_closed(peer).await;
}

#[tokio::test(start_paused = true)]
async fn messages_that_were_not_read_in_time_are_no_burst() {
    if super::HAS_SESSION {
        return; // The bytes that fit into the streams.
    }
    let mut peer = connect_with(4096, options::<Limited>(|_| {}), Limited);
    peer.raw(&frame(0x82, b"")).await;
    sleep(MS).await;
    // Three seconds without reading: the allowance of those seconds, and the nine messages that remain.
    let count = 30 + 9;
    for n in 0..count {
        peer.send(&n.to_string()).await;
    }
    for n in 0..count {
        assert_eq!(peer.text().await, n.to_string());
    }
    peer.send("one more").await;
    expect_closed(peer).await;
}

#[tokio::test(start_paused = true)]
async fn pings_have_their_own_rate() {
    if super::ONLY_MESSAGES {
        return; // Pings and pongs.
    }
    let mut peer = connect(Limited);
    exchange(&mut peer, 10).await;
    for n in 0..20 {
        peer.raw(&frame(0x89, &[n])).await;
        let pong = peer.frame().await.unwrap();
        assert_eq!((pong.opcode, &pong.payload[..]), (10, &[n][..]));
    }
    peer.raw(&frame(0x8a, b"")).await;
    expect_closed(peer).await;
}

#[tokio::test(start_paused = true)]
async fn flood_of_pings_closes_by_default() {
    if super::ONLY_MESSAGES {
        return; // Pings and pongs.
    }
    let mut peer =
        connect_with(64, options::<Limited>(|options| options.max_control_rate = Some(1000)), Limited);
    assert_eq!(crate::Options::DEFAULT.max_control_rate, Some(1000));
    for _ in 0..1000 {
        peer.raw(&frame(0x89, b"")).await;
        assert_eq!(peer.frame().await.unwrap().opcode, 10);
    }
    peer.raw(&frame(0x8a, b"")).await;
    expect_closed(peer).await;
}

#[tokio::test(start_paused = true)]
async fn close_frame_does_not_count_towards_the_rate() {
    if super::ONLY_MESSAGES {
        return; // Pings and pongs.
    }
    let mut peer = connect(Limited);
    exchange(&mut peer, 10).await;
    for _ in 0..20 {
        peer.raw(&frame(0x8a, b"")).await;
    }
    peer.close(1000).await;
    assert_eq!(peer.closed().await, 1000);
    assert!(peer.event().await.starts_with("Remote"));
}
