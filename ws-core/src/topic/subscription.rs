//! What a connection has to do with topics.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Waker};

use tokio::sync::oneshot;

use super::broker::BoxFuture;
use super::delivery_queue::{DeliveryQueue, TopicKey};
use super::position::Position;
use crate::error::BrokerError;
use crate::options::Options;

/// The topics of a connection; made with the first.
pub(crate) struct Subscriptions<I> {
    pub(crate) queue: Arc<DeliveryQueue<I>>,
    subscriptions: Vec<Subscription>,
}

/// One tie to one topic, which ends with it.
pub(crate) struct Subscription {
    topic: Arc<dyn Detach>,
    key: TopicKey,
    kind: SubscriptionKind,
    slot: usize,
}

/// What a connection has with a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SubscriptionKind {
    /// Its handler hears what is published.
    Handler,
    /// Its client is sent what is published.
    Client,
    /// Its handler hears who comes and goes.
    Presence,
    /// It is one of the members.
    Member,
}

/// A topic of any type, as its subscribers leave it.
pub(crate) trait Detach: Send + Sync {
    fn detach(&self, kind: SubscriptionKind, slot: usize);
}

impl<I> Subscriptions<I> {
    pub(crate) fn new(options: &Options, waker: Option<Waker>) -> Self {
        let queue = DeliveryQueue::new(options.mailbox, options.overflow, waker);
        Self { queue: Arc::new(queue), subscriptions: Vec::new() }
    }

    /// Whether there is such a tie already.
    pub(crate) fn contains(&self, key: TopicKey, kind: SubscriptionKind) -> bool {
        self.subscriptions.iter().any(|subscription| subscription.key == key && subscription.kind == kind)
    }

    pub(crate) fn add(&mut self, topic: Arc<dyn Detach>, key: TopicKey, kind: SubscriptionKind, slot: usize) {
        if self.subscriptions.is_empty() {
            // Many have no second.
            self.subscriptions.reserve_exact(1);
        }
        self.subscriptions.push(Subscription { topic, key, kind, slot });
    }

    /// Takes the ties of these kinds, which end when they are dropped.
    pub(crate) fn remove(&mut self, key: TopicKey, kinds: &[SubscriptionKind]) -> Vec<Subscription> {
        self.subscriptions
            .extract_if(.., |subscription| subscription.key == key && kinds.contains(&subscription.kind))
            .collect()
    }
}

/// What waits for nobody is dropped by whoever drops this.
impl<I> Drop for Subscriptions<I> {
    fn drop(&mut self) {
        self.queue.close();
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.topic.detach(self.kind, self.slot);
    }
}

/// A subscription that has begun. It need not be awaited: what is published in this process from now
/// on arrives. Awaited, it says that what other processes publish from now on does too. With a broker
/// and a history, where also this process hears from there, that is so for what anybody publishes.
///
/// ```
/// # use ws_core::prelude::*;
/// # #[websocket] struct Guest(Topic<String>);
/// #[websocket]
/// impl Guest {
///     #[on_open]
///     async fn open(&mut self, cx: &mut Context<Self>) -> &'static str {
///         cx.forward(&self.0).await;
///         "you hear everybody now"
///     }
/// }
/// ```
///
/// It is not undone by dropping it, but by [`Context::unsubscribe`](crate::Context::unsubscribe), or
/// by the end of the connection.
///
/// With a broker that takes a round trip. If the broker is away it is over after a few seconds: the
/// subscription begins when the broker is back, which subscribers are told by `#[on_lagged]`.
pub struct Subscribed(Option<BoxFuture<()>>);

impl Subscribed {
    pub(crate) fn new(ready: Option<BoxFuture<()>>) -> Self {
        Self(ready)
    }
}

impl Future for Subscribed {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<()> {
        self.0.as_mut().map_or(Poll::Ready(()), |ready| ready.as_mut().poll(task))
    }
}

impl fmt::Debug for Subscribed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscribed").finish_non_exhaustive()
    }
}

