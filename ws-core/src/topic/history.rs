//! The history of a topic: its options, and the log of a hub of one process.

use std::any::Any;
use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::position::{Position, new_epoch};
use super::published::Published;
use super::since::Since;

/// The size and age limits of a topic's history; see [`Topic::history`](crate::Topic::history).
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
    /// Creates a history of the last `len` messages, which expires five minutes after the last one.
    ///
    /// ```
    /// # use ws_core::History;
    /// assert_eq!(History::new(256), 256.into());
    /// ```
    pub fn new(len: usize) -> Self {
        Self { len, ttl: Duration::from_mins(5) }
    }

    /// Sets how long the messages stay after the last one was published. Default: five minutes.
    ///
    /// In a hub of one process the history belongs to its topic. While a handler has the topic, the
    /// messages stay, however old they are. Once the topic is unused, a task of the runtime frees the
    /// history when its last message is older than `ttl`, within half a minute. A hub retains up to
    /// 10,000 unused topics, and drops those that expire first.
    ///
    /// A broker stores each message for `ttl`, whether or not later messages follow or the topic is used.
    /// The unit is then whole seconds, at least one.
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

/// Converts a number of messages into a history of that length.
impl From<usize> for History {
    fn from(len: usize) -> Self {
        Self::new(len)
    }
}

/// The stored messages of a topic in this process.
pub(super) struct HistoryLog<T> {
    history: History,
    epoch: u64,
    /// The offset of the last message; 0 before the first.
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

    /// Raises the limits to those of `other`, where `other` has larger ones.
    pub(super) fn grow(&mut self, other: History) {
        self.history.len = self.history.len.max(other.len);
        self.history.ttl = self.history.ttl.max(other.ttl);
    }

    /// Returns the position of the last message.
    pub(super) fn position(&self) -> Position {
        Position { epoch: self.epoch, offset: self.offset }
    }

    /// Advances to the position of the next message, and returns it.
    pub(super) fn next_position(&mut self) -> Position {
        self.offset += 1;
        self.position()
    }

    /// Adds a message. Returns the oldest one if there are too many.
    pub(super) fn push(&mut self, message: Published<T>) -> Option<Box<dyn Any + Send>> {
        self.last_published = Instant::now();
        self.messages.push_back(message);
        if self.messages.len() <= self.history.len {
            return None;
        }
        Some(Box::new(self.messages.pop_front()))
    }

    /// Returns the requested messages, if all of them are still stored.
    pub(super) fn since(&self, since: Since) -> Option<impl Iterator<Item = &Published<T>>> {
        let skipped = match since.last() {
            Some(len) => self.messages.len().saturating_sub(len),
            None => self.messages.len().checked_sub(self.len_since(since.position()?)?)?,
        };
        Some(self.messages.iter().skip(skipped))
    }

    /// Returns how many messages were published after a position of this history.
    fn len_since(&self, position: Position) -> Option<usize> {
        let missed = self.offset.checked_sub(position.offset)?;
        if position.epoch == self.epoch { usize::try_from(missed).ok() } else { None }
    }

    #[cfg(feature = "inspect")]
    pub(super) fn report(&self) -> super::report::HistoryReport {
        super::report::HistoryReport { len: Some(self.messages.len()), offset: Some(self.offset) }
    }

    /// Returns when the history expires, if the topic stays unused.
    pub(super) fn expires_at(&self) -> Instant {
        // Bounded, because adding an unlimited `ttl` would overflow.
        let ttl = self.history.ttl.min(Duration::from_hours(24 * 365));
        self.last_published + ttl
    }
}
