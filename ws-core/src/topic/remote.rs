//! A topic that other processes have too: what comes from the broker and what goes there.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::broker::{RecoveredMessages, RemoteEvents, RemoteMessage, RemoteTopic};
use super::channel::Channel;
use super::position::Position;
use super::presence::{MemberId, Presence};
use super::published::Published;
use super::recovery_buffer::RecoveryBuffer;
use super::since::Since;
use super::subscribers::{DeferredDrop, Subscriber};
use super::subscription::{Recovering, Recovery};
use crate::error::PublishError;
use crate::panic::catch;

impl<T: Send + Sync + 'static> Channel<T> {
    /// Gives a value to the subscribers of all processes, but for one connection. Nobody gets what the
    /// broker does not take.
    pub(super) fn publish_remote(
        &self,
        remote: &dyn RemoteTopic,
        value: T,
        except: Option<usize>,
    ) -> Result<(), PublishError> {
        remote.check()?;
        let frame = self.codec.encode(&value)?;
        let payload = frame.payload();
        if remote.has_history() {
            return remote.publish(payload, except);
        }
        let mut message = Published::new(Arc::clone(&self.name), value);
        message.set_frame(frame);
        let mut deferred = DeferredDrop::default();
        let state = self.lock();
        // Under the lock, so that all processes have the messages of this one in the same order.
        remote.publish(payload, None)?;
        state.subscribers.deliver(&message, except, &mut deferred);
        Ok(())
    }

    /// A subscriber that looks for what it has missed: what arrives meanwhile is held.
    pub(super) fn recover_remote(
        self: &Arc<Self>,
        remote: &Arc<dyn RemoteTopic>,
        subscriber: Box<dyn Subscriber<Published<T>>>,
        since: Since,
    ) -> (usize, Recovering) {
        let buffer = RecoveryBuffer::new(subscriber);
        let slot =
            self.subscribe(Box::new(Arc::clone(&buffer)), super::subscription::SubscriptionKind::Handler);
        if !remote.has_history() {
            self.finish_recovery(&buffer, None, None);
            return (slot, Recovering::ready(Recovery::default()));
        }
        let (sender, recovering) = Recovering::pending();
        let guard = RecoveryGuard { channel: Arc::clone(self), buffer };
        let recovered = remote.recover(since);
        remote.spawn(Box::pin(async move {
            let RecoveryGuard { channel, buffer } = &guard;
            let recovered = recovered.await;
            // Nobody may wait for it.
            let _ = sender.send(channel.finish_recovery(buffer, since.position(), recovered));
        }));
        (slot, recovering)
    }

    /// Gives a subscriber what it has missed, and then what was held.
    fn finish_recovery(
        &self,
        buffer: &Arc<RecoveryBuffer<T>>,
        requested: Option<Position>,
        recovered: Option<RecoveredMessages>,
    ) -> Recovery {
        let mut deferred = DeferredDrop::default();
        let Some(RecoveredMessages { mut recovered, is_unchanged, mut position, missed }) = recovered else {
            let _state = self.lock();
            if !buffer.is_detached() {
                buffer.flush(None, &mut deferred);
            }
            return Recovery::default();
        };
        let missed = missed.into_iter().filter(|message| message.except != Some(buffer.connection_id()));
        let missed: Vec<_> = missed.map(|message| self.decode(&message)).collect();
        let mut state = self.lock();
        if buffer.is_detached() {
            return Recovery::default();
        }
        // What the broker has forgotten, this process has heard: nothing came after that.
        recovered |= is_unchanged && state.last_position == requested;
        if recovered {
            for message in &missed {
                buffer.deliver_recovered(message.as_ref());
            }
            buffer.flush(Some(position), &mut deferred);
        } else {
            // It hears what has come since it has asked.
            position.offset = buffer
                .first_offset()
                .map_or(position.offset, |first| position.offset.min(first.saturating_sub(1)));
            buffer.flush(None, &mut deferred);
        }
        if state.last_position.is_none_or(|last_position| {
            last_position.epoch != position.epoch || last_position.offset < position.offset
        }) {
            state.last_position = Some(position);
        }
        Recovery { recovered, position: Some(position) }
    }

    /// Gives a subscriber what was held, and says that something before it may be missing.
    fn flush_incomplete(&self, buffer: &Arc<RecoveryBuffer<T>>) {
        let mut deferred = DeferredDrop::default();
        let _state = self.lock();
        if !buffer.is_detached() {
            buffer.lagged(0);
            buffer.flush(None, &mut deferred);
        }
    }

    /// The value of a message, if it is one. Decoding is the user's code.
    fn decode(&self, remote_message: &RemoteMessage) -> Option<Published<T>> {
        // What says that it is none is the user's too, to be written and to be dropped.
        let decode = || {
            let decoded = self.codec.decode(&remote_message.payload).inspect_err(|error| {
                tracing::debug!(topic = &*self.name, %error, "a message of another process does not decode");
            });
            decoded.ok()
        };
        let Ok(decoded) = catch(decode) else {
            tracing::error!(topic = &*self.name, "the codec has panicked");
            return None;
        };
        let mut message = Published::new(Arc::clone(&self.name), decoded?);
        if let Some(position) = remote_message.position {
            message.set_position(position);
        }
        if self.frame_subscribers.load(Ordering::Relaxed) > 0 {
            message.set_frame(self.codec.frame(&remote_message.payload).ok()?);
        }
        Some(message)
    }
}

