//! Samples of the connections: rates, search, order, and the rows of a page.

use super::protocol::{ConnectionRow, Page, Sort, Totals, View};
use super::search::{SearchQuery, cut, window};
use crate::connections::ConnectionId;
use crate::router::{ConnectionSnapshot, ConnectionState};

/// The number of samples whose rates a row shows.
pub(super) const RATES: usize = 30;

/// The tags of a row in a list, and their longest text in bytes. The details of a connection have all of them.
const MAX_ROW_TAGS: usize = 3;
const MAX_ROW_TAG: usize = 48;

/// The connections at one moment, by number.
#[derive(Debug, Default)]
pub(super) struct Sample {
    pub(super) totals: Totals,
    connections: Vec<SampledConnection>,
}

#[derive(Debug)]
struct SampledConnection {
    snapshot: ConnectionSnapshot,
    peer: String,
    /// The text that queries search, in lower case.
    text: String,
    /// Whether the connection has reported its figures, in this sample or in an earlier one.
    has_figures: bool,
    received_rate: u32,
    sent_rate: u32,
    /// The sums of both rates, of which the last `count` are known. The newest is at the end.
    rates: [u32; RATES],
    count: usize,
}

impl Sample {
    /// Makes a sample. `previous` was taken the given number of seconds earlier.
    pub(super) fn new(mut snapshots: Vec<ConnectionSnapshot>, previous: &Self, seconds: f64) -> Self {
        snapshots.sort_unstable_by_key(|snapshot| snapshot.id);
        let mut totals = Totals { connections: snapshots.len(), ..Totals::default() };
        let mut earlier = previous.connections.iter().peekable();
        let connections = snapshots.into_iter().map(|snapshot| {
            while earlier.next_if(|earlier| earlier.snapshot.id < snapshot.id).is_some() {}
            let earlier = earlier.next_if(|earlier| earlier.snapshot.id == snapshot.id);
            let sampled = SampledConnection::new(snapshot, earlier, seconds);
            totals.add(&sampled);
            sampled
        });
        let connections = connections.collect();
        totals.handlers.sort_unstable();
        Self { totals, connections }
    }

    /// Returns a connection in the registry, and its handler; `None` if it is not in the sample.
    pub(super) fn find(&self, serial: u64) -> Option<(ConnectionId, &'static str)> {
        let snapshot = &self.connections[self.position(serial)?].snapshot;
        Some((snapshot.id, snapshot.handler))
    }

    fn position(&self, serial: u64) -> Option<usize> {
        self.connections.binary_search_by_key(&serial, |one| one.snapshot.id.serial()).ok()
    }

    /// Returns all that the sample has about one connection.
    pub(super) fn details(&self, serial: u64) -> Option<ConnectionRow<'_>> {
        self.position(serial).map(|at| self.connections[at].row(usize::MAX, usize::MAX))
    }

    /// Returns the rows that a view shows.
    pub(super) fn page(&self, view: &View) -> Page<ConnectionRow<'_>> {
        let query = SearchQuery::new(&view.query);
        let mut found: Vec<&SampledConnection> =
            self.connections.iter().filter(|one| query.matches(&one.text)).collect();
        sort(&mut found, view.sort, view.is_descending);
        let rows = window(found.len(), view.offset, view.limit);
        Page {
            matched: found.len(),
            total: self.connections.len(),
            offset: rows.start,
            rows: found[rows].iter().map(|one| one.row(MAX_ROW_TAGS, MAX_ROW_TAG)).collect(),
        }
    }
}

/// Orders connections. Those that are equal stay in the order of their numbers.
fn sort(found: &mut [&SampledConnection], by: Sort, is_descending: bool) {
    match by {
        Sort::Handler => found.sort_by_key(|one| short_name(one.snapshot.handler)),
        Sort::Peer => found.sort_by_key(|one| one.snapshot.peer),
        Sort::State => found.sort_by_key(|one| rank(one.snapshot.state)),
        Sort::Received => found.sort_by_key(|one| one.received_rate),
        Sort::Sent => found.sort_by_key(|one| one.sent_rate),
        Sort::Buffered => found.sort_by_key(|one| one.snapshot.buffered),
        Sort::Age => found.sort_by_key(|one| one.snapshot.age),
        Sort::Id | Sort::Name | Sort::Subscribers | Sort::Members => {}
    }
    if is_descending {
        found.reverse();
    }
}

