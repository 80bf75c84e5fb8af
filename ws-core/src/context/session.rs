//! The state of a connection. Commands of the context change it, and the driver reads it.
//!
//! PERF: the accessors that run in every iteration are `#[inline(always)]`; budget: text64, info.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::Instant;

use crate::close::CloseReason;
use crate::connections::ConnectionPermit;
use crate::error::HandlerError;
use crate::handler::Handler;
use crate::mailbox::Mailbox;
use crate::panic::catch;
use crate::reply::{DeferredReply, Replies};
use crate::timer::Timers;
use crate::topic::{Delivery, QueueItem, Subscriptions, new_connection_id};
use crate::wire::Connection;
use crate::work::{Completed, Work};

/// Frames of topics that are sent before other work follows. A publisher on another thread may refill the
/// queue as fast as the connection empties it.
const MAX_FORWARDED_FRAMES: usize = 64;

/// What a handler has not handled: its mailbox, its subscriptions with their queue, and its futures.
pub(crate) type PendingMessages<I> = (VecDeque<I>, Option<Box<Subscriptions<I>>>, Option<Box<Work<I>>>);

/// The state of a connection that commands change.
pub(crate) struct Session<H: Handler> {
    pub(crate) wire: Connection,
    pub(crate) timers: Timers<H::Info>,
    pub(crate) mailbox: Option<Arc<Mailbox<H::Info>>>,
    /// The subscriptions. Boxed because most connections have none.
    pub(crate) subscriptions: Option<Box<Subscriptions<H::Info>>>,
    /// The waker of the connection's task. A mailbox that is created later gets a clone.
    pub(crate) waker: Option<Waker>,
    /// The futures of deferred replies and of [`Context::spawn`](super::Context::spawn), and what is as rare. Boxed
    /// because most connections have none.
    pub(crate) work: Option<Box<Work<H::Info>>>,
    pub(crate) permit: Option<ConnectionPermit>,
}

impl<H: Handler> Session<H> {
    pub(super) fn new(wire: Connection) -> Self {
        Self {
            wire,
            timers: Timers::new(),
            mailbox: None,
            subscriptions: None,
            waker: None,
            work: (!H::STATES.is_empty()).then(|| Box::new(Work::with_states())),
            permit: None,
        }
    }

    /// Returns the close reason. A connection that has none ends because its server shuts down.
    pub(crate) fn close_reason(&self) -> CloseReason {
        self.wire.close_reason().cloned().unwrap_or(CloseReason::Shutdown)
    }

    /// Returns whether `waker` wakes the same task as the registered waker.
    #[inline(always)]
    pub(crate) fn will_wake(&self, waker: &Waker) -> bool {
        self.waker.as_ref().is_some_and(|own| own.will_wake(waker))
    }

    pub(crate) fn set_waker(&mut self, waker: &Waker) {
        self.waker = Some(waker.clone());
        if let Some(mailbox) = &self.mailbox {
            mailbox.register(waker);
        }
        if let Some(subscriptions) = &self.subscriptions {
            subscriptions.queue.register(waker);
        }
    }

    /// Stores the error of a `send` or a subscription of the running method, for `#[on_error]`. The first one counts.
    #[cold]
    pub(crate) fn fail(&mut self, error: HandlerError) {
        let work = self.work.get_or_insert_with(|| Box::new(Work::new()));
        work.failure.get_or_insert_with(|| Box::new(error));
    }

    /// Takes the error of the method that has run.
    // PERF: called for every message. budget: text64
    #[inline(always)]
    pub(crate) fn take_failure(&mut self) -> Option<Box<HandlerError>> {
        self.work.as_mut()?.failure.take()
    }

