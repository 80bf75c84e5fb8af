//! A hub with a simulated connection to the broker: the topic's side of a process.

use std::sync::{Arc, Mutex, Weak};
use std::task::Poll;

use bytes::Bytes;
use futures_util::FutureExt;
use tokio::sync::{mpsc, oneshot};

use super::broker::{Broker, BrokerReader, LEN};
use crate::error::{BrokerError, PublishError};
use crate::sync::lock;
use crate::topic::broker::{
    BoxFuture, Broker as BrokerTrait, PendingPosition, ProcessAnswer, RecoveredItem, RecoveredMessages,
    RemoteEvents, RemoteMessage, RemoteTopic, RequestHandler,
};
use crate::topic::history::History;
use crate::topic::nats::accounting::{AccountedItem, messages_after};
use crate::topic::nats::epoch::{EndCheck, SeenEnd};
use crate::topic::nats::progress::StreamProgress;
use crate::topic::nats::publish_queue::{HistoryMessage, PublishQueue};
use crate::topic::position::Position;
use crate::topic::since::Since;
use crate::{Hub, Topic};

/// A published value: its process and its number there.
pub(super) type Line = (usize, u64);

/// The broker's side of the topic in one process.
pub(super) struct SimTopic {
    node: u64,
    pub(super) events: Weak<dyn RemoteEvents>,
    broker: Arc<Mutex<Broker>>,
    queue: PublishQueue,
    pub(super) state: Mutex<SimState>,
}

#[derive(Default)]
pub(super) struct SimState {
    pub(super) is_connected: bool,
    pub(super) generation: Option<u64>,
    /// Offset of the next message of the follower.
    pub(super) following: Option<u64>,
    /// The next message follows some that were not requested.
    pub(super) has_surplus: bool,
    pub(super) progress: StreamProgress,
    pub(super) seen_end: SeenEnd,
    /// The end was checked since the last reconnect.
    pub(super) is_verified: bool,
    pub(super) epoch_changed: bool,
    pub(super) tasks: Vec<BoxFuture<()>>,
}

impl SimState {
    /// Like `HistoryStream::stream_and_info`: returns the epoch, the first and the last offset.
    pub(super) fn stream_and_info(&mut self, broker: &mut Broker) -> (u64, u64, u64) {
        let is_lost = match self.seen_end.check(&broker.end()) {
            EndCheck::Kept => false,
            EndCheck::Lost => true,
            EndCheck::Unproven => {
                !self.is_verified && self.seen_end.is_replaced(broker).now_or_never().unwrap().unwrap()
            }
        };
        if is_lost {
            broker.renew_epoch(broker.epoch);
        }
        self.is_verified = true;
        self.epoch_changed |= self.seen_end.observe(broker.end());
        (broker.epoch, broker.first(), broker.last)
    }
}

impl SimTopic {
    fn search(&self, since: Since) -> RecoveredMessages {
        let mut state = lock(&self.state);
        let (epoch, _, last) = state.stream_and_info(&mut lock(&self.broker));
        if let Some(since) = since.position().filter(|since| since.epoch == epoch && since.offset <= last) {
            let reader = BrokerReader(Arc::clone(&self.broker));
            let found = messages_after(&reader, since.offset).now_or_never().unwrap().unwrap();
            let Some(found) = found else { return self.not_recovered(epoch, last) };
            assert!(found.accounted.len() <= LEN, "{} messages are recovered", found.accounted.len());
            let sender = self.queue.sender(self.node, &"ws.h.x.t".into());
            state.progress.recover(epoch, found.end);
            let has_unstored_loss = sender.unreported_loss().is_some() || state.progress.has_unstored_marks();
            let found = RecoveredMessages {
                recovered: found.is_complete && !has_unstored_loss,
                is_unchanged: found.is_unchanged && !has_unstored_loss,
                position: Position { epoch, offset: found.end },
                missed: found.accounted.items.into_iter().map(|item| recovered(item, epoch)).collect(),
            };
            if found.recovered || found.is_unchanged {
                return found;
            }
        }
        drop(state);
        self.not_recovered(epoch, last)
    }

    /// Returns what a client gets that has to load everything anew.
    fn not_recovered(&self, epoch: u64, last: u64) -> RecoveredMessages {
        let offset = lock(&self.broker).messages.last().map_or(last, |(offset, ..)| *offset);
        let position = Position { epoch, offset };
        RecoveredMessages { recovered: false, is_unchanged: false, position, missed: Vec::new() }
    }
}

