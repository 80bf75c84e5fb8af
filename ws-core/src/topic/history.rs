//! What was published, for those who come back.

use std::any::Any;
use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::position::{Position, new_epoch};
use super::published::Published;
use super::since::Since;

/// How much of what is published a topic keeps; see [`Topic::history`](crate::Topic::history).
///
/// ```
/// # use std::time::Duration;
/// use ws_core::{History, Hub};
///
/// let hub = Hub::local();
/// hub.topic::<String>("room:lobby").history(256);
/// hub.topic::<String>("news").history(History::new(16).ttl(Duration::from_secs(3600)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct History {
    pub(crate) len: usize,
    pub(crate) ttl: Duration,
}

impl History {
    /// The last so many messages, for five minutes after the last one.
    ///
    /// ```
    /// # use ws_core::History;
    /// assert_eq!(History::new(256), 256.into());
    /// ```
    pub fn new(len: usize) -> Self {
        Self { len, ttl: Duration::from_mins(5) }
    }

    /// How long they are kept when nothing more is published, and nobody uses the topic: as long as a
    /// handler has it, it is in use, and its messages stay. Then they are freed, half a minute later at the
    /// most, by a task of the runtime; of those that nobody uses, a hub keeps the last 10,000.
    ///
    /// A broker keeps each message for so long, also when others follow it, and whether or not anybody
    /// uses the topic. It counts whole seconds, at least one.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use ws_core::{History, Hub};
    /// let an_hour = History::new(16).ttl(Duration::from_secs(3600));
    /// let news = Hub::local().topic::<String>("news").history(an_hour);
    /// ```
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }
}

/// So many messages.
impl From<usize> for History {
    fn from(len: usize) -> Self {
        Self::new(len)
    }
}

/// The history of a topic in this process.
pub(super) struct HistoryLog<T> {
    history: History,
    epoch: u64,
    /// That of the last message.
    offset: u64,
    messages: VecDeque<Published<T>>,
    last_published: Instant,
}

impl<T: Send + Sync + 'static> HistoryLog<T> {
    pub(super) fn new(history: History) -> Self {
        Self {
            history,
            epoch: new_epoch(),
            offset: 0,
            messages: VecDeque::new(),
            last_published: Instant::now(),
        }
    }

    /// The larger one counts.
    pub(super) fn grow(&mut self, other: History) {
        self.history.len = self.history.len.max(other.len);
        self.history.ttl = self.history.ttl.max(other.ttl);
    }

    pub(super) fn position(&self) -> Position {
        Position { epoch: self.epoch, offset: self.offset }
    }

    /// The position of the message that comes next.
    pub(super) fn next_position(&mut self) -> Position {
        self.offset += 1;
        self.position()
    }

    /// Adds a message; the oldest has to go when there are too many.
    pub(super) fn push(&mut self, message: Published<T>) -> Option<Box<dyn Any + Send>> {
        self.last_published = Instant::now();
        self.messages.push_back(message);
        if self.messages.len() <= self.history.len {
            return None;
        }
        Some(Box::new(self.messages.pop_front()))
    }

    /// What somebody asks for, if all of that is still there.
    pub(super) fn since(&self, since: Since) -> Option<impl Iterator<Item = &Published<T>>> {
        let skipped = match since.last() {
            Some(len) => self.messages.len().saturating_sub(len),
            None => self.messages.len().checked_sub(self.len_since(since.position()?)?)?,
        };
        Some(self.messages.iter().skip(skipped))
    }

    /// How many came after a position, if it is one of this history.
    fn len_since(&self, position: Position) -> Option<usize> {
        let missed = self.offset.checked_sub(position.offset)?;
        if position.epoch == self.epoch { usize::try_from(missed).ok() } else { None }
    }

    /// When nobody will come back for it any more.
    pub(super) fn expires_at(&self) -> Instant {
        // One that is kept for ever is older than this with any other.
        let ttl = self.history.ttl.min(Duration::from_hours(24 * 365));
        self.last_published + ttl
    }
}
