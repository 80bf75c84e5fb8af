//! The subscriptions of a connection, and the futures that subscribing returns.

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

/// The subscriptions of a connection. Created with the first one.
pub(crate) struct Subscriptions<I> {
    pub(crate) queue: Arc<DeliveryQueue<I>>,
    subscriptions: Vec<Subscription>,
}

/// A subscription of one kind to one topic. Dropping it ends the subscription.
pub(crate) struct Subscription {
    topic: Arc<dyn Detach>,
    key: TopicKey,
    kind: SubscriptionKind,
    slot: usize,
}

/// The ways in which a connection can be attached to a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SubscriptionKind {
    /// The handler receives published messages.
    Handler,
    /// The client receives published messages, without the handler.
    Client,
    /// The handler receives [`Presence`](super::Presence) events.
    Presence,
    /// The connection is a member.
    Member,
}

/// A topic, whatever the type of its values, from which a subscription can be removed.
pub(crate) trait Detach: Send + Sync {
    /// Removes the subscription that is in this slot of the topic.
    fn detach(&self, kind: SubscriptionKind, slot: usize);
}

impl<I> Subscriptions<I> {
    pub(crate) fn new(options: &Options, waker: Option<Waker>, connection_id: usize) -> Self {
        let queue = DeliveryQueue::new(options.mailbox, options.overflow, waker, connection_id);
        Self { queue: Arc::new(queue), subscriptions: Vec::new() }
    }

    /// Returns whether the connection has a subscription of this kind to the topic.
    pub(crate) fn contains(&self, key: TopicKey, kind: SubscriptionKind) -> bool {
        self.subscriptions.iter().any(|subscription| subscription.key == key && subscription.kind == kind)
    }

    pub(crate) fn add(&mut self, topic: Arc<dyn Detach>, key: TopicKey, kind: SubscriptionKind, slot: usize) {
        if self.subscriptions.is_empty() {
            // Most connections have one subscription: allocate no more than that.
            self.subscriptions.reserve_exact(1);
        }
        self.subscriptions.push(Subscription { topic, key, kind, slot });
    }

    /// Removes and returns the subscriptions of these kinds, for the caller to drop without a lock.
    pub(crate) fn remove(&mut self, key: TopicKey, kinds: &[SubscriptionKind]) -> Vec<Subscription> {
        self.subscriptions
            .extract_if(.., |subscription| subscription.key == key && kinds.contains(&subscription.kind))
            .collect()
    }
}

/// Closes the queue, so that publishers add no more messages while the subscriptions end.
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

/// A subscription that has started. Dropping it does not end the subscription;
/// [`Context::unsubscribe`](crate::Context::unsubscribe) or the end of the connection does.
///
/// Messages of this process arrive from now on, whether or not this future is awaited. After it completes,
/// messages of other processes arrive as well. A topic with a broker and a history receives all messages from
/// the broker, so that then also those of this process arrive only after it completes.
///
/// ```
/// # use ws_core::prelude::*;
/// # #[websocket] struct Guest(Topic<String>);
/// #[websocket]
/// impl Guest {
///     #[on_open]
///     async fn open(&mut self, cx: &mut Context<Self>) -> &'static str {
///         match cx.forward(&self.0).await {
///             Ok(()) => "subscribed in all processes",
///             Err(_) => "messages of other processes may follow later",
///         }
///     }
/// }
/// ```
///
/// # Errors
///
/// A [`BrokerError`]; none without a broker, unless the hub is closed.
///
/// - [`Refused`](BrokerError::Refused): the broker rejects the subscription, for want of a permission or because
///   of a limit. `#[on_lagged]` gets a `0`.
/// - [`Disconnected`](BrokerError::Disconnected) or [`TimedOut`](BrokerError::TimedOut), after five seconds: the
///   broker is unreachable or does not answer.
///
/// In each of these cases the hub subscribes again, after the reconnect or every ten seconds, and then
/// `#[on_lagged]` gets a `0`. [`Name`](BrokerError::Name) and [`Closed`](BrokerError::Closed) are final, and
/// also passed to `#[on_error]`.
///
/// With a broker the call takes one round trip, and with a history some more. Cancellation is safe: the
/// subscription has started.
pub struct Subscribed(SubscribeState);

enum SubscribeState {
    /// The result. Later polls return `Ok`, because an error cannot be cloned.
    Ready(Result<(), BrokerError>),
    Pending(BoxFuture<Result<(), BrokerError>>),
}

