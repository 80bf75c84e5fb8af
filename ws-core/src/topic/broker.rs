//! The two traits between topics and a broker, whichever broker that is.

use std::pin::Pin;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::history::History;
use super::position::Position;
use super::presence::MemberId;
#[cfg(feature = "inspect")]
use super::report::BrokerReport;
use super::since::Since;
use crate::error::{BrokerError, PublishError};

/// A future on the heap, so that the traits here can be used as trait objects.
pub(super) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A position that the broker has not confirmed yet. Fails if it does not within ten seconds of the first poll.
pub(super) type PendingPosition = BoxFuture<Result<Position, BrokerError>>;

/// The answer of one other process to a request, or why there can be no answers.
pub(super) type ProcessAnswer = Result<Bytes, BrokerError>;

/// A connection to the other processes.
pub(super) trait Broker: Send + Sync {
    /// Starts a topic of this process, without waiting for the broker.
    fn open_topic(&self, topic: &str, events: Weak<dyn RemoteEvents>) -> Arc<dyn RemoteTopic>;

    /// Sends a request to the other processes, without waiting for the broker. The answers end when no further
    /// process can answer; dropping the receiver ends the request.
    fn request(&self, request: Bytes) -> mpsc::Receiver<ProcessAnswer>;

    /// Serves the requests of other processes, until the handler is dropped.
    fn serve_requests(&self, handler: Weak<dyn RequestHandler>);

    /// Completes when the broker has everything that was passed to it before this call.
    fn flush(&self) -> BoxFuture<Result<(), BrokerError>>;

    /// Flushes and then disconnects, even if the returned future is dropped. The caller has closed all
    /// topics before.
    fn close(&self) -> BoxFuture<Result<(), BrokerError>>;

    /// Describes the connection to the broker, for an inspector.
    #[cfg(feature = "inspect")]
    fn report(&self) -> BrokerReport {
        BrokerReport::default()
    }
}

/// The handler of the requests of other processes.
pub(super) trait RequestHandler: Send + Sync {
    /// Handles a request. Returns the answer of this process, whose number is `node`; `None` if the request is
    /// malformed. Never waits.
    fn handle(&self, request: &[u8], node: u64) -> Option<Bytes>;
}

/// The broker's side of one topic. No method blocks; the returned futures wait for the broker.
pub(super) trait RemoteTopic: Send + Sync {
    /// Checks whether the broker can carry a topic of this name.
    fn check(&self) -> Result<(), PublishError>;

    /// Returns the number of this process in the cluster.
    fn node(&self) -> u64;

    /// Starts a history for messages published from now on. Returns false if there is one already.
    fn enable_history(&self, history: History) -> bool;

    /// Returns whether the broker stores the messages. Subscribers of this process then receive their own
    /// process's messages from the broker too, because only the broker's order is the same for all.
    fn has_history(&self) -> bool;

    /// Sends a value to the other processes. `except` is a connection that must not receive it. Returns the
    /// position, if the topic has a history; the value is sent whether or not it is awaited.
    fn publish(&self, payload: Bytes, except: Option<usize>)
    -> Result<Option<PendingPosition>, PublishError>;

    /// Starts a subscription, which replaces the previous one. Called under the topic's lock.
    fn subscribe(&self, subscription_generation: u64);

    /// Ends the subscription. Called under the topic's lock.
    fn unsubscribe(&self);

    /// Completes when the broker has accepted or refused the subscription, or has not answered in time.
    fn wait_subscribed(&self) -> BoxFuture<Result<(), BrokerError>>;

    /// Reads the messages from `since` on. `None` if the broker does not answer.
    fn recover(&self, since: Since) -> BoxFuture<Option<RecoveredMessages>>;

    /// Reads the position of the last message. `None` without a history, or if the broker does not answer.
    fn position(&self) -> BoxFuture<Option<Position>>;

    /// Runs a task on the broker's runtime.
    fn spawn(&self, task: BoxFuture<()>);

    /// Announces a member of this process. Completes when the broker has stored the announcement.
    fn join(&self, number: u64, name: &str) -> BoxFuture<Result<(), BrokerError>>;

    /// Announces that a member of this process has left.
    fn leave(&self, number: u64);

    /// Completes when the members of other processes are known. They are followed for a while after the
    /// last call, and as long as the topic has watchers. Fails if the broker does not answer in time. Not
    /// called under the topic's lock.
    fn remote_members_ready(&self) -> BoxFuture<Result<(), BrokerError>>;
}

/// Receiver of a broker's events for one topic of this process.
pub(super) trait RemoteEvents: Send + Sync {
    /// Handles a message. Ignored if `subscription_generation` is not the current subscription.
    fn message_received(&self, subscription_generation: u64, message: RemoteMessage);

    /// Handles a loss of messages on the way to this process; `missed` is 0 if the number is unknown.
    fn lagged(&self, subscription_generation: u64, missed: u64);

    /// Like [`lagged`](Self::lagged), for messages that are lost before another one.
    fn lost(&self, subscription_generation: u64, loss: Loss);

    /// Handles a message of this process that the broker has rejected, or has not confirmed.
    fn publish_uncertain(&self);

    /// Adds a member of another process. Returns false if there are too many.
    fn member_joined(&self, id: MemberId, name: &str) -> bool;

    /// Removes a member of another process.
    fn member_left(&self, id: MemberId);

    /// Returns whether a connection watches the members.
    fn has_watchers(&self) -> bool;
}

/// A message from the broker.
pub(super) struct RemoteMessage {
    pub(super) payload: Bytes,
    pub(super) position: Option<Position>,
    /// A connection of this process that must not receive the message.
    pub(super) except: Option<usize>,
}

/// A loss that a message of a history has revealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Loss {
    /// Number of messages that this process has not received; 0 if the number is unknown.
    pub(super) missed: u64,
    /// Offset of the last message before the history may have discarded some that this process has not received.
    /// A client that has recovered messages after it may have some of the lost ones. `u64::MAX` without such
    /// messages.
    pub(super) exact_until: u64,
    /// The message that has revealed the loss.
    pub(super) before: Position,
}

impl Loss {
    /// Returns the number of messages that a client has missed, given the end of its recovery; 0 if the number
    /// is unknown. `None` if the recovery has reported the loss.
    pub(super) fn missed_after(&self, recovered: Option<Position>) -> Option<u64> {
        match recovered.filter(|end| end.epoch == self.before.epoch) {
            Some(end) if end.offset >= self.before.offset => None,
            Some(end) if end.offset > self.exact_until => Some(0),
            _ => Some(self.missed),
        }
    }
}

/// The messages that a broker has found for a recovery.
pub(super) struct RecoveredMessages {
    /// Whether `missed` is complete.
    pub(super) recovered: bool,
    /// Whether the history holds no message after the requested position.
    pub(super) is_unchanged: bool,
    /// The position of the last message in `missed`, or else of the last message in the history.
    pub(super) position: Position,
    pub(super) missed: Vec<RecoveredItem>,
}

/// A recovered message, or a loss.
pub(super) enum RecoveredItem {
    Message(RemoteMessage),
    /// This many messages are missing here.
    Lost(u64),
}
