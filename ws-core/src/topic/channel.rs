//! The state of a topic in this process: its subscribers, its members and its history.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use tokio::time::Instant;

use super::broker::{BoxFuture, RemoteEvents, RemoteTopic};
use super::codec::ErasedCodec;
use super::delivery_queue::TopicKey;
use super::history::{History, HistoryLog};
use super::position::Position;
use super::presence::{Member, Members, Presence};
use super::publish_ack::PublishAck;
use super::published::Published;
use super::registry::{Registry, TopicType};
#[cfg(feature = "inspect")]
use super::report::{HistoryReport, TopicReport};
use super::retention::AnyTopic;
use super::since::Since;
use super::subscribers::{DeferredDrop, Subscriber, Subscribers};
use super::subscription::{Detach, Joined, Recovering, Recovery, SubscriptionKind};
use crate::error::{BrokerError, PublishError};
use crate::metrics::{on_delivered, on_published, on_recovery};
use crate::sync::lock;

/// A topic, shared by all [`Topic`](super::Topic) handles of its name and type. User code, for example
/// encoding a value or dropping one, runs outside of the lock.
pub(crate) struct Channel<T: Send + Sync + 'static> {
    pub(super) name: Arc<str>,
    registry: Arc<Registry>,
    /// `None` for a local topic, which has no broker either.
    codec: Option<Box<dyn ErasedCodec<T>>>,
    /// The broker's side of the topic; `None` in a hub of one process.
    pub(super) remote: Option<Arc<dyn RemoteTopic>>,
    state: Mutex<ChannelState<T>>,
    /// Number of subscribers that take frames. Changed under the lock.
    pub(super) frame_subscribers: AtomicUsize,
    is_retained: AtomicBool,
}

pub(super) struct ChannelState<T> {
    pub(super) subscribers: Subscribers<Published<T>>,
    pub(super) watchers: Subscribers<Presence>,
    pub(super) members: Members,
    pub(super) history: Option<HistoryLog<T>>,
    /// Number of the current subscription at the broker. Messages of an earlier subscription are dropped.
    pub(super) subscription_generation: u64,
    /// The last position in the broker's history that this process knows.
    pub(super) last_position: Option<Position>,
    is_closed: bool,
}

