//! Metrics by the facade `metrics`. An exporter that the program installs takes them.
//!
//! What happens for every message is counted in integers of the connection, at the end of a poll added to a shard
//! of its set, and once a second passed to the exporter by a thread. Rare events go to the exporter at once.

mod calls;
mod connection;
mod counts;
mod labels;
mod publisher;

use std::sync::LazyLock;
#[cfg(feature = "nats")]
use std::sync::atomic::{AtomicBool, Ordering};

use ::metrics::{Counter, Gauge, Unit, counter, gauge};
use ::metrics::{describe_counter, describe_gauge, describe_histogram};

pub(crate) use calls::{CallTimer, on_async_call};
pub(crate) use connection::ConnectionMetrics;
pub use publisher::publish_metrics;
pub(crate) use publisher::{LagProbe, LoopMetrics};

/// Whether metrics are counted, for code whose arguments cost something.
pub(crate) const IS_ENABLED: bool = true;

/// The kinds of frames that are counted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum CountedKind {
    Text,
    Binary,
    Ping,
    Pong,
    Close,
}

/// The metrics without a handler.
struct GlobalMetrics {
    mailbox_full: Counter,
    published: Counter,
    deliveries: Counter,
    recovered: Counter,
    not_recovered: Counter,
    detached: Counter,
    resumed: Counter,
    // Also without brokers, so that a dashboard finds them at zero.
    #[cfg_attr(not(feature = "nats"), expect(dead_code))]
    broker_connections: Gauge,
    #[cfg_attr(not(feature = "nats"), expect(dead_code))]
    broker_disconnects: Counter,
}

static GLOBAL: LazyLock<GlobalMetrics> = LazyLock::new(|| {
    describe();
    publisher::start();
    let recoveries = |result: &'static str| counter!("websocket_topic_recoveries_total", "result" => result);
    GlobalMetrics {
        mailbox_full: counter!("websocket_mailbox_full_total"),
        published: counter!("websocket_topic_published_total"),
        deliveries: counter!("websocket_topic_deliveries_total"),
        recovered: recoveries("recovered"),
        not_recovered: recoveries("incomplete"),
        detached: counter!("websocket_sessions_detached_total"),
        resumed: counter!("websocket_sessions_resumed_total"),
        broker_connections: gauge!("websocket_broker_connections"),
        broker_disconnects: counter!("websocket_broker_disconnects_total"),
    }
});

/// Counts a refused handshake. The reason is one of a fixed list.
pub(crate) fn on_handshake_refused(handler: &'static str, reason: &'static str, status: u16) {
    LazyLock::force(&GLOBAL);
    let status = status.to_string();
    let name = "websocket_handshakes_refused_total";
    counter!(name, "handler" => handler, "reason" => reason, "status" => status).increment(1);
}

/// Counts a message that a full mailbox did not take.
#[cold]
pub(crate) fn on_mailbox_full() {
    GLOBAL.mailbox_full.increment(1);
}

/// Counts a message that the program published.
pub(crate) fn on_published() {
    GLOBAL.published.increment(1);
}

/// Counts the subscribers of this process to which a message was delivered.
pub(crate) fn on_delivered(subscribers: usize) {
    GLOBAL.deliveries.increment(subscribers as u64);
}

/// Counts a subscription that asked for the history of its topic.
pub(crate) fn on_recovery(recovered: bool) {
    let global = &*GLOBAL;
    if recovered { &global.recovered } else { &global.not_recovered }.increment(1);
}

/// Counts a session that has lost its connection.
pub(crate) fn on_session_detached() {
    GLOBAL.detached.increment(1);
}

/// Counts a session that continues over another connection.
pub(crate) fn on_session_resumed() {
    GLOBAL.resumed.increment(1);
}

/// The metrics of a connection to a broker, which is counted while it is open.
#[cfg(feature = "nats")]
#[derive(Default)]
pub(crate) struct BrokerMetrics {
    is_connected: AtomicBool,
}

#[cfg(feature = "nats")]
impl BrokerMetrics {
    pub(crate) fn on_connected(&self) {
        if !self.is_connected.swap(true, Ordering::AcqRel) {
            GLOBAL.broker_connections.increment(1.0);
        }
    }

    pub(crate) fn on_disconnected(&self) {
        if self.is_connected.swap(false, Ordering::AcqRel) {
            GLOBAL.broker_connections.decrement(1.0);
            GLOBAL.broker_disconnects.increment(1);
        }
    }
}

#[cfg(feature = "nats")]
impl Drop for BrokerMetrics {
    fn drop(&mut self) {
        if *self.is_connected.get_mut() {
            GLOBAL.broker_connections.decrement(1.0);
        }
    }
}

/// Describes the metrics to the exporter.
fn describe() {
    let seconds = Unit::Seconds;
    describe_gauge!("websocket_connections", "Open connections");
    describe_counter!("websocket_connections_opened_total", "Connections that were opened");
    describe_counter!("websocket_connections_closed_total", "Connections that have ended");
    describe_histogram!("websocket_connection_duration_seconds", seconds, "Time that connections were open");
    describe_counter!("websocket_handshakes_refused_total", "Handshakes that were refused");
    describe_counter!("websocket_messages_received_total", "Messages and control frames from clients");
    describe_counter!("websocket_messages_sent_total", "Messages and control frames to clients");
    describe_counter!("websocket_received_bytes_total", Unit::Bytes, "Bytes of frames from clients");
    describe_counter!("websocket_sent_bytes_total", Unit::Bytes, "Bytes of frames to clients");
    describe_histogram!(
        "websocket_method_duration_seconds",
        seconds,
        "Time that methods ran, of 1 call in 64"
    );
    describe_histogram!("websocket_method_pending_seconds", seconds, "Time that async methods were pending");
    describe_counter!(
        "websocket_outbox_high_water_total",
        "Times that an outbox reached its high-water mark"
    );
    describe_counter!("websocket_messages_missed_total", "Messages of topics that connections missed");
    describe_counter!("websocket_mailbox_full_total", "Messages that a full mailbox did not take");
    describe_counter!("websocket_topic_published_total", "Messages that the program published");
    describe_counter!("websocket_topic_deliveries_total", "Published messages times their subscribers");
    describe_counter!("websocket_topic_recoveries_total", "Subscriptions that asked for a history");
    describe_counter!("websocket_sessions_detached_total", "Sessions that have lost their connection");
    describe_counter!("websocket_sessions_resumed_total", "Sessions that continue over another connection");
    describe_gauge!("websocket_broker_connections", "Open connections to brokers");
    describe_counter!("websocket_broker_disconnects_total", "Lost connections to brokers");
    describe_histogram!("websocket_loop_lag_seconds", seconds, "Time from a wake-up to the poll");
}
