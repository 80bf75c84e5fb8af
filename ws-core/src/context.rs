//! The commands of a handler to its connection.

mod batch;
#[cfg(feature = "json")]
mod calls;
#[cfg(not(feature = "json"))]
#[path = "context/without_calls.rs"]
mod calls;
mod flushed;
mod info;
mod mailbox;
mod parts;
mod permit;
mod presence;
mod properties;
mod session;
mod session_cell;
mod settings;
mod topics;
mod work;

use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

pub(crate) use calls::{has_envelope, route_answer};
use info::ConnectionInfo;
pub use parts::PartWriter;
pub(crate) use session::Session;
pub(crate) use session_cell::SharedSession;
use session_cell::{SessionCell, SessionGuard};

use crate::clock::now;
use crate::close::Close;
use crate::error::HandlerError;
use crate::handler::{Handler, InfoOf, ReplyOf};
use crate::reply::IntoReply;
use crate::span::ConnectionSpan;
#[cfg(any(test, feature = "test-util", feature = "tungstenite"))]
use crate::span::next_id;
use crate::timer::TimerId;
use crate::wire::Connection;

/// The handler's view of its connection: Cowboy's commands, as methods.
///
/// A method takes the context as the argument `cx: &mut Context<Self>`. All methods may take it except
/// `#[on_upgrade]` and `#[on_close]`.
///
/// Every command takes effect at once. While an `async fn` is pending, the connection sends the frames,
/// runs the timers and applies the options that the method has set so far.
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// # #[websocket] #[derive(Default)] struct Chat;
/// #[websocket]
/// impl Chat {
///     #[on_text]
///     fn text(&mut self, text: &str, cx: &mut Context<Self>) {
///         cx.send(text.len().to_string());
///         if text == "bye" {
///             cx.close(1000);
///         }
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let mut client = TestClient::open(Chat).await;
/// client.send("bye").await;
/// assert_eq!(client.text().await, "3");
/// assert_eq!(client.closed().await.code, CloseCode::Normal);
/// # }
/// ```
pub struct Context<H: Handler> {
    cell: SessionCell<H>,
}

impl<H: Handler> Context<H> {
    /// Sends one or more frames: any value that a method may return. Cowboy's `[Frame]`.
    ///
    /// If the reply fails (a value does not encode, or is an `Err`), `#[on_error]` gets the error after
    /// the method has returned. A handler that is declared with `sends = Event` sends only an `Event`, a [`Close`], a
    /// ping or a pong.
    ///
    /// `send` never waits. The outbox holds up to `outbox_limit` bytes that the client has not read yet;
    /// beyond that limit the connection closes with [`CloseReason::Overflow`](crate::CloseReason::Overflow).
    /// After a close, `send` does nothing.
    ///
    /// ```
    /// # use ws_core::{prelude::*, test::TestClient};
    /// # #[websocket] #[derive(Default)] struct Chat;
    /// #[websocket]
    /// impl Chat {
    ///     #[on_text]
    ///     async fn slowly(&mut self, text: &str, cx: &mut Context<Self>) -> String {
    ///         cx.send(("working on", text)); // Two messages, at once.
    ///         tokio::time::sleep(Duration::from_secs(1)).await;
    ///         text.to_uppercase()
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let mut client = TestClient::open(Chat).await;
    /// client.send("it").await;
    /// assert_eq!((client.text().await, client.text().await), ("working on".into(), "it".into()));
    /// client.expect_nothing().await;
    /// client.advance(Duration::from_secs(1)).await;
    /// assert_eq!(client.text().await, "IT");
    /// # }
    /// ```
    pub fn send<R: ReplyOf<H>>(&mut self, reply: R) {
        let mut session = self.session();
        if let Err(error) = reply.send(&mut session.replies()) {
            session.fail(error);
        }
    }