    /// Ready when the outbox is below its high-water mark, or when nothing more can be sent.
    pub(super) fn poll_flushed(&mut self, task: &TaskContext<'_>) -> Poll<()> {
        if !self.is_congested() {
            return Poll::Ready(());
        }
        let waker = &mut self.work.get_or_insert_with(|| Box::new(Work::new())).flush_waker;
        match waker {
            Some(waker) => waker.clone_from(task.waker()),
            none => *none = Some(task.waker().clone()),
        }
        Poll::Pending
    }

    /// Wakes the method that waits in [`poll_flushed`](Self::poll_flushed), if its wait is over.
    pub(crate) fn wake_flushed(&mut self) {
        let is_congested = self.is_congested();
        if let Some(work) = &mut self.work
            && !is_congested
            && let Some(waker) = work.flush_waker.take()
        {
            waker.wake();
        }
    }

    fn is_congested(&self) -> bool {
        self.wire.is_above_high_water() && !self.wire.is_closing()
    }

    /// Returns the subscriptions, creating them if needed; `None` if the connection is closing.
    pub(crate) fn open_subscriptions(&mut self) -> Option<&mut Subscriptions<H::Info>> {
        if self.wire.close_reason().is_some() {
            return None;
        }
        let make = || {
            let mailbox = self.mailbox.as_ref();
            let id = mailbox.map_or_else(new_connection_id, |mailbox| mailbox.connection_id());
            Box::new(Subscriptions::new(self.wire.options(), self.waker.clone(), id))
        };
        Some(self.subscriptions.get_or_insert_with(make))
    }

    /// Returns when the next timer is due; `None` if the connection is closing.
    #[inline(always)]
    pub(crate) fn next_timer(&self) -> Option<Instant> {
        if self.wire.is_open() { self.timers.deadline() } else { None }
    }

    #[inline(always)]
    pub(crate) fn has_due_timer(&self, now: Instant) -> bool {
        self.next_timer().is_some_and(|deadline| deadline <= now)
    }

    #[inline(always)]
    pub(crate) fn has_messages(&self) -> bool {
        self.mailbox.as_ref().is_some_and(|mailbox| mailbox.has_messages())
            || self.has_published()
            || self.has_unsent_calls()
    }

    /// Returns whether a message waits, or a future runs.
    #[inline(always)]
    pub(crate) fn has_messages_or_work(&self) -> bool {
        // PERF: one branch for the common connection, which has none of them. budget: text64
        (self.mailbox.is_some() | self.subscriptions.is_some() | self.work.is_some())
            && (self.has_messages() || self.has_work())
    }

    /// Returns whether a published message can be taken from the delivery queue.
    ///
    /// While the client is too slow, messages stay in the queue, where the `overflow` option applies. An
    /// overflow that closes the connection is reported in any case.
    #[inline(always)]
    fn has_published(&self) -> bool {
        self.subscriptions.as_ref().is_some_and(|subscriptions| subscriptions.queue.has_items())
            && (!self.wire.holds_published() || self.has_overflowed())
    }

    #[cold]
    fn has_overflowed(&self) -> bool {
        self.subscriptions.as_ref().is_some_and(|subscriptions| subscriptions.queue.has_overflowed())
    }

    /// Returns whether the handler has a mailbox.
    pub(crate) fn has_mailbox(&self) -> bool {
        self.mailbox.is_some()
    }

    pub(crate) fn next_message(&mut self) -> Option<H::Info> {
        self.mailbox.as_ref()?.pop()
    }

    /// Takes the next published message.
    pub(crate) fn next_published(&mut self) -> Option<QueueItem<H::Info>> {
        if self.has_published() { self.subscriptions.as_ref()?.queue.pop() } else { None }
    }

    /// Sends the client the published frames at the front of the queue, without the handler.
    #[inline(always)]
    pub(crate) fn forward(&mut self) {
        if self.subscriptions.is_some() && self.wire.is_open() {
            self.forward_frames();
        }
    }

    /// Returns whether another published frame is at the front of the queue and may be sent.
    pub(crate) fn can_forward(&self) -> bool {
        let has_frame =
            || self.subscriptions.as_ref().is_some_and(|subscriptions| subscriptions.queue.has_frame());
        self.wire.is_open() && self.has_published() && has_frame()
    }

