//! Requests to the other processes of a hub, and theirs to this one.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};

use async_nats::StatusCode;
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::sync::mpsc;

use super::connection::NatsConnection;
use super::refusals::{inbox_prefix, refused};
use crate::error::BrokerError;
use crate::topic::broker::{ProcessAnswer, RequestHandler};

/// The subject of requests to all processes.
const SUBJECT: &str = "ws.connections";

/// Maximum number of answers that wait for the caller.
const ANSWER_CAPACITY: usize = 64;

impl NatsConnection {
    /// Sends a request to the other processes. The client's option `no_echo` keeps it from this one.
    pub(super) fn request(self: &Arc<Self>, request: Bytes) -> mpsc::Receiver<ProcessAnswer> {
        let (sender, answers) = mpsc::channel(ANSWER_CAPACITY);
        let connection = Arc::clone(self);
        self.runtime.spawn(async move {
            if let Err(error) = connection.run_request(request, &sender).await {
                // Sending fails if the caller has left.
                _ = sender.send(Err(error)).await;
            }
        });
        answers
    }

    async fn run_request(
        &self,
        request: Bytes,
        answers: &mpsc::Sender<ProcessAnswer>,
    ) -> Result<(), BrokerError> {
        if !self.is_connected() {
            return Err(self.refusals.disconnected());
        }
        let (prefix, inbox) = (inbox_prefix(&self.client), self.client.new_inbox());
        let concerns = |subject: &str| subject == SUBJECT || subject.starts_with(&prefix);
        self.refusals.forget(concerns);
        let closed = |_| BrokerError::Closed;
        let mut replies = self.client.subscribe(inbox.clone()).await.map_err(|_| BrokerError::Closed)?;
        self.client.publish_with_reply(SUBJECT, inbox, request).await.map_err(closed)?;
        loop {
            let reply = tokio::select! {
                text = self.refusals.wait(concerns) => return Err(refused(&text)),
                () = answers.closed() => return Ok(()),
                reply = replies.next() => reply.ok_or(BrokerError::Closed)?,
            };
            // The server knows no other process that serves requests.
            if reply.status == Some(StatusCode::NO_RESPONDERS) {
                return Ok(());
            }
            if answers.send(Ok(reply.payload)).await.is_err() {
                return Ok(());
            }
        }
    }

    /// Serves the requests of other processes until the hub is closed or dropped.
    pub(super) fn serve_requests(&self, handler: Weak<dyn RequestHandler>) {
        let (client, node, mut status) = (self.client.clone(), self.node, self.status());
        self.runtime.spawn(async move {
            // Subscribing fails only if the client is closed.
            let Ok(mut requests) = client.subscribe(SUBJECT).await else { return };
            loop {
                let request = tokio::select! {
                    request = requests.next() => request,
                    changed = status.changed() => match changed {
                        Ok(()) => continue,
                        // The hub is dropped.
                        Err(_) => return,
                    },
                };
                let (Some(request), Some(handler)) = (request, handler.upgrade()) else { return };
                // Waking a connection may run user code. A panic there must not end the task.
                let handle = AssertUnwindSafe(|| handler.handle(&request.payload, node));
                let answer = catch_unwind(handle).unwrap_or_else(|_| {
                    tracing::error!("a request of another process panicked");
                    None
                });
                if let (Some(answer), Some(reply)) = (answer, request.reply) {
                    // Publishing fails only if the client is closed.
                    _ = client.publish(reply, answer).await;
                }
            }
        });
    }
}