impl SampledConnection {
    fn new(snapshot: ConnectionSnapshot, earlier: Option<&Self>, seconds: f64) -> Self {
        let peer = snapshot.peer.map_or_else(String::new, |peer| peer.to_string());
        let mut text =
            format!("{} {} {peer} {}", snapshot.id, short_name(snapshot.handler), state(snapshot.state));
        for tag in &snapshot.tags {
            text.push(' ');
            text.push_str(tag);
        }
        let text = text.to_lowercase();
        let has_figures = snapshot.state != ConnectionState::Unresponsive;
        let rates = [0; RATES];
        let mut sampled =
            Self { snapshot, peer, text, has_figures, received_rate: 0, sent_rate: 0, rates, count: 0 };
        // Without earlier figures, all bytes since the start would count as those of one sample.
        if let Some(earlier) = earlier.filter(|earlier| earlier.has_figures) {
            sampled.continue_from(earlier, seconds);
        }
        sampled
    }

    fn continue_from(&mut self, earlier: &Self, seconds: f64) {
        if self.snapshot.state == ConnectionState::Unresponsive {
            // The connection has not reported, so the last figures are the best.
            self.snapshot.received = earlier.snapshot.received;
            self.snapshot.sent = earlier.snapshot.sent;
            self.snapshot.buffered = earlier.snapshot.buffered;
            self.has_figures = true;
        }
        self.received_rate = rate(earlier.snapshot.received, self.snapshot.received, seconds);
        self.sent_rate = rate(earlier.snapshot.sent, self.snapshot.sent, seconds);
        self.rates[..RATES - 1].copy_from_slice(&earlier.rates[1..]);
        self.rates[RATES - 1] = self.received_rate.saturating_add(self.sent_rate);
        self.count = (earlier.count + 1).min(RATES);
    }

    fn row(&self, max_tags: usize, max_tag: usize) -> ConnectionRow<'_> {
        let snapshot = &self.snapshot;
        let tags: Vec<_> = snapshot.tags.iter().take(max_tags).map(|tag| cut(tag, max_tag)).collect();
        ConnectionRow {
            id: snapshot.id.serial(),
            handler: snapshot.handler,
            peer: &self.peer,
            age: snapshot.age.as_secs(),
            state: state(snapshot.state),
            more_tags: snapshot.tags.len() - tags.len(),
            tags,
            received: snapshot.received,
            sent: snapshot.sent,
            buffered: snapshot.buffered,
            received_rate: self.received_rate,
            sent_rate: self.sent_rate,
            rates: self.rates[RATES - self.count..].to_vec(),
        }
    }
}

impl Totals {
    fn add(&mut self, sampled: &SampledConnection) {
        self.received += u64::from(sampled.received_rate);
        self.sent += u64::from(sampled.sent_rate);
        self.buffered += sampled.snapshot.buffered as u64;
        match sampled.snapshot.state {
            ConnectionState::Idle => self.idle += 1,
            ConnectionState::InMethod => self.in_method += 1,
            ConnectionState::Closing => self.closing += 1,
            ConnectionState::Unresponsive => self.unresponsive += 1,
        }
        let handler = sampled.snapshot.handler;
        match self.handlers.iter_mut().find(|(name, _)| *name == handler) {
            Some((_, count)) => *count += 1,
            None => self.handlers.push((handler, 1)),
        }
    }
}

/// Returns bytes per second.
#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss)]
fn rate(before: u64, now: u64, seconds: f64) -> u32 {
    // The cast saturates.
    (now.saturating_sub(before) as f64 / seconds.max(0.001)) as u32
}

/// Returns the name of a type without its modules and parameters.
fn short_name(name: &str) -> &str {
    let name = name.split('<').next().unwrap_or(name);
    name.rsplit("::").next().unwrap_or(name)
}

fn state(state: ConnectionState) -> &'static str {
    match state {
        ConnectionState::Idle => "idle",
        ConnectionState::InMethod => "in method",
        ConnectionState::Closing => "closing",
        ConnectionState::Unresponsive => "unresponsive",
    }
}

fn rank(state: ConnectionState) -> u8 {
    match state {
        ConnectionState::Idle => 0,
        ConnectionState::InMethod => 1,
        ConnectionState::Closing => 2,
        ConnectionState::Unresponsive => 3,
    }
}
