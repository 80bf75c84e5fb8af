//! A topic of this process, as the broker has it.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use async_nats::Subject;
use bytes::Bytes;
use tokio::sync::{Semaphore, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout};

use super::history_stream::Archive;
use super::presence::RemoteMembers;
use super::publish_queue::OutgoingMessage;
use super::sequence::{self, Audience, MessageId};
use super::slow_consumer::SlowConsumerDetector;
use super::{NatsConnection, REQUEST_TIMEOUT, history_stream, recovery, subscriber};
use crate::error::{BrokerError, PublishError};
use crate::topic::broker::{BoxFuture, RecoveredMessages, RemoteEvents, RemoteTopic};
use crate::topic::history::History;
use crate::topic::position::Position;
use crate::topic::since::Since;

/// A topic that is carried.
pub(super) struct NatsTopic {
    pub(super) connection: Arc<NatsConnection>,
    this: Weak<Self>,
    /// Which of this process's.
    id: u64,
    /// Its name, as a token of subjects.
    pub(super) token: String,
    pub(super) events: Weak<dyn RemoteEvents>,
    subject: Subject,
    history: OnceLock<TopicHistory>,
    /// The number of the last message that was sent.
    last_sequence: Mutex<u64>,
    subscription: Mutex<Option<SubscriptionTask>>,
    remote_members: Mutex<Option<Arc<RemoteMembers>>>,
}

/// Its history.
struct TopicHistory {
    archive: Archive,
    subject: Subject,
    /// Those who read it: not all turns, which others of its size may want too.
    read_permits: Arc<Semaphore>,
}

/// How many may read one history at the same time.
const MAX_READS_PER_TOPIC: usize = 8;

