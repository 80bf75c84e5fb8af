//! Reports about the topics of a hub, for an inspector.

use std::sync::Arc;

/// A topic at one moment.
#[derive(Clone, Debug)]
pub(crate) struct TopicReport {
    pub(crate) name: Arc<str>,
    /// The name of the type of the values.
    pub(crate) values: &'static str,
    /// Whether the values stay in this process, although the hub may have a broker.
    pub(crate) is_local: bool,
    /// Subscriptions of this process.
    pub(crate) subscribers: usize,
    /// Connections of this process that watch the members.
    pub(crate) watchers: usize,
    /// Members that this process knows.
    pub(crate) members: usize,
    pub(crate) history: Option<HistoryReport>,
}

/// The history of a topic. A broker does not report its messages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HistoryReport {
    /// Number of stored messages, if they are in this process.
    pub(crate) len: Option<usize>,
    /// Offset of the last message that this process knows.
    pub(crate) offset: Option<u64>,
}

/// The connection to a broker at one moment.
#[derive(Clone, Debug, Default)]
#[cfg_attr(not(feature = "nats"), allow(dead_code))]
pub(crate) struct BrokerReport {
    pub(crate) is_connected: bool,
    /// The name and the version of the server.
    pub(crate) server: String,
    /// Messages from and to the broker since the start.
    pub(crate) received: u64,
    pub(crate) sent: u64,
    /// Number of connections that were made; above 1 after a reconnect.
    pub(crate) connects: u64,
}
