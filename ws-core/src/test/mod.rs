//! Testing a handler without a socket and without waiting (feature `test-util`).
//!
//! [`TestClient`] is a client in memory. It drives the same connection and the same generated code as the
//! server, over the wire format, on a clock that jumps: a thousand seconds take milliseconds. Nothing
//! but [`TestClient::advance`] moves it.
//!
//! An expectation that fails panics with what happened instead, and with all that happened before,
//! in order and with its time. The guide has a chapter on [testing](crate::guide::testing).

mod client_io;
mod clock;
mod expect;
mod frames;
mod upgrade;

use std::fmt;
use std::panic::Location;
use std::time::Duration;

use bytes::Bytes;
use hyper::HeaderMap;
use tokio::io::duplex;
use tokio::task::JoinHandle;

use crate::address::Addr;
use crate::close::{Close, CloseReason};
use crate::context::Context;
use crate::driver;
use crate::handler::{Handler, InfoOf, Mounted};
use crate::message::Message;
use crate::wire::Connection;

use client_io::ClientIo;
use clock::settle;
pub use upgrade::{Rejection, TestUpgrade};

/// A client of one handler, in memory and on a virtual clock.
///
/// It needs a current-thread runtime, as `#[tokio::test]` makes one, and pauses its clock, which is
/// that of all clients of the test. A client takes at most 256 KiB that it is not asked for; a
/// handler that sends more feels a slow one.
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
}

impl<H: Handler> TestClient<H> {
    /// Opens a connection to a handler; `#[on_open]` runs.
    pub async fn open(handler: H) -> Self {
        let options = H::CHECKED_DECLARATION.options;
        clock::pause().await;
        let wire = Connection::new(options.into(), Vec::new(), driver::now());
        Self::start(handler, Context::new(wire, None, None), HeaderMap::new()).await
    }

    /// A request whose `#[on_upgrade]` makes the handler, at the path of its declaration.
    pub fn upgrade(uri: &str) -> TestUpgrade<H>
    where
        H: Mounted,
    {
        TestUpgrade::new(uri, H::CHECKED_DECLARATION.path)
    }

    /// The same at a path of the test's, as [`Router::mount_at`](crate::Router::mount_at) mounts it.
    pub fn upgrade_at(path: &str, uri: &str) -> TestUpgrade<H> {
        TestUpgrade::new(uri, path)
    }

    /// The headers of the 101; without an upgrade there are none.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    async fn start(handler: H, mut cx: Context<H>, headers: HeaderMap) -> Self {
        let (client, server) = duplex(client_io::DUPLEX_SIZE);
        let addr = cx.addr();
        let io = ClientIo::new(client);
        io.log_event("opened");
        tokio::spawn(io.clone().run());
        let task = tokio::spawn(driver::run(handler, cx, server, None));
        let test = Self { io, headers, addr, task };
        settle().await;
        test
    }
}

/// What the client does.
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
    /// Sends a message: `&str` and `String` as text, `&[u8]`, `Vec<u8>` and `Bytes` as binary, and
    /// whatever else a [`Message`] can be.
    ///
    /// # Panics
    ///
    /// If the client has gone away ([`abort`](Self::abort)); so do the others.
    #[track_caller]
    pub fn send(&mut self, message: impl Into<Message>) -> impl Future<Output = ()> {
        let caller = Location::caller();
        let message = message.into();
        async move {
            let what = frames::describe(&message);
            self.send_bytes(caller, &what, &frames::encode(&message)).await;
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

    /// Sends a close frame.
    #[track_caller]
    pub fn close(&mut self, close: impl Into<Close>) -> impl Future<Output = ()> {
        self.send(close.into())
    }

    /// Sends bytes as they are, for a client that breaks the protocol.
    #[track_caller]
    pub fn raw(&mut self, bytes: &[u8]) -> impl Future<Output = ()> {
        let caller = Location::caller();
        async move { self.send_bytes(caller, &format!("{} bytes", bytes.len()), bytes).await }
    }

    /// Goes away without a word. What came before can still be looked at.
    pub async fn abort(&mut self) {
        self.io.log_event("client went away");
        self.io.close();
        settle().await;
    }

    async fn send_bytes(&mut self, caller: &Location<'_>, what: &str, bytes: &[u8]) {
        if !self.io.is_open() {
            self.fail(caller, "the client went away with `abort()`, so it can do nothing more");
        }
        self.io.log_event(&format!("client sent {what}"));
        self.io.send(bytes);
        settle().await;
    }
}

/// What the rest of the system does.
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// # #[websocket] #[derive(Default)] struct Chat;
/// # #[websocket] impl Chat {
/// #     #[on_info] fn say(&mut self, what: &'static str) -> &'static str { what }
/// #     #[every(60s)] fn tick(&mut self) -> Ping { Ping::from("tick") }
/// # }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let mut client = TestClient::open(Chat).await;
/// client.info("to #[on_info]").await;
/// assert_eq!(client.text().await, "to #[on_info]");
/// let addr = client.addr();
/// tokio::spawn(async move { addr.send("from another task") });
/// assert_eq!(client.text().await, "from another task");
/// client.pong("").await; // So that a minute of silence does not end it.
/// client.advance(Duration::from_secs(59)).await;
/// client.expect_nothing().await;
/// # }
/// ```
impl<H: Handler> TestClient<H> {
    /// Sends a message to the handler's `#[on_info]`.
    ///
    /// # Panics
    ///
    /// If its mailbox is full or the connection has ended.
    #[track_caller]
    pub fn info<M: InfoOf<H>>(&mut self, message: M) -> impl Future<Output = ()> {
        self.io.log_event(&format!("message {}", std::any::type_name::<M>()));
        if let Err(error) = self.addr.send(message) {
            self.fail(Location::caller(), &format!("cannot send the message: {error}"));
        }
        settle()
    }

    /// The address of the handler.
    pub fn addr(&self) -> Addr<H> {
        self.addr.clone()
    }

    /// Lets time pass: every timer on the way fires in its turn, those of all clients and tasks of
    /// the test. What is due at the end of it has fired.
    ///
    /// The clock counts in milliseconds. A time that is none goes on to the next one, and the rest is
    /// part of the next `advance`: ten times 100 µs are a millisecond.
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
    fn fail(&self, caller: &Location<'_>, what: &str) -> ! {
        panic!("{caller}: {what}\nwhat happened:\n{}", self.io.log())
    }
}

/// A client that is dropped goes away.
impl<H: Handler> Drop for TestClient<H> {
    fn drop(&mut self) {
        self.io.close();
    }
}

/// What happened so far.
impl<H: Handler> fmt::Debug for TestClient<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Test of {}\n{}", std::any::type_name::<H>(), self.io.log())
    }
}
