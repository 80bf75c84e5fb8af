//! Receiving what other processes publish.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_nats::{Client, Error, Message, StatusCode, Subject, Subscriber};
use futures_util::{FutureExt, StreamExt};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::acceptance::{AcceptanceCheck, AcceptanceFailure};
use super::consumer::StreamFollower;
use super::history_stream::{HistoryStream, epoch};
use super::refusals::{OverLimit, Refusals, inbox_prefix, is_request_about};
use super::request::{REFUSED_RETRY_DELAY, REQUEST_TIMEOUT, RETRY_DELAY, request_with_retry};
use super::sequence::{Audience, MessageId, SequenceCheck, SequenceTracker};
use super::slow_consumer::SlowConsumerDetector;
use super::status::{StatusReceiver, SubscriptionState};
use crate::topic::broker::{RemoteEvents, RemoteMessage};
use crate::topic::position::Position;

/// Number of messages after which a task yields to the runtime.
const YIELD_EVERY: usize = 64;

/// A task that receives the messages of one subject.
pub(super) struct SubjectSubscriber {
    pub(super) events: Weak<dyn RemoteEvents>,
    pub(super) subscription_generation: u64,
    pub(super) node: u64,
    pub(super) status: StatusReceiver,
    pub(super) client: Client,
    pub(super) refusals: Arc<Refusals>,
    pub(super) subscribed: watch::Sender<SubscriptionState>,
    /// When the first of those that wait for `subscribed` may give up. A later confirmation is reported as
    /// a gap, because messages published in between are lost.
    pub(super) confirm_by: Instant,
}

impl SubjectSubscriber {
    /// Receives messages of a topic without a history, from a core NATS subscription.
    pub(super) async fn run_core(self, subject: Subject, slow_consumer: Arc<SlowConsumerDetector>) {
        let mut tracker = SequenceTracker::default();
        loop {
            self.refusals.forget(|refused| *refused == *subject);
            // Subscribing fails only if the client is closed.
            let Ok(subscription) = self.client.subscribe(subject.clone()).await else { return };
            let received = self.receive_core(subscription, &subject, &slow_consumer, &mut tracker);
            let Some(refusal) = received.await else { return };
            self.refuse(refusal);
            tokio::time::sleep(REFUSED_RETRY_DELAY).await;
        }
    }

    /// Receives messages until the subscription ends. Returns the error if the server refuses it.
    async fn receive_core(
        &self,
        mut subscription: Subscriber,
        subject: &Subject,
        slow_consumer: &SlowConsumerDetector,
        tracker: &mut SequenceTracker,
    ) -> Option<Arc<str>> {
        let is_accepted = AtomicBool::new(false);
        let check = AcceptanceCheck { client: &self.client, refusals: &self.refusals, subject };
        let mut rejected = std::pin::pin!(check.rejected(Duration::ZERO, self.status.clone(), &is_accepted));
        // Number of messages since the subscription's buffer was last empty.
        let mut burst = 0;
        loop {
            // `unconstrained`: an exhausted coop budget must not look like an empty buffer.
            let next = tokio::task::unconstrained(subscription.next()).now_or_never();
            let message = match next {
                Some(message) => message,
                None => {
                    if slow_consumer.on_idle(burst) {
                        self.lagged(0);
                    }
                    burst = 0;
                    tokio::select! {
                        // The answer to the check is received before its end is noticed.
                        biased;
                        message = subscription.next() => message,
                        rejection = &mut rejected => match rejection {
                            AcceptanceFailure::Refused(text) => return Some(text),
                            // The subscription may exist, so its messages are received.
                            AcceptanceFailure::Unknown(text) => {
                                self.refuse(text);
                                let status = self.status.clone();
                                rejected.set(check.rejected(REFUSED_RETRY_DELAY, status, &is_accepted));
                                continue;
                            }
                        },
                    }
                }
            };
            let message = message?;
            if message.status == Some(StatusCode::NO_RESPONDERS) {
                is_accepted.store(true, Ordering::Relaxed);
                self.confirm();
                continue;
            }
            burst += 1;
            if burst % YIELD_EVERY == 0 {
                tokio::task::yield_now().await;
            }
            if let Some(message_id) = self.check_sequence(tracker, &message) {
                // This process has already delivered its own messages to its subscribers.
                if message_id.audience != Audience::Checkpoint && message_id.node != self.node {
                    self.deliver(message, message_id, None);
                }
            }
        }
    }

