//! The registry of a router's connections, for the program and its operators.

use std::any::{Any, type_name};
use std::collections::BTreeMap;
use std::fmt;
use std::iter::repeat;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::Router;
use crate::address::Addr;
use crate::clock::now;
use crate::close::Close;
use crate::connections::{ConnectionId, ConnectionTracker, PendingSnapshot};
use crate::error::BoxError;
use crate::handler::{Handler, InfoOf};
use crate::topic::Hub;

/// How long [`Connections::snapshots`] waits for connections that do not answer.
const REPORT_TIMEOUT: Duration = Duration::from_millis(250);

/// The connections of a router: their number, snapshots of them, closes and messages by tag.
///
/// [`Router::connections`] returns it, before the router is served. The value is cheap to clone and belongs to all
/// clones of the router. Handshakes are not in it. A connection is in it after its `#[on_open]` has returned, or while
/// that waits, until the task ends. A [session](crate::guide::sessions) is one connection, also while no
/// client is attached to it.
///
/// Without tags and snapshots, a connection costs its entry of 64 bytes. Cowboy's `ranch:procs/2`; tags are
/// `gproc`'s.
///
/// ```
/// # use ws_core::{Connections, prelude::*};
/// #[websocket(path = "/chat")]
/// #[derive(Default)]
/// struct Chat;
///
/// #[websocket]
/// impl Chat {
///     #[on_text]
///     fn sign_in(&mut self, user: &str, cx: &mut Context<Self>) -> Result<(), ws_core::TagError> {
///         cx.tag(&format!("user:{user}"))
///     }
/// }
///
/// /// Called when an administrator blocks a user. Returns the number of connections that close.
/// fn block(user: u64, connections: &Connections) -> usize {
///     connections.tagged(&format!("user:{user}")).close((4003, "signed out"))
/// }
///
/// let router: Router = Router::new().mount::<Chat>();
/// let connections = router.connections();
/// assert_eq!((connections.count(), connections.count_of::<Chat>()), (0, 0));
/// assert_eq!(block(42, &connections), 0);
/// ```
#[derive(Clone)]
pub struct Connections(Arc<ConnectionTracker>);

impl<S: Send + Sync + 'static> Router<S> {
    /// Returns the registry of this router's connections. Its clones have the same one.
    ///
    /// ```
    /// # use ws_core::prelude::*;
    /// # #[websocket(path = "/chat")] #[derive(Default)] struct Chat;
    /// # #[websocket] impl Chat { #[on_text] fn echo(&mut self, text: String) -> String { text } }
    /// let router: Router = Router::new().mount::<Chat>();
    /// let connections = router.connections();
    /// assert_eq!(connections.count(), 0);
    /// ```
    pub fn connections(&self) -> Connections {
        Connections(Arc::clone(&self.connections))
    }
}

impl<S: Send + Sync + 'static> Router<S> {
    /// Registers the connections of this router in a hub, so that [`Hub::tagged`] reaches them, also from other
    /// processes. The hub may have several routers, and a router may be in several hubs. Without this call, a hub is
    /// only a set of topics.
    ///
    /// ```
    /// # use ws_core::prelude::*;
    /// # #[websocket(path = "/chat")] #[derive(Default)] struct Chat;
    /// # #[websocket] impl Chat { #[on_text] fn echo(&mut self, text: String) -> String { text } }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), ws_core::BoxError> {
    /// let hub = Hub::local();
    /// let router: Router = Router::new().mount::<Chat>().hub(&hub);
    /// assert_eq!(hub.tagged("user:42").close(4003).await?.connections, 0);
    /// # Ok(()) }
    /// ```
    pub fn hub(self, hub: &Hub) -> Self {
        hub.add_connections(&self.connections);
        self
    }
}

impl Connections {
    /// Returns the number of connections. The time is proportional to it; 100,000 take about a millisecond.
    pub fn count(&self) -> usize {
        self.0.count(None)
    }

    /// Returns the number of connections of a handler.
    pub fn count_of<H: Handler>(&self) -> usize {
        self.0.count(Some(type_name::<H>()))
    }

