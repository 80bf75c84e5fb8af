//! Testing a handler without a socket and without waiting (feature `test-util`).
//!
//! [`Test`] is a client in memory. It drives the same connection and the same generated code as the
//! server, over the wire format, on a clock that jumps: a thousand seconds take milliseconds.
//!
//! ```
//! use ws_core::prelude::*;
//! use ws_core::test::Test;
//!
//! #[websocket(idle_timeout = 60s)]
//! #[derive(Default)]
//! struct Greeter;
//!
//! #[websocket]
//! impl Greeter {
//!     #[on_text]
//!     fn greet(&mut self, name: &str) -> String {
//!         format!("Hello, {name}!")
//!     }
//!
//!     #[every(10s)]
//!     fn tick(&mut self) -> &'static str {
//!         "tick"
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let mut client = Test::open(Greeter).await;
//! client.send("world").await;
//! assert_eq!(client.text().await, "Hello, world!");
//! client.nothing().await;
//! client.advance(Duration::from_secs(10)).await;
//! assert_eq!(client.text().await, "tick");
//! client.close(1000).await;
//! assert_eq!(client.reason().await, CloseReason::Remote(Some(Close::from(1000))));
//! # }
//! ```
//!
//! An expectation that fails panics with what happened instead, and with all that happened before,
//! in order.

mod frames;
mod upgrade;

use std::fmt::{self, Write as _};
use std::panic::Location;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

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
pub struct Test<H: Handler> {
    /// `None` after [`abort`](Self::abort).
    io: Option<DuplexStream>,
    received: Vec<u8>,
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
        Self::start(handler, Context::new(wire, None, None)).await
    }

    /// A request whose `#[on_upgrade]` makes the handler, at the path of its declaration.
    pub fn upgrade(uri: &str) -> TestUpgrade<H>
    where
        H: Mounted,
    {
        TestUpgrade::new(uri, H::DECLARED.path)
    }

    async fn start(handler: H, mut cx: Context<H>) -> Self {
        let (client, server) = duplex(PIPE);
        let addr = cx.addr();
        let task = tokio::spawn(driver::run(handler, cx, server, None));
        let mut test = Self {
            io: Some(client),
            received: Vec::new(),
            addr,
            task,
            start: Instant::now(),
            log: String::new(),
        };
        test.note("opened");
        settle().await;
        test
    }

    // What the client does.

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

    // What the rest of the system does.

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

    // What the client sees.

    /// The next message that the handler sends, if it has sent one. A close frame is answered, as
    /// every client does.
    pub async fn next(&mut self) -> Option<Message> {
        loop {
            if let Some((message, used)) = frames::decode(&self.received) {
                self.received.drain(..used);
                self.note(&format!("handler sent {}", frames::describe(&message)));
                if let Message::Close(close) = &message {
                    let answer = frames::encode(&Message::Close(close.clone()));
                    self.raw(&answer).await;
                }
                return Some(message);
            }
            let io = self.io.as_mut()?;
            match timeout(QUIET, io.read_buf(&mut self.received)).await {
                Ok(Ok(1..)) => {}
                _ => return None,
            }
        }
    }

    /// The next message, which must be text.
    ///
    /// # Panics
    ///
    /// If it is not, or if there is none; so do the others.
    #[track_caller]
    pub fn text(&mut self) -> impl Future<Output = String> {
        self.expect("text", |message| match message {
            Message::Text(text) => Some(text.to_string()),
            _ => None,
        })
    }

    /// The next message, which must be binary.
    #[track_caller]
    pub fn binary(&mut self) -> impl Future<Output = Bytes> {
        self.expect("a binary message", |message| match message {
            Message::Binary(bytes) => Some(bytes),
            _ => None,
        })
    }

    /// The payload of the next message, which must be a ping.
    #[track_caller]
    pub fn pinged(&mut self) -> impl Future<Output = Bytes> {
        self.expect("a ping", |message| match message {
            Message::Ping(ping) => Some(ping.0),
            _ => None,
        })
    }

    /// The payload of the next message, which must be a pong.
    #[track_caller]
    pub fn ponged(&mut self) -> impl Future<Output = Bytes> {
        self.expect("a pong", |message| match message {
            Message::Pong(pong) => Some(pong.0),
            _ => None,
        })
    }

    /// The next message, which must be a close frame; an empty one has the code 1005.
    #[track_caller]
    pub fn closed(&mut self) -> impl Future<Output = Close> {
        self.expect("a close frame", |message| match message {
            Message::Close(close) => Some(close),
            _ => None,
        })
    }

    /// Expects that the handler has sent nothing more.
    #[track_caller]
    pub fn nothing(&mut self) -> impl Future<Output = ()> {
        let caller = Location::caller();
        async move {
            if let Some(message) = self.next().await {
                self.fail(caller, &format!("expected nothing, but got {}", frames::describe(&message)));
            }
        }
    }

    /// What `#[on_close]` was told. It has run by then, and the handler is gone.
    ///
    /// # Panics
    ///
    /// If the connection has not ended, and does not once every timeout of an end is over.
    #[track_caller]
    pub fn reason(mut self) -> impl Future<Output = CloseReason> {
        let caller = Location::caller();
        async move {
            while self.next().await.is_some() {}
            // Longer than any timeout of an end, but not than one of an open connection.
            let end = H::DECLARED.options.close_timeout + H::DECLARED.options.cancel_timeout + QUIET;
            match timeout(end, &mut self.task).await {
                Ok(Ok(reason)) => reason,
                Ok(Err(error)) => self.fail(caller, &format!("the connection's task failed: {error}")),
                Err(_) => self.fail(caller, "expected the end, but the connection is open"),
            }
        }
    }

    #[track_caller]
    fn expect<R>(&mut self, what: &str, pick: impl FnOnce(Message) -> Option<R>) -> impl Future<Output = R> {
        let caller = Location::caller();
        async move {
            let got = match self.next().await {
                Some(message) => {
                    let described = frames::describe(&message);
                    match pick(message) {
                        Some(picked) => return picked,
                        None => described,
                    }
                }
                None if self.task.is_finished() => "the connection has ended".to_owned(),
                None => "nothing came".to_owned(),
            };
            self.fail(caller, &format!("expected {what}, but {got}"))
        }
    }

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