fn recovered(item: AccountedItem<Bytes>, epoch: u64) -> RecoveredItem {
    match item {
        AccountedItem::Message(offset, _, payload) => RecoveredItem::Message(RemoteMessage {
            payload,
            position: Some(Position { epoch, offset }),
            except: None,
        }),
        AccountedItem::Lost(missed) => RecoveredItem::Lost(missed),
    }
}

/// Opens the topic in a process.
pub(super) fn open(
    node: u64,
    broker: &Arc<Mutex<Broker>>,
    queue: PublishQueue,
) -> (Arc<SimTopic>, Topic<Line>) {
    let opened = Arc::default();
    let hub = SimHub {
        node,
        broker: Arc::clone(broker),
        queue: Mutex::new(Some(queue)),
        opened: Arc::clone(&opened),
    };
    let topic = Hub::with_broker(Box::new(hub)).topic::<Line>("t");
    let opened = lock(&opened).take().unwrap();
    (opened, topic)
}

/// The hub of a process, which opens the one topic.
struct SimHub {
    node: u64,
    broker: Arc<Mutex<Broker>>,
    queue: Mutex<Option<PublishQueue>>,
    opened: Arc<Mutex<Option<Arc<SimTopic>>>>,
}

impl BrokerTrait for SimHub {
    fn request(&self, _: Bytes) -> mpsc::Receiver<ProcessAnswer> {
        // No other process serves requests.
        mpsc::channel(1).1
    }

    fn serve_requests(&self, _: Weak<dyn RequestHandler>) {}

    fn open_topic(&self, _: &str, events: Weak<dyn RemoteEvents>) -> Arc<dyn RemoteTopic> {
        let queue = lock(&self.queue).take().expect("a second topic");
        let state = Mutex::new(SimState { is_connected: true, ..SimState::default() });
        let topic = SimTopic { node: self.node, events, broker: Arc::clone(&self.broker), queue, state };
        let topic = Arc::new(topic);
        *lock(&self.opened) = Some(Arc::clone(&topic));
        Arc::new(topic)
    }

    fn flush(&self) -> BoxFuture<Result<(), BrokerError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn close(&self) -> BoxFuture<Result<(), BrokerError>> {
        self.flush()
    }
}

impl RemoteTopic for Arc<SimTopic> {
    fn check(&self) -> Result<(), PublishError> {
        Ok(())
    }

    fn node(&self) -> u64 {
        self.node
    }

    fn enable_history(&self, _: History) -> bool {
        false
    }

    fn has_history(&self) -> bool {
        true
    }

    fn publish(
        &self,
        payload: Bytes,
        except: Option<usize>,
    ) -> Result<Option<PendingPosition>, PublishError> {
        if !lock(&self.state).is_connected {
            return Err(PublishError::Disconnected);
        }
        // As for a topic that exists for one message only.
        let sender = self.queue.sender(self.node, &"ws.h.x.t".into());
        let history = HistoryMessage { events: Weak::clone(&self.events), ack: oneshot::channel().0 };
        self.queue.publish(&sender, payload, except, Some(history)).map(|()| None)
    }

    fn subscribe(&self, subscription_generation: u64) {
        let mut state = lock(&self.state);
        state.generation = Some(subscription_generation);
        (state.following, state.progress) = (None, StreamProgress::default());
    }

    fn unsubscribe(&self) {
        let mut state = lock(&self.state);
        (state.generation, state.following) = (None, None);
    }

    fn wait_subscribed(&self) -> BoxFuture<Result<(), BrokerError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn recover(&self, since: Since) -> BoxFuture<Option<RecoveredMessages>> {
        let topic = Arc::clone(self);
        Box::pin(std::future::poll_fn(move |_| {
            // The subscription exists before the search.
            let is_ready = {
                let state = lock(&topic.state);
                state.is_connected && state.following.is_some()
            };
            if is_ready { Poll::Ready(Some(topic.search(since))) } else { Poll::Pending }
        }))
    }

    fn position(&self) -> BoxFuture<Option<Position>> {
        Box::pin(std::future::ready(None))
    }

    fn spawn(&self, task: BoxFuture<()>) {
        lock(&self.state).tasks.push(task);
    }

    fn join(&self, _: u64, _: &str) -> BoxFuture<Result<(), BrokerError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn leave(&self, _: u64) {}

    fn remote_members_ready(&self) -> BoxFuture<Result<(), BrokerError>> {
        Box::pin(std::future::ready(Ok(())))
    }
}
