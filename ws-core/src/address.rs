//! Addresses of handlers: [`Addr`] and [`Recipient`].

#[cfg(feature = "json")]
mod calls;
mod except;
mod tags;

use std::fmt;
use std::sync::Arc;

pub use except::Address;

use crate::context::Context;
use crate::error::SendError;
use crate::handler::{Handler, InfoOf};
use crate::mailbox::Mailbox;

/// The address of one connection's handler. Cowboy's `Pid ! Message`.
///
/// Messages sent to the address reach the handler's `#[on_info]` methods. An `Addr` is cheap to clone
/// and can be used from any thread. An `Addr` does not keep the connection open.
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// struct Price(f64);
///
/// #[websocket]
/// #[derive(Default)]
/// struct Prices;
///
/// #[websocket]
/// impl Prices {
///     #[on_info]
///     fn price(&mut self, Price(price): Price) -> String {
///         price.to_string()
///     }
/// }
///
/// fn publish(clients: &mut Vec<Addr<Prices>>, price: f64) {
///     clients.retain(|client| match client.send(Price(price)) {
///         Err(error) if error.is_closed() => false,
///         _ => true, // A handler whose mailbox is full misses this price.
///     });
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// # let mut client = TestClient::open(Prices).await;
/// # let mut clients = vec![client.addr()];
/// # publish(&mut clients, 2.5);
/// # assert_eq!(client.text().await, "2.5");
/// # client.abort().await;
/// # publish(&mut clients, 2.5);
/// # assert!(clients.is_empty());
/// # }
/// ```
///
/// The guide has a chapter on [addresses](crate::guide::addresses).
pub struct Addr<H: Handler>(pub(crate) Arc<Mailbox<H::Info>>);

impl<H: Handler> Addr<H> {
    /// Puts a message into the handler's mailbox, without waiting. Messages of one sender arrive in
    /// order.
    ///
    /// # Errors
    ///
    /// Returns [`SendError::Full`] if the mailbox already holds as many messages as the option `mailbox`
    /// allows (1,024 by default), and [`SendError::Closed`] if the connection has ended. Both return the
    /// message.
    ///
    /// ```
    /// # use ws_core::{prelude::*, test::TestClient};
    /// # #[websocket] #[derive(Default)] struct Chat;
    /// # #[websocket] impl Chat {
    /// #     #[on_info] fn send(&mut self, text: &'static str) -> &'static str { text }
    /// # }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// # let mut client = TestClient::open(Chat).await;
    /// let addr: Addr<Chat> = client.addr();
    /// addr.send("hello").unwrap();
    /// assert_eq!(client.text().await, "hello");
    /// client.abort().await;
    /// assert_eq!(addr.send("too late"), Err(SendError::Closed("too late")));
    /// # }
    /// ```
    pub fn send<M: InfoOf<H>>(&self, message: M) -> Result<(), SendError<M>> {
        self.0.send(message, M::into_info)
    }

    /// Returns whether the connection still accepts messages.
    ///
    /// ```
    /// # use ws_core::{prelude::*, test::TestClient};
    /// # #[websocket] #[derive(Default)] struct Chat;
    /// # #[websocket] impl Chat {
    /// #     #[on_info] fn send(&mut self, text: &'static str) -> &'static str { text }
    /// # }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// # let mut client = TestClient::open(Chat).await;
    /// let addr: Addr<Chat> = client.addr();
    /// assert!(addr.is_open());
    /// client.close(1000).await;
    /// assert!(!addr.is_open());
    /// # }
    /// ```
    pub fn is_open(&self) -> bool {
        self.0.is_open()
    }

    /// Returns the address for one type of message, without the type of the handler.
    ///
    /// ```
    /// # use ws_core::{prelude::*, test::TestClient};
    /// # #[websocket] #[derive(Default)] struct Chat;
    /// # #[websocket] impl Chat {
    /// #     #[on_info] fn send(&mut self, text: &'static str) -> &'static str { text }
    /// # }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// # let mut client = TestClient::open(Chat).await;
    /// let recipient: Recipient<&str> = client.addr().recipient();
    /// recipient.send("hello").unwrap();
    /// assert_eq!(client.text().await, "hello");
    /// # }
    /// ```
    pub fn recipient<M: InfoOf<H> + 'static>(&self) -> Recipient<M> {
        Recipient(Arc::new(self.clone()))
    }

    /// Adds a function that reads the handler. Returns false if the connection is closing.
    #[cfg(feature = "test-util")]
    pub(crate) fn probe(&self, probe: crate::mailbox::Probe) -> bool {
        self.0.probe(probe)
    }
}

