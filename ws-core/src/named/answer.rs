//! The results of `#[on_call]` methods, as answers.

use serde::Serialize;

use super::{Caller, NamedMethods};
use crate::context::Context;
use crate::envelope::{CallError, Envelope};
use crate::error::HandlerError;
use crate::reply::{DeferredReply, Goto, IntoReply, Replies};
use crate::work::Deferred;

/// The value that an `#[on_call]` method returned.
///
/// Generated code calls `answer` on it. The inherent methods are for `Result` and win over the method of
/// [`AnswerValue`], also where the method's return type is an alias.
#[derive(Debug)]
pub struct Answering<R>(pub R);

/// A result that a call can be answered with: any type with serde's `Serialize`, and the next state of the handler
/// in its place (the answer is `null`) or after it in a tuple.
///
/// The compiler infers `M`, the form of the result.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot answer a call",
    label = "not `serde::Serialize`",
    note = "return a type that is `Serialize`, `()`, a `Result` with any error that converts into `CallError`, or a `Deferred` of these",
    note = "add `#[derive(serde::Serialize)]` to a type of your own; `Json<T>` is not needed here: return `T`",
    note = "the next state follows the result: `(T, Goto<Member>)`"
)]
pub trait CallResult<M> {
    /// Answers the call, and then requests the next state.
    fn answer_call<E: Envelope>(self, caller: Caller<E>, to: &mut Replies<'_>) -> Result<(), HandlerError>;
}

/// The form of a result alone.
#[derive(Debug)]
pub enum WithoutGoto {}

/// The form of a result with the next state.
#[derive(Debug)]
pub enum WithGoto {}

#[diagnostic::do_not_recommend]
impl<T: Serialize> CallResult<WithoutGoto> for T {
    fn answer_call<E: Envelope>(self, caller: Caller<E>, to: &mut Replies<'_>) -> Result<(), HandlerError> {
        caller.answer(&self, to).map(|_| ())
    }
}

/// The next state of the handler, or none.
pub trait NextStates: IntoReply {}

impl<S: Send + 'static> NextStates for Goto<S> {}
impl<S: Send + 'static> NextStates for Option<Goto<S>> {}

impl<S: Send + 'static> CallResult<WithGoto> for Goto<S> {
    fn answer_call<E: Envelope>(self, caller: Caller<E>, to: &mut Replies<'_>) -> Result<(), HandlerError> {
        answer_and_go(&(), self, caller, to)
    }
}

impl<S: Send + 'static> CallResult<WithGoto> for Option<Goto<S>> {
    fn answer_call<E: Envelope>(self, caller: Caller<E>, to: &mut Replies<'_>) -> Result<(), HandlerError> {
        answer_and_go(&(), self, caller, to)
    }
}

#[diagnostic::do_not_recommend]
impl<T: Serialize, G: NextStates> CallResult<WithGoto> for (T, G) {
    fn answer_call<E: Envelope>(self, caller: Caller<E>, to: &mut Replies<'_>) -> Result<(), HandlerError> {
        answer_and_go(&self.0, self.1, caller, to)
    }
}

#[diagnostic::do_not_recommend]
impl<T: Serialize, G: NextStates, G2: NextStates> CallResult<WithGoto> for (T, G, G2) {
    fn answer_call<E: Envelope>(self, caller: Caller<E>, to: &mut Replies<'_>) -> Result<(), HandlerError> {
        answer_and_go(&self.0, (self.1, self.2), caller, to)
    }
}

/// Answers a call and requests the next state. The handler stays in its state if the client gets an error, because
/// the result does not serialize.
fn answer_and_go<E: Envelope>(
    result: &impl Serialize,
    next: impl IntoReply,
    caller: Caller<E>,
    to: &mut Replies<'_>,
) -> Result<(), HandlerError> {
    if caller.answer(result, to)? { next.into_reply(to) } else { Ok(()) }
}

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

/// The return type of an `#[on_call]`, apart from `Result`: a result, or a [`Deferred`] one. The compiler infers `M`,
/// its form.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot answer a call",
    label = "not `serde::Serialize`",
    note = "return a type that is `Serialize`, `()`, a `Result` with any error that converts into `CallError`, or a `Deferred` of these",
    note = "add `#[derive(serde::Serialize)]` to a type of your own; `Json<T>` is not needed here: return `T`",
    note = "the next state follows the result: `(T, Goto<Member>)`"
)]
pub trait Answer<M> {
    /// Answers the call, now or when the result is ready.
    #[doc(hidden)]
    fn answer<E: Envelope>(self, caller: Caller<E>, to: &mut Replies<'_>) -> Result<(), HandlerError>;
}

#[diagnostic::do_not_recommend]
impl<T: CallResult<M>, M> Answer<M> for T {
    fn answer<E: Envelope>(self, caller: Caller<E>, to: &mut Replies<'_>) -> Result<(), HandlerError> {
        self.answer_call(caller, to)
    }
}

/// The form of a deferred result.
#[derive(Debug)]
pub enum Later {}

impl<T: CallResult<M> + Send + 'static, M> Answer<(Later, M)> for Deferred<T> {
    fn answer<E: Envelope>(self, caller: Caller<E>, to: &mut Replies<'_>) -> Result<(), HandlerError> {
        defer(self, caller, to, T::answer_call)
    }
}

impl<T, X> Answering<Result<T, X>> {
    /// Answers a call with a result or an error.
    ///
    /// # Errors
    ///
    /// Returns the error of an earlier `send` of the method.
    #[inline]
    pub fn answer<H: NamedMethods, M>(
        self,
        caller: Caller<H::Envelope>,
        cx: &mut Context<H>,
    ) -> Result<(), HandlerError>
    where
        T: CallResult<M>,
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
    pub fn answer<H: NamedMethods, M>(
        self,
        caller: Caller<H::Envelope>,
        cx: &mut Context<H>,
    ) -> Result<(), HandlerError>
    where
        T: CallResult<M> + Send + 'static,
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
    fn answer<H: NamedMethods, M>(
        self,
        caller: Caller<H::Envelope>,
        cx: &mut Context<H>,
    ) -> Result<(), HandlerError>
    where
        R: Answer<M>;
}

impl<R> AnswerValue<R> for Answering<R> {
    #[inline]
    fn answer<H: NamedMethods, M>(
        self,
        caller: Caller<H::Envelope>,
        cx: &mut Context<H>,
    ) -> Result<(), HandlerError>
    where
        R: Answer<M>,
    {
        finish(cx, |to| Answer::answer(self.0, caller, to))
    }
}

fn answer_result<E, T, X, M>(
    result: Result<T, X>,
    caller: Caller<E>,
    to: &mut Replies<'_>,
) -> Result<(), HandlerError>
where
    E: Envelope,
    T: CallResult<M>,
    X: CallFailure,
{
    match result {
        Ok(result) => result.answer_call(caller, to),
        Err(error) => caller.refuse(&error.into_call_error(), to),
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
        return caller.refuse(&error, to);
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
    match session.take_failure() {
        None => result,
        Some(failure) => Err(*failure),
    }
}
