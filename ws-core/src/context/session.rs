//! The state of a connection, which commands act upon and the driver looks at.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Instant;

use crate::close::CloseReason;
use crate::error::HandlerError;
use crate::handler::Handler;
use crate::mailbox::Mailbox;
use crate::timer::Timers;
use crate::topic::{Delivery, QueueItem, Subscriptions};
use crate::wire::Connection;

/// Where the state of the connection is. A handler without async methods has it for itself; one
/// with them shares it with the driver, which answers pings while a method is pending. The lock is
/// then taken for each command and never waited for: the driver runs when the method does not.
pub(crate) enum SessionCell<H: Handler> {
    Owned(Box<SessionState<Session<H>>>),
    Shared(Arc<SessionState<Mutex<Session<H>>>>),
}

/// All that is known of a connection. It is in one piece, so that the task has no more than its address.
pub(crate) struct SessionState<S> {
    session: S,
    info: ConnectionInfo,
}

/// What never changes, and needs no lock.
pub(super) struct ConnectionInfo {
    pub(super) peer_addr: Option<SocketAddr>,
    pub(super) subprotocol: Option<Box<str>>,
}

/// The driver's way to a session that is shared.
pub(crate) struct SharedSession<H: Handler>(Option<Arc<SessionState<Mutex<Session<H>>>>>);

impl<H: Handler> SharedSession<H> {
    /// There is one if there may be async methods.
    #[inline(always)]
    pub(crate) fn session(&self) -> Option<&Mutex<Session<H>>> {
        self.0.as_ref().map(|state| &state.session)
    }
}

impl<H: Handler> SessionCell<H> {
    /// The size of a connection's state in bytes.
    #[cfg(test)]
    pub(super) const STATE_SIZE: usize = if H::ASYNC {
        size_of::<SessionState<Mutex<Session<H>>>>()
    } else {
        size_of::<SessionState<Session<H>>>()
    };

    pub(super) fn new(session: Session<H>, info: ConnectionInfo) -> Self {
        if H::ASYNC {
            Self::Shared(Arc::new(SessionState { session: Mutex::new(session), info }))
        } else {
            Self::Owned(Box::new(SessionState { session, info }))
        }
    }

    #[inline(always)]
    pub(crate) fn session(&mut self) -> SessionGuard<'_, H> {
        // Which of the two it is has been decided by `H`, so that the compiler sees one.
        match self {
            Self::Owned(state) if !H::ASYNC => SessionGuard::Owned(&mut state.session),
            Self::Shared(state) if H::ASYNC => SessionGuard::Shared(lock(&state.session)),
            _ => unreachable!("the place is that of another kind of handler"),
        }
    }

    pub(super) fn info(&self) -> &ConnectionInfo {
        match self {
            Self::Owned(state) => &state.info,
            Self::Shared(state) => &state.info,
        }
    }

    /// Returns the handle by which the driver reaches the session while a method borrows the context.
    pub(super) fn shared(&self) -> SharedSession<H> {
        SharedSession(match self {
            Self::Owned(_) => None,
            Self::Shared(state) => Some(Arc::clone(state)),
        })
    }
}

/// What waits for a handler: its mail, and what was published.
pub(crate) type PendingMessages<I> = (VecDeque<I>, Option<Box<Subscriptions<I>>>);

/// The state that commands act upon.
pub(crate) struct Session<H: Handler> {
    pub(crate) wire: Connection,
    pub(crate) timers: Timers<H::Info>,
    pub(crate) mailbox: Option<Arc<Mailbox<H::Info>>>,
    /// What it has subscribed to; boxed because most connections have nothing of it.
    pub(crate) subscriptions: Option<Box<Subscriptions<H::Info>>>,
    /// The task of the connection: whoever wakes it is told if that is another, and a mailbox that is made
    /// later.
    pub(crate) waker: Option<Waker>,
    /// What a `send` of the running method failed with, or a subscription.
    pub(crate) failure: Option<Box<HandlerError>>,
}

impl<H: Handler> Session<H> {
    pub(super) fn new(wire: Connection) -> Self {
        Self { wire, timers: Timers::new(), mailbox: None, subscriptions: None, waker: None, failure: None }
    }

    /// Whether that is the task that is woken.
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

