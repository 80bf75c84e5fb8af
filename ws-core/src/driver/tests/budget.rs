//! The runtime gives a task a budget for each poll. A method may use it up; the connection goes on.

use std::time::Duration;

use tokio::sync::mpsc::unbounded_channel;
use tokio::task::coop::consume_budget;
use tokio::time::timeout;

use super::peer::{Frame, Log, connect_with, frame, options};
use crate::prelude::*;

const MIB: usize = 1 << 20;

/// Takes this many items from a channel that always has one.
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
async fn clock_is_set_without_it() {
    let mut peer = connect_with(1024, options::<Drainer>(|_| {}), Drainer);
    // No other deadline comes before this one, which was first set with nothing left of the budget.
    assert_eq!(timeout(Duration::from_secs(60), peer.event()).await.as_deref(), Ok("Timeout"));
}

/// Sends what a busy channel brings, from one method.
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
async fn frames_go_out_without_it() {
    let mut peer = connect_with(64 * MIB, options::<Stream>(|_| {}), |_| Stream);
    peer.send("5000").await;
    for n in 0..5000 {
        let frame = peer.frame().await.unwrap();
        assert_eq!((frame.opcode, frame.payload.len()), (2, 1000), "frame {n}");
    }
}

#[tokio::test(start_paused = true)]
async fn ping_is_answered_without_it() {
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
    // Nothing is read ahead before time passes, which it does not for this method.
    let in_time = super::MANAGED_TRANSPORT || peer.log.try_recv().is_err();
    assert!(in_time, "the pong came only after the method");
}
