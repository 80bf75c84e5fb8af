//! The options that a handler can change while the connection is open.

use std::time::Duration;

use super::{Context, now};
use crate::handler::Handler;

impl<H: Handler> Context<H> {
    /// Turns reading from the client off or on. Cowboy's `{active, boolean()}`.
    ///
    /// While reading is off, TCP flow control stops the client, and the server does not see the client's
    /// pings and close. The idle timeout continues, as in Cowboy. Messages and timers are still handled.
    ///
    /// ```
    /// # use ws_core::{prelude::*, test::TestClient};
    /// # #[websocket] #[derive(Default)] struct Chat;
    /// #[websocket]
    /// impl Chat {
    ///     #[on_text]
    ///     fn text(&mut self, text: String, cx: &mut Context<Self>) -> String {
    ///         cx.set_active(false);
    ///         cx.send_after(Duration::from_secs(1), ());
    ///         text
    ///     }
    ///     #[on_info]
    ///     fn resume(&mut self, _: (), cx: &mut Context<Self>) {
    ///         cx.set_active(true);
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let mut client = TestClient::open(Chat).await;
    /// client.send("one").await;
    /// client.send("two").await;
    /// assert_eq!(client.text().await, "one");
    /// client.expect_nothing().await;
    /// client.advance(Duration::from_secs(1)).await;
    /// assert_eq!(client.text().await, "two");
    /// # }
    /// ```
    pub fn set_active(&mut self, active: bool) {
        self.session().wire.set_active(active);
    }

    /// Changes the idle timeout and restarts it; `None` turns it off. Cowboy's
    /// `{set_options, #{idle_timeout => …}}`.
    ///
    /// ```
    /// # use ws_core::{prelude::*, test::TestClient};
    /// # #[websocket] #[derive(Default)] struct Chat;
    /// #[websocket]
    /// impl Chat {
    ///     #[on_text]
    ///     fn set_timeout(&mut self, secs: &str, cx: &mut Context<Self>) {
    ///         cx.set_idle_timeout(secs.parse().ok().map(Duration::from_secs));
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let mut client = TestClient::open(Chat).await;
    /// client.send("forever").await;
    /// client.advance(Duration::from_secs(10_000)).await;
    /// client.send("5").await;
    /// client.advance(Duration::from_secs(5)).await;
    /// assert_eq!(client.close_reason().await, CloseReason::Timeout);
    /// # }
    /// ```
    pub fn set_idle_timeout(&mut self, timeout: impl Into<Option<Duration>>) {
        let now = now();
        self.session().wire.set_idle_timeout(timeout.into(), now);
    }

    /// Changes the size limit of incoming messages, in bytes. Cowboy's
    /// `{set_options, #{max_frame_size => …}}`.
    ///
    /// The limit applies from the next frame on. A larger message closes the connection with 1009.
    ///
    /// ```
    /// # use ws_core::{prelude::*, test::TestClient};
    /// # #[websocket] #[derive(Default)] struct Chat;
    /// #[websocket]
    /// impl Chat {
    ///     #[on_open]
    ///     fn open(&mut self, cx: &mut Context<Self>) {
    ///         cx.set_max_message_size(5);
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let mut client = TestClient::open(Chat).await;
    /// client.send("short").await;
    /// client.send("longer").await;
    /// assert_eq!(client.closed().await.code, CloseCode::Size);
    /// # }
    /// ```
    pub fn set_max_message_size(&mut self, bytes: usize) {
        self.session().wire.set_max_message_size(bytes);
    }

    /// Turns compression of outgoing messages off or on. Cowboy's `{deflate, boolean()}`.
    ///
    /// Turning compression off saves CPU time for content that is already compressed, for example
    /// pictures. The call has no effect if the handshake did not negotiate compression. The client may
    /// still send compressed messages.
    ///
    /// ```
    /// # use ws_core::{prelude::*, test::TestClient};
    /// # #[websocket(path = "/", compress)] #[derive(Default)] struct Gallery;
    /// #[websocket]
    /// impl Gallery {
    ///     #[on_text]
    ///     fn picture(&mut self, name: &str, cx: &mut Context<Self>) {
    ///         cx.send(format!("here is {name}"));
    ///         cx.set_compress(false);
    ///         cx.send(vec![0xff, 0xd8, 0xff]);
    ///         cx.set_compress(true);
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let mut client = TestClient::open(Gallery).await;
    /// client.send("a.jpeg").await;
    /// assert_eq!(client.text().await, "here is a.jpeg");
    /// assert_eq!(client.binary().await.len(), 3);
    /// # }
    /// ```
    pub fn set_compress(&mut self, on: bool) {
        self.session().wire.set_compress(on);
    }
}