/// A subscriber is held no longer than somebody searches for it, also if that comes to no end: it has
/// panicked, or there is no runtime to do it. Then it hears what is published from now on.
struct RecoveryGuard<T: Send + Sync + 'static> {
    channel: Arc<Channel<T>>,
    buffer: Arc<RecoveryBuffer<T>>,
}

impl<T: Send + Sync + 'static> Drop for RecoveryGuard<T> {
    fn drop(&mut self) {
        if self.buffer.is_flushed() {
            return;
        }
        // What is dropped is the user's, perhaps in the middle of a panic.
        let _ = catch(|| self.channel.flush_incomplete(&self.buffer));
    }
}

impl<T: Send + Sync + 'static> RemoteEvents for Channel<T> {
    fn message_received(&self, subscription_generation: u64, remote_message: RemoteMessage) {
        let mut deferred = DeferredDrop::default();
        let mut message = self.decode(&remote_message);
        loop {
            let mut state = self.lock();
            if state.subscription_generation != subscription_generation {
                return;
            }
            let Some(received) = &mut message else {
                return state.subscribers.lagged(1);
            };
            // Somebody who takes frames may have come until the lock was held.
            if self.frame_subscribers.load(Ordering::Relaxed) == 0 || received.frame().is_some() {
                state.last_position = remote_message.position.or(state.last_position);
                return state.subscribers.deliver(received, remote_message.except, &mut deferred);
            }
            drop(state);
            match self.codec.frame(&remote_message.payload) {
                Ok(frame) => received.set_frame(frame),
                Err(_) => message = None,
            }
        }
    }

    fn lagged(&self, subscription_generation: u64, missed: u64) {
        let mut state = self.lock();
        if state.subscription_generation == subscription_generation {
            // What it has heard last proves nothing any more.
            state.last_position = None;
            state.subscribers.lagged(missed);
        }
    }

    fn publish_uncertain(&self) {
        self.lock().subscribers.lagged(0);
    }

    fn member_joined(&self, id: MemberId, name: &str) -> bool {
        let mut deferred = DeferredDrop::default();
        let mut state = self.lock();
        let joined = match state.members.add_remote(&self.name, id, name) {
            Ok(joined) => joined,
            Err(_full) => return false,
        };
        if let Some(member) = joined {
            state.watchers.deliver(&Presence::Joined(member), None, &mut deferred);
        }
        true
    }

    fn member_left(&self, id: MemberId) {
        let mut deferred = DeferredDrop::default();
        let mut state = self.lock();
        if let Some(member) = state.members.remove_remote(id) {
            state.watchers.deliver(&Presence::Left(member), None, &mut deferred);
        }
    }

    fn has_watchers(&self) -> bool {
        self.lock().watchers.len() > 0
    }
}
