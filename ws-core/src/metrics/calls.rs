//! How long methods take.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::time::{Duration, Instant};

use ::metrics::{Histogram, histogram};

/// Calls of sync methods in a thread of which one is measured.
const CALLS_PER_SAMPLE: u32 = 64;

thread_local! {
    static CALLS_UNTIL_SAMPLE: Cell<u32> = const { Cell::new(1) };
    /// The label of the async method that was called last.
    static LAST_ASYNC_CALL: Cell<&'static str> = const { Cell::new("") };
    /// By name, handler and method.
    static HISTOGRAMS: RefCell<HashMap<[&'static str; 3], Histogram>> = RefCell::default();
}

/// The start of a call, if the call is measured.
pub(crate) struct CallTimer(Option<Instant>);

impl CallTimer {
    /// Starts to measure a call of a method, if the call is in the sample.
    // PERF: a countdown of the thread in most calls. budget: text64x16
    #[inline(always)]
    pub(crate) fn start() -> Self {
        let left = CALLS_UNTIL_SAMPLE.get() - 1;
        CALLS_UNTIL_SAMPLE.set(left);
        if left == 0 { Self::start_sample() } else { Self(None) }
    }

    #[cold]
    fn start_sample() -> Self {
        CALLS_UNTIL_SAMPLE.set(CALLS_PER_SAMPLE);
        Self(Some(Instant::now()))
    }

    /// Records the duration of the call of a sync method, if the call is in the sample.
    // PERF: a branch in most calls. budget: text64x16
    #[inline(always)]
    pub(crate) fn finish(self, handler: &'static str, method: &'static str) {
        if let Self(Some(start)) = self {
            record("websocket_method_duration_seconds", handler, method, start.elapsed());
        }
    }
}

/// Records a time of a method. The histograms are cached, because the exporter looks them up by their labels.
#[cold]
pub(super) fn record(name: &'static str, handler: &'static str, method: &'static str, time: Duration) {
    HISTOGRAMS.with_borrow_mut(|histograms| {
        let new = || histogram!(name, "handler" => handler, "method" => method);
        histograms.entry([name, handler, method]).or_insert_with(new).record(time);
    });
}

/// Notes the call of an async method, which may turn out to be pending.
#[inline]
pub(crate) fn on_async_call(method: &'static str) {
    LAST_ASYNC_CALL.set(method);
}

pub(super) fn last_async_call() -> &'static str {
    LAST_ASYNC_CALL.get()
}
