//! The link between a session's task and the requests that resume the session.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::time::Duration;

use super::channel::SessionChannel;
use super::control::{Greeting, append_frame};
use super::replaced::{close_frame, end_stream};
use super::scope::ScopeHash;
use super::token::Token;
use crate::options::{Options, SessionOptions};
use crate::sync::lock;
use crate::transport::ByteStream;

/// The streams of a session that are being closed because another one replaced them. Further ones are dropped.
const MAX_REPLACED: u8 = 4;

/// The code after the object `reconnect`.
const RECONNECT: u16 = 1012;

/// The POSTs of a session at once: one, and those whose client has given up unnoticed.
const MAX_POSTS: u8 = 8;

/// A connection that is to carry a session.
pub(crate) struct Attachment {
    /// The stream of frames: unmasked to the client, masked from it.
    pub(crate) stream: Box<dyn ByteStream>,
    /// The bytes that were already read from the stream.
    pub(crate) input: Vec<u8>,
    /// The number of the last message that the client has.
    pub(crate) received: u64,
    pub(crate) peer: Option<IpAddr>,
    /// The way for messages from other requests, if the stream has one.
    pub(crate) channel: Option<Arc<SessionChannel>>,
    /// The interval for the object that begins the connection.
    pub(crate) interval: Option<Duration>,
    /// How soon after the end of the stream another one has to follow, so that the session is not detached between
    /// them.
    pub(crate) grace: Duration,
}

impl Attachment {
    /// Attaches a stream that carries both directions.
    pub(crate) fn new(
        stream: Box<dyn ByteStream>,
        input: Vec<u8>,
        received: u64,
        peer: Option<IpAddr>,
    ) -> Self {
        Self { stream, input, received, peer, channel: None, interval: None, grace: Duration::ZERO }
    }
}

/// A session, as requests see it.
pub(crate) struct SessionLink {
    token: Token,
    /// The hash of the path.
    path: u32,
    /// The hash of the first origin of a request of the session, or zero.
    origin: AtomicU32,
    /// Boxed twice, because few sessions have one.
    subprotocol: Option<Box<Box<str>>>,
    /// The number of the client's last message that the session has.
    received: AtomicU64,
    /// The numbers of the last message that the client has acknowledged, and of the last that was sent.
    acked: AtomicU64,
    sent: AtomicU64,
    /// Whether the state has changed in a way that concerns the session's task.
    has_news: AtomicBool,
    replaced: AtomicU8,
    posts: AtomicU8,
    state: Mutex<LinkState>,
}

struct LinkState {
    /// The waker of the session's task.
    waker: Option<Waker>,
    /// The stream that the task has not taken yet.
    handover: Option<Box<Attachment>>,
    /// Reservations, during which the session does not expire.
    reservations: u32,
    is_over: bool,
    is_superseded: bool,
    carrier: Option<Box<Carrier>>,
}

/// A connection with a channel.
struct Carrier {
    channel: Arc<SessionChannel>,
    peer: Option<IpAddr>,
}

/// What has happened to a session since its task looked last.
#[derive(Default)]
pub(super) struct News {
    pub(super) attachment: Option<Box<Attachment>>,
    pub(super) is_superseded: bool,
}

impl SessionLink {
    pub(super) fn new(token: Token, scope: ScopeHash, subprotocol: Option<Box<str>>) -> Self {
        Self {
            token,
            path: scope.path,
            origin: AtomicU32::new(scope.origin.unwrap_or(0)),
            subprotocol: subprotocol.map(Box::new),
            received: AtomicU64::new(0),
            acked: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            has_news: AtomicBool::new(false),
            replaced: AtomicU8::new(0),
            posts: AtomicU8::new(0),
            state: Mutex::new(LinkState {
                waker: None,
                handover: None,
                reservations: 0,
                is_over: false,
                is_superseded: false,
                carrier: None,
            }),
        }
    }

