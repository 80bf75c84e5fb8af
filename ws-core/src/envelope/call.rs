//! Calls to clients, as types.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A call to a client: the value is its parameters, and `#[derive(Call)]` implements the trait.
///
/// `returns` is the type of the result, `()` for a client that answers `null`. The name is that of the type in
/// snake case, or the string before `returns`: `#[call("order.confirm", returns = bool)]`. The parameters are what
/// the type's `Serialize` writes: an object for a struct with named fields, an array for a tuple struct.
///
/// [`Context::call`](crate::Context::call) and [`Addr::call`](crate::Addr::call) send a call in the envelope of the
/// handler.
///
/// ```
/// use ws_core::Call;
///
/// /// Asks the user to confirm an order.
/// #[derive(Call, serde::Serialize)]
/// #[call(returns = bool)]
/// struct ConfirmOrder { id: u64 }
///
/// #[derive(Call, serde::Serialize)]
/// #[call("answer", returns = String)]
/// struct Question<'a>(&'a str);
///
/// assert_eq!((ConfirmOrder::NAME, Question::NAME), ("confirm_order", "answer"));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a call to a client",
    label = "does not implement `Call`",
    note = "write `#[derive(Call, Serialize)] #[call(returns = …)]` above its `struct`"
)]
pub trait Call: Serialize {
    /// The name of the client's method.
    const NAME: &'static str;
    /// The result.
    type Returns: DeserializeOwned;
}
