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
use super::epoch::{StreamEnd, epoch, nanoseconds};
use super::progress::{FollowFrom, Received};
use super::recovery::remote_message;
use super::refusals::{OverLimit, Refusals, inbox_prefix, is_request_about};
use super::request::{REFUSED_RETRY_DELAY, REQUEST_TIMEOUT, RETRY_DELAY};
use super::sequence::{MessageId, Stamp};
use super::slow_consumer::SlowConsumerDetector;
use super::status::{StatusReceiver, SubscriptionState};
use super::subscribed_history::{StartedFollower, SubscribedHistory};
use super::tracker::{Earlier, SequenceCheck, SequenceTracker};
use crate::sync::lock;
use crate::topic::broker::{Loss, RemoteEvents};
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
        let mut tracker = SequenceTracker::core();
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
                if !message_id.is_mark() && message_id.node != self.node {
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

    /// Receives messages of a topic with a history, from the stream. Marks that the stream does not store
    /// arrive at the subject of the topic without a history.
    pub(super) async fn run_stream(self, history: SubscribedHistory) {
        let mut status = self.status.clone();
        let inbox = inbox_prefix(&self.client);
        let stream = history.subject.split('.').nth(2);
        let stream = stream.map(|limits| format!("WS_HISTORY_{limits}")).unwrap_or_default();
        let concerns = |subject: &str| {
            subject == &*history.mark_subject
                || subject.starts_with(&inbox)
                || is_request_about(subject, &stream)
        };
        let is_accepted = AtomicBool::new(false);
        let check = AcceptanceCheck {
            client: &self.client,
            refusals: &self.refusals,
            subject: &history.mark_subject,
        };
        let check = |delay| check.rejected(delay, self.status.clone(), &is_accepted);
        let mut rejected = std::pin::pin!(check(Duration::ZERO));
        let mut subscribed_marks = None;
        let mut start_by = self.confirm_by;
        loop {
            status.mark_unchanged();
            self.refusals.forget(concerns);
            let marks = match &mut subscribed_marks {
                Some(marks) => marks,
                None => {
                    // Subscribing fails only if the client is closed.
                    let subject = history.mark_subject.clone();
                    let Ok(marks) = self.client.subscribe(subject).await else { return };
                    rejected.set(check(Duration::ZERO));
                    subscribed_marks.insert(marks)
                }
            };
            let mut followed = std::pin::pin!(self.follow_once(&history, start_by));
            let followed = loop {
                tokio::select! {
                    // The answer to the check is received before its end is noticed.
                    biased;
                    refusal = self.refusals.wait(concerns) => break Some(Err(refusal.as_ref().into())),
                    mark = marks.next() => match mark {
                        Some(mark) if mark.status == Some(StatusCode::NO_RESPONDERS) => {
                            is_accepted.store(true, Ordering::Relaxed);
                        }
                        Some(mark) => self.on_unstored_mark(&history, &mark),
                        None => return,
                    },
                    rejection = &mut rejected => match rejection {
                        AcceptanceFailure::Refused(_) => break Some(Err(OverLimit.into())),
                        // A history works without the permission to check it.
                        AcceptanceFailure::Unknown(_) => rejected.set(check(REFUSED_RETRY_DELAY)),
                    },
                    followed = &mut followed => break Some(followed),
                    // A reconnect replaces the consumer at once, before missing heartbeats do.
                    changed = status.changed() => match changed {
                        Ok(()) => break None,
                        // The hub is dropped.
                        Err(_) => return,
                    },
                }
            };
            start_by = Instant::now();
            if let Some(Err(error)) = followed {
                let subject = &*history.subject;
                tracing::warn!(%error, subject, "the history of a topic cannot be followed");
                history.stream.invalidate();
                let refusal = self.refusals.find(concerns);
                let over_limit = error.downcast_ref::<OverLimit>().map(|error| error.to_string().into());
                let mut delay = RETRY_DELAY;
                if let Some(refusal) = refusal.or(over_limit) {
                    self.refuse(refusal);
                    // The server may have refused this subscription.
                    subscribed_marks = None;
                    delay = REFUSED_RETRY_DELAY;
                }
                tokio::time::sleep(delay).await;
            }
        }
    }

    /// Receives messages from the stream until an error occurs.
    async fn follow_once(&self, history: &SubscribedHistory, start_by: Instant) -> Result<(), Error> {
        let StartedFollower { mut messages, mut has_surplus, stream_len } = {
            let _permit = history.stream.start_permits.acquire().await;
            // Boxed, because the future is large and rarely needed.
            let start = Box::pin(self.start(history, start_by));
            timeout(2 * REQUEST_TIMEOUT, self.refusals.within_limit(&self.client, start)).await??
        };
        let earlier = self.subscribed.send_replace(SubscriptionState::Accepted);
        if matches!(earlier, SubscriptionState::Refused(_)) && !lock(&history.progress).is_at_message() {
            self.lagged(0);
        }
        loop {
            let message = messages.next().await?;
            let info = message.info()?;
            // A stream that has discarded messages is full.
            let is_full = stream_len.is_some_and(|len| info.pending >= len);
            let is_behind = std::mem::take(&mut has_surplus) || is_full;
            let (offset, stored_at) = (info.stream_sequence, nanoseconds(info.published));
            let message = message.message;
            let stamp = Stamp::from_headers(message.headers.as_ref());
            if stamp.is_none() {
                tracing::debug!(
                    subject = &*message.subject,
                    "a message without a valid `Ws` header was ignored"
                );
            }
            let epoch = lock(&history.progress).epoch();
            if !history.stream.is_current(epoch) {
                return Err("the stream has another epoch".into());
            }
            let mut received =
                lock(&history.progress).receive((offset, is_behind), stamp.as_ref(), Earlier::Unread);
            if let Received::Doubtful(from) = received {
                let earlier = history.read_earlier(from, offset).await?;
                received = lock(&history.progress).receive((offset, is_behind), stamp.as_ref(), earlier);
            }
            let at = Position { epoch, offset };
            history.stream.observe_message(StreamEnd { epoch, offset, stored_at });
            match received {
                Received::Skipped { has_gap } => self.on_gap(has_gap, None),
                Received::Mark { has_gap, loss } => self.on_gap(has_gap, loss),
                Received::Message { has_gap, loss } => {
                    self.on_gap(has_gap, loss);
                    // A message that is delivered has an identity.
                    if let Some(stamp) = stamp {
                        self.deliver(message, stamp.id, Some(at));
                    }
                }
                // The history was read, so the answer is final.
                Received::Doubtful(_) => {}
                Received::Replaced => {
                    history.stream.renew_epoch(epoch).await;
                    return Err("the stream has lost its end".into());
                }
            }
        }
    }

    /// Starts following the stream after the last position, or at its end.
    ///
    /// A first start after `start_by` is reported as a gap.
    async fn start(&self, history: &SubscribedHistory, start_by: Instant) -> Result<StartedFollower, Error> {
        let (stream, info) = history.stream.stream_and_info().await?;
        let from = {
            let mut progress = lock(&history.progress);
            let is_late = !progress.is_started() && Instant::now() >= start_by;
            let from = progress.resume(epoch(&info), info.state.first_sequence, info.state.last_sequence);
            FollowFrom { has_gap: from.has_gap || is_late, ..from }
        };
        if from.has_gap {
            self.lagged(0);
        }
        history.follow(&stream, &info, from.offset).await
    }

    /// Reports a loss that a process could not store.
    fn on_unstored_mark(&self, history: &SubscribedHistory, mark: &Message) {
        let Some(stamp) = Stamp::from_headers(mark.headers.as_ref()) else { return };
        if stamp.id.is_mark() && lock(&history.progress).receive_unstored_mark(&stamp.id) {
            self.lagged(0);
        }
    }

    /// Reports losses before a message of the history.
    fn on_gap(&self, has_gap: bool, loss: Option<Loss>) {
        if has_gap {
            self.lagged(0);
        }
        if let (Some(loss), Some(events)) = (loss, self.events.upgrade()) {
            events.lost(self.subscription_generation, loss);
        }
    }

    /// Returns the identity of a new message without a history, and reports the messages lost before it.
    ///
    /// Returns `None` for a duplicate and for a message that no hub has sent.
    fn check_sequence(&self, tracker: &mut SequenceTracker, message: &Message) -> Option<MessageId> {
        let Some(stamp) = Stamp::from_headers(message.headers.as_ref()) else {
            tracing::debug!(subject = &*message.subject, "a message without a valid `Ws` header was ignored");
            return None;
        };
        match tracker.check(&stamp, 0, Earlier::Unread) {
            SequenceCheck::New(missed) => {
                if let Some(missed) = missed {
                    self.lagged(missed);
                }
                Some(stamp.id)
            }
            SequenceCheck::Duplicate | SequenceCheck::Doubtful(_) | SequenceCheck::Late => None,
        }
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
