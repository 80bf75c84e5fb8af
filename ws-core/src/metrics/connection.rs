//! The metrics of one connection, and of all connections of a handler over a transport.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex};
use std::time::Instant;

use ::metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use tungstenite::protocol::frame::coding::CloseCode;

use super::calls::{last_async_call, record};
use super::counts::{DataCount, KINDS, MessageCounts};
use super::labels::{code_label, reason_label};
use super::{CountedKind, GLOBAL};
use crate::clock::now;
use crate::close::CloseReason;
use crate::sync::lock;

/// Shards of a set, so that threads seldom write to the same memory.
const SHARDS: usize = 16;

/// The metrics of one connection. Empty before the connection opens.
#[derive(Default)]
pub(crate) struct ConnectionMetrics {
    /// Messages that are not in the shard yet.
    // PERF: not in the box, so that a message is one addition. budget: text64x16
    received: DataCount,
    sent: DataCount,
    open: Option<Box<OpenConnection>>,
}

struct OpenConnection {
    shard: &'static Shard,
    is_above_high_water: bool,
    set: &'static MetricSet,
    opened_at: Instant,
    /// The async method that is pending, and since when.
    pending: Option<(&'static str, Instant)>,
}

/// The counts that are not passed to the exporter yet.
#[derive(Default)]
#[repr(align(128))]
struct Shard {
    received: MessageCounts,
    sent: MessageCounts,
    received_bytes: AtomicU64,
    sent_bytes: AtomicU64,
}

/// The metrics that the connections of a handler over a transport share.
struct MetricSet {
    handler: &'static str,
    transport: &'static str,
    shards: [Shard; SHARDS],
    next_shard: AtomicUsize,
    connections: Gauge,
    opened: Counter,
    duration: Histogram,
    received: [Counter; 5],
    sent: [Counter; 5],
    received_bytes: Counter,
    sent_bytes: Counter,
    high_water: Counter,
    missed: Counter,
}

/// The sets of all handlers over all transports that had a connection. Both have few values, so no set is freed.
static SETS: LazyLock<Mutex<HashMap<[&'static str; 2], &'static MetricSet>>> = LazyLock::new(Mutex::default);

impl MetricSet {
    fn new(handler: &'static str, transport: &'static str) -> Self {
        LazyLock::force(&GLOBAL);
        let labels = [("handler", handler), ("transport", transport)];
        let total = |name: &'static str| counter!(name, &labels);
        let kinds = |name: &'static str| {
            KINDS.map(|kind| counter!(name, "handler" => handler, "transport" => transport, "kind" => kind))
        };
        Self {
            handler,
            transport,
            shards: std::array::from_fn(|_| Shard::default()),
            next_shard: AtomicUsize::new(0),
            connections: gauge!("websocket_connections", &labels),
            opened: total("websocket_connections_opened_total"),
            duration: histogram!("websocket_connection_duration_seconds", &labels),
            received: kinds("websocket_messages_received_total"),
            sent: kinds("websocket_messages_sent_total"),
            received_bytes: total("websocket_received_bytes_total"),
            sent_bytes: total("websocket_sent_bytes_total"),
            high_water: total("websocket_outbox_high_water_total"),
            missed: total("websocket_messages_missed_total"),
        }
    }

    /// Returns the set of a handler over a transport.
    fn shared(handler: &'static str, transport: &'static str) -> &'static Self {
        let mut sets = lock(&SETS);
        sets.entry([handler, transport]).or_insert_with(|| Box::leak(Box::new(Self::new(handler, transport))))
    }

    fn publish(&self) {
        let (mut received, mut sent) = ([0; KINDS.len()], [0; KINDS.len()]);
        let (mut received_bytes, mut sent_bytes) = (0, 0);
        for shard in &self.shards {
            shard.received.drain_to(&mut received);
            shard.sent.drain_to(&mut sent);
            received_bytes += shard.received_bytes.swap(0, Ordering::Relaxed);
            sent_bytes += shard.sent_bytes.swap(0, Ordering::Relaxed);
        }
        let messages = self.received.iter().zip(received).chain(self.sent.iter().zip(sent));
        let bytes = [(&self.received_bytes, received_bytes), (&self.sent_bytes, sent_bytes)];
        for (counter, total) in messages.chain(bytes) {
            if total > 0 {
                counter.increment(total);
            }
        }
    }
}

