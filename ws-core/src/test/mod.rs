//! Testing a handler without a socket and without waiting (feature `test-util`).
//!
//! [`Test`] is a client in memory. It drives the same connection and the same generated code as the
//! server, over the wire format, on a clock that jumps: a thousand seconds take milliseconds.
//!
//! An expectation that fails panics with what happened instead, and with all that happened before,
//! in order. The guide has a chapter on [testing](crate::guide::testing).

mod expect;
mod frames;
mod upgrade;

use std::fmt::{self, Write as _};
use std::panic::Location;
use std::time::Duration;

use bytes::Bytes;
use hyper::HeaderMap;
use tokio::io::{AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::address::Addr;
use crate::close::{Close, CloseCode, CloseReason};
use crate::context::Context;
use crate::driver;
use crate::handler::{Handler, InfoOf, Mounted};
use crate::message::Message;
use crate::wire::Connection;

pub use upgrade::{Rejection, TestUpgrade};

/// Enough for whatever a test lets wait; a handler that fills it feels a slow client.
const PIPE: usize = 256 << 10;

/// How long nothing may happen before an expectation fails: the clock only jumps when every task
/// waits, so this is no waiting at all.
const QUIET: Duration = Duration::from_millis(1);

/// A client of one handler, in memory and on a virtual clock.
///
/// It needs a current-thread runtime, as `#[tokio::test]` makes one, and pauses its clock.
///
/// ```
/// use ws_core::prelude::*;
/// use ws_core::test::Test;
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
/// let mut client = Test::open(Greeter).await;
/// client.send("world").await;
/// assert_eq!(client.text().await, "Hello, world!");
/// client.nothing().await;
/// client.advance(Duration::from_secs(10)).await;
/// assert_eq!(client.text().await, "tick");
/// client.close(1000).await;
/// assert_eq!(client.reason().await, CloseReason::Remote(Some(Close::from(1000))));
/// # }
/// ```
pub struct Test<H: Handler> {
    /// `None` after [`abort`](Self::abort).
    io: Option<DuplexStream>,
    received: Vec<u8>,
    headers: HeaderMap,
    addr: Addr<H>,
    task: JoinHandle<CloseReason>,
    start: Instant,
    log: String,
}

impl<H: Handler> Test<H> {
    /// Opens a connection to a handler; `#[on_open]` runs.
    pub async fn open(handler: H) -> Self {
        let options = H::DECLARED.options;
        pause();
        let wire = Connection::new(options.into(), Vec::new(), driver::now());
        Self::start(handler, Context::new(wire, None, None), HeaderMap::new()).await
    }

    /// A request whose `#[on_upgrade]` makes the handler, at the path of its declaration.
    pub fn upgrade(uri: &str) -> TestUpgrade<H>
    where
        H: Mounted,
    {
        TestUpgrade::new(uri, H::DECLARED.path)
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
        let (client, server) = duplex(PIPE);
        let addr = cx.addr();
        let task = tokio::spawn(driver::run(handler, cx, server, None));
        let mut test = Self {
            io: Some(client),
            received: Vec::new(),
            headers,
            addr,
            task,
            start: Instant::now(),
            log: String::new(),
        };
        test.note("opened");
        settle().await;
        test
    }
}

/// What the client does.
///
/// ```
/// # use ws_core::{prelude::*, test::Test};
/// # #[websocket] #[derive(Default)] struct Chat;
/// # #[websocket] impl Chat {
/// #     #[on_text] fn text(&mut self, text: String) -> String { text }
/// #     #[on_binary] fn binary(&mut self, bytes: Bytes) -> Bytes { bytes }
/// # }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let mut client = Test::open(Chat).await; // An echo.
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
impl<H: Handler> Test<H> {
    /// Sends a message: `&str` and `String` as text, `&[u8]`, `Vec<u8>` and `Bytes` as binary, and
    /// whatever else a [`Message`] can be.
    pub async fn send(&mut self, message: impl Into<Message>) {
        let message = message.into();
        self.note(&format!("client sent {}", frames::describe(&message)));
        self.raw(&frames::encode(&message)).await;
    }

    /// Sends a ping.
    pub async fn ping(&mut self, payload: impl Into<Bytes>) {
        self.send(crate::Ping(payload.into())).await;
    }

    /// Sends a pong.
    pub async fn pong(&mut self, payload: impl Into<Bytes>) {
        self.send(crate::Pong(payload.into())).await;
    }

    /// Sends a close frame.
    pub async fn close(&mut self, close: impl Into<Close>) {
        self.send(close.into()).await;
    }

    /// Sends bytes as they are, for a client that breaks the protocol.
    pub async fn raw(&mut self, bytes: &[u8]) {
        if let Some(io) = &mut self.io {
            // A handler that has ended takes no more; what it said tells why.
            let _ = io.write_all(bytes).await;
        }
        settle().await;
    }

    /// Goes away without a word.
    pub async fn abort(&mut self) {
        self.note("client went away");
        self.io = None;
        settle().await;
    }
}

/// What the rest of the system does.
///
/// ```
/// # use ws_core::{prelude::*, test::Test};
/// # #[websocket] #[derive(Default)] struct Chat;
/// # #[websocket] impl Chat {
/// #     #[on_info] fn say(&mut self, what: &'static str) -> &'static str { what }
/// #     #[every(60s)] fn tick(&mut self) -> Ping { Ping::from("tick") }
/// # }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let mut client = Test::open(Chat).await;
/// client.info("to #[on_info]").await;
/// assert_eq!(client.text().await, "to #[on_info]");
/// let addr = client.addr();
/// tokio::spawn(async move { addr.send("from another task") });
/// assert_eq!(client.text().await, "from another task");
/// client.pong("").await; // So that a minute of silence does not end it.
/// client.advance(Duration::from_secs(59)).await;
/// client.nothing().await;
/// # }
/// ```
impl<H: Handler> Test<H> {
    /// Sends a message to the handler's `#[on_info]`.
    ///
    /// # Panics
    ///
    /// If its mailbox is full or the connection has ended.
    #[track_caller]
    pub fn info<M: InfoOf<H>>(&mut self, message: M) -> impl Future<Output = ()> {
        self.note(&format!("message {}", std::any::type_name::<M>()));
        if let Err(error) = self.addr.send(message) {
            self.fail(Location::caller(), &format!("cannot send the message: {error}"));
        }
        settle()
    }

    /// The address of the handler.
    pub fn addr(&self) -> Addr<H> {
        self.addr.clone()
    }

    /// Lets time pass: every timer on the way fires in its turn.
    pub async fn advance(&mut self, time: Duration) {
        self.note(&format!("{time:?} pass"));
        tokio::time::sleep(time).await;
        settle().await;
    }
}

impl<H: Handler> Test<H> {
    fn note(&mut self, what: &str) {
        let time = self.start.elapsed();
        let _ = writeln!(self.log, "  {time:>10.3?}  {what}");
    }

    fn fail(&self, caller: &Location<'_>, what: &str) -> ! {
        panic!("{caller}: {what}\nwhat happened:\n{}", self.log)
    }
}

/// What happened so far.
impl<H: Handler> fmt::Debug for Test<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Test of {}\n{}", std::any::type_name::<H>(), self.log)
    }
}

/// Lets every task run until it waits.
async fn settle() {
    for _ in 0..64 {
        tokio::task::yield_now().await;
    }
}

/// Stops the clock, if the test has not.
fn pause() {
    let before = Instant::now();
    std::thread::sleep(Duration::from_micros(10));
    if Instant::now() != before {
        tokio::time::pause();
    }
}

/// A close frame without a code, as the client sees it (RFC 6455 §7.1.5).
fn no_status() -> Close {
    Close::from(CloseCode::Status)
}
