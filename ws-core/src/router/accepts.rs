//! Declarations of the messages that handlers take from other processes.

use std::any::TypeId;
use std::sync::Arc;

use super::connections::send_to_each;
use crate::handler::{Handler, InfoOf};
use crate::topic::{Codec, Hub, Receive};

impl Hub {
    /// Declares that connections of the handler `H` take messages of a name, from this process and from others:
    /// [`TaggedInHub::send`](crate::TaggedInHub::send). The handler has an `#[on_info]` for `M`, which is encoded as JSON.
    ///
    /// The name identifies the message in other processes, because names of types are not stable: processes of two
    /// versions understand each other if the name is the same and the JSON fits. Several handlers may accept a name, each
    /// with a type of its own. A handler that accepts a name again takes the new type. The connections are those of routers
    /// that [`Router::hub`](crate::Router::hub) has registered.
    ///
    /// # Panics
    ///
    /// Panics if the name has more than 128 bytes.
    ///
    /// ```
    /// # use ws_core::{prelude::*, test::TestClient};
    /// #[derive(Clone, serde::Deserialize, serde::Serialize)]
    /// struct Notice { text: String }
    ///
    /// # #[websocket(path = "/chat")] #[derive(Default)] struct Chat;
    /// #[websocket]
    /// impl Chat {
    ///     #[on_open]
    ///     fn open(&mut self, cx: &mut Context<Self>) -> Result<(), ws_core::TagError> {
    ///         cx.tag("user:42")
    ///     }
    ///     #[on_info]
    ///     fn notice(&mut self, notice: Notice) -> String {
    ///         notice.text
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), ws_core::BoxError> {
    /// let hub = Hub::local(); // Or `Hub::nats(…)`.
    /// hub.accepts::<Chat, Notice>("notice");
    /// let router: Router = Router::new().mount::<Chat>().hub(&hub);
    ///
    /// let mut client = TestClient::<Chat>::upgrade("/chat").open_through(router).await.unwrap();
    /// hub.tagged("user:42").send("notice", &Notice { text: "you have mail".into() }).await?;
    /// assert_eq!(client.text().await, "you have mail");
    /// # Ok(()) }
    /// ```
    #[cfg(feature = "json")]
    #[track_caller]
    pub fn accepts<H: Handler, M: InfoOf<H> + Clone + serde::de::DeserializeOwned>(&self, name: &str) {
        let receive: Arc<Receive> =
            Arc::new(|addrs, message| send_to_each::<H, M>(addrs, || Ok(serde_json::from_slice(message)?)));
        self.add_receiver(name, TypeId::of::<H>(), receive);
    }

    /// Like [`accepts`](Self::accepts), for messages encoded by `codec`:
    /// [`TaggedInHub::send_with`](crate::TaggedInHub::send_with).
    ///
    /// # Panics
    ///
    /// Panics if the name has more than 128 bytes.
    ///
    /// ```
    /// # use ws_core::{BoxError, Codec, prelude::*};
    /// #[derive(Clone, Copy)]
    /// struct Mails(u8);
    ///
    /// struct OneByte;
    ///
    /// impl Codec<Mails> for OneByte {
    ///     const IS_TEXT: bool = false;
    ///
    ///     fn encode(&self, mails: &Mails, out: &mut Vec<u8>) -> Result<(), BoxError> {
    ///         Ok(out.push(mails.0))
    ///     }
    ///     fn decode(&self, bytes: &[u8]) -> Result<Mails, BoxError> {
    ///         Ok(Mails(*bytes.first().ok_or("empty")?))
    ///     }
    /// }
    /// # #[websocket(path = "/chat")] #[derive(Default)] struct Chat;
    /// # #[websocket] impl Chat {
    /// #     #[on_info] fn mails(&mut self, Mails(count): Mails) -> String { count.to_string() }
    /// # }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), BoxError> {
    /// # let hub = Hub::local();
    /// hub.accepts_with::<Chat, _>("mails", OneByte);
    /// let reached = hub.tagged("user:42").send_with("mails", &Mails(3), OneByte).await?;
    /// assert_eq!(reached.connections, 0);
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn accepts_with<H: Handler, M: InfoOf<H> + Clone>(&self, name: &str, codec: impl Codec<M>) {
        let receive: Arc<Receive> =
            Arc::new(move |addrs, message| send_to_each::<H, M>(addrs, || codec.decode(message)));
        self.add_receiver(name, TypeId::of::<H>(), receive);
    }
}
