//! The proof that the server has a subscription.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_nats::{Client, Subject};
use bytes::Bytes;

use super::refusals::{OverLimit, Refusals};
use super::request::{PROBE_SUBJECT, RETRY_DELAY};
use super::status::StatusReceiver;
use crate::error::BrokerError;

/// Number of requests without an answer after which a subscription counts as refused.
///
/// The server answers one subscription of this client to the subject. An earlier one may still exist there: the
/// client tells the server of its end later than of the new one's beginning. Then that one gets the answer.
const MAX_REQUESTS: u32 = 4;

/// A check whether the server accepts a subscription, at its start and after each reconnect.
///
/// The client sends a request without a receiver, with the subject of the subscription as the one for the
/// answer. The server then sends "no responders" to that subject, but only if this client is subscribed to it.
/// Other clients receive nothing. The answer to a second request arrives later, so that a first answer that is
/// missing by then is missing for good.
pub(super) struct AcceptanceCheck<'c> {
    pub(super) client: &'c Client,
    pub(super) refusals: &'c Refusals,
    pub(super) subject: &'c Subject,
}

/// Why the server does not accept a subscription.
pub(super) enum AcceptanceFailure {
    /// The subscription does not exist.
    Refused(Arc<str>),
    /// The client may not send the request, so whether the subscription exists is unknown.
    Unknown(Arc<str>),
}

impl AcceptanceCheck<'_> {
    /// Checks the subscription after a delay. Completes only when the server refuses it, at once or later.
    ///
    /// The caller sets `is_accepted` when the answer arrives, and polls this future only after it has taken all
    /// messages of the subscription.
    pub(super) async fn rejected(
        &self,
        delay: Duration,
        mut status: StatusReceiver,
        is_accepted: &AtomicBool,
    ) -> AcceptanceFailure {
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        loop {
            status.mark_unchanged();
            is_accepted.store(false, Ordering::Relaxed);
            tokio::select! {
                rejection = self.check(is_accepted) => return rejection,
                // The client has subscribed again, and the server may have other limits now.
                Ok(()) = status.changed() => {}
            }
        }
    }

    async fn check(&self, is_accepted: &AtomicBool) -> AcceptanceFailure {
        tokio::select! {
            // The server also reports a permission that is revoked later.
            text = self.refusals.wait(|refused| *refused == **self.subject) => AcceptanceFailure::Refused(text),
            rejection = self.prove(is_accepted) => rejection,
        }
    }

    async fn prove(&self, is_accepted: &AtomicBool) -> AcceptanceFailure {
        let mut unanswered = 0;
        loop {
            let connects = self.connects();
            let (probe, answer_to) = (PROBE_SUBJECT, self.subject.clone());
            // Publishing fails only if the client is closed.
            let _ = self.client.publish_with_reply(probe, answer_to, Bytes::new()).await;
            let answered = self.refusals.round_trip(self.client).await;
            if let Err(BrokerError::Refused(error)) = answered {
                return AcceptanceFailure::Unknown(error.to_string().into());
            }
            // The server's error is handled by another task, which runs during this round trip at the latest.
            // The caller takes the messages of the subscription before it polls this future again.
            if !is_accepted.load(Ordering::Relaxed) {
                let _ = self.refusals.round_trip(self.client).await;
                tokio::task::yield_now().await;
            }
            if is_accepted.load(Ordering::Relaxed) {
                return std::future::pending().await;
            }
            // Without a connection, or after a reconnect, the request may be lost.
            let is_unanswered = answered.is_ok() && connects == self.connects();
            unanswered = if is_unanswered { unanswered + 1 } else { 0 };
            if unanswered == MAX_REQUESTS {
                return AcceptanceFailure::Refused(OverLimit.to_string().into());
            }
            tokio::time::sleep(RETRY_DELAY).await;
        }
    }

    fn connects(&self) -> u64 {
        self.client.statistics().connects.load(Ordering::Relaxed)
    }
}