    #[inline(never)]
    fn forward_frames(&mut self) {
        for _ in 0..MAX_FORWARDED_FRAMES {
            if !self.has_published() {
                return;
            }
            let queue = self.subscriptions.as_ref().map(|subscriptions| &subscriptions.queue);
            let Some(item) = queue.and_then(|queue| queue.pop_frame()) else { return };
            match item {
                QueueItem::Message(Delivery::Frame(frame)) => self.wire.send_prepared(&frame),
                _ => self.wire.close_slow_client(),
            }
        }
    }

    /// Returns the destination of replies.
    // PERF: called for every message. budget: text64
    #[inline(always)]
    pub(crate) fn replies(&mut self) -> Replies<'_> {
        Replies { wire: &mut self.wire, deferred: &mut self.work }
    }

    /// Returns whether a future runs, or has completed and its output waits.
    #[inline(always)]
    pub(crate) fn has_work(&self) -> bool {
        self.work.as_ref().is_some_and(|work| work.len() > 0)
    }

    /// Returns whether the connection stays open for its futures, until the deadline of the drain.
    pub(crate) fn awaits_work(&self) -> bool {
        self.has_work() && self.wire.awaits_work()
    }

    /// Takes the output of a future, and registers the task if none has completed.
    pub(crate) fn next_completed(&mut self, task: &mut TaskContext<'_>) -> Option<Completed<H::Info>> {
        match self.work.as_mut()?.poll_next(task) {
            Poll::Ready(completed) => completed,
            Poll::Pending => None,
        }
    }

    /// Sends the replies that are ready, while an async method is pending. Other outputs are held back until the
    /// handler is free. Returns true if a future panicked, so that the method has to be cancelled.
    #[cold]
    pub(crate) fn send_completed(&mut self, task: &mut TaskContext<'_>) -> bool {
        while let Some(Poll::Ready(Some(completed))) = self.work.as_mut().map(|work| work.poll_running(task))
        {
            let held = match completed {
                Completed::Reply(reply) => match catch(|| self.send_deferred(reply)) {
                    Ok(Ok(())) => continue,
                    Ok(Err(error)) => Completed::Failed(error),
                    Err(panic) => Completed::Panicked(panic),
                },
                held => held,
            };
            let has_panicked = matches!(held, Completed::Panicked(_));
            if let Some(work) = &mut self.work {
                work.hold(held);
            }
            if has_panicked {
                return true;
            }
        }
        false
    }

    /// Sends a reply whose future has completed.
    pub(crate) fn send_deferred(&mut self, reply: DeferredReply) -> Result<(), HandlerError> {
        reply(&mut self.replies())
    }

    /// Cancels the futures of a connection that sends no more replies.
    pub(crate) fn cancel_work(&mut self) {
        if let Some(work) = &mut self.work {
            work.cancel();
        }
    }

    /// Closes the mailbox and takes the queued messages, which are not handled, and the futures.
    pub(crate) fn take_pending(&mut self) -> PendingMessages<H::Info> {
        let messages = self.mailbox.as_ref().map_or_else(VecDeque::new, |mailbox| mailbox.close_and_drain());
        (messages, self.subscriptions.take(), self.work.take())
    }

    /// Closes the mailbox and the delivery queue. Queued messages can still be handled.
    pub(crate) fn close_mailbox(&self) {
        if let Some(mailbox) = &self.mailbox {
            mailbox.close();
        }
        if let Some(subscriptions) = &self.subscriptions {
            subscriptions.queue.close();
        }
    }
}

/// Closes the mailbox however the connection ended, so that senders get [`SendError::Closed`].
///
/// [`SendError::Closed`]: crate::SendError::Closed
impl<H: Handler> Drop for Session<H> {
    fn drop(&mut self) {
        self.take_pending();
    }
}