impl<T: Send + Sync + 'static> Channel<T> {
    /// Returns the registry's topic of this name and type, creating it if there is none.
    ///
    /// Without a codec, that is a topic of this process alone.
    pub(super) fn open(
        registry: &Arc<Registry>,
        name: &str,
        codec: Option<Box<dyn ErasedCodec<T>>>,
    ) -> Arc<Self> {
        let key = TopicType::new::<T>(codec.is_none());
        registry.get_or_insert_with(key, name, |name| Self::new(name, Arc::clone(registry), codec))
    }

    fn new(name: Arc<str>, registry: Arc<Registry>, codec: Option<Box<dyn ErasedCodec<T>>>) -> Arc<Self> {
        Arc::new_cyclic(|channel: &Weak<Self>| {
            let events = Weak::clone(channel) as Weak<dyn RemoteEvents>;
            let broker = registry.broker().filter(|_| codec.is_some());
            let remote = broker.map(|broker| broker.open_topic(&name, events));
            let state = ChannelState {
                subscribers: Subscribers::default(),
                watchers: Subscribers::default(),
                members: Members::new(remote.as_ref().map_or(0, |remote| remote.node())),
                history: None,
                subscription_generation: 0,
                last_position: None,
                is_closed: false,
            };
            Self {
                name,
                registry,
                codec,
                remote,
                state: Mutex::new(state),
                frame_subscribers: AtomicUsize::new(0),
                is_retained: AtomicBool::new(false),
            }
        })
    }

    /// Returns a number that identifies this topic within a connection.
    pub(crate) fn key(&self) -> TopicKey {
        std::ptr::from_ref(self).addr()
    }

    /// Like [`key`](Self::key), but different for each kind of subscription: `overflow = latest` replaces
    /// messages within one kind only.
    pub(crate) fn key_for(&self, kind: SubscriptionKind) -> TopicKey {
        // Cannot collide with another topic: the alignment of a channel is larger than the number of kinds.
        self.key() + kind as usize
    }

    /// Starts a history, or enlarges the one there is.
    pub(super) fn enable_history(self: &Arc<Self>, history: History) {
        let Some(remote) = &self.remote else {
            self.enable_local_history(history);
            return self.registry.retain(Arc::clone(self) as _);
        };
        let mut state = self.lock();
        if remote.enable_history(history) && state.subscribers.len() > 0 {
            self.subscribe_remote(&mut state);
        }
    }

    /// Checks whether connections can subscribe to the topic in this way.
    pub(crate) fn check(&self, kind: SubscriptionKind) -> Result<(), PublishError> {
        if self.registry.is_closed() {
            return Err(PublishError::Closed);
        }
        if kind == SubscriptionKind::Client {
            self.codec()?;
        }
        self.remote.as_ref().map_or(Ok(()), |remote| remote.check())
    }

    pub(super) fn codec(&self) -> Result<&dyn ErasedCodec<T>, PublishError> {
        self.codec.as_deref().ok_or(PublishError::NoCodec)
    }

    /// Returns a future that waits for the broker to accept the subscription; `None` without a broker.
    pub(crate) fn wait_subscribed(&self) -> Option<BoxFuture<Result<(), BrokerError>>> {
        self.remote.as_ref().map(|remote| remote.wait_subscribed())
    }

    /// Returns a future that waits until the members of other processes are known; `None` without a broker.
    pub(crate) fn remote_members_ready(&self) -> Option<BoxFuture<Result<(), BrokerError>>> {
        self.remote.as_ref().map(|remote| remote.remote_members_ready())
    }

    /// Publishes a value to all subscribers except the connection `except`.
    pub(crate) fn publish(&self, value: T, except: Option<usize>) -> Result<PublishAck, PublishError> {
        if self.registry.is_closed() {
            return Err(PublishError::Closed);
        }
        if let Some(remote) = &self.remote {
            return self.publish_remote(&**remote, value, except);
        }
        let mut message = Published::new(Arc::clone(&self.name), value);
        let mut deferred = DeferredDrop::default();
        loop {
            // Checked again under the lock, because a subscriber that takes frames may be added meanwhile.
            if self.frame_subscribers.load(Ordering::Relaxed) > 0 && message.frame().is_none() {
                let frame = self.codec()?.encode(message.value())?;
                message.set_frame(frame);
            }
            let mut state = self.lock();
            if self.frame_subscribers.load(Ordering::Relaxed) == 0 || message.frame().is_some() {
                state.publish(&mut message, except, &mut deferred);
                on_published();
                return Ok(PublishAck::ready(message.position()));
            }
        }
    }

    /// Adds a subscriber. Returns its slot.
    pub(crate) fn subscribe(
        &self,
        subscriber: Box<dyn Subscriber<Published<T>>>,
        kind: SubscriptionKind,
    ) -> usize {
        let mut state = self.lock();
        if kind == SubscriptionKind::Client {
            self.frame_subscribers.fetch_add(1, Ordering::Relaxed);
        }
        let slot = state.subscribers.insert(subscriber);
        if state.subscribers.len() == 1 {
            self.subscribe_remote(&mut state);
        }
        slot
    }

    /// Starts a subscription at the broker, if there is one.
    fn subscribe_remote(&self, state: &mut ChannelState<T>) {
        if let Some(remote) = &self.remote
            && !self.registry.is_closed()
        {
            state.subscription_generation += 1;
            remote.subscribe(state.subscription_generation);
        }
    }

    /// Ends the subscription at the broker, if there is one.
    fn unsubscribe_remote(&self, state: &mut ChannelState<T>) {
        if let Some(remote) = &self.remote {
            state.subscription_generation += 1;
            state.last_position = None;
            remote.unsubscribe();
        }
    }

    /// Like [`subscribe`](Self::subscribe), but first delivers the history from `since` on, if it is
    /// complete.
    pub(crate) fn subscribe_from(
        self: &Arc<Self>,
        subscriber: Box<dyn Subscriber<Published<T>>>,
        kind: SubscriptionKind,
        since: Since,
    ) -> (usize, Recovering) {
        if let Some(remote) = &self.remote {
            return self.recover_remote(remote, subscriber, kind, since);
        }
        let mut state = self.lock();
        if kind == SubscriptionKind::Client {
            self.frame_subscribers.fetch_add(1, Ordering::Relaxed);
        }
        let ChannelState { history, subscribers, .. } = &mut *state;
        let missed = history.as_ref().and_then(|history| history.since(since));
        let recovered = missed.map(|missed| missed.for_each(|message| subscriber.replay(message))).is_some();
        on_recovery(recovered);
        let recovery = Recovery { recovered, position: history.as_ref().map(HistoryLog::position) };
        (subscribers.insert(subscriber), Recovering::ready(recovery))
    }

    /// Delivers the present members to a subscriber, and then every change. Returns its slot.
    pub(crate) fn watch(&self, subscriber: Box<dyn Subscriber<Presence>>) -> usize {
        let mut state = self.lock();
        for member in state.members.iter() {
            subscriber.replay(&Presence::Joined(member.clone()));
        }
        state.watchers.insert(subscriber)
    }

    /// Adds a member. Returns its slot, and a future that waits for the broker.
    pub(crate) fn join(&self, name: &str) -> Result<(usize, Joined), BrokerError> {
        let mut deferred = DeferredDrop::default();
        let mut state = self.lock();
        // Checked under the lock: the hub may have been closed after `check`, and its members removed.
        if self.registry.is_closed() {
            return Err(BrokerError::Closed);
        }
        let (slot, member) = state.members.join(&self.name, name);
        let joined = match &self.remote {
            Some(remote) => Joined::pending(remote.join(member.id.number, name)),
            None => Joined::ready(Ok(())),
        };
        state.watchers.deliver(&Presence::Joined(member), None, &mut deferred);
        Ok((slot, joined))
    }

    /// Reports that a member of this process has left, to the broker and to the watchers.
    fn announce_left(&self, state: &ChannelState<T>, member: Member, deferred: &mut DeferredDrop) {
        if let Some(remote) = &self.remote {
            remote.leave(member.id.number);
        }
        state.watchers.deliver(&Presence::Left(member), None, deferred);
    }

    pub(super) fn members(&self) -> Vec<Member> {
        self.lock().members.iter().cloned().collect()
    }

    pub(super) fn subscribers(&self) -> usize {
        self.lock().subscribers.len()
    }

    /// Returns the position of the last message in the history.
    pub(super) async fn position(&self) -> Option<Position> {
        match &self.remote {
            Some(remote) => remote.position().await,
            None => self.lock().history.as_ref().map(HistoryLog::position),
        }
    }

    fn enable_local_history(&self, history: History) {
        let mut state = self.lock();
        match &mut state.history {
            Some(log) => log.grow(history),
            None => state.history = Some(HistoryLog::new(history)),
        }
    }

    /// Locks the state. No user code may run under this lock.
    pub(super) fn lock(&self) -> MutexGuard<'_, ChannelState<T>> {
        lock(&self.state)
    }
}

