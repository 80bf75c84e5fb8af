//! A subscriber that is told later: it looks for what it has missed first.

use std::any::Any;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
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
    /// Whether the subscriber has gone meanwhile, or looks again; changed under the topic's lock.
    ended: AtomicBool,
    waiting: Mutex<VecDeque<Entry<T>>>,
}

enum Entry<T> {
    Message(Published<T>),
    Missed(u64),
}

impl<T: Send + Sync + 'static> Held<T> {
    pub(super) fn new(tap: Box<dyn Tap<Published<T>>>) -> Arc<Self> {
        Arc::new(Self {
            tap,
            released: OnceLock::new(),
            ended: AtomicBool::new(false),
            waiting: Mutex::default(),
        })
    }

    /// Whether nobody wants it any more.
    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// Whether nothing is held any more.
    pub(super) fn is_released(&self) -> bool {
        self.released.get().is_some()
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
            (Some(Entry::Missed(before)), Entry::Missed(missed)) => *before = before.saturating_add(missed),
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

    fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    fn connection(&self) -> usize {
        self.tap.connection()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Notes what it is given.
    #[derive(Clone, Default)]
    struct Noted(Arc<Mutex<Vec<String>>>);

    impl Tap<Published<u64>> for Noted {
        fn deliver(&self, message: &Published<u64>) -> Option<Box<dyn Any + Send>> {
            self.0.lock().unwrap().push(message.to_string());
            None
        }

        fn replay(&self, message: &Published<u64>) {
            self.deliver(message);
        }

        fn lagged(&self, missed: u64) {
            self.0.lock().unwrap().push(format!("({missed})"));
        }

        fn connection(&self) -> usize {
            0
        }
    }

    fn message(epoch: u64, offset: u64) -> Published<u64> {
        let mut message = Published::new("topic".into(), offset);
        message.set_position(Position { epoch, offset });
        message
    }

    #[track_caller]
    fn check(noted: &Noted, expect: &str) {
        assert_eq!(std::mem::take(&mut *noted.0.lock().unwrap()).join(" "), expect);
    }

    #[test]
    fn what_was_missed_comes_first_and_nothing_twice() {
        let noted = Noted::default();
        let held = Held::new(Box::new(noted.clone()));
        for offset in [4, 5, 6] {
            held.deliver(&message(1, offset));
        }
        held.lagged(0);
        assert_eq!(held.first(), Some(4));
        check(&noted, "");
        [3, 4, 5].iter().for_each(|offset| held.give(Some(&message(1, *offset))));
        held.give(None);
        let after = Some(Position { epoch: 1, offset: 5 });
        held.release(after, &mut Garbage::default());
        check(&noted, "3 4 5 (1) 6 (0)");
        // What was found may come once more, where it comes slowly.
        for offset in [5, 7] {
            held.deliver(&message(1, offset));
        }
        held.deliver(&message(2, 1));
        held.lagged(2);
        check(&noted, "7 1 (2)");
    }

    #[test]
    fn losses_may_be_as_many_as_others_say() {
        let noted = Noted::default();
        let held = Held::new(Box::new(noted.clone()));
        held.lagged(u64::MAX);
        held.lagged(u64::MAX);
        held.release(None, &mut Garbage::default());
        check(&noted, &format!("({})", u64::MAX));
    }

    #[test]
    fn too_many_are_counted() {
        let noted = Noted::default();
        let held = Held::new(Box::new(noted.clone()));
        for offset in 0..MAX_HELD as u64 + 10 {
            held.deliver(&message(1, offset));
        }
        held.release(None, &mut Garbage::default());
        held.deliver(&message(1, 1 << 20));
        let noted = noted.0.lock().unwrap();
        assert_eq!(noted.len(), MAX_HELD + 2);
        assert_eq!(noted[MAX_HELD - 1..], ["4095", "(10)", "1048576"]);
    }
}