/// Passes the counts of all connections to the exporter.
pub(super) fn publish_sets() {
    let sets: Vec<&MetricSet> = lock(&SETS).values().copied().collect();
    sets.into_iter().for_each(MetricSet::publish);
}

impl ConnectionMetrics {
    /// Counts a connection until the value is dropped.
    pub(crate) fn open(handler: &'static str, transport: &'static str) -> Self {
        let set = MetricSet::shared(handler, transport);
        let number = set.next_shard.fetch_add(1, Ordering::Relaxed);
        set.opened.increment(1);
        set.connections.increment(1.0);
        let open = OpenConnection {
            shard: &set.shards[number % SHARDS],
            is_above_high_water: false,
            set,
            opened_at: now(),
            pending: None,
        };
        Self { received: DataCount::default(), sent: DataCount::default(), open: Some(Box::new(open)) }
    }

    /// Counts why the connection has ended.
    pub(crate) fn on_closed(&mut self, reason: &CloseReason, code: Option<CloseCode>) {
        self.flush();
        let Some(open) = &self.open else { return };
        counter!(
            "websocket_connections_closed_total",
            "handler" => open.set.handler,
            "transport" => open.set.transport,
            "reason" => reason_label(reason),
            "code" => code_label(code),
        )
        .increment(1);
    }

    // PERF: an integer in the connection's own memory. budget: text64x16
    #[inline(always)]
    pub(crate) fn on_received(&mut self, kind: CountedKind) {
        if !self.received.count(kind)
            && let Some(open) = &self.open
        {
            open.shard.received.count_control(kind);
        }
    }

    // PERF: like `on_received`. budget: text64x16
    #[inline(always)]
    pub(crate) fn on_sent(&mut self, kind: CountedKind) {
        if !self.sent.count(kind)
            && let Some(open) = &self.open
        {
            open.shard.sent.count_control(kind);
        }
    }

    #[inline]
    pub(crate) fn on_bytes_received(&self, len: usize) {
        if let Some(open) = &self.open {
            open.shard.received_bytes.fetch_add(len as u64, Ordering::Relaxed);
        }
    }

    #[inline]
    pub(crate) fn on_bytes_sent(&self, len: usize) {
        if let Some(open) = &self.open {
            open.shard.sent_bytes.fetch_add(len as u64, Ordering::Relaxed);
        }
    }

    /// Adds the messages since the last call to the shard.
    // PERF: called at the end of every poll. budget: text64
    #[inline]
    pub(crate) fn flush(&mut self) {
        if let Some(open) = &self.open {
            open.shard.received.take(&mut self.received);
            open.shard.sent.take(&mut self.sent);
        }
    }

    /// Notes that the outbox is above its high-water mark. Counts once until the client has read everything.
    #[cold]
    pub(crate) fn on_above_high_water(&mut self) {
        if let Some(open) = &mut self.open
            && !std::mem::replace(&mut open.is_above_high_water, true)
        {
            open.set.high_water.increment(1);
        }
    }

    /// Notes that the client has read everything.
    #[cold]
    pub(crate) fn on_outbox_empty(&mut self) {
        if let Some(open) = &mut self.open {
            open.is_above_high_water = false;
        }
    }

    /// Counts messages of topics that the connection missed; 0 is an unknown number and counts as one.
    #[cold]
    pub(crate) fn on_missed(&self, missed: u64) {
        if let Some(open) = &self.open {
            open.set.missed.increment(missed.max(1));
        }
    }

    /// Notes that the method that was called last in this thread is pending.
    pub(crate) fn on_method_started(&mut self) {
        if let Some(open) = &mut self.open {
            open.pending = Some((last_async_call(), now()));
        }
    }

    /// Records how long that method was pending.
    pub(crate) fn on_method_finished(&mut self) {
        if let Some(open) = &mut self.open
            && let Some((method, since)) = open.pending.take()
        {
            let time = now().saturating_duration_since(since);
            record("websocket_method_pending_seconds", open.set.handler, method, time);
        }
    }
}

impl Drop for ConnectionMetrics {
    fn drop(&mut self) {
        self.flush();
        if let Some(open) = &self.open {
            open.set.connections.decrement(1.0);
            open.set.duration.record(now().saturating_duration_since(open.opened_at));
        }
    }
}

impl fmt::Debug for ConnectionMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionMetrics").finish_non_exhaustive()
    }
}