impl<T: Send + Sync + 'static> AnyTopic for Channel<T> {
    fn expires_at(&self) -> Instant {
        self.lock().history.as_ref().map_or_else(Instant::now, HistoryLog::expires_at)
    }

    fn is_retained(&self) -> &AtomicBool {
        &self.is_retained
    }

    fn close(&self) {
        let mut deferred = DeferredDrop::default();
        let mut state = self.lock();
        for member in state.members.clear() {
            self.announce_left(&state, member, &mut deferred);
        }
        self.unsubscribe_remote(&mut state);
        // Connections that are still there get nothing more of other processes.
        if self.remote.is_some() && !std::mem::replace(&mut state.is_closed, true) {
            state.subscribers.lagged(0);
            state.watchers.lagged(0);
        }
    }

    #[cfg(feature = "inspect")]
    fn report(&self) -> TopicReport {
        let state = self.lock();
        let local = state.history.as_ref().map(HistoryLog::report);
        TopicReport {
            name: Arc::clone(&self.name),
            values: std::any::type_name::<T>(),
            is_local: self.codec.is_none(),
            subscribers: state.subscribers.len(),
            watchers: state.watchers.len(),
            members: state.members.len(),
            history: local.or_else(|| {
                self.remote.as_ref().filter(|remote| remote.has_history())?;
                Some(HistoryReport { len: None, offset: state.last_position.map(|position| position.offset) })
            }),
        }
    }

    #[cfg(feature = "inspect")]
    fn waiting(&self) -> (usize, usize) {
        self.lock().subscribers.waiting()
    }

    #[cfg(feature = "inspect")]
    fn some_members(&self, max: usize) -> Vec<Member> {
        self.lock().members.iter().take(max).cloned().collect()
    }
}

impl<T: Send + Sync + 'static> ChannelState<T> {
    fn publish(&mut self, message: &mut Published<T>, except: Option<usize>, deferred: &mut DeferredDrop) {
        if let Some(history) = &mut self.history {
            message.set_position(history.next_position());
            deferred.add(history.push(message.clone()));
        }
        on_delivered(self.subscribers.deliver(message, except, deferred));
    }
}

impl<T: Send + Sync + 'static> Detach for Channel<T> {
    fn detach(&self, kind: SubscriptionKind, slot: usize) {
        let mut deferred = DeferredDrop::default();
        let mut state = self.lock();
        match kind {
            SubscriptionKind::Handler => deferred.add(state.subscribers.remove(slot)),
            SubscriptionKind::Client => {
                self.frame_subscribers.fetch_sub(1, Ordering::Relaxed);
                deferred.add(state.subscribers.remove(slot));
            }
            SubscriptionKind::Presence => deferred.add(state.watchers.remove(slot)),
            SubscriptionKind::Member => {
                if let Some(member) = state.members.leave(slot) {
                    self.announce_left(&state, member, &mut deferred);
                }
            }
        }
        if matches!(kind, SubscriptionKind::Handler | SubscriptionKind::Client)
            && state.subscribers.len() == 0
        {
            self.unsubscribe_remote(&mut state);
        }
    }
}

/// Removes the topic from the registry when the last handle is dropped.
impl<T: Send + Sync + 'static> Drop for Channel<T> {
    fn drop(&mut self) {
        self.registry.remove(TopicType::new::<T>(self.codec.is_none()), &self.name);
    }
}
