//! Expectations about the messages that the client receives.

use std::panic::Location;

use std::time::Duration;

use bytes::Bytes;
#[cfg(feature = "json")]
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::{TestClient, clock, frames};
use crate::close::{Close, CloseReason};
use crate::handler::Handler;
use crate::message::Message;

/// How many times an expectation retries before it fails, each time after a millisecond of real time.
/// Another thread (`spawn_blocking`, name resolution) may be about to deliver a result.
pub(super) const MAX_RETRIES: u32 = 50;

/// Expectations about the messages that the client receives.
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// # #[websocket] #[derive(Default)] struct Chat;
/// # #[websocket] impl Chat {
/// #     #[on_open] fn open(&mut self) -> (&'static str, Vec<u8>, Ping, Pong, Close) {
/// #         ("text", vec![1], Ping::from("ping"), Pong::from("pong"), Close::from(4000))
/// #     }
/// # }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let mut client = TestClient::open(Chat).await;
/// assert_eq!(client.text().await, "text");
/// assert_eq!(client.next().await, Some(Message::binary(vec![1])));
/// assert_eq!(client.pinged().await, "ping");
/// assert_eq!(client.ponged().await, "pong");
/// assert_eq!(client.closed().await, Close::from(4000));
/// client.expect_nothing().await;
/// assert_eq!(client.close_reason().await, CloseReason::Stop(Close::from(4000)));
/// # }
/// ```
impl<H: Handler> TestClient<H> {
    /// Returns the next message that the handler has sent, if there is one. The client replies to a close
    /// frame, as RFC 6455 requires. Like [`expect_nothing`](Self::expect_nothing), the method does not wait
    /// for other threads.
    pub async fn next(&mut self) -> Option<Message> {
        self.take_message(0).await
    }

    /// Returns the next message, which must be text.
    ///
    /// # Panics
    ///
    /// If the message has another kind, or if there is none. So do the other expectations. They first wait
    /// about fifty milliseconds of real time for other threads, for example of `spawn_blocking`.
    #[track_caller]
    pub fn text(&mut self) -> impl Future<Output = String> {
        self.expect("text", |message| match message {
            Message::Text(text) => Ok(text.to_string()),
            _ => Err(None),
        })
    }

    /// Returns the next message, which must be text with the JSON of a `T` (feature `json`).
    ///
    /// ```
    /// # use ws_core::{prelude::*, test::TestClient};
    /// #[derive(serde::Serialize, serde::Deserialize, PartialEq, Debug)]
    /// struct Sum { sum: i64 }
    /// # #[websocket] #[derive(Default)] struct Adder;
    /// # #[websocket] impl Adder {
    /// #[on_text]
    /// fn add(&mut self, Json((a, b)): Json<(i64, i64)>) -> Json<Sum> {
    ///     Json(Sum { sum: a + b })
    /// }
    /// # }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// # let mut client = TestClient::open(Adder).await;
    /// client.send("[1, 2]").await;
    /// assert_eq!(client.json::<Sum>().await, Sum { sum: 3 });
    /// # }
    /// ```
    #[cfg(feature = "json")]
    #[track_caller]
    pub fn json<T: DeserializeOwned>(&mut self) -> impl Future<Output = T> {
        let expected = format!("JSON of `{}`", std::any::type_name::<T>());
        self.expect(expected, |message| match message {
            Message::Text(text) => serde_json::from_str(&text).map_err(|error| Some(error.to_string())),
            _ => Err(None),
        })
    }

    /// Returns the next message, which must be binary.
    #[track_caller]
    pub fn binary(&mut self) -> impl Future<Output = Bytes> {
        self.expect("a binary message", |message| match message {
            Message::Binary(bytes) => Ok(bytes),
            _ => Err(None),
        })
    }

    /// Returns the payload of the next message, which must be a ping.
    #[track_caller]
    pub fn pinged(&mut self) -> impl Future<Output = Bytes> {
        self.expect("a ping", |message| match message {
            Message::Ping(ping) => Ok(ping.0),
            _ => Err(None),
        })
    }

    /// Returns the payload of the next message, which must be a pong.
    #[track_caller]
    pub fn ponged(&mut self) -> impl Future<Output = Bytes> {
        self.expect("a pong", |message| match message {
            Message::Pong(pong) => Ok(pong.0),
            _ => Err(None),
        })
    }

    /// Returns the next message, which must be a close frame. An empty close frame has the code 1005.
    #[track_caller]
    pub fn closed(&mut self) -> impl Future<Output = Close> {
        self.expect("a close frame", |message| match message {
            Message::Close(close) => Ok(close),
            _ => Err(None),
        })
    }

    /// Expects that the handler has sent nothing more.
    #[track_caller]
    pub fn expect_nothing(&mut self) -> impl Future<Output = ()> {
        let caller = Location::caller();
        async move {
            if let Some(message) = self.take_message(0).await {
                self.fail(caller, &format!("expected no message, but got {}", frames::describe(&message)));
            }
        }
    }

    /// Waits for the end of the connection, and returns the reason that `#[on_close]` received. The handler
    /// has been dropped by then.
    ///
    /// # Panics
    ///
    /// If the connection is still open after its close and cancel timeouts.
    #[track_caller]
    pub fn close_reason(mut self) -> impl Future<Output = CloseReason> {
        let caller = Location::caller();
        async move {
            while self.take_message(0).await.is_some() {}
            // Longer than the timeouts of a closing connection, but not than those of an open one.
            let options = H::CHECKED_DECLARATION.options;
            let end = options.close_timeout + options.cancel_timeout + Duration::from_millis(1);
            match timeout(end, &mut self.task).await {
                Ok(Ok(reason)) => reason,
                Ok(Err(error)) => self.fail(caller, &format!("the task of the connection failed: {error}")),
                Err(_) => self.fail(caller, "expected the end of the connection, but it is open"),
            }
        }
    }

    /// Returns what `pick` makes of the next message. An error of `pick` describes the mismatch.
    #[track_caller]
    fn expect<R>(
        &mut self,
        expected: impl std::fmt::Display,
        pick: impl FnOnce(Message) -> Result<R, Option<String>>,
    ) -> impl Future<Output = R> {
        let caller = Location::caller();
        async move {
            let got = match self.take_message(MAX_RETRIES).await {
                Some(message) => {
                    let described = frames::describe(&message);
                    match pick(message) {
                        Ok(picked) => return picked,
                        Err(None) => described,
                        Err(Some(why)) => format!("{described}: {why}"),
                    }
                }
                None if self.task.is_finished() => "the connection has ended".to_owned(),
                None => "no message arrived".to_owned(),
            };
            self.fail(caller, &format!("expected {expected}, but {got}"))
        }
    }

    /// Returns the next message that arrives without advancing the clock. Replies to a close frame.
    async fn take_message(&mut self, retries: u32) -> Option<Message> {
        let mut message = self.io.take();
        for attempt in 0..=retries {
            if message.is_some() || self.io.has_ended() {
                break;
            }
            if attempt > 0 {
                std::thread::sleep(Duration::from_millis(1));
            }
            self.io.request_next();
            clock::settle().await;
            message = self.io.take();
        }
        if let Some(Message::Close(close)) = &message {
            self.io.send(&frames::encode(&Message::Close(close.clone())));
            clock::settle().await;
        }
        message
    }
}
