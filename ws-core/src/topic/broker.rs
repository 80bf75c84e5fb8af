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
pub(super) type Later<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A connection to the other processes.
pub(super) trait Broker: Send + Sync {
    /// Begins a topic of this process. It does not wait.
    fn carry(&self, topic: &str, inlet: Weak<dyn Inlet>) -> Arc<dyn Carrier>;

    /// When it has all that was given to it before.
    fn flush(&self) -> Later<Result<(), BrokerError>>;

    /// The same, and then it ends, also if nobody waits for that. Its carriers are closed already.
    fn close(&self) -> Later<Result<(), BrokerError>>;
}

/// A topic on its way to other processes. None of this waits, but for what it returns.
pub(super) trait Carrier: Send + Sync {
    /// Whether a topic of that name can be carried at all.
    fn check(&self) -> Result<(), PublishError>;

    /// What tells this process from others.
    fn node(&self) -> u64;

    /// Keeps what is published from now on; false if it does already.
    fn keep(&self, history: History) -> bool;

    /// Whether the broker keeps what is published, so that subscribers of this process hear it from
    /// there too, in the one order that there is.
    fn keeps(&self) -> bool;

    /// Sends a value to the others, but for that connection.
    fn publish(&self, payload: Bytes, except: Option<usize>) -> Result<(), PublishError>;

    /// Hears what others publish, instead of what it has heard until now; under the topic's lock.
    fn listen(&self, hearing: u64);

    /// Hears nothing any more; under the topic's lock.
    fn unlisten(&self);

    /// When the broker knows that it listens, or does not answer.
    fn ready(&self) -> Later<()>;

    /// What was published since then; `None` if the broker does not answer.
    fn recover(&self, since: Since) -> Later<Option<Found>>;

    /// Where the history stands; `None` if there is none, or the broker does not answer.
    fn position(&self) -> Later<Option<Position>>;

    /// Lets somebody else run.
    fn spawn(&self, task: Later<()>);

    /// Tells the others of a member of this process; ready when the broker knows.
    fn join(&self, number: u64, name: &str) -> Later<Result<(), BrokerError>>;

    /// Tells the others that it is gone.
    fn leave(&self, number: u64);

    /// Hears of the members of other processes, as long as there is a watcher and for a while after
    /// the last call; ready when those are known who are there. Not under the topic's lock.
    fn members(&self) -> Later<()>;
}

/// Where what others publish comes into a topic of this process.
pub(super) trait Inlet: Send + Sync {
    /// A message, for those who hear this.
    fn arrived(&self, hearing: u64, arrival: Arrival);

    /// Messages were lost on the way; 0 if nobody knows how many.
    fn lagged(&self, hearing: u64, missed: u64);

    /// A message of this process was not accepted by the broker, or nobody knows whether it was.
    fn unsure(&self);

    /// Somebody elsewhere is there; false if there are too many.
    fn came(&self, id: MemberId, name: &str) -> bool;

    /// Somebody elsewhere is gone.
    fn went(&self, id: MemberId);

    /// Whether somebody is told who comes and goes.
    fn is_watched(&self) -> bool;
}

/// A message from the broker.
pub(super) struct Arrival {
    pub(super) payload: Bytes,
    pub(super) position: Option<Position>,
    /// The connection of this process that does not want it.
    pub(super) except: Option<usize>,
}

/// What a broker knows of what was missed.
pub(super) struct Found {
    /// Whether `missed` is all of it.
    pub(super) recovered: bool,
    /// Whether nothing has come that is still there.
    pub(super) is_quiet: bool,
    /// That of the last message that was found, or of the last that there is.
    pub(super) position: Position,
    pub(super) missed: Vec<Arrival>,
}
