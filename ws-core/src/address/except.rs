//! Publishing to all subscribers of a topic except one connection.

use super::{Addr, Recipient};
#[cfg(doc)]
use crate::context::Context;
use crate::error::PublishError;
use crate::handler::Handler;
use crate::topic::{PublishAck, Topic};

impl<T: Send + Sync + 'static> Topic<T> {
    /// Like [`publish`](Self::publish), but the connection with the address `addr` does not get the value. For
    /// a task or an HTTP handler that publishes on behalf of a member, whose client knows the message
    /// already.
    ///
    /// The connection is left out whether it subscribes or forwards. In a method of that connection,
    /// [`Context::publish_to_others`] does the same. An address is an [`Addr`] or a [`Recipient`]. The address of a
    /// connection that has ended has no effect.
    ///
    /// # Errors
    ///
    /// Those of [`publish`](Self::publish).
    ///
    /// ```
    /// # use ws_core::{prelude::*, test::TestClient};
    /// # #[websocket] struct Guest { room: Topic<String> }
    /// #[websocket]
    /// impl Guest {
    ///     #[on_open]
    ///     fn open(&mut self, cx: &mut Context<Self>) {
    ///         cx.forward(&self.room);
    ///     }
    /// }
    ///
    /// /// An HTTP handler: the author has the line on the page already.
    /// fn post(room: &Topic<String>, author: &Addr<Guest>, line: &str) -> Result<(), PublishError> {
    ///     room.publish_except(author, line.to_owned())?;
    ///     Ok(())
    /// }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let room = Hub::local().topic::<String>("room:lobby");
    /// let mut anna = TestClient::open(Guest { room: room.clone() }).await;
    /// let mut ben = TestClient::open(Guest { room: room.clone() }).await;
    /// post(&room, &anna.addr(), "hello").unwrap();
    /// assert_eq!(ben.text().await, r#""hello""#);
    /// anna.expect_nothing().await;
    /// # }
    /// ```
    pub fn publish_except(&self, addr: &impl Address, value: T) -> Result<PublishAck, PublishError> {
        self.0.publish(value, Some(addr.connection_id()))
    }
}

/// The address of a connection: an [`Addr`] or a [`Recipient`]. The argument of [`Topic::publish_except`].
///
/// Other types cannot implement this trait.
///
/// ```
/// use ws_core::{Address, PublishError, Topic};
///
/// fn announce(room: &Topic<String>, newcomer: &impl Address) -> Result<(), PublishError> {
///     room.publish_except(newcomer, "a guest has come in".to_owned())?;
///     Ok(())
/// }
/// ```
pub trait Address: HasConnectionId {}

impl<H: Handler> Address for Addr<H> {}

impl<M> Address for Recipient<M> {}

/// The sealed part of [`Address`]: the number of the connection.
pub trait HasConnectionId {
    /// Returns the number of the connection.
    #[doc(hidden)]
    fn connection_id(&self) -> usize;
}

impl<H: Handler> HasConnectionId for Addr<H> {
    fn connection_id(&self) -> usize {
        self.0.connection_id()
    }
}

impl<M> HasConnectionId for Recipient<M> {
    fn connection_id(&self) -> usize {
        self.0.connection_id()
    }
}
