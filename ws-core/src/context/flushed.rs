//! The wait for a client that reads slowly.

use std::future::{Future, poll_fn};

use super::Context;
use crate::handler::Handler;

impl<H: Handler> Context<H> {
    /// Waits until fewer than `outbox_high_water` bytes wait for the client, for a producer that is faster.
    ///
    /// The future completes at once if the outbox is below its high-water mark, or if the connection is
    /// closing, which nothing can be sent to. Meanwhile the connection writes, reads ahead and answers pings.
    /// A client that reads nothing is ended by the idle timeout or by `pong_timeout`, and the method is
    /// then cancelled.
    ///
    /// Only async methods can wait. A sync method returns, and continues in
    /// [`#[on_drain]`](crate::prelude::on_drain). Cowboy has no equivalent.
    ///
    /// ```
    /// # use ws_core::{prelude::*, test::TestClient};
    /// # #[websocket] #[derive(Default)] struct Export;
    /// #[websocket]
    /// impl Export {
    ///     #[on_text]
    ///     async fn export(&mut self, rows: &str, cx: &mut Context<Self>) -> Result<(), std::num::ParseIntError> {
    ///         for row in 0..rows.parse()? {
    ///             cx.send(format!("{row:>1000}"));
    ///             cx.flushed().await; // At most 64 KiB wait, however long the export is.
    ///         }
    ///         Ok(())
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let mut client = TestClient::open(Export).await;
    /// client.send("5000").await;
    /// for row in 0..5000 {
    ///     assert_eq!(client.text().await.trim_start(), row.to_string());
    /// }
    /// # }
    /// ```
    pub fn flushed(&mut self) -> impl Future<Output = ()> + Send {
        poll_fn(move |task| self.session().poll_flushed(task))
    }
}
