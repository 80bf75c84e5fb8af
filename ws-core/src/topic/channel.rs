//! What the subscribers of a topic share in this process.

use std::any::TypeId;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::time::Instant;

use super::broker::{BoxFuture, RemoteEvents, RemoteTopic};
use super::codec::ErasedCodec;
use super::delivery_queue::TopicKey;
use super::history::{History, HistoryLog};
use super::position::Position;
use super::presence::{Member, Members, Presence};
use super::published::Published;
use super::registry::{AnyTopic, Registry};
use super::since::Since;
use super::subscribers::{DeferredDrop, Subscriber, Subscribers};
use super::subscription::{Detach, Joined, Recovering, Recovery, SubscriptionKind};
use crate::error::{BrokerError, PublishError};

/// A topic. Whatever is the user's code, as encoding a value or dropping one, runs outside of its lock.
pub(crate) struct Channel<T: Send + Sync + 'static> {
    pub(super) name: Arc<str>,
    registry: Arc<Registry>,
    pub(super) codec: Box<dyn ErasedCodec<T>>,
    /// What takes it to other processes, if there are any.
    remote: Option<Arc<dyn RemoteTopic>>,
    state: Mutex<ChannelState<T>>,
    /// How many subscribers take frames; changed under the lock.
    pub(super) frame_subscribers: AtomicUsize,
    is_retained: AtomicBool,
}

pub(super) struct ChannelState<T> {
    pub(super) subscribers: Subscribers<Published<T>>,
    pub(super) watchers: Subscribers<Presence>,
    pub(super) members: Members,
    history: Option<HistoryLog<T>>,
    /// Which of its subscriptions at the broker it hears; what comes from an earlier one is too late.
    pub(super) subscription_generation: u64,
    /// Where the history at the broker stands, as far as this process knows.
    pub(super) last_position: Option<Position>,
}