    /// Returns the number of connections of each handler that has any, by the name of its type
    /// ([`type_name`](std::any::type_name)).
    ///
    /// ```
    /// # use ws_core::prelude::*;
    /// let router: Router = Router::new();
    /// for (handler, count) in router.connections().counts() {
    ///     println!("{handler}: {count}");
    /// }
    /// ```
    pub fn counts(&self) -> BTreeMap<&'static str, usize> {
        self.0.counts()
    }

    /// Returns a snapshot of each connection, in no particular order.
    ///
    /// The task of each connection reports its figures. A connection that does not report
    /// within 250 ms, for example because a method blocks its thread, has the state
    /// [`Unresponsive`](ConnectionState::Unresponsive), with zeros. So the call takes up to 250 ms, and it wakes every
    /// connection: call it for a page or a log, not for every message. Dropping the future has no effect on the
    /// connections.
    ///
    /// ```
    /// # use ws_core::prelude::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let router: Router = Router::new();
    /// let connections = router.connections();
    /// for connection in connections.snapshots().await {
    ///     if connection.age > Duration::from_secs(3600) && connection.buffered > 64 << 10 {
    ///         connections.close(connection.id, (1013, "reading too slowly"));
    ///     }
    /// }
    /// # }
    /// ```
    pub async fn snapshots(&self) -> Vec<ConnectionSnapshot> {
        let pending = self.0.request_reports();
        let deadline = tokio::time::Instant::now() + REPORT_TIMEOUT;
        let mut snapshots = Vec::with_capacity(pending.len());
        for PendingSnapshot { id, handler, peer, opened, tags, report } in pending {
            let report = match tokio::time::timeout_at(deadline, report).await {
                Ok(Ok(report)) => Some(report),
                // The connection has ended meanwhile.
                Ok(Err(_)) => continue,
                Err(_) => None,
            };
            let state = match report {
                None => ConnectionState::Unresponsive,
                Some(report) if report.is_closing => ConnectionState::Closing,
                Some(report) if report.is_in_method => ConnectionState::InMethod,
                Some(_) => ConnectionState::Idle,
            };
            snapshots.push(ConnectionSnapshot {
                id,
                handler,
                peer,
                age: now().saturating_duration_since(opened),
                tags,
                received: report.map_or(0, |report| report.received),
                sent: report.map_or(0, |report| report.sent),
                buffered: report.map_or(0, |report| report.buffered),
                state,
            });
        }
        snapshots
    }

    /// Closes a connection, with the effect of [`TaggedConnections::close`]. Returns false if the connection has ended.
    pub fn close(&self, id: ConnectionId, close: impl Into<Close>) -> bool {
        self.0.close_id(id, &close.into())
    }

    /// Selects the connections with a tag, which [`Context::tag`](crate::Context::tag) gave them.
    pub fn tagged<'a>(&'a self, tag: &'a str) -> TaggedConnections<'a> {
        TaggedConnections { connections: &self.0, tag }
    }
}

#[cfg(all(test, feature = "inspect"))]
impl Connections {
    pub(crate) fn for_test(connections: Arc<ConnectionTracker>) -> Self {
        Self(connections)
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections").field("count", &self.count()).finish()
    }
}

/// The connections with a tag, at the time of each call.
///
/// ```
/// # use ws_core::prelude::*;
/// # let router: Router = Router::new();
/// let connections = router.connections();
/// let user = connections.tagged("user:42");
/// assert_eq!((user.count(), user.close(4003)), (0, 0));
/// ```
#[derive(Clone, Copy)]
pub struct TaggedConnections<'a> {
    connections: &'a ConnectionTracker,
    tag: &'a str,
}

