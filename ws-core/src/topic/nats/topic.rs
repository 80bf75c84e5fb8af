//! A topic of this process and its connection to the same topic in other processes.

use std::sync::{Arc, Mutex, OnceLock, Weak};

use async_nats::Subject;
use bytes::Bytes;
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout};

use super::archive::Archive;
use super::connection::{ConnectionEvents, NatsConnection};
use super::history_stream::history_subject;
use super::presence::{BUCKET_STREAM, BUCKET_SUBJECTS, TopicPresence};
use super::progress::StreamProgress;
use super::publish_queue::{HistoryMessage, StoreAck};
use super::recovery::HistorySearch;
use super::refusals::{inbox_prefix, is_request_about, refused};
use super::request::REQUEST_TIMEOUT;
use super::sender::{Sender, core_subject};
use super::sequence::HEADER_SIZE;
use super::slow_consumer::SlowConsumerDetector;
use super::status::SubscriptionState;
use super::subscribed_history::SubscribedHistory;
use super::subscriber::SubjectSubscriber;
use crate::error::{BrokerError, PublishError};
use crate::sync::lock;
use crate::topic::broker::{BoxFuture, PendingPosition, RecoveredMessages, RemoteEvents, RemoteTopic};
use crate::topic::history::History;
use crate::topic::position::Position;
use crate::topic::since::Since;

/// Maximum number of concurrent reads of one topic's history.
const MAX_READS_PER_TOPIC: usize = 8;

/// A topic that NATS carries to other processes.
pub(super) struct NatsTopic {
    connection: Arc<NatsConnection>,
    /// Number of the topic within this hub.
    id: u64,
    /// The topic's name, encoded as a subject token.
    token: String,
    events: Weak<dyn RemoteEvents>,
    /// Subject of messages while the topic has no history.
    subject: Subject,
    history: OnceLock<TopicHistory>,
    /// Numbers the messages without a history. Set by the first one.
    sender: OnceLock<Arc<Sender>>,
    subscription: Mutex<Option<SubscriptionTask>>,
    /// The members of the topic in other processes.
    presence: Arc<TopicPresence>,
}

/// The history of one topic.
struct TopicHistory {
    archive: Archive,
    subject: Subject,
    /// Numbers the messages. Set by the first one.
    sender: Arc<OnceLock<Arc<Sender>>>,
    /// Progress of the current subscription.
    progress: Mutex<Arc<Mutex<StreamProgress>>>,
    /// Limits concurrent reads, so that one topic does not use all permits of its stream.
    read_permits: Arc<Semaphore>,
}

/// The task that receives the topic's messages. Dropping this value ends it.
struct SubscriptionTask {
    subscription_generation: u64,
    task: AbortHandle,
    state: watch::Receiver<SubscriptionState>,
    slow_consumer: Arc<SlowConsumerDetector>,
}

impl Drop for SubscriptionTask {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl NatsTopic {
    pub(super) fn new(
        connection: &Arc<NatsConnection>,
        token: String,
        events: Weak<dyn RemoteEvents>,
    ) -> Arc<Self> {
        let id = connection.next_topic_id();
        let topic = Arc::new(Self {
            connection: Arc::clone(connection),
            id,
            subject: core_subject(&token),
            history: OnceLock::new(),
            sender: OnceLock::new(),
            subscription: Mutex::new(None),
            presence: TopicPresence::new(token.clone(), connection.node, Weak::clone(&events)),
            token,
            events,
        });
        let observer: Arc<dyn ConnectionEvents> = Arc::clone(&topic) as _;
        connection.add_topic(id, Arc::downgrade(&observer));
        topic
    }

    /// Numbers a message and queues it. Returns the acknowledgement of a message that belongs to a history.
    fn enqueue(&self, payload: Bytes, except: Option<usize>) -> Result<Option<StoreAck>, PublishError> {
        let NatsConnection { node, publish_queue, .. } = &*self.connection;
        match self.history.get() {
            None => {
                let sender = self.sender.get_or_init(|| publish_queue.sender(*node, &self.subject));
                publish_queue.publish(sender, payload, except, None)?;
                Ok(None)
            }
            Some(TopicHistory { archive, subject, sender, .. }) => {
                let sender = sender.get_or_init(|| archive.queue.sender(*node, subject));
                let (ack, stored) = oneshot::channel();
                let history = HistoryMessage { events: Weak::clone(&self.events), ack };
                archive.queue.publish(sender, payload, except, Some(history))?;
                Ok(Some(stored))
            }
        }
    }

