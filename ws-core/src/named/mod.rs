//! Named messages and calls: from an opened envelope to the method of the name, and back to an answer.

mod answer;
mod argument_type;
mod arguments;
mod batch;
mod batch_answers;
mod caller;

use serde_json::value::RawValue;

pub use answer::{AnswerValue, Answering};
#[cfg(feature = "contract")]
pub(crate) use answer::{Later, NextStates, WithGoto, WithoutGoto};
pub use argument_type::{ArgumentType, UnusableArgument};
#[cfg(feature = "contract")]
pub(crate) use arguments::is_optional;
pub use arguments::{Params, TextArgument, arguments, params};
pub use batch::{BatchRest, run_batch};
pub use caller::Caller;

use crate::context::Context;
use crate::envelope::{CallError, Envelope, Incoming};
use crate::error::{DecodeError, HandlerError};
use crate::event::EventOutcome;
use crate::handler::{Enveloped, Handler, HandlerInstance, MethodOutput};

/// A handler with `#[on_call]` or `#[on_message]` methods. `#[websocket]` on its `impl` implements this trait.
pub trait NamedMethods: Handler {
    /// The envelope of the handler's declaration. Without one a placeholder, so that the compiler reports
    /// [`EnvelopedSelf`](Self::EnvelopedSelf) only.
    type Envelope: Envelope;
    /// The handler, whose declaration needs an envelope.
    type EnvelopedSelf: Enveloped;

    /// Runs the method of a name, or returns the async method that has to run.
    fn named(
        &mut self,
        name: &str,
        params: Option<&RawValue>,
        caller: Caller<Self::Envelope>,
        cx: &mut Context<Self>,
    ) -> EventOutcome<Self::Call>;

    /// Runs `#[on_text]`, for a text that is not in the envelope.
    fn text(&mut self, text: &str, cx: &mut Context<Self>) -> EventOutcome<Self::Call> {
        let _ = (text, cx);
        EventOutcome::Unhandled
    }

    /// Returns the call of a batch whose next method is async. The default is for handlers without one.
    #[expect(clippy::boxed_local, reason = "generated code keeps the box")]
    fn batch(rest: Box<BatchRest<Self>>) -> Self::Call {
        rest.into_first()
    }
}

/// Dispatches a text message of a handler with named methods.
pub fn dispatch_text<H: NamedMethods>(
    handler: &mut H,
    text: &str,
    cx: &mut Context<H>,
) -> EventOutcome<H::Call> {
    match H::Envelope::open(text) {
        Incoming::Batch(entries) => batch::dispatch_batch(handler, entries, cx),
        Incoming::Other => handler.text(text, cx),
        single => dispatch_single(handler, single, Caller::new, cx),
    }
}

/// Dispatches a message that is not a batch. Answers to calls that wait were routed before, except in a batch.
fn dispatch_single<H: NamedMethods>(
    handler: &mut H,
    message: Incoming<'_, <H::Envelope as Envelope>::Id>,
    caller: impl FnOnce(<H::Envelope as Envelope>::Id) -> Caller<H::Envelope>,
    cx: &mut Context<H>,
) -> EventOutcome<H::Call> {
    match message {
        Incoming::Call { id, name, params } => handler.named(&name, params, caller(id), cx),
        Incoming::Message { name, params } => handler.named(&name, params, Caller::none(), cx),
        Incoming::Invalid { id, error } => refuse(error, caller(id), cx),
        Incoming::Answer { id, answer } => {
            cx.session().answer_call(id, answer);
            EventOutcome::Done
        }
        Incoming::Batch(_) | Incoming::Other => EventOutcome::Done,
    }
}

/// Refuses a name without a method.
#[cold]
pub fn unknown_name<H: NamedMethods>(
    name: &str,
    caller: Caller<H::Envelope>,
    cx: &mut Context<H>,
) -> EventOutcome<H::Call> {
    if caller.is_call() {
        let error = CallError::method_not_found(format!("method `{}` not found", shorten(name)));
        return refuse(error, caller, cx);
    }
    tracing::debug!(name = shorten(name), "message without a method ignored");
    EventOutcome::Done
}

/// Refuses a name whose methods belong to other states.
#[cold]
pub fn wrong_state<H: NamedMethods>(
    handler: &H,
    name: &str,
    caller: Caller<H::Envelope>,
    cx: &mut Context<H>,
) -> EventOutcome<H::Call> {
    EventOutcome::from_result(refuse_state(handler, name, caller, cx))
}

/// Like [`wrong_state`], but in an async method.
#[cold]
pub fn wrong_state_async<'a, H: NamedMethods>(
    name: &str,
    caller: Caller<H::Envelope>,
    instance: &'a mut HandlerInstance<H>,
) -> MethodOutput<'a, H> {
    let (handler, cx) = instance.parts();
    let result = refuse_state(handler, name, caller, cx);
    (instance, result)
}

fn refuse_state<H: NamedMethods>(
    handler: &H,
    name: &str,
    caller: Caller<H::Envelope>,
    cx: &mut Context<H>,
) -> Result<(), HandlerError> {
    // As the type is written, without the spaces between its tokens.
    let state = H::STATES.get(handler.state_index()).copied().unwrap_or_default().replace(' ', "");
    if caller.is_call() {
        let error =
            CallError::wrong_state(format!("method `{name}` is not available in the state `{state}`"));
        return refuse_with(error, caller, cx);
    }
    tracing::debug!(name, state, "message without a method in this state ignored");
    Ok(())
}

/// Refuses a call of a method without an answer.
#[cold]
pub fn not_a_call<H: NamedMethods>(
    name: &str,
    caller: Caller<H::Envelope>,
    cx: &mut Context<H>,
) -> EventOutcome<H::Call> {
    let text = format!("method `{name}` takes messages without an answer: send it without an id");
    refuse(CallError::method_not_found(text), caller, cx)
}

/// Answers a call with an error. A message is not answered, so that its error goes to `#[on_error]` if there
/// is one.
#[cold]
pub fn refuse<H: NamedMethods>(
    error: CallError,
    caller: Caller<H::Envelope>,
    cx: &mut Context<H>,
) -> EventOutcome<H::Call> {
    EventOutcome::from_result(refuse_with(error, caller, cx))
}

/// Like [`refuse`], but in an async method.
#[cold]
pub fn refuse_async<H: NamedMethods>(
    error: CallError,
    caller: Caller<H::Envelope>,
    instance: &mut HandlerInstance<H>,
) -> MethodOutput<'_, H> {
    let result = refuse_with(error, caller, &mut instance.cx);
    (instance, result)
}

fn refuse_with<H: NamedMethods>(
    error: CallError,
    caller: Caller<H::Envelope>,
    cx: &mut Context<H>,
) -> Result<(), HandlerError> {
    if caller.is_call() {
        return caller.refuse(&error, &mut cx.session().replies());
    }
    if H::ON_ERROR {
        return Err(HandlerError::Decode(DecodeError::new(error)));
    }
    tracing::debug!(%error, "message ignored");
    Ok(())
}

/// Returns the start of a client's text, for an error or a log line.
fn shorten(text: &str) -> &str {
    text.char_indices().nth(64).map_or(text, |(end, _)| &text[..end])
}
