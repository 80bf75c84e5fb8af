//! The queue of published messages that wait for one connection.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Waker;

use crate::options::Overflow;
use crate::sync::lock;
use crate::wire::PreparedMessage;

/// Maximum capacity that an empty queue keeps allocated.
const MAX_IDLE_CAPACITY: usize = 8;

/// Returns the number of a connection, which no other connection of the process has.
///
/// An address would not do, because a later queue can have the same one: a message that returns from a broker
/// must not skip that queue by mistake.
pub(crate) fn new_connection_id() -> usize {
    static NEXT_ID: AtomicUsize = AtomicUsize::new(0);
    NEXT_ID.fetch_add(1, Ordering::Relaxed)
}

/// The published messages that wait for a connection. Publishers never wait for the connection; the lock
/// is held for one push or pop.
pub(crate) struct DeliveryQueue<I> {
    state: Mutex<QueueState<I>>,
    /// Whether the queue may have items.
    // PERF: an iteration without queued items takes no lock. budget: fanout
    has_items: AtomicBool,
    /// Whether the queue has overflowed. The driver checks this flag also while the client does not read,
    /// when it pops no items.
    overflowed: AtomicBool,
    id: usize,
}

struct QueueState<I> {
    queue: VecDeque<QueueEntry<I>>,
    /// Number of queued messages that count against the capacity.
    counted: usize,
    /// Number of messages missed before the first entry of the queue.
    missed: u64,
    /// Whether an unknown number of messages was missed there.
    uncertain: bool,
    capacity: usize,
    overflow: Overflow,
    overflowed: bool,
    open: bool,
    waker: Option<Waker>,
}

enum QueueEntry<I> {
    Message {
        key: TopicKey,
        delivery: Delivery<I>,
        /// Whether the message counts against the capacity. Messages from a history do not.
        is_counted: bool,
    },
    /// This many messages were missed here; 0 if the number is unknown.
    Gap(u64),
}

/// The identity of a topic, and of a kind of subscription to it, within one connection.
pub(crate) type TopicKey = usize;

/// A published message, in the form in which the connection takes it.
pub(crate) enum Delivery<I> {
    /// For the handler.
    Info(I),
    /// For the client.
    Frame(Arc<PreparedMessage>),
}

/// An item that a connection pops from its queue.
pub(crate) enum QueueItem<I> {
    Message(Delivery<I>),
    /// This many messages were missed; 0 if the number is unknown.
    Lagged(u64),
    /// The queue has overflowed, and the connection has to close.
    Overflowed,
}

impl<I> QueueItem<I> {
    /// Creates the item of a message for the handler.
    pub(crate) fn info(info: I) -> Self {
        Self::Message(Delivery::Info(info))
    }
}

impl<I> DeliveryQueue<I> {
    pub(super) fn new(capacity: usize, overflow: Overflow, waker: Option<Waker>, id: usize) -> Self {
        let state = QueueState {
            queue: VecDeque::new(),
            counted: 0,
            missed: 0,
            uncertain: false,
            capacity,
            overflow,
            overflowed: false,
            open: true,
            waker,
        };
        Self {
            state: Mutex::new(state),
            has_items: AtomicBool::new(false),
            overflowed: AtomicBool::new(false),
            id,
        }
    }

    /// Returns the number of the connection.
    pub(crate) fn id(&self) -> usize {
        self.id
    }

    /// Sets the waker that publishers wake.
    pub(crate) fn register(&self, waker: &Waker) {
        self.lock().waker = Some(waker.clone());
    }

    /// Returns whether [`pop`](Self::pop) may return an item.
    #[inline]
    pub(crate) fn has_items(&self) -> bool {
        self.has_items.load(Ordering::Acquire)
    }

    /// Returns whether the next [`pop`](Self::pop) returns [`QueueItem::Overflowed`].
    #[inline]
    pub(crate) fn has_overflowed(&self) -> bool {
        self.overflowed.load(Ordering::Acquire)
    }

