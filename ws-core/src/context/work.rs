//! Futures that belong to the connection.

use std::future::Future;

use super::Context;
use crate::handler::{Handler, InfoOf};
use crate::work::{Completed, Work};

impl<H: Handler> Context<H> {
    /// Runs a future beside the methods. Its output goes to the `#[on_info]` of its type.
    ///
    /// The future borrows nothing, and has the limits and the end of a [`Deferred`](crate::Deferred) reply: at
    /// most `max_deferred` futures of a connection run (one more is dropped, and `#[on_error]` gets
    /// [`HandlerError::TooManyDeferred`](crate::HandlerError::TooManyDeferred) after the method has returned),
    /// they are cancelled when the connection closes, a shutdown waits for them, and a panic closes the
    /// connection with 1011. The output does not pass through the mailbox and needs no room in it. Cowboy has
    /// no equivalent: there, a process of its own sends its result to `websocket_info`.
    ///
    /// A task of [`tokio::spawn`] with an [`Addr`](crate::Addr) is for work that outlives the connection.
    ///
    /// ```
    /// # use ws_core::{prelude::*, test::TestClient};
    /// # #[websocket] #[derive(Default)] struct Prices;
    /// struct Loaded(Vec<u32>);
    ///
    /// #[websocket]
    /// impl Prices {
    ///     #[on_open]
    ///     fn open(&mut self, cx: &mut Context<Self>) {
    ///         cx.spawn(async {
    ///             tokio::time::sleep(Duration::from_secs(1)).await; // From a database, for example.
    ///             Loaded(vec![101, 99])
    ///         });
    ///     }
    ///     #[on_info]
    ///     fn loaded(&mut self, Loaded(prices): Loaded) -> Json<Vec<u32>> {
    ///         Json(prices)
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let mut client = TestClient::open(Prices).await;
    /// client.advance(Duration::from_secs(1)).await;
    /// assert_eq!(client.text().await, "[101,99]");
    /// # }
    /// ```
    pub fn spawn<F>(&mut self, future: F)
    where
        F: Future<Output: InfoOf<H>> + Send + 'static,
    {
        let session = &mut *self.session();
        if session.wire.is_closing() {
            return;
        }
        let limit = session.wire.options().max_deferred;
        let future = async { Completed::Info(future.await.into_info()) };
        if let Err(error) = Work::start(&mut session.work, limit, future) {
            session.fail(error);
        }
    }

    /// Returns the number of futures that run: [`Deferred`](crate::Deferred) replies, and those of
    /// [`spawn`](Self::spawn). A future whose output waits for the handler counts as well.
    ///
    /// ```
    /// # use ws_core::{prelude::*, test::TestClient};
    /// # #[websocket] #[derive(Default)] struct Reports;
    /// # async fn build(name: String) -> String { name }
    /// #[websocket]
    /// impl Reports {
    ///     #[on_text]
    ///     fn build(&mut self, name: String, cx: &mut Context<Self>) -> Result<Deferred<String>, &'static str> {
    ///         if cx.deferred() >= 8 {
    ///             return Err("eight reports are under way, try again later");
    ///         }
    ///         Ok(Deferred::new(build(name)))
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let mut client = TestClient::open(Reports).await;
    /// client.send("2025").await;
    /// assert_eq!(client.text().await, "2025");
    /// # }
    /// ```
    pub fn deferred(&mut self) -> usize {
        self.session().work.as_ref().map_or(0, |work| work.len())
    }
}
