//! The clients: sessions over WebSockets through the proxy, by `docs/session_protocol.md`. Each one sends a numbered
//! message from time to time, and begins a new session when its server stops.

use std::collections::{BTreeSet, VecDeque};
use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep, timeout};

use super::connection::{Connection, member};
use super::report::{Reconnect, Report};
use crate::load::{CLOSE, TEXT};

/// Time between two messages of a client.
pub(super) const PERIOD: Duration = Duration::from_secs(5);
/// Handshakes at a time, while all clients connect for the first time.
const FIRST: usize = 100;
/// Bound of the delay after a failed attempt, like `minDelay` of the client for pages.
const RETRY: Duration = Duration::from_secs(1);
/// Time for a greeting, like `connectTimeout` of the client for pages.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(8);
/// Time for all clients to connect again, after the parent has closed the pipe.
const RECONNECT_TIMEOUT: Duration = Duration::from_secs(60);
/// Time for the last echoes.
const LAST_ECHOES: Duration = Duration::from_secs(10);

/// Returns the time in milliseconds of the Unix epoch, which all processes share.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

struct Shared {
    port: u16,
    first: Semaphore,
    connected: AtomicU64,
    report: Mutex<Report>,
    /// True once the clients have to end.
    stop: watch::Receiver<bool>,
}

/// Runs `count` clients, and prints a line when all are connected. After the parent has closed the pipe, they connect again,
/// exchange messages for a period, and end. Then prints the report.
pub(super) fn run(port: u16, count: u64) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (stop, stopped) = watch::channel(false);
        let (connected, report) = (AtomicU64::new(0), Mutex::default());
        let shared =
            Arc::new(Shared { port, first: Semaphore::new(FIRST), connected, report, stop: stopped.clone() });
        let clients: Vec<_> =
            (0..count).map(|id| tokio::spawn(Client::new(id).run(Arc::clone(&shared)))).collect();
        while shared.connected.load(Ordering::Relaxed) < count {
            sleep(Duration::from_millis(20)).await;
        }
        println!("connected");
        let (drain, drained) = tokio::sync::oneshot::channel::<()>();
        thread::spawn(move || {
            let _ = io::stdin().read_to_end(&mut Vec::new());
            drop(drain);
        });
        let _ = drained.await;
        let deadline = Instant::now() + RECONNECT_TIMEOUT;
        let reconnects = || shared.report.lock().expect("no panics").reconnects.len() as u64;
        while reconnects() < count && Instant::now() < deadline {
            sleep(Duration::from_millis(20)).await;
        }
        sleep(PERIOD).await;
        let _ = stop.send(true);
        for client in clients {
            client.await.map_err(io::Error::other)?;
        }
        shared.report.lock().expect("no panics").print();
        Ok(())
    })
}

/// Why a connection ended.
enum End {
    /// The server stops; the milliseconds of its object `reconnect`.
    Drain(u64),
    /// The connection was lost, or the server closed it for another reason.
    Cut,
    /// The clients have to end.
    Stop,
}

struct Client {
    id: u64,
    sent: u64,
    /// Numbers of messages without an echo.
    waiting: BTreeSet<u64>,
    /// Numbers of messages without an acknowledgement, for the next session.
    unacknowledged: VecDeque<u64>,
    /// Count of messages that this session has acknowledged.
    acknowledged: u64,
    /// Count of messages received in this session.
    received: u64,
    ticks: Interval,
}

impl Client {
    fn new(id: u64) -> Self {
        // Each client sends at another moment of the period.
        let first = Instant::now() + PERIOD.mul_f64((id % 997) as f64 / 997.0);
        let mut ticks = interval_at(first, PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let (waiting, unacknowledged) = (BTreeSet::new(), VecDeque::new());
        Self { id, sent: 0, waiting, unacknowledged, acknowledged: 0, received: 0, ticks }
    }

    async fn run(mut self, shared: Arc<Shared>) {
        let mut is_first = true;
        loop {
            let permit = if is_first { shared.first.acquire().await.ok() } else { None };
            let began = (now(), Instant::now());
            let connection = match timeout(CONNECT_TIMEOUT, self.connect(shared.port)).await {
                Ok(Ok(connection)) => connection,
                failed => {
                    if let Ok(Err(error)) = failed {
                        eprintln!("client {}: {error}", self.id);
                    }
                    shared.report.lock().expect("no panics").refused += 1;
                    if *shared.stop.borrow() {
                        break;
                    }
                    sleep(RETRY.mul_f64(f64::from((self.id * 7919 % 1000) as u32) / 1e3)).await;
                    continue;
                }
            };
            drop(permit);
            if is_first {
                shared.connected.fetch_add(1, Ordering::Relaxed);
            } else {
                let (began, took) = (began.0, began.1.elapsed().as_millis() as u64);
                shared.report.lock().expect("no panics").reconnects.push(Reconnect { began, took });
            }
            is_first = false;
            match self.talk(connection, shared.stop.clone()).await.unwrap_or(End::Cut) {
                End::Drain(delay) => sleep(Duration::from_millis(delay)).await,
                End::Cut => shared.report.lock().expect("no panics").cut += 1,
                End::Stop => break,
            }
        }
        let mut report = shared.report.lock().expect("no panics");
        report.sent += self.sent;
        report.lost += self.waiting.len() as u64;
    }

    /// Begins a session, and sends the messages that the last one has not acknowledged.
    async fn connect(&mut self, port: u16) -> io::Result<Connection> {
        let mut connection = Connection::open(port).await?;
        let (_, greeting) = connection.next().await?;
        if !greeting.contains(r#""resumed":false"#) {
            return Err(io::Error::other(format!("unexpected greeting: {greeting}")));
        }
        (self.acknowledged, self.received) = (0, 0);
        for number in &self.unacknowledged {
            connection.text(&number.to_string()).await?;
        }
        Ok(connection)
    }

    /// Exchanges messages until the connection ends.
    async fn talk(&mut self, mut connection: Connection, mut stop: watch::Receiver<bool>) -> io::Result<End> {
        let (mut delay, mut last) = (None, None);
        loop {
            tokio::select! {
                message = connection.next() => match message? {
                    (CLOSE, _) => {
                        connection.close().await?;
                        return Ok(delay.map_or(End::Cut, End::Drain));
                    }
                    (TEXT, text) => match text.strip_prefix('\0') {
                        Some(object) => {
                            delay = member(object, "reconnect").or(delay);
                            self.acknowledge(member(object, "ack").unwrap_or(0));
                        }
                        None => {
                            self.received += 1;
                            self.waiting.remove(&text.parse().unwrap_or(0));
                        }
                    },
                    _ => {}
                },
                _ = self.ticks.tick(), if last.is_none() => {
                    self.sent += 1;
                    self.waiting.insert(self.sent);
                    self.unacknowledged.push_back(self.sent);
                    connection.text(&format!("\0{{\"ack\":{}}}", self.received)).await?;
                    connection.text(&self.sent.to_string()).await?;
                }
                // Sends nothing more, and waits for the echoes.
                _ = stop.changed(), if last.is_none() => last = Some(Instant::now() + LAST_ECHOES),
                () = sleep(Duration::from_millis(100)), if last.is_some() => {}
            }
            if last.is_some_and(|last| self.waiting.is_empty() || last < Instant::now()) {
                return Ok(End::Stop);
            }
        }
    }

    fn acknowledge(&mut self, count: u64) {
        while self.acknowledged < count {
            self.acknowledged += 1;
            self.unacknowledged.pop_front();
        }
    }
}
