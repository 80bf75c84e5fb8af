//! The broker side of a channel: messages to other processes, and messages and members from them.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::broker::{Loss, RecoveredItem, RecoveredMessages, RemoteEvents, RemoteMessage, RemoteTopic};
use super::channel::Channel;
use super::position::Position;
use super::presence::{MemberId, Presence};
use super::publish_ack::PublishAck;
use super::published::Published;
use super::recovery_buffer::RecoveryBuffer;
use super::since::Since;
use super::subscribers::{DeferredDrop, Subscriber};
use super::subscription::{Recovering, Recovery, SubscriptionKind};
use crate::error::PublishError;
use crate::metrics::{on_delivered, on_published, on_recovery};
use crate::panic::catch;

impl<T: Send + Sync + 'static> Channel<T> {
    /// Publishes a value to the subscribers of all processes, except the connection `except`. If the broker
    /// rejects the value, no subscriber receives it.
    pub(super) fn publish_remote(
        &self,
        remote: &dyn RemoteTopic,
        value: T,
        except: Option<usize>,
    ) -> Result<PublishAck, PublishError> {
        remote.check()?;
        let frame = self.codec()?.encode(&value)?;
        let payload = frame.payload();
        if remote.has_history() {
            return remote.publish(payload, except).map(PublishAck::remote).inspect(|_| on_published());
        }
        let message = Published::new(Arc::clone(&self.name), value);
        message.set_frame(frame);
        let mut deferred = DeferredDrop::default();
        let state = self.lock();
        // Called under the lock, so that all processes receive this process's messages in the same order.
        remote.publish(payload, None)?;
        on_published();
        on_delivered(state.subscribers.deliver(&message, except, &mut deferred));
        Ok(PublishAck::ready(None))
    }

    /// Adds a subscriber and starts its recovery. New messages are buffered until the recovery ends.
    pub(super) fn recover_remote(
        self: &Arc<Self>,
        remote: &Arc<dyn RemoteTopic>,
        subscriber: Box<dyn Subscriber<Published<T>>>,
        kind: SubscriptionKind,
        since: Since,
    ) -> (usize, Recovering) {
        let buffer = RecoveryBuffer::new(subscriber);
        let slot = self.subscribe(Box::new(Arc::clone(&buffer)), kind);
        let (sender, recovering) = Recovering::pending();
        if !remote.has_history() {
            self.finish_recovery(&buffer, None, None);
            // Messages of other processes arrive from the confirmation on.
            let confirmed = remote.wait_subscribed();
            remote.spawn(Box::pin(async move {
                let _ = confirmed.await;
                let _ = sender.send(Recovery::default());
            }));
            return (slot, recovering);
        }
        let guard = RecoveryGuard { channel: Arc::clone(self), buffer };
        let found = remote.recover(since);
        remote.spawn(Box::pin(async move {
            let RecoveryGuard { channel, buffer } = &guard;
            let found = found.await;
            // Fails if the handler does not await the recovery.
            let recovery = channel.finish_recovery(buffer, since.position(), found);
            on_recovery(recovery.recovered);
            let _ = sender.send(recovery);
        }));
        (slot, recovering)
    }

    /// Delivers the recovered messages and then the buffered ones.
    fn finish_recovery(
        &self,
        buffer: &Arc<RecoveryBuffer<T>>,
        requested: Option<Position>,
        found: Option<RecoveredMessages>,
    ) -> Recovery {
        let mut deferred = DeferredDrop::default();
        let Some(RecoveredMessages { mut recovered, is_unchanged, mut position, missed }) = found else {
            let _state = self.lock();
            if !buffer.is_detached() {
                buffer.flush(None, &mut deferred);
            }
            return Recovery::default();
        };
        // A message that does not decode counts as missed.
        let decode = |item| match item {
            RecoveredItem::Message(message) if message.except == Some(buffer.connection_id()) => None,
            RecoveredItem::Message(message) => Some(self.decode(&message).ok_or(1)),
            RecoveredItem::Lost(missed) => Some(Err(missed)),
        };
        let missed: Vec<_> = missed.into_iter().filter_map(decode).collect();
        let mut state = self.lock();
        if buffer.is_detached() {
            return Recovery::default();
        }
        // The broker cannot prove completeness once it has deleted the requested message. Still nothing is
        // missing if it stores no later message and this process has received none.
        recovered |= is_unchanged && state.last_position == requested;
        if recovered {
            for message in &missed {
                buffer.deliver_recovered(message.as_ref().map_err(|missed| *missed));
            }
            buffer.flush(Some(position), &mut deferred);
        } else {
            position = buffer.flush_unrecovered(requested, position, &mut deferred);
        }
        if state
            .last_position
            .is_none_or(|last| last.epoch != position.epoch || last.offset < position.offset)
        {
            state.last_position = Some(position);
        }
        Recovery { recovered, position: Some(position) }
    }

    /// Delivers the buffered messages after a gap of unknown size.
    fn flush_incomplete(&self, buffer: &Arc<RecoveryBuffer<T>>) {
        let mut deferred = DeferredDrop::default();
        let _state = self.lock();
        if !buffer.is_detached() {
            buffer.lagged(0);
            buffer.flush(None, &mut deferred);
        }
    }

    /// Decodes a message. Returns `None` if the codec fails or panics.
    fn decode(&self, remote_message: &RemoteMessage) -> Option<Published<T>> {
        // The error is user code too: formatting and dropping it happen inside of `catch`.
        let decode = || {
            let decoded = self.codec().ok()?.decode(&remote_message.payload).inspect_err(|error| {
                tracing::debug!(topic = &*self.name, %error, "cannot decode a message of another process");
            });
            decoded.ok()
        };
        let Ok(decoded) = catch(decode) else {
            tracing::error!(topic = &*self.name, "the codec of a topic panicked");
            return None;
        };
        let mut message = Published::new(Arc::clone(&self.name), decoded?);
        if let Some(position) = remote_message.position {
            message.set_position(position);
        }
        if self.frame_subscribers.load(Ordering::Relaxed) > 0 {
            message.set_frame(self.codec().ok()?.frame(&remote_message.payload).ok()?);
        }
        Some(message)
    }
}

