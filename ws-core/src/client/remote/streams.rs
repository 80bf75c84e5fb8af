//! The queues of messages that wait for the streams of a client.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context as TaskContext, Poll, Waker, ready};

use serde_json::value::RawValue;
use tokio::task::coop::poll_proceed;

use crate::sync::lock;

/// How many messages may wait for a stream.
const MAX_MESSAGES: usize = 1024;

/// How many bytes of messages may wait for a stream. The newest message may be longer.
const MAX_BYTES: usize = 4 << 20;

/// A message of the server, as it arrived. The streams share it.
#[derive(Debug)]
pub(super) struct ReceivedMessage {
    pub(super) name: Box<str>,
    pub(super) params: Option<Box<RawValue>>,
}

impl ReceivedMessage {
    fn len(&self) -> usize {
        self.name.len() + self.params.as_ref().map_or(0, |params| params.get().len())
    }
}

/// The queues of all streams of a client.
#[derive(Debug)]
pub(super) struct Streams {
    queues: Vec<Weak<StreamQueue>>,
    /// The queue of the first stream, which misses no message.
    first: Option<Arc<StreamQueue>>,
    has_ended: bool,
}

impl Streams {
    pub(super) fn new() -> Self {
        let first = Arc::default();
        Self { queues: vec![Arc::downgrade(&first)], first: Some(first), has_ended: false }
    }

    /// Returns the queue of a new stream.
    pub(super) fn subscribe(&mut self) -> Arc<StreamQueue> {
        if let Some(first) = self.first.take() {
            return first;
        }
        let queue = Arc::<StreamQueue>::default();
        if self.has_ended {
            queue.end();
        } else {
            self.queues.retain(|queue| queue.strong_count() > 0);
            self.queues.push(Arc::downgrade(&queue));
        }
        queue
    }

    /// Passes a message to all streams. Without one, the message is dropped.
    pub(super) fn push(&mut self, name: &str, params: Option<&RawValue>) {
        self.queues.retain(|queue| queue.strong_count() > 0);
        if self.queues.is_empty() {
            return;
        }
        let message = Arc::new(ReceivedMessage { name: name.into(), params: params.map(ToOwned::to_owned) });
        for queue in self.queues.iter().filter_map(Weak::upgrade) {
            queue.push(Arc::clone(&message));
        }
    }

    /// Notes in all streams that the server has lost the session.
    pub(super) fn reset(&mut self) {
        for queue in self.queues.iter().filter_map(Weak::upgrade) {
            queue.reset();
        }
    }

    /// Ends all streams, after the messages that wait.
    pub(super) fn end(&mut self) {
        self.has_ended = true;
        for queue in self.queues.drain(..).filter_map(|queue| queue.upgrade()) {
            queue.end();
        }
    }
}

/// The messages that wait for one stream. The lock is held for one push or pop.
#[derive(Debug, Default)]
pub(super) struct StreamQueue(Mutex<StreamBacklog>);

#[derive(Debug, Default)]
struct StreamBacklog {
    /// The messages; `None` where the server has lost the session. Never two of these in a row.
    messages: VecDeque<Option<Arc<ReceivedMessage>>>,
    /// The length of all messages.
    bytes: usize,
    /// The number of messages that were dropped before the first one.
    missed: u64,
    /// Whether a reset was dropped with them.
    has_reset: bool,
    has_ended: bool,
    waker: Option<Waker>,
}

/// An item of a stream.
#[derive(Debug)]
pub(super) enum StreamItem {
    Message(Arc<ReceivedMessage>),
    /// The number of messages that were missed.
    Missed(u64),
    /// The server has lost the session.
    Reset,
}

impl StreamQueue {
    fn push(&self, message: Arc<ReceivedMessage>) {
        let mut state = lock(&self.0);
        state.bytes += message.len();
        state.messages.push_back(Some(message));
        while state.messages.len() > MAX_MESSAGES || (state.bytes > MAX_BYTES && state.messages.len() > 1) {
            match state.pop() {
                Some(StreamItem::Reset) => state.has_reset = true,
                _ => state.missed += 1,
            }
        }
        let waker = state.waker.take();
        drop(state);
        wake(waker);
    }

    fn reset(&self) {
        let mut state = lock(&self.0);
        if !matches!(state.messages.back(), Some(None)) {
            state.messages.push_back(None);
        }
        let waker = state.waker.take();
        drop(state);
        wake(waker);
    }

