//! What is published on its way to one connection.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use crate::options::Overflow;
use crate::wire::PreparedMessage;

/// Between messages no more than this stays allocated.
const MAX_IDLE_CAPACITY: usize = 8;

/// Not the address of a feed, which another has later: what was published may come back from a broker.
static NEXT_ID: AtomicUsize = AtomicUsize::new(0);

/// The published messages that wait for a connection. Publishers push and go on, whatever the
/// connection does; the lock is held for one push or pop.
pub(crate) struct DeliveryQueue<I> {
    state: Mutex<QueueState<I>>,
    /// Whether there may be something, so that a turn without it takes no lock.
    has_items: AtomicBool,
    /// Whether it is that too many wait, which is said to a client that does not read too.
    overflowed: AtomicBool,
    id: usize,
}

struct QueueState<I> {
    queue: VecDeque<QueueEntry<I>>,
    /// How many of them count against the capacity.
    counted: usize,
    /// How many messages were missed before the first of the queue.
    missed: u64,
    /// Whether it is unknown how many were missed.
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
        /// Whether it counts against the capacity: what was kept does not, for there is always room.
        is_counted: bool,
    },
    /// So many were missed here, 0 if nobody knows.
    Gap(u64),
}

/// What tells the topics of a connection apart.
pub(crate) type TopicKey = usize;

/// A published message as a connection takes it.
pub(crate) enum Delivery<I> {
    /// For the handler.
    Info(I),
    /// For the client.
    Frame(Arc<PreparedMessage>),
}

/// The next thing that a feed has for its connection.
pub(crate) enum QueueItem<I> {
    Message(Delivery<I>),
    Lagged(u64),
    Overflowed,
}

impl<I> QueueItem<I> {
    /// A message for the handler.
    pub(crate) fn info(info: I) -> Self {
        Self::Message(Delivery::Info(info))
    }
}

impl<I> DeliveryQueue<I> {
    pub(super) fn new(capacity: usize, overflow: Overflow, waker: Option<Waker>) -> Self {
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
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        Self {
            state: Mutex::new(state),
            has_items: AtomicBool::new(false),
            overflowed: AtomicBool::new(false),
            id,
        }
    }

    /// What tells the connection from others.
    pub(crate) fn id(&self) -> usize {
        self.id
    }

    pub(crate) fn register(&self, waker: &Waker) {
        self.lock().waker = Some(waker.clone());
    }

    #[inline]
    pub(crate) fn has_items(&self) -> bool {
        self.has_items.load(Ordering::Acquire)
    }

    #[inline]
    pub(crate) fn has_overflowed(&self) -> bool {
        self.overflowed.load(Ordering::Acquire)
    }

    /// Adds a message. What has to go for it, or it itself, is given back: dropping it is the
    /// user's code, which runs under nobody's lock.
    pub(super) fn push(&self, key: TopicKey, delivery: Delivery<I>) -> Option<Delivery<I>> {
        self.update(|state| if state.open { state.push(key, delivery) } else { Some(delivery) })
    }

    /// Adds a message that was kept, however many there are.
    pub(super) fn replay(&self, key: TopicKey, delivery: Delivery<I>) {
        self.update(|state| state.append(key, delivery, false));
    }

    /// Messages were missed on the way to this process.
    pub(super) fn lagged(&self, missed: u64) {
        self.update(|state| state.push_gap(missed));
    }

    /// Changes what waits, and wakes the connection if that is new to it.
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

    /// The next, oldest first.
    pub(crate) fn pop(&self) -> Option<QueueItem<I>> {
        if !self.has_items() {
            return None;
        }
        let mut state = self.lock();
        let item = state.pop();
        self.update_flags(&mut state);
        item
    }

    /// The next, if it can be had without the handler.
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

    /// Whether the next can be had without the handler.
    pub(crate) fn has_frame(&self) -> bool {
        self.has_items() && {
            let state = self.lock();
            state.has_output() && !state.is_next_for_handler()
        }
    }

    /// Takes what waits of a topic, for one that is heard anew.
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

    /// Takes no more; what waits can still be popped.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.open = false;
        state.waker = None;
    }

    /// Nothing of the user runs under the lock.
    fn lock(&self) -> MutexGuard<'_, QueueState<I>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<I> QueueState<I> {
    fn push(&mut self, key: TopicKey, delivery: Delivery<I>) -> Option<Delivery<I>> {
        if self.overflow == Overflow::Latest {
            // It takes no place of what was kept, behind which it comes.
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

    /// Drops the first message, and counts the gaps before it as one.
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

    /// Other processes say how many, so that it may be any number.
    fn add_missed(&mut self, missed: u64) {
        self.missed = self.missed.saturating_add(missed);
        self.uncertain |= missed == 0;
    }

    /// Messages were missed behind all that waits.
    fn push_gap(&mut self, missed: u64) {
        match self.queue.back_mut() {
            Some(QueueEntry::Gap(before)) => *before = before.saturating_add(missed),
            _ if self.open => self.queue.push_back(QueueEntry::Gap(missed)),
            _ => {}
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
            self.uncertain = false;
            return Some(QueueItem::Lagged(std::mem::take(&mut self.missed)));
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
