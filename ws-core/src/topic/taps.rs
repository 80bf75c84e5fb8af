//! Subscribers of all handlers in one list.

use std::any::Any;
use std::sync::Arc;

use slab::Slab;

use super::feed::{Delivery, Feed, Key};

/// Where what is published leaves a topic, for one connection.
pub(super) trait Tap<X>: Send + Sync {
    /// Gives a message to the connection; what has to go for it comes back.
    fn deliver(&self, message: &X) -> Option<Box<dyn Any + Send>>;

    /// Gives one that was kept, for which there is always room.
    fn replay(&self, message: &X);

    /// Messages were missed on the way to this process; 0 if nobody knows how many.
    fn lagged(&self, missed: u64);

    /// It is taken out of the topic; said under the lock of that.
    fn end(&self) {}

    /// Which connection it is.
    fn connection(&self) -> usize;
}

/// The tap of a connection whose handler takes messages of type `I`.
pub(super) struct ToFeed<I, X> {
    pub(super) feed: Arc<Feed<I>>,
    pub(super) key: Key,
    pub(super) take: fn(&X) -> Option<Delivery<I>>,
}

impl<I: Send + 'static, X> Tap<X> for ToFeed<I, X> {
    fn deliver(&self, message: &X) -> Option<Box<dyn Any + Send>> {
        let dropped = self.feed.push(self.key, (self.take)(message)?)?;
        Some(Box::new(dropped))
    }

    fn replay(&self, message: &X) {
        if let Some(what) = (self.take)(message) {
            self.feed.replay(self.key, what);
        }
    }

    fn lagged(&self, missed: u64) {
        self.feed.lagged(missed);
    }

    fn connection(&self) -> usize {
        self.feed.id()
    }
}

/// All taps of one kind.
pub(super) struct Taps<X>(Slab<Box<dyn Tap<X>>>);

impl<X> Default for Taps<X> {
    fn default() -> Self {
        Self(Slab::new())
    }
}

impl<X: 'static> Taps<X> {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn insert(&mut self, tap: Box<dyn Tap<X>>) -> usize {
        self.0.insert(tap)
    }

    /// The last use of what a connection has not taken may be this one.
    pub(super) fn remove(&mut self, slot: usize) -> Option<Box<dyn Any + Send>>
    where
        Box<dyn Tap<X>>: Send,
    {
        let tap = self.0.try_remove(slot)?;
        tap.end();
        if self.0.is_empty() {
            self.0 = Slab::new();
        }
        Some(Box::new(tap))
    }

    /// Gives a message to all connections but one.
    pub(super) fn deliver(&self, message: &X, except: Option<usize>, garbage: &mut Garbage) {
        for (_, tap) in &self.0 {
            if except.is_none_or(|one| tap.connection() != one) {
                garbage.extend(tap.deliver(message));
            }
        }
    }

    pub(super) fn lagged(&self, missed: u64) {
        self.0.iter().for_each(|(_, tap)| tap.lagged(missed));
    }
}

/// What is dropped when no lock is held, because dropping it is the user's code. Declared before the
/// lock is taken, it is dropped after that has been let go of.
#[derive(Default)]
pub(super) struct Garbage(Vec<Box<dyn Any + Send>>);

impl Garbage {
    pub(super) fn extend(&mut self, what: Option<Box<dyn Any + Send>>) {
        self.0.extend(what);
    }
}
