//! Tokio's coop budget: a method may exhaust it, and the connection still works.

use std::time::Duration;

use tokio::sync::mpsc::unbounded_channel;
use tokio::task::coop::consume_budget;
use tokio::time::timeout;

use super::peer::{Frame, Log, connect_with, frame, options};
use crate::prelude::*;

const MIB: usize = 1 << 20;

/// Receives that number of items from a channel that is never empty.
async fn drain_a_channel(items: usize) {
    let (sender, mut receiver) = unbounded_channel();
    (0..items).for_each(|item| sender.send(item).unwrap());
    for _ in 0..items {
        receiver.recv().await;
    }
}

#[websocket(idle_timeout = 10s)]
struct Drainer(Log);

#[websocket]
impl Drainer {
    #[on_open]
    async fn open(&mut self) {
        drain_a_channel(200).await;
    }

    #[on_close]
    fn close(&mut self, reason: &CloseReason) {
        self.0.send(format!("{reason:?}")).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn timer_is_armed_with_an_exhausted_coop_budget() {
    let mut peer = connect_with(1024, options::<Drainer>(|_| {}), Drainer);
    // No earlier deadline exists, and this one was first armed with an exhausted budget.
    assert_eq!(timeout(Duration::from_secs(60), peer.event()).await.as_deref(), Ok("Timeout"));
}

/// Handler that sends many messages from one method, which consumes coop budget for each.
#[websocket]
#[derive(Default)]
struct Stream;

#[websocket]
impl Stream {
    #[on_text]
    async fn stream(&mut self, count: &str, cx: &mut Context<Self>) {
        for _ in 0..count.parse().unwrap_or(0) {
            consume_budget().await;
            cx.send(vec![0; 1000]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn frames_are_written_with_an_exhausted_coop_budget() {
    let mut peer = connect_with(64 * MIB, options::<Stream>(|_| {}), |_| Stream);
    peer.send("5000").await;
    for n in 0..5000 {
        let frame = peer.frame().await.unwrap();
        assert_eq!((frame.opcode, frame.payload.len()), (2, 1000), "frame {n}");
    }
}

#[tokio::test(start_paused = true)]
async fn ping_is_answered_with_an_exhausted_coop_budget() {
    #[websocket]
    struct Eater(Log);

    #[websocket]
    impl Eater {
        #[on_text]
        async fn eat(&mut self, _: &str) {
            for _ in 0..100_000 {
                consume_budget().await;
            }
            self.0.send("eaten".into()).unwrap();
        }
    }

    let mut peer = connect_with(4096, options::<Eater>(|_| {}), Eater);
    peer.raw(&[frame(0x81, b"eat"), frame(0x89, b"p")].concat()).await;
    assert_eq!(peer.frame().await, Some(Frame { opcode: 10, payload: b"p".to_vec() }));
    // A managed transport is not read while a method is pending, until some time has passed.
    let in_time = super::MANAGED_TRANSPORT || peer.log.try_recv().is_err();
    assert!(in_time, "the pong arrived after the end of the method");
}