    /// Records that the broker refuses the subscription, and reports a gap to those who wait no longer.
    fn refuse(&self, refusal: Arc<str>) {
        let is_new = self.subscribed.send_if_modified(|state| {
            !matches!(
                std::mem::replace(state, SubscriptionState::Refused(refusal)),
                SubscriptionState::Refused(_)
            )
        });
        if is_new {
            self.lagged(0);
        }
    }

    /// Reports that the broker has confirmed the subscription, and a gap if that may be too late.
    fn confirm(&self) {
        let earlier = self.subscribed.borrow().clone();
        if earlier == SubscriptionState::Accepted {
            // The check after a reconnect.
            return;
        }
        // The connection was lost meanwhile, or did not exist when the task started.
        let was_lost = self.status.has_changed().is_ok_and(|changed| changed);
        let is_late = was_lost || earlier != SubscriptionState::Pending || Instant::now() >= self.confirm_by;
        if is_late {
            self.lagged(0);
        }
        self.subscribed.send_replace(SubscriptionState::Accepted);
        // A waiter may have given up between the check and the notification.
        if !is_late && Instant::now() >= self.confirm_by {
            self.lagged(0);
        }
    }

    /// Receives messages of a topic with a history, from the stream.
    pub(super) async fn run_stream(self, history_stream: Arc<HistoryStream>, subject: Subject) {
        let mut status = self.status.clone();
        let inbox = inbox_prefix(&self.client);
        let stream =
            subject.split('.').nth(2).map(|limits| format!("WS_HISTORY_{limits}")).unwrap_or_default();
        let concerns = |subject: &str| subject.starts_with(&inbox) || is_request_about(subject, &stream);
        let mut progress = StreamProgress {
            tracker: SequenceTracker::default(),
            last_position: None,
            start_by: self.confirm_by,
        };
        loop {
            status.mark_unchanged();
            self.refusals.forget(concerns);
            let followed = tokio::select! {
                refusal = self.refusals.wait(concerns) => Err(refusal.as_ref().into()),
                followed = self.follow_once(&history_stream, &subject, &mut progress) => followed,
                // A reconnect replaces the consumer at once, before missing heartbeats do.
                changed = status.changed() => match changed {
                    Ok(()) => {
                        progress.start_by = Instant::now();
                        continue;
                    }
                    // The hub is dropped.
                    Err(_) => return,
                },
            };
            if let Err(error) = followed {
                tracing::warn!(%error, subject = &*subject, "the history of a topic cannot be followed");
                history_stream.invalidate();
                progress.start_by = Instant::now();
                let refusal = self.refusals.find(concerns);
                let over_limit = error.downcast_ref::<OverLimit>().map(|error| error.to_string().into());
                let mut delay = RETRY_DELAY;
                if let Some(refusal) = refusal.or(over_limit) {
                    self.refuse(refusal);
                    delay = REFUSED_RETRY_DELAY;
                }
                tokio::time::sleep(delay).await;
            }
        }
    }

    /// Receives messages from the stream until an error occurs.
    async fn follow_once(
        &self,
        history_stream: &HistoryStream,
        subject: &Subject,
        progress: &mut StreamProgress,
    ) -> Result<(), Error> {
        let (mut messages, mut position) = {
            let _permit = history_stream.start_permits.acquire().await;
            let start = self.start(history_stream, subject, progress);
            timeout(2 * REQUEST_TIMEOUT, self.refusals.within_limit(&self.client, start)).await??
        };
        let earlier = self.subscribed.send_replace(SubscriptionState::Accepted);
        if matches!(earlier, SubscriptionState::Refused(_)) && !position.is_message {
            self.lagged(0);
        }
        // The stream sends the last received message again, if it still has it. If it does not, messages
        // after it may be gone as well.
        let mut is_unproven = position.is_message;
        loop {
            let message = messages.next().await?;
            let offset = message.info()?.stream_sequence;
            let message = message.message;
            if is_unproven && offset >= position.offset {
                is_unproven = false;
                if offset > position.offset {
                    self.lagged(0);
                }
            }
            if offset <= position.offset {
                continue;
            }
            position = StreamPosition { offset, is_message: true, ..position };
            progress.last_position = Some(position);
            if let Some(message_id) = self.check_sequence(&mut progress.tracker, &message)
                && message_id.audience != Audience::Checkpoint
            {
                self.deliver(message, message_id, Some(Position { epoch: position.epoch, offset }));
            }
        }
    }