    /// Reserves the session for a client that has the server's messages up to `received`. The session does not
    /// expire while the reservation lives.
    ///
    /// Returns `None` if the session is over, or if it cannot send what the client lacks. In the second case the
    /// session ends with [`CloseReason::Superseded`](crate::CloseReason::Superseded).
    pub(crate) fn reserve(self: &Arc<Self>, received: u64) -> Option<Reservation> {
        let (acked, sent) = (self.acked.load(Ordering::Acquire), self.sent.load(Ordering::Acquire));
        let is_kept = (acked..=sent).contains(&received);
        let mut state = lock(&self.state);
        if state.is_over || state.is_superseded {
            return None;
        }
        if is_kept {
            state.reservations += 1;
            return Some(Reservation { link: Arc::clone(self) });
        }
        state.is_superseded = true;
        self.notify(&mut state);
        None
    }

    /// Returns the number of the client's last message that the session has.
    pub(crate) fn received(&self) -> u64 {
        self.received.load(Ordering::Acquire)
    }

    /// Returns whether the session can be resumed no more.
    pub(crate) fn is_over(&self) -> bool {
        let state = lock(&self.state);
        state.is_over || state.is_superseded
    }

    /// Returns the address of the client whose connection has a [`channel`](Self::channel).
    pub(crate) fn peer(&self) -> Option<IpAddr> {
        lock(&self.state).carrier.as_ref()?.peer
    }

    /// Returns the channel of the connection that carries the session, or that carried it within its grace.
    pub(crate) fn channel(&self) -> Option<Arc<SessionChannel>> {
        lock(&self.state).carrier.as_ref().map(|carrier| Arc::clone(&carrier.channel))
    }

    /// Returns whether a request may be for this session. Its origin becomes that of the session, if it is the first.
    pub(super) fn accepts(&self, scope: ScopeHash) -> bool {
        let is_origin =
            |origin| match self.origin.compare_exchange(0, origin, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => true,
                Err(bound) => bound == origin,
            };
        self.path == scope.path && scope.origin.is_none_or(is_origin)
    }

    pub(super) fn token(&self) -> Token {
        self.token
    }

    pub(super) fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref().map(|name| &**name)
    }

    /// Publishes the numbers of messages: received, acknowledged, sent.
    #[inline]
    pub(super) fn publish(&self, received: u64, acked: u64, sent: u64) {
        self.received.store(received, Ordering::Release);
        self.acked.store(acked, Ordering::Release);
        self.sent.store(sent, Ordering::Release);
    }

    /// Publishes the number of the client's last message.
    #[inline]
    pub(super) fn publish_received(&self, received: u64) {
        self.received.store(received, Ordering::Release);
    }

    /// Publishes the number of the last message that was sent.
    #[inline]
    pub(super) fn publish_sent(&self, sent: u64) {
        self.sent.store(sent, Ordering::Release);
    }

    /// Registers the waker of the session's task.
    pub(super) fn register(&self, waker: &Waker) {
        let previous = lock(&self.state).waker.replace(waker.clone());
        // Dropped without the lock, because a waker may drop a whole task.
        drop(previous);
    }

    /// Returns whether something has happened since the last call of [`take_news`](Self::take_news).
    // PERF: one load in every poll of a session. budget: session64
    #[inline]
    pub(super) fn has_news(&self) -> bool {
        self.has_news.load(Ordering::Relaxed)
    }

    /// Returns what has happened since the last call.
    pub(super) fn take_news(&self) -> Option<News> {
        if !self.has_news() || !self.has_news.swap(false, Ordering::Acquire) {
            return None;
        }
        let mut state = lock(&self.state);
        Some(News { attachment: state.handover.take(), is_superseded: state.is_superseded })
    }

    /// Records the connection that carries the session now.
    pub(super) fn on_attached(&self, peer: Option<IpAddr>, channel: Option<Arc<SessionChannel>>) {
        let carrier = channel.map(|channel| Box::new(Carrier { channel, peer }));
        let previous = std::mem::replace(&mut lock(&self.state).carrier, carrier);
        drop(previous);
    }

    /// Records that no connection carries the session.
    pub(super) fn on_detached(&self) {
        let carrier = lock(&self.state).carrier.take();
        drop(carrier);
    }

    /// Ends the session unless it is reserved. Returns whether it is over.
    pub(super) fn try_expire(&self) -> bool {
        let mut state = lock(&self.state);
        if state.reservations == 0 && state.handover.is_none() {
            state.is_over = true;
        }
        state.is_over
    }

    /// Ends the session: it can be resumed no more.
    pub(super) fn end(self: &Arc<Self>) {
        let (handover, carrier) = {
            let mut state = lock(&self.state);
            state.is_over = true;
            (state.handover.take(), state.carrier.take())
        };
        drop(carrier);
        if let Some(attachment) = handover {
            close_late(self, *attachment);
        }
    }

    /// Returns a guard for a stream that is being closed, or `None` if there are too many.
    pub(super) fn begin_replacement(self: &Arc<Self>) -> Option<ReplacedStream> {
        let count = |count| (count < MAX_REPLACED).then_some(count + 1);
        self.replaced.fetch_update(Ordering::AcqRel, Ordering::Acquire, count).ok()?;
        Some(ReplacedStream(Arc::clone(self)))
    }

    /// Returns a guard for a POST, or `None` if there are too many.
    pub(crate) fn begin_post(self: &Arc<Self>) -> Option<PostGuard> {
        let count = |count| (count < MAX_POSTS).then_some(count + 1);
        self.posts.fetch_update(Ordering::AcqRel, Ordering::Acquire, count).ok()?;
        Some(PostGuard(Arc::clone(self)))
    }

    fn notify(&self, state: &mut LinkState) {
        self.has_news.store(true, Ordering::Release);
        if let Some(waker) = &state.waker {
            waker.wake_by_ref();
        }
    }
}

