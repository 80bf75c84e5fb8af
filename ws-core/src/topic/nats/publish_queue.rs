//! Bounded queues of messages to publish, in publishing order, and the tasks that drain them.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use async_nats::{Client, Subject};
use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::sender::{Sender, Senders};
use super::sequence::Audience;
use crate::error::{BrokerError, PublishError};
use crate::topic::broker::RemoteEvents;
use crate::topic::position::Position;

/// Maximum number of messages in one queue.
const MAX_QUEUED_MESSAGES: usize = 16 * 1024;

/// Maximum total size of the payloads in one queue, in bytes.
const MAX_QUEUED_BYTES: usize = 64 * 1024 * 1024;

/// Maximum total size of the payloads in all queues that share a counter, in bytes.
const MAX_TOTAL_BYTES: usize = 4 * MAX_QUEUED_BYTES;

/// Sending half of a queue; a task has the [`Publisher`].
pub(super) struct PublishQueue {
    senders: Arc<Senders>,
    entries: mpsc::Sender<PublishEntry>,
    bytes: ByteBudget,
    /// Number of messages that the broker has not acknowledged since the last flush.
    unconfirmed: Arc<AtomicU64>,
}

pub(super) enum PublishEntry {
    Message(OutgoingMessage),
    FlushMarker {
        /// Completed once all entries before the marker are sent.
        ack: oneshot::Sender<()>,
        /// Closes the queue. `ack` then completes once the publisher has ended.
        is_last: bool,
    },
}

/// Size of the queued payloads: of one queue, and of all queues that share a counter.
#[derive(Clone)]
pub(super) struct ByteBudget {
    used: Arc<AtomicUsize>,
    total: Option<Arc<AtomicUsize>>,
}

impl ByteBudget {
    /// Reserves `size` bytes. Returns false, and reserves nothing, if a limit would be exceeded.
    fn try_reserve(&self, size: usize) -> bool {
        let add = |count: &AtomicUsize| count.fetch_add(size, Ordering::Relaxed) + size;
        let (used, total) = (add(&self.used), self.total.as_deref().map_or(0, add));
        let has_room = used <= MAX_QUEUED_BYTES && total <= MAX_TOTAL_BYTES;
        if !has_room {
            self.release(size);
        }
        has_room
    }

    pub(super) fn release(&self, size: usize) {
        for count in std::iter::once(&self.used).chain(&self.total) {
            count.fetch_sub(size, Ordering::Relaxed);
        }
    }
}

/// A queued message.
pub(super) struct OutgoingMessage {
    pub(super) sender: Arc<Sender>,
    pub(super) sequence: u64,
    pub(super) audience: Audience,
    pub(super) payload: Bytes,
    /// `None` if the topic has no history.
    pub(super) history: Option<HistoryMessage>,
}

/// The part of a queued message that belongs to a history.
pub(super) struct HistoryMessage {
    /// The topic to notify if the broker does not acknowledge the message.
    pub(super) events: Weak<dyn RemoteEvents>,
    pub(super) ack: oneshot::Sender<Result<Position, BrokerError>>,
}

/// The position of a message, once the broker has stored it.
pub(super) type StoreAck = oneshot::Receiver<Result<Position, BrokerError>>;

impl PublishQueue {
    /// Creates a queue and its publisher. `total` counts the bytes of several queues together, those of
    /// histories.
    pub(super) fn new(total: Option<Arc<AtomicUsize>>) -> (Self, Publisher) {
        let (sender, receiver) = mpsc::channel(MAX_QUEUED_MESSAGES);
        let senders = Arc::new(Senders::new(total.is_some()));
        let bytes = ByteBudget { used: Arc::default(), total };
        let unconfirmed = Arc::<AtomicU64>::default();
        let publisher = Publisher {
            senders: Arc::clone(&senders),
            entries: receiver,
            bytes: bytes.clone(),
            unconfirmed: Arc::clone(&unconfirmed),
            closed: None,
        };
        (Self { senders, entries: sender, bytes, unconfirmed }, publisher)
    }

    /// Returns the sender to a subject, which numbers its messages.
    pub(super) fn sender(&self, node: u64, subject: &Subject) -> Arc<Sender> {
        self.senders.get(node, subject, Instant::now())
    }

    /// Numbers a message and queues it, under one lock, so that numbers and queue have the same order.
    pub(super) fn publish(
        &self,
        sender: &Arc<Sender>,
        payload: Bytes,
        except: Option<usize>,
        history: Option<HistoryMessage>,
    ) -> Result<(), PublishError> {
        let mut state = sender.lock();
        let has_history = history.is_some();
        self.push(OutgoingMessage {
            sender: Arc::clone(sender),
            sequence: state.last + 1,
            audience: except.map_or(Audience::All, Audience::Except),
            payload,
            history,
        })?;
        state.published(has_history, Instant::now());
        Ok(())
    }

