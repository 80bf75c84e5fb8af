//! The queue of messages to a handler.

use std::collections::VecDeque;
#[cfg(feature = "json")]
use std::sync::Arc;
#[cfg(any(feature = "json", feature = "test-util"))]
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::task::Waker;

#[cfg(feature = "json")]
use crate::envelope::Calls;
use crate::error::SendError;
use crate::metrics::on_mailbox_full;
use crate::options::Options;
use crate::sync::lock;

/// The bounded message queue of a handler.
///
/// A tokio channel costs over a kilobyte per connection before its first message. This queue is created
/// with the first [`Addr`](crate::Addr), and owns almost no memory while empty. The lock is held for a
/// single push or pop.
pub(crate) struct Mailbox<I> {
    state: Mutex<MailboxState<I>>,
    /// Whether the queue may contain a message. An iteration without messages takes no lock.
    has_messages: AtomicBool,
    /// The number of the connection, which its subscriptions have as well.
    connection_id: usize,
    #[cfg(feature = "json")]
    max_pending_calls: u32,
    #[cfg(any(feature = "json", feature = "test-util"))]
    extras: OnceLock<Box<Extras>>,
}

/// The parts of a mailbox that few connections need, once one of them is needed.
#[cfg(any(feature = "json", feature = "test-util"))]
#[derive(Default)]
struct Extras {
    /// The calls to the client, once there was one.
    #[cfg(feature = "json")]
    calls: OnceLock<Arc<Calls>>,
    /// Functions of a test that read the handler.
    #[cfg(feature = "test-util")]
    probes: Mutex<Vec<Probe>>,
}

struct MailboxState<I> {
    messages: VecDeque<I>,
    /// A number of messages, in four bytes, because every connection with an address pays for them.
    capacity: u32,
    waker: Option<Waker>,
    open: bool,
}

/// A function of a test that reads the handler.
#[cfg(feature = "test-util")]
pub(crate) type Probe = Box<dyn FnOnce(&dyn std::any::Any) + Send>;

/// The largest capacity, in messages, that an empty queue keeps allocated.
const MAX_IDLE_CAPACITY: usize = 8;

impl<I> Mailbox<I> {
    pub(crate) fn new(options: &Options, waker: Option<Waker>, connection_id: usize) -> Self {
        let capacity = saturate(options.mailbox);
        Self {
            state: Mutex::new(MailboxState { messages: VecDeque::new(), capacity, waker, open: true }),
            has_messages: AtomicBool::new(false),
            connection_id,
            #[cfg(feature = "json")]
            max_pending_calls: saturate(options.max_pending_calls),
            #[cfg(any(feature = "json", feature = "test-util"))]
            extras: OnceLock::new(),
        }
    }

    /// Returns the number of the connection.
    pub(crate) fn connection_id(&self) -> usize {
        self.connection_id
    }

    /// Sets the waker of the connection's task.
    pub(crate) fn register(&self, waker: &Waker) {
        self.lock().waker = Some(waker.clone());
    }

    /// Returns whether a message is queued.
    pub(crate) fn has_messages(&self) -> bool {
        self.has_messages.load(Ordering::Acquire)
    }

    /// Takes the oldest message.
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

    /// Rejects further messages. Queued messages can still be popped.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.open = false;
        state.waker = None;
        drop(state);
        #[cfg(feature = "json")]
        if let Some(calls) = self.existing_calls() {
            calls.close();
        }
    }

    /// Rejects further messages, and returns the queued ones for the caller to drop. An [`Addr`] that
    /// outlives the connection must not keep them alive.
    ///
    /// [`Addr`]: crate::Addr
    pub(crate) fn close_and_drain(&self) -> VecDeque<I> {
        self.close();
        std::mem::take(&mut self.lock().messages)
    }

    /// Returns whether the mailbox accepts messages.
    pub(crate) fn is_open(&self) -> bool {
        self.lock().open
    }

    /// Adds a message, converted with `wrap`, and wakes the task if the queue was empty.
    pub(crate) fn send<M>(&self, message: M, wrap: impl FnOnce(M) -> I) -> Result<(), SendError<M>> {
        let mut state = self.lock();
        if !state.open {
            return Err(SendError::Closed(message));
        }
        if state.messages.len() >= state.capacity as usize {
            drop(state);
            on_mailbox_full();
            return Err(SendError::Full(message));
        }
        state.messages.push_back(wrap(message));
        self.has_messages.store(true, Ordering::Release);
        // If the queue was not empty, an earlier message has already woken the task.
        let waker = if state.messages.len() == 1 { state.waker.clone() } else { None };
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        Ok(())
    }

    /// Adds a function that reads the handler, and wakes the task. Returns false if the connection is closing.
    #[cfg(feature = "test-util")]
    pub(crate) fn probe(&self, probe: Probe) -> bool {
        let state = self.lock();
        if state.open {
            lock(&self.extras().probes).push(probe);
            self.has_messages.store(true, Ordering::Release);
        }
        let (open, waker) = (state.open, state.waker.clone());
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        open
    }

    /// Takes the functions that read the handler.
    #[cfg(feature = "test-util")]
    pub(crate) fn take_probes(&self) -> Vec<Probe> {
        self.extras.get().map_or_else(Vec::new, |extras| std::mem::take(&mut lock(&extras.probes)))
    }

    #[cfg(any(feature = "json", feature = "test-util"))]
    fn extras(&self) -> &Extras {
        self.extras.get_or_init(Box::default)
    }

    /// Locks the state, ignoring poison: no user code runs under the lock, so no change is left half done.
    fn lock(&self) -> MutexGuard<'_, MailboxState<I>> {
        lock(&self.state)
    }
}

#[cfg(feature = "json")]
impl<I> Mailbox<I> {
    /// Returns the calls to the client, creating the table if needed. A closed mailbox takes no call.
    pub(crate) fn calls(&self) -> &Arc<Calls> {
        let limit = self.max_pending_calls as usize;
        let calls = self.extras().calls.get_or_init(|| Arc::new(Calls::new(limit)));
        // `close` may have found no table.
        if !self.is_open() {
            calls.close();
        }
        calls
    }

    /// Returns the calls to the client, if there was one.
    #[inline]
    pub(crate) fn existing_calls(&self) -> Option<&Calls> {
        self.extras.get()?.calls.get().map(|calls| &**calls)
    }

    /// Wakes the connection's task.
    pub(crate) fn wake(&self) {
        let waker = self.lock().waker.clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Returns the limit, or the largest that is stored, which no queue reaches.
fn saturate(limit: usize) -> u32 {
    u32::try_from(limit).unwrap_or(u32::MAX)
}
