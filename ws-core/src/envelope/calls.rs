//! The calls to one client that wait for an answer.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};

use serde_json::value::RawValue;
use tokio::sync::oneshot;

use super::call_error::CallError;
use super::client_call_error::ClientCallError;
use crate::sync::lock;

/// The answer to a call: the raw result, or the error of the client.
pub(super) type ClientAnswer = Result<Box<RawValue>, CallError>;

/// The calls to one client that wait for an answer, by their ids, and the frames that wait to be sent.
///
/// The lock is held for a single change of the maps: no user code runs under it.
#[derive(Debug)]
pub(crate) struct Calls {
    state: Mutex<CallsState>,
    /// The length of the next frame that waits, plus one; 0 if none waits. An iteration without frames takes no lock.
    next_unsent: AtomicUsize,
    limit: usize,
}

#[derive(Debug)]
struct CallsState {
    is_open: bool,
    last_id: u64,
    pending: BTreeMap<u64, oneshot::Sender<ClientAnswer>>,
    /// The frames of calls that did not come from a method, with the ids of the calls.
    unsent: VecDeque<(u64, Vec<u8>)>,
    /// The number of answers that belonged to no call.
    dropped: u64,
}

impl Calls {
    /// Creates a table for at most `limit` calls at a time.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            state: Mutex::new(CallsState {
                is_open: true,
                last_id: 0,
                pending: BTreeMap::new(),
                unsent: VecDeque::new(),
                dropped: 0,
            }),
            next_unsent: AtomicUsize::new(0),
            limit,
        }
    }

    /// Adds a call. Returns its id and the receiver of the answer.
    ///
    /// # Errors
    ///
    /// Returns [`ClientCallError::Closed`] and [`ClientCallError::TooManyPending`].
    pub(super) fn start(&self) -> Result<(u64, oneshot::Receiver<ClientAnswer>), ClientCallError> {
        let mut state = self.lock();
        if !state.is_open {
            return Err(ClientCallError::Closed);
        }
        if state.pending.len() >= self.limit {
            return Err(ClientCallError::TooManyPending);
        }
        let (sender, receiver) = oneshot::channel();
        state.last_id += 1;
        let id = state.last_id;
        state.pending.insert(id, sender);
        self.update(&state);
        Ok((id, receiver))
    }

    /// Queues the frame of a call, which the connection sends next.
    pub(crate) fn queue(&self, id: u64, frame: Vec<u8>) {
        let mut state = self.lock();
        if state.pending.contains_key(&id) {
            state.unsent.push_back((id, frame));
        }
        self.update(&state);
    }

    /// Queues the frame of a message, which has no answer. At most as many frames wait as calls may.
    ///
    /// # Errors
    ///
    /// Returns [`ClientCallError::Closed`] and [`ClientCallError::TooManyPending`].
    #[cfg(feature = "client")]
    pub(crate) fn queue_message(&self, frame: Vec<u8>) -> Result<(), ClientCallError> {
        let mut state = self.lock();
        if !state.is_open {
            return Err(ClientCallError::Closed);
        }
        if state.unsent.len() >= self.limit {
            return Err(ClientCallError::TooManyPending);
        }
        // No call has the id 0.
        state.unsent.push_back((0, frame));
        self.update(&state);
        drop(state);
        Ok(())
    }

    /// Takes the next frame that waits to be sent.
    pub(crate) fn next_unsent(&self) -> Option<Vec<u8>> {
        let mut state = self.lock();
        let next = state.unsent.pop_front();
        self.update(&state);
        drop(state);
        next.map(|(_, frame)| frame)
    }

    /// Removes a call whose future was dropped or has ended.
    pub(super) fn forget(&self, id: u64) {
        let mut state = self.lock();
        let sender = state.pending.remove(&id);
        if sender.is_some() {
            state.unsent.retain(|(unsent, _)| *unsent != id);
        }
        self.update(&state);
        drop(state);
    }

    /// Passes an answer to its call. Returns whether there is such a call; other answers are counted and dropped.
    pub(crate) fn answer(&self, id: u64, answer: Result<&RawValue, CallError>) -> bool {
        let mut state = self.lock();
        // A call that was not sent has no answer.
        let is_sent = !state.unsent.iter().any(|(unsent, _)| *unsent == id);
        let sender = if is_sent { state.pending.remove(&id) } else { None };
        if sender.is_none() {
            state.dropped = state.dropped.saturating_add(1);
        }
        let dropped = state.dropped;
        self.update(&state);
        drop(state);
        let Some(sender) = sender else {
            tracing::debug!(id, dropped, "answer to an unknown call dropped");
            return false;
        };
        // The receiver is gone if the call was cancelled at this moment.
        sender.send(answer.map(ToOwned::to_owned)).is_ok()
    }

    /// Fails all calls, and refuses further ones.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.is_open = false;
        state.unsent = VecDeque::new();
        let pending = std::mem::take(&mut state.pending);
        self.update(&state);
        drop(state);
        // Dropping a sender wakes the task that waits.
        drop(pending);
    }

    /// Returns the length of the next frame that waits to be sent.
    pub(crate) fn next_unsent_len(&self) -> Option<usize> {
        self.next_unsent.load(Ordering::Acquire).checked_sub(1)
    }

    /// Returns the number of calls that wait for their answers.
    pub(crate) fn len(&self) -> usize {
        self.lock().pending.len()
    }

    /// Returns the number of answers that belonged to no call.
    #[cfg(test)]
    pub(crate) fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    fn update(&self, state: &CallsState) {
        let next = state.unsent.front().map_or(0, |(_, frame)| frame.len().saturating_add(1));
        self.next_unsent.store(next, Ordering::Release);
    }

    fn lock(&self) -> MutexGuard<'_, CallsState> {
        lock(&self.state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(calls: &Calls, id: u64) -> bool {
        calls.answer(id, Err(CallError::internal("no")))
    }

    /// A client guesses the ids of calls: they begin with 1 and rise.
    #[test]
    fn a_call_that_is_not_sent_takes_no_answer() {
        let calls = Calls::new(2);
        let (id, _receiver) = calls.start().unwrap();
        calls.queue(id, b"call".to_vec());
        assert!(!answer(&calls, id));
        assert_eq!((calls.len(), calls.dropped()), (1, 1));
        assert_eq!(calls.next_unsent_len(), Some(4));
        assert_eq!(calls.next_unsent().as_deref(), Some(&b"call"[..]));
        assert_eq!(calls.next_unsent_len(), None);
        assert!(answer(&calls, id));
        assert_eq!((calls.len(), calls.dropped()), (0, 1));
    }

    #[test]
    fn a_call_that_is_gone_is_not_queued() {
        let calls = Calls::new(2);
        let (id, _receiver) = calls.start().unwrap();
        calls.forget(id);
        calls.queue(id, b"call".to_vec());
        assert_eq!(calls.next_unsent_len(), None);
    }

    #[test]
    fn a_connection_that_closes_sends_no_call() {
        let calls = Calls::new(2);
        let (id, mut receiver) = calls.start().unwrap();
        calls.queue(id, b"call".to_vec());
        calls.close();
        assert_eq!((calls.next_unsent_len(), calls.next_unsent()), (None, None));
        assert!(receiver.try_recv().is_err());
        assert!(matches!(calls.start(), Err(ClientCallError::Closed)));
    }
}
