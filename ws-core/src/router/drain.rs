//! The way in which a server that stops closes its connections.

use std::time::Duration;

use super::{ReadyRouter, Router};
use crate::close::Close;
use crate::connections::DrainPlan;

/// The way in which a server that stops closes its connections, so that ten thousand clients do not connect to the next
/// process all at once. Phoenix' drainer.
///
/// 1. [`Router::ready`] turns false. With [`notice`](Self::notice), the server still accepts clients for a time.
/// 2. The listener closes. New handshakes, over connections that exist, get 503 with `Retry-After: 1`.
/// 3. Connections close one after another, each after a random part of [`spread`](Self::spread), with the code 1001 or
///    [`code`](Self::code). Until then they go on as before. Fewer than a thousand connections take 5 ms each at the
///    most, so that a small server stops at once. The clients of [sessions](crate::guide::sessions) are
///    told `{"reconnect": …}` at once, with a random part of the time, and their connections close with 1012.
/// 4. A connection that closes handles the messages that it has accepted, and its methods complete, within
///    [`grace`](Self::grace). Then it is closed by force. A client that does not read holds up only its own connection.
/// 5. After [`Router::shutdown_timeout`] the drain ends, whatever is open. `spread` is shortened so that the last connection
///    still has its grace, by default half of that time.
///
/// Each second a line of the log, at the level `info`, has the number of connections that are open, and of those that wait
/// for their close.
///
/// ```
/// # use ws_core::{Drain, prelude::*};
/// # #[websocket(path = "/chat", session)] #[derive(Default)] struct Chat;
/// # #[websocket] impl Chat { #[on_text] fn echo(&mut self, text: String) -> String { text } }
/// let router: Router = Router::new().mount::<Chat>().drain(Drain::spread(Duration::from_secs(10)));
/// assert_eq!(Drain::default(), Drain::spread(Duration::from_secs(5)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drain {
    pub(super) spread: Duration,
    pub(crate) notice: Duration,
    grace: Option<Duration>,
    code: Option<u16>,
}

impl Drain {
    /// Spreads the closes of connections, and the reconnects of sessions, over a time. Each has a random part of it;
    /// zero closes all at once. A session's part is told in whole milliseconds. Default: 5 s.
    ///
    /// ```
    /// # use std::time::Duration;
    /// use ws_core::Drain;
    ///
    /// assert_ne!(Drain::spread(Duration::ZERO), Drain::default());
    /// ```
    pub const fn spread(time: Duration) -> Self {
        Self { spread: time, notice: Duration::ZERO, grace: None, code: None }
    }

    /// Sets how long the messages and methods of one connection may take from its close on, together with its client.
    /// Default: until the end of [`Router::shutdown_timeout`].
    ///
    /// ```
    /// # use std::time::Duration;
    /// use ws_core::Drain;
    ///
    /// assert_ne!(Drain::default().grace(Duration::from_secs(2)), Drain::default());
    /// ```
    pub const fn grace(self, time: Duration) -> Self {
        Self { grace: Some(time), ..self }
    }

    /// Sets the close code of connections without a session, whatever their handlers declare in `close_codes`. The text
    /// is "server is shutting down". A code that may not be sent becomes 1011. Default: 1001, or the handler's.
    ///
    /// ```
    /// # use ws_core::{prelude::*, test::TestClient};
    /// # #[websocket(path = "/chat")] #[derive(Default)] struct Chat;
    /// # #[websocket] impl Chat { #[on_text] fn echo(&mut self, text: String) -> String { text } }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let router: Router = Router::new().mount::<Chat>().drain(Drain::default().code(1012));
    /// let mut client = TestClient::<Chat>::upgrade("/chat").open_through(router.clone()).await.unwrap();
    /// tokio::spawn(async move { router.shutdown().await });
    /// assert_eq!(client.closed().await.code, CloseCode::Restart);
    /// # }
    /// ```
    pub const fn code(self, code: u16) -> Self {
        Self { code: Some(code), ..self }
    }

    /// Returns the plan for a router with this time in total.
    fn plan(&self, timeout: Duration) -> DrainPlan {
        let close = self.code.map(|code| Close::of_cause(code, "server is shutting down"));
        DrainPlan { spread: self.spread, grace: self.grace, timeout, close }
    }

    /// Sets how long the server goes on accepting clients after [`Router::ready`] has turned false, before it closes
    /// its listener and its connections. A load balancer needs that time to notice: the period of its probes, times
    /// the number of failures that it takes. Default: none. A router inside another server ignores it.
    ///
    /// ```
    /// # use std::time::Duration;
    /// use ws_core::Drain;
    ///
    /// let drain = Drain::default().notice(Duration::from_secs(10));
    /// assert_ne!(drain, Drain::default());
    /// ```
    pub const fn notice(self, time: Duration) -> Self {
        Self { notice: time, ..self }
    }
}

impl Default for Drain {
    fn default() -> Self {
        Self::spread(Duration::from_secs(5))
    }
}

impl<S: Send + Sync + 'static> Router<S> {
    /// Sets how the clients of sessions connect again when the server stops. Default: spread over 5 s.
    ///
    /// ```
    /// # use ws_core::{Drain, prelude::*};
    /// # #[websocket(path = "/chat", session)] #[derive(Default)] struct Chat;
    /// # #[websocket] impl Chat { #[on_text] fn echo(&mut self, text: String) -> String { text } }
    /// let router: Router = Router::new().mount::<Chat>().drain(Drain::spread(Duration::from_secs(30)));
    /// ```
    pub fn drain(mut self, drain: Drain) -> Self {
        self.settings.drain = drain;
        self
    }
}

impl<S> Router<S>
where
    Self: ReadyRouter,
{
    /// Closes all connections of this router and its clones, with 1001, over the time of its [`Drain`]. Waits until all
    /// are closed, or until the [`shutdown_timeout`](Router::shutdown_timeout) has passed.
    ///
    /// Messages that a connection has accepted are still handled. New handshakes get 503. The method is for
    /// a router inside another server; [`serve_with_shutdown`](Router::serve_with_shutdown) calls it. If the future is
    /// dropped, the connections that are left begin to close at once.
    ///
    /// ```
    /// # use ws_core::prelude::*;
    /// # #[websocket(path = "/echo")] #[derive(Default)] struct Echo;
    /// # #[websocket] impl Echo { #[on_text] fn echo(&mut self, text: String) -> String { text } }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let handlers = Router::new().mount::<Echo>();
    /// let app = axum::Router::new().nest_service("/live", handlers.clone());
    /// # let stop = async {};
    /// # let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    /// axum::serve(listener, app).with_graceful_shutdown(stop).await.unwrap();
    /// handlers.shutdown().await;
    /// # }
    /// ```
    pub async fn shutdown(&self) {
        let plan = self.settings.drain.plan(self.settings.shutdown_timeout);
        let open = self.connections.drain(&plan).await;
        if open > 0 {
            tracing::warn!(open, "connections are still open after the shutdown timeout");
        }
    }
}
