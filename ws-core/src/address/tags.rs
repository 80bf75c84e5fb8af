//! Tags: names under which the registry finds a connection.

use std::sync::Arc;

use crate::clock::now;
use crate::close::{Close, TAKEN};
use crate::connections::{TagError, check_tag};
use crate::context::Context;
use crate::handler::Handler;

impl<H: Handler> Context<H> {
    /// Gives the connection a tag, under which [`Connections::tagged`](crate::Connections::tagged) finds it: the user,
    /// the device, the tenant. Cowboy's `gproc:reg({p, l, Tag})`.
    ///
    /// The tag takes effect at once, and ends with the connection. The field `tag` of the
    /// [span](crate::guide::observability) has the first tag that the connection gets. Adding a tag that the connection
    /// already has does nothing. A connection has up to 16 tags, and a tag up to 128 bytes. The first tag creates the mailbox, like
    /// [`addr`](Self::addr). A handler that no [`Router`](crate::Router) runs, for example in a test, is in no registry:
    /// for such a handler, only the tag itself is checked.
    ///
    /// # Errors
    ///
    /// [`TagError`] if the tag is empty, longer than 128 bytes, or one more than 16. The connection keeps its other
    /// tags. [`TagError::Taken`] with the option [`on_second = refuse`](crate::OnSecond::Refuse), if another connection has
    /// the tag: this one closes.
    ///
    /// ```
    /// # use ws_core::{TagError, prelude::*, test::TestClient};
    /// # #[websocket] #[derive(Default)] struct Chat;
    /// #[websocket]
    /// impl Chat {
    ///     #[on_text]
    ///     fn sign_in(&mut self, user: &str, cx: &mut Context<Self>) -> Result<&'static str, TagError> {
    ///         cx.tag(&format!("user:{user}"))?;
    ///         Ok("welcome")
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let mut client = TestClient::open(Chat).await;
    /// client.send("42").await;
    /// assert_eq!(client.text().await, "welcome");
    /// # }
    /// ```
    pub fn tag(&mut self, tag: &str) -> Result<(), TagError> {
        check_tag(tag, 0, false)?;
        if self.session().permit.is_some() {
            let addr = Arc::new(self.addr());
            let mut session = self.session();
            let on_second = session.wire.options().on_second(tag);
            // A connection that closes does not take the place of one that stays.
            if on_second.is_some() && session.wire.close_reason().is_some() {
                return Err(TagError::Taken);
            }
            let tagged = session.permit.as_ref().map_or(Ok(()), |permit| permit.tag(tag, addr, on_second));
            if tagged == Err(TagError::Taken) {
                session.wire.close_by_program(Close::from((TAKEN, "already connected")), now());
            }
            tagged?;
        }
        self.connection_span().record_first_tag(tag);
        Ok(())
    }

    /// Removes a tag from the connection. Returns false if the connection does not have it.
    ///
    /// ```
    /// # use ws_core::{prelude::*, test::TestClient};
    /// # #[websocket] #[derive(Default)] struct Chat;
    /// #[websocket]
    /// impl Chat {
    ///     #[on_text]
    ///     fn sign_out(&mut self, user: &str, cx: &mut Context<Self>) -> String {
    ///         cx.untag(&format!("user:{user}")).to_string()
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let mut client = TestClient::open(Chat).await;
    /// client.send("42").await;
    /// assert_eq!(client.text().await, "false");
    /// # }
    /// ```
    pub fn untag(&mut self, tag: &str) -> bool {
        self.session().permit.as_ref().is_some_and(|permit| permit.untag(tag))
    }
}
