//! The topics of a hub, as rows of a page.

use super::protocol::{BrokerRow, MemberRow, Page, Sort, TopicDetails, TopicRow, View};
use super::search::{SearchQuery, cut, window};
use crate::topic::{HistoryReport, Hub, InspectedTopic, TopicReport};

/// The longest part of a name that a page gets, in bytes.
const MAX_NAME: usize = 256;

/// The most members of a topic that a page gets.
pub(super) const MAX_MEMBERS: usize = 200;

/// Returns the topics that a view shows, and the details of the selected one.
pub(super) fn page(hub: &Hub, view: &View) -> (Page<TopicRow>, Option<TopicDetails>) {
    let topics = hub.inspected_topics();
    let query = SearchQuery::new(&view.query);
    let total = topics.len();
    let mut found: Vec<(TopicReport, &InspectedTopic)> = topics
        .iter()
        .map(|topic| (topic.report(), topic))
        .filter(|(report, _)| query.matches(&report.name.to_lowercase()))
        .collect();
    found.sort_by(|(one, _), (other, _)| one.name.cmp(&other.name).then(one.values.cmp(other.values)));
    match view.sort {
        Sort::Subscribers => found.sort_by_key(|(report, _)| report.subscribers),
        Sort::Members => found.sort_by_key(|(report, _)| report.members),
        _ => {}
    }
    if view.is_descending {
        found.reverse();
    }
    let details = view.topic.as_ref().and_then(|name| {
        let (report, topic) = found.iter().find(|(report, _)| cut(&report.name, MAX_NAME) == name)?;
        let members = topic.members(MAX_MEMBERS).into_iter().map(|member| MemberRow {
            id: member.id.to_string(),
            name: cut(&member.name, MAX_NAME).to_owned(),
        });
        Some(TopicDetails { topic: row(report, topic), members: members.collect() })
    });
    let rows = window(found.len(), view.offset, view.limit);
    let page = Page {
        matched: found.len(),
        total,
        offset: rows.start,
        rows: found[rows].iter().map(|(report, topic)| row(report, topic)).collect(),
    };
    (page, details)
}

fn row(report: &TopicReport, topic: &InspectedTopic) -> TopicRow {
    let (lag, waiting) = topic.waiting();
    let HistoryReport { len, offset } = report.history.unwrap_or(HistoryReport { len: None, offset: None });
    TopicRow {
        name: cut(&report.name, MAX_NAME).to_owned(),
        values: report.values,
        is_local: report.is_local,
        subscribers: report.subscribers,
        watchers: report.watchers,
        members: report.members,
        has_history: report.history.is_some(),
        history: len,
        offset,
        lag,
        waiting,
    }
}

/// Returns the state of a hub's broker.
pub(super) fn broker(hub: &Hub) -> BrokerRow {
    let report = hub.broker_report();
    let is_closed = hub.is_closed();
    let connected = report.as_ref().map(|report| report.is_connected);
    let report = report.unwrap_or_default();
    BrokerRow {
        is_closed,
        connected,
        server: cut(&report.server, MAX_NAME).to_owned(),
        received: report.received,
        sent: report.sent,
        connects: report.connects,
    }
}