    /// Adds a message. Returns the message that was dropped, if any: this one or an older one. The caller
    /// drops it without a lock, because that runs user code.
    pub(super) fn push(&self, key: TopicKey, delivery: Delivery<I>) -> Option<Delivery<I>> {
        self.update(|state| if state.open { state.push(key, delivery) } else { Some(delivery) })
    }

    /// Adds a message from a history, whatever the capacity.
    pub(super) fn replay(&self, key: TopicKey, delivery: Delivery<I>) {
        self.update(|state| state.append(key, delivery, false));
    }

    /// Adds a gap for messages lost on the way to this process; `missed` is 0 if the number is unknown.
    pub(super) fn lagged(&self, missed: u64) {
        self.update(|state| state.push_gap(missed));
    }

    /// Changes the state. Wakes the connection if the queue was empty before, or has overflowed.
    fn update<R>(&self, update: impl FnOnce(&mut QueueState<I>) -> R) -> R {
        let mut state = self.lock();
        let result = update(&mut state);
        let is_new = state.has_output() && !self.has_items.swap(true, Ordering::AcqRel);
        let has_overflowed = state.overflowed && !self.overflowed.swap(true, Ordering::AcqRel);
        let waker = if is_new || has_overflowed { state.waker.clone() } else { None };
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        result
    }

    /// Removes and returns the oldest item.
    pub(crate) fn pop(&self) -> Option<QueueItem<I>> {
        if !self.has_items() {
            return None;
        }
        let mut state = self.lock();
        let item = state.pop();
        self.update_flags(&mut state);
        item
    }

    /// Like [`pop`](Self::pop), but returns `None` if the oldest item is for the handler.
    pub(crate) fn pop_frame(&self) -> Option<QueueItem<I>> {
        if !self.has_items() {
            return None;
        }
        let mut state = self.lock();
        if state.is_next_for_handler() {
            return None;
        }
        let item = state.pop();
        self.update_flags(&mut state);
        item
    }

    /// Returns whether [`pop_frame`](Self::pop_frame) would return an item.
    pub(crate) fn has_frame(&self) -> bool {
        self.has_items() && {
            let state = self.lock();
            state.has_output() && !state.is_next_for_handler()
        }
    }

    /// Removes and returns the waiting messages of a topic, before the connection subscribes to it again.
    pub(crate) fn take_pending(&self, key: TopicKey) -> Vec<Delivery<I>> {
        let mut state = self.lock();
        let mut taken = Vec::new();
        for entry in std::mem::take(&mut state.queue) {
            match entry {
                QueueEntry::Message { key: of, delivery, is_counted } if of == key => {
                    state.counted -= usize::from(is_counted);
                    taken.push(delivery);
                }
                entry => state.queue.push_back(entry),
            }
        }
        self.update_flags(&mut state);
        taken
    }

    /// Clears the flags that no longer hold after items were removed. Frees the memory of an empty queue.
    fn update_flags(&self, state: &mut QueueState<I>) {
        if !state.overflowed && self.has_overflowed() {
            self.overflowed.store(false, Ordering::Release);
        }
        if !state.has_output() {
            self.has_items.store(false, Ordering::Release);
            if state.queue.capacity() > MAX_IDLE_CAPACITY {
                state.queue = VecDeque::new();
            }
        }
    }

    /// Returns the number of waiting messages.
    #[cfg(feature = "inspect")]
    pub(super) fn len(&self) -> usize {
        if self.has_items() { self.lock().queue.len() } else { 0 }
    }

    /// Rejects messages from now on. Waiting messages can still be popped.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.open = false;
        state.waker = None;
    }

    /// Locks the state. No user code may run under this lock.
    fn lock(&self) -> MutexGuard<'_, QueueState<I>> {
        lock(&self.state)
    }
}

