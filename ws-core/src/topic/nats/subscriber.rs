//! What other processes publish.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_nats::{Client, Error, Message, Subject};
use futures_util::{FutureExt, StreamExt};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::history_stream::{HistoryStream, StreamFollower, epoch, request_with_retry};
use super::sequence::{Audience, MessageId, SequenceCheck, SequenceTracker};
use super::slow_consumer::SlowConsumerDetector;
use super::{REQUEST_TIMEOUT, round_trip};
use crate::topic::broker::{RemoteEvents, RemoteMessage};
use crate::topic::position::Position;

/// Before it is tried again.
pub(super) const RETRY: Duration = Duration::from_millis(250);

/// So many messages are handed on before others have a turn.
const YIELD_EVERY: usize = 64;

/// A task that hears one subject.
pub(super) struct SubjectSubscriber {
    pub(super) events: Weak<dyn RemoteEvents>,
    pub(super) subscription_generation: u64,
    pub(super) node: u64,
    /// Set once the broker has confirmed the subscription.
    pub(super) subscribed: watch::Sender<bool>,
    /// When the first of those that wait for `subscribed` may give up. A later confirmation is reported as
    /// a gap, because messages published in between are lost.
    pub(super) confirm_by: Instant,
}

impl SubjectSubscriber {
    /// Hears what nobody keeps.
    pub(super) async fn run_core(
        self,
        client: Client,
        subject: Subject,
        reconnects: watch::Receiver<u64>,
        slow_consumer: Arc<SlowConsumerDetector>,
    ) {
        // It fails when the client has ended.
        let Ok(mut subscription) = client.subscribe(subject).await else { return };
        let mut confirmed = std::pin::pin!(round_trip(&client).fuse());
        let mut tracker = SequenceTracker::default();
        // How many came without a pause.
        let mut burst = 0;
        loop {
            // Not the runtime's budget decides whether there is a pause.
            let next = tokio::task::unconstrained(subscription.next()).now_or_never();
            let message = match next {
                Some(message) => message,
                None => {
                    if slow_consumer.on_idle(burst) {
                        self.lagged(0);
                    }
                    burst = 0;
                    tokio::select! {
                        message = subscription.next() => message,
                        () = &mut confirmed => {
                            // The connection was lost meanwhile, or there was none at first.
                            let was_lost = reconnects.has_changed().is_ok_and(|changed| changed);
                            self.confirm(was_lost);
                            continue;
                        }
                    }
                }
            };
            let Some(message) = message else { return };
            burst += 1;
            if burst % YIELD_EVERY == 0 {
                tokio::task::yield_now().await;
            }
            if let Some(message_id) = self.check_sequence(&mut tracker, &message) {
                // One of our own would have been heard already.
                if message_id.audience != Audience::Checkpoint && message_id.node != self.node {
                    self.deliver(message, message_id, None);
                }
            }
        }
    }

    /// Reports that the broker has confirmed the subscription, and a gap if that may be too late.
    fn confirm(&self, was_lost: bool) {
        let is_late = was_lost || Instant::now() >= self.confirm_by;
        if is_late {
            self.lagged(0);
        }
        self.subscribed.send_replace(true);
        // A waiter may have given up between the check and the notification.
        if !is_late && Instant::now() >= self.confirm_by {
            self.lagged(0);
        }
    }

    /// Hears what the broker keeps.
    pub(super) async fn run_stream(
        self,
        history_stream: Arc<HistoryStream>,
        subject: Subject,
        mut reconnects: watch::Receiver<u64>,
    ) {
        let (mut tracker, mut last_position) = (SequenceTracker::default(), None);
        let mut deadline = self.confirm_by;
        loop {
            reconnects.mark_unchanged();
            let followed = tokio::select! {
                followed = self.follow_once(&history_stream, &subject, &mut tracker, &mut last_position, deadline) => followed,
                // At once, instead of when the consumer finds out.
                changed = reconnects.changed() => match changed {
                    Ok(()) => {
                        deadline = Instant::now();
                        continue;
                    }
                    // The hub is gone.
                    Err(_) => return,
                },
            };
            if let Err(error) = followed {
                tracing::warn!(%error, subject = &*subject, "the history of a topic cannot be followed");
                history_stream.invalidate();
                deadline = Instant::now();
                tokio::time::sleep(RETRY).await;
            }
        }
    }

