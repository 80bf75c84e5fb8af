//! The reply that changes the state of a handler.

use std::any::{Any, type_name};

use super::{IntoReply, Replies};
use crate::error::HandlerError;

/// A reply that takes a handler to another of its states, with the state's value.
///
/// The states of a handler are the variants of its `enum`, if each variant holds one type. `S` is one of these
/// types. A `Goto` may be returned alone, inside an `Option`, a `Result` or a
/// [`Deferred`](crate::Deferred), and in a tuple with other replies, which are sent in their order.
///
/// After the method that returned it, in this order:
///
/// 1. the `#[on_leave]` of the old state runs,
/// 2. the value changes, and the timers of the old state end,
/// 3. the `#[on_enter]` of the new state runs, and then its timers begin.
///
/// A `Goto` to the current state leaves the state and enters it again, with the new value. If a method returns
/// several, the last one counts. A connection that is closing stays in its state. A `Goto` of a
/// [`Deferred`](crate::Deferred) that completes while an `async` method is pending takes effect after that
/// method. The guide has a chapter on [states](crate::guide::states). In Cowboy, a handler's state is any
/// Erlang term, and the callbacks match on it; Erlang's `gen_statem` is the closest relative.
///
/// # Errors
///
/// `#[on_error]` gets [`HandlerError::Reply`] if `S` is not a state of the handler. The macro reports this
/// for each `Goto<S>` that a return type names; an alias or `cx.send` hides the type from it. An
/// `#[on_enter]` may return a `Goto` itself. More of these in a row than the handler has states close the
/// connection with 1011.
///
/// ```
/// # use ws_core::{prelude::*, test::TestClient};
/// #[websocket(path = "/chat")]
/// enum Chat { Guest(Guest), Member(Member) }
///
/// #[derive(Default)]
/// struct Guest;
/// struct Member { name: String }
///
/// #[websocket]
/// impl Chat {
///     #[on_upgrade]
///     fn join() -> Guest {
///         Guest
///     }
///     #[on_text]
///     fn login(_: &mut Guest, name: String) -> Goto<Member> {
///         Goto(Member { name })
///     }
///     #[on_text]
///     fn said(member: &mut Member, text: &str) -> String {
///         format!("{}: {text}", member.name)
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let mut client = TestClient::<Chat>::upgrade("/chat").open().await.unwrap();
/// client.send("alice").await;
/// client.send("hello").await;
/// assert_eq!(client.text().await, "alice: hello");
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use = "a `Goto` takes effect when a method returns it, or when `cx.send` takes it"]
pub struct Goto<S>(pub S);

impl<S: Send + 'static> IntoReply for Goto<S> {
    fn into_reply(self, to: &mut Replies<'_>) -> Result<(), HandlerError> {
        if to.wire.is_closing() {
            return Ok(());
        }
        to.deferred.goto(NextState { name: type_name::<S>(), value: Box::new(self.0) })
    }
}

/// The state that a [`Goto`] leads to.
#[derive(Debug)]
pub(crate) struct NextState {
    /// The name of its type, for errors.
    pub(crate) name: &'static str,
    pub(crate) value: Box<dyn Any + Send>,
}