impl<I> QueueState<I> {
    fn push(&mut self, key: TopicKey, delivery: Delivery<I>) -> Option<Delivery<I>> {
        if self.overflow == Overflow::Latest {
            // Never replaces a message from the history: a new message is later than all of those.
            let pending = self.queue.iter_mut().find_map(|entry| match entry {
                QueueEntry::Message { key: of, delivery, is_counted: true } if *of == key => Some(delivery),
                _ => None,
            });
            if let Some(pending) = pending {
                self.missed = self.missed.saturating_add(1);
                return Some(std::mem::replace(pending, delivery));
            }
        } else if self.counted >= self.capacity {
            return match self.overflow {
                Overflow::DropOldest => {
                    let oldest = self.drop_oldest();
                    self.append(key, delivery, true);
                    oldest
                }
                Overflow::DropNewest => {
                    self.push_gap(1);
                    Some(delivery)
                }
                Overflow::Close | Overflow::Latest => {
                    self.overflowed = true;
                    Some(delivery)
                }
            };
        }
        self.append(key, delivery, true);
        None
    }

    fn append(&mut self, key: TopicKey, delivery: Delivery<I>, is_counted: bool) {
        if self.open {
            self.counted += usize::from(is_counted);
            self.queue.push_back(QueueEntry::Message { key, delivery, is_counted });
        }
    }

    /// Removes the oldest message, and adds it and the gaps before it to `missed`.
    fn drop_oldest(&mut self) -> Option<Delivery<I>> {
        loop {
            match self.queue.pop_front()? {
                QueueEntry::Gap(missed) => self.add_missed(missed),
                QueueEntry::Message { delivery, is_counted, .. } => {
                    self.counted -= usize::from(is_counted);
                    self.missed = self.missed.saturating_add(1);
                    return Some(delivery);
                }
            }
        }
    }

    /// Adds a gap to the messages missed before the first entry. Saturates, because other processes send
    /// the numbers.
    fn add_missed(&mut self, missed: u64) {
        self.missed = self.missed.saturating_add(missed);
        self.uncertain |= missed == 0;
    }

    /// Adds a gap after all waiting messages, or enlarges the gap that is there. A gap of unknown size and one
    /// of known size stay two gaps, because a number would hide that more is missing.
    fn push_gap(&mut self, missed: u64) {
        let mut gaps = self.queue.iter_mut().rev().take(2).map_while(|entry| match entry {
            QueueEntry::Gap(before) => Some(before),
            QueueEntry::Message { .. } => None,
        });
        match gaps.find(|before| (**before == 0) == (missed == 0)) {
            Some(before) => *before = before.saturating_add(missed),
            None if self.open => self.queue.push_back(QueueEntry::Gap(missed)),
            None => {}
        }
    }

    fn has_output(&self) -> bool {
        self.overflowed || self.has_missed() || !self.queue.is_empty()
    }

    fn has_missed(&self) -> bool {
        self.missed > 0 || self.uncertain
    }

    fn is_next_for_handler(&self) -> bool {
        !self.overflowed
            && (self.has_missed()
                || !matches!(
                    self.queue.front(),
                    None | Some(QueueEntry::Message { delivery: Delivery::Frame(_), .. })
                ))
    }

    fn pop(&mut self) -> Option<QueueItem<I>> {
        if std::mem::take(&mut self.overflowed) {
            self.open = false;
            return Some(QueueItem::Overflowed);
        }
        if self.has_missed() {
            let is_known = !std::mem::take(&mut self.uncertain);
            return Some(QueueItem::Lagged(if is_known { std::mem::take(&mut self.missed) } else { 0 }));
        }
        Some(match self.queue.pop_front()? {
            QueueEntry::Message { delivery, is_counted, .. } => {
                self.counted -= usize::from(is_counted);
                QueueItem::Message(delivery)
            }
            QueueEntry::Gap(missed) => QueueItem::Lagged(missed),
        })
    }
}

#[cfg(test)]
mod tests;