    /// Hears what comes behind `at`, or from now on, which is told if it is later than it was due.
    async fn follow_once(
        &self,
        history_stream: &HistoryStream,
        subject: &Subject,
        tracker: &mut SequenceTracker,
        last_position: &mut Option<StreamPosition>,
        deadline: Instant,
    ) -> Result<(), Error> {
        let (mut messages, mut position) = {
            let _permit = history_stream.start_permits.acquire().await;
            timeout(
                2 * REQUEST_TIMEOUT,
                self.start(history_stream, subject, tracker, last_position, deadline),
            )
            .await??
        };
        self.subscribed.send_replace(true);
        // The last that was heard is heard again, if it is still there. If it is not, others may have
        // gone with it.
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
            *last_position = Some(position);
            if let Some(message_id) = self.check_sequence(tracker, &message)
                && message_id.audience != Audience::Checkpoint
            {
                self.deliver(message, message_id, Some(Position { epoch: position.epoch, offset }));
            }
        }
    }

    /// What comes behind `at`, and where that is now.
    async fn start(
        &self,
        history_stream: &HistoryStream,
        subject: &Subject,
        tracker: &mut SequenceTracker,
        last_position: &mut Option<StreamPosition>,
        deadline: Instant,
    ) -> Result<(StreamFollower, StreamPosition), Error> {
        let stream = history_stream.stream().await?;
        let info = request_with_retry(|| stream.get_info()).await?;
        let (epoch, last) = (epoch(&info), info.state.last_sequence);
        let position = match *last_position {
            None => {
                if Instant::now() >= deadline {
                    self.lagged(0);
                }
                StreamPosition { epoch, offset: last, is_message: false }
            }
            Some(position) if position.epoch == epoch && position.offset <= last => {
                // Without a message there, it is only known that nothing is gone if nothing at all is.
                if !position.is_message && info.state.first_sequence > position.offset + 1 {
                    self.lagged(0);
                }
                position
            }
            // Another history. All of it is new.
            Some(_) => {
                self.lagged(0);
                *tracker = SequenceTracker::default();
                StreamPosition { epoch, offset: 0, is_message: false }
            }
        };
        *last_position = Some(position);
        let from = if position.is_message { position.offset } else { position.offset + 1 };
        let (messages, _) = StreamFollower::start(&stream, subject, from).await?;
        Ok((messages, position))
    }

    /// Whose it is, unless it has been heard before. Tells what was lost before it.
    fn check_sequence(&self, tracker: &mut SequenceTracker, message: &Message) -> Option<MessageId> {
        let Some(message_id) = MessageId::from_headers(message.headers.as_ref()) else {
            tracing::debug!(subject = &*message.subject, "a message that is none of ours");
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
        let remote_message = remote_message(message, message_id, self.node, position);
        // What is dropped there is the user's. Others, who come after it, are to be heard.
        if catch_unwind(AssertUnwindSafe(|| {
            events.message_received(self.subscription_generation, remote_message)
        }))
        .is_err()
        {
            tracing::error!("a published value has panicked when it was dropped");
        }
    }

    fn lagged(&self, missed: u64) {
        if let Some(events) = self.events.upgrade() {
            events.lagged(self.subscription_generation, missed);
        }
    }
}

/// How far a history was heard.
#[derive(Clone, Copy)]
struct StreamPosition {
    epoch: u64,
    offset: u64,
    /// Whether a message of the topic stands there.
    is_message: bool,
}

/// A message as the topic takes it.
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
