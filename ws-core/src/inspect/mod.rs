//! The inspector: a page about a running server, over a socket of its own.
//!
//! [`Router::inspect`](crate::Router::inspect) serves it, with an [`Inspector`] that says who may open it. The guide has
//! a [chapter](crate::guide::inspector) about it.

mod access;
mod actions;
mod guard;
mod message;
mod mounted;
mod options;
mod protocol;
mod sample;
mod sampler;
mod search;
mod shared;
mod socket;
#[cfg(test)]
mod tests;
mod topics;
mod watch;

use std::fmt;
use std::sync::Arc;

pub(crate) use access::check_local;
pub use guard::{Guard, GuardAnswer, Permission};
#[doc(no_inline)]
pub use hyper::http::request::Parts;
pub use message::{InspectedMessage, Shown};
pub(crate) use mounted::MountedHandler;
pub(crate) use shared::InspectorShared;
pub(crate) use socket::{Access, InspectorSocket};

pub use crate::wire::Direction;

use guard::BoxGuard;
use message::ShowMessage;

use crate::topic::Hub;

/// The build of `clients/js/inspect`; a test of `clients/js` checks that the build is current.
pub(crate) const PAGE: &str = include_str!("../../client/inspect.html");

/// The `Content-Security-Policy` of the page, with the hashes of its script and its style. The build makes both files.
pub(crate) const POLICY: &str = include_str!("../../client/inspect.csp");

/// The settings of an inspector: who may open it, and what it shows beside endpoints and connections.
///
/// A guard, which is a function, is an inspector too: `router.inspect("/_ws", guard)`.
///
/// ```
/// use ws_core::inspect::{Inspector, Shown};
/// use ws_core::{Hub, Router};
///
/// let hub = Hub::local();
/// let inspector = Inspector::local().hub("main", &hub).messages(|_| Shown::Whole);
/// let router: Router = Router::new().inspect("/_ws", inspector);
/// ```
#[derive(Clone)]
pub struct Inspector {
    /// `None` admits clients of this machine, with all permissions.
    pub(crate) guard: Option<BoxGuard>,
    hubs: Vec<(String, Hub)>,
    show: Option<ShowMessage>,
}

impl Inspector {
    /// Creates an inspector without a guard: for browsers and programs on the machine of the server, with the permission
    /// [`Act`](Permission::Act).
    ///
    /// A request gets 404, as for an unknown path, in these cases:
    ///
    /// - Its TCP connection is not from a loopback address, or the server does not know the address.
    /// - It passed a proxy: it has `Forwarded`, `Via`, `X-Real-IP` or an `X-Forwarded-…` header, or is HTTP/1.0. The
    ///   proxy's own address may be a loopback address. A proxy that sends none of these must not forward the
    ///   path: nginx sends one only if it is configured to, a proxy of TCP or TLS never does, and a client may send any
    ///   `Host`.
    /// - Its `Host` is neither `localhost`, nor a name that ends in `.localhost`, nor a loopback address. That excludes
    ///   pages of other sites whose name was pointed to this machine (DNS rebinding).
    ///
    /// Every user and program of that machine is admitted. Use a [guard](Self::guarded) where that is too much.
    ///
    /// ```
    /// use ws_core::Router;
    /// use ws_core::inspect::Inspector;
    ///
    /// let router: Router = Router::new().inspect("/_ws", Inspector::local());
    /// ```
    pub fn local() -> Self {
        Self { guard: None, hubs: Vec::new(), show: None }
    }

    /// Creates an inspector for the requests to which a guard gives a [`Permission`].
    ///
    /// ```
    /// use ws_core::Router;
    /// use ws_core::inspect::{Inspector, Parts, Permission};
    ///
    /// let token = "Bearer of a secret that the proxy adds";
    /// let inspector = Inspector::guarded(move |request: &Parts| {
    ///     match request.headers.get("authorization") {
    ///         Some(value) if value == token => Permission::Act,
    ///         _ => Permission::Deny,
    ///     }
    /// });
    /// let router: Router = Router::new().inspect("/_ws", inspector);
    /// ```
    pub fn guarded(guard: impl Guard) -> Self {
        Self { guard: Some(guard::boxed(guard)), ..Self::local() }
    }

    /// Adds the topics of a hub to the page: subscribers, waiting messages, members, history, the state of the broker.
    /// The name appears if there are several hubs. Default: no hub.
    ///
    /// ```
    /// use ws_core::{Hub, inspect::Inspector};
    ///
    /// let (chat, prices) = (Hub::local(), Hub::local());
    /// let inspector = Inspector::local().hub("chat", &chat).hub("prices", &prices);
    /// ```
    pub fn hub(mut self, name: &str, hub: &Hub) -> Self {
        self.hubs.push((name.to_owned(), hub.clone()));
        self
    }

    /// Lets the page show the messages of one connection as they pass, after the operator has started that. `show` is
    /// called for each message and returns what may be seen; use it to redact secrets and personal data. Default: no
    /// messages.
    ///
    /// `show` gets the whole payload, or a part of a message that is sent or delivered in parts. Of payloads above 64 KiB
    /// it is not called, and only their length is shown. Of the text that it returns, the page shows the first 1,024
    /// bytes; of binary payloads, the first 256. If `show` panics, the message is hidden. `show` runs in the task of the
    /// inspector, so that it does not delay the connection.
    ///
    /// Up to 64 messages and 1 MiB wait for the page, which takes them ten times a second. The page shows how many were
    /// left out.
    ///
    /// ```
    /// use ws_core::inspect::{Inspector, Shown};
    ///
    /// let inspector = Inspector::local().messages(|message| match message.text() {
    ///     Some(text) if text.contains("password") => Shown::Hidden,
    ///     Some(text) => Shown::Text(text.replace("@example.com", "@…")),
    ///     None => Shown::Hidden, // Binary, or a part of a text that is not UTF-8 by itself.
    /// });
    /// ```
    pub fn messages(mut self, show: impl Fn(&InspectedMessage<'_>) -> Shown + Send + Sync + 'static) -> Self {
        self.show = Some(Arc::new(show));
        self
    }
}

/// Turns a guard into an inspector with that guard.
impl<G: Guard> From<G> for Inspector {
    fn from(guard: G) -> Self {
        Self::guarded(guard)
    }
}

impl fmt::Debug for Inspector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hubs: Vec<_> = self.hubs.iter().map(|(name, _)| name).collect();
        f.debug_struct("Inspector")
            .field("is_guarded", &self.guard.is_some())
            .field("hubs", &hubs)
            .field("shows_messages", &self.show.is_some())
            .finish()
    }
}
