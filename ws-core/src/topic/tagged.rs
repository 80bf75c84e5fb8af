//! Connections by tag, in all processes of a hub.

use std::any::TypeId;
use std::collections::HashSet;
use std::fmt;
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::broker::{BoxFuture, ProcessAnswer, RequestHandler};
use super::codec::Codec;
use super::hub::Hub;
use super::node_request::{MAX_MESSAGE, MAX_NAME, NodeAnswer, NodeRequest};
use super::receivers::Receive;
use super::registry::Registry;
use crate::close::Close;
use crate::connections::{ConnectionTracker, check_tag};
use crate::error::{BoxError, BrokerError};

/// How long a request waits for the answers of other processes in total.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a request waits for one more answer. The number of processes is not known.
const NEXT_ANSWER_TIMEOUT: Duration = Duration::from_millis(250);

/// Maximum number of processes that one request counts.
const MAX_NODES: usize = 4096;

/// The connections with a tag in all processes of a hub: [`Hub::tagged`].
///
/// The routers of each process are those that [`Router::hub`](crate::Router::hub) has registered.
///
/// A request executes here and is sent to the other processes by the call itself, also if the future is not awaited.
/// The future waits for their answers: until 250 ms after the last one, and up to 2 s. With [`Hub::local`], and without
/// another process, it does not wait. A process that answers too late, or not at all, is not counted; it may still
/// execute the request. A tag that no connection can have, because it is empty or has more than 128 bytes, reaches none,
/// without a request.
///
/// ```
/// # use ws_core::Hub;
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), ws_core::BoxError> {
/// let hub = Hub::local();
/// let connections: ws_core::TaggedInHub<'_> = hub.tagged("user:42");
/// connections.close((4003, "signed out")).await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Copy)]
pub struct TaggedInHub<'a> {
    registry: &'a Registry,
    tag: &'a str,
}

/// The number of connections and processes that a request of a [`TaggedInHub`] has reached.
///
/// ```
/// # use ws_core::{Hub, Reached};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), ws_core::BoxError> {
/// let Reached { connections, nodes, .. } = Hub::local().tagged("user:42").close(4003).await?;
/// assert_eq!((connections, nodes), (0, 1));
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reached {
    /// The number of connections that close, or whose mailboxes have taken the message, in the processes that have
    /// answered.
    pub connections: usize,
    /// The number of processes that have answered, with this one.
    pub nodes: usize,
}

/// A future with the answers to a request of a [`TaggedInHub`]. The request is sent whether or not it is awaited.
///
/// ```
/// # use ws_core::{Hub, Reaching};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), ws_core::BoxError> {
/// let reaching: Reaching = Hub::local().tagged("user:42").close(4003);
/// assert_eq!(reaching.await?.connections, 0);
/// # Ok(()) }
/// ```
pub struct Reaching(BoxFuture<Result<Reached, BrokerError>>);

impl Future for Reaching {
    type Output = Result<Reached, BrokerError>;

    fn poll(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(task)
    }
}

impl fmt::Debug for Reaching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reaching").finish_non_exhaustive()
    }
}

impl Hub {
    /// Selects the connections with a tag in all processes, which [`Context::tag`](crate::Context::tag) gave them.
    ///
    /// Their routers have to be registered in the hub of their process, with [`Router::hub`](crate::Router::hub).
    ///
    /// ```
    /// # use ws_core::prelude::*;
    /// # use ws_core::BoxError;
    /// # #[websocket(path = "/chat")] #[derive(Default)] struct Chat;
    /// # #[websocket] impl Chat { #[on_text] fn echo(&mut self, text: String) -> String { text } }
    /// /// Called when an administrator blocks a user.
    /// async fn block(user: u64, hub: &Hub) -> Result<(), BoxError> {
    ///     let reached = hub.tagged(&format!("user:{user}")).close((4003, "signed out")).await?;
    ///     println!("{} connections of {} processes", reached.connections, reached.nodes);
    ///     Ok(())
    /// }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), BoxError> {
    /// let hub = Hub::local(); // Or `Hub::nats(…)`.
    /// let router = Router::new().mount::<Chat>().hub(&hub).with_state(hub.clone());
    /// # let _: Router = router;
    /// block(42, &hub).await
    /// # }
    /// ```
    pub fn tagged<'a>(&'a self, tag: &'a str) -> TaggedInHub<'a> {
        TaggedInHub { registry: self.registry(), tag }
    }

