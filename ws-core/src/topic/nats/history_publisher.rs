//! The task that publishes the messages of one history stream.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use async_nats::jetstream::context::{
    CreateStreamError, CreateStreamErrorKind, PublishAckFuture, PublishError, PublishErrorKind,
};
use async_nats::jetstream::publish::PublishAck;
use async_nats::jetstream::{self, ErrorCode};
use async_nats::{Client, Subject};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::oneshot;
use tokio::time::error::Elapsed;
use tokio::time::{Instant, sleep_until};

use super::epoch::epoch;
use super::history_stream::HistoryStream;
use super::publish_queue::{HistoryMessage, OutgoingMessage, PublishEntry, Publisher};
use super::publish_window::{Attempt, Effect, PublishOutcome, PublishWindow, WindowMessage};
use super::refusals::{Refusals, RefusedPublish};
use super::sender::Sender;
use super::sequence::Audience;
use crate::error::BrokerError;
use crate::topic::broker::RemoteEvents;
use crate::topic::position::Position;

/// Errors of the server after which a message is not sent again: the message is too large, or the account or
/// the stream has no room for it.
const FINAL_ERRORS: [ErrorCode; 6] = [
    ErrorCode::ACCOUNT_RESOURCES_EXCEEDED,
    ErrorCode::INSUFFICIENT_RESOURCES,
    ErrorCode::MEMORY_RESOURCES_EXCEEDED,
    ErrorCode::STORAGE_RESOURCES_EXCEEDED,
    ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM,
    ErrorCode::STREAM_STORE_FAILED,
];

/// The data of a message in the window.
struct MessageData {
    size: usize,
    /// The topic to notify of a loss that cannot be stored.
    events: Weak<dyn RemoteEvents>,
    ack: oneshot::Sender<Result<Position, BrokerError>>,
}

/// A publisher that waits for acknowledgements.
pub(super) struct HistoryPublisher {
    pub(super) publisher: Publisher,
    pub(super) client: Client,
    pub(super) refusals: Arc<Refusals>,
    pub(super) jetstream: jetstream::Context,
    pub(super) history_stream: Arc<HistoryStream>,
}

impl HistoryPublisher {
    /// Publishes messages until the hub is dropped or closed.
    pub(super) async fn run(mut self) {
        let mut window = PublishWindow::new();
        let mut outcomes = FuturesUnordered::new();
        let mut flushes = VecDeque::new();
        let mut is_open = true;
        let mut epoch_changes = self.history_stream.epoch_changes();
        while is_open || !window.is_idle() {
            let now = Instant::now();
            while let Some(data) = window.expire(now) {
                self.on_given_up(data, BrokerError::TimedOut);
            }
            while let Some(attempt) = window.next(now) {
                let (ticket, subject) = (attempt.ticket, attempt.sender.subject.clone());
                let sent = self.send(attempt, &mut window).await;
                let refusals = Arc::clone(&self.refusals);
                outcomes.push(async move { (ticket, answer(sent, &subject, &refusals).await) });
            }
            if window.is_idle() {
                for (ack, is_last) in flushes.drain(..) {
                    self.publisher.on_flush_marker(ack, is_last);
                }
            }
            let wake_at = window.wake_at();
            let can_take = is_open && flushes.is_empty() && window.has_room();
            tokio::select! {
                biased;
                Some((ticket, answer)) = outcomes.next(), if !outcomes.is_empty() => {
                    let outcome = outcome(&answer);
                    if outcome == PublishOutcome::Failed {
                        // The stream may be gone, so the next message opens it again.
                        self.history_stream.invalidate();
                    }
                    let effect = window.on_outcome(ticket, outcome, Instant::now());
                    self.on_effect(effect, answer).await;
                    if window.take_regressed() {
                        self.on_regressed().await;
                    }
                }
                entry = self.publisher.next(), if can_take => match entry {
                    Some(PublishEntry::Message(message)) => Self::accept(message, &mut window),
                    Some(PublishEntry::FlushMarker { ack, is_last }) => flushes.push_back((ack, is_last)),
                    None => is_open = false,
                },
                Ok(()) = epoch_changes.changed() => {
                    window.on_lost_end(&self.publisher.senders.all(), Instant::now());
                }
                () = sleep_until(wake_at.unwrap_or(now)), if wake_at.is_some() => {}
            }
        }
    }

    fn accept(message: OutgoingMessage, window: &mut PublishWindow<MessageData>) {
        let OutgoingMessage { sender, sequence, audience, payload, history } = message;
        let Some(HistoryMessage { events, ack }) = history else { return };
        let data = MessageData { size: payload.len(), events, ack };
        window.accept(WindowMessage { sender, sequence, audience, payload, data });
    }

