//! The results and errors of `#[on_call]` methods.

use serde_json::json;

use super::describe::{AnswerOf, ErrorsOf};
use crate::contract_model::{Description, ErrorContract, HasSchema, JsonSchema};
use crate::named::{Later, NextStates, WithGoto, WithoutGoto};
use crate::reply::Goto;
use crate::work::Deferred;

/// A result with a schema, apart from `Result`. The compiler infers `M`, its form.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no JSON Schema, which the contract of its handler needs",
    label = "not `schemars::JsonSchema`",
    note = "add `#[derive(schemars::JsonSchema)]` to a type of your own, and `schemars = \"1\"` to Cargo.toml"
)]
pub trait AnswerContract<M> {
    /// Returns the schema of the result.
    fn result(to: &mut Description) -> JsonSchema;
}

fn null() -> JsonSchema {
    json!({ "type": "null" })
}

#[diagnostic::do_not_recommend]
impl<T: HasSchema> AnswerContract<WithoutGoto> for T {
    fn result(to: &mut Description) -> JsonSchema {
        to.written::<T>()
    }
}

impl<S: Send + 'static> AnswerContract<WithGoto> for Goto<S> {
    fn result(_: &mut Description) -> JsonSchema {
        null()
    }
}

impl<S: Send + 'static> AnswerContract<WithGoto> for Option<Goto<S>> {
    fn result(_: &mut Description) -> JsonSchema {
        null()
    }
}

#[diagnostic::do_not_recommend]
impl<T: HasSchema, G: NextStates> AnswerContract<WithGoto> for (T, G) {
    fn result(to: &mut Description) -> JsonSchema {
        to.written::<T>()
    }
}

#[diagnostic::do_not_recommend]
impl<T: HasSchema, G: NextStates, G2: NextStates> AnswerContract<WithGoto> for (T, G, G2) {
    fn result(to: &mut Description) -> JsonSchema {
        to.written::<T>()
    }
}

impl<T: AnswerContract<M>, M> AnswerContract<(Later, M)> for Deferred<T> {
    fn result(to: &mut Description) -> JsonSchema {
        T::result(to)
    }
}

impl<T, X> AnswerOf<Result<T, X>> {
    /// Returns the schema of the result.
    pub fn answer<M>(self, to: &mut Description) -> JsonSchema
    where
        T: AnswerContract<M>,
    {
        T::result(to)
    }
}

impl<T, X> AnswerOf<Deferred<Result<T, X>>> {
    /// Returns the schema of the result.
    pub fn answer<M>(self, to: &mut Description) -> JsonSchema
    where
        T: AnswerContract<M>,
    {
        T::result(to)
    }
}

/// The answers that are not a `Result`.
pub trait PlainAnswer<T> {
    /// Returns the schema of the result.
    fn answer<M>(self, to: &mut Description) -> JsonSchema
    where
        T: AnswerContract<M>;
}

impl<T> PlainAnswer<T> for AnswerOf<T> {
    fn answer<M>(self, to: &mut Description) -> JsonSchema
    where
        T: AnswerContract<M>,
    {
        T::result(to)
    }
}

/// The errors with which a call may be answered, for the contract: implemented for an error type of `#[on_call]`
/// methods, beside its `impl From<…> for CallError`.
///
/// Without an impl, the contract of a call has no errors, and a client knows only that there may be some.
///
/// ```
/// use ws_core::contract::{CallErrors, ErrorList};
/// use ws_core::{CallError, prelude::*};
///
/// struct DivisionByZero { dividend: i64 }
///
/// impl From<DivisionByZero> for CallError {
///     fn from(error: DivisionByZero) -> Self {
///         Self::new(-32000, "division by zero").with_data(&error.dividend)
///     }
/// }
///
/// impl CallErrors for DivisionByZero {
///     fn describe_errors(errors: &mut ErrorList<'_>) {
///         errors.add_with_data::<i64>(-32000, "division by zero");
///     }
/// }
///
/// #[websocket(path = "/", envelope = JsonRpc)]
/// #[derive(Default)]
/// struct Calculator;
///
/// #[websocket(contract)]
/// impl Calculator {
///     #[on_call]
///     fn divide(&mut self, a: i64, b: i64) -> Result<i64, DivisionByZero> {
///         a.checked_div(b).ok_or(DivisionByZero { dividend: a })
///     }
/// }
///
/// let contract = Router::new().mount::<Calculator>().contract();
/// let errors = &contract.handlers[0].client.calls[0].errors;
/// assert_eq!((errors[0].code, &*errors[0].description), (-32000, "division by zero"));
/// ```
pub trait CallErrors {
    /// Adds the errors.
    fn describe_errors(errors: &mut ErrorList<'_>);
}

/// The errors of a call, for [`CallErrors`].
///
/// ```
/// use ws_core::contract::{CallErrors, ErrorList};
///
/// enum Refused { Closed, TooMany }
///
/// impl CallErrors for Refused {
///     fn describe_errors(errors: &mut ErrorList<'_>) {
///         errors.add(-32001, "the market is closed");
///         errors.add_with_data::<u32>(-32002, "too many orders; the data are the limit");
///     }
/// }
/// ```
#[derive(Debug)]
pub struct ErrorList<'a> {
    to: &'a mut Description,
    errors: Vec<ErrorContract>,
}

impl ErrorList<'_> {
    /// Adds an error without data.
    pub fn add(&mut self, code: i64, description: &str) {
        self.errors.push(ErrorContract { code, description: description.to_owned(), data: None });
    }

    /// Adds an error with data of type `T`.
    pub fn add_with_data<T: HasSchema>(&mut self, code: i64, description: &str) {
        let data = Some(self.to.written::<T>());
        self.errors.push(ErrorContract { code, description: description.to_owned(), data });
    }
}

fn errors_of<X: CallErrors>(to: &mut Description) -> Vec<ErrorContract> {
    let mut list = ErrorList { to, errors: Vec::new() };
    X::describe_errors(&mut list);
    list.errors
}

impl<T, X: CallErrors> ErrorsOf<Result<T, X>> {
    /// Returns the declared errors.
    pub fn errors(self, to: &mut Description) -> Vec<ErrorContract> {
        errors_of::<X>(to)
    }
}

impl<T, X: CallErrors> ErrorsOf<Deferred<Result<T, X>>> {
    /// Returns the declared errors.
    pub fn errors(self, to: &mut Description) -> Vec<ErrorContract> {
        errors_of::<X>(to)
    }
}

/// The answers without declared errors.
pub trait NoErrors {
    /// Returns no errors.
    fn errors(self, to: &mut Description) -> Vec<ErrorContract>;
}

impl<T> NoErrors for ErrorsOf<T> {
    fn errors(self, _: &mut Description) -> Vec<ErrorContract> {
        Vec::new()
    }
}
