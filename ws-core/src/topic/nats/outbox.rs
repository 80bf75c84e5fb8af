//! What waits to be sent, in the order in which it was published.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use async_nats::jetstream;
use async_nats::{Client, Subject};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{mpsc, oneshot};

use super::stamp::Stamp;
use super::stream::Histories;
use crate::error::PublishError;
use crate::topic::broker::RemoteEvents;

/// How many messages may wait,
const MAX_WAITING: usize = 16 * 1024;
/// how large they may be together, in bytes,
const MAX_BYTES: usize = 64 * 1024 * 1024;
/// and those of all queues that share a count.
const MAX_BYTES_OF_ALL: usize = 4 * MAX_BYTES;
/// How many may wait for the broker to say that it keeps them.
const MAX_UNACKNOWLEDGED: usize = 1024;

/// A queue to a task that sends.
pub(super) struct Outbox {
    queue: mpsc::Sender<Waiting>,
    bytes: Bytecount,
    /// Of how many nobody knows whether they have got there.
    unconfirmed: Arc<AtomicU64>,
}

/// What stands in the queue.
enum Waiting {
    Message(Outgoing),
    /// Told when all before it is sent, and, if it is the last, when nothing more will be.
    Mark(oneshot::Sender<()>, bool),
}

/// How many bytes wait here, and in all queues that count together.
#[derive(Clone)]
struct Bytecount {
    own: Arc<AtomicUsize>,
    all: Option<Arc<AtomicUsize>>,
}

impl Bytecount {
    /// False if these are too many.
    fn add(&self, size: usize) -> bool {
        let add = |count: &AtomicUsize| count.fetch_add(size, Ordering::Relaxed) + size;
        let (own, all) = (add(&self.own), self.all.as_deref().map_or(0, add));
        let has_room = own <= MAX_BYTES && all <= MAX_BYTES_OF_ALL;
        if !has_room {
            self.sub(size);
        }
        has_room
    }

    fn sub(&self, size: usize) {
        for count in std::iter::once(&self.own).chain(&self.all) {
            count.fetch_sub(size, Ordering::Relaxed);
        }
    }
}

/// A message that waits.
pub(super) struct Outgoing {
    pub(super) subject: Subject,
    pub(super) stamp: Stamp,
    pub(super) payload: Bytes,
    /// Whom to tell if it does not get to its history.
    pub(super) kept: Option<Weak<dyn RemoteEvents>>,
}

impl Outbox {
    /// Also what the task takes from it. `all` counts the bytes that wait in several.
    pub(super) fn new(all: Option<Arc<AtomicUsize>>) -> (Self, Outlet) {
        let (queue, waiting) = mpsc::channel(MAX_WAITING);
        let bytes = Bytecount { own: Arc::default(), all };
        let unconfirmed = Arc::<AtomicU64>::default();
        let outlet =
            Outlet { waiting, bytes: bytes.clone(), unconfirmed: Arc::clone(&unconfirmed), last: None };
        (Self { queue, bytes, unconfirmed }, outlet)
    }

    /// When all that was pushed before is sent; then nothing more is taken, if this is the last.
    pub(super) async fn flush(&self, is_last: bool) {
        let (tell, told) = oneshot::channel();
        // It fails when there is nothing to wait for any more.
        if self.queue.send(Waiting::Mark(tell, is_last)).await.is_ok() {
            let _ = told.await;
        }
    }

    /// Of how many messages it is not known whether they have got there, since this was asked last.
    pub(super) fn take_unconfirmed(&self) -> u64 {
        self.unconfirmed.swap(0, Ordering::AcqRel)
    }

