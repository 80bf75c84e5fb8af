//! Properties of the connection: the client's address, the subprotocol, and the span.

use std::net::SocketAddr;

use super::Context;
use crate::handler::Handler;

impl<H: Handler> Context<H> {
    /// Returns the socket address of the client.
    ///
    /// `None` if the transport has no addresses. `None` also inside another server, unless that server
    /// adds the address to the request: see [`PeerAddr`](crate::PeerAddr).
    ///
    /// ```
    /// # use ws_core::{prelude::*, test::TestClient};
    /// # #[websocket] #[derive(Default)] struct Chat;
    /// #[websocket]
    /// impl Chat {
    ///     #[on_open]
    ///     fn open(&mut self, cx: &mut Context<Self>) -> String {
    ///         cx.peer_addr().map_or("from nowhere".into(), |addr| addr.to_string())
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let mut client = TestClient::open(Chat).await; // A client in memory.
    /// assert_eq!(client.text().await, "from nowhere");
    /// # }
    /// ```
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.cell.info().peer_addr()
    }

    /// Returns the subprotocol that the handshake negotiated (RFC 6455 §1.9).
    ///
    /// ```
    /// # use ws_core::{prelude::*, test::TestClient};
    /// # #[websocket(path = "/", subprotocols = ["v2", "v1"])] #[derive(Default)] struct Chat;
    /// #[websocket]
    /// impl Chat {
    ///     #[on_open]
    ///     fn open(&mut self, cx: &mut Context<Self>) -> String {
    ///         cx.subprotocol().unwrap_or("none").to_owned()
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let offer = TestClient::<Chat>::upgrade("/").header("sec-websocket-protocol", "v1, v2");
    /// assert_eq!(offer.open().await.unwrap().text().await, "v2");
    /// # }
    /// ```
    pub fn subprotocol(&self) -> Option<&str> {
        self.cell.info().subprotocol()
    }

    /// Returns the `tracing` span of the connection, for what a subscriber adds to spans, for example links to other traces.
    ///
    /// [`tag`](Self::tag) sets the field `tag`. Methods, the futures of [`spawn`](Self::spawn) and [`Deferred`](crate::Deferred) replies run in this span; a
    /// task of [`tokio::spawn`] does not. The span is disabled if no subscriber takes it. See
    /// [observability](crate::guide::observability). Cowboy has no spans; a process of Erlang has the metadata of its
    /// logger.
    ///
    /// ```
    /// # use ws_core::{prelude::*, test::TestClient};
    /// # #[websocket] #[derive(Default)] struct Chat;
    /// #[websocket]
    /// impl Chat {
    ///     #[on_text]
    ///     fn login(&mut self, name: &str, cx: &mut Context<Self>) -> &'static str {
    ///         cx.span().record("tag", name);
    ///         "welcome"
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let mut client = TestClient::open(Chat).await;
    /// client.send("ann").await;
    /// assert_eq!(client.text().await, "welcome");
    /// # }
    /// ```
    pub fn span(&self) -> &tracing::Span {
        static DISABLED: tracing::Span = tracing::Span::none();
        self.cell.info().span().get().unwrap_or(&DISABLED)
    }
}
