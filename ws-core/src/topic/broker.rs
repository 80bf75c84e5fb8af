//! What carries topics from process to process, whatever it is.

use std::pin::Pin;
use std::sync::{Arc, Weak};

use bytes::Bytes;

use super::history::History;
use super::position::Position;
use super::presence::MemberId;
use super::since::Since;
use crate::error::{BrokerError, PublishError};

/// What somebody else does.
pub(super) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A connection to the other processes.
pub(super) trait Broker: Send + Sync {
    /// Begins a topic of this process. It does not wait.
    fn open_topic(&self, topic: &str, events: Weak<dyn RemoteEvents>) -> Arc<dyn RemoteTopic>;

    /// When it has all that was given to it before.
    fn flush(&self) -> BoxFuture<Result<(), BrokerError>>;

    /// The same, and then it ends, also if nobody waits for that. Its carriers are closed already.
    fn close(&self) -> BoxFuture<Result<(), BrokerError>>;
}

/// A topic on its way to other processes. None of this waits, but for what it returns.
pub(super) trait RemoteTopic: Send + Sync {
    /// Whether a topic of that name can be carried at all.
    fn check(&self) -> Result<(), PublishError>;

    /// What tells this process from others.
    fn node(&self) -> u64;

    /// Keeps what is published from now on; false if it does already.
    fn enable_history(&self, history: History) -> bool;

    /// Whether the broker keeps what is published, so that subscribers of this process hear it from
    /// there too, in the one order that there is.
    fn has_history(&self) -> bool;

    /// Sends a value to the others, but for that connection.
    fn publish(&self, payload: Bytes, except: Option<usize>) -> Result<(), PublishError>;

    /// Hears what others publish, instead of what it has heard until now; under the topic's lock.
    fn subscribe(&self, subscription_generation: u64);

    /// Hears nothing any more; under the topic's lock.
    fn unsubscribe(&self);

    /// When the broker knows that it listens, or does not answer.
    fn wait_subscribed(&self) -> BoxFuture<()>;

    /// What was published since then; `None` if the broker does not answer.
    fn recover(&self, since: Since) -> BoxFuture<Option<RecoveredMessages>>;

    /// Where the history stands; `None` if there is none, or the broker does not answer.
    fn position(&self) -> BoxFuture<Option<Position>>;

    /// Lets somebody else run.
    fn spawn(&self, task: BoxFuture<()>);

    /// Tells the others of a member of this process; ready when the broker knows.
    fn join(&self, number: u64, name: &str) -> BoxFuture<Result<(), BrokerError>>;

    /// Tells the others that it is gone.
    fn leave(&self, number: u64);

    /// Hears of the members of other processes, as long as there is a watcher and for a while after
    /// the last call; ready when those are known who are there. Not under the topic's lock.
    fn remote_members_ready(&self) -> BoxFuture<()>;
}

/// Where what others publish comes into a topic of this process.
pub(super) trait RemoteEvents: Send + Sync {
    /// A message, for those who hear this.
    fn message_received(&self, subscription_generation: u64, message: RemoteMessage);

    /// Messages were lost on the way; 0 if nobody knows how many.
    fn lagged(&self, subscription_generation: u64, missed: u64);

    /// A message of this process was not accepted by the broker, or nobody knows whether it was.
    fn publish_uncertain(&self);

    /// Somebody elsewhere is there; false if there are too many.
    fn member_joined(&self, id: MemberId, name: &str) -> bool;

    /// Somebody elsewhere is gone.
    fn member_left(&self, id: MemberId);

    /// Whether somebody is told who comes and goes.
    fn has_watchers(&self) -> bool;
}

/// A message from the broker.
pub(super) struct RemoteMessage {
    pub(super) payload: Bytes,
    pub(super) position: Option<Position>,
    /// The connection of this process that does not want it.
    pub(super) except: Option<usize>,
}

/// What a broker knows of what was missed.
pub(super) struct RecoveredMessages {
    /// Whether `missed` is all of it.
    pub(super) recovered: bool,
    /// Whether nothing has come that is still there.
    pub(super) is_unchanged: bool,
    /// That of the last message that was found, or of the last that there is.
    pub(super) position: Position,
    pub(super) missed: Vec<RemoteMessage>,
}
