//! How a hub makes sure that all has got there, and how it ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_nats::Client;
use async_nats::client::RequestErrorKind;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::{NatsConnection, PROBE_SUBJECT, REQUEST_TIMEOUT, history_stream};
use crate::error::BrokerError;
use crate::topic::broker::BoxFuture;

/// How long it is waited for a connection to end that has nothing more to say.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// The end of a hub.
#[derive(Default)]
pub(super) struct ShutdownState {
    has_started: AtomicBool,
    /// What became of it. Held as long as it is on its way, so that others wait.
    outcome: Mutex<Option<Result<(), BrokerError>>>,
}

impl ShutdownState {
    pub(super) fn has_started(&self) -> bool {
        self.has_started.load(Ordering::Relaxed)
    }
}

impl NatsConnection {
    /// When the server has all that was pushed before.
    pub(super) async fn flush(self: Arc<Self>) -> Result<(), BrokerError> {
        self.drain(false).await
    }

    /// The same, and then the connection ends. It goes on if nobody waits.
    pub(super) fn close(self: &Arc<Self>) -> BoxFuture<Result<(), BrokerError>> {
        self.shutdown.has_started.store(true, Ordering::Relaxed);
        // Who searches or watches sees it.
        self.reconnects.send_modify(|count| *count += 1);
        let closed = self.runtime.spawn(Arc::clone(self).run_close());
        // An error says that its runtime has ended before.
        Box::pin(async move { closed.await.unwrap_or(Err(BrokerError::Closed)) })
    }

    async fn run_close(self: Arc<Self>) -> Result<(), BrokerError> {
        let mut outcome = self.shutdown.outcome.lock().await;
        if let Some(drained) = &*outcome {
            return drained.as_ref().map_err(BrokerError::duplicate).copied();
        }
        let drained = self.drain(true).await;
        let client = self.client.clone();
        let ended = self.runtime.spawn(async move {
            // Later the server could not be told of the consumers of those who have ended.
            let _ = timeout(CLOSE_TIMEOUT / 2, history_stream::deletions_finished()).await;
            // The flush comes back with an error, when the connection has ended.
            let _ = (client.drain().await, client.flush().await);
        });
        // One that was lost ends when it is back.
        if self.is_connected() {
            let _ = timeout(CLOSE_TIMEOUT, ended).await;
        }
        *outcome = Some(drained.as_ref().map_err(BrokerError::duplicate).copied());
        drained
    }

    /// When the server has all that was pushed before; if that is the end, nothing is taken after it.
    async fn drain(&self, is_last: bool) -> Result<(), BrokerError> {
        let connects = || self.client.statistics().connects.load(Ordering::Relaxed);
        let before = connects();
        let sent = async {
            let (publish_queue, streams) = (self.publish_queue.flush(is_last), self.streams.flush(is_last));
            let (known, ..) = tokio::join!(self.announcer.flush(), publish_queue, streams);
            wait_round_trip(&self.client).await;
            known
        };
        let sent = timeout(2 * REQUEST_TIMEOUT, sent).await;
        // What was written to a connection that broke then may be lost.
        if connects() != before || !self.is_connected() {
            return Err(BrokerError::Disconnected);
        }
        sent.map_err(|_| BrokerError::TimedOut)??;
        match self.streams.take_unconfirmed() {
            0 => Ok(()),
            messages => Err(BrokerError::Unconfirmed { messages }),
        }
    }
}

/// When the server has seen to all that it was told before, which it says for as long as it takes.
async fn wait_round_trip(client: &Client) {
    while let Err(error) = client.request(PROBE_SUBJECT, "".into()).await {
        match error.kind() {
            RequestErrorKind::NoResponders => return,
            RequestErrorKind::TimedOut => {}
            // There is no connection, or the server does not want to be asked.
            _ => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}