    fn end(&self) {
        let mut state = lock(&self.0);
        state.has_ended = true;
        let waker = state.waker.take();
        drop(state);
        wake(waker);
    }

    /// Takes the next item; `None` after the end.
    pub(super) fn poll_next(&self, task: &mut TaskContext<'_>) -> Poll<Option<StreamItem>> {
        let coop = ready!(poll_proceed(task));
        let mut state = lock(&self.0);
        let item = match std::mem::take(&mut state.missed) {
            0 if std::mem::take(&mut state.has_reset) => Some(StreamItem::Reset),
            0 => state.pop(),
            missed => Some(StreamItem::Missed(missed)),
        };
        if item.is_none() && !state.has_ended {
            state.waker = Some(task.waker().clone());
            return Poll::Pending;
        }
        drop(state);
        coop.made_progress();
        Poll::Ready(item)
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl StreamBacklog {
    fn pop(&mut self) -> Option<StreamItem> {
        let Some(message) = self.messages.pop_front()? else { return Some(StreamItem::Reset) };
        self.bytes -= message.len();
        Some(StreamItem::Message(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the length of the next message, or the number of those that were missed; zero for a reset.
    fn next(queue: &StreamQueue) -> Poll<Option<Result<usize, u64>>> {
        let mut task = TaskContext::from_waker(Waker::noop());
        queue.poll_next(&mut task).map(|item| {
            item.map(|item| match item {
                StreamItem::Message(message) => Ok(message.len()),
                StreamItem::Missed(missed) => Err(missed),
                StreamItem::Reset => Err(0),
            })
        })
    }

    fn push(streams: &mut Streams, len: usize) {
        streams.push(&"x".repeat(len), None);
    }

    #[test]
    fn bytes_that_wait_are_bounded() {
        let mut streams = Streams::new();
        let (first, second) = (streams.subscribe(), streams.subscribe());
        for _ in 0..9 {
            push(&mut streams, 1 << 20);
        }
        for queue in [&first, &second] {
            assert_eq!(next(queue), Poll::Ready(Some(Err(5))));
            for _ in 0..4 {
                assert_eq!(next(queue), Poll::Ready(Some(Ok(1 << 20))));
            }
            assert_eq!(next(queue), Poll::Pending);
        }
        // The newest message is kept, whatever its length.
        push(&mut streams, 1);
        push(&mut streams, MAX_BYTES + 1);
        assert_eq!(next(&first), Poll::Ready(Some(Err(1))));
        assert_eq!(next(&first), Poll::Ready(Some(Ok(MAX_BYTES + 1))));
    }

    #[test]
    fn streams_that_are_dropped_hold_no_message() {
        let mut streams = Streams::new();
        drop(streams.subscribe());
        for _ in 0..9 {
            drop(streams.subscribe());
        }
        assert_eq!(streams.queues.len(), 1);
        push(&mut streams, 1);
        assert!(streams.queues.is_empty());
        let queue = streams.subscribe();
        push(&mut streams, 1);
        streams.end();
        assert_eq!(next(&queue), Poll::Ready(Some(Ok(1))));
        assert_eq!(next(&queue), Poll::Ready(None));
        assert_eq!(next(&streams.subscribe()), Poll::Ready(None));
    }

    #[test]
    fn resets_are_kept_in_order_and_bounded() {
        let mut streams = Streams::new();
        let queue = streams.subscribe();
        push(&mut streams, 1);
        for _ in 0..MAX_MESSAGES {
            streams.reset();
        }
        push(&mut streams, 2);
        for expect in [Ok(1), Err(0), Ok(2)] {
            assert_eq!(next(&queue), Poll::Ready(Some(expect)));
        }
        assert_eq!(next(&queue), Poll::Pending);
        // A program that reads too slowly does not miss the reset.
        push(&mut streams, 1);
        streams.reset();
        for _ in 0..MAX_MESSAGES {
            push(&mut streams, 3);
        }
        assert_eq!(next(&queue), Poll::Ready(Some(Err(1))));
        assert_eq!(next(&queue), Poll::Ready(Some(Err(0))));
        assert_eq!(next(&queue), Poll::Ready(Some(Ok(3))));
    }
}