    /// Its topics, unless the connection ends.
    pub(crate) fn open_subscriptions(&mut self) -> Option<&mut Subscriptions<H::Info>> {
        if self.wire.close_reason().is_some() {
            return None;
        }
        let make = || Box::new(Subscriptions::new(self.wire.options(), self.waker.clone()));
        Some(self.subscriptions.get_or_insert_with(make))
    }

    /// When the next timer is due; at the end of the connection none is.
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
        // Most connections have neither.
        (self.mailbox.is_some() | self.subscriptions.is_some())
            && (self.mailbox.as_ref().is_some_and(|mailbox| mailbox.has_messages()) || self.has_published())
    }

    /// Whether something was published that the client can be told: one that does not read takes
    /// nothing more, and what that means is decided where it waits. That it has to end is news all the same.
    #[inline(always)]
    fn has_published(&self) -> bool {
        self.subscriptions.as_ref().is_some_and(|subscriptions| subscriptions.queue.has_items())
            && (!self.wire.is_above_high_water() || self.has_overflowed())
    }

    #[cold]
    fn has_overflowed(&self) -> bool {
        self.subscriptions.as_ref().is_some_and(|subscriptions| subscriptions.queue.has_overflowed())
    }

    pub(crate) fn next_message(&mut self) -> Option<H::Info> {
        self.mailbox.as_ref()?.pop()
    }

    /// The next of what was published.
    pub(crate) fn next_published(&mut self) -> Option<QueueItem<H::Info>> {
        if self.has_published() { self.subscriptions.as_ref()?.queue.pop() } else { None }
    }

    /// Sends the client what it can be told without the handler.
    #[inline(always)]
    pub(crate) fn forward(&mut self) {
        if self.subscriptions.is_some() && self.wire.is_open() {
            self.forward_frames();
        }
    }

    /// Whether there is more of that, and room for it.
    pub(crate) fn can_forward(&self) -> bool {
        let has_frame =
            || self.subscriptions.as_ref().is_some_and(|subscriptions| subscriptions.queue.has_frame());
        self.wire.is_open() && self.has_published() && has_frame()
    }

    #[inline(never)]
    fn forward_frames(&mut self) {
        while self.has_published()
            && let Some(fed) =
                self.subscriptions.as_ref().and_then(|subscriptions| subscriptions.queue.pop_frame())
        {
            match fed {
                QueueItem::Message(Delivery::Frame(frame)) => self.wire.send_prepared(&frame),
                _ => self.wire.close_with(CloseReason::Overflow),
            }
        }
    }

    /// No more messages are accepted, and those that wait will not be handled.
    pub(crate) fn take_pending(&mut self) -> PendingMessages<H::Info> {
        let messages = self.mailbox.as_ref().map_or_else(VecDeque::new, |mailbox| mailbox.close_and_drain());
        (messages, self.subscriptions.take())
    }

    /// No more messages are accepted; those that wait can still be handled.
    pub(crate) fn close_mailbox(&self) {
        if let Some(mailbox) = &self.mailbox {
            mailbox.close();
        }
        if let Some(subscriptions) = &self.subscriptions {
            subscriptions.queue.close();
        }
    }
}

/// Whoever still has the address is told that the connection is gone, however it went.
impl<H: Handler> Drop for Session<H> {
    fn drop(&mut self) {
        self.take_pending();
    }
}

pub(crate) enum SessionGuard<'a, H: Handler> {
    Owned(&'a mut Session<H>),
    Shared(MutexGuard<'a, Session<H>>),
}

impl<H: Handler> Deref for SessionGuard<'_, H> {
    type Target = Session<H>;

    #[inline(always)]
    fn deref(&self) -> &Session<H> {
        match self {
            Self::Owned(session) => session,
            Self::Shared(session) => session,
        }
    }
}

impl<H: Handler> DerefMut for SessionGuard<'_, H> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut Session<H> {
        match self {
            Self::Owned(session) => session,
            Self::Shared(session) => session,
        }
    }
}

/// A reply that panics while it encodes poisons the lock; the outbox has dropped its frame.
pub(crate) fn lock<H: Handler>(session: &Mutex<Session<H>>) -> MutexGuard<'_, Session<H>> {
    session.lock().unwrap_or_else(PoisonError::into_inner)
}
