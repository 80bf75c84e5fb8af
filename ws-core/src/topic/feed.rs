//! What is published on its way to one connection.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use crate::options::Overflow;
use crate::wire::PreparedMessage;

/// Between messages no more than this stays allocated.
const KEPT_CAPACITY: usize = 8;

/// Not the address of a feed, which another has later: what was published may come back from a broker.
static NEXT_ID: AtomicUsize = AtomicUsize::new(0);

/// The published messages that wait for a connection. Publishers push and go on, whatever the
/// connection does; the lock is held for one push or pop.
pub(crate) struct Feed<I> {
    state: Mutex<State<I>>,
    /// Whether there may be something, so that a turn without it takes no lock.
    waits: AtomicBool,
    /// Whether it is that too many wait, which is said to a client that does not read too.
    overflown: AtomicBool,
    id: usize,
}

struct State<I> {
    queue: VecDeque<Entry<I>>,
    /// How many of them count against the capacity.
    messages: usize,
    /// How many messages were missed before the first of the queue.
    missed: u64,
    /// Whether it is unknown how many were missed.
    uncertain: bool,
    capacity: usize,
    overflow: Overflow,
    overflown: bool,
    open: bool,
    waker: Option<Waker>,
}

enum Entry<I> {
    Message {
        key: Key,
        what: Delivery<I>,
        /// Whether it counts against the capacity: what was kept does not, for there is always room.
        counts: bool,
    },
    /// So many were missed here, 0 if nobody knows.
    Gap(u64),
}

/// What tells the topics of a connection apart.
pub(super) type Key = usize;

/// A published message as a connection takes it.
pub(crate) enum Delivery<I> {
    /// For the handler.
    Info(I),
    /// For the client.
    Frame(Arc<PreparedMessage>),
}

/// The next thing that a feed has for its connection.
pub(crate) enum Fed<I> {
    Message(Delivery<I>),
    Lagged(u64),
    Overflown,
}

impl<I> Fed<I> {
    /// A message for the handler.
    pub(crate) fn info(info: I) -> Self {
        Self::Message(Delivery::Info(info))
    }
}

impl<I> Feed<I> {
    pub(super) fn new(capacity: usize, overflow: Overflow, waker: Option<Waker>) -> Self {
        let state = State {
            queue: VecDeque::new(),
            messages: 0,
            missed: 0,
            uncertain: false,
            capacity,
            overflow,
            overflown: false,
            open: true,
            waker,
        };
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        Self {
            state: Mutex::new(state),
            waits: AtomicBool::new(false),
            overflown: AtomicBool::new(false),
            id,
        }
    }

    /// What tells the connection from others.
    pub(super) fn id(&self) -> usize {
        self.id
    }

    pub(crate) fn register(&self, waker: &Waker) {
        self.lock().waker = Some(waker.clone());
    }

    #[inline]
    pub(crate) fn waits(&self) -> bool {
        self.waits.load(Ordering::Acquire)
    }

    #[inline]
    pub(crate) fn has_overflown(&self) -> bool {
        self.overflown.load(Ordering::Acquire)
    }

    /// Adds a message. What has to go for it, or it itself, is given back: dropping it is the
    /// user's code, which runs under nobody's lock.
    pub(super) fn push(&self, key: Key, what: Delivery<I>) -> Option<Delivery<I>> {
        self.change(|state| if state.open { state.push(key, what) } else { Some(what) })
    }

    /// Adds a message that was kept, however many there are.
    pub(super) fn replay(&self, key: Key, what: Delivery<I>) {
        self.change(|state| state.append(key, what, false));
    }

    /// Messages were missed on the way to this process.
    pub(super) fn lagged(&self, missed: u64) {
        self.change(|state| state.gap(missed));
    }

    /// Changes what waits, and wakes the connection if that is new to it.
    fn change<R>(&self, change: impl FnOnce(&mut State<I>) -> R) -> R {
        let mut state = self.lock();
        let result = change(&mut state);
        let is_new = state.has_something() && !self.waits.swap(true, Ordering::AcqRel);
        let has_overflown = state.overflown && !self.overflown.swap(true, Ordering::AcqRel);
        let waker = if is_new || has_overflown { state.waker.clone() } else { None };
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        result
    }

    /// The next, oldest first.
    pub(crate) fn pop(&self) -> Option<Fed<I>> {
        if !self.waits() {
            return None;
        }
        let mut state = self.lock();
        let fed = state.pop();
        self.rest(&mut state);
        fed
    }