    /// Starts following the stream after the last position, or at its end. Returns that position.
    ///
    /// A first start after `start_by` is reported as a gap.
    async fn start(
        &self,
        history_stream: &HistoryStream,
        subject: &Subject,
        progress: &mut StreamProgress,
    ) -> Result<(StreamFollower, StreamPosition), Error> {
        let stream = history_stream.stream().await?;
        let info = request_with_retry(|| stream.get_info()).await?;
        let (epoch, last) = (epoch(&info), info.state.last_sequence);
        let position = match progress.last_position {
            None => {
                if Instant::now() >= progress.start_by {
                    self.lagged(0);
                }
                StreamPosition { epoch, offset: last, is_message: false }
            }
            Some(position) if position.epoch == epoch && position.offset <= last => {
                // If the position is not that of a message, nothing is missing only as long as the stream
                // has discarded nothing after it.
                if !position.is_message && info.state.first_sequence > position.offset + 1 {
                    self.lagged(0);
                }
                position
            }
            // The stream was created anew, so all of its messages are new.
            Some(_) => {
                self.lagged(0);
                progress.tracker = SequenceTracker::default();
                StreamPosition { epoch, offset: 0, is_message: false }
            }
        };
        progress.last_position = Some(position);
        let from = if position.is_message { position.offset } else { position.offset + 1 };
        let (messages, _) = StreamFollower::start(&stream, subject, from).await?;
        Ok((messages, position))
    }

    /// Returns the identity of a new message, and reports the messages lost before it.
    ///
    /// Returns `None` for a duplicate and for a message that no hub has sent.
    fn check_sequence(&self, tracker: &mut SequenceTracker, message: &Message) -> Option<MessageId> {
        let Some(message_id) = MessageId::from_headers(message.headers.as_ref()) else {
            tracing::debug!(subject = &*message.subject, "a message without a valid `Ws` header was ignored");
            return None;
        };
        match tracker.check(&message_id) {
            SequenceCheck::Duplicate => return None,
            SequenceCheck::New(None) => {}
            SequenceCheck::New(Some(missed)) => self.lagged(missed),
        }
        Some(message_id)
    }

    fn deliver(&self, message: Message, message_id: MessageId, position: Option<Position>) {
        let Some(events) = self.events.upgrade() else { return };
        let message = remote_message(message, message_id, self.node, position);
        // Dropping the decoded value runs user code. A panic there must not end the task, which serves
        // the other subscribers too.
        let deliver = || events.message_received(self.subscription_generation, message);
        if catch_unwind(AssertUnwindSafe(deliver)).is_err() {
            tracing::error!("dropping a published value panicked");
        }
    }

    fn lagged(&self, missed: u64) {
        if let Some(events) = self.events.upgrade() {
            events.lagged(self.subscription_generation, missed);
        }
    }
}

/// What a subscriber retains from one follower of its stream to the next.
struct StreamProgress {
    tracker: SequenceTracker,
    last_position: Option<StreamPosition>,
    /// A first start later than this is reported as a gap.
    start_by: Instant,
}

/// The position up to which a subscriber has received a stream.
#[derive(Clone, Copy)]
struct StreamPosition {
    epoch: u64,
    offset: u64,
    /// Whether the offset is that of a message of the topic.
    is_message: bool,
}

/// Converts a message of the broker into one for the topic.
pub(super) fn remote_message(
    message: Message,
    message_id: MessageId,
    node: u64,
    position: Option<Position>,
) -> RemoteMessage {
    let except = match message_id.audience {
        Audience::Except(connection) if message_id.node == node => Some(connection),
        _ => None,
    };
    RemoteMessage { payload: message.payload, position, except }
}
