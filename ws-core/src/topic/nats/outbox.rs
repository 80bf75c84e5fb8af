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
use super::stream::Streams;
use crate::error::PublishError;
use crate::topic::broker::Inlet;
use crate::topic::history::History;

/// How many messages may wait,
const MAX_WAITING: usize = 16 * 1024;
/// and how large they may be together, in bytes.
const MAX_BYTES: usize = 64 * 1024 * 1024;
/// How many may wait for the broker to say that it keeps them.
const MAX_UNACKNOWLEDGED: usize = 1024;

/// A queue to a task that sends.
pub(super) struct Outbox {
    queue: mpsc::Sender<Waiting>,
    bytes: Arc<AtomicUsize>,
    /// Of how many nobody knows whether they have got there.
    unconfirmed: Arc<AtomicU64>,
}

/// What stands in the queue.
enum Waiting {
    Message(Outgoing),
    /// Told when all before it is sent, and, if it is the last, when nothing more will be.
    Mark(oneshot::Sender<()>, bool),
}

/// A message that waits.
pub(super) struct Outgoing {
    pub(super) subject: Subject,
    pub(super) stamp: Stamp,
    pub(super) payload: Bytes,
    /// The history that it goes to, and whom to tell if it does not get there.
    pub(super) kept: Option<(History, Weak<dyn Inlet>)>,
}

impl Outbox {
    /// Also what the task takes from it.
    pub(super) fn new() -> (Self, Outlet) {
        let (queue, waiting) = mpsc::channel(MAX_WAITING);
        let (bytes, unconfirmed) = (Arc::<AtomicUsize>::default(), Arc::<AtomicU64>::default());
        let outlet =
            Outlet { waiting, bytes: Arc::clone(&bytes), unconfirmed: Arc::clone(&unconfirmed), last: None };
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
        if self.bytes.fetch_add(size, Ordering::Relaxed) + size > MAX_BYTES {
            self.bytes.fetch_sub(size, Ordering::Relaxed);
            return Err(PublishError::Full);
        }
        self.queue.try_send(Waiting::Message(message)).map_err(|error| {
            self.bytes.fetch_sub(size, Ordering::Relaxed);
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
    bytes: Arc<AtomicUsize>,
    unconfirmed: Arc<AtomicU64>,
    /// Who waits for the end of it.
    last: Option<oneshot::Sender<()>>,
}

impl Outlet {
    async fn next(&mut self) -> Option<Waiting> {
        let waiting = self.waiting.recv().await?;
        if let Waiting::Message(message) = &waiting {
            self.bytes.fetch_sub(message.payload.len(), Ordering::Relaxed);
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

    /// Sends what goes to a history, and sees to it that it has got there.
    pub(super) async fn store(mut self, jetstream: jetstream::Context, streams: Arc<Streams>) {
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
                    let Some((history, inlet)) = message.kept else { continue };
                    let ack = match streams.stream(history).await {
                        Ok(_) => {
                            let headers = message.stamp.headers();
                            let publish = jetstream.publish_with_headers(message.subject, headers, message.payload);
                            publish.await.map_err(Into::into)
                        }
                        Err(error) => Err(error),
                    };
                    let (streams, unconfirmed) = (Arc::clone(&streams), Arc::clone(&self.unconfirmed));
                    sent.push(async move {
                        let acknowledged = match ack {
                            Ok(ack) => ack.await.map(drop).map_err(Into::into),
                            Err(error) => Err(error),
                        };
                        if let Err(error) = acknowledged {
                            unconfirmed.fetch_add(1, Ordering::AcqRel);
                            unsure(&streams, &inlet, history, &error);
                        }
                    });
                }
            }
        }
        while sent.next().await.is_some() {}
    }
}

/// The broker did not say that it keeps a message.
fn unsure(streams: &Streams, inlet: &Weak<dyn Inlet>, history: History, error: &async_nats::Error) {
    tracing::error!(%error, "the broker has not said that it keeps a message");
    // It may be gone: look again with the next one.
    streams.forget(history);
    if let Some(inlet) = inlet.upgrade() {
        inlet.unsure();
    }
}
