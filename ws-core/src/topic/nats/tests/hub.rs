//! A hub with a simulated connection to the broker.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, Weak};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::broker::{Broker, BrokerReader, LEN};
use crate::error::{BrokerError, PublishError};
use crate::sync::lock;
use crate::topic::broker::{
    BoxFuture, Broker as BrokerTrait, Loss, PendingPosition, RecoveredItem, RecoveredMessages, RemoteEvents,
    RemoteMessage, RemoteTopic,
};
use crate::topic::history::History;
use crate::topic::nats::accounting::{AccountedItem, messages_after, read_earlier};
use crate::topic::nats::epoch::{EndCheck, SeenEnd, StreamEnd};
use crate::topic::nats::progress::{Received, StreamProgress};
use crate::topic::nats::publish_queue::{HistoryMessage, PublishEntry, PublishQueue, Publisher};
use crate::topic::nats::publish_window::{Attempt, Effect, PublishOutcome, PublishWindow, WindowMessage};
use crate::topic::nats::sequence::{Audience, Stamp};
use crate::topic::nats::tracker::Earlier;
use crate::topic::position::Position;
use crate::topic::since::Since;
use crate::{Hub, Topic};

/// How long a publisher waits for an acknowledgement.
const ACK_TIMEOUT: Duration = Duration::from_secs(5);

/// A published value: its process and its number there.
pub(super) type Line = (usize, u64);

/// A process.
pub(super) struct Node {
    remote: Arc<SimTopic>,
    pub(super) topic: Topic<Line>,
    broker: Arc<Mutex<Broker>>,
    publisher: Publisher,
    window: PublishWindow<()>,
    /// Attempts on their way to the broker, with a number each.
    to_broker: VecDeque<(u64, Attempt)>,
    acks: VecDeque<(u64, PublishOutcome)>,
    /// The ticket and the time limit of each attempt without an answer.
    pending: BTreeMap<u64, (u64, Instant)>,
    next_attempt: u64,
    /// Unstored marks on their way to this process.
    pub(super) marks: VecDeque<Stamp>,
    /// Unstored marks of this process.
    pub(super) unstored: Vec<Stamp>,
}

/// The broker's side of the topic in one process.
struct SimTopic {
    node: u64,
    events: Weak<dyn RemoteEvents>,
    broker: Arc<Mutex<Broker>>,
    queue: PublishQueue,
    state: Mutex<SimState>,
}

#[derive(Default)]
struct SimState {
    is_connected: bool,
    generation: Option<u64>,
    /// Offset of the next message of the follower.
    following: Option<u64>,
    progress: StreamProgress,
    seen_end: SeenEnd,
    /// The end was checked since the last reconnect.
    is_verified: bool,
    epoch_changed: bool,
    tasks: Vec<BoxFuture<()>>,
}

