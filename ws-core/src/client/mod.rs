//! Handlers in the client's role (feature `client`).
//!
//! [`run`] connects to a server and runs a handler over the connection, as a server would: all methods, timers, the
//! mailbox, topics, calls in both directions, states. After the end of a connection, the client reconnects. [`Client`]
//! has the settings. The guide has a chapter about [clients](crate::guide::client).

mod builder;
mod dial;
mod error;
mod exchange;
#[cfg(feature = "cli")]
mod get;
mod handshake;
mod reconnect;
mod remote;
mod run;
mod session;
mod tcp;
mod url;

pub use builder::Client;
pub use error::ConnectError;
pub use reconnect::{Backoff, Disconnect, DisconnectCause, Reconnect};
pub use remote::{
    FromCallError, Remote, RemoteAnswers, RemoteArgument, RemoteCallError, RemoteMessageError,
    RemoteMessages, RemoteParams,
};
pub use run::Ended;
pub use tokio_rustls::rustls;

use crate::handler::{DefaultUpgrade, Handler};

/// Connects to a server, and runs a handler in the client's role.
///
/// Like [`Client::new(url).run(make)`](Client::run): `make` returns a new handler for each connection or session, and the
/// client reconnects with the [default delays](Backoff).
///
/// ```
/// use ws_core::client;
/// use ws_core::prelude::*;
/// # #[websocket(path = "/prices")] #[derive(Default)] struct Exchange;
/// # #[websocket] impl Exchange {
/// #     #[on_text] fn subscribe(&mut self, text: &str) -> (&'static str, Close) {
/// #         assert_eq!(text, "subscribe AAPL");
/// #         ("AAPL 187.5", Close::default())
/// #     }
/// # }
///
/// /// A consumer of an exchange's prices.
/// #[websocket]
/// #[derive(Default)]
/// struct Feed;
///
/// #[websocket]
/// impl Feed {
///     /// Runs for each connection.
///     #[on_open]
///     fn subscribe(&mut self) -> &'static str {
///         "subscribe AAPL"
///     }
///
///     #[on_text]
///     fn price(&mut self, price: &str) {
///         assert_eq!(price, "AAPL 187.5");
///     }
///
///     /// This exchange expects a text every 20 s.
///     #[every(20s)]
///     fn keep_alive(&mut self) -> &'static str {
///         "ping"
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), ws_core::BoxError> {
/// # let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
/// # let url = format!("ws://{}/prices", listener.local_addr()?);
/// # tokio::spawn(Router::new().mount::<Exchange>().serve_listener(listener, std::future::pending()));
/// let ended = client::run(&url, Feed::default).await?;
/// assert_eq!(ended.reason, CloseReason::Remote(Some(Close::default())));
/// # Ok(()) }
/// ```
///
/// # Errors
///
/// Those of [`Client::run`].
///
/// # Cancellation
///
/// See [`Client::run`].
pub async fn run<H: ClientHandler>(url: &str, make: impl FnMut() -> H + Send) -> Result<Ended, ConnectError> {
    Client::new(url).run(make).await
}

/// A handler that can run as a client: any handler without an `#[on_upgrade]`, which needs a request to a server.
///
/// ```
/// use ws_core::client::ClientHandler;
/// # use ws_core::prelude::*;
/// # #[websocket] #[derive(Default)] struct Feed;
/// # #[websocket] impl Feed { #[on_text] fn text(&mut self, _: &str) {} }
/// fn is_client<H: ClientHandler>() {}
/// is_client::<Feed>();
/// ```
///
/// ```compile_fail,E0277
/// use ws_core::client::ClientHandler;
/// use ws_core::prelude::*;
///
/// #[websocket]
/// struct Feed;
///
/// #[websocket]
/// impl Feed {
///     #[on_upgrade]
///     fn make() -> Self {
///         Self
///     }
/// }
///
/// fn is_client<H: ClientHandler>() {}
/// is_client::<Feed>();
/// ```
pub trait ClientHandler: Handler<Upgrade: WithoutRequest> {}

#[diagnostic::do_not_recommend]
impl<H: Handler<Upgrade: WithoutRequest>> ClientHandler for H {}

/// The constructor of a handler without an `#[on_upgrade]`.
#[diagnostic::on_unimplemented(
    message = "a handler with an `#[on_upgrade]` cannot run as a client",
    label = "has an `#[on_upgrade]`, which takes the request of a client",
    note = "the closure makes the handler of a client: remove the `#[on_upgrade]`, or declare another type for this role"
)]
pub trait WithoutRequest {}

impl WithoutRequest for DefaultUpgrade {}

#[cfg(test)]
mod tests;
