//! The one timer of a connection, whatever it is set for and whoever polls it.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{Instant, timeout, timeout_at};

use super::peer::{Log, connect, frame};
use crate::clock::now;
use crate::connections::{ConnectionLimits, ConnectionTracker};
use crate::context::Context as Cx;
use crate::driver::run;
use crate::handler::Handler;
use crate::prelude::*;
use crate::wire::Connection;

const S: Duration = Duration::from_secs(1);

/// Does what it is told at once, so that nothing but the socket has anything.
#[websocket(idle_timeout = 10s)]
struct Obedient {
    log: Log,
    last: Option<crate::TimerId>,
}

struct Rang(String);

#[websocket]
impl Obedient {
    #[on_text]
    fn text(&mut self, text: &str, cx: &mut Context<Self>) -> Option<&'static str> {
        let (what, number) = text.split_once(' ')?;
        let time = Duration::from_millis(number.parse().unwrap());
        match what {
            "idle" => cx.set_idle_timeout(time),
            "never" => cx.set_idle_timeout(None),
            "after" => self.last = Some(cx.send_after(time, Rang(number.to_owned()))),
            "cancel" => _ = self.last.take().is_some_and(|last| cx.cancel(last)),
            _ => return Some("ok"),
        }
        None
    }

    #[on_info]
    fn rang(&mut self, Rang(number): Rang) -> String {
        number
    }

    #[on_close]
    fn close(&mut self, reason: &CloseReason) {
        self.log.send(format!("{reason:?}")).unwrap();
    }
}

/// What the connection has to know.
struct Model {
    heard: u64,
    idle: Option<u64>,
    /// When they ring, and their numbers.
    timers: Vec<(u64, u64)>,
    last: Option<u64>,
}

impl Model {
    /// What happens next, no later than that: a timer rings, or it ends, which has no number.
    fn next(&mut self, until: u64) -> Option<(u64, Option<u64>)> {
        let end = self.idle.map(|idle| (self.heard + idle, None));
        let timer = self.timers.iter().min().map(|&(at, number)| (at, Some(number)));
        let next = end.into_iter().chain(timer).min().filter(|(at, _)| *at <= until)?;
        self.timers.retain(|&(_, number)| next.1 != Some(number));
        Some(next)
    }

    fn told(&mut self, now: u64, what: &str, number: u64) {
        self.heard = now;
        match what {
            "idle" => self.idle = Some(number),
            "never" => self.idle = None,
            "after" => {
                self.timers.push((now + number, number));
                self.last = Some(number);
            }
            "cancel" => {
                let last = self.last.take();
                self.timers.retain(|&(_, number)| last != Some(number));
            }
            _ => {}
        }
    }
}

/// One connection, until it ends or has been told fifty things.
async fn life(mut random: impl FnMut(u64) -> u64) {
    let mut peer = connect(|log| Obedient { log, last: None });
    let start = Instant::now();
    let mut model = Model { heard: 0, idle: Some(10_000), timers: Vec::new(), last: None };
    let mut time = 0;
    let mut told = Vec::new();
    for step in 0..50 {
        time += 1 + random(6_000);
        let until = start + Duration::from_millis(time);
        while let Some((at, what)) = model.next(time) {
            let frame = timeout_at(until + S, peer.frame()).await;
            let frame = frame.unwrap_or_else(|_| panic!("nothing at {at} after {told:?}"));
            let elapsed = start.elapsed().as_millis().abs_diff(at.into());
            let frame = frame.expect("a frame");
            let text = String::from_utf8_lossy(&frame.payload).into_owned();
            assert!(elapsed <= 3, "{text} {elapsed} ms from {at} after {told:?}");
            let Some(number) = what else {
                assert_eq!(frame.opcode, 8, "{told:?}");
                return assert_eq!(peer.event().await, "Timeout");
            };
            assert_eq!(text, number.to_string(), "{told:?}");
        }
        assert!(timeout_at(until, peer.frame()).await.is_err(), "something before {time} after {told:?}");
        // No two of them have the same number.
        let number = 1 + random(9_000) / 50 * 50 + step;
        let what =
            ["say", "say", "say", "idle", "idle", "never", "after", "after", "cancel"][random(9) as usize];
        told.push((time, what, number));
        peer.send(&format!("{what} {number}")).await;
        model.told(time, what, number);
        if what == "say" {
            assert_eq!(peer.text().await, "ok");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn deadlines_come_and_go_and_each_is_kept() {
    for seed in 1..=200_u64 {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        life(|below| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % below
        })
        .await;
    }
}

/// A connection that has been polled by three tasks and is now by a fourth, which has not heard of the
/// client yet. It was last heard a second ago.
async fn moved() -> (DuplexStream, UnboundedReceiver<String>, Arc<ConnectionTracker>) {
    let (mut client, server) = duplex(1024);
    let (log, events) = unbounded_channel();
    let connections = Arc::<ConnectionTracker>::default();
    let permit = connections.admit(&ConnectionLimits::new(1), None).ok();
    let cx =
        Cx::new(Connection::new(Obedient::CHECKED_DECLARATION.options.into(), Vec::new(), now()), None, None);
    let mut connection = Box::pin(run(Obedient { log, last: None }, cx, server, permit));
    for _ in 0..3 {
        client.write_all(&frame(0x81, b"say 1")).await.unwrap();
        let task = async move {
            assert!(timeout(S, &mut connection).await.is_err());
            Some(connection)
        };
        connection = tokio::spawn(task).await.unwrap().unwrap();
        client.read_exact(&mut [0; 4]).await.unwrap();
    }
    tokio::spawn(connection);
    (client, events, connections)
}

#[tokio::test(start_paused = true)]
async fn another_task_is_woken_by_the_clock_the_client_and_the_server() {
    let (_client, mut events, _) = moved().await;
    let start = Instant::now();
    assert_eq!(timeout(20 * S, events.recv()).await.unwrap().unwrap(), "Timeout");
    assert_eq!(start.elapsed().as_secs(), 9);

    let (mut client, mut events, connections) = moved().await;
    tokio::task::yield_now().await;
    client.write_all(&frame(0x81, b"say 1")).await.unwrap();
    assert!(timeout(S, client.read_exact(&mut [0; 4])).await.is_ok());
    connections.shut_down(now() + S);
    assert_eq!(timeout(S, events.recv()).await.unwrap().unwrap(), "Shutdown");
}