    pub(super) fn push(&self, message: Outgoing) -> Result<(), PublishError> {
        let size = message.payload.len();
        if !self.bytes.add(size) {
            return Err(PublishError::Full);
        }
        self.queue.try_send(Waiting::Message(message)).map_err(|error| {
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
pub(super) struct Outlet {
    waiting: mpsc::Receiver<Waiting>,
    bytes: Bytecount,
    unconfirmed: Arc<AtomicU64>,
    /// Who waits for the end of it.
    last: Option<oneshot::Sender<()>>,
}

impl Outlet {
    async fn next(&mut self) -> Option<Waiting> {
        let waiting = self.waiting.recv().await?;
        if let Waiting::Message(message) = &waiting {
            self.bytes.sub(message.payload.len());
        }
        Some(waiting)
    }

    /// All before a mark is sent.
    fn reached(&mut self, tell: oneshot::Sender<()>, is_last: bool) {
        if is_last {
            // What was taken meanwhile still goes out.
            self.waiting.close();
            self.last = Some(tell);
        } else {
            // Nobody may wait for it any more.
            let _ = tell.send(());
        }
    }

    /// Sends what nobody keeps, until the hub is gone.
    pub(super) async fn send(mut self, client: Client) {
        while let Some(waiting) = self.next().await {
            let Outgoing { subject, stamp, payload, .. } = match waiting {
                Waiting::Message(message) => message,
                Waiting::Mark(tell, is_last) => {
                    self.reached(tell, is_last);
                    continue;
                }
            };
            let sent = client.publish_with_headers(subject, stamp.headers(), payload).await;
            if let Err(error) = sent {
                // Its number is missing: who hears the next one knows.
                tracing::error!(%error, "a message was not sent to the other processes");
            }
        }
    }

    /// Sends what goes to histories of one size, and sees to it that it has got there.
    pub(super) async fn store(mut self, jetstream: jetstream::Context, histories: Arc<Histories>) {
        let mut sent = FuturesUnordered::new();
        loop {
            tokio::select! {
                biased;
                Some(()) = sent.next(), if !sent.is_empty() => {}
                message = self.next(), if sent.len() < MAX_UNACKNOWLEDGED => {
                    let message = match message {
                        Some(Waiting::Message(message)) => message,
                        Some(Waiting::Mark(tell, is_last)) => {
                            while sent.next().await.is_some() {}
                            self.reached(tell, is_last);
                            continue;
                        }
                        None => break,
                    };
                    let Some(inlet) = message.kept else { continue };
                    let ack = match histories.stream().await {
                        Ok(_) => {
                            let headers = message.stamp.headers();
                            let publish = jetstream.publish_with_headers(message.subject, headers, message.payload);
                            publish.await.map_err(Into::into)
                        }
                        Err(error) => Err(error),
                    };
                    let (histories, unconfirmed) = (Arc::clone(&histories), Arc::clone(&self.unconfirmed));
                    sent.push(async move {
                        let acknowledged = match ack {
                            Ok(ack) => ack.await.map(drop).map_err(Into::into),
                            Err(error) => Err(error),
                        };
                        if let Err(error) = acknowledged {
                            unconfirmed.fetch_add(1, Ordering::AcqRel);
                            unsure(&histories, &inlet, &error);
                        }
                    });
                }
            }
        }
        while sent.next().await.is_some() {}
    }
}

/// The broker did not say that it keeps a message.
fn unsure(histories: &Histories, inlet: &Weak<dyn RemoteEvents>, error: &async_nats::Error) {
    tracing::error!(%error, "the broker has not said that it keeps a message");
    // It may be gone: look again with the next one.
    histories.forget();
    if let Some(inlet) = inlet.upgrade() {
        inlet.publish_uncertain();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::topic::nats::stamp::About;

    #[test]
    fn queues_are_bounded_alone_and_together() {
        let all = Arc::<AtomicUsize>::default();
        let outboxes = [(); 5].map(|()| Outbox::new(Some(Arc::clone(&all))));
        let mebibyte = Bytes::from(vec![0; 1024 * 1024]);
        let push = |outbox: &Outbox| {
            let stamp = Stamp { node: 1, line: 1, number: 1, about: About::All };
            outbox.push(Outgoing { subject: "x".into(), stamp, payload: mebibyte.clone(), kept: None })
        };
        for (outbox, _) in &outboxes[..4] {
            (0..64).for_each(|_| push(outbox).unwrap());
            assert!(matches!(push(outbox), Err(PublishError::Full)));
        }
        let [(first, mut outlet), .., (fifth, _)] = outboxes;
        assert!(matches!(push(&fifth), Err(PublishError::Full)));
        // What is sent makes room for one more, wherever.
        assert!(outlet.next().now_or_never().is_some());
        push(&fifth).unwrap();
        assert!(matches!(push(&first), Err(PublishError::Full)));
    }
}
