//! The queue of messages to a handler.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use crate::error::SendError;

/// The messages that wait for a handler.
///
/// A channel of the runtime would do, but costs over a kilobyte for each connection before the
/// first message; this one costs nothing before somebody asks for the address and owns no queue
/// between messages. The lock is held for one push or pop.
pub(crate) struct Mailbox<I> {
    state: Mutex<MailboxState<I>>,
    /// Whether the queue may have something, so that a turn without mail takes no lock.
    has_messages: AtomicBool,
}

struct MailboxState<I> {
    messages: VecDeque<I>,
    capacity: usize,
    waker: Option<Waker>,
    open: bool,
}

/// Between messages no more than this stays allocated.
const MAX_IDLE_CAPACITY: usize = 8;

impl<I> Mailbox<I> {
    pub(crate) fn new(capacity: usize, waker: Option<Waker>) -> Self {
        let state = MailboxState { messages: VecDeque::new(), capacity, waker, open: true };
        Self { state: Mutex::new(state), has_messages: AtomicBool::new(false) }
    }

    /// Says which task to wake.
    pub(crate) fn register(&self, waker: &Waker) {
        self.lock().waker = Some(waker.clone());
    }

    /// Whether a message waits.
    pub(crate) fn has_messages(&self) -> bool {
        self.has_messages.load(Ordering::Acquire)
    }

    /// The next message.
    pub(crate) fn pop(&self) -> Option<I> {
        if !self.has_messages() {
            return None;
        }
        let mut state = self.lock();
        let message = state.messages.pop_front();
        if state.messages.is_empty() {
            self.has_messages.store(false, Ordering::Release);
            if state.messages.capacity() > MAX_IDLE_CAPACITY {
                state.messages = VecDeque::new();
            }
        }
        message
    }

    /// Takes no more messages; those that wait can still be popped.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.open = false;
        state.waker = None;
    }

    /// Takes no more messages, and gives those that wait to the caller to drop: an address that
    /// somebody keeps must not keep them.
    pub(crate) fn close_and_drain(&self) -> VecDeque<I> {
        self.close();
        std::mem::take(&mut self.lock().messages)
    }

    pub(crate) fn is_open(&self) -> bool {
        self.lock().open
    }

    pub(crate) fn send<M>(&self, message: M, wrap: impl FnOnce(M) -> I) -> Result<(), SendError<M>> {
        let mut state = self.lock();
        if !state.open {
            return Err(SendError::Closed(message));
        }
        if state.messages.len() >= state.capacity {
            return Err(SendError::Full(message));
        }
        state.messages.push_back(wrap(message));
        self.has_messages.store(true, Ordering::Release);
        // One that is not the first has been preceded by a wake-up that is still to be answered.
        let waker = if state.messages.len() == 1 { state.waker.clone() } else { None };
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        Ok(())
    }

    /// Nothing of the user runs under the lock, so there is nothing that a panic could leave half done.
    fn lock(&self) -> MutexGuard<'_, MailboxState<I>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
