//! Tests of a handler without a socket and without waiting (feature `test-util`).
//!
//! [`TestClient`] is a client in memory. The client drives the same connection and the same generated code
//! as the server, over the wire format. Its clock is virtual and only [`TestClient::advance`] moves it, so
//! a thousand seconds take milliseconds.
//!
//! A failed expectation panics with the message that arrived instead, and with a log of all events before,
//! each with its time. The guide has a chapter on [testing](crate::guide::testing).

#[cfg(feature = "json")]
mod calls;
mod client_io;
mod clock;
mod expect;
mod frames;
mod state;
mod upgrade;

use std::fmt;
use std::panic::Location;
use std::time::Duration;

use bytes::Bytes;
use hyper::HeaderMap;
use tokio::io::{DuplexStream, duplex};
use tokio::task::JoinHandle;

use crate::address::Addr;
use crate::clock::now;
use crate::close::{Close, CloseReason};
use crate::context::Context;
use crate::driver;
use crate::handler::{Handler, InfoOf, Mounted};
use crate::message::Message;
use crate::options::Options;
use crate::reply::MessageProtocol;
use crate::wire::Connection;

#[cfg(feature = "json")]
pub use calls::TestCall;
use client_io::ClientIo;
use clock::settle;
pub use upgrade::{Rejection, TestUpgrade};

/// A client of one handler, in memory and on a virtual clock.
///
/// The client needs a current-thread runtime, which is the default of `#[tokio::test]`. Opening pauses the
/// clock of that runtime, which all clients of the test share. A client reads up to 256 KiB ahead of the
/// test's expectations; a handler that sends more sees a slow client.
///
/// The client answers the pings of the default `ping_interval`, as a browser does, and they are not messages for
/// the test. A client of a handler that declares another `ping_interval` leaves the pings to the test;
/// [`answer_pings`](Self::answer_pings) changes that.
///
/// ```
/// use ws_core::prelude::*;
/// use ws_core::test::TestClient;
///
/// #[websocket(idle_timeout = 60s)]
/// #[derive(Default)]
/// struct Greeter;
///
/// #[websocket]
/// impl Greeter {
///     #[on_text]
///     fn greet(&mut self, name: &str) -> String {
///         format!("Hello, {name}!")
///     }
///
///     #[every(10s)]
///     fn tick(&mut self) -> &'static str {
///         "tick"
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let mut client = TestClient::open(Greeter).await;
/// client.send("world").await;
/// assert_eq!(client.text().await, "Hello, world!");
/// client.expect_nothing().await;
/// client.advance(Duration::from_secs(10)).await;
/// assert_eq!(client.text().await, "tick");
/// client.close(1000).await;
/// assert_eq!(client.close_reason().await, CloseReason::Remote(Some(Close::from(1000))));
/// # }
/// ```
pub struct TestClient<H: Handler> {
    io: ClientIo,
    headers: HeaderMap,
    addr: Addr<H>,
    task: JoinHandle<CloseReason>,
    /// The id of the client's last call.
    #[cfg(feature = "json")]
    last_call: u64,
}

impl<H: Handler> TestClient<H> {
    /// Opens a connection to a handler and runs its `#[on_open]`.
    pub async fn open(handler: H) -> Self {
        let options = H::CHECKED_DECLARATION.options;
        clock::pause().await;
        let wire = Connection::new(options.into(), Vec::new(), now());
        Self::start(handler, Context::new(wire, None, None), HeaderMap::new()).await
    }

    /// Returns a request at the path of the declaration, whose `#[on_upgrade]` makes the handler.
    pub fn upgrade(uri: &str) -> TestUpgrade<H>
    where
        H: Mounted,
    {
        TestUpgrade::new(uri, H::CHECKED_DECLARATION.path)
    }

    /// Like [`upgrade`](Self::upgrade), but at the path `path`, for handlers that
    /// [`Router::mount_at`](crate::Router::mount_at) mounts.
    pub fn upgrade_at(path: &str, uri: &str) -> TestUpgrade<H> {
        TestUpgrade::new(uri, path)
    }

