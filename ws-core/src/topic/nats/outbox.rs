//! What waits to be sent, in the order in which it was published.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use async_nats::jetstream;
use async_nats::{Client, Subject};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc;

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
    queue: mpsc::Sender<Outgoing>,
    bytes: Arc<AtomicUsize>,
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
        let bytes = Arc::new(AtomicUsize::new(0));
        (Self { queue, bytes: Arc::clone(&bytes) }, Outlet { waiting, bytes })
    }

    pub(super) fn push(&self, message: Outgoing) -> Result<(), PublishError> {
        let size = message.payload.len();
        if self.bytes.fetch_add(size, Ordering::Relaxed) + size > MAX_BYTES {
            self.bytes.fetch_sub(size, Ordering::Relaxed);
            return Err(PublishError::Full);
        }
        self.queue.try_send(message).map_err(|error| {
            self.bytes.fetch_sub(size, Ordering::Relaxed);
            match error {
                mpsc::error::TrySendError::Full(_) => PublishError::Full,
                // The runtime of the hub has ended.
                mpsc::error::TrySendError::Closed(_) => PublishError::Disconnected,
            }
        })
    }
}

/// Where messages leave the queue.
pub(super) struct Outlet {
    waiting: mpsc::Receiver<Outgoing>,
    bytes: Arc<AtomicUsize>,
}

impl Outlet {
    async fn next(&mut self) -> Option<Outgoing> {
        let message = self.waiting.recv().await?;
        self.bytes.fetch_sub(message.payload.len(), Ordering::Relaxed);
        Some(message)
    }

    /// Sends what nobody keeps, until the hub is gone.
    pub(super) async fn send(mut self, client: Client) {
        while let Some(Outgoing { subject, stamp, payload, .. }) = self.next().await {
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
                    let Some(message) = message else { break };
                    let Some((history, inlet)) = message.kept else { continue };
                    let ack = match streams.stream(history).await {
                        Ok(_) => {
                            let headers = message.stamp.headers();
                            let publish = jetstream.publish_with_headers(message.subject, headers, message.payload);
                            publish.await.map_err(Into::into)
                        }
                        Err(error) => Err(error),
                    };
                    let streams = Arc::clone(&streams);
                    sent.push(async move {
                        let acknowledged = match ack {
                            Ok(ack) => ack.await.map(drop).map_err(Into::into),
                            Err(error) => Err(error),
                        };
                        if let Err(error) = acknowledged {
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