impl<H: Handler> Context<H> {
    /// Returns the address of this handler, which other tasks can send messages to. Cowboy's `self()`.
    ///
    /// The first call creates the mailbox; a connection whose address is not used has none.
    ///
    /// ```
    /// # use ws_core::{prelude::*, test::TestClient};
    /// # #[websocket] #[derive(Default)] struct Chat;
    /// #[websocket]
    /// impl Chat {
    ///     #[on_text]
    ///     fn text(&mut self, text: String, cx: &mut Context<Self>) {
    ///         let addr = cx.addr();
    ///         tokio::spawn(async move { addr.send(text.len()) });
    ///     }
    ///     #[on_info]
    ///     fn counted(&mut self, len: usize) -> String {
    ///         len.to_string()
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let mut client = TestClient::open(Chat).await;
    /// client.send("four").await;
    /// assert_eq!(client.text().await, "4");
    /// # }
    /// ```
    pub fn addr(&mut self) -> Addr<H> {
        Addr(Arc::clone(self.session().open_mailbox()))
    }
}

impl<H: Handler> Clone for Addr<H> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// Two addresses are equal if they belong to the same connection.
impl<H: Handler> PartialEq for Addr<H> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<H: Handler> Eq for Addr<H> {}

impl<H: Handler> fmt::Debug for Addr<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Addr").field(&Arc::as_ptr(&self.0)).finish()
    }
}

/// The address of a handler of any type that takes messages of type `M`.
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// # #[websocket] #[derive(Default)] struct Chat;
/// # #[websocket] impl Chat {
/// #     #[on_info] fn stop(&mut self, _: Stop) -> Close { Close::from(1001) }
/// # }
/// # #[websocket] #[derive(Default)] struct Feed;
/// # #[websocket] impl Feed {
/// #     #[on_info] fn stop(&mut self, _: Stop) -> &'static str { "the end" }
/// # }
/// struct Stop;
///
/// fn stop_all(handlers: &[Recipient<Stop>]) {
///     handlers.iter().for_each(|handler| _ = handler.send(Stop));
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// # let mut chat = TestClient::open(Chat).await;
/// # let mut feed = TestClient::open(Feed).await;
/// // Two unrelated handlers, each with an `#[on_info]` for `Stop`.
/// stop_all(&[chat.addr().recipient(), feed.addr().recipient()]);
/// assert_eq!(chat.closed().await.code, CloseCode::Away);
/// assert_eq!(feed.text().await, "the end");
/// # }
/// ```
pub struct Recipient<M>(Arc<dyn ErasedSender<M>>);

impl<M> Recipient<M> {
    /// Puts a message into the handler's mailbox, without waiting.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`Addr::send`].
    ///
    /// ```
    /// # use ws_core::{prelude::*, test::TestClient};
    /// # #[websocket] #[derive(Default)] struct Chat;
    /// # #[websocket] impl Chat {
    /// #     #[on_info] fn send(&mut self, text: &'static str) -> &'static str { text }
    /// # }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// # let mut client = TestClient::open(Chat).await;
    /// let recipient: Recipient<&str> = client.addr().recipient();
    /// assert_eq!(recipient.send("hello"), Ok(()));
    /// # assert_eq!(client.text().await, "hello");
    /// # }
    /// ```
    pub fn send(&self, message: M) -> Result<(), SendError<M>> {
        self.0.send(message)
    }

    /// Returns whether the connection still accepts messages. See [`Addr::is_open`].
    pub fn is_open(&self) -> bool {
        self.0.is_open()
    }
}

impl<M> Clone for Recipient<M> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<M> fmt::Debug for Recipient<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Recipient").field(&Arc::as_ptr(&self.0)).finish()
    }
}

/// An [`Addr`] without the type of its handler.
trait ErasedSender<M>: Send + Sync {
    fn send(&self, message: M) -> Result<(), SendError<M>>;
    fn is_open(&self) -> bool;
    fn connection_id(&self) -> usize;
}

impl<H: Handler, M: InfoOf<H>> ErasedSender<M> for Addr<H> {
    fn send(&self, message: M) -> Result<(), SendError<M>> {
        Self::send(self, message)
    }

    fn is_open(&self) -> bool {
        Self::is_open(self)
    }

    fn connection_id(&self) -> usize {
        self.0.connection_id()
    }
}