    /// Closes the connection with [`CloseReason::Stop`](crate::CloseReason::Stop). Cowboy's
    /// `{close, Code, Reason}` and `stop`.
    ///
    /// The connection still sends the frames from before the close, and none from after it. The argument
    /// may be a number, a [`CloseCode`](crate::CloseCode) or a [`Close`]; `Close::default()` has the code
    /// 1000. A code that may not be sent is an error for `#[on_error]`.
    ///
    /// ```
    /// # use ws_core::{prelude::*, test::TestClient};
    /// # #[websocket] #[derive(Default)] struct Chat;
    /// #[websocket]
    /// impl Chat {
    ///     #[on_text]
    ///     fn text(&mut self, text: &str, cx: &mut Context<Self>) -> &'static str {
    ///         cx.send("goodbye");
    ///         cx.close(Close::new(4000, text));
    ///         "too late"
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let mut client = TestClient::open(Chat).await;
    /// client.send("enough").await;
    /// assert_eq!(client.text().await, "goodbye");
    /// assert_eq!(client.closed().await, Close::new(4000, "enough"));
    /// assert_eq!(client.close_reason().await, CloseReason::Stop(Close::new(4000, "enough")));
    /// # }
    /// ```
    pub fn close(&mut self, close: impl Into<Close>) {
        let mut session = self.session();
        if let Err(error) = close.into().into_reply(&mut session.replies()) {
            session.fail(error);
        }
    }

    /// Sends a message to this handler after `delay`. Cowboy's `erlang:start_timer`.
    ///
    /// The timer ends with the connection.
    ///
    /// ```
    /// # use ws_core::{prelude::*, test::TestClient};
    /// # #[websocket] #[derive(Default)] struct Chat;
    /// #[websocket]
    /// impl Chat {
    ///     #[on_open]
    ///     fn open(&mut self, cx: &mut Context<Self>) {
    ///         cx.send_after(Duration::from_secs(5), "hello");
    ///     }
    ///     #[on_info]
    ///     fn send(&mut self, text: &'static str) -> &'static str {
    ///         text
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let mut client = TestClient::open(Chat).await;
    /// client.expect_nothing().await;
    /// client.advance(Duration::from_secs(5)).await;
    /// assert_eq!(client.text().await, "hello");
    /// # }
    /// ```
    pub fn send_after<M: InfoOf<H>>(&mut self, delay: Duration, message: M) -> TimerId {
        let at = saturating_deadline(now(), delay);
        self.session().timers.once(at, message.into_info())
    }

    /// Sends a message to this handler every `period`, first after one period.
    ///
    /// The shortest period is one millisecond; a shorter one is raised to it. Missed ticks are skipped.
    /// The timer ends with the connection.
    ///
    /// ```
    /// # use ws_core::{prelude::*, test::TestClient};
    /// # #[websocket] #[derive(Default)] struct Chat;
    /// #[derive(Clone)]
    /// struct Tick;
    ///
    /// #[websocket]
    /// impl Chat {
    ///     #[on_open]
    ///     fn open(&mut self, cx: &mut Context<Self>) {
    ///         cx.send_every(Duration::from_secs(1), Tick);
    ///     }
    ///     #[on_info]
    ///     fn tick(&mut self, _: Tick) -> &'static str {
    ///         "tick"
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let mut client = TestClient::open(Chat).await;
    /// client.advance(Duration::from_secs(2)).await;
    /// assert_eq!((client.text().await, client.text().await), ("tick".into(), "tick".into()));
    /// # }
    /// ```
    pub fn send_every<M>(&mut self, period: Duration, message: M) -> TimerId
    where
        M: InfoOf<H> + Clone + Send + 'static,
    {
        let period = period.max(Duration::from_millis(1));
        let at = saturating_deadline(now(), period);
        self.session().timers.every(at, period, Box::new(move || message.clone().into_info()))
    }

    /// Stops a timer. Returns `false` if the timer is not running any more.
    ///
    /// In that case, the handler may already have handled the timer's last message.
    ///
    /// ```
    /// # use ws_core::{prelude::*, test::TestClient};
    /// # #[websocket] #[derive(Default)] struct Chat(Option<TimerId>);
    /// # struct Late;
    /// #[websocket]
    /// impl Chat {
    ///     #[on_open]
    ///     fn open(&mut self, cx: &mut Context<Self>) {
    ///         self.0 = Some(cx.send_after(Duration::from_secs(10), Late));
    ///     }
    ///     #[on_text]
    ///     fn login(&mut self, _: &str, cx: &mut Context<Self>) {
    ///         self.0.take().map(|timer| cx.cancel(timer));
    ///     }
    ///     #[on_info]
    ///     fn late(&mut self, _: Late) -> Close {
    ///         Close::from(4001)
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let mut client = TestClient::open(Chat::default()).await;
    /// client.send("me").await;
    /// client.advance(Duration::from_secs(10)).await;
    /// client.expect_nothing().await;
    /// # }
    /// ```
    pub fn cancel(&mut self, timer: TimerId) -> bool {
        self.session().timers.cancel(timer)
    }

