//! Sessions over a network that delays, halves, cuts and duplicates at random: each message arrives once and in order,
//! over WebSockets, events and polls, and over all of them in turn.
//!
//! Variables choose another run: `NETWORK_SEED=7 NETWORK_SECONDS=60 NETWORK_CLIENTS=200`.

#[path = "sessions_network/client.rs"]
mod client;
#[path = "sessions_network/http.rs"]
mod http;
#[path = "sessions_network/proxy.rs"]
mod proxy;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use client::Transport;
use proxy::Proxy;
use tests::serve;
use tokio::time::{Instant, sleep, timeout};
use ws_core::prelude::*;

/// How long a busy machine may need for what the test waits for.
const PATIENCE: Duration = Duration::from_secs(120);

/// Pseudo-random numbers (xorshift, Marsaglia 2003).
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: u64) -> u64 {
        (self.next() >> 11) % end
    }
}

/// Returns the text of a number. Some begin or end like nothing else does.
fn payload(number: u64) -> String {
    match number % 7 {
        0 => format!("\0{number}"),
        1 => format!("{number} \r\n"),
        _ => format!("{number} {}", "x".repeat((number * 37 % 500) as usize)),
    }
}

/// Returns whether a text is that of a number.
fn is_number(text: &str, number: u64) -> bool {
    text.trim_start_matches('\0').split(' ').next() == Some(&*number.to_string())
}

/// What handlers have seen that must not happen.
type Violations = Arc<Mutex<Vec<String>>>;

#[websocket(path = "/numbers", session(buffer = 64KiB))]
struct Numbers {
    violations: Violations,
    handled: u64,
    sent: u64,
    is_over: bool,
}

#[websocket]
impl Numbers {
    #[on_upgrade]
    fn make(State(violations): State<Violations>) -> Self {
        Self { violations, handled: 0, sent: 0, is_over: false }
    }

    #[on_text]
    async fn text(&mut self, text: String) -> Option<String> {
        if text == "end" {
            self.is_over = true;
            return Some(format!("end {}", self.sent));
        }
        if self.handled.is_multiple_of(11) {
            // Messages and connections arrive while a method is pending.
            sleep(Duration::from_millis(3)).await;
        }
        if !is_number(&text, self.handled) {
            self.violations.lock().unwrap().push(format!("{text:.20} instead of {}", self.handled));
        }
        self.handled += 1;
        None
    }

    #[every(50ms)]
    fn tick(&mut self) -> Option<String> {
        if self.is_over {
            return None;
        }
        self.sent += 1;
        Some(payload(self.sent - 1))
    }
}

/// What the clients count.
#[derive(Debug, Default)]
struct Counts {
    up: AtomicU64,
    down: AtomicU64,
    resumes: AtomicU64,
}

fn variable(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |value| value.parse().expect("the variable is a number"))
}

async fn run(name: &str, transports: &'static [Transport]) {
    let seed = variable("NETWORK_SEED", 1);
    let length = Duration::from_secs(variable("NETWORK_SECONDS", 2));
    let violations = Violations::default();
    let server = serve(Router::new().mount::<Numbers>().with_state(Arc::clone(&violations))).await;
    let proxy = Proxy::start(server.addr, seed).await;
    let (counts, is_over) = (Arc::new(Counts::default()), Arc::new(AtomicBool::new(false)));
    let clients: Vec<_> = (0..variable("NETWORK_CLIENTS", 5))
        .map(|number| {
            let random = Random::new(seed * 1000 + number);
            tokio::spawn(client::run(
                proxy.addr,
                transports,
                random,
                Arc::clone(&counts),
                Arc::clone(&is_over),
            ))
        })
        .collect();
    let start = Instant::now();
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let is_enough = || {
        count(&proxy.cuts) > 5
            && count(&proxy.copies) > 3
            && count(&counts.resumes) > 5
            && count(&counts.down) > 100
    };
    while start.elapsed() < length || !is_enough() {
        assert!(start.elapsed() < length + PATIENCE, "seed {seed}: {name}: {counts:?}, {proxy:?}");
        assert!(
            !clients.iter().any(|client| client.is_finished()),
            "seed {seed}: {name}: a client has failed"
        );
        sleep(Duration::from_millis(20)).await;
    }
    // The rest arrives over a network that works.
    proxy.stop_cutting();
    is_over.store(true, Ordering::Relaxed);
    for client in clients {
        timeout(PATIENCE, client).await.expect("a client stands still").expect("a client has failed");
    }
    println!("seed {seed}: {name}: {:?}, {:?} cuts, {:?} copies", counts, proxy.cuts, proxy.copies);
    let violations = violations.lock().unwrap();
    assert!(violations.is_empty(), "seed {seed}: {name}: {violations:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn websocket() {
    run("WebSocket", &[Transport::WebSocket]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events() {
    run("events", &[Transport::Events]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn polling() {
    run("polling", &[Transport::Polling]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_in_turn() {
    run("all", &[Transport::WebSocket, Transport::Events, Transport::Polling]).await;
}