impl<T: Send + Sync + 'static> Channel<T> {
    pub(super) fn new(name: Arc<str>, registry: Arc<Registry>, codec: Box<dyn ErasedCodec<T>>) -> Arc<Self> {
        Arc::new_cyclic(|channel: &Weak<Self>| {
            let events = Weak::clone(channel) as Weak<dyn RemoteEvents>;
            let remote = registry.broker().map(|broker| broker.open_topic(&name, events));
            Self::with_broker(name, registry, codec, remote)
        })
    }

    fn with_broker(
        name: Arc<str>,
        registry: Arc<Registry>,
        codec: Box<dyn ErasedCodec<T>>,
        remote: Option<Arc<dyn RemoteTopic>>,
    ) -> Self {
        let state = ChannelState {
            subscribers: Subscribers::default(),
            watchers: Subscribers::default(),
            members: Members::new(remote.as_ref().map_or(0, |remote| remote.node())),
            history: None,
            subscription_generation: 0,
            last_position: None,
        };
        let (frame_subscribers, is_retained) = (AtomicUsize::new(0), AtomicBool::new(false));
        Self { name, registry, codec, remote, state: Mutex::new(state), frame_subscribers, is_retained }
    }

    /// What tells it from others.
    pub(crate) fn key(&self) -> TopicKey {
        std::ptr::from_ref(self).addr()
    }

    /// The same for what comes of one tie: what is the latest of one is not that of another.
    pub(crate) fn key_for(&self, kind: SubscriptionKind) -> TopicKey {
        // It is aligned to more than there are.
        self.key() + kind as usize
    }

    /// Keeps what is published from now on, or more of it.
    pub(super) fn enable_history(self: &Arc<Self>, history: History) {
        let Some(remote) = &self.remote else {
            self.enable_local_history(history);
            return self.registry.retain(self);
        };
        let mut state = self.lock();
        if remote.enable_history(history) && state.subscribers.len() > 0 {
            self.subscribe_remote(&mut state);
        }
    }

    /// Whether it can be subscribed to.
    pub(crate) fn check(&self) -> Result<(), PublishError> {
        if self.registry.is_closed() {
            return Err(PublishError::Closed);
        }
        self.remote.as_ref().map_or(Ok(()), |remote| remote.check())
    }

    /// When other processes are heard, if there are any.
    pub(crate) fn wait_subscribed(&self) -> Option<BoxFuture<()>> {
        self.remote.as_ref().map(|remote| remote.wait_subscribed())
    }

    /// When the members of other processes are known, if there are any.
    pub(crate) fn remote_members_ready(&self) -> Option<BoxFuture<()>> {
        self.remote.as_ref().map(|remote| remote.remote_members_ready())
    }

    /// Gives a value to all subscribers, but for one connection.
    pub(crate) fn publish(&self, value: T, except: Option<usize>) -> Result<(), PublishError> {
        if self.registry.is_closed() {
            return Err(PublishError::Closed);
        }
        if let Some(remote) = &self.remote {
            return self.publish_remote(&**remote, value, except);
        }
        let mut message = Published::new(Arc::clone(&self.name), value);
        let mut deferred = DeferredDrop::default();
        loop {
            // Somebody who takes frames may come until the lock is held.
            if self.frame_subscribers.load(Ordering::Relaxed) > 0 && message.frame().is_none() {
                let frame = self.codec.encode(message.value())?;
                message.set_frame(frame);
            }
            let mut state = self.lock();
            if self.frame_subscribers.load(Ordering::Relaxed) == 0 || message.frame().is_some() {
                state.publish(&mut message, except, &mut deferred);
                return Ok(());
            }
        }
    }

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

    /// Begins a subscription at the broker, if there is one.
    fn subscribe_remote(&self, state: &mut ChannelState<T>) {
        if let Some(remote) = &self.remote
            && !self.registry.is_closed()
        {
            state.subscription_generation += 1;
            remote.subscribe(state.subscription_generation);
        }
    }

    /// The same, after what was published since then, if that is still known.
    pub(crate) fn subscribe_from(
        self: &Arc<Self>,
        subscriber: Box<dyn Subscriber<Published<T>>>,
        since: Since,
    ) -> (usize, Recovering) {
        if let Some(remote) = &self.remote {
            return self.recover_remote(remote, subscriber, since);
        }
        let mut state = self.lock();
        let ChannelState { history, subscribers, .. } = &mut *state;
        let missed = history.as_ref().and_then(|history| history.since(since));
        let recovered = missed.map(|missed| missed.for_each(|message| subscriber.replay(message))).is_some();
        let recovery = Recovery { recovered, position: history.as_ref().map(HistoryLog::position) };
        (subscribers.insert(subscriber), Recovering::ready(recovery))
    }

    /// Tells a connection who is there, and who comes and goes.
    pub(crate) fn watch(&self, subscriber: Box<dyn Subscriber<Presence>>) -> usize {
        let mut state = self.lock();
        for member in state.members.iter() {
            subscriber.replay(&Presence::Joined(member.clone()));
        }
        state.watchers.insert(subscriber)
    }

    /// Its slot, and when the broker knows of it.
    pub(crate) fn join(&self, name: &str) -> Result<(usize, Joined), BrokerError> {
        let mut deferred = DeferredDrop::default();
        let mut state = self.lock();
        // It may have come about since it was checked; those who are there have left then.
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

    pub(super) fn members(&self) -> Vec<Member> {
        self.lock().members.iter().cloned().collect()
    }

    pub(super) fn subscribers(&self) -> usize {
        self.lock().subscribers.len()
    }

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

    /// Nothing of the user runs under the lock.
    pub(super) fn lock(&self) -> MutexGuard<'_, ChannelState<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Send + Sync + 'static> AnyTopic for Channel<T> {
    fn expires_at(&self) -> Instant {
        self.lock().history.as_ref().map_or_else(Instant::now, HistoryLog::expires_at)
    }

    fn is_retained(&self) -> &AtomicBool {
        &self.is_retained
    }

    /// Its members leave. Its subscribers stay, and hear nothing any more.
    fn close(&self) {
        let mut deferred = DeferredDrop::default();
        let mut state = self.lock();
        for member in state.members.clear() {
            if let Some(remote) = &self.remote {
                remote.leave(member.id.number);
            }
            state.watchers.deliver(&Presence::Left(member), None, &mut deferred);
        }
        if let Some(remote) = &self.remote {
            state.subscription_generation += 1;
            state.last_position = None;
            remote.unsubscribe();
        }
    }
}

impl<T: Send + Sync + 'static> ChannelState<T> {
    fn publish(&mut self, message: &mut Published<T>, except: Option<usize>, deferred: &mut DeferredDrop) {
        if let Some(history) = &mut self.history {
            message.set_position(history.next_position());
            deferred.add(history.push(message.clone()));
        }
        self.subscribers.deliver(message, except, deferred);
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
                    if let Some(remote) = &self.remote {
                        remote.leave(member.id.number);
                    }
                    state.watchers.deliver(&Presence::Left(member), None, &mut deferred);
                }
            }
        }
        if matches!(kind, SubscriptionKind::Handler | SubscriptionKind::Client)
            && state.subscribers.len() == 0
            && let Some(remote) = &self.remote
        {
            state.subscription_generation += 1;
            state.last_position = None;
            remote.unsubscribe();
        }
    }
}

/// A topic that nobody uses is forgotten.
impl<T: Send + Sync + 'static> Drop for Channel<T> {
    fn drop(&mut self) {
        self.registry.remove(TypeId::of::<T>(), &self.name);
    }
}