    /// Reports that an unknown number of messages was lost, if `is_affected` holds for the subscription.
    fn report_gap_if(&self, is_affected: impl FnOnce(&SubscriptionTask) -> bool) {
        // The lock is not held during the call of `lagged`, which locks the topic.
        let generation = {
            let subscription = lock(&self.subscription);
            let affected = subscription.as_ref().filter(|subscription| is_affected(subscription));
            affected.map(|subscription| subscription.subscription_generation)
        };
        if let (Some(generation), Some(events)) = (generation, self.events.upgrade()) {
            events.lagged(generation, 0);
        }
    }

    /// Returns a search in the topic's history, if it has one.
    fn search(&self, since: Since) -> Option<HistorySearch> {
        let TopicHistory { archive, subject, sender, progress, read_permits } = self.history.get()?;
        Some(HistorySearch {
            history_stream: Arc::clone(&archive.history_stream),
            subject: subject.clone(),
            node: self.connection.node,
            status: self.connection.status(),
            read_permits: Arc::clone(read_permits),
            since,
            sender: Arc::clone(sender),
            progress: Arc::clone(&lock(progress)),
        })
    }
}

impl ConnectionEvents for NatsTopic {
    /// Reports a gap: messages sent before the connection failed may be lost.
    fn reconnected(&self) {
        // With a history the subscriber continues at its position in the stream.
        if self.history.get().is_none() {
            self.report_gap_if(|_| true);
        }
    }

    fn slow_consumer(&self) {
        self.report_gap_if(|subscription| subscription.slow_consumer.on_slow_consumer());
    }
}

impl RemoteTopic for NatsTopic {
    fn check(&self) -> Result<(), PublishError> {
        Ok(())
    }

    fn node(&self) -> u64 {
        self.connection.node
    }

    fn enable_history(&self, history: History) -> bool {
        let mut is_new = false;
        let requested = history_subject(history, &self.token);
        let topic_history = self.history.get_or_init(|| {
            is_new = true;
            let archive = self.connection.streams.archive(history);
            let read_permits = Arc::new(Semaphore::new(MAX_READS_PER_TOPIC));
            TopicHistory {
                archive,
                subject: requested.clone().into(),
                sender: Arc::default(),
                progress: Mutex::default(),
                read_permits,
            }
        });
        if requested != *topic_history.subject {
            tracing::warn!(
                used = &*topic_history.subject,
                requested,
                "a topic was requested with two different histories: the first one is used"
            );
        }
        is_new
    }

    fn has_history(&self) -> bool {
        self.history.get().is_some()
    }

    fn publish(
        &self,
        payload: Bytes,
        except: Option<usize>,
    ) -> Result<Option<PendingPosition>, PublishError> {
        let limit = self.connection.client.max_payload().saturating_sub(HEADER_SIZE);
        let size = payload.len();
        if size > limit {
            return Err(PublishError::TooLarge { size, limit });
        }
        if !self.connection.is_connected() {
            return Err(PublishError::Disconnected);
        }
        let stored = self.enqueue(payload, except)?;
        Ok(stored.map(|stored| -> PendingPosition { Box::pin(stored_position(stored)) }))
    }

    fn subscribe(&self, subscription_generation: u64) {
        let (subscribed, state) = watch::channel(SubscriptionState::Pending);
        let slow_consumer = Arc::<SlowConsumerDetector>::default();
        let receiver = SubjectSubscriber {
            events: Weak::clone(&self.events),
            subscription_generation,
            node: self.connection.node,
            status: self.connection.status(),
            client: self.connection.client.clone(),
            refusals: Arc::clone(&self.connection.refusals),
            subscribed,
            confirm_by: Instant::now() + REQUEST_TIMEOUT,
        };
        let runtime = &self.connection.runtime;
        let task = match self.history.get() {
            None => runtime.spawn(receiver.run_core(self.subject.clone(), Arc::clone(&slow_consumer))),
            Some(TopicHistory { archive, subject, progress, .. }) => {
                let new = Arc::<Mutex<StreamProgress>>::default();
                *lock(progress) = Arc::clone(&new);
                runtime.spawn(receiver.run_stream(SubscribedHistory {
                    stream: Arc::clone(&archive.history_stream),
                    subject: subject.clone(),
                    mark_subject: self.subject.clone(),
                    progress: new,
                }))
            }
        };
        let task = task.abort_handle();
        *lock(&self.subscription) =
            Some(SubscriptionTask { subscription_generation, task, state, slow_consumer });
    }

