//! Topics whose names are too long for a subject.

use bytes::Bytes;

use super::subject;
use crate::error::{BrokerError, PublishError};
use crate::topic::broker::{BoxFuture, PendingPosition, RecoveredMessages, RemoteTopic};
use crate::topic::history::History;
use crate::topic::position::Position;
use crate::topic::since::Since;

/// A topic that the broker cannot carry because of its name. All operations fail or do nothing.
pub(super) struct InvalidTopic {
    name: String,
    node: u64,
}

impl InvalidTopic {
    pub(super) fn new(name: &str, node: u64) -> Self {
        Self { name: name.to_owned(), node }
    }
}

impl RemoteTopic for InvalidTopic {
    fn check(&self) -> Result<(), PublishError> {
        subject::token(&self.name).map(drop)
    }

    fn node(&self) -> u64 {
        self.node
    }

    fn enable_history(&self, _: History) -> bool {
        false
    }

    fn has_history(&self) -> bool {
        false
    }

    fn publish(&self, _: Bytes, _: Option<usize>) -> Result<Option<PendingPosition>, PublishError> {
        self.check().map(|()| None)
    }

    fn subscribe(&self, _: u64) {}

    fn unsubscribe(&self) {}

    fn wait_subscribed(&self) -> BoxFuture<Result<(), BrokerError>> {
        let result = self.check().map_err(|error| BrokerError::from_publish_error(&error));
        Box::pin(std::future::ready(result))
    }

    fn recover(&self, _: Since) -> BoxFuture<Option<RecoveredMessages>> {
        Box::pin(std::future::ready(None))
    }

    fn position(&self) -> BoxFuture<Option<Position>> {
        Box::pin(std::future::ready(None))
    }

    fn spawn(&self, _: BoxFuture<()>) {}

    fn join(&self, _: u64, _: &str) -> BoxFuture<Result<(), BrokerError>> {
        let result = self.check().map_err(|error| BrokerError::from_publish_error(&error));
        Box::pin(std::future::ready(result))
    }

    fn leave(&self, _: u64) {}

    fn remote_members_ready(&self) -> BoxFuture<Result<(), BrokerError>> {
        self.wait_subscribed()
    }
}