    /// Returns the headers of the 101. A client that [`open`](Self::open) made has none.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    async fn start(handler: H, mut cx: Context<H>, headers: HeaderMap) -> Self {
        let (client, server) = duplex(client_io::DUPLEX_SIZE);
        let (addr, ping_interval) = (cx.addr(), cx.session().wire.options().ping_interval);
        let task = tokio::spawn(driver::run(handler, cx, server, None));
        Self::connected(client, ping_interval, headers, (addr, task)).await
    }

    /// Makes the client of a connection that has started.
    async fn connected(
        client: DuplexStream,
        ping_interval: Option<Duration>,
        headers: HeaderMap,
        (addr, task): (Addr<H>, JoinHandle<CloseReason>),
    ) -> Self {
        // A test that declares pings is about pings. Other tests have a client that answers, as real ones do.
        let answers_pings = ping_interval == Options::DEFAULT.ping_interval;
        let io =
            ClientIo::new(client, ping_interval, answers_pings, <H::Protocol as MessageProtocol>::describe);
        io.log_event("opened");
        tokio::spawn(io.clone().run());
        let test = Self {
            io,
            headers,
            addr,
            task,
            #[cfg(feature = "json")]
            last_call: 0,
        };
        settle().await;
        test
    }
}

/// Actions of the client.
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// # #[websocket] #[derive(Default)] struct Chat;
/// # #[websocket] impl Chat {
/// #     #[on_text] fn text(&mut self, text: String) -> String { text }
/// #     #[on_binary] fn binary(&mut self, bytes: Bytes) -> Bytes { bytes }
/// # }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let mut client = TestClient::open(Chat).await; // An echo.
/// client.send("text").await;
/// assert_eq!(client.text().await, "text");
/// client.send(vec![1, 2]).await;
/// assert_eq!(client.binary().await, [1, 2][..]);
/// client.ping("?").await;
/// assert_eq!(client.ponged().await, "?");
/// client.raw(&[0x81, 0x00]).await; // A frame that is not masked (RFC 6455 §5.1).
/// assert_eq!(client.closed().await.code, CloseCode::Protocol);
/// # }
/// ```
impl<H: Handler> TestClient<H> {
    /// Sends a message: `&str` and `String` as text, `&[u8]`, `Vec<u8>` and `Bytes` as binary, and any
    /// other type that converts into a [`Message`].
    ///
    /// # Panics
    ///
    /// If the client has disconnected ([`abort`](Self::abort)). So do the other methods that send.
    #[track_caller]
    pub fn send(&mut self, message: impl Into<Message>) -> impl Future<Output = ()> {
        let caller = Location::caller();
        let message = message.into();
        async move {
            let description = frames::describe(&message);
            self.send_bytes(caller, &description, &frames::encode(&message)).await;
        }
    }

    /// Sends a ping.
    #[track_caller]
    pub fn ping(&mut self, payload: impl Into<Bytes>) -> impl Future<Output = ()> {
        self.send(crate::Ping(payload.into()))
    }

    /// Sends a pong.
    #[track_caller]
    pub fn pong(&mut self, payload: impl Into<Bytes>) -> impl Future<Output = ()> {
        self.send(crate::Pong(payload.into()))
    }

    /// Sets whether the client answers the pings that the server sends after `ping_interval` without a byte
    /// from the client (RFC 6455 §5.5.3). Pings that the client answers are not messages for the test; other
    /// pings are, see [`pinged`](Self::pinged).
    ///
    /// ```
    /// # use ws_core::{prelude::*, test::TestClient};
    /// # #[websocket] #[derive(Default)] struct Chat;
    /// # #[websocket] impl Chat { #[on_text] fn text(&mut self, _: &str) {} }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let mut client = TestClient::open(Chat).await;
    /// client.answer_pings(false); // A client that has disappeared.
    /// client.advance(Duration::from_secs(25)).await;
    /// assert_eq!(client.pinged().await, "");
    /// client.advance(Duration::from_secs(20)).await;
    /// assert_eq!(client.closed().await, Close::new(1001, "no pong"));
    /// # }
    /// ```
    pub fn answer_pings(&mut self, answers: bool) {
        self.io.answer_pings(answers);
    }

