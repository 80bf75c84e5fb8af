//! A subscriber that is told later: it looks for what it has missed first.

use std::any::Any;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::position::Position;
use super::published::Published;
use super::taps::{Garbage, Tap};

/// How many messages are held. Those that are too many are counted.
const MAX_HELD: usize = 4096;

/// A tap behind which messages wait until those before them have come. All of it is called under the
/// lock of the topic.
pub(super) struct Held<T> {
    tap: Box<dyn Tap<Published<T>>>,
    /// Set when nothing is held any more: what comes up to here has been given already, and may still
    /// be on its way. So afterwards a message takes no lock here.
    released: OnceLock<Option<Position>>,
    waiting: Mutex<VecDeque<Entry<T>>>,
}

enum Entry<T> {
    Message(Published<T>),
    Missed(u64),
}

impl<T: Send + Sync + 'static> Held<T> {
    pub(super) fn new(tap: Box<dyn Tap<Published<T>>>) -> Arc<Self> {
        Arc::new(Self { tap, released: OnceLock::new(), waiting: Mutex::default() })
    }

    /// Gives a message from before those that are held, or says that one is lost.
    pub(super) fn give(&self, message: Option<&Published<T>>) {
        match message {
            Some(message) => self.tap.replay(message),
            None => self.tap.lagged(1),
        }
    }

    /// Where the first message that is held stands.
    pub(super) fn first(&self) -> Option<u64> {
        self.waiting().iter().find_map(|entry| match entry {
            Entry::Message(message) => message.position().map(|position| position.offset),
            Entry::Missed(_) => None,
        })
    }

    /// Gives what was held, behind a position, and holds no more.
    pub(super) fn release(&self, after: Option<Position>, garbage: &mut Garbage) {
        for entry in self.waiting().drain(..) {
            match entry {
                Entry::Message(message) => {
                    if !is_given(&message, after) {
                        garbage.extend(self.tap.deliver(&message));
                    }
                    garbage.extend(Some(Box::new(message)));
                }
                Entry::Missed(missed) => self.tap.lagged(missed),
            }
        }
        // It is released once.
        let _ = self.released.set(after);
    }

    fn hold(&self, entry: Entry<T>) {
        let mut waiting = self.waiting();
        let entry = match entry {
            Entry::Message(_) if waiting.len() >= MAX_HELD => Entry::Missed(1),
            entry => entry,
        };
        match (waiting.back_mut(), entry) {
            (Some(Entry::Missed(before)), Entry::Missed(missed)) => *before += missed,
            (_, entry) => waiting.push_back(entry),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Entry<T>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a message stands at a position or before.
fn is_given<T>(message: &Published<T>, after: Option<Position>) -> bool {
    let is_before = |at: Position, after: Position| at.epoch == after.epoch && at.offset <= after.offset;
    message.position().zip(after).is_some_and(|(at, after)| is_before(at, after))
}

impl<T: Send + Sync + 'static> Tap<Published<T>> for Arc<Held<T>> {
    fn deliver(&self, message: &Published<T>) -> Option<Box<dyn Any + Send>> {
        if let Some(after) = self.released.get() {
            return if is_given(message, *after) { None } else { self.tap.deliver(message) };
        }
        self.hold(Entry::Message(message.clone()));
        None
    }

    fn replay(&self, message: &Published<T>) {
        self.tap.replay(message);
    }

    fn lagged(&self, missed: u64) {
        if self.released.get().is_some() {
            return self.tap.lagged(missed);
        }
        self.hold(Entry::Missed(missed));
    }

    fn connection(&self) -> usize {
        self.tap.connection()
    }
}
