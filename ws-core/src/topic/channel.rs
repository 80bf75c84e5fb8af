//! What the subscribers of a topic share in this process.

use std::any::TypeId;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::time::Instant;

use super::broker::{Carrier, Inlet, Later};
use super::codec::ErasedCodec;
use super::feed::Key;
use super::history::{History, Kept};
use super::position::Position;
use super::presence::{Member, Members, Presence};
use super::published::Published;
use super::registry::{Registry, Shared};
use super::since::Since;
use super::subscription::{Joined, Recovering, Recovery};
use super::taps::{Garbage, Tap, Taps};
use crate::error::{BrokerError, PublishError};

/// A topic. Whatever is the user's code, as encoding a value or dropping one, runs outside of its lock.
pub(super) struct Channel<T: Send + Sync + 'static> {
    pub(super) name: Arc<str>,
    registry: Arc<Registry>,
    pub(super) codec: Box<dyn ErasedCodec<T>>,
    /// What takes it to other processes, if there are any.
    carrier: Option<Arc<dyn Carrier>>,
    state: Mutex<State<T>>,
    /// How many subscribers take frames; changed under the lock.
    pub(super) frames: AtomicUsize,
    is_kept: AtomicBool,
}

pub(super) struct State<T> {
    pub(super) subscribers: Taps<Published<T>>,
    pub(super) watchers: Taps<Presence>,
    pub(super) members: Members,
    kept: Option<Kept<T>>,
    /// Which of its subscriptions at the broker it hears; what comes from an earlier one is too late.
    pub(super) hearing: u64,
    /// Where the history at the broker stands, as far as this process knows.
    pub(super) last: Option<Position>,
}

/// What a connection has with a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tie {
    /// Its handler hears what is published.
    Heard,
    /// Its client is sent what is published.
    Forwarded,
    /// Its handler hears who comes and goes.
    Watched,
    /// It is one of the members.
    Joined,
}

/// A topic of any type, as its subscribers leave it.
pub(super) trait Leave: Send + Sync {
    fn leave(&self, tie: Tie, slot: usize);
}

