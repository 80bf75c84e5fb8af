//! Messages that were decoded while a method was pending.

use std::collections::VecDeque;

use super::inbound_message::InboundMessage;

/// The queue of messages that wait for a pending method to complete, in order of arrival.
///
/// The queue is boxed, because few connections have one.
#[derive(Debug, Default)]
pub(super) struct ReadAheadQueue(Option<Box<QueuedMessages>>);

#[derive(Debug, Default)]
struct QueuedMessages {
    messages: VecDeque<InboundMessage<'static>>,
    bytes: usize,
}

impl ReadAheadQueue {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Returns the number of bytes that the messages occupy.
    #[inline]
    pub(super) fn bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |queue| queue.bytes)
    }

    pub(super) fn push(&mut self, message: InboundMessage<'_>) {
        let queue = self.0.get_or_insert_default();
        queue.bytes += message.queued_size();
        queue.messages.push_back(message.into_owned());
    }

    pub(super) fn pop(&mut self) -> Option<InboundMessage<'static>> {
        let queue = self.0.as_mut()?;
        let message = queue.messages.pop_front()?;
        queue.bytes -= message.queued_size();
        if queue.messages.is_empty() {
            self.0 = None;
        }
        Some(message)
    }
}
