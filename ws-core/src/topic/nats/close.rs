//! Flushing and closing a hub.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::timeout;

use super::connection::NatsConnection;
use super::consumer::deletions_finished;
use super::request::REQUEST_TIMEOUT;
use crate::error::BrokerError;
use crate::topic::broker::BoxFuture;

/// How long closing waits for a drained connection to end.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Delay between round trips without a connection.
const PROBE_DELAY: Duration = Duration::from_millis(100);

impl NatsConnection {
    /// Waits until the server has all messages published before.
    pub(super) async fn flush(self: Arc<Self>) -> Result<(), BrokerError> {
        self.drain(false).await
    }

    /// Flushes, then closes the connection. Closing continues if the caller drops the future.
    pub(super) fn close(self: &Arc<Self>) -> BoxFuture<Result<(), BrokerError>> {
        self.set_closed();
        let closed = self.runtime.spawn(Arc::clone(self).run_close());
        // Joining the task fails if its runtime has shut down.
        Box::pin(async move { closed.await.unwrap_or(Err(BrokerError::Closed)) })
    }

    async fn run_close(self: Arc<Self>) -> Result<(), BrokerError> {
        let mut outcome = self.close_outcome.lock().await;
        if let Some(drained) = &*outcome {
            return drained.as_ref().map_err(BrokerError::duplicate).copied();
        }
        let drained = self.drain(true).await;
        let client = self.client.clone();
        let ended = self.runtime.spawn(async move {
            // Deleting the consumers of tasks that have just ended needs the connection.
            let _ = timeout(CLOSE_TIMEOUT / 2, deletions_finished()).await;
            // The flush returns with an error once the connection has ended.
            let _ = (client.drain().await, client.flush().await);
        });
        // A lost connection ends when the client has reconnected. Closing does not wait for that.
        if self.is_connected() {
            let _ = timeout(CLOSE_TIMEOUT, ended).await;
        }
        *outcome = Some(drained.as_ref().map_err(BrokerError::duplicate).copied());
        drained
    }

    /// Waits until the server has all messages published before. With `is_last` the queues accept no
    /// messages afterwards.
    async fn drain(&self, is_last: bool) -> Result<(), BrokerError> {
        let connects = || self.client.statistics().connects.load(Ordering::Relaxed);
        let before = connects();
        let sent = async {
            let (core, streams) = (self.publish_queue.flush(is_last), self.streams.flush(is_last));
            let (announced, ..) = tokio::join!(self.announcer.flush(), core, streams);
            // The server's errors are handled by another task, which runs during the second round trip at the
            // latest.
            for _ in 0..2 {
                loop {
                    match self.refusals.round_trip(&self.client).await {
                        Ok(()) => break,
                        Err(error @ BrokerError::Refused(_)) => return Err(error),
                        Err(_) => tokio::time::sleep(PROBE_DELAY).await,
                    }
                }
            }
            announced
        };
        let sent = timeout(2 * REQUEST_TIMEOUT, sent).await;
        // Bytes written to a connection that has failed meanwhile may be lost.
        if connects() != before || !self.is_connected() {
            return Err(self.refusals.disconnected());
        }
        sent.map_err(|_| BrokerError::TimedOut)??;
        match (self.refusals.take_publish(), self.streams.take_unconfirmed()) {
            (Some(refused), _) => Err(refused),
            (None, 0) => Ok(()),
            (None, messages) => Err(BrokerError::Unconfirmed { messages }),
        }
    }
}