impl<T: Send + Sync + 'static> Channel<T> {
    pub(super) fn new(name: Arc<str>, registry: Arc<Registry>, codec: Box<dyn ErasedCodec<T>>) -> Arc<Self> {
        Arc::new_cyclic(|channel: &Weak<Self>| {
            let inlet = Weak::clone(channel) as Weak<dyn Inlet>;
            let carrier = registry.broker().map(|broker| broker.carry(&name, inlet));
            Self::made(name, registry, codec, carrier)
        })
    }

    fn made(
        name: Arc<str>,
        registry: Arc<Registry>,
        codec: Box<dyn ErasedCodec<T>>,
        carrier: Option<Arc<dyn Carrier>>,
    ) -> Self {
        let state = State {
            subscribers: Taps::default(),
            watchers: Taps::default(),
            members: Members::new(carrier.as_ref().map_or(0, |carrier| carrier.node())),
            kept: None,
            hearing: 0,
            last: None,
        };
        let (frames, is_kept) = (AtomicUsize::new(0), AtomicBool::new(false));
        Self { name, registry, codec, carrier, state: Mutex::new(state), frames, is_kept }
    }

    /// What tells it from others.
    pub(super) fn key(&self) -> Key {
        std::ptr::from_ref(self).addr()
    }

    /// The same for what comes of one tie: what is the latest of one is not that of another.
    pub(super) fn key_of(&self, tie: Tie) -> Key {
        // It is aligned to more than there are.
        self.key() + tie as usize
    }

    /// Keeps what is published from now on, or more of it.
    pub(super) fn keep(self: &Arc<Self>, history: History) {
        let Some(carrier) = &self.carrier else {
            self.keep_here(history);
            return self.registry.keep(self);
        };
        let mut state = self.lock();
        if carrier.keep(history) && state.subscribers.len() > 0 {
            self.listen(&mut state);
        }
    }

    /// Whether it can be subscribed to.
    pub(super) fn check(&self) -> Result<(), PublishError> {
        if self.registry.is_closed() {
            return Err(PublishError::Closed);
        }
        self.carrier.as_ref().map_or(Ok(()), |carrier| carrier.check())
    }

    /// When other processes are heard, if there are any.
    pub(super) fn ready(&self) -> Option<Later<()>> {
        self.carrier.as_ref().map(|carrier| carrier.ready())
    }

    /// When the members of other processes are known, if there are any.
    pub(super) fn others(&self) -> Option<Later<()>> {
        self.carrier.as_ref().map(|carrier| carrier.members())
    }

    /// Gives a value to all subscribers, but for one connection.
    pub(super) fn publish(&self, value: T, except: Option<usize>) -> Result<(), PublishError> {
        if self.registry.is_closed() {
            return Err(PublishError::Closed);
        }
        if let Some(carrier) = &self.carrier {
            return self.publish_far(&**carrier, value, except);
        }
        let mut message = Published::new(Arc::clone(&self.name), value);
        let mut garbage = Garbage::default();
        loop {
            // Somebody who takes frames may come until the lock is held.
            if self.frames.load(Ordering::Relaxed) > 0 && message.frame().is_none() {
                let frame = self.codec.encode(message.value())?;
                message.set_frame(frame);
            }
            let mut state = self.lock();
            if self.frames.load(Ordering::Relaxed) == 0 || message.frame().is_some() {
                state.publish(&mut message, except, &mut garbage);
                return Ok(());
            }
        }
    }

    pub(super) fn subscribe(&self, tap: Box<dyn Tap<Published<T>>>, tie: Tie) -> usize {
        let mut state = self.lock();
        if tie == Tie::Forwarded {
            self.frames.fetch_add(1, Ordering::Relaxed);
        }
        let slot = state.subscribers.insert(tap);
        if state.subscribers.len() == 1 {
            self.listen(&mut state);
        }
        slot
    }

    /// Begins a subscription at the broker, if there is one.
    fn listen(&self, state: &mut State<T>) {
        if let Some(carrier) = &self.carrier
            && !self.registry.is_closed()
        {
            state.hearing += 1;
            carrier.listen(state.hearing);
        }
    }

    /// The same, after what was published since then, if that is still known.
    pub(super) fn subscribe_from(
        self: &Arc<Self>,
        tap: Box<dyn Tap<Published<T>>>,
        since: Since,
    ) -> (usize, Recovering) {
        if let Some(carrier) = &self.carrier {
            return self.recover_far(carrier, tap, since);
        }
        let mut state = self.lock();
        let State { kept, subscribers, .. } = &mut *state;
        let missed = kept.as_ref().and_then(|kept| kept.since(since));
        let recovered = missed.map(|missed| missed.for_each(|message| tap.replay(message))).is_some();
        let recovery = Recovery { recovered, position: kept.as_ref().map(Kept::position) };
        (subscribers.insert(tap), Recovering::done(recovery))
    }

    /// Tells a connection who is there, and who comes and goes.
    pub(super) fn watch(&self, tap: Box<dyn Tap<Presence>>) -> usize {
        let mut state = self.lock();
        for member in state.members.iter() {
            tap.replay(&Presence::Joined(member.clone()));
        }
        state.watchers.insert(tap)
    }

    /// Its slot, and when the broker knows of it.
    pub(super) fn join(&self, name: &str) -> Result<(usize, Joined), BrokerError> {
        let mut garbage = Garbage::default();
        let mut state = self.lock();
        // It may have come about since it was checked; those who are there have left then.
        if self.registry.is_closed() {
            return Err(BrokerError::Closed);
        }
        let (slot, member) = state.members.join(&self.name, name);
        let joined = match &self.carrier {
            Some(carrier) => Joined::when(carrier.join(member.id.number, name)),
            None => Joined::known(Ok(())),
        };
        state.watchers.deliver(&Presence::Joined(member), None, &mut garbage);
        Ok((slot, joined))
    }

    pub(super) fn members(&self) -> Vec<Member> {
        self.lock().members.iter().cloned().collect()
    }

    pub(super) fn subscribers(&self) -> usize {
        self.lock().subscribers.len()
    }

    pub(super) async fn position(&self) -> Option<Position> {
        match &self.carrier {
            Some(carrier) => carrier.position().await,
            None => self.lock().kept.as_ref().map(Kept::position),
        }
    }

    fn keep_here(&self, history: History) {
        let mut state = self.lock();
        match &mut state.kept {
            Some(kept) => kept.extend(history),
            None => state.kept = Some(Kept::new(history)),
        }
    }

    /// Nothing of the user runs under the lock.
    pub(super) fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Send + Sync + 'static> Shared for Channel<T> {
    fn expiry(&self) -> Instant {
        self.lock().kept.as_ref().map_or_else(Instant::now, Kept::expiry)
    }

    fn is_kept(&self) -> &AtomicBool {
        &self.is_kept
    }

    /// Its members leave. Its subscribers stay, and hear nothing any more.
    fn close(&self) {
        let mut garbage = Garbage::default();
        let mut state = self.lock();
        for member in state.members.clear() {
            if let Some(carrier) = &self.carrier {
                carrier.leave(member.id.number);
            }
            state.watchers.deliver(&Presence::Left(member), None, &mut garbage);
        }
        if let Some(carrier) = &self.carrier {
            state.hearing += 1;
            state.last = None;
            carrier.unlisten();
        }
    }
}

impl<T: Send + Sync + 'static> State<T> {
    fn publish(&mut self, message: &mut Published<T>, except: Option<usize>, garbage: &mut Garbage) {
        if let Some(kept) = &mut self.kept {
            message.set_position(kept.next());
            garbage.extend(kept.push(message.clone()));
        }
        self.subscribers.deliver(message, except, garbage);
    }
}

impl<T: Send + Sync + 'static> Leave for Channel<T> {
    fn leave(&self, tie: Tie, slot: usize) {
        let mut garbage = Garbage::default();
        let mut state = self.lock();
        match tie {
            Tie::Heard => garbage.extend(state.subscribers.remove(slot)),
            Tie::Forwarded => {
                self.frames.fetch_sub(1, Ordering::Relaxed);
                garbage.extend(state.subscribers.remove(slot));
            }
            Tie::Watched => garbage.extend(state.watchers.remove(slot)),
            Tie::Joined => {
                if let Some(member) = state.members.leave(slot) {
                    if let Some(carrier) = &self.carrier {
                        carrier.leave(member.id.number);
                    }
                    state.watchers.deliver(&Presence::Left(member), None, &mut garbage);
                }
            }
        }
        if matches!(tie, Tie::Heard | Tie::Forwarded)
            && state.subscribers.len() == 0
            && let Some(carrier) = &self.carrier
        {
            state.hearing += 1;
            state.last = None;
            carrier.unlisten();
        }
    }
}

/// A topic that nobody uses is forgotten.
impl<T: Send + Sync + 'static> Drop for Channel<T> {
    fn drop(&mut self) {
        self.registry.forget(TypeId::of::<T>(), &self.name);
    }
}
