//! A handler, as the driver sees it: what `#[websocket]` implements.

mod info;
mod instance;
mod upgrade;

use std::time::Duration;

pub use info::{DeliverTo, InfoOf, OnInfo};
pub use instance::{HandlerInstance, MethodFuture, MethodOutput};
pub use upgrade::{DefaultUpgrade, Extractor, IntoUpgrade, OnUpgrade, Upgrade};

use crate::context::Context;
use crate::event::{Event, EventOutcome};
use crate::options::Declaration;

/// What `#[websocket(…)]` on a struct or enum says about it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not declared as a handler",
    label = "`#[websocket]` is missing on the definition of this type",
    note = "write `#[websocket]` or `#[websocket(path = \"/…\")]` above its `struct` or `enum`"
)]
pub trait Declared: Sized {
    /// Its path and its options.
    const DECLARATION: Declaration;
}

/// A declaration with a path.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is declared without a path",
    label = "where should it be mounted?",
    note = "declare it with `#[websocket(path = \"/…\")]`, or mount it with `.mount_at::<{Self}>(\"/…\")`"
)]
pub trait Mounted: Declared {}

/// What `#[websocket]` on an `impl` implements; to be named in bounds, as in
/// `fn broadcast<H: OnInfo<M>, M>(…)`, and not to be implemented by hand.
///
/// It is the state machine of a handler: an event goes in; a sync method runs at once, an async one
/// comes back as a [`Call`](Self::Call) that the driver runs.
///
/// ```
/// # use ws_core::prelude::*;
/// use std::collections::HashMap;
/// use ws_core::Handler;
///
/// /// Who is there, for a handler of any type.
/// struct Directory<H: Handler>(HashMap<String, Addr<H>>);
///
/// impl<H: Handler> Directory<H> {
///     fn tell<M>(&self, name: &str, message: M) -> bool
///     where
///         H: OnInfo<M>,
///     {
///         self.0.get(name).is_some_and(|addr| addr.send(message).is_ok())
///     }
/// }
/// # #[websocket] #[derive(Default)] struct Chat;
/// # #[websocket] impl Chat { #[on_info] fn say(&mut self, what: String) -> String { what } }
/// assert!(!Directory::<Chat>(HashMap::new()).tell("alice", String::from("hello")));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no methods for a connection",
    label = "not a handler",
    note = "write `#[websocket]` above `impl {Self} {{ … }}`, with a method for each event: `#[on_text] fn …`"
)]
pub trait Handler: Sized + Send + 'static {
    /// What `#[websocket(…)]` on the type says.
    const CHECKED_DECLARATION: Declaration;
    /// The messages it takes, one variant for each `#[on_info]`.
    type Info: Send + 'static;
    /// Its async methods with their payloads, one variant for each.
    type Call: Send + 'static;
    /// How it comes to be from a request: by its `#[on_upgrade]`, or [`DefaultUpgrade`].
    type Upgrade;
    /// Its `#[every]` and `#[after]`.
    const TIMERS: &'static [Timer] = &[];
    /// Whether there is an async method: the connection's state is then shared with it.
    const ASYNC: bool = false;
    /// Whether there is an `#[on_error]`.
    const ON_ERROR: bool = false;

    /// Runs the method for an event.
    fn event(&mut self, event: Event<'_, Self::Info>, cx: &mut Context<Self>) -> EventOutcome<Self::Call>;

    /// Runs an async method. A handler without any has no calls.
    fn call(instance: &mut HandlerInstance<Self>, call: Self::Call) -> MethodFuture<'_, Self> {
        let _ = call;
        Box::pin(std::future::ready((instance, Ok(()))))
    }
}

/// A timer of the declaration.
#[derive(Clone, Copy, Debug)]
pub struct Timer {
    pub(crate) id: usize,
    pub(crate) delay: Duration,
    pub(crate) repeat: bool,
}

impl Timer {
    /// A timer that is due so long after open, once or again and again.
    ///
    /// # Panics
    ///
    /// If it is zero; as this is evaluated while compiling, that is a compile error.
    pub const fn new(id: usize, delay: Duration, repeat: bool) -> Self {
        assert!(!delay.is_zero(), "a timer of zero would never stop firing: write how long, as `1s`");
        Self { id, delay, repeat }
    }
}
