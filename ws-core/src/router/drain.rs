//! How a server that stops takes leave of its sessions.

use std::time::Duration;

use super::Router;

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
        Self { spread: time }
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
