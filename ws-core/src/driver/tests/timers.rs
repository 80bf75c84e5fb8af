//! Timers, declared and set at run time.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::peer::connect;
use crate::prelude::*;

const TWO: Duration = Duration::from_secs(2);

#[websocket(idle_timeout = none)]
#[derive(Default)]
struct Timed {
    beats: u32,
    beat: Option<crate::TimerId>,
}

#[derive(Clone)]
struct Beat;

#[websocket]
impl Timed {
    #[every(TWO)]
    fn tick(&mut self) -> &'static str {
        "tick"
    }

    #[after(5s)]
    async fn once(&mut self) -> &'static str {
        "once"
    }

    #[on_text]
    async fn text(&mut self, text: &str, cx: &mut Context<Self>) {
        match text {
            "beat" => self.beat = Some(cx.send_every(Duration::from_millis(500), Beat)),
            "pause" => cx.set_active(false),
            "busy" => sleep(Duration::from_millis(6500)).await,
            _ => {}
        }
    }

    #[on_info]
    fn beat(&mut self, _: Beat, cx: &mut Context<Self>) -> String {
        self.beats += 1;
        if self.beats == 3 {
            assert!(self.beat.take().is_some_and(|beat| cx.cancel(beat)));
        }
        self.beats.to_string()
    }
}

/// Sends a text, and returns the next replies with their times in tenths of a second.
async fn schedule(text: &str, count: usize) -> Vec<(u64, String)> {
    let start = Instant::now();
    let mut peer = connect(|_| Timed::default());
    if !text.is_empty() {
        peer.send(text).await;
    }
    let mut seen = Vec::new();
    for _ in 0..count {
        let text = peer.text().await;
        seen.push((start.elapsed().as_millis() as u64 / 100, text));
    }
    seen
}

fn expect(times: &[(u64, &str)]) -> Vec<(u64, String)> {
    times.iter().map(|(time, text)| (*time, (*text).to_owned())).collect()
}

#[tokio::test(start_paused = true)]
async fn first_tick_fires_after_one_period() {
    let expect = expect(&[(20, "tick"), (40, "tick"), (50, "once"), (60, "tick"), (80, "tick")]);
    assert_eq!(schedule("", 5).await, expect);
}

#[tokio::test(start_paused = true)]
async fn timers_fire_while_reading_is_paused() {
    assert_eq!(schedule("pause", 2).await, expect(&[(20, "tick"), (40, "tick")]));
}

#[tokio::test(start_paused = true)]
async fn missed_ticks_are_skipped() {
    let expect = expect(&[(65, "tick"), (65, "once"), (80, "tick"), (100, "tick")]);
    assert_eq!(schedule("busy", 4).await, expect);
}

#[tokio::test(start_paused = true)]
async fn repeating_timer_fires_until_it_is_cancelled() {
    let expect = expect(&[(5, "1"), (10, "2"), (15, "3"), (20, "tick"), (40, "tick")]);
    assert_eq!(schedule("beat", 5).await, expect);
}

#[tokio::test(start_paused = true)]
async fn timers_end_with_the_connection() {
    let mut peer = connect(|_| Timed::default());
    peer.close(1000).await;
    assert_eq!(peer.closed().await, 1000);
    drop(peer.io);
    peer.task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn no_timer_fires_after_a_close() {
    #[websocket]
    #[derive(Default)]
    struct Leaver(bool);

    #[websocket]
    impl Leaver {
        #[after(1s)]
        fn leave(&mut self) -> Close {
            self.0 = true;
            Close::default()
        }

        #[after(1s)]
        fn too_late(&mut self) {
            assert!(!self.0, "called after the close");
        }
    }

    let mut peer = connect(|_| Leaver::default());
    assert_eq!(peer.closed().await, 1000);
}
