//! A watch over the polls of a worker's connections, which reports methods that take long.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

use super::poll::coarse_now;
use crate::last_call;
use crate::sync::lock;

/// How long a poll may take. It holds all other connections of its thread.
const LIMIT: Duration = Duration::from_millis(100);

/// The methods that were reported, by the names of handler and method.
static REPORTED: Mutex<BTreeSet<(&str, &str)>> = Mutex::new(BTreeSet::new());

/// The end of the last poll of a thread.
pub(super) struct PollWatch(Duration);

impl PollWatch {
    pub(super) fn new() -> Self {
        Self(coarse_now())
    }

    /// Begins the time of the next poll.
    #[inline]
    pub(super) fn start(&mut self) {
        self.0 = coarse_now();
    }

    /// Ends the time of a poll, and begins that of the next one.
    // PERF: the coarse clock is a read of memory that the kernel has written. budget: text64
    #[inline(always)]
    pub(super) fn check(&mut self, is_handshake: bool) {
        let now = coarse_now();
        let elapsed = now.saturating_sub(self.0);
        self.0 = now;
        let call = last_call::take();
        if elapsed > LIMIT {
            report(call, is_handshake, elapsed);
        }
    }
}

/// Reports a method that held the thread, once.
#[cold]
fn report(call: Option<last_call::MethodCall>, is_handshake: bool, elapsed: Duration) {
    let (handler, method) = match call {
        Some(call) => (call.handler(), call.method()),
        None if is_handshake => ("", "on_upgrade"),
        None => return,
    };
    if lock(&REPORTED).insert((handler, method)) {
        tracing::warn!(
            handler,
            method,
            ?elapsed,
            help = "move work that blocks to `tokio::task::spawn_blocking`, or make the method async",
            "a method held the thread of other connections"
        );
    }
}