impl TaggedConnections<'_> {
    /// Returns the number of connections with the tag.
    pub fn count(&self) -> usize {
        self.connections.count_tagged(self.tag)
    }

    /// Closes the connections with a code and a text, and [`CloseReason::Requested`](crate::CloseReason::Requested).
    /// Returns how many have the tag. Does not wait for them.
    ///
    /// The close passes by everything that waits: messages in the mailbox, of topics and from the client are not
    /// handled, and an `async` method that is pending is cancelled once the client has answered the close. Frames that
    /// are already in the outbox go out first, if the client reads them. `#[on_close]` runs. A client that does not
    /// read, or reads slowly, has `close_timeout` (5 s) in total; then the socket is closed. A code that may not be
    /// sent becomes 1011.
    pub fn close(&self, close: impl Into<Close>) -> usize {
        self.connections.close_tagged(self.tag, &close.into())
    }

    /// Returns the addresses of the connections with the tag whose handler is `H`.
    ///
    /// ```
    /// # use ws_core::prelude::*;
    /// # #[websocket(path = "/chat")] #[derive(Default)] struct Chat;
    /// # #[websocket] impl Chat { #[on_text] fn echo(&mut self, text: String) -> String { text } }
    /// # let router: Router = Router::new().mount::<Chat>();
    /// let addrs: Vec<Addr<Chat>> = router.connections().tagged("user:42").addrs();
    /// assert!(addrs.is_empty());
    /// ```
    pub fn addrs<H: Handler>(&self) -> Vec<Addr<H>> {
        let addrs = self.connections.tagged_addrs(self.tag);
        addrs.iter().filter_map(|addr| addr.downcast_ref().cloned()).collect()
    }

    /// Sends a message to the connections with the tag whose handler is `H`, which has an `#[on_info]` for it. Returns
    /// how many mailboxes have taken the message: neither full nor closed, as of [`Addr::send`].
    ///
    /// ```
    /// # use ws_core::prelude::*;
    /// #[derive(Clone)]
    /// struct Notice(&'static str);
    /// # #[websocket(path = "/chat")] #[derive(Default)] struct Chat;
    /// # #[websocket] impl Chat {
    /// #     #[on_info] fn notice(&mut self, Notice(text): Notice) -> &'static str { text }
    /// # }
    /// # let router: Router = Router::new().mount::<Chat>();
    /// let reached = router.connections().tagged("user:42").send::<Chat, _>(Notice("you have mail"));
    /// assert_eq!(reached, 0);
    /// ```
    pub fn send<H: Handler, M: InfoOf<H> + Clone>(&self, message: M) -> usize {
        let addrs = self.connections.tagged_addrs(self.tag);
        send_to_each::<H, M>(&addrs, || Ok(message)).unwrap_or(0)
    }
}

/// Sends a message to those addresses that belong to the handler. Returns how many mailboxes have taken it. Without such an
/// address, `message` is not called.
pub(super) fn send_to_each<H: Handler, M: InfoOf<H> + Clone>(
    addrs: &[Arc<dyn Any + Send + Sync>],
    message: impl FnOnce() -> Result<M, BoxError>,
) -> Result<usize, BoxError> {
    let mut addrs = addrs.iter().filter_map(|addr| addr.downcast_ref::<Addr<H>>()).peekable();
    if addrs.peek().is_none() {
        return Ok(0);
    }
    let sent = addrs.zip(repeat(message()?)).map(|(addr, message)| addr.send(message).is_ok());
    Ok(sent.filter(|is_sent| *is_sent).count())
}

impl fmt::Debug for TaggedConnections<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaggedConnections").field("tag", &self.tag).finish_non_exhaustive()
    }
}

/// A connection at one moment.
///
/// ```
/// # use ws_core::{ConnectionSnapshot, prelude::*};
/// /// Returns the connections that have the most bytes for their clients.
/// fn slowest(mut connections: Vec<ConnectionSnapshot>) -> Vec<ConnectionSnapshot> {
///     connections.sort_by_key(|connection| std::cmp::Reverse(connection.buffered));
///     connections.truncate(10);
///     connections
/// }
/// assert!(slowest(Vec::new()).is_empty());
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConnectionSnapshot {
    /// The number of the connection.
    pub id: ConnectionId,
    /// The name of the handler's type.
    pub handler: &'static str,
    /// The address of the client, like [`Context::peer_addr`](crate::Context::peer_addr). For a session, that of the
    /// request that began it.
    pub peer: Option<SocketAddr>,
    /// The time since the connection began.
    pub age: Duration,
    /// The tags, sorted.
    pub tags: Vec<Arc<str>>,
    /// Bytes of frames from the client, without the handshake and without TLS.
    pub received: u64,
    /// Bytes of frames that the socket has taken, without the handshake and without TLS.
    pub sent: u64,
    /// Bytes in the outbox, like [`Context::buffered`](crate::Context::buffered).
    pub buffered: usize,
    /// Whether the connection waits, runs a method, or closes.
    pub state: ConnectionState,
}

/// The state of a connection in a [`ConnectionSnapshot`].
///
/// ```
/// use ws_core::ConnectionState;
///
/// assert_ne!(ConnectionState::Idle, ConnectionState::Closing);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectionState {
    /// The handler waits for the next event.
    Idle,
    /// An `async` method is pending.
    InMethod,
    /// The connection drains or closes, or `#[on_close]` runs.
    Closing,
    /// The connection has not reported within 250 ms: a method blocks its thread, or the machine is overloaded.
    Unresponsive,
}