    fn unsubscribe(&self) {
        *lock(&self.subscription) = None;
    }

    fn wait_subscribed(&self) -> BoxFuture<Result<(), BrokerError>> {
        let connection = Arc::clone(&self.connection);
        let state = lock(&self.subscription).as_ref().map(|subscription| subscription.state.clone());
        Box::pin(async move {
            let Some(mut state) = state else { return Err(BrokerError::Closed) };
            let mut status = connection.status();
            let answered = async {
                // A subscription that was accepted before needs its connection, too.
                while !connection.is_connected() && status.changed().await.is_ok() {}
                state.wait_for(|state| *state != SubscriptionState::Pending).await
            };
            match timeout(REQUEST_TIMEOUT, answered).await {
                Ok(Ok(state)) => match &*state {
                    SubscriptionState::Refused(text) => Err(refused(text)),
                    _ => Ok(()),
                },
                // The subscription has ended.
                Ok(Err(_)) => Err(BrokerError::Closed),
                Err(_) if connection.is_connected() => Err(BrokerError::TimedOut),
                Err(_) => Err(connection.refusals.disconnected()),
            }
        })
    }

    fn recover(&self, since: Since) -> BoxFuture<Option<RecoveredMessages>> {
        let (search, subscribed) = (self.search(since), self.wait_subscribed());
        Box::pin(async move {
            // The subscription must exist before the search, or messages between the two would be missing.
            if subscribed.await.is_ok() { search?.run().await } else { None }
        })
    }

    fn position(&self) -> BoxFuture<Option<Position>> {
        let search = self.search(Since::Now);
        Box::pin(async move {
            // Callers render a page meanwhile and cannot wait for permits or a leader election.
            let found = timeout(2 * REQUEST_TIMEOUT, search?.run()).await.ok()?;
            Some(found?.position)
        })
    }

    fn spawn(&self, task: BoxFuture<()>) {
        self.connection.runtime.spawn(task);
    }

    fn join(&self, number: u64, name: &str) -> BoxFuture<Result<(), BrokerError>> {
        let acked = self.connection.announcer.join(&self.token, number, name);
        let connection = Arc::clone(&self.connection);
        Box::pin(async move {
            let (refusals, inbox) = (&connection.refusals, inbox_prefix(&connection.client));
            let concerns = |subject: &str| {
                is_request_about(subject, BUCKET_STREAM)
                    || subject.starts_with(BUCKET_SUBJECTS)
                    || subject.starts_with(&inbox)
            };
            refusals.forget(concerns);
            let acked = tokio::select! {
                acked = timeout(REQUEST_TIMEOUT, acked) => acked.map_err(|_| BrokerError::TimedOut)?,
                text = refusals.wait(concerns) => return Err(refused(&text)),
            };
            // A member that left before its entry was written gets no acknowledgement.
            acked.unwrap_or(Err(BrokerError::Closed))
        })
    }

    fn leave(&self, number: u64) {
        self.connection.announcer.leave(&self.token, number);
    }

    fn remote_members_ready(&self) -> BoxFuture<Result<(), BrokerError>> {
        if self.connection.is_closed() {
            return Box::pin(std::future::ready(Err(BrokerError::Closed)));
        }
        let NatsConnection { runtime, bucket, .. } = &*self.connection;
        let members = self.presence.members(runtime, bucket, self.connection.status());
        Box::pin(async move { if members.ready().await { Ok(()) } else { Err(BrokerError::TimedOut) } })
    }
}

/// Waits until the broker has stored a message.
async fn stored_position(stored: StoreAck) -> Result<Position, BrokerError> {
    let stored = timeout(2 * REQUEST_TIMEOUT, stored).await.map_err(|_| BrokerError::TimedOut)?;
    // The publisher has ended before, with the hub or with its runtime.
    stored.unwrap_or(Err(BrokerError::Closed))
}

impl Drop for NatsTopic {
    fn drop(&mut self) {
        self.connection.remove_topic(self.id);
    }
}
