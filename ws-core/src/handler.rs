//! The traits that `#[websocket]` implements: the interface between a handler and the driver.

#[cfg(feature = "json")]
mod enveloped;
mod info;
mod instance;
mod reply_of;
mod states;
mod upgrade;

use std::any::Any;
use std::time::Duration;

#[cfg(feature = "json")]
pub use enveloped::{Enveloped, NamedMessages};
pub use info::{DeliverTo, InfoOf, OnInfo};
pub use instance::{HandlerInstance, MethodFuture, MethodOutput};
pub use reply_of::ReplyOf;
pub use states::{HasState, StateTimer, States, UsesStates, check_event, check_reached, upgrade_to_state};
pub(crate) use upgrade::is_token;
pub use upgrade::{DefaultUpgrade, Extractor, IntoUpgrade, OnUpgrade, StateExtractor, Upgrade};

use crate::context::Context;
use crate::event::{Event, EventOutcome};
use crate::options::Declaration;
use crate::reply::MessageProtocol;

/// The declaration of a handler: the path and options of `#[websocket(…)]` on its struct or enum.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not declared as a handler",
    label = "`#[websocket]` is missing on the definition of this type",
    note = "write `#[websocket]` or `#[websocket(path = \"/…\")]` above its `struct` or `enum`"
)]
pub trait Declared: Sized {
    /// The form of the messages: free, or named messages in an envelope.
    type Protocol: MessageProtocol;
    /// The path and the options as declared.
    const DECLARATION: Declaration;
}

/// A handler whose declaration has a path.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is declared without a path",
    label = "the path to mount it at is missing",
    note = "declare it with `#[websocket(path = \"/…\")]`, or mount it with `.mount_at::<{Self}>(\"/…\")`"
)]
pub trait Mounted: Declared {}

/// The state machine of a handler, implemented by `#[websocket]` on an `impl` block.
///
/// Name this trait in bounds, for example `fn broadcast<H: OnInfo<M>, M>(…)`; do not implement it by
/// hand.
///
/// The driver passes each event to [`event`](Self::event). A sync method runs inside that call. An
/// async method is returned as a [`Call`](Self::Call), which the driver polls.
///
/// ```
/// # use ws_core::prelude::*;
/// use std::collections::HashMap;
/// use ws_core::Handler;
///
/// /// The open connections by name, for a handler of any type.
/// struct Directory<H: Handler>(HashMap<String, Addr<H>>);
///
/// impl<H: Handler> Directory<H> {
///     fn send<M>(&self, name: &str, message: M) -> bool
///     where
///         H: OnInfo<M>,
///     {
///         self.0.get(name).is_some_and(|addr| addr.send(message).is_ok())
///     }
/// }
/// # #[websocket] #[derive(Default)] struct Chat;
/// # #[websocket] impl Chat { #[on_info] fn send(&mut self, text: String) -> String { text } }
/// assert!(!Directory::<Chat>(HashMap::new()).send("alice", String::from("hello")));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no methods for a connection",
    label = "not a handler",
    note = "write `#[websocket]` above `impl {Self} {{ … }}`, with a method for each event: `#[on_text] fn …`"
)]
pub trait Handler: Declared + Send + 'static {
    /// The declaration of the type, checked against its methods at compile time.
    const CHECKED_DECLARATION: Declaration;
    /// The enum of the messages that the handler takes: one variant for each `#[on_info]`.
    type Info: Send + 'static;
    /// The enum of the handler's async methods with their payloads: one variant for each method. Without a bound
    /// `Send`: the future of a method has it, and owns the payload.
    type Call: 'static;
    /// The constructor of the handler from a request: its `#[on_upgrade]`, or [`DefaultUpgrade`].
    type Upgrade;
    /// The timers declared with `#[every]` and `#[after]`.
    const TIMERS: &'static [Timer] = &[];
    /// Whether the handler has an async method. If so, the driver and the method share the session.
    const ASYNC: bool = false;
    /// Whether the handler has an `#[on_error]`.
    const ON_ERROR: bool = false;
    /// Whether the handler has an `#[on_drain]`.
    const ON_DRAIN: bool = false;
    /// Whether the handler has an `#[on_call]` or an `#[on_message]`, whose dispatch opens the envelope of each text.
    const NAMED: bool = false;
    /// Whether the handler has an `#[on_part]`, so that messages are delivered in parts.
    const ON_PART: bool = false;
    /// The types of the handler's states. Empty if no method belongs to a state.
    const STATES: &'static [&'static str] = &[];
    /// The timers of the states.
    const STATE_TIMERS: &'static [StateTimer] = &[];

    /// Runs the method for an event, or returns the async method that has to run.
    fn event(&mut self, event: Event<'_, Self::Info>, cx: &mut Context<Self>) -> EventOutcome<Self::Call>;

    /// Starts an async method. The default serves handlers without async methods.
    fn call(instance: &mut HandlerInstance<Self>, call: Self::Call) -> MethodFuture<'_, Self> {
        let _ = call;
        Box::pin(std::future::ready((instance, Ok(()))))
    }

    /// Describes the handler, if its `impl` has the option `contract`.
    #[cfg(feature = "contract")]
    #[doc(hidden)]
    fn describe(to: &mut crate::contract_model::Description) {
        let _ = to;
    }

    /// Returns the index of the current state in [`STATES`](Self::STATES).
    #[doc(hidden)]
    fn state_index(&self) -> usize {
        0
    }

    /// Returns whether a value has the type of a state.
    #[doc(hidden)]
    fn is_state(state: &dyn Any) -> bool {
        let _ = state;
        false
    }

    /// Changes the state. Returns false if the value has not the type of a state.
    #[doc(hidden)]
    fn set_state(&mut self, state: Box<dyn Any + Send>) -> bool {
        drop(state);
        false
    }
}

/// A timer declared with `#[every]` or `#[after]`.
#[derive(Clone, Copy, Debug)]
pub struct Timer {
    pub(crate) id: usize,
    pub(crate) delay: Duration,
    pub(crate) repeat: bool,
}

impl Timer {
    /// Creates a timer that first fires `delay` after open, and then every `delay` if `repeat` is set.
    ///
    /// # Panics
    ///
    /// Panics if `delay` is zero. Generated code calls this in a constant, so the panic is a compile
    /// error.
    #[track_caller]
    pub const fn new(id: usize, delay: Duration, repeat: bool) -> Self {
        assert!(
            !delay.is_zero(),
            "a timer of zero would fire without end: write a duration, for example `1s`"
        );
        Self { id, delay, repeat }
    }
}
