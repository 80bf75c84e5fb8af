//! The settings of sessions.

use std::time::Duration;

use super::Declaration;

/// The settings of sessions, declared with `session` or
/// `session(resume = 30s, buffer = 256KiB, poll_timeout = 25s)`.
///
/// A handler with a session outlives its connection: [sessions](crate::guide::sessions).
///
/// ```
/// # use ws_core::{Options, SessionOptions, prelude::*};
/// #[websocket(path = "/orders", session(resume = 2m))]
/// struct Orders;
///
/// #[websocket]
/// impl Orders {
///     #[on_upgrade]
///     fn join(headers: HeaderMap) -> Upgrade<Self> {
///         let is_mobile = headers.contains_key("x-mobile");
///         Upgrade::new(Orders).options(|options| {
///             if let Some(session) = &mut options.session
///                 && is_mobile
///             {
///                 session.resume = Duration::from_secs(600);
///             }
///         })
///     }
///     #[on_text]
///     fn order(&mut self, order: &str) -> String {
///         format!("ordered {order}")
///     }
/// }
/// # let _: Router = Router::new().mount::<Orders>();
/// assert_eq!(Options::DEFAULT.session, None);
/// assert_eq!(SessionOptions::default().buffer, 256 << 10);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionOptions {
    /// How long a handler waits for its client after a connection was lost. After that, `#[on_close]` runs with
    /// [`CloseReason::ConnectionLost`](crate::CloseReason::ConnectionLost). Default 30 s.
    pub resume: Duration,
    /// How many bytes of messages are kept for the client until the client acknowledges them, frame headers
    /// included. A message that has begun may exceed the buffer, and is kept whole. If the buffer is full, further messages wait in the
    /// outbox and in the queue of published messages, as for a slow client. Default 256 KiB.
    pub buffer: usize,
    /// How long a long poll waits for a message, and a POST until the handler has its messages; from 1 s to 10 min.
    /// Then a poll is answered without a message, and the client sends the next one. Shorter than the time after
    /// which a proxy ends a silent request, often 30 s or 60 s. Clients learn the time as `interval` of the
    /// [protocol](crate::guide::session_protocol). Default 25 s.
    ///
    /// The declaration's value holds for all requests at the path: a change in `#[on_upgrade]` has no effect.
    pub poll_timeout: Duration,
}

/// The bounds of [`SessionOptions::poll_timeout`], in seconds. A shorter poll is a busy loop over the network. During
/// a longer one, a client that has disappeared would count as attached for too long.
const POLL_TIMEOUT: std::ops::RangeInclusive<u64> = 1..=600;

impl SessionOptions {
    /// The default settings, as a constant for declarations.
    pub const DEFAULT: Self =
        Self { resume: Duration::from_secs(30), buffer: 256 << 10, poll_timeout: Duration::from_secs(25) };

    /// Checks the settings, and that the feature `session` is enabled. The macro has already checked literals.
    #[allow(clippy::assertions_on_constants)] // The constant depends on the feature.
    #[track_caller]
    pub(super) const fn check(&self) {
        assert!(
            cfg!(feature = "session"),
            "`session` needs the feature `session` of ws-core: add it to the features in Cargo.toml",
        );
        assert!(!self.resume.is_zero(), "`resume` of `session` is zero: write a duration, for example `30s`");
        assert!(
            self.buffer > 0,
            "`buffer` of `session` is zero: write a number of bytes, for example `256KiB`"
        );
        let poll_timeout = self.poll_timeout.as_nanos();
        assert!(
            poll_timeout >= Duration::from_secs(*POLL_TIMEOUT.start()).as_nanos()
                && poll_timeout <= Duration::from_secs(*POLL_TIMEOUT.end()).as_nanos(),
            "`poll_timeout` of `session` is not between 1 s and 10 min: write a duration, for example `25s`"
        );
    }
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl Declaration {
    /// Checks that a handler with an `#[on_attach]` or `#[on_detach]`, `has_hooks`, has sessions.
    ///
    /// # Panics
    ///
    /// Panics without `session`. The function is evaluated at compile time, so that the panic is a compile error.
    #[track_caller]
    pub const fn for_sessions(self, has_hooks: bool) -> Self {
        assert!(
            !has_hooks || self.options.session.is_some(),
            "`#[on_attach]` and `#[on_detach]` are about sessions: write `#[websocket(session)]` on the type",
        );
        self
    }
}
