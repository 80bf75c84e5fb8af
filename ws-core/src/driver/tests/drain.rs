//! Producers that wait for their client: `#[on_drain]` and `Context::flushed`.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, sleep};

use super::peer::{Log, connect_with, options};
use crate::prelude::*;

const CHUNK: usize = 70_000;
const MIB: usize = 1 << 20;

/// A handler that sends a chunk above the high-water mark at each drain.
#[websocket(idle_timeout = none)]
struct Source {
    log: Log,
    left: usize,
}

#[websocket]
impl Source {
    #[on_text]
    fn text(&mut self, text: &str) -> Option<Vec<u8>> {
        if text == "stop" {
            self.log.send(format!("stopped with {} left", self.left)).unwrap();
            self.left = 0;
            return None;
        }
        self.drain()
    }

    #[on_drain]
    fn drain(&mut self) -> Option<Vec<u8>> {
        self.left = self.left.checked_sub(1)?;
        self.log.send(format!("chunk {}", self.left)).unwrap();
        Some(vec![0; CHUNK])
    }
}

#[tokio::test(start_paused = true)]
async fn on_drain_runs_when_the_client_has_read() {
    let mut peer = connect_with(1024, options::<Source>(|_| {}), |log| Source { log, left: 3 });
    peer.send("go").await;
    assert_eq!(peer.event().await, "chunk 2");
    for left in ["chunk 1", "chunk 0"] {
        sleep(Duration::from_secs(10)).await;
        assert!(peer.log.is_empty(), "the client has not read");
        assert_eq!(peer.frame().await.unwrap().payload.len(), CHUNK);
        assert_eq!(peer.event().await, left);
    }
    assert_eq!(peer.frame().await.unwrap().payload.len(), CHUNK);
    sleep(Duration::from_secs(10)).await;
    assert!(peer.log.is_empty());
}

/// The stream takes every chunk at once, so the outbox is always below its mark again.
#[tokio::test(start_paused = true)]
async fn endless_drains_do_not_stop_reading() {
    let mut peer = connect_with(128 * MIB, options::<Source>(|_| {}), |log| Source { log, left: 1000 });
    peer.send("go").await;
    peer.send("stop").await;
    let mut events = Vec::new();
    while !events.iter().any(|event: &String| event.starts_with("stopped")) {
        events.push(peer.event().await);
    }
    assert!(events.len() < 10, "{events:?}");
}

/// Has no reason to be called: nothing reached the mark.
#[tokio::test(start_paused = true)]
async fn output_below_the_mark_is_no_drain() {
    let below = options::<Source>(|options| options.outbox_high_water = 2 * CHUNK);
    let mut peer = connect_with(1024, below, |log| Source { log, left: 3 });
    peer.send("go").await;
    assert_eq!(peer.frame().await.unwrap().payload.len(), CHUNK);
    assert_eq!(peer.event().await, "chunk 2");
    sleep(Duration::from_secs(10)).await;
    assert!(peer.log.is_empty());
}

/// Exports rows faster than its client reads, and waits for it.
#[websocket(idle_timeout = none, outbox_limit = 100KiB)]
struct Export(Log);

#[websocket]
impl Export {
    #[on_text]
    async fn rows(&mut self, how: String, cx: &mut Context<Self>) {
        for _ in 0..20 {
            cx.send(vec![0; 30_000]);
            if how == "nested" {
                // Polls its future only after that future's own waker was woken.
                let mut waits: FuturesUnordered<_> = [Box::pin(cx.flushed())].into_iter().collect();
                waits.next().await;
            } else {
                cx.flushed().await;
            }
            assert!(cx.buffered() < 64 << 10);
        }
        if how == "close" {
            cx.send(vec![0; CHUNK]);
            cx.close(1000);
            cx.flushed().await;
        }
        self.0.send("done".into()).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn flushed_waits_for_the_client() {
    for how in ["directly", "nested"] {
        let mut peer = connect_with(1024, options::<Export>(|_| {}), Export);
        peer.send(how).await;
        sleep(Duration::from_secs(10)).await;
        assert!(peer.log.is_empty(), "the client has not read");
        for _ in 0..20 {
            assert_eq!(peer.frame().await.unwrap().payload.len(), 30_000);
        }
        assert_eq!(peer.event().await, "done");
    }
}

#[tokio::test(start_paused = true)]
async fn flushed_does_not_wait_after_a_close() {
    let mut peer = connect_with(MIB, options::<Export>(|_| {}), Export);
    let start = Instant::now();
    peer.send("close").await;
    assert_eq!(peer.event().await, "done");
    assert_eq!(start.elapsed(), Duration::ZERO);
}