impl Subscribed {
    /// Creates a future that completes with `pending`, or at once if there is none or if the subscription has
    /// not started.
    pub(crate) fn new(
        started: Result<(), BrokerError>,
        pending: Option<BoxFuture<Result<(), BrokerError>>>,
    ) -> Self {
        Self(match (started, pending) {
            (Ok(()), Some(pending)) => SubscribeState::Pending(pending),
            (started, _) => SubscribeState::Ready(started),
        })
    }
}

impl Future for Subscribed {
    type Output = Result<(), BrokerError>;

    fn poll(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            SubscribeState::Ready(ready) => Poll::Ready(std::mem::replace(ready, Ok(()))),
            SubscribeState::Pending(pending) => pending.as_mut().poll(task),
        }
    }
}

impl fmt::Debug for Subscribed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscribed").finish_non_exhaustive()
    }
}

/// A membership that has started ([`Context::join`](crate::Context::join)). Dropping it does not end the
/// membership; [`Context::leave`](crate::Context::leave) or the end of the connection does.
///
/// This process knows the member at once, whether or not this future is awaited. After it completes, the
/// broker knows the member, too: [`Topic::members`](crate::Topic::members) of other processes contains it,
/// and their watchers are notified soon.
///
/// # Errors
///
/// A [`BrokerError`], after up to five seconds. The announcement is retried every few seconds as long as the
/// member is there, also after an error. The error is for servers that reject a client whom other processes
/// do not see. Without a broker the only error is a closed hub.
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
    /// The result. Later polls return `Ok`, because an error cannot be cloned.
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

/// A subscription that recovers missed messages. Await it for the result.
///
/// Cancellation is safe: the subscription has started. With a broker, recovery takes three round trips, more
/// for many messages, and up to fifteen seconds; new messages are buffered meanwhile. If the broker does not
/// answer, nothing is recovered, and the subscription starts after the reconnect.
///
/// ```
/// # use ws_core::prelude::*;
/// # #[websocket] struct Guest { rooms: Vec<(Topic<String>, Option<Position>)> }
/// #[websocket]
/// impl Guest {
///     #[on_open]
///     async fn open(&mut self, cx: &mut Context<Self>) {
///         // Start all recoveries, then await one after the other.
///         let recoveries: Vec<_> =
///             self.rooms.iter().map(|(room, since)| cx.subscribe_from(room, *since)).collect();
///         for recovery in recoveries {
///             if !recovery.await.recovered {
///                 cx.send("reload, please");
///             }
///         }
///     }
///     #[on_info]
///     fn line(&mut self, line: Published<String>) -> String {
///         line.to_string()
///     }
/// }
/// ```
#[must_use = "await it to know whether the client has missed something"]
pub struct Recovering(RecoveryState);

enum RecoveryState {
    Ready(Recovery),
    Pending(oneshot::Receiver<Recovery>),
}

impl Recovering {
    pub(crate) fn ready(recovery: Recovery) -> Self {
        Self(RecoveryState::Ready(recovery))
    }

    /// Creates a future that completes with the value sent to the returned sender.
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
            // The sender is dropped without a value if the runtime shuts down or the recovery panics.
            RecoveryState::Pending(pending) => Pin::new(pending).poll(task).map(Result::unwrap_or_default),
        }
    }
}

impl fmt::Debug for Recovering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recovering").finish_non_exhaustive()
    }
}

/// The result of [`Context::subscribe_from`](crate::Context::subscribe_from) and of
/// [`forward_from`](crate::Context::forward_from).
///
/// ```
/// use ws_core::{Position, Recovery};
///
/// let position = Some(Position { epoch: 31, offset: 42 });
/// // The result for a client that connects for the first time.
/// let recovery = Recovery { recovered: false, position };
/// assert_ne!(recovery, Recovery::default());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Whether all requested messages arrive, in order and each once. If false, only messages published
    /// from now on arrive: some requested ones are no longer stored, nothing was requested, or the topic
    /// has no history.
    pub recovered: bool,
    /// The position of the last message before those published from now on; `None` if the topic has no
    /// history or the broker does not answer. Recovered messages up to this position may still be on their
    /// way to the client: let it store the position of each message
    /// ([`Published::position`](crate::Published::position)) instead.
    pub position: Option<Position>,
}