    /// Sends a message. Messages leave in the order of the calls.
    async fn send(
        &self,
        attempt: Attempt,
        window: &mut PublishWindow<MessageData>,
    ) -> Result<(u64, PublishAckFuture), async_nats::Error> {
        let stream = self.history_stream.stream().await?;
        // Positions are lower bounds, so the state of an earlier time will do.
        window.observe(stream.cached_info().state.last_sequence);
        let (subject, headers) = (attempt.sender.subject.clone(), attempt.stamp.history_headers());
        // The permission may have been granted since an earlier message was refused.
        self.refusals.forget(|refused| *refused == *subject);
        let sent = self.jetstream.publish_with_headers(subject, headers, attempt.payload).await?;
        Ok((epoch(stream.cached_info()), sent))
    }

    async fn on_effect(&self, effect: Effect<MessageData>, answer: StoreAnswer) {
        match (effect, answer) {
            (Effect::Stored(data), answer) => {
                self.publisher.bytes.release(data.size);
                let position = answer.map(|(epoch, ack)| Position { epoch, offset: ack.sequence });
                // Sending fails if the publisher of the message does not await its position.
                let _ = data.ack.send(position.map_err(broker_error));
            }
            (Effect::GivenUp(data), answer) => {
                let refused = answer.as_ref().err().and_then(|error| error.downcast_ref());
                if let Some(refused) = refused {
                    self.refusals.on_refused_publish(refused);
                }
                let error = answer.err().map_or(BrokerError::TimedOut, broker_error);
                self.on_given_up(data, error);
            }
            (Effect::Unmarked(sender, number), _) => self.on_unmarked(&sender, number).await,
            (Effect::None, _) => {}
        }
    }

    fn on_given_up(&self, data: MessageData, error: BrokerError) {
        self.publisher.bytes.release(data.size);
        self.publisher.count_unconfirmed();
        tracing::error!(%error, "the broker has not confirmed that it stored a message");
        if let Some(events) = data.events.upgrade() {
            events.publish_uncertain();
        }
        let _ = data.ack.send(Err(error));
    }

    /// Reports a loss that the stream does not store to other processes, without the stream.
    async fn on_unmarked(&self, sender: &Sender, number: u64) {
        let subject = sender.mark_subject();
        self.refusals.expect_marks(&subject);
        let headers = sender.core_stamp(number, Audience::Mark).core_headers();
        // The next attempt to store the mark follows if this fails.
        let _ = self.client.publish_with_headers(subject, headers, Bytes::new()).await;
    }

    /// Handles a stream that stores messages at offsets that were in use before.
    async fn on_regressed(&self) {
        if let Ok(stream) = self.history_stream.stream().await {
            self.history_stream.renew_epoch(epoch(stream.cached_info())).await;
        }
    }
}

/// The answer to a message, with the epoch of the stream when the message was sent.
type StoreAnswer = Result<(u64, PublishAck), async_nats::Error>;

/// Waits for the answer to a message, or for the error of the server that the subject is not allowed.
async fn answer(
    sent: Result<(u64, PublishAckFuture), async_nats::Error>,
    subject: &Subject,
    refusals: &Refusals,
) -> StoreAnswer {
    let (epoch, ack) = sent?;
    tokio::select! {
        biased;
        ack = ack.into_future() => Ok((epoch, ack?)),
        text = refusals.wait(|refused| *refused == **subject) => Err(RefusedPublish(text).into()),
    }
}

/// Returns the outcome of a message.
fn outcome(answer: &StoreAnswer) -> PublishOutcome {
    match answer {
        Ok((_, ack)) => PublishOutcome::Stored { offset: ack.sequence, is_duplicate: ack.duplicate },
        Err(error) if is_final(error) => PublishOutcome::Refused,
        Err(error) => {
            tracing::debug!(%error, "a message was not stored");
            PublishOutcome::Failed
        }
    }
}

/// Converts the error of a message that was not stored.
fn broker_error(error: async_nats::Error) -> BrokerError {
    let publish = error.downcast_ref().map(PublishError::kind) == Some(PublishErrorKind::TimedOut);
    let create = error.downcast_ref().map(CreateStreamError::kind) == Some(CreateStreamErrorKind::TimedOut);
    let is_timeout = publish || create || error.is::<Elapsed>();
    if is_timeout { BrokerError::TimedOut } else { BrokerError::Refused(error) }
}

/// Returns whether another attempt would fail as well.
fn is_final(error: &async_nats::Error) -> bool {
    if error.is::<RefusedPublish>() {
        return true;
    }
    let Some(error) = error.downcast_ref::<PublishError>() else { return false };
    if error.kind() == PublishErrorKind::MaxPayloadExceeded {
        return true;
    }
    let source = std::error::Error::source(error);
    let refused = source.and_then(|source| source.downcast_ref::<jetstream::Error>());
    refused.is_some_and(|refused| FINAL_ERRORS.contains(&refused.error_code()))
}
