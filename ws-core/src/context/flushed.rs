//! The wait for a client that reads slowly.

use std::future::{Future, poll_fn};

use super::Context;
use crate::handler::Handler;

impl<H: Handler> Context<H> {
    /// Waits until fewer than `outbox_high_water` bytes wait for the client, for a producer that is faster.
    ///
    /// The future completes at once if the outbox is below its high-water mark, or if nothing more can be sent:
    /// the connection is closing, or the client is gone. Meanwhile the connection only writes. Reading is
    /// stopped above the high-water mark, so pings are neither answered nor sent. A client that reads nothing for
    /// `idle_timeout` is disconnected, and the method is then cancelled. With `idle_timeout = none`, the method
    /// waits as long as TCP keeps the connection. A shutdown waits for the client too, until its deadline.
    ///
    /// The future may be dropped, for example by `select!`, and awaited anew.
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
