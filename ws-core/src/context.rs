//! What a handler can do to its connection.

use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

use crate::address::{Addr, Mailbox};
use crate::close::Close;
use crate::error::HandlerError;
use crate::handler::{Handler, InfoOf};
use crate::reply::{IntoReply, Replies};
use crate::timer::{TimerId, Timers};
use crate::wire::Connection;

/// The connection, as its handler sees it: the commands of Cowboy, as methods.
///
/// Every command takes effect at once, in an `async fn` before the next `.await` is over: frames
/// go out, timers run and options count while the method waits.
pub struct Context<H: Handler> {
    place: Place<H>,
    peer_addr: Option<SocketAddr>,
    subprotocol: Option<Box<str>>,
}

/// Where the state of the connection is. A handler without async methods has it for itself; one
/// with them shares it with the driver, which answers pings while a method is pending. The lock is
/// then taken for each command and never waited for: the driver runs when the method does not.
enum Place<H: Handler> {
    Own(Box<Session<H>>),
    Shared(Arc<Mutex<Session<H>>>),
}

/// The state that commands act upon.
pub(crate) struct Session<H: Handler> {
    pub(crate) wire: Connection,
    pub(crate) timers: Timers<H::Info>,
    mailbox: Option<Arc<Mailbox<H::Info>>>,
    /// The task of the connection, for a mailbox that is made later.
    waker: Option<Waker>,
    /// What a `send` of the running method failed with.
    failure: Option<HandlerError>,
}

impl<H: Handler> Session<H> {
    pub(crate) fn set_waker(&mut self, waker: &Waker) {
        self.waker = Some(waker.clone());
        if let Some(mailbox) = &self.mailbox {
            mailbox.register(waker);
        }
    }

    /// When the next timer is due; at the end of the connection none is.
    pub(crate) fn next_timer(&self) -> Option<Instant> {
        if self.wire.is_open() { self.timers.deadline() } else { None }
    }

    pub(crate) fn has_due_timer(&self, now: Instant) -> bool {
        self.next_timer().is_some_and(|deadline| deadline <= now)
    }

    pub(crate) fn has_mail(&self) -> bool {
        self.mailbox.as_ref().is_some_and(|mailbox| mailbox.has_mail())
    }

    pub(crate) fn next_mail(&mut self) -> Option<H::Info> {
        self.mailbox.as_ref()?.pop()
    }

    /// No more messages are accepted, and those that wait will not be handled.
    pub(crate) fn end_mailbox(&self) -> VecDeque<H::Info> {
        self.mailbox.as_ref().map_or_else(VecDeque::new, |mailbox| mailbox.end())
    }

    /// No more messages are accepted; those that wait can still be handled.
    pub(crate) fn close_mailbox(&self) {
        if let Some(mailbox) = &self.mailbox {
            mailbox.close();
        }
    }
}

/// Whoever still has the address is told that the connection is gone, however it went.
impl<H: Handler> Drop for Session<H> {
    fn drop(&mut self) {
        self.end_mailbox();
    }
}

impl<H: Handler> Context<H> {
    pub(crate) fn new(
        wire: Connection,
        peer_addr: Option<SocketAddr>,
        subprotocol: Option<Box<str>>,
    ) -> Self {
        let session = Session { wire, timers: Timers::new(), mailbox: None, waker: None, failure: None };
        let place = if H::ASYNC {
            Place::Shared(Arc::new(Mutex::new(session)))
        } else {
            Place::Own(Box::new(session))
        };
        Self { place, peer_addr, subprotocol }
    }

    /// Sends a frame, or several: anything that a method may return. What cannot be sent (a value
    /// that does not encode, an `Err`) goes to `#[on_error]` when the method has ended.
    ///
    /// It never waits. Bytes that the client does not take are kept up to `outbox_limit`; beyond
    /// it the connection closes with [`CloseReason::Overflow`](crate::CloseReason::Overflow).
    /// After a close nothing is sent. Cowboy's `[Frame]`.
    pub fn send(&mut self, reply: impl IntoReply) {
        let mut session = self.session();
        if let Err(error) = reply.into_reply(&mut Replies(&mut session.wire)) {
            session.failure.get_or_insert(error);
        }
    }

    /// Closes the connection: what was sent before goes out, nothing after it, and `#[on_close]`
    /// is told [`CloseReason::Stop`](crate::CloseReason::Stop). `Close::default()` closes with
    /// 1000; a number or a [`CloseCode`](crate::CloseCode) will do. Cowboy's
    /// `{close, Code, Reason}` and `stop`.
    pub fn close(&mut self, close: impl Into<Close>) {
        self.send(close.into());
    }