    /// The next, if it can be had without the handler.
    pub(crate) fn pop_frame(&self) -> Option<Fed<I>> {
        if !self.waits() {
            return None;
        }
        let mut state = self.lock();
        if state.is_next_for_handler() {
            return None;
        }
        let fed = state.pop();
        self.rest(&mut state);
        fed
    }

    /// Whether the next can be had without the handler.
    pub(crate) fn has_frame(&self) -> bool {
        self.waits() && {
            let state = self.lock();
            state.has_something() && !state.is_next_for_handler()
        }
    }

    /// Takes what waits of a topic, for one that is heard anew.
    pub(super) fn take(&self, key: Key) -> Vec<Delivery<I>> {
        let mut state = self.lock();
        let mut taken = Vec::new();
        for entry in std::mem::take(&mut state.queue) {
            match entry {
                Entry::Message { key: of, what, counts } if of == key => {
                    state.messages -= usize::from(counts);
                    taken.push(what);
                }
                entry => state.queue.push_back(entry),
            }
        }
        self.rest(&mut state);
        taken
    }

    fn rest(&self, state: &mut State<I>) {
        if !state.overflown && self.has_overflown() {
            self.overflown.store(false, Ordering::Release);
        }
        if !state.has_something() {
            self.waits.store(false, Ordering::Release);
            if state.queue.capacity() > KEPT_CAPACITY {
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
    fn lock(&self) -> MutexGuard<'_, State<I>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<I> State<I> {
    fn push(&mut self, key: Key, what: Delivery<I>) -> Option<Delivery<I>> {
        if self.overflow == Overflow::Latest {
            // It takes no place of what was kept, behind which it comes.
            let waiting = self.queue.iter_mut().find_map(|entry| match entry {
                Entry::Message { key: of, what, counts: true } if *of == key => Some(what),
                _ => None,
            });
            if let Some(waiting) = waiting {
                self.missed = self.missed.saturating_add(1);
                return Some(std::mem::replace(waiting, what));
            }
        } else if self.messages >= self.capacity {
            return match self.overflow {
                Overflow::DropOldest => {
                    let oldest = self.drop_oldest();
                    self.append(key, what, true);
                    oldest
                }
                Overflow::DropNewest => {
                    self.gap(1);
                    Some(what)
                }
                Overflow::Close | Overflow::Latest => {
                    self.overflown = true;
                    Some(what)
                }
            };
        }
        self.append(key, what, true);
        None
    }

    fn append(&mut self, key: Key, what: Delivery<I>, counts: bool) {
        if self.open {
            self.messages += usize::from(counts);
            self.queue.push_back(Entry::Message { key, what, counts });
        }
    }

    /// Drops the first message, and counts the gaps before it as one.
    fn drop_oldest(&mut self) -> Option<Delivery<I>> {
        loop {
            match self.queue.pop_front()? {
                Entry::Gap(missed) => self.missed_before(missed),
                Entry::Message { what, counts, .. } => {
                    self.messages -= usize::from(counts);
                    self.missed = self.missed.saturating_add(1);
                    return Some(what);
                }
            }
        }
    }

    /// Other processes say how many, so that it may be any number.
    fn missed_before(&mut self, missed: u64) {
        self.missed = self.missed.saturating_add(missed);
        self.uncertain |= missed == 0;
    }

    /// Messages were missed behind all that waits.
    fn gap(&mut self, missed: u64) {
        match self.queue.back_mut() {
            Some(Entry::Gap(before)) => *before = before.saturating_add(missed),
            _ if self.open => self.queue.push_back(Entry::Gap(missed)),
            _ => {}
        }
    }

    fn has_something(&self) -> bool {
        self.overflown || self.has_missed() || !self.queue.is_empty()
    }

    fn has_missed(&self) -> bool {
        self.missed > 0 || self.uncertain
    }

    fn is_next_for_handler(&self) -> bool {
        !self.overflown
            && (self.has_missed()
                || !matches!(
                    self.queue.front(),
                    None | Some(Entry::Message { what: Delivery::Frame(_), .. })
                ))
    }

    fn pop(&mut self) -> Option<Fed<I>> {
        if std::mem::take(&mut self.overflown) {
            self.open = false;
            return Some(Fed::Overflown);
        }
        if self.has_missed() {
            self.uncertain = false;
            return Some(Fed::Lagged(std::mem::take(&mut self.missed)));
        }
        Some(match self.queue.pop_front()? {
            Entry::Message { what, counts, .. } => {
                self.messages -= usize::from(counts);
                Fed::Message(what)
            }
            Entry::Gap(missed) => Fed::Lagged(missed),
        })
    }
}

#[cfg(test)]
mod tests;