impl SimState {
    /// Like `HistoryStream::stream_and_info`: returns the epoch, the first and the last offset.
    fn stream_and_info(&mut self, broker: &mut Broker) -> (u64, u64, u64) {
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

/// The hub of a process, which opens the one topic.
struct SimHub {
    node: u64,
    broker: Arc<Mutex<Broker>>,
    queue: Mutex<Option<PublishQueue>>,
    opened: Arc<Mutex<Option<Arc<SimTopic>>>>,
}

impl BrokerTrait for SimHub {
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

impl Node {
    pub(super) fn new(node: u64, broker: &Arc<Mutex<Broker>>) -> Self {
        let (queue, publisher) = PublishQueue::new(Some(Arc::<AtomicUsize>::default()));
        let opened = Arc::default();
        let hub = SimHub {
            node,
            broker: Arc::clone(broker),
            queue: Mutex::new(Some(queue)),
            opened: Arc::clone(&opened),
        };
        let topic = Hub::with_broker(Box::new(hub)).topic::<Line>("t");
        let remote = lock(&opened).take().unwrap();
        Self {
            remote,
            topic,
            broker: Arc::clone(broker),
            publisher,
            window: PublishWindow::new(),
            to_broker: VecDeque::new(),
            acks: VecDeque::new(),
            pending: BTreeMap::new(),
            next_attempt: 0,
            marks: VecDeque::new(),
            unstored: Vec::new(),
        }
    }

    pub(super) fn is_connected(&self) -> bool {
        lock(&self.remote.state).is_connected
    }

    /// Returns whether the process has seen that the stream was longer.
    pub(super) fn has_seen_beyond(&self, last: u64) -> bool {
        let end = StreamEnd { offset: last, ..lock(&self.broker).end() };
        lock(&self.remote.state).seen_end.check(&end) == EndCheck::Lost
    }

    pub(super) fn is_following(&self) -> bool {
        lock(&self.remote.state).following.is_some()
    }

    /// Runs the publisher's task until it waits.
    pub(super) fn pump(&mut self) {
        let now = Instant::now();
        if std::mem::take(&mut lock(&self.remote.state).epoch_changed) {
            self.window.on_lost_end(&self.publisher.senders.all(), now);
        }
        let late = self.pending.iter().filter(|(_, (_, until))| *until <= now).map(|(attempt, _)| *attempt);
        for attempt in late.collect::<Vec<_>>() {
            self.on_outcome(attempt, PublishOutcome::Failed);
        }
        loop {
            while self.window.expire(now).is_some() {
                self.events(|events| events.publish_uncertain());
            }
            while let Some(attempt) = self.window.next(now) {
                self.next_attempt += 1;
                self.pending.insert(self.next_attempt, (attempt.ticket, now + ACK_TIMEOUT));
                if self.is_connected() {
                    // The stream is opened before a message is sent.
                    let last = lock(&self.remote.state).stream_and_info(&mut lock(&self.broker)).2;
                    self.window.observe(last);
                    self.to_broker.push_back((self.next_attempt, attempt));
                }
            }
            if !self.window.has_room() {
                return;
            }
            let Some(Some(PublishEntry::Message(message))) = self.publisher.next().now_or_never() else {
                return;
            };
            self.window.accept(WindowMessage {
                sender: message.sender,
                sequence: message.sequence,
                audience: message.audience,
                payload: message.payload,
                data: (),
            });
        }
    }

    /// Lets the broker receive the next attempt.
    pub(super) fn send(&mut self) {
        if let Some((attempt, sent)) = self.to_broker.pop_front() {
            let outcome = lock(&self.broker).store(&sent.stamp, &sent.payload);
            self.acks.push_back((attempt, outcome));
        }
    }

    /// Loses the next attempt on its way.
    pub(super) fn lose(&mut self) {
        self.to_broker.pop_front();
    }

    /// Receives an answer, the newest one first if `is_newest`.
    pub(super) fn acknowledge(&mut self, is_newest: bool) {
        let ack = if is_newest { self.acks.pop_back() } else { self.acks.pop_front() };
        if let Some((attempt, outcome)) = ack {
            self.on_outcome(attempt, outcome);
            self.pump();
        }
    }

    fn on_outcome(&mut self, attempt: u64, outcome: PublishOutcome) {
        let Some((ticket, _)) = self.pending.remove(&attempt) else { return };
        match self.window.on_outcome(ticket, outcome, Instant::now()) {
            Effect::None | Effect::Stored(()) => {}
            Effect::GivenUp(()) => self.events(|events| events.publish_uncertain()),
            Effect::Unmarked(sender, number) => {
                self.unstored.push(sender.core_stamp(number, Audience::Mark));
            }
        }
        if self.window.take_regressed() {
            let mut broker = lock(&self.broker);
            let epoch = broker.epoch;
            broker.renew_epoch(epoch);
            lock(&self.remote.state).stream_and_info(&mut broker);
        }
    }

    /// Loses the connection. The broker still receives the first `kept` attempts on their way.
    pub(super) fn cut(&mut self, kept: usize) {
        (0..kept).for_each(|_| self.send());
        self.to_broker.clear();
        self.acks.clear();
        self.marks.clear();
        let mut state = lock(&self.remote.state);
        (state.is_connected, state.is_verified, state.following) = (false, false, None);
    }

    pub(super) fn reconnect(&mut self) {
        lock(&self.remote.state).is_connected = true;
    }

    /// Like `HistoryStreams::reconnected`.
    pub(super) fn check_end(&mut self) {
        let mut state = lock(&self.remote.state);
        if state.is_connected && !state.seen_end.has_epoch(0) {
            state.stream_and_info(&mut lock(&self.broker));
        }
        drop(state);
        self.pump();
    }

    /// Ends the consumer of the follower.
    pub(super) fn end_consumer(&mut self) {
        lock(&self.remote.state).following = None;
    }

    fn events(&self, call: impl FnOnce(&dyn RemoteEvents)) {
        if let Some(events) = self.remote.events.upgrade() {
            call(&*events);
        }
    }

    /// Starts the follower, or lets it receive a message. Like `SubjectSubscriber::follow_once`.
    pub(super) fn follow(&mut self) {
        let mut state = lock(&self.remote.state);
        let Some(generation) = state.generation.filter(|_| state.is_connected) else { return };
        let Some(from) = state.following else {
            let (epoch, first, last) = state.stream_and_info(&mut lock(&self.broker));
            let from = state.progress.resume(epoch, first, last);
            state.following = Some(from.offset);
            drop(state);
            if from.has_gap {
                self.events(|events| events.lagged(generation, 0));
            }
            return;
        };
        let Some((offset, stamp, payload)) = lock(&self.broker).next_from(from) else { return };
        let pending = lock(&self.broker).messages.iter().filter(|(at, ..)| *at > offset).count();
        let is_behind = pending >= LEN;
        let epoch = state.progress.epoch();
        if !state.seen_end.has_epoch(epoch) {
            state.following = None;
            return;
        }
        let mut received = state.progress.receive((offset, is_behind), Some(&stamp), Earlier::Unread);
        if let Received::Doubtful(from) = received {
            let (start, reader) = (state.progress.start(), BrokerReader(Arc::clone(&self.broker)));
            let (read, earlier) = read_earlier(&reader, from, start, offset).now_or_never().unwrap().unwrap();
            for (offset, stamp, _) in read.iter().filter(|(offset, ..)| *offset <= start) {
                state.progress.learn(&stamp.unwrap().id, *offset);
            }
            received = state.progress.receive((offset, is_behind), Some(&stamp), earlier);
        }
        state.seen_end.observe(lock(&self.broker).at(offset));
        state.following = Some(offset + 1);
        let at = Position { epoch, offset };
        if received == Received::Replaced {
            state.following = None;
            lock(&self.broker).renew_epoch(epoch);
        }
        drop(state);
        let gap = |has_gap: bool, loss: Option<Loss>| {
            if has_gap {
                self.events(|events| events.lagged(generation, 0));
            }
            if let Some(loss) = loss {
                self.events(|events| events.lost(generation, loss));
            }
        };
        match received {
            Received::Skipped { has_gap } => gap(has_gap, None),
            Received::Mark { has_gap, loss } => gap(has_gap, loss),
            Received::Message { has_gap, loss } => {
                gap(has_gap, loss);
                let message = RemoteMessage { payload, position: Some(at), except: None };
                self.events(|events| events.message_received(generation, message));
            }
            Received::Doubtful(_) => panic!("a doubt after reading"),
            Received::Replaced => {}
        }
    }

    /// Receives the next unstored mark.
    pub(super) fn receive_mark(&mut self) {
        let Some(stamp) = self.marks.pop_front() else { return };
        let mut state = lock(&self.remote.state);
        let Some(generation) = state.generation else { return };
        let is_new = state.progress.receive_unstored_mark(&stamp.id);
        drop(state);
        if is_new {
            self.events(|events| events.lagged(generation, 0));
        }
    }

    /// Continues the recoveries.
    pub(super) fn recover(&mut self) {
        let tasks = std::mem::take(&mut lock(&self.remote.state).tasks);
        for mut task in tasks {
            if (&mut task).now_or_never().is_none() {
                lock(&self.remote.state).tasks.push(task);
            }
        }
    }

    /// Returns whether all messages have their outcome.
    pub(super) fn has_outcomes(&self) -> bool {
        self.window.is_idle()
    }

    /// Returns whether all messages have their outcome and are reported.
    pub(super) fn is_settled(&self) -> bool {
        self.has_outcomes()
            && self.window.wake_at().is_none()
            && self.to_broker.is_empty()
            && self.pending.is_empty()
    }
}
