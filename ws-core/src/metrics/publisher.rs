//! The thread that passes counts to the exporter, and measures how late event loops are.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, Weak};
use std::thread;
use std::time::{Duration, Instant};

use ::metrics::{Histogram, histogram};
use tokio::runtime::Handle;

use super::GLOBAL;
use super::connection::publish_sets;
use crate::sync::lock;

/// The time between two passes of the thread.
const INTERVAL: Duration = Duration::from_secs(1);

/// An event loop that can run a function between two polls of its connections.
pub(crate) trait LagProbe: Send + Sync {
    /// Runs a function on the event loop, or drops it if the loop has ended.
    fn run_on_loop(&self, function: Box<dyn FnOnce() + Send>);
}

/// The event loops whose lag is measured.
static LOOPS: Mutex<Vec<Weak<EventLoopEntry>>> = Mutex::new(Vec::new());

struct EventLoopEntry {
    probe: Arc<dyn LagProbe>,
    lag: Histogram,
    /// Whether the loop has not run the last function yet.
    is_waiting: AtomicBool,
}

/// The measurement of an event loop, which ends when the value is dropped.
pub(crate) struct LoopMetrics {
    _entry: Arc<EventLoopEntry>,
}

impl LoopMetrics {
    /// Starts to measure the current runtime.
    pub(crate) fn of_runtime() -> Self {
        Self::start("runtime".into(), Arc::new(Handle::current()))
    }

    /// Starts to measure an event loop, once a second.
    pub(crate) fn start(name: String, probe: Arc<dyn LagProbe>) -> Self {
        LazyLock::force(&GLOBAL);
        let lag = histogram!("websocket_loop_lag_seconds", "loop" => name);
        let entry = Arc::new(EventLoopEntry { probe, lag, is_waiting: AtomicBool::new(false) });
        let mut loops = lock(&LOOPS);
        loops.retain(|entry| entry.strong_count() > 0);
        loops.push(Arc::downgrade(&entry));
        Self { _entry: entry }
    }
}

impl LagProbe for Handle {
    fn run_on_loop(&self, function: Box<dyn FnOnce() + Send>) {
        self.spawn(async move { function() });
    }
}

impl fmt::Debug for LoopMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoopMetrics").finish_non_exhaustive()
    }
}

/// Starts the thread. Called once.
pub(super) fn start() {
    let thread = thread::Builder::new().name("ws-metrics".into()).spawn(|| {
        loop {
            thread::sleep(INTERVAL);
            publish_metrics();
            measure_loops();
        }
    });
    if let Err(error) = thread {
        tracing::error!(%error, "cannot start the thread of the metrics");
    }
}

/// Passes what was counted to the exporter of the facade [`metrics`](https://docs.rs/metrics). Feature `metrics`.
///
/// A thread does so each second, so only a program that needs figures of this moment calls the function, for example
/// before its `/metrics` page is rendered. The time is proportional to the number of handlers, not of connections.
///
/// ```
/// ws_core::publish_metrics();
/// ```
pub fn publish_metrics() {
    publish_sets();
}

fn measure_loops() {
    let loops: Vec<_> = lock(&LOOPS).iter().filter_map(Weak::upgrade).collect();
    for entry in loops {
        // A loop that is stuck is not asked again; its lag is recorded when it continues.
        if entry.is_waiting.swap(true, Ordering::AcqRel) {
            continue;
        }
        // A loop that has ended keeps the function, and would own itself if the function owned its entry.
        let (weak, sent_at) = (Arc::downgrade(&entry), Instant::now());
        entry.probe.run_on_loop(Box::new(move || {
            if let Some(entry) = weak.upgrade() {
                entry.lag.record(sent_at.elapsed());
                entry.is_waiting.store(false, Ordering::Release);
            }
        }));
    }
}