/// Guard of a running recovery. If the recovery ends early, by a panic or for want of a runtime, dropping
/// the guard flushes the buffer, so that the subscriber receives new messages.
struct RecoveryGuard<T: Send + Sync + 'static> {
    channel: Arc<Channel<T>>,
    buffer: Arc<RecoveryBuffer<T>>,
}

impl<T: Send + Sync + 'static> Drop for RecoveryGuard<T> {
    fn drop(&mut self) {
        if self.buffer.is_flushed() {
            return;
        }
        // Flushing drops user values, and a panic in there would abort the process during another panic.
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
            let Some(decoded) = &mut message else {
                return state.subscribers.lagged(1);
            };
            // Checked under the lock, because a subscriber that takes frames may be added meanwhile.
            if self.frame_subscribers.load(Ordering::Relaxed) == 0 || decoded.frame().is_some() {
                state.last_position = remote_message.position.or(state.last_position);
                let delivered = state.subscribers.deliver(decoded, remote_message.except, &mut deferred);
                return on_delivered(delivered);
            }
            drop(state);
            match self.codec().map(|codec| codec.frame(&remote_message.payload)) {
                Ok(Ok(frame)) => decoded.set_frame(frame),
                _ => message = None,
            }
        }
    }

    fn lagged(&self, subscription_generation: u64, missed: u64) {
        let mut state = self.lock();
        if state.subscription_generation == subscription_generation {
            // After a loss, the last position no longer proves that a recovery is complete.
            state.last_position = None;
            state.subscribers.lagged(missed);
        }
    }

    fn lost(&self, subscription_generation: u64, loss: Loss) {
        let mut state = self.lock();
        if state.subscription_generation == subscription_generation {
            state.last_position = None;
            state.subscribers.lost(loss);
        }
    }

    fn publish_uncertain(&self) {
        self.lock().subscribers.lagged(0);
    }

    fn member_joined(&self, id: MemberId, name: &str) -> bool {
        let mut deferred = DeferredDrop::default();
        let mut state = self.lock();
        let Ok(joined) = state.members.add_remote(&self.name, id, name) else { return false };
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
