//! How a server that stops takes leave of its sessions.

use std::time::Duration;

use super::{ReadyRouter, Router};
use crate::clock::now;

/// The way in which the clients of [sessions](crate::guide::sessions) connect again when their server stops.
///
/// Each client is told `{"reconnect": …}` with a random part of the time, and its connection closes with 1012. Ten
/// thousand clients then connect to the next process over that time, and not all at once. Connections without a
/// session close with 1001, as always.
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
}

impl Drain {
    /// Spreads the reconnects over a time. Each client waits for a random part of it; zero lets all clients connect
    /// at once. A part is told in whole milliseconds.
    ///
    /// ```
    /// # use std::time::Duration;
    /// use ws_core::Drain;
    ///
    /// assert_ne!(Drain::spread(Duration::ZERO), Drain::default());
    /// ```
    pub const fn spread(time: Duration) -> Self {
        Self { spread: time, notice: Duration::ZERO }
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
    /// Closes all connections of this router and its clones with 1001. Waits until all are closed, or until
    /// the [`shutdown_timeout`](Router::shutdown_timeout) has passed.
    ///
    /// Messages that a connection has accepted are still handled. New handshakes get 503. The method is for
    /// a router inside another server; [`serve_with_shutdown`](Router::serve_with_shutdown) calls it.
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
        let timeout = self.settings.shutdown_timeout;
        self.connections.shut_down(now() + timeout);
        if tokio::time::timeout(timeout, self.connections.wait_empty()).await.is_err() {
            tracing::warn!("connections are still open after the shutdown timeout");
        }
    }
}
