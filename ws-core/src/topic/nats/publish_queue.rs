//! What waits to be sent, in the order in which it was published.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use async_nats::jetstream;
use async_nats::{Client, Subject};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{mpsc, oneshot};

use super::history_stream::HistoryStream;
use super::sequence::MessageId;
use crate::error::PublishError;
use crate::topic::broker::RemoteEvents;

/// How many messages may wait,
const MAX_QUEUED_MESSAGES: usize = 16 * 1024;
/// how large they may be together, in bytes,
const MAX_QUEUED_BYTES: usize = 64 * 1024 * 1024;
/// and those of all queues that share a count.
const MAX_TOTAL_BYTES: usize = 4 * MAX_QUEUED_BYTES;
/// How many may wait for the broker to say that it keeps them.
const MAX_UNACKNOWLEDGED: usize = 1024;

/// A queue to a task that sends.
pub(super) struct PublishQueue {
    queue: mpsc::Sender<QueueEntry>,
    bytes: ByteBudget,
    /// Of how many nobody knows whether they have got there.
    unconfirmed: Arc<AtomicU64>,
}

/// What stands in the queue.
enum QueueEntry {
    Message(OutgoingMessage),
    /// Told when all before it is sent, and, if it is the last, when nothing more will be.
    FlushMarker(oneshot::Sender<()>, bool),
}

/// How many bytes wait here, and in all queues that count together.
#[derive(Clone)]
struct ByteBudget {
    used: Arc<AtomicUsize>,
    total: Option<Arc<AtomicUsize>>,
}

impl ByteBudget {
    /// False if these are too many.
    fn add(&self, size: usize) -> bool {
        let add = |count: &AtomicUsize| count.fetch_add(size, Ordering::Relaxed) + size;
        let (used, total) = (add(&self.used), self.total.as_deref().map_or(0, add));
        let has_room = used <= MAX_QUEUED_BYTES && total <= MAX_TOTAL_BYTES;
        if !has_room {
            self.sub(size);
        }
        has_room
    }

    fn sub(&self, size: usize) {
        for count in std::iter::once(&self.used).chain(&self.total) {
            count.fetch_sub(size, Ordering::Relaxed);
        }
    }
}

/// A message that waits.
pub(super) struct OutgoingMessage {
    pub(super) subject: Subject,
    pub(super) message_id: MessageId,
    pub(super) payload: Bytes,
    /// Whom to tell if it does not get to its history.
    pub(super) events: Option<Weak<dyn RemoteEvents>>,
}

impl PublishQueue {
    /// Also what the task takes from it. `all` counts the bytes that wait in several.
    pub(super) fn new(total: Option<Arc<AtomicUsize>>) -> (Self, Publisher) {
        let (queue, entries) = mpsc::channel(MAX_QUEUED_MESSAGES);
        let bytes = ByteBudget { used: Arc::default(), total };
        let unconfirmed = Arc::<AtomicU64>::default();
        let publisher =
            Publisher { entries, bytes: bytes.clone(), unconfirmed: Arc::clone(&unconfirmed), closed: None };
        (Self { queue, bytes, unconfirmed }, publisher)
    }

    /// When all that was pushed before is sent; then nothing more is taken, if this is the last.
    pub(super) async fn flush(&self, is_last: bool) {
        let (ack, acked) = oneshot::channel();
        // It fails when there is nothing to wait for any more.
        if self.queue.send(QueueEntry::FlushMarker(ack, is_last)).await.is_ok() {
            let _ = acked.await;
        }
    }

    /// Of how many messages it is not known whether they have got there, since this was asked last.
    pub(super) fn take_unconfirmed(&self) -> u64 {
        self.unconfirmed.swap(0, Ordering::AcqRel)
    }

    pub(super) fn push(&self, message: OutgoingMessage) -> Result<(), PublishError> {
        let size = message.payload.len();
        if !self.bytes.add(size) {
            return Err(PublishError::Full);
        }
        self.queue.try_send(QueueEntry::Message(message)).map_err(|error| {
            self.bytes.sub(size);
            match error {
                mpsc::error::TrySendError::Full(_) => PublishError::Full,
                // The hub has ended, or its runtime.
                mpsc::error::TrySendError::Closed(_) => PublishError::Disconnected,
            }
        })
    }
}