/// A membership that has begun ([`Context::join`](crate::Context::join)). It need not be awaited: this
/// process knows of the member. Awaited, it says that the broker knows too, so that
/// [`Topic::members`](crate::Topic::members) of other processes has it, and their watchers hear of it
/// soon.
///
/// It is not undone by dropping it, but by [`Context::leave`](crate::Context::leave), or by the end of
/// the connection.
///
/// # Errors
///
/// A [`BrokerError`], after five seconds at the most. As long as the member is there, it is tried again
/// every few seconds to tell the others, also after an error: it is for those who would rather not let
/// somebody in whom the others do not see. Without a broker there is none, unless the hub is closed.
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// # #[websocket] struct Guest { room: Topic<String>, name: &'static str }
/// #[websocket]
/// impl Guest {
///     #[on_open]
///     async fn open(&mut self, cx: &mut Context<Self>) -> Option<Close> {
///         match cx.join(&self.room, self.name).await {
///             Ok(()) => None,
///             Err(error) => Some(Close::new(1013, error.to_string())),
///         }
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let room = Hub::local().topic::<String>("room:lobby");
/// let _anna = TestClient::open(Guest { room: room.clone(), name: "anna" }).await;
/// assert_eq!(&*room.members().await[0].name, "anna");
/// # }
/// ```
pub struct Joined(JoinState);

enum JoinState {
    /// Pending once.
    Ready(Result<(), BrokerError>),
    Pending(BoxFuture<Result<(), BrokerError>>),
}

impl Joined {
    pub(crate) fn ready(joined: Result<(), BrokerError>) -> Self {
        Self(JoinState::Ready(joined))
    }

    pub(super) fn pending(pending: BoxFuture<Result<(), BrokerError>>) -> Self {
        Self(JoinState::Pending(pending))
    }
}

impl Future for Joined {
    type Output = Result<(), BrokerError>;

    fn poll(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            JoinState::Ready(joined) => Poll::Ready(std::mem::replace(joined, Ok(()))),
            JoinState::Pending(pending) => pending.as_mut().poll(task),
        }
    }
}

impl fmt::Debug for Joined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Joined").finish_non_exhaustive()
    }
}

/// A subscription that looks for what was missed: await it to know what came of it.
///
/// Cancelling that changes nothing: the subscription has begun. With a broker it takes three round trips
/// and more for more messages, and fifteen seconds at the most; what arrives meanwhile is held. If the
/// broker does not answer, nothing is recovered, and the subscription begins when it is back.
///
/// ```
/// # use ws_core::prelude::*;
/// # #[websocket] struct Guest { rooms: Vec<(Topic<String>, Option<Position>)> }
/// #[websocket]
/// impl Guest {
///     #[on_open]
///     async fn open(&mut self, cx: &mut Context<Self>) {
///         // All at once, and then whoever is the last.
///         let looking: Vec<_> =
///             self.rooms.iter().map(|(room, since)| cx.subscribe_from(room, *since)).collect();
///         for found in looking {
///             if !found.await.recovered {
///                 cx.send("reload, please");
///             }
///         }
///     }
///     #[on_info]
///     fn heard(&mut self, line: Published<String>) -> String {
///         line.to_string()
///     }
/// }
/// ```
#[must_use = "await it to know whether the client contains missed something"]
pub struct Recovering(RecoveryState);

enum RecoveryState {
    Ready(Recovery),
    Pending(oneshot::Receiver<Recovery>),
}

impl Recovering {
    pub(crate) fn ready(recovery: Recovery) -> Self {
        Self(RecoveryState::Ready(recovery))
    }

    /// One that is told.
    pub(super) fn pending() -> (oneshot::Sender<Recovery>, Self) {
        let (sender, pending) = oneshot::channel();
        (sender, Self(RecoveryState::Pending(pending)))
    }
}

impl Future for Recovering {
    type Output = Recovery;

    fn poll(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<Recovery> {
        match &mut self.0 {
            RecoveryState::Ready(recovery) => Poll::Ready(*recovery),
            // Nobody tells it when the runtime ends.
            RecoveryState::Pending(pending) => Pin::new(pending).poll(task).map(Result::unwrap_or_default),
        }
    }
}

impl fmt::Debug for Recovering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recovering").finish_non_exhaustive()
    }
}

/// What became of [`Context::subscribe_from`](crate::Context::subscribe_from).
///
/// ```
/// use ws_core::{Position, Recovery};
///
/// let position = Some(Position { epoch: 31, offset: 42 });
/// // As it is of who has never been here.
/// let recovery = Recovery { recovered: false, position };
/// assert_ne!(recovery, Recovery::default());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Whether everything arrives that was asked for, in order and each message once. If not, some
    /// of it is not known any more, or nothing was asked for, or the topic has no history, and what
    /// arrives is what is published from now on.
    pub recovered: bool,
    /// Where the history stands: the position of the last message before what arrives from now on;
    /// `None` if the topic has no history, or the broker does not answer. It counts what is recovered,
    /// which may still be on its way to the client: that keeps the position of each message
    /// ([`Published::position`](crate::Published::position)) instead.
    pub position: Option<Position>,
}
