//! The results of `#[on_call]` methods, as answers.

use serde::Serialize;

use super::{Caller, NamedMethods};
use crate::context::Context;
use crate::envelope::{CallError, Envelope};
use crate::error::HandlerError;
use crate::reply::{DeferredReply, Replies};
use crate::work::Deferred;

/// The value that an `#[on_call]` method returned.
///
/// Generated code calls `answer` on it. The inherent methods are for `Result` and win over the method of
/// [`AnswerValue`], also where the method's return type is an alias.
#[derive(Debug)]
pub struct Answering<R>(pub R);

/// A result that a call can be answered with: any type with serde's `Serialize`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot answer a call",
    label = "not `serde::Serialize`",
    note = "return a type that is `Serialize`, `()`, a `Result` with any error that converts into `CallError`, or a `Deferred` of these",
    note = "add `#[derive(serde::Serialize)]` to a type of your own; `Json<T>` is not needed here: return `T`"
)]
pub trait CallResult: Serialize {}

#[diagnostic::do_not_recommend]
impl<T: Serialize> CallResult for T {}

/// An error that a call can be answered with: any type that converts into [`CallError`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of a call",
    label = "does not convert into `CallError`, which has the code for the client",
    note = "write `impl From<{Self}> for CallError`, or return `CallError` itself"
)]
pub trait CallFailure {
    /// Converts the error.
    fn into_call_error(self) -> CallError;
}

#[diagnostic::do_not_recommend]
impl<E: Into<CallError>> CallFailure for E {
    fn into_call_error(self) -> CallError {
        self.into()
    }
}

/// The return type of an `#[on_call]`, apart from `Result`: a result, or a [`Deferred`] one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot answer a call",
    label = "not `serde::Serialize`",
    note = "return a type that is `Serialize`, `()`, a `Result` with any error that converts into `CallError`, or a `Deferred` of these",
    note = "add `#[derive(serde::Serialize)]` to a type of your own; `Json<T>` is not needed here: return `T`"
)]
pub trait Answer {
    /// Answers the call, now or when the result is ready.
    #[doc(hidden)]
    fn answer<E: Envelope>(self, caller: Caller<E>, to: &mut Replies<'_>) -> Result<(), HandlerError>;
}

#[diagnostic::do_not_recommend]
impl<T: Serialize> Answer for T {
    fn answer<E: Envelope>(self, caller: Caller<E>, to: &mut Replies<'_>) -> Result<(), HandlerError> {
        caller.answer(Ok(&self), to)
    }
}

impl<T: CallResult + Send + 'static> Answer for Deferred<T> {
    fn answer<E: Envelope>(self, caller: Caller<E>, to: &mut Replies<'_>) -> Result<(), HandlerError> {
        defer(self, caller, to, |result, caller, to| caller.answer(Ok(&result), to))
    }
}

impl<T, X> Answering<Result<T, X>> {
    /// Answers a call with a result or an error.
    ///
    /// # Errors
    ///
    /// Returns the error of an earlier `send` of the method.
    #[inline]
    pub fn answer<H: NamedMethods>(
        self,
        caller: Caller<H::Envelope>,
        cx: &mut Context<H>,
    ) -> Result<(), HandlerError>
    where
        T: CallResult,
        X: CallFailure,
    {
        finish(cx, |to| answer_result(self.0, caller, to))
    }
}

impl<T, X> Answering<Deferred<Result<T, X>>> {
    /// Answers a call when its result or error is ready.
    ///
    /// # Errors
    ///
    /// Returns the error of an earlier `send` of the method.
    pub fn answer<H: NamedMethods>(
        self,
        caller: Caller<H::Envelope>,
        cx: &mut Context<H>,
    ) -> Result<(), HandlerError>
    where
        T: CallResult + Send + 'static,
        X: CallFailure + Send + 'static,
    {
        finish(cx, |to| defer(self.0, caller, to, answer_result))
    }
}

/// The answer of a method that returns no `Result`. The bound is on the method, so that a type that is not an
/// `Answer` gets the error text of that trait.
pub trait AnswerValue<R> {
    /// Answers a call.
    ///
    /// # Errors
    ///
    /// Returns the error of an earlier `send` of the method.
    fn answer<H: NamedMethods>(
        self,
        caller: Caller<H::Envelope>,
        cx: &mut Context<H>,
    ) -> Result<(), HandlerError>
    where
        R: Answer;
}

impl<R> AnswerValue<R> for Answering<R> {
    #[inline]
    fn answer<H: NamedMethods>(
        self,
        caller: Caller<H::Envelope>,
        cx: &mut Context<H>,
    ) -> Result<(), HandlerError>
    where
        R: Answer,
    {
        finish(cx, |to| Answer::answer(self.0, caller, to))
    }
}

fn answer_result<E, T, X>(
    result: Result<T, X>,
    caller: Caller<E>,
    to: &mut Replies<'_>,
) -> Result<(), HandlerError>
where
    E: Envelope,
    T: CallResult,
    X: CallFailure,
{
    match result {
        Ok(result) => caller.answer(Ok(&result), to),
        Err(error) => caller.answer::<()>(Err(&error.into_call_error()), to),
    }
}

/// Starts the future of an answer. At the limit of futures, the call is answered with an error.
fn defer<E, R>(
    deferred: Deferred<R>,
    caller: Caller<E>,
    to: &mut Replies<'_>,
    answer: fn(R, Caller<E>, &mut Replies<'_>) -> Result<(), HandlerError>,
) -> Result<(), HandlerError>
where
    E: Envelope,
    R: Send + 'static,
{
    if to.is_deferred_full() {
        if !caller.is_call() {
            tracing::debug!("message ignored: as many futures run as `max_deferred` allows");
            return Ok(());
        }
        let error = CallError::internal("too many calls of this connection are under way");
        return caller.answer::<()>(Err(&error), to);
    }
    to.defer(Box::pin(async move {
        let result = deferred.into_future().await;
        Box::new(move |to: &mut Replies<'_>| answer(result, caller, to)) as DeferredReply
    }))
}

/// Sends an answer. If an earlier `send` of the method failed, returns that error instead.
#[inline]
fn finish<H: NamedMethods>(
    cx: &mut Context<H>,
    answer: impl FnOnce(&mut Replies<'_>) -> Result<(), HandlerError>,
) -> Result<(), HandlerError> {
    let mut session = cx.session();
    let result = answer(&mut session.replies());
    if session.failure.is_none() {
        return result;
    }
    session.failure.take().map_or(result, |failure| Err(*failure))
}
