//! A process: the publisher's side, and its connection.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::Instant;

use super::broker::Broker;
use super::hub::{self, Line, SimTopic};
use crate::Topic;
use crate::sync::lock;
use crate::topic::broker::RemoteEvents;
use crate::topic::nats::epoch::{EndCheck, StreamEnd};
use crate::topic::nats::publish_queue::{PublishEntry, PublishQueue, Publisher};
use crate::topic::nats::publish_window::{Attempt, Effect, PublishOutcome, PublishWindow, WindowMessage};
use crate::topic::nats::sequence::{Audience, Stamp};

/// How long a publisher waits for an acknowledgement.
const ACK_TIMEOUT: Duration = Duration::from_secs(5);

/// A process.
pub(super) struct Node {
    pub(super) remote: Arc<SimTopic>,
    pub(super) topic: Topic<Line>,
    pub(super) broker: Arc<Mutex<Broker>>,
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

impl Node {
    pub(super) fn new(node: u64, broker: &Arc<Mutex<Broker>>) -> Self {
        let (queue, publisher) = PublishQueue::new(Some(Arc::<AtomicUsize>::default()));
        let (remote, topic) = hub::open(node, broker, queue);
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

    /// Calls the topic of the process.
    pub(super) fn events(&self, call: impl FnOnce(&dyn RemoteEvents)) {
        if let Some(events) = self.remote.events.upgrade() {
            call(&*events);
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
