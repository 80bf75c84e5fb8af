//! What the client sees, and what a test says about it.

use std::panic::Location;

use bytes::Bytes;
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

use super::{QUIET, Test, frames};
use crate::close::{Close, CloseReason};
use crate::handler::Handler;
use crate::message::Message;

/// What the client sees.
///
/// ```
/// # use ws_core::{prelude::*, test::Test};
/// # #[websocket] #[derive(Default)] struct Chat;
/// # #[websocket] impl Chat {
/// #     #[on_open] fn open(&mut self) -> (&'static str, Vec<u8>, Ping, Pong, Close) {
/// #         ("text", vec![1], Ping::from("ping"), Pong::from("pong"), Close::from(4000))
/// #     }
/// # }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let mut client = Test::open(Chat).await;
/// assert_eq!(client.text().await, "text");
/// assert_eq!(client.next().await, Some(Message::binary(vec![1])));
/// assert_eq!(client.pinged().await, "ping");
/// assert_eq!(client.ponged().await, "pong");
/// assert_eq!(client.closed().await, Close::from(4000));
/// client.nothing().await;
/// assert_eq!(client.reason().await, CloseReason::Stop(Close::from(4000)));
/// # }
/// ```
impl<H: Handler> Test<H> {
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
}
