//! Producers that wait for their client: `#[on_drain]` and `Context::flushed`.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, sleep};

use super::peer::{Log, connect_with, options};
use crate::clock::now;
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
        if how == "select" {
            // A wait that was given up leaves nothing that would disturb the next one.
            cx.send(vec![0; CHUNK]);
            for _ in 0..3 {
                tokio::select! {
                    biased;
                    () = cx.flushed() => panic!("the client has not read"),
                    () = sleep(Duration::from_secs(1)) => {}
                }
            }
            self.0.send("waited".into()).unwrap();
            cx.flushed().await;
        }
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

    #[on_close]
    fn close(&mut self, reason: &CloseReason) {
        self.0.send(format!("{reason:?}")).unwrap();
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

#[tokio::test(start_paused = true)]
async fn flushed_can_be_given_up_and_awaited_again() {
    let mut peer = connect_with(1024, options::<Export>(|_| {}), Export);
    peer.send("select").await;
    assert_eq!(peer.event().await, "waited");
    for len in [CHUNK].into_iter().chain([30_000; 20]) {
        assert_eq!(peer.frame().await.unwrap().payload.len(), len);
    }
    assert_eq!(peer.event().await, "done");
}

#[tokio::test(start_paused = true)]
async fn idle_timeout_ends_a_client_that_reads_nothing() {
    let minute = options::<Export>(|options| options.idle_timeout = Some(Duration::from_secs(60)));
    let mut peer = connect_with(1024, minute.clone(), Export);
    let start = Instant::now();
    peer.send("directly").await;
    // The method is cancelled: it does not log that it is done.
    assert_eq!(peer.event().await, "Timeout");
    assert!(start.elapsed() >= Duration::from_secs(60), "{:?}", start.elapsed());
    // A client that reads, however slowly, is not idle.
    let mut peer = connect_with(1024, minute, Export);
    peer.send("directly").await;
    // Fewer bytes than the high-water mark wait after 18 of 20 rows.
    for _ in 0..18 {
        sleep(Duration::from_secs(50)).await;
        assert_eq!(peer.frame().await.unwrap().payload.len(), 30_000);
    }
    assert_eq!(peer.event().await, "done");
}

#[tokio::test(start_paused = true)]
async fn flushed_completes_when_the_client_is_gone() {
    let mut peer = connect_with(1024, options::<Export>(|_| {}), Export);
    let start = Instant::now();
    peer.send("directly").await;
    sleep(Duration::from_secs(1)).await;
    let mut events = peer.events().await;
    assert_eq!(events.remove(0), "done");
    assert!(events[0].starts_with("ConnectionLost"), "{events:?}");
    assert_eq!(start.elapsed(), Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn flushed_waits_while_the_server_shuts_down() {
    for reads in [true, false] {
        let mut peer = connect_with(1024, options::<Export>(|_| {}), Export);
        peer.send("directly").await;
        sleep(Duration::from_secs(1)).await;
        peer.connections.shut_down(now() + Duration::from_secs(30));
        if reads {
            for _ in 0..20 {
                assert_eq!(peer.frame().await.unwrap().payload.len(), 30_000);
            }
            assert_eq!(peer.event().await, "done");
            assert_eq!(peer.closed().await, 1001);
        }
        // Without a reader the method is cancelled.
        assert_eq!(peer.event().await, "Shutdown");
    }
}

/// Like `Source`, but async, and ends the connection.
#[websocket(idle_timeout = none)]
struct AsyncSource {
    log: Log,
    left: usize,
}

#[websocket]
impl AsyncSource {
    #[on_text]
    fn text(&mut self, _: &str) -> Vec<u8> {
        vec![0; CHUNK]
    }

    #[on_drain]
    async fn drain(&mut self, cx: &mut Context<Self>) -> Result<Vec<u8>, String> {
        sleep(Duration::from_millis(10)).await;
        self.left = self.left.checked_sub(1).ok_or("nothing is left")?;
        cx.send(vec![0; CHUNK]);
        cx.flushed().await;
        self.log.send(format!("chunk {}", self.left)).unwrap();
        Ok(vec![1; CHUNK])
    }

    #[on_error]
    fn error(&mut self, error: &HandlerError) -> Close {
        self.log.send(error.to_string()).unwrap();
        Close::new(4000, "end")
    }
}

#[tokio::test(start_paused = true)]
async fn async_on_drain_may_wait_and_fail() {
    for buffer in [1024, 128 * MIB] {
        let mut peer =
            connect_with(buffer, options::<AsyncSource>(|_| {}), |log| AsyncSource { log, left: 3 });
        peer.send("go").await;
        for first in [0, 0, 1, 0, 1, 0, 1] {
            assert_eq!(peer.frame().await.unwrap().payload, vec![first; CHUNK]);
        }
        for event in ["chunk 2", "chunk 1", "chunk 0", "nothing is left"] {
            assert_eq!(peer.event().await, event);
        }
        assert_eq!(peer.closed().await, 4000);
    }
}

/// Produces without reading from its client.
#[websocket(idle_timeout = none)]
struct Deaf(Log);

#[websocket]
impl Deaf {
    #[on_open]
    fn open(&mut self, cx: &mut Context<Self>) -> Vec<u8> {
        cx.set_active(false);
        vec![0; CHUNK]
    }

    #[on_drain]
    fn drain(&mut self) -> (Vec<u8>, Close) {
        self.0.send("drained".into()).unwrap();
        (vec![1; CHUNK], Close::from(4000))
    }
}

/// A drain after a close is none: the last chunk is above the mark.
#[tokio::test(start_paused = true)]
async fn on_drain_runs_while_reading_is_stopped_and_not_after_a_close() {
    let mut peer = connect_with(1024, options::<Deaf>(|_| {}), Deaf);
    for first in [0, 1] {
        assert_eq!(peer.frame().await.unwrap().payload, vec![first; CHUNK]);
    }
    assert_eq!(peer.closed().await, 4000);
    assert_eq!(peer.events().await, ["drained"]);
}