impl std::fmt::Debug for SessionLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionLink").finish_non_exhaustive()
    }
}

/// A session that waits for a certain connection.
pub(crate) struct Reservation {
    link: Arc<SessionLink>,
}

impl Reservation {
    /// Hands the connection over to the session's task. If the session has ended meanwhile, its client begins a new
    /// one.
    pub(crate) fn attach(self, attachment: Attachment) {
        let mut state = lock(&self.link.state);
        if state.is_over {
            drop(state);
            close_late(&self.link, attachment);
            return;
        }
        // A connection that no task has taken yet has seen nothing of the session.
        let earlier = state.handover.replace(Box::new(attachment));
        self.link.notify(&mut state);
        drop(state);
        drop(earlier);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut state = lock(&self.link.state);
        state.reservations -= 1;
        // The task may wait for the end of the reservation, to expire.
        self.link.notify(&mut state);
    }
}

/// Closes a connection that another one of the session has replaced. Too many of one session are dropped at once.
pub(super) fn close_replaced(
    link: &Arc<SessionLink>,
    stream: Box<dyn ByteStream>,
    code: u16,
    timeout: Duration,
) {
    if let Some(guard) = link.begin_replacement() {
        end_stream(stream, close_frame(code), timeout, guard);
    }
}

/// Closes a connection that was to resume a session, which has ended since the request: its client begins a new session
/// at once.
fn close_late(link: &Arc<SessionLink>, attachment: Attachment) {
    // A session that is over waits for no client, and keeps nothing.
    let options = SessionOptions { resume: Duration::ZERO, buffer: 0, ..SessionOptions::DEFAULT };
    let greeting = Greeting {
        token: &link.token().to_text(),
        resumed: false,
        received: 0,
        options,
        interval: attachment.interval,
        subprotocol: link.subprotocol(),
    };
    let mut frames = greeting.to_frame();
    append_frame(&mut frames, "reconnect", "0");
    frames.extend_from_slice(&close_frame(RECONNECT));
    if let Some(guard) = link.begin_replacement() {
        end_stream(attachment.stream, frames, Options::DEFAULT.close_timeout, guard);
    }
}

/// A POST of a session.
pub(crate) struct PostGuard(Arc<SessionLink>);

impl Drop for PostGuard {
    fn drop(&mut self) {
        self.0.posts.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A stream that is being closed because another one has replaced it.
pub(super) struct ReplacedStream(Arc<SessionLink>);

impl Drop for ReplacedStream {
    fn drop(&mut self) {
        self.0.replaced.fetch_sub(1, Ordering::AcqRel);
    }
}