    /// Reports to other processes how many messages without a history were sent, because those sent before a
    /// reconnect may be lost. Other processes may be connected to another server that was never lost.
    pub(super) fn reconnected(&self) {
        for sender in self.senders.all() {
            if let Some(sequence) = sender.reconnected(Instant::now()) {
                let (audience, payload) = (Audience::Mark, Bytes::new());
                // If the queue is full, the numbers of the messages in it show the gap.
                let _ = self.push(OutgoingMessage { sender, sequence, audience, payload, history: None });
            }
        }
    }

    /// Waits until all messages queued before are sent. With `is_last` the queue accepts none afterwards.
    pub(super) async fn flush(&self, is_last: bool) {
        let (ack, acked) = oneshot::channel();
        // Sending fails if the publisher has ended: then there is nothing to wait for.
        if self.entries.send(PublishEntry::FlushMarker { ack, is_last }).await.is_ok() {
            let _ = acked.await;
        }
    }

    /// Returns how many messages the broker has not acknowledged since the last call.
    pub(super) fn take_unconfirmed(&self) -> u64 {
        self.unconfirmed.swap(0, Ordering::AcqRel)
    }

    fn push(&self, message: OutgoingMessage) -> Result<(), PublishError> {
        let size = message.payload.len();
        if !self.bytes.try_reserve(size) {
            return Err(PublishError::Full);
        }
        self.entries.try_send(PublishEntry::Message(message)).map_err(|error| {
            self.bytes.release(size);
            match error {
                mpsc::error::TrySendError::Full(_) => PublishError::Full,
                // The hub is closed, or its runtime has shut down.
                mpsc::error::TrySendError::Closed(_) => PublishError::Disconnected,
            }
        })
    }
}

/// Receiving half of a queue.
pub(super) struct Publisher {
    pub(super) senders: Arc<Senders>,
    entries: mpsc::Receiver<PublishEntry>,
    pub(super) bytes: ByteBudget,
    unconfirmed: Arc<AtomicU64>,
    /// Completes, by being dropped, the last flush once the publisher ends.
    closed: Option<oneshot::Sender<()>>,
}

impl Publisher {
    /// Returns the next entry. The caller releases the bytes of a message once it no longer needs them.
    pub(super) async fn next(&mut self) -> Option<PublishEntry> {
        self.entries.recv().await
    }

    /// Completes a flush: all entries before its marker are sent.
    pub(super) fn on_flush_marker(&mut self, ack: oneshot::Sender<()>, is_last: bool) {
        if is_last {
            // The publisher still sends the messages queued behind the marker.
            self.entries.close();
            self.closed = Some(ack);
        } else {
            // Sending fails if the caller no longer waits.
            let _ = ack.send(());
        }
    }

    /// Counts a message that the broker has not acknowledged.
    pub(super) fn count_unconfirmed(&self) {
        self.unconfirmed.fetch_add(1, Ordering::AcqRel);
    }

    /// Publishes messages of topics without a history until the hub is dropped or closed.
    pub(super) async fn publish_core(mut self, client: Client) {
        while let Some(entry) = self.next().await {
            let message = match entry {
                PublishEntry::Message(message) => message,
                PublishEntry::FlushMarker { ack, is_last } => {
                    self.on_flush_marker(ack, is_last);
                    continue;
                }
            };
            self.bytes.release(message.payload.len());
            let OutgoingMessage { sender, sequence, audience, payload, .. } = message;
            let headers = sender.core_stamp(sequence, audience).core_headers();
            let sent = client.publish_with_headers(sender.subject.clone(), headers, payload).await;
            if let Err(error) = sent {
                // Subscribers notice the gap in the sequence with the next message.
                tracing::error!(%error, "a message was not sent to the other processes");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn queues_are_bounded_alone_and_together() {
        let total = Arc::<AtomicUsize>::default();
        let queues = [(); 5].map(|()| PublishQueue::new(Some(Arc::clone(&total))));
        let mebibyte = Bytes::from(vec![0; 1024 * 1024]);
        let push =
            |queue: &PublishQueue| queue.publish(&queue.sender(1, &"x".into()), mebibyte.clone(), None, None);
        for (queue, _) in &queues[..4] {
            (0..64).for_each(|_| push(queue).unwrap());
            assert!(matches!(push(queue), Err(PublishError::Full)));
        }
        let [(first, mut publisher), .., (fifth, _)] = queues;
        assert!(matches!(push(&fifth), Err(PublishError::Full)));
        // A message that is taken still needs its memory, until it is stored.
        assert!(publisher.next().now_or_never().is_some());
        assert!(matches!(push(&fifth), Err(PublishError::Full)));
        publisher.bytes.release(mebibyte.len());
        push(&fifth).unwrap();
        assert!(matches!(push(&first), Err(PublishError::Full)));
    }
}
