//! A topic that other processes have too: what comes from the broker and what goes there.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::broker::{Arrival, Carrier, Found, Inlet};
use super::channel::Channel;
use super::held::Held;
use super::position::Position;
use super::presence::{MemberId, Presence};
use super::published::Published;
use super::since::Since;
use super::subscription::{Recovering, Recovery};
use super::taps::{Garbage, Tap};
use crate::error::PublishError;
use crate::panic::catch;

impl<T: Send + Sync + 'static> Channel<T> {
    /// Gives a value to the subscribers of all processes, but for one connection. Nobody gets what the
    /// broker does not take.
    pub(super) fn publish_far(
        &self,
        carrier: &dyn Carrier,
        value: T,
        except: Option<usize>,
    ) -> Result<(), PublishError> {
        carrier.check()?;
        let frame = self.codec.encode(&value)?;
        let payload = frame.payload();
        if carrier.keeps() {
            return carrier.publish(payload, except);
        }
        let mut message = Published::new(Arc::clone(&self.name), value);
        message.set_frame(frame);
        let mut garbage = Garbage::default();
        let state = self.lock();
        // Under the lock, so that all processes have the messages of this one in the same order.
        carrier.publish(payload, None)?;
        state.subscribers.deliver(&message, except, &mut garbage);
        Ok(())
    }

    /// A subscriber that looks for what it has missed: what arrives meanwhile is held.
    pub(super) fn recover_far(
        self: &Arc<Self>,
        carrier: &Arc<dyn Carrier>,
        tap: Box<dyn Tap<Published<T>>>,
        since: Since,
    ) -> (usize, Recovering) {
        let held = Held::new(tap);
        let slot = self.subscribe(Box::new(Arc::clone(&held)), super::channel::Tie::Heard);
        if !carrier.keeps() {
            self.release(&held, None, None);
            return (slot, Recovering::done(Recovery::default()));
        }
        let (tell, recovering) = Recovering::later();
        let searching = Searching { channel: Arc::clone(self), held };
        let found = carrier.recover(since);
        carrier.spawn(Box::pin(async move {
            let Searching { channel, held } = &searching;
            let found = found.await;
            // Nobody may wait for it.
            let _ = tell.send(channel.release(held, since.position(), found));
        }));
        (slot, recovering)
    }

    /// Gives a subscriber what it has missed, and then what was held.
    fn release(&self, held: &Arc<Held<T>>, asked: Option<Position>, found: Option<Found>) -> Recovery {
        let mut garbage = Garbage::default();
        let Some(Found { mut recovered, is_quiet, mut position, missed }) = found else {
            let _state = self.lock();
            if !held.has_ended() {
                held.release(None, &mut garbage);
            }
            return Recovery::default();
        };
        let missed = missed.into_iter().filter(|one| one.except != Some(held.connection()));
        let missed: Vec<_> = missed.map(|one| self.receive(&one)).collect();
        let mut state = self.lock();
        if held.has_ended() {
            return Recovery::default();
        }
        // What the broker has forgotten, this process has heard: nothing came after that.
        recovered |= is_quiet && state.last == asked;
        if recovered {
            for message in &missed {
                held.give(message.as_ref());
            }
            held.release(Some(position), &mut garbage);
        } else {
            // It hears what has come since it has asked.
            position.offset =
                held.first().map_or(position.offset, |first| position.offset.min(first.saturating_sub(1)));
            held.release(None, &mut garbage);
        }
        if state.last.is_none_or(|last| last.epoch != position.epoch || last.offset < position.offset) {
            state.last = Some(position);
        }
        Recovery { recovered, position: Some(position) }
    }

    /// Gives a subscriber what was held, and says that something before it may be missing.
    fn abandon(&self, held: &Arc<Held<T>>) {
        let mut garbage = Garbage::default();
        let _state = self.lock();
        if !held.has_ended() {
            held.lagged(0);
            held.release(None, &mut garbage);
        }
    }

    /// The value of a message, if it is one. Decoding is the user's code.
    fn receive(&self, arrival: &Arrival) -> Option<Published<T>> {
        // What says that it is none is the user's too, to be written and to be dropped.
        let decode = || {
            let decoded = self.codec.decode(&arrival.payload).inspect_err(|error| {
                tracing::debug!(topic = &*self.name, %error, "a message of another process does not decode");
            });
            decoded.ok()
        };
        let Ok(decoded) = catch(decode) else {
            tracing::error!(topic = &*self.name, "the codec has panicked");
            return None;
        };
        let mut message = Published::new(Arc::clone(&self.name), decoded?);
        if let Some(position) = arrival.position {
            message.set_position(position);
        }
        if self.frames.load(Ordering::Relaxed) > 0 {
            message.set_frame(self.codec.frame(&arrival.payload).ok()?);
        }
        Some(message)
    }
}

/// A subscriber is held no longer than somebody searches for it, also if that comes to no end: it has
/// panicked, or there is no runtime to do it. Then it hears what is published from now on.
struct Searching<T: Send + Sync + 'static> {
    channel: Arc<Channel<T>>,
    held: Arc<Held<T>>,
}

impl<T: Send + Sync + 'static> Drop for Searching<T> {
    fn drop(&mut self) {
        if self.held.is_released() {
            return;
        }
        // What is dropped is the user's, perhaps in the middle of a panic.
        let _ = catch(|| self.channel.abandon(&self.held));
    }
}

impl<T: Send + Sync + 'static> Inlet for Channel<T> {
    fn arrived(&self, hearing: u64, arrival: Arrival) {
        let mut garbage = Garbage::default();
        let mut message = self.receive(&arrival);
        loop {
            let mut state = self.lock();
            if state.hearing != hearing {
                return;
            }
            let Some(received) = &mut message else {
                return state.subscribers.lagged(1);
            };
            // Somebody who takes frames may have come until the lock was held.
            if self.frames.load(Ordering::Relaxed) == 0 || received.frame().is_some() {
                state.last = arrival.position.or(state.last);
                return state.subscribers.deliver(received, arrival.except, &mut garbage);
            }
            drop(state);
            match self.codec.frame(&arrival.payload) {
                Ok(frame) => received.set_frame(frame),
                Err(_) => message = None,
            }
        }
    }

    fn lagged(&self, hearing: u64, missed: u64) {
        let mut state = self.lock();
        if state.hearing == hearing {
            // What it has heard last proves nothing any more.
            state.last = None;
            state.subscribers.lagged(missed);
        }
    }

    fn unsure(&self) {
        self.lock().subscribers.lagged(0);
    }

    fn came(&self, id: MemberId, name: &str) -> bool {
        let mut garbage = Garbage::default();
        let mut state = self.lock();
        let came = match state.members.came(&self.name, id, name) {
            Ok(came) => came,
            Err(_full) => return false,
        };
        if let Some(member) = came {
            state.watchers.deliver(&Presence::Joined(member), None, &mut garbage);
        }
        true
    }

    fn went(&self, id: MemberId) {
        let mut garbage = Garbage::default();
        let mut state = self.lock();
        if let Some(member) = state.members.went(id) {
            state.watchers.deliver(&Presence::Left(member), None, &mut garbage);
        }
    }

    fn is_watched(&self) -> bool {
        self.lock().watchers.len() > 0
    }
}