/// A subscription at the broker.
struct SubscriptionTask {
    subscription_generation: u64,
    task: AbortHandle,
    /// Whether the broker knows.
    is_subscribed: watch::Receiver<bool>,
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
        let id = connection.next_topic_id.fetch_add(1, Ordering::Relaxed);
        let subject = format!("ws.t.{token}").into();
        let new = Arc::new_cyclic(|this| Self {
            connection: Arc::clone(connection),
            this: Weak::clone(this),
            id,
            token,
            events,
            subject,
            history: OnceLock::new(),
            last_sequence: Mutex::new(0),
            subscription: Mutex::new(None),
            remote_members: Mutex::new(None),
        });
        connection.lock().insert(id, Arc::downgrade(&new));
        new
    }

    /// Numbers a message and puts it into the queue, both at once.
    fn enqueue(&self, payload: Bytes, except: Option<usize>) -> Result<(), PublishError> {
        let mut sequence = lock(&self.last_sequence);
        let audience = except.map_or(Audience::All, Audience::Except);
        let message_id =
            MessageId { node: self.connection.node, topic_id: self.id, sequence: *sequence + 1, audience };
        match self.history.get() {
            None => {
                let subject = self.subject.clone();
                self.connection.publish_queue.push(OutgoingMessage {
                    subject,
                    message_id,
                    payload,
                    events: None,
                })?;
            }
            Some(TopicHistory { archive, subject, .. }) => {
                let (subject, events) = (subject.clone(), Some(Weak::clone(&self.events)));
                archive.queue.push(OutgoingMessage { subject, message_id, payload, events })?;
            }
        }
        *sequence += 1;
        Ok(())
    }

    /// The connection is there again. What was sent before it broke may be lost, here and elsewhere.
    pub(super) fn reconnected(&self) {
        if self.history.get().is_some() {
            // Its consumer goes on where it was.
            return;
        }
        let subscription_generation =
            lock(&self.subscription).as_ref().map(|subscription| subscription.subscription_generation);
        if let (Some(subscription_generation), Some(events)) =
            (subscription_generation, self.events.upgrade())
        {
            events.lagged(subscription_generation, 0);
        }
        // Others, who may be connected to another server, are told how many there were.
        let sequence = lock(&self.last_sequence);
        if *sequence > 0 {
            let message_id = MessageId {
                node: self.connection.node,
                topic_id: self.id,
                sequence: *sequence,
                audience: Audience::Checkpoint,
            };
            let (subject, payload) = (self.subject.clone(), Bytes::new());
            // If there is no room, messages follow that say the same.
            let _ = self.connection.publish_queue.push(OutgoingMessage {
                subject,
                message_id,
                payload,
                events: None,
            });
        }
    }

    /// Some subscription has lost messages.
    pub(super) fn on_slow_consumer(&self) {
        let subscription = lock(&self.subscription);
        let overflowed =
            subscription.as_ref().filter(|subscription| subscription.slow_consumer.on_slow_consumer());
        let subscription_generation = overflowed.map(|subscription| subscription.subscription_generation);
        drop(subscription);
        if let (Some(subscription_generation), Some(events)) =
            (subscription_generation, self.events.upgrade())
        {
            events.lagged(subscription_generation, 0);
        }
    }

    /// When the broker knows that it listens; false if it does not answer.
    fn is_subscribed(&self) -> BoxFuture<bool> {
        let subscribed =
            lock(&self.subscription).as_ref().map(|subscription| subscription.is_subscribed.clone());
        Box::pin(async move {
            let Some(mut subscribed) = subscribed else { return false };
            // An error says that it listens no more.
            let is_subscribed = timeout(REQUEST_TIMEOUT, subscribed.wait_for(|subscribed| *subscribed)).await;
            matches!(is_subscribed, Ok(Ok(_)))
        })
    }

    /// What looks for something in its history, if it has one.
    fn search(&self, since: Since) -> Option<recovery::HistorySearch> {
        let TopicHistory { archive, subject, read_permits } = self.history.get()?;
        Some(recovery::HistorySearch {
            connection: Arc::clone(&self.connection),
            history_stream: Arc::clone(&archive.history_stream),
            subject: subject.clone(),
            read_permits: Arc::clone(read_permits),
            since,
        })
    }

    pub(super) fn this(&self) -> Weak<Self> {
        Weak::clone(&self.this)
    }

    pub(super) fn remote_members(&self) -> MutexGuard<'_, Option<Arc<RemoteMembers>>> {
        lock(&self.remote_members)
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
        let topic_history = self.history.get_or_init(|| {
            is_new = true;
            let subject = history_stream::history_subject(history, &self.token).into();
            let archive = self.connection.streams.archive(history);
            TopicHistory { archive, subject, read_permits: Arc::new(Semaphore::new(MAX_READS_PER_TOPIC)) }
        });
        let requested = history_stream::history_subject(history, &self.token);
        if requested != *topic_history.subject {
            tracing::warn!(
                kept = &*topic_history.subject,
                requested,
                "a topic is asked for with two histories, of which the first counts: give all the same"
            );
        }
        is_new
    }

    fn has_history(&self) -> bool {
        self.history.get().is_some()
    }

    fn publish(&self, payload: Bytes, except: Option<usize>) -> Result<(), PublishError> {
        let limit = self.connection.client.max_payload().saturating_sub(sequence::HEADER_SIZE);
        let size = payload.len();
        if size > limit {
            return Err(PublishError::TooLarge { size, limit });
        }
        if !self.connection.is_connected() {
            return Err(PublishError::Disconnected);
        }
        self.enqueue(payload, except)
    }

    fn subscribe(&self, subscription_generation: u64) {
        let (subscribed, is_subscribed) = watch::channel(false);
        let slow_consumer = Arc::<SlowConsumerDetector>::default();
        let subscriber = subscriber::SubjectSubscriber {
            events: Weak::clone(&self.events),
            subscription_generation,
            node: self.connection.node,
            subscribed,
            confirm_by: Instant::now() + REQUEST_TIMEOUT,
        };
        let runtime = &self.connection.runtime;
        let task = match self.history.get() {
            None => {
                let (client, subject) = (self.connection.client.clone(), self.subject.clone());
                let reconnects = self.connection.reconnects.subscribe();
                runtime.spawn(subscriber.run_core(client, subject, reconnects, Arc::clone(&slow_consumer)))
            }
            Some(TopicHistory { archive, subject, .. }) => {
                let (history_stream, subject) = (Arc::clone(&archive.history_stream), subject.clone());
                runtime.spawn(subscriber.run_stream(
                    history_stream,
                    subject,
                    self.connection.reconnects.subscribe(),
                ))
            }
        };
        *lock(&self.subscription) = Some(SubscriptionTask {
            subscription_generation,
            task: task.abort_handle(),
            is_subscribed,
            slow_consumer,
        });
    }

    fn unsubscribe(&self) {
        *lock(&self.subscription) = None;
    }

    fn wait_subscribed(&self) -> BoxFuture<()> {
        let is_subscribed = self.is_subscribed();
        Box::pin(async move {
            is_subscribed.await;
        })
    }

    fn recover(&self, since: Since) -> BoxFuture<Option<RecoveredMessages>> {
        let (search, is_subscribed) = (self.search(since), self.is_subscribed());
        Box::pin(async move {
            // What comes after the search is heard then. It would not be if that began later.
            if is_subscribed.await { search?.run().await } else { None }
        })
    }

    fn position(&self) -> BoxFuture<Option<Position>> {
        let search = self.search(Since::Now);
        Box::pin(async move {
            // Somebody who loads a page is waiting, for whom a turn or an election may take too long.
            let found = timeout(2 * REQUEST_TIMEOUT, search?.run()).await.ok()?;
            Some(found?.position)
        })
    }

    fn spawn(&self, task: BoxFuture<()>) {
        self.connection.runtime.spawn(task);
    }

    fn join(&self, number: u64, name: &str) -> BoxFuture<Result<(), BrokerError>> {
        let acked = self.connection.announcer.join(&self.token, number, name);
        Box::pin(async move {
            let acked = timeout(REQUEST_TIMEOUT, acked).await.map_err(|_| BrokerError::TimedOut)?;
            // Nobody tells one that has left before.
            acked.unwrap_or(Err(BrokerError::Closed))
        })
    }

    fn leave(&self, number: u64) {
        self.connection.announcer.leave(&self.token, number);
    }

    fn remote_members_ready(&self) -> BoxFuture<()> {
        if self.connection.is_closed() {
            return Box::pin(std::future::ready(()));
        }
        let remote_members = RemoteMembers::get_or_start(self);
        Box::pin(async move { remote_members.ready().await })
    }
}

impl Drop for NatsTopic {
    fn drop(&mut self) {
        self.connection.lock().remove(&self.id);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
