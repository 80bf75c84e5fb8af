//! Typed clients of handlers with named methods.

mod answers;
mod decode;
mod error;
mod handler;
mod messages;
mod params;
mod state;
mod streams;

use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{fmt, io};

use futures_util::future::{Either, select};
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;

pub use answers::RemoteAnswers;
pub use error::{FromCallError, RemoteCallError};
pub use messages::{RemoteMessageError, RemoteMessages};
pub use params::{RemoteArgument, RemoteParams};

use super::builder::Client;
use super::error::ConnectError;
use super::run::{Ended, run_client};
use crate::address::Addr;
use crate::envelope::{ClientCallError, Messages, PendingCall};
use crate::handler::{Enveloped, Handler};
use crate::reply::SendsOnly;
use crate::sync::lock;
use crate::wire::ReadsWhileWriting;
use handler::RemoteHandler;
use state::RemoteState;

/// The connection of a typed client to a handler `H` on a server.
///
/// `#[websocket(client = pub BoardClient)]` on the `impl` of a handler generates a client that dereferences to this
/// type. Its clones share one connection, which reconnects as [`Client::reconnect`] says, and closes when the last
/// clone is dropped.
///
/// ```
/// use ws_core::client::RemoteMessages;
/// use ws_core::prelude::*;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, PartialEq, Messages, Serialize, Deserialize)]
/// enum Event {
///     Price { symbol: String, price: f64 },
/// }
///
/// #[websocket(path = "/board", envelope = JsonRpc, sends = Event)]
/// #[derive(Default)]
/// struct Board;
///
/// #[websocket(client = BoardClient)]
/// impl Board {
///     /// Subscribes to the prices of a symbol. Returns how many there are.
///     #[on_call]
///     fn subscribe(&mut self, symbol: String, cx: &mut Context<Self>) -> u32 {
///         cx.send(Event::Price { symbol, price: 187.5 });
///         1
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), ws_core::BoxError> {
/// # let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
/// # let url = format!("ws://{}/board", listener.local_addr()?);
/// # tokio::spawn(Router::new().mount::<Board>().serve_listener(listener, std::future::pending()));
/// let board = BoardClient::connect(&url).await?;
/// let mut events: RemoteMessages<Event> = board.messages();
/// assert_eq!(board.subscribe("AAPL".to_owned()).await?, 1);
/// let price = Event::Price { symbol: "AAPL".to_owned(), price: 187.5 };
/// assert_eq!(events.next().await.unwrap()?, price);
/// # Ok(()) }
/// ```
pub struct Remote<H: Handler + Enveloped>(Arc<RemoteHandle<H>>);

/// The state of a client of the handler `H`.
type RemoteStateOf<H> = RemoteState<Addr<RemoteHandler<H>>>;

/// The part of a client that its clones share. Dropping it ends the client.
struct RemoteHandle<H: Handler + Enveloped> {
    state: Arc<RemoteStateOf<H>>,
    call_timeout: Duration,
    /// Dropped to end the client.
    stop: Mutex<Option<oneshot::Sender<()>>>,
}

/// The task of a client. Dropping it ends the state.
struct Running<H: Handler + Enveloped> {
    state: Arc<RemoteStateOf<H>>,
    end: Option<Ended>,
}

impl<H: Handler + Enveloped> Drop for Running<H> {
    fn drop(&mut self) {
        self.state.end(self.end.take());
    }
}

fn panicked() -> ConnectError {
    ConnectError::Io(io::Error::other("the task of the client panicked"))
}

impl<H: Handler + Enveloped> Remote<H> {
    /// Connects, and runs the client in a task. Returns when the first connection is open.
    ///
    /// The policy of `client` also applies to the first attempts: by default, the client waits for a server that is not
    /// reachable. [`Backoff::give_up_after`](super::Backoff::give_up_after) limits the attempts. `answers` has the
    /// functions for the server's calls.
    ///
    /// # Errors
    ///
    /// Returns the error of the last attempt, if the policy ends before there is a connection.
    ///
    /// # Cancellation
    ///
    /// Dropping the future ends the client.
    pub async fn connect(client: Client, answers: RemoteAnswers) -> Result<Self, ConnectError> {
        let (stop, stopped) = oneshot::channel::<()>();
        let has_sessions = client.session.is_some() || H::CHECKED_DECLARATION.options.session.is_some();
        let state = Arc::new(RemoteState::new(has_sessions));
        let call_timeout = client.call_timeout;
        let stop = Mutex::new(Some(stop));
        let remote = Self(Arc::new(RemoteHandle { state: Arc::clone(&state), call_timeout, stop }));
        let (failed, failure) = oneshot::channel();
        tokio::spawn(async move {
            // Also ends the state if the connector or the policy panics.
            let mut running = Running { state, end: None };
            let handler = || RemoteHandler::new(Arc::clone(&running.state), answers.clone());
            // The server may wait for its answers to be read before it reads calls.
            let reads = ReadsWhileWriting::Always;
            match run_client(client, handler, reads, async { _ = stopped.await }).await {
                Ok(ended) => running.end = Some(ended),
                Err(error) => _ = failed.send(error),
            }
        });
        let opened = {
            let opened = pin!(remote.0.state.wait_connection(0));
            match select(opened, failure).await {
                Either::Left((Some(_), _)) => Ok(()),
                Either::Left((None, failure)) => Err(failure.await.unwrap_or_else(|_| panicked())),
                Either::Right((Ok(error), _)) => Err(error),
                Either::Right((Err(_), opened)) => opened.await.map(|_| ()).ok_or_else(panicked),
            }
        };
        opened.map(|()| remote)
    }

    /// Calls a method of the server by its name. Methods of generated clients call this.
    ///
    /// The future waits for the answer for at most [`Client::call_timeout`], 30 s by default. Dropping it forgets the
    /// call.
    ///
    /// # Errors
    ///
    /// Returns the error with which the server answered, or the reason for which there is no answer. Without a
    /// connection, that is [`ClientCallError::Closed`] at once.
    pub async fn call<T, E>(&self, name: &str, params: RemoteParams) -> Result<T, RemoteCallError<E>>
    where
        T: DeserializeOwned,
        E: FromCallError,
    {
        let params = params.finish().map_err(RemoteCallError::Failed)?;
        let Some(addr) = self.0.state.addr() else {
            return Err(RemoteCallError::Failed(ClientCallError::Closed));
        };
        let call: PendingCall<T> = addr.call_named(name, &params);
        drop(addr);
        call.timeout(self.0.call_timeout).await.map_err(RemoteCallError::from)
    }

    /// Sends a message to a method of the server by its name. Methods of generated clients call this.
    ///
    /// Messages and calls of one task arrive in order.
    ///
    /// # Errors
    ///
    /// Returns [`ClientCallError::Closed`] without a connection, and [`ClientCallError::TooManyPending`] if 1,024
    /// messages and calls wait to be sent.
    pub fn send(&self, name: &str, params: RemoteParams) -> Result<(), ClientCallError> {
        let params = params.finish()?;
        self.0.state.addr().ok_or(ClientCallError::Closed)?.send_named(name, &params)
    }

    /// Waits for a connection after the first `after` ones. Returns its number, from 1; `None` if the client has
    /// ended. A connection that resumes a session is not counted, because the server's handler goes on.
    ///
    /// A task that subscribes again after each reconnection:
    ///
    /// ```
    /// use ws_core::client::Remote;
    /// use ws_core::{Enveloped, Handler};
    ///
    /// async fn resubscribe<H: Handler + Enveloped>(remote: Remote<H>) {
    ///     let mut number = 0;
    ///     while let Some(next) = remote.connected(number).await {
    ///         number = next;
    ///         // The calls that subscribe.
    ///     }
    /// }
    /// # fn check<H: Handler + Enveloped>(remote: Remote<H>) { drop(resubscribe(remote)); }
    /// ```
    pub async fn connected(&self, after: u64) -> Option<u64> {
        self.0.state.wait_connection(after).await
    }

    /// Returns whether there is a connection, or a session that waits for its next one.
    pub fn is_connected(&self) -> bool {
        self.0.state.addr().is_some_and(|addr| addr.is_open())
    }

    /// Closes the connection with 1001, for all clones, and waits for the end. The client does not reconnect.
    pub async fn close(&self) {
        drop(lock(&self.0.stop).take());
        self.ended().await;
    }

    /// Waits until the client has ended, because the policy gave up or a clone closed. Returns the end; `None` if
    /// the last attempt to connect failed.
    pub async fn ended(&self) -> Option<Ended> {
        self.0.state.wait_ended().await
    }
}

impl<H, M> Remote<H>
where
    H: Handler + Enveloped<Sends = SendsOnly<M>>,
    M: Messages + DeserializeOwned,
{
    /// Returns the messages that the server sends by itself: those of the option `sends`.
    ///
    /// The first stream begins with the first message of the first connection; later ones with the next message. Up
    /// to 1,024 messages and 4 MiB wait for each stream, and the newest message whatever its length. Then the oldest
    /// are dropped, and [`RemoteMessageError::Lagged`] has their number.
    pub fn messages(&self) -> RemoteMessages<M> {
        RemoteMessages::new(self.0.state.subscribe())
    }
}

impl<H: Handler + Enveloped> Clone for Remote<H> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<H: Handler + Enveloped> fmt::Debug for Remote<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").field("is_connected", &self.is_connected()).finish_non_exhaustive()
    }
}