    /// The address of this handler, for others to send messages to; Cowboy's `self()`.
    pub fn addr(&mut self) -> Addr<H> {
        let mut session = self.session();
        let session = &mut *session;
        let mailbox = session.mailbox.get_or_insert_with(|| {
            let mailbox = Mailbox::new(session.wire.options().mailbox, session.waker.clone());
            if session.wire.reason().is_some() {
                mailbox.close();
            }
            Arc::new(mailbox)
        });
        Addr(Arc::clone(mailbox))
    }

    /// Sends a message to this handler after `delay`; Cowboy's `erlang:start_timer`. It ends with
    /// the connection.
    pub fn send_after<M: InfoOf<H>>(&mut self, delay: Duration, message: M) -> TimerId {
        let at = later(now(), delay);
        self.session().timers.once(at, message.into_info())
    }

    /// Sends a message to this handler every `period`, first after one period; at least a
    /// millisecond. Ticks that were missed are skipped.
    pub fn send_every<M>(&mut self, period: Duration, message: M) -> TimerId
    where
        M: InfoOf<H> + Clone + Send + 'static,
    {
        let period = period.max(Duration::from_millis(1));
        let at = later(now(), period);
        self.session().timers.every(at, period, Box::new(move || message.clone().into_info()))
    }

    /// Stops a timer. False if it is not running any more; its last message may then be handled
    /// already.
    pub fn cancel(&mut self, timer: TimerId) -> bool {
        self.session().timers.cancel(timer)
    }

    /// Turns reading from the client off and on; Cowboy's `{active, boolean()}`. While it is off
    /// the client is pushed back by TCP, its pings and its close are not seen, and the idle timeout
    /// runs on, as in Cowboy. Messages and timers are still handled.
    pub fn set_active(&mut self, active: bool) {
        self.session().wire.set_active(active);
    }

    /// Changes the idle timeout, and starts it again; `None` turns it off. Cowboy's
    /// `{set_options, #{idle_timeout => …}}`.
    pub fn set_idle_timeout(&mut self, timeout: impl Into<Option<Duration>>) {
        let now = now();
        self.session().wire.set_idle_timeout(timeout.into(), now);
    }

    /// Changes the largest message that is accepted, in bytes, from the next frame on. Cowboy's
    /// `{set_options, #{max_frame_size => …}}`.
    pub fn set_max_message_size(&mut self, bytes: usize) {
        self.session().wire.set_max_message_size(bytes);
    }

    /// How many bytes wait for the client to take them.
    pub fn buffered(&mut self) -> usize {
        self.session().wire.outbox().len()
    }

    /// Where the client connected from; `None` over transports that have no addresses.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.peer_addr
    }

    /// The subprotocol that was agreed upon (RFC 6455 §1.9).
    pub fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref()
    }

    /// Sends what a method returned. If one of its own sends failed before, that is the error.
    pub(crate) fn reply(&mut self, reply: impl IntoReply) -> Result<(), HandlerError> {
        let mut session = self.session();
        let result = reply.into_reply(&mut Replies(&mut session.wire));
        session.failure.take().map_or(result, Err)
    }

    pub(crate) fn session(&mut self) -> SessionGuard<'_, H> {
        match &mut self.place {
            Place::Own(session) => SessionGuard::Own(session),
            Place::Shared(session) => SessionGuard::Shared(lock(session)),
        }
    }

    /// The driver's way to the session while a method has the context.
    pub(crate) fn share(&self) -> Option<Arc<Mutex<Session<H>>>> {
        match &self.place {
            Place::Own(_) => None,
            Place::Shared(session) => Some(Arc::clone(session)),
        }
    }
}

pub(crate) enum SessionGuard<'a, H: Handler> {
    Own(&'a mut Session<H>),
    Shared(MutexGuard<'a, Session<H>>),
}

impl<H: Handler> Deref for SessionGuard<'_, H> {
    type Target = Session<H>;

    fn deref(&self) -> &Session<H> {
        match self {
            Self::Own(session) => session,
            Self::Shared(session) => session,
        }
    }
}

impl<H: Handler> DerefMut for SessionGuard<'_, H> {
    fn deref_mut(&mut self) -> &mut Session<H> {
        match self {
            Self::Own(session) => session,
            Self::Shared(session) => session,
        }
    }
}

/// A reply that panics while it encodes poisons the lock; the outbox has dropped its frame.
pub(crate) fn lock<H: Handler>(session: &Mutex<Session<H>>) -> MutexGuard<'_, Session<H>> {
    session.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The runtime's clock, which tests can set.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// A time that far away is never reached anyway.
fn later(now: Instant, delay: Duration) -> Instant {
    now.checked_add(delay).unwrap_or_else(|| now + Duration::from_hours(24 * 365 * 30))
}

impl<H: Handler> fmt::Debug for Context<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("peer_addr", &self.peer_addr())
            .field("subprotocol", &self.subprotocol())
            .finish_non_exhaustive()
    }
}
