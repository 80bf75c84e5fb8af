//! A subscriber that buffers new messages until older ones have been recovered from the broker.

use std::any::Any;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use super::broker::Loss;
use super::position::Position;
use super::published::Published;
use super::subscribers::{DeferredDrop, Subscriber};

use crate::sync::lock;

/// Maximum number of buffered messages. Further messages are counted as missed.
const MAX_BUFFERED: usize = 4096;

/// A wrapper around a subscriber that buffers messages until [`flush`](Self::flush). All methods are
/// called under the lock of the topic.
pub(super) struct RecoveryBuffer<T> {
    subscriber: Box<dyn Subscriber<Published<T>>>,
    /// Set by [`flush`](Self::flush) to the last recovered position. The broker may still send messages up
    /// to there, which are duplicates. After the flush a message takes no lock here.
    flushed: OnceLock<Option<Position>>,
    /// Whether the subscription has ended or was replaced. Changed under the topic's lock.
    detached: AtomicBool,
    buffered: Mutex<VecDeque<BufferedEntry<T>>>,
}

enum BufferedEntry<T> {
    Message(Published<T>),
    /// This many messages were missed here; 0 if the number is unknown.
    Missed(u64),
    /// Messages were missed before another one.
    Lost(Loss),
}

impl<T: Send + Sync + 'static> RecoveryBuffer<T> {
    pub(super) fn new(subscriber: Box<dyn Subscriber<Published<T>>>) -> Arc<Self> {
        Arc::new(Self {
            subscriber,
            flushed: OnceLock::new(),
            detached: AtomicBool::new(false),
            buffered: Mutex::default(),
        })
    }

    /// Returns whether the subscription has ended or was replaced.
    pub(super) fn is_detached(&self) -> bool {
        self.detached.load(Ordering::Relaxed)
    }

    /// Returns whether [`flush`](Self::flush) was called.
    pub(super) fn is_flushed(&self) -> bool {
        self.flushed.get().is_some()
    }

    /// Delivers a recovered message, or the number of missed ones, ahead of the buffered ones.
    pub(super) fn deliver_recovered(&self, message: Result<&Published<T>, u64>) {
        match message {
            Ok(message) => self.subscriber.replay(message),
            Err(missed) => self.subscriber.lagged(missed),
        }
    }

    /// Delivers the buffered messages after position `after`, and buffers no more.
    pub(super) fn flush(&self, after: Option<Position>, deferred: &mut DeferredDrop) {
        for entry in self.buffered().drain(..) {
            match entry {
                BufferedEntry::Message(message) => {
                    if !message.position().is_some_and(|at| is_recovered(at, after)) {
                        deferred.add(self.subscriber.deliver(&message));
                    }
                    deferred.add(Some(Box::new(message)));
                }
                BufferedEntry::Missed(missed) => self.subscriber.lagged(missed),
                BufferedEntry::Lost(loss) => {
                    if let Some(missed) = loss.missed_after(after) {
                        self.subscriber.lagged(missed);
                    }
                }
            }
        }
        // Cannot fail: a buffer is flushed once.
        let _ = self.flushed.set(after);
    }

    /// Delivers the buffered messages to a client that has not recovered those after the requested position.
    /// Returns the position of the client, given the end of the history: the delivered messages follow it.
    ///
    /// A process that is behind, for example in a new epoch, buffers messages that the client has: those up to
    /// the requested position. Such messages are not delivered.
    pub(super) fn flush_unrecovered(
        &self,
        requested: Option<Position>,
        end: Position,
        deferred: &mut DeferredDrop,
    ) -> Position {
        let after = requested.filter(|requested| is_recovered(*requested, Some(end)));
        let first = self.buffered().iter().find_map(|entry| match entry {
            BufferedEntry::Message(message) => message.position().filter(|at| !is_recovered(*at, after)),
            BufferedEntry::Missed(_) | BufferedEntry::Lost(_) => None,
        });
        self.flush(after, deferred);
        let offset = first.map_or(end.offset, |first| end.offset.min(first.offset.saturating_sub(1)));
        Position { offset, ..end }
    }

    fn buffer(&self, entry: BufferedEntry<T>) {
        let mut buffered = self.buffered();
        let is_full = buffered.len() >= MAX_BUFFERED;
        let entry = match entry {
            BufferedEntry::Message(_) if is_full => BufferedEntry::Missed(1),
            BufferedEntry::Lost(loss) if is_full => BufferedEntry::Missed(loss.missed),
            entry => entry,
        };
        if let BufferedEntry::Missed(missed) = entry {
            // A number must not hide that more is missing.
            let mut gaps = buffered.iter_mut().rev().take(2).map_while(|entry| match entry {
                BufferedEntry::Missed(before) => Some(before),
                BufferedEntry::Message(_) | BufferedEntry::Lost(_) => None,
            });
            if let Some(before) = gaps.find(|before| (**before == 0) == (missed == 0)) {
                *before = before.saturating_add(missed);
                return;
            }
        }
        buffered.push_back(entry);
    }

    fn buffered(&self) -> MutexGuard<'_, VecDeque<BufferedEntry<T>>> {
        lock(&self.buffered)
    }
}