    /// Returns the number of bytes in the outbox, which the socket has not accepted yet.
    ///
    /// The number counts frames with their headers, including the frames of the running method. See
    /// [flow control](crate::guide::flow_control).
    ///
    /// ```
    /// # use ws_core::{prelude::*, test::TestClient};
    /// # #[websocket] #[derive(Default)] struct Chat;
    /// #[websocket]
    /// impl Chat {
    ///     #[every(1s)]
    ///     fn tick(&mut self, cx: &mut Context<Self>) -> Option<&'static str> {
    ///         // A client that reads too slowly misses a tick.
    ///         (cx.buffered() < 4096).then_some("tick")
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let mut client = TestClient::open(Chat).await;
    /// client.advance(Duration::from_secs(1)).await;
    /// assert_eq!(client.text().await, "tick");
    /// # }
    /// ```
    pub fn buffered(&mut self) -> usize {
        self.session().wire.outbox().len()
    }
}

impl<H: Handler> Context<H> {
    /// The size of a connection's state in bytes.
    #[cfg(test)]
    pub(crate) const STATE_SIZE: usize = SessionCell::<H>::STATE_SIZE;

    /// Creates the context of a connection that no router accepted, with a span.
    #[cfg(any(test, feature = "test-util", feature = "tungstenite"))]
    pub(crate) fn new(
        wire: Connection,
        peer_addr: Option<SocketAddr>,
        subprotocol: Option<Box<str>>,
    ) -> Self {
        let path = H::CHECKED_DECLARATION.path;
        let handler = std::any::type_name::<H>();
        let span = ConnectionSpan::new(handler, path, peer_addr, next_id, subprotocol.as_deref());
        Self::with_span(wire, peer_addr, subprotocol, span)
    }

    pub(crate) fn with_span(
        wire: Connection,
        peer_addr: Option<SocketAddr>,
        subprotocol: Option<Box<str>>,
        span: ConnectionSpan,
    ) -> Self {
        let info = ConnectionInfo::new(peer_addr, subprotocol, span);
        Self { cell: SessionCell::new(Session::new(wire), info) }
    }

    /// Sends the value that a method returned.
    ///
    /// If an earlier `send` of the method failed, returns that error instead.
    // PERF: inlined with `session` into generated code, once per message; budget: text64
    #[inline(always)]
    pub(crate) fn reply<R: ReplyOf<H>>(&mut self, reply: R) -> Result<(), HandlerError> {
        let mut session = self.session();
        let result = reply.send(&mut session.replies());
        match session.take_failure() {
            None => result,
            Some(failure) => Err(*failure),
        }
    }

    // PERF: called in every poll. budget: text64
    #[inline(always)]
    pub(crate) fn connection_span(&self) -> &ConnectionSpan {
        self.cell.info().span()
    }

    // PERF: called for every message, by generated code and by the driver. budget: text64
    #[inline(always)]
    pub(crate) fn session(&mut self) -> SessionGuard<'_, H> {
        self.cell.session()
    }

    /// Returns whether `#[on_error]` is running; an error in that method closes the connection.
    #[inline]
    pub(crate) fn is_in_on_error(&self) -> bool {
        self.cell.is_in_on_error()
    }

    /// Records whether `#[on_error]` is running.
    pub(crate) fn set_in_on_error(&mut self, is_running: bool) {
        self.cell.set_in_on_error(is_running);
    }

    /// Returns the handle by which the driver reaches the session while a method borrows the context.
    pub(crate) fn shared(&self) -> SharedSession<H> {
        self.cell.shared()
    }
}

/// Returns `now + delay`, or a time 30 years ahead if the sum overflows.
fn saturating_deadline(now: Instant, delay: Duration) -> Instant {
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