    /// Sends a close frame.
    #[track_caller]
    pub fn close(&mut self, close: impl Into<Close>) -> impl Future<Output = ()> {
        self.send(close.into())
    }

    /// Sends raw bytes, for a client that violates the protocol.
    #[track_caller]
    pub fn raw(&mut self, bytes: &[u8]) -> impl Future<Output = ()> {
        let caller = Location::caller();
        async move { self.send_bytes(caller, &format!("{} bytes", bytes.len()), bytes).await }
    }

    /// Disconnects without a close frame. Messages that arrived before can still be read.
    pub async fn abort(&mut self) {
        self.io.log_event("client disconnected");
        self.io.close();
        settle().await;
    }

    async fn send_bytes(&mut self, caller: &Location<'_>, description: &str, bytes: &[u8]) {
        if !self.io.is_open() {
            self.fail(caller, "the client has disconnected with `abort()` and cannot send");
        }
        self.io.log_event(&format!("client sent {description}"));
        self.io.send(bytes);
        settle().await;
    }
}

/// Actions of the rest of the system.
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// # #[websocket] #[derive(Default)] struct Chat;
/// # #[websocket] impl Chat {
/// #     #[on_info] fn say(&mut self, text: &'static str) -> &'static str { text }
/// #     #[every(60s)] fn tick(&mut self) -> Ping { Ping::from("tick") }
/// # }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let mut client = TestClient::open(Chat).await;
/// client.info("to #[on_info]").await;
/// assert_eq!(client.text().await, "to #[on_info]");
/// let addr = client.addr();
/// tokio::spawn(async move { addr.send("from another task") });
/// assert_eq!(client.text().await, "from another task");
/// client.advance(Duration::from_secs(59)).await;
/// client.expect_nothing().await;
/// # }
/// ```
impl<H: Handler> TestClient<H> {
    /// Sends a message to the handler's `#[on_info]`.
    ///
    /// # Panics
    ///
    /// If the handler's mailbox is full or the connection has ended.
    #[track_caller]
    pub fn info<M: InfoOf<H>>(&mut self, message: M) -> impl Future<Output = ()> {
        self.io.log_event(&format!("message {}", std::any::type_name::<M>()));
        if let Err(error) = self.addr.send(message) {
            self.fail(Location::caller(), &format!("cannot send the message: {error}"));
        }
        settle()
    }

    /// Returns the address of the handler.
    pub fn addr(&self) -> Addr<H> {
        self.addr.clone()
    }

    /// Advances the clock. Timers of all clients and tasks of the test fire in order, including those that
    /// are due at the end.
    ///
    /// The clock has a resolution of one millisecond. A fraction is rounded up, and the next `advance` is
    /// shorter by the difference: ten times 100 µs make one millisecond.
    ///
    /// ```
    /// # use ws_core::{prelude::*, test::TestClient};
    /// # #[websocket] #[derive(Default)] struct Chat;
    /// # #[websocket] impl Chat {
    /// #[after(100ms)]
    /// fn late(&mut self) -> &'static str {
    ///     "late"
    /// }
    /// # }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// # let mut client = TestClient::open(Chat).await;
    /// client.advance(Duration::from_millis(99)).await;
    /// client.expect_nothing().await;
    /// client.advance(Duration::from_millis(1)).await;
    /// assert_eq!(client.text().await, "late");
    /// # }
    /// ```
    pub async fn advance(&mut self, time: Duration) {
        self.io.log_event(&format!("{time:?} pass"));
        clock::advance(time).await;
    }
}

impl<H: Handler> TestClient<H> {
    fn fail(&self, caller: &Location<'_>, message: &str) -> ! {
        panic!("{caller}: {message}\nevents:\n{}", self.io.log())
    }
}

/// Dropping a client disconnects it.
impl<H: Handler> Drop for TestClient<H> {
    fn drop(&mut self) {
        self.io.close();
    }
}

/// Shows the events so far.
impl<H: Handler> fmt::Debug for TestClient<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TestClient of {}\n{}", std::any::type_name::<H>(), self.io.log())
    }
}