/// Returns whether a position is among those recovered up to `after`.
fn is_recovered(at: Position, after: Option<Position>) -> bool {
    after.is_some_and(|after| at.epoch == after.epoch && at.offset <= after.offset)
}

impl<T: Send + Sync + 'static> Subscriber<Published<T>> for Arc<RecoveryBuffer<T>> {
    fn deliver(&self, message: &Published<T>) -> Option<Box<dyn Any + Send>> {
        if let Some(after) = self.flushed.get() {
            let is_duplicate = message.position().is_some_and(|at| is_recovered(at, *after));
            return if is_duplicate { None } else { self.subscriber.deliver(message) };
        }
        self.buffer(BufferedEntry::Message(message.clone()));
        None
    }

    fn replay(&self, message: &Published<T>) {
        self.subscriber.replay(message);
    }

    fn lagged(&self, missed: u64) {
        if self.flushed.get().is_some() {
            return self.subscriber.lagged(missed);
        }
        self.buffer(BufferedEntry::Missed(missed));
    }

    fn lost(&self, loss: Loss) {
        let Some(after) = self.flushed.get() else { return self.buffer(BufferedEntry::Lost(loss)) };
        if let Some(missed) = loss.missed_after(*after) {
            self.subscriber.lagged(missed);
        }
    }

    fn on_removed(&self) {
        self.detached.store(true, Ordering::Relaxed);
    }

    fn connection_id(&self) -> usize {
        self.subscriber.connection_id()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A subscriber that records its messages.
    #[derive(Clone, Default)]
    struct Recorder(Arc<Mutex<Vec<String>>>);

    impl Subscriber<Published<u64>> for Recorder {
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

        fn connection_id(&self) -> usize {
            0
        }
    }

    fn message(epoch: u64, offset: u64) -> Published<u64> {
        let mut message = Published::new("topic".into(), offset);
        message.set_position(Position { epoch, offset });
        message
    }

    fn loss(missed: u64, exact_until: u64, before: u64) -> Loss {
        Loss { missed, exact_until, before: Position { epoch: 1, offset: before } }
    }

    #[track_caller]
    fn check(recorder: &Recorder, expect: &str) {
        assert_eq!(std::mem::take(&mut *recorder.0.lock().unwrap()).join(" "), expect);
    }

    #[test]
    fn recovered_messages_are_first_and_none_is_delivered_twice() {
        let recorder = Recorder::default();
        let buffer = RecoveryBuffer::new(Box::new(recorder.clone()));
        for offset in [4, 5, 6] {
            buffer.deliver(&message(1, offset));
        }
        buffer.lagged(0);
        check(&recorder, "");
        // The live subscription and the recovery count the same losses; each is reported once.
        buffer.lost(loss(7, 5, 5));
        buffer.lost(loss(2, u64::MAX, 7));
        // The process has not received a message that the client has recovered.
        buffer.lost(loss(4, 4, 6));
        buffer.lost(loss(5, 5, 6));
        [3, 4, 5].iter().for_each(|offset| buffer.deliver_recovered(Ok(&message(1, *offset))));
        buffer.deliver_recovered(Err(1));
        let after = Some(Position { epoch: 1, offset: 5 });
        buffer.flush(after, &mut DeferredDrop::default());
        check(&recorder, "3 4 5 (1) 6 (0) (2) (0) (5)");
        buffer.lost(loss(3, u64::MAX, 4));
        buffer.lost(loss(3, u64::MAX, 6));
        buffer.lost(loss(3, 4, 6));
        check(&recorder, "(3) (0)");
        // A slow subscription may still deliver messages that were recovered.
        for offset in [5, 7] {
            buffer.deliver(&message(1, offset));
        }
        buffer.deliver(&message(2, 1));
        buffer.lagged(2);
        check(&recorder, "7 1 (2)");
    }

    #[test]
    fn client_that_has_not_recovered_receives_nothing_twice() {
        let at = |offset| Position { epoch: 1, offset };
        let flush = |requested: Option<Position>, end| {
            let recorder = Recorder::default();
            let buffer = RecoveryBuffer::new(Box::new(recorder.clone()));
            [4, 5, 6].iter().for_each(|offset| drop(buffer.deliver(&message(1, *offset))));
            let position = buffer.flush_unrecovered(requested, end, &mut DeferredDrop::default());
            buffer.deliver(&message(1, 5));
            (std::mem::take(&mut *recorder.0.lock().unwrap()).join(" "), position)
        };
        // The position precedes what the client receives.
        assert_eq!(flush(None, at(9)), ("4 5 6 5".into(), at(3)));
        assert_eq!(flush(None, at(2)), ("4 5 6 5".into(), at(2)));
        assert_eq!(flush(Some(at(5)), at(9)), ("6".into(), at(5)));
        assert_eq!(flush(Some(at(7)), at(9)), (String::new(), at(9)));
        // The position is not one of this history.
        assert_eq!(flush(Some(at(5)), at(4)), ("4 5 6 5".into(), at(3)));
        let other = Position { epoch: 2, offset: 5 };
        assert_eq!(flush(Some(other), at(9)), ("4 5 6 5".into(), at(3)));
    }

    #[test]
    fn loss_of_unknown_size_is_not_hidden_by_a_number() {
        let recorder = Recorder::default();
        let buffer = RecoveryBuffer::new(Box::new(recorder.clone()));
        [0, 5, 0, 2].iter().for_each(|missed| buffer.lagged(*missed));
        assert_eq!(buffer.buffered().len(), 2);
        buffer.flush(None, &mut DeferredDrop::default());
        check(&recorder, "(0) (7)");
    }

    #[test]
    fn missed_count_saturates() {
        let recorder = Recorder::default();
        let buffer = RecoveryBuffer::new(Box::new(recorder.clone()));
        buffer.lagged(u64::MAX);
        buffer.lagged(u64::MAX);
        buffer.flush(None, &mut DeferredDrop::default());
        check(&recorder, &format!("({})", u64::MAX));
    }

    #[test]
    fn messages_above_the_limit_are_counted_as_missed() {
        let recorder = Recorder::default();
        let buffer = RecoveryBuffer::new(Box::new(recorder.clone()));
        for offset in 0..MAX_BUFFERED as u64 + 10 {
            buffer.deliver(&message(1, offset));
        }
        buffer.flush(None, &mut DeferredDrop::default());
        buffer.deliver(&message(1, 1 << 20));
        let recorder = recorder.0.lock().unwrap();
        assert_eq!(recorder.len(), MAX_BUFFERED + 2);
        assert_eq!(recorder[MAX_BUFFERED - 1..], ["4095", "(10)", "1048576"]);
    }
}
