//! Bounded queues of messages to publish, in publishing order, and the tasks that drain them.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use async_nats::jetstream;
use async_nats::jetstream::context::{self, CreateStreamError, CreateStreamErrorKind, PublishErrorKind};
use async_nats::{Client, Subject};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{mpsc, oneshot};
use tokio::time::error::Elapsed;

use super::history_stream::{HistoryStream, epoch};
use super::sequence::MessageId;
use crate::error::{BrokerError, PublishError};
use crate::topic::broker::RemoteEvents;
use crate::topic::position::Position;

/// Maximum number of messages in one queue.
const MAX_QUEUED_MESSAGES: usize = 16 * 1024;

/// Maximum total size of the payloads in one queue, in bytes.
const MAX_QUEUED_BYTES: usize = 64 * 1024 * 1024;

/// Maximum total size of the payloads in all queues that share a counter, in bytes.
const MAX_TOTAL_BYTES: usize = 4 * MAX_QUEUED_BYTES;

/// Maximum number of messages that one queue has sent to its stream without an acknowledgement.
const MAX_UNACKNOWLEDGED: usize = 1024;

/// Sending half of a queue; a task has the [`Publisher`].
pub(super) struct PublishQueue {
    entries: mpsc::Sender<PublishEntry>,
    bytes: ByteBudget,
    /// Number of messages that the broker has not acknowledged since the last flush.
    unconfirmed: Arc<AtomicU64>,
}

enum PublishEntry {
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
struct ByteBudget {
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

