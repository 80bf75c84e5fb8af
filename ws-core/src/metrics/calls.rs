//! How long methods take.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::time::{Duration, Instant};

use ::metrics::{Histogram, histogram};

use crate::last_call::{self, CalledMethod};

/// Calls of sync methods in a thread of which one is measured.
const CALLS_PER_SAMPLE: u32 = 64;

thread_local! {
    static CALLS_UNTIL_SAMPLE: Cell<u32> = const { Cell::new(1) };
    /// The attribute of the async method that was called last: its name, if no generated code has noted one.
    static LAST_ASYNC_ATTRIBUTE: Cell<&'static str> = const { Cell::new("") };
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
        last_call::clear();
        let left = CALLS_UNTIL_SAMPLE.get() - 1;
        CALLS_UNTIL_SAMPLE.set(left);
        if left == 0 { Self::start_sample() } else { Self(None) }
    }

    #[cold]
    fn start_sample() -> Self {
        CALLS_UNTIL_SAMPLE.set(CALLS_PER_SAMPLE);
        Self(Some(Instant::now()))
    }

    /// Records the duration of the call of a sync method, if the call is in the sample. A handler that is written by
    /// hand notes no method, and is recorded with the attribute.
    // PERF: a branch in most calls. budget: text64x16
    #[inline(always)]
    pub(crate) fn finish(self, handler: &'static str, attribute: &'static str) {
        if let Self(Some(start)) = self {
            let time = start.elapsed();
            let method = last_call::get().map_or(attribute, CalledMethod::name);
            // A batch, whose methods are measured one by one.
            if !method.is_empty() {
                record("websocket_method_duration_seconds", handler, method, time);
            }
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

/// Notes the call of an async method, which may turn out to be pending. The attribute is the name of the method if no
/// generated code has noted one.
#[inline]
pub(crate) fn on_async_call(attribute: &'static str) {
    LAST_ASYNC_ATTRIBUTE.set(attribute);
}

/// Returns the async method that was called last.
pub(super) fn last_async_call() -> &'static str {
    last_call::get().map_or_else(|| LAST_ASYNC_ATTRIBUTE.get(), CalledMethod::name)
}
