//! The fast path of an iteration behaves like the general path: the same script of events gives the same
//! transcript.

use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, sleep, timeout};

use super::peer::{Log, Peer, connect_with, frame, options};
use crate::clock::now;
use crate::driver::fast_path::{IS_DISABLED, TAKEN};
use crate::handler::Handler;
use crate::prelude::*;

const MS: Duration = Duration::from_millis(1);

/// Message of the mailbox and of timers.
struct Note(u64);

/// Handler that follows its client's commands, in sync methods.
#[websocket(idle_timeout = 10s, outbox_high_water = 4KiB)]
struct Commanded(Log, Sender<Addr<Self>>);

#[websocket]
impl Commanded {
    #[on_open]
    fn open(&mut self, cx: &mut Context<Self>) {
        self.1.send(cx.addr()).unwrap();
    }

    #[on_text]
    fn text(&mut self, text: &str, cx: &mut Context<Self>) -> Option<Vec<u8>> {
        let (command, number) = text.split_once(' ')?;
        let number: u64 = number.parse().unwrap();
        match command {
            "idle" => cx.set_idle_timeout(Duration::from_millis(1 + number)),
            "never" => cx.set_idle_timeout(None),
            "after" => _ = cx.send_after(Duration::from_millis(number), Note(number)),
            "pause" => {
                cx.set_active(false);
                cx.send_after(Duration::from_millis(number), Note(number));
            }
            "close" => cx.close(4000),
            _ => return Some(vec![b'x'; number as usize]),
        }
        None
    }

    #[on_info]
    fn note(&mut self, Note(number): Note, cx: &mut Context<Self>) -> String {
        cx.set_active(true);
        number.to_string()
    }

    #[on_close]
    fn close(&mut self, reason: &CloseReason) {
        self.0.send(format!("{reason:?}")).unwrap();
    }
}

/// Like [`Commanded`], but its methods are async, and some wait.
#[websocket(idle_timeout = 10s, outbox_high_water = 4KiB)]
struct CommandedAsync(Log, Sender<Addr<Self>>);

#[websocket]
impl CommandedAsync {
    #[on_open]
    fn open(&mut self, cx: &mut Context<Self>) {
        self.1.send(cx.addr()).unwrap();
    }

    #[on_text]
    async fn text(&mut self, text: String, cx: &mut Context<Self>) -> Option<Vec<u8>> {
        let (command, number) = text.split_once(' ')?;
        let number: u64 = number.parse().unwrap();
        match command {
            "idle" => cx.set_idle_timeout(Duration::from_millis(1 + number)),
            "never" => cx.set_idle_timeout(None),
            "after" => _ = cx.send_after(Duration::from_millis(number), Note(number)),
            "pause" => sleep(Duration::from_millis(number)).await,
            "close" => cx.close(4000),
            _ => return Some(vec![b'x'; number as usize]),
        }
        None
    }

    #[on_info]
    async fn note(&mut self, Note(number): Note) -> String {
        number.to_string()
    }

    #[on_close]
    fn close(&mut self, reason: &CloseReason) {
        self.0.send(format!("{reason:?}")).unwrap();
    }
}

/// Frames and close reasons of a connection, with the milliseconds at which they arrived.
type Transcript = Vec<(u128, String)>;

/// Notes the frames that arrive within `time`. Returns false at the end of the stream.
async fn collect(peer: &mut Peer, start: Instant, time: Duration, transcript: &mut Transcript) -> bool {
    let end = Instant::now() + time;
    while let Ok(frame) = tokio::time::timeout_at(end, peer.frame()).await {
        let Some(frame) = frame else { return false };
        let text = String::from_utf8_lossy(&frame.payload[..frame.payload.len().min(20)]).into_owned();
        let line = format!("{:x} {} {text}", frame.opcode, frame.payload.len());
        transcript.push((start.elapsed().as_millis(), line));
    }
    true
}

/// Runs the script of a seed and returns its transcript.
async fn run_script<H>(seed: u64, make: impl FnOnce(Log, Sender<Addr<H>>) -> H) -> Transcript
where
    H: Handler + OnInfo<Note>,
{
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut random = |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    let (addr, addrs) = channel();
    let mut peer = connect_with(16 << 10, options::<H>(|_| {}), |log| make(log, addr));
    tokio::task::yield_now().await;
    let addr = addrs.recv().unwrap();
    let (start, mut transcript) = (Instant::now(), Transcript::new());
    for _ in 0..40 {
        let number = random(3000);
        let commands = ["echo", "echo", "echo", "echo", "idle", "never", "after", "after", "pause", "close"];
        let command = commands[random(if transcript.len() < 20 { 9 } else { 10 }) as usize];
        let text = frame(0x81, format!("{command} {number}").as_bytes());
        let bytes = match random(8) {
            0 => [frame(0x89, b"ping"), text].concat(),
            1 => text.repeat(20),
            2 => [frame(0x01, b"echo "), frame(0x80, b"7")].concat(),
            _ => text,
        };
        let cut = random(bytes.len() as u64) as usize;
        for part in [&bytes[..cut], &bytes[cut..]] {
            // A connection that pauses or has closed does not take everything.
            let _ = timeout(MS, peer.io.write_all(part)).await;
            tokio::task::yield_now().await;
        }
        match random(6) {
            0 => _ = addr.send(Note(number)),
            1 if random(10) == 0 => peer.connections.shut_down(now() + Duration::from_secs(2)),
            _ => {}
        }
        if !collect(&mut peer, start, Duration::from_millis(random(4000)), &mut transcript).await {
            break;
        }
    }
    // A stream that has ended does not take the close frame.
    let _ = timeout(MS, peer.io.write_all(&frame(0x88, &1000_u16.to_be_bytes()))).await;
    collect(&mut peer, start, Duration::from_secs(30), &mut transcript).await;
    transcript.extend(peer.events().await.into_iter().map(|reason| (start.elapsed().as_millis(), reason)));
    transcript
}

async fn compare<H>(seed: u64, make: impl Fn(Log, Sender<Addr<H>>) -> H + Copy)
where
    H: Handler + OnInfo<Note>,
{
    TAKEN.set(0);
    let fast = run_script(seed, make).await;
    assert!(TAKEN.get() > 0, "seed {seed}: the fast path was not taken");
    IS_DISABLED.set(true);
    TAKEN.set(0);
    let general = run_script(seed, make).await;
    IS_DISABLED.set(false);
    assert_eq!(TAKEN.get(), 0, "seed {seed}: the fast path was taken");
    assert_eq!(fast, general, "seed {seed}");
}

#[tokio::test(start_paused = true)]
async fn fast_path_equals_general_path() {
    for seed in 1..=100 {
        compare(seed, Commanded).await;
    }
}

#[tokio::test(start_paused = true)]
async fn fast_path_equals_general_path_of_async_methods() {
    for seed in 1..=100 {
        compare(seed, CommandedAsync).await;
    }
}
