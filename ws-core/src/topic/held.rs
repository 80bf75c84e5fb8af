//! A subscriber that is told later: it looks for what it has missed first.

use std::any::Any;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::published::Published;
use super::taps::{Garbage, Tap};

/// How many messages are held. Those that are too many are counted.
const MAX_HELD: usize = 4096;

/// A tap behind which messages wait until those before them have come. All of it is called under the
/// lock of the topic.
pub(super) struct Held<T> {
    tap: Box<dyn Tap<Published<T>>>,
    /// So that afterwards a message takes no lock here.
    is_live: AtomicBool,
    waiting: Mutex<VecDeque<Entry<T>>>,
}

enum Entry<T> {
    Message(Published<T>),
    Missed(u64),
}

impl<T: Send + Sync + 'static> Held<T> {
    pub(super) fn new(tap: Box<dyn Tap<Published<T>>>) -> Arc<Self> {
        Arc::new(Self { tap, is_live: AtomicBool::new(false), waiting: Mutex::default() })
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

    /// Gives what was held, behind an offset, and holds no more.
    pub(super) fn release(&self, after: Option<u64>, garbage: &mut Garbage) {
        for entry in self.waiting().drain(..) {
            match entry {
                Entry::Message(message) => {
                    let offset = message.position().map(|position| position.offset);
                    if after.is_none() || offset > after {
                        garbage.extend(self.tap.deliver(&message));
                    }
                    garbage.extend(Some(Box::new(message)));
                }
                Entry::Missed(missed) => self.tap.lagged(missed),
            }
        }
        self.is_live.store(true, Ordering::Release);
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

impl<T: Send + Sync + 'static> Tap<Published<T>> for Arc<Held<T>> {
    fn deliver(&self, message: &Published<T>) -> Option<Box<dyn Any + Send>> {
        if self.is_live.load(Ordering::Acquire) {
            return self.tap.deliver(message);
        }
        self.hold(Entry::Message(message.clone()));
        None
    }

    fn replay(&self, message: &Published<T>) {
        self.tap.replay(message);
    }

    fn lagged(&self, missed: u64) {
        if self.is_live.load(Ordering::Acquire) {
            return self.tap.lagged(missed);
        }
        self.hold(Entry::Missed(missed));
    }

    fn connection(&self) -> usize {
        self.tap.connection()
    }
}
