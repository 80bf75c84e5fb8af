//! Requests to the other processes of a hub, and theirs to this one.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};

use async_nats::StatusCode;
use async_nats::client::PublishErrorKind;
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
        let mut replies = self.client.subscribe(inbox.clone()).await.map_err(|_| BrokerError::Closed)?;
        let size = request.len();
        let sent = self.client.publish_with_reply(SUBJECT, inbox, request).await;
        sent.map_err(|error| match error.kind() {
            PublishErrorKind::MaxPayloadExceeded => {
                BrokerError::TooLarge { size, limit: self.client.max_payload() }
            }
            _ => BrokerError::Closed,
        })?;
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
        let prefix = inbox_prefix(&client);
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
                let (Some(answer), Some(reply)) = (answer, request.reply) else { continue };
                if !is_inbox(&prefix, &reply) {
                    tracing::debug!(
                        reply = &*reply,
                        "an answer to a subject outside of the inboxes was not sent"
                    );
                    continue;
                }
                // Publishing fails only if the client is closed.
                _ = client.publish(reply, answer).await;
            }
        });
    }
}

/// Returns whether a subject is an inbox like those of this client. An answer goes to no other subject: the server does
/// not check whether the sender of a request may publish to the subject of the answer, but this process may.
fn is_inbox(prefix: &str, subject: &str) -> bool {
    subject.strip_prefix(prefix).is_some_and(|inbox| inbox.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inbox_has_the_prefix_and_a_name() {
        for (prefix, subject, expected) in [
            ("_INBOX", "_INBOX.abc", true),
            ("_INBOX", "_INBOX.abc.1", true),
            ("_INBOX.chat", "_INBOX.chat.abc", true),
            ("_INBOX.chat", "_INBOX.abc", false),
            ("_INBOX", "_INBOX", false),
            ("_INBOX", "_INBOXES.abc", false),
            ("_INBOX", "$JS.API.STREAM.DELETE.ORDERS", false),
            ("_INBOX", "", false),
        ] {
            assert_eq!(is_inbox(prefix, subject), expected, "{prefix} {subject}");
        }
    }
}