    /// Adds the receiver of a handler for the messages of a name.
    #[track_caller]
    pub(crate) fn add_receiver(&self, name: &str, handler: TypeId, receive: Arc<Receive>) {
        let len = name.len();
        assert!(len <= MAX_NAME, "the name of a message has up to {MAX_NAME} bytes, and {name:?} has {len}");
        self.registry().local_connections().accept(name, handler, receive);
    }

    /// Makes connections of this process reachable by their tags.
    pub(crate) fn add_connections(&self, connections: &Arc<ConnectionTracker>) {
        let local = self.registry().local_connections();
        let is_first = local.add(connections);
        if let (true, Some(broker)) = (is_first, self.registry().broker()) {
            broker.serve_requests(Arc::downgrade(local) as Weak<dyn RequestHandler>);
        }
    }
}

impl TaggedInHub<'_> {
    /// Closes the connections in all processes, with the effect of
    /// [`TaggedConnections::close`](crate::TaggedConnections::close): clients that do not read are closed as well.
    ///
    /// A text of more than 123 bytes is cut, as in every close frame.
    ///
    /// # Errors
    ///
    /// The connections of this process close in any case, unless the hub is closed:
    ///
    /// - [`BrokerError::Closed`] if the hub is closed.
    /// - [`BrokerError::Disconnected`] without a connection to the broker. The request is not sent.
    /// - [`BrokerError::Refused`] without the permission for the subject `ws.connections`.
    /// - [`BrokerError::TimedOut`] if there are other processes, or the broker does not know, and none answers.
    pub fn close(&self, close: impl Into<Close>) -> Reaching {
        self.request(&NodeRequest::Close { tag: self.tag, close: close.into() })
    }

    /// Sends a message, encoded as JSON, to the connections in all processes whose handlers accept messages of this name:
    /// [`Hub::accepts`].
    ///
    /// Each process decodes the message, and passes a clone to each connection, as
    /// [`Addr::send`](crate::Addr::send) does. [`Reached::connections`] counts the mailboxes that have taken the message:
    /// neither full nor closed. Messages of one sender arrive in order. A process without a handler for the name answers
    /// with 0, and so does one that cannot decode the message, which logs a warning. Processes of an earlier version of
    /// this crate do not answer.
    ///
    /// The name has up to 128 bytes, and the encoded message up to 64 KiB.
    ///
    /// ```
    /// # use ws_core::prelude::*;
    /// # use ws_core::BoxError;
    /// #[derive(Clone, serde::Deserialize, serde::Serialize)]
    /// struct Notice { text: String }
    ///
    /// # #[websocket(path = "/chat")] #[derive(Default)] struct Chat;
    /// #[websocket]
    /// impl Chat {
    ///     #[on_info]
    ///     fn notice(&mut self, notice: Notice) -> String {
    ///         notice.text
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), BoxError> {
    /// let hub = Hub::local(); // Or `Hub::nats(…)`.
    /// hub.accepts::<Chat, Notice>("notice");
    /// let router: Router = Router::new().mount::<Chat>().hub(&hub);
    ///
    /// let notice = Notice { text: "you have mail".into() };
    /// let reached = hub.tagged("user:42").send("notice", &notice).await?;
    /// assert_eq!((reached.connections, reached.nodes), (0, 1)); // The user is not connected.
    /// # drop(router);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// No connection receives the message:
    ///
    /// - [`BrokerError::Encode`] if the message cannot be encoded.
    /// - [`BrokerError::TooLarge`] and [`BrokerError::Name`] if the message or its name is too long.
    /// - [`BrokerError::Closed`] if the hub is closed.
    ///
    /// The other errors are those of [`close`](Self::close). After them, the connections of this process have the
    /// message.
    #[cfg(feature = "json")]
    pub fn send<M: serde::Serialize + ?Sized>(&self, name: &str, message: &M) -> Reaching {
        self.send_encoded(name, serde_json::to_vec(message).map_err(Into::into))
    }

    /// Like [`send`](Self::send), but encoded by `codec`: [`Hub::accepts_with`] has an example.
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send).
    #[expect(clippy::needless_pass_by_value, reason = "codecs are passed like to `Hub::topic_with`")]
    pub fn send_with<M>(&self, name: &str, message: &M, codec: impl Codec<M>) -> Reaching {
        let mut encoded = Vec::new();
        self.send_encoded(name, codec.encode(message, &mut encoded).map(|()| encoded))
    }

    /// Sends an encoded message, if it is within the bounds.
    fn send_encoded(&self, name: &str, encoded: Result<Vec<u8>, BoxError>) -> Reaching {
        let is_sendable = |message: Vec<u8>| match (name.len(), message.len()) {
            (size, _) if size > MAX_NAME => Err(BrokerError::Name { size, limit: MAX_NAME }),
            (_, size) if size > MAX_MESSAGE => Err(BrokerError::TooLarge { size, limit: MAX_MESSAGE }),
            _ => Ok(message),
        };
        match encoded.map_err(BrokerError::Encode).and_then(is_sendable) {
            Ok(message) => self.request(&NodeRequest::Send { tag: self.tag, name, message: &message }),
            Err(error) => Reaching(Box::pin(ready(Err(error)))),
        }
    }

    /// Executes a request here, and sends it to the other processes.
    fn request(&self, request: &NodeRequest<'_>) -> Reaching {
        let sent = if self.registry.is_closed() {
            Err(BrokerError::Closed)
        } else if check_tag(self.tag, 0, false).is_err() {
            // Others would not answer.
            Ok((0, None))
        } else {
            let here = self.registry.local_connections().execute(request);
            let answers = self.registry.broker().map(|broker| broker.request(request.encode()));
            Ok((here, answers))
        };
        Reaching(Box::pin(async move {
            let (here, answers) = sent?;
            let reached = Reached { connections: here, nodes: 1 };
            match answers {
                Some(answers) => collect(reached, answers).await,
                None => Ok(reached),
            }
        }))
    }
}

impl fmt::Debug for TaggedInHub<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaggedInHub").field("tag", &self.tag).finish_non_exhaustive()
    }
}

/// Adds up the answers of other processes.
async fn collect(
    mut reached: Reached,
    mut answers: mpsc::Receiver<ProcessAnswer>,
) -> Result<Reached, BrokerError> {
    let deadline = Instant::now() + ANSWER_TIMEOUT;
    let (mut until, mut nodes) = (deadline, HashSet::new());
    while nodes.len() < MAX_NODES {
        let answer = match timeout_at(until, answers.recv()).await {
            Ok(Some(answer)) => answer?,
            // No further process can answer.
            Ok(None) => return Ok(reached),
            Err(_) => break,
        };
        let Some(answer) = NodeAnswer::parse(&answer) else {
            tracing::debug!(len = answer.len(), "a malformed answer of another process was ignored");
            continue;
        };
        if nodes.insert(answer.node) {
            reached.connections = reached.connections.saturating_add(answer.connections);
            reached.nodes += 1;
            until = deadline.min(Instant::now() + NEXT_ANSWER_TIMEOUT);
        }
    }
    if nodes.is_empty() { Err(BrokerError::TimedOut) } else { Ok(reached) }
}
