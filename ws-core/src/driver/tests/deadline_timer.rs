//! The one timer of a connection: every deadline fires, also after the connection moves to another task.

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

/// Handler that follows its client's commands in sync methods, so that the fast path is taken.
#[websocket(idle_timeout = 10s)]
struct Commanded {
    log: Log,
    last: Option<crate::TimerId>,
}

/// Message of a timer: the timer's number.
struct Rang(String);

#[websocket]
impl Commanded {
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

/// Model of the connection's deadlines, in milliseconds.
struct Model {
    received_at: u64,
    idle: Option<u64>,
    /// Deadlines of the timers, and their numbers.
    timers: Vec<(u64, u64)>,
    last: Option<u64>,
}

impl Model {
    /// Returns the next deadline up to `until`: a timer with its number, or the idle timeout without one.
    fn next(&mut self, until: u64) -> Option<(u64, Option<u64>)> {
        let end = self.idle.map(|idle| (self.received_at + idle, None));
        let timer = self.timers.iter().min().map(|&(at, number)| (at, Some(number)));
        let next = end.into_iter().chain(timer).min().filter(|(at, _)| *at <= until)?;
        self.timers.retain(|&(_, number)| next.1 != Some(number));
        Some(next)
    }

    /// Applies a command of the client.
    fn apply(&mut self, now: u64, command: &str, number: u64) {
        self.received_at = now;
        match command {
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

/// Runs one connection until it closes or has received fifty commands.
async fn run_commands(mut random: impl FnMut(u64) -> u64) {
    let mut peer = connect(|log| Commanded { log, last: None });
    let start = Instant::now();
    let mut model = Model { received_at: 0, idle: Some(10_000), timers: Vec::new(), last: None };
    let mut time = 0;
    let mut sent = Vec::new();
    for step in 0..50 {
        time += 1 + random(6_000);
        let until = start + Duration::from_millis(time);
        while let Some((at, number)) = model.next(time) {
            let frame = timeout_at(until + S, peer.frame()).await;
            let frame = frame.unwrap_or_else(|_| panic!("nothing at {at} after {sent:?}"));
            let elapsed = start.elapsed().as_millis().abs_diff(at.into());
            let frame = frame.expect("a frame");
            let text = String::from_utf8_lossy(&frame.payload).into_owned();
            assert!(elapsed <= 3, "{text} {elapsed} ms from {at} after {sent:?}");
            let Some(number) = number else {
                assert_eq!(frame.opcode, 8, "{sent:?}");
                return assert_eq!(peer.event().await, "Timeout");
            };
            assert_eq!(text, number.to_string(), "{sent:?}");
        }
        assert!(timeout_at(until, peer.frame()).await.is_err(), "something before {time} after {sent:?}");
        // Every timer has its own number.
        let number = 1 + random(9_000) / 50 * 50 + step;
        let command =
            ["echo", "echo", "echo", "idle", "idle", "never", "after", "after", "cancel"][random(9) as usize];
        sent.push((time, command, number));
        peer.send(&format!("{command} {number}")).await;
        model.apply(time, command, number);
        if command == "echo" {
            assert_eq!(peer.text().await, "ok");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_deadline_of_random_commands_fires_in_time() {
    for seed in 1..=200_u64 {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        run_commands(|below| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % below
        })
        .await;
    }
}

/// Returns a connection that three tasks have polled and that a fourth polls now. The client last sent bytes
/// a second ago, to the third task.
async fn moved() -> (DuplexStream, UnboundedReceiver<String>, Arc<ConnectionTracker>) {
    let (mut client, server) = duplex(1024);
    let (log, events) = unbounded_channel();
    let connections = Arc::<ConnectionTracker>::default();
    let permit = connections.admit(&ConnectionLimits::new(1), None).ok();
    let cx = Cx::new(
        Connection::new(Commanded::CHECKED_DECLARATION.options.into(), Vec::new(), now()),
        None,
        None,
    );
    let mut connection = Box::pin(run(Commanded { log, last: None }, cx, server, permit));
    for _ in 0..3 {
        client.write_all(&frame(0x81, b"echo 1")).await.unwrap();
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
async fn new_task_is_woken_by_the_timer_the_client_and_the_shutdown() {
    let (_client, mut events, _) = moved().await;
    let start = Instant::now();
    assert_eq!(timeout(20 * S, events.recv()).await.unwrap().unwrap(), "Timeout");
    assert_eq!(start.elapsed().as_secs(), 9);

    let (mut client, mut events, connections) = moved().await;
    tokio::task::yield_now().await;
    client.write_all(&frame(0x81, b"echo 1")).await.unwrap();
    assert!(timeout(S, client.read_exact(&mut [0; 4])).await.is_ok());
    connections.shut_down(now() + S);
    assert_eq!(timeout(S, events.recv()).await.unwrap().unwrap(), "Shutdown");
}