    fn release(&self, size: usize) {
        for count in std::iter::once(&self.used).chain(&self.total) {
            count.fetch_sub(size, Ordering::Relaxed);
        }
    }
}

/// A queued message.
pub(super) struct OutgoingMessage {
    pub(super) subject: Subject,
    pub(super) message_id: MessageId,
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
    /// Creates a queue and its publisher. `total` counts the bytes of several queues together.
    pub(super) fn new(total: Option<Arc<AtomicUsize>>) -> (Self, Publisher) {
        let (sender, receiver) = mpsc::channel(MAX_QUEUED_MESSAGES);
        let bytes = ByteBudget { used: Arc::default(), total };
        let unconfirmed = Arc::<AtomicU64>::default();
        let publisher = Publisher {
            entries: receiver,
            bytes: bytes.clone(),
            unconfirmed: Arc::clone(&unconfirmed),
            closed: None,
        };
        (Self { entries: sender, bytes, unconfirmed }, publisher)
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

    pub(super) fn push(&self, message: OutgoingMessage) -> Result<(), PublishError> {
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
    entries: mpsc::Receiver<PublishEntry>,
    bytes: ByteBudget,
    unconfirmed: Arc<AtomicU64>,
    /// Completes, by being dropped, the last flush once the publisher ends.
    closed: Option<oneshot::Sender<()>>,
}

impl Publisher {
    async fn next(&mut self) -> Option<PublishEntry> {
        let entry = self.entries.recv().await?;
        if let PublishEntry::Message(message) = &entry {
            self.bytes.release(message.payload.len());
        }
        Some(entry)
    }

    /// Completes a flush: all entries before its marker are sent.
    fn on_flush_marker(&mut self, ack: oneshot::Sender<()>, is_last: bool) {
        if is_last {
            // The publisher still sends the messages queued behind the marker.
            self.entries.close();
            self.closed = Some(ack);
        } else {
            // Sending fails if the caller no longer waits.
            let _ = ack.send(());
        }
    }

    /// Publishes messages of topics without a history until the hub is dropped or closed.
    pub(super) async fn publish_core(mut self, client: Client) {
        while let Some(entry) = self.next().await {
            let OutgoingMessage { subject, message_id, payload, .. } = match entry {
                PublishEntry::Message(message) => message,
                PublishEntry::FlushMarker { ack, is_last } => {
                    self.on_flush_marker(ack, is_last);
                    continue;
                }
            };
            let sent = client.publish_with_headers(subject, message_id.headers(), payload).await;
            if let Err(error) = sent {
                // Subscribers notice the gap in the sequence with the next message.
                tracing::error!(%error, "a message was not sent to the other processes");
            }
        }
    }

    /// Publishes messages to a history stream and waits for the acknowledgements.
    pub(super) async fn publish_to_stream(
        mut self,
        jetstream: jetstream::Context,
        history_stream: Arc<HistoryStream>,
    ) {
        let mut unacknowledged = FuturesUnordered::new();
        // Offset of a message that the broker has stored; later messages have larger ones.
        let mut last_stored = 0;
        loop {
            tokio::select! {
                biased;
                Some(offset) = unacknowledged.next(), if !unacknowledged.is_empty() => last_stored = offset,
                entry = self.next(), if unacknowledged.len() < MAX_UNACKNOWLEDGED => {
                    let message = match entry {
                        Some(PublishEntry::Message(message)) => message,
                        Some(PublishEntry::FlushMarker { ack, is_last }) => {
                            while unacknowledged.next().await.is_some() {}
                            self.on_flush_marker(ack, is_last);
                            continue;
                        }
                        None => break,
                    };
                    let Some(HistoryMessage { events, ack }) = message.history else { continue };
                    let sent = match history_stream.stream().await {
                        Ok(stream) => {
                            let headers = message.message_id.headers();
                            let publish =
                                jetstream.publish_with_headers(message.subject, headers, message.payload);
                            let epoch = epoch(stream.cached_info());
                            publish.await.map(|stored| (stored, epoch)).map_err(Into::into)
                        }
                        Err(error) => Err(error),
                    };
                    let history_stream = Arc::clone(&history_stream);
                    let unconfirmed = Arc::clone(&self.unconfirmed);
                    unacknowledged.push(async move {
                        let stored = match sent {
                            Ok((stored, epoch)) => stored
                                .await
                                .map(|stored| Position { epoch, offset: stored.sequence })
                                .map_err(Into::into),
                            Err(error) => Err(error),
                        };
                        match &stored {
                            // The stream was created anew. Its epoch is not that of the position, from which
                            // nothing can be recovered then. The next message opens the stream again.
                            Ok(position) if position.offset <= last_stored => history_stream.invalidate(),
                            Ok(_) => {}
                            Err(error) => {
                                unconfirmed.fetch_add(1, Ordering::AcqRel);
                                on_unconfirmed(&history_stream, &events, error);
                            }
                        }
                        let offset = stored.as_ref().map_or(last_stored, |position| position.offset);
                        // Sending fails if the publisher of the message does not await its position.
                        let _ = ack.send(stored.map_err(broker_error));
                        offset
                    });
                }
            }
        }
        while unacknowledged.next().await.is_some() {}
    }
}

/// Converts the error of a message that was not stored.
fn broker_error(error: async_nats::Error) -> BrokerError {
    let publish = error.downcast_ref().map(context::PublishError::kind) == Some(PublishErrorKind::TimedOut);
    let create = error.downcast_ref().map(CreateStreamError::kind) == Some(CreateStreamErrorKind::TimedOut);
    let is_timeout = publish || create || error.is::<Elapsed>();
    if is_timeout { BrokerError::TimedOut } else { BrokerError::Refused(error) }
}

/// Reports that the broker has not acknowledged a message.
fn on_unconfirmed(
    history_stream: &HistoryStream,
    events: &Weak<dyn RemoteEvents>,
    error: &async_nats::Error,
) {
    tracing::error!(%error, "the broker has not confirmed that it stored a message");
    // The stream may be gone, so the next message opens it again.
    history_stream.invalidate();
    if let Some(events) = events.upgrade() {
        events.publish_uncertain();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::topic::nats::sequence::Audience;

    #[test]
    fn queues_are_bounded_alone_and_together() {
        let total = Arc::<AtomicUsize>::default();
        let queues = [(); 5].map(|()| PublishQueue::new(Some(Arc::clone(&total))));
        let mebibyte = Bytes::from(vec![0; 1024 * 1024]);
        let push = |queue: &PublishQueue| {
            let message_id = MessageId { node: 1, topic_id: 1, sequence: 1, audience: Audience::All };
            let payload = mebibyte.clone();
            queue.push(OutgoingMessage { subject: "x".into(), message_id, payload, history: None })
        };
        for (queue, _) in &queues[..4] {
            (0..64).for_each(|_| push(queue).unwrap());
            assert!(matches!(push(queue), Err(PublishError::Full)));
        }
        let [(first, mut publisher), .., (fifth, _)] = queues;
        assert!(matches!(push(&fifth), Err(PublishError::Full)));
        // Taking a message from one queue makes room in any of them.
        assert!(publisher.next().now_or_never().is_some());
        push(&fifth).unwrap();
        assert!(matches!(push(&first), Err(PublishError::Full)));
    }
}