/// Where messages leave the queue.
pub(super) struct Publisher {
    entries: mpsc::Receiver<QueueEntry>,
    bytes: ByteBudget,
    unconfirmed: Arc<AtomicU64>,
    /// Who waits for the end of it.
    closed: Option<oneshot::Sender<()>>,
}

impl Publisher {
    async fn next(&mut self) -> Option<QueueEntry> {
        let entry = self.entries.recv().await?;
        if let QueueEntry::Message(message) = &entry {
            self.bytes.sub(message.payload.len());
        }
        Some(entry)
    }

    /// All before a mark is sent.
    fn on_flush_marker(&mut self, ack: oneshot::Sender<()>, is_last: bool) {
        if is_last {
            // What was taken meanwhile still goes out.
            self.entries.close();
            self.closed = Some(ack);
        } else {
            // Nobody may wait for it any more.
            let _ = ack.send(());
        }
    }

    /// Sends what nobody keeps, until the hub is gone.
    pub(super) async fn publish_core(mut self, client: Client) {
        while let Some(entry) = self.next().await {
            let OutgoingMessage { subject, message_id, payload, .. } = match entry {
                QueueEntry::Message(message) => message,
                QueueEntry::FlushMarker(ack, is_last) => {
                    self.on_flush_marker(ack, is_last);
                    continue;
                }
            };
            let sent = client.publish_with_headers(subject, message_id.headers(), payload).await;
            if let Err(error) = sent {
                // Its number is missing: who hears the next one knows.
                tracing::error!(%error, "a message was not sent to the other processes");
            }
        }
    }

    /// Sends what goes to histories of one size, and sees to it that it has got there.
    pub(super) async fn publish_to_stream(
        mut self,
        jetstream: jetstream::Context,
        history_stream: Arc<HistoryStream>,
    ) {
        let mut sent = FuturesUnordered::new();
        loop {
            tokio::select! {
                biased;
                Some(()) = sent.next(), if !sent.is_empty() => {}
                message = self.next(), if sent.len() < MAX_UNACKNOWLEDGED => {
                    let message = match message {
                        Some(QueueEntry::Message(message)) => message,
                        Some(QueueEntry::FlushMarker(ack, is_last)) => {
                            while sent.next().await.is_some() {}
                            self.on_flush_marker(ack, is_last);
                            continue;
                        }
                        None => break,
                    };
                    let Some(events) = message.events else { continue };
                    let ack = match history_stream.stream().await {
                        Ok(_) => {
                            let headers = message.message_id.headers();
                            let publish = jetstream.publish_with_headers(message.subject, headers, message.payload);
                            publish.await.map_err(Into::into)
                        }
                        Err(error) => Err(error),
                    };
                    let (history_stream, unconfirmed) = (Arc::clone(&history_stream), Arc::clone(&self.unconfirmed));
                    sent.push(async move {
                        let acknowledged = match ack {
                            Ok(ack) => ack.await.map(drop).map_err(Into::into),
                            Err(error) => Err(error),
                        };
                        if let Err(error) = acknowledged {
                            unconfirmed.fetch_add(1, Ordering::AcqRel);
                            on_unconfirmed(&history_stream, &events, &error);
                        }
                    });
                }
            }
        }
        while sent.next().await.is_some() {}
    }
}

/// The broker did not say that it keeps a message.
fn on_unconfirmed(
    history_stream: &HistoryStream,
    events: &Weak<dyn RemoteEvents>,
    error: &async_nats::Error,
) {
    tracing::error!(%error, "the broker has not said that it keeps a message");
    // It may be gone: look again with the next one.
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
        let push = |publish_queue: &PublishQueue| {
            let message_id = MessageId { node: 1, topic_id: 1, sequence: 1, audience: Audience::All };
            publish_queue.push(OutgoingMessage {
                subject: "x".into(),
                message_id,
                payload: mebibyte.clone(),
                events: None,
            })
        };
        for (publish_queue, _) in &queues[..4] {
            (0..64).for_each(|_| push(publish_queue).unwrap());
            assert!(matches!(push(publish_queue), Err(PublishError::Full)));
        }
        let [(first, mut publisher), .., (fifth, _)] = queues;
        assert!(matches!(push(&fifth), Err(PublishError::Full)));
        // What is sent makes room for one more, wherever.
        assert!(publisher.next().now_or_never().is_some());
        push(&fifth).unwrap();
        assert!(matches!(push(&first), Err(PublishError::Full)));
    }
}
