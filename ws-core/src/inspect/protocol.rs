//! The messages between the page and the server, as JSON. They belong together and are not for other programs.

use serde::{Deserialize, Serialize};

use super::options::OptionReport;

/// A request of the page.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum InspectorRequest {
    /// Selects what the page shows from now on.
    View(View),
    /// Starts to show the messages of a connection, instead of those of another.
    Watch {
        id: u64,
    },
    Unwatch,
    /// Closes a connection.
    Close {
        id: u64,
        code: u16,
        reason: String,
    },
    /// Closes all connections with a tag.
    Kick {
        tag: String,
        code: u16,
        reason: String,
    },
}

/// The part of the server that a page shows.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct View {
    /// A number that the reports about this view repeat.
    pub(super) number: u64,
    pub(super) tab: Tab,
    /// Only what contains these words, separated by spaces.
    pub(super) query: String,
    pub(super) sort: Sort,
    pub(super) is_descending: bool,
    /// The rows that are visible.
    pub(super) offset: usize,
    pub(super) limit: usize,
    /// The connection whose details the page shows.
    pub(super) selected: Option<u64>,
    /// The hub whose topics the page shows.
    pub(super) hub: usize,
    /// The topic whose details the page shows.
    pub(super) topic: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Tab {
    #[default]
    Connections,
    Endpoints,
    Topics,
}

/// The column by which rows are ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Sort {
    #[default]
    Id,
    Handler,
    Peer,
    Age,
    State,
    Received,
    Sent,
    Buffered,
    Name,
    Subscribers,
    Members,
}

/// A message to the page.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum InspectorEvent<'a> {
    Hello(Hello<'a>),
    View(Box<ViewReport<'a>>),
    Messages(WatchedMessages),
    /// Whether the messages of a connection are shown from now on.
    Watching {
        id: Option<u64>,
    },
    /// How many connections were told to close.
    Closed {
        count: usize,
    },
}

/// The first message.
#[derive(Serialize)]
pub(super) struct Hello<'a> {
    pub(super) may_act: bool,
    pub(super) shows_messages: bool,
    pub(super) endpoints: Vec<EndpointReport<'a>>,
    pub(super) hubs: Vec<&'a str>,
    pub(super) version: &'static str,
}

#[derive(Serialize)]
pub(super) struct EndpointReport<'a> {
    pub(super) path: &'a str,
    pub(super) handler: &'static str,
    pub(super) features: &'a [&'static str],
    pub(super) states: &'static [&'static str],
    pub(super) options: Vec<OptionReport>,
}

/// The state of the server.
#[derive(Serialize)]
pub(super) struct ViewReport<'a> {
    pub(super) number: u64,
    pub(super) totals: &'a Totals,
    /// The totals of the last samples.
    pub(super) history: &'a [TotalsPoint],
    /// The time between two samples in milliseconds.
    pub(super) interval: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) connections: Option<Page<ConnectionRow<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) topics: Option<Page<TopicRow>>,
    /// The number of the connection whose details follow, or which has ended.
    pub(super) selected: Option<u64>,
    pub(super) details: Option<ConnectionRow<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) topic: Option<TopicDetails>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) broker: Option<BrokerRow>,
}

/// Rows of a list.
#[derive(Serialize)]
pub(super) struct Page<R> {
    /// Rows that the query matches.
    pub(super) matched: usize,
    /// All rows.
    pub(super) total: usize,
    /// The position of the first of `rows`.
    pub(super) offset: usize,
    pub(super) rows: Vec<R>,
}

#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Totals {
    pub(super) connections: usize,
    /// Bytes per second.
    pub(super) received: u64,
    pub(super) sent: u64,
    pub(super) buffered: u64,
    pub(super) idle: usize,
    pub(super) in_method: usize,
    pub(super) closing: usize,
    pub(super) unresponsive: usize,
    /// Connections by the name of their handler.
    pub(super) handlers: Vec<(&'static str, usize)>,
}

/// Number of connections, and bytes per second in both directions.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct TotalsPoint(pub(super) usize, pub(super) u64, pub(super) u64);

#[derive(Serialize)]
pub(super) struct ConnectionRow<'a> {
    pub(super) id: u64,
    pub(super) handler: &'static str,
    pub(super) peer: &'a str,
    /// Seconds.
    pub(super) age: u64,
    pub(super) state: &'static str,
    pub(super) tags: Vec<&'a str>,
    /// Number of tags that are left out.
    pub(super) more_tags: usize,
    pub(super) received: u64,
    pub(super) sent: u64,
    pub(super) buffered: usize,
    /// Bytes per second.
    pub(super) received_rate: u32,
    pub(super) sent_rate: u32,
    /// The sum of both rates in the last samples.
    pub(super) rates: Vec<u32>,
}

#[derive(Debug, Serialize)]
pub(super) struct TopicRow {
    pub(super) name: String,
    pub(super) values: &'static str,
    pub(super) is_local: bool,
    pub(super) subscribers: usize,
    pub(super) watchers: usize,
    pub(super) members: usize,
    /// Messages in the history of this process.
    pub(super) history: Option<usize>,
    pub(super) has_history: bool,
    pub(super) offset: Option<u64>,
    /// The most messages that wait for one subscriber, and those that wait for all.
    pub(super) lag: usize,
    pub(super) waiting: usize,
}

#[derive(Debug, Serialize)]
pub(super) struct TopicDetails {
    pub(super) topic: TopicRow,
    pub(super) members: Vec<MemberRow>,
}

#[derive(Debug, Serialize)]
pub(super) struct MemberRow {
    pub(super) id: String,
    pub(super) name: String,
}

#[derive(Debug, Serialize)]
pub(super) struct BrokerRow {
    pub(super) is_closed: bool,
    /// `None` in a hub of one process.
    pub(super) connected: Option<bool>,
    pub(super) server: String,
    pub(super) received: u64,
    pub(super) sent: u64,
    pub(super) connects: u64,
}

/// The messages of a connection since the last event of this kind.
#[derive(Serialize)]
pub(super) struct WatchedMessages {
    pub(super) id: u64,
    pub(super) items: Vec<MessageRow>,
    /// Messages that were left out before the last item.
    pub(super) dropped: u64,
}

#[derive(Debug, PartialEq, Serialize)]
#[allow(clippy::struct_excessive_bools)] // Each is a separate fact for the page.
pub(super) struct MessageRow {
    /// Milliseconds since 1970.
    pub(super) time: u64,
    pub(super) is_sent: bool,
    pub(super) is_binary: bool,
    pub(super) is_part: bool,
    /// Bytes of the payload.
    pub(super) len: usize,
    /// The text, or the bytes as hexadecimal digits; `None` if the message is hidden.
    pub(super) content: Option<String>,
    /// Whether the content is hexadecimal.
    pub(super) is_hex: bool,
    /// Whether the content is only the beginning.
    pub(super) is_cut: bool,
}
