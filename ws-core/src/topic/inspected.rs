//! The topics of a hub as an inspector sees them.

use std::sync::Arc;

use super::Hub;
use super::broker::Broker;
use super::presence::Member;
use super::report::{BrokerReport, TopicReport};
use super::retention::AnyTopic;

/// A handle of a topic for an inspector. Drop it soon: the topic is in use as long as the handle exists.
pub(crate) struct InspectedTopic(Arc<dyn AnyTopic>);

impl InspectedTopic {
    pub(crate) fn report(&self) -> TopicReport {
        self.0.report()
    }

    /// Returns the most and the total number of messages that wait for subscribers.
    pub(crate) fn waiting(&self) -> (usize, usize) {
        self.0.waiting()
    }

    /// Returns up to `max` members that this process knows.
    pub(crate) fn members(&self, max: usize) -> Vec<Member> {
        self.0.some_members(max)
    }
}

impl Hub {
    /// Returns handles of all topics, in no particular order.
    pub(crate) fn inspected_topics(&self) -> Vec<InspectedTopic> {
        self.0.topics().into_iter().map(InspectedTopic).collect()
    }

    /// Describes the connection to the broker; `None` without one.
    pub(crate) fn broker_report(&self) -> Option<BrokerReport> {
        self.0.broker().map(Broker::report)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}
