//! Calls of a handler instance: takes events and returns the calls of async methods.

use std::any::type_name;

use super::next_step::NextStep;
use crate::close::CloseReason;
use crate::error::HandlerError;
use crate::event::{Event, EventOutcome};
use crate::handler::{Handler, HandlerInstance};
use crate::message::Part;
use crate::options::Unhandled;
use crate::panic::{Panic, catch};
use crate::wire::{BorrowedMessage, InboundMessage, UnreadInput};

/// The completion of the previous method, which selects the next one. The rare variant is boxed, because every task has
/// room for a completion.
pub(super) enum Completion {
    /// No method has run: `#[on_open]` is next.
    Open,
    /// All other methods have run: `#[on_close]` is next.
    Close,
    /// The method returned.
    Returned(Result<(), HandlerError>),
    /// The method panicked, and left this input unread.
    Panicked(Box<(Panic, UnreadInput)>),
    /// The method was cancelled, because the connection closed.
    Cancelled,
}

// PERF: called for every message, so that the match on the event folds. budget: text64x16
#[inline(always)]
fn to_event<H: Handler>(message: BorrowedMessage<'_>) -> Event<'_, H::Info> {
    match message {
        BorrowedMessage::Text(text) if H::ON_PART => Event::Part(Part::whole_text(text)),
        BorrowedMessage::Binary(bytes) if H::ON_PART => Event::Part(Part::whole_binary(bytes)),
        BorrowedMessage::Text(text) => Event::Text(text),
        BorrowedMessage::Binary(bytes) => Event::Binary(bytes),
    }
}

impl<H: Handler> HandlerInstance<H> {
    /// Runs the method that follows `completion`, in the span of the connection, if there is one. Returns an async
    /// method as a future.
    pub(super) fn next_method(&mut self, completion: Completion) -> Option<NextStep<'_, H>> {
        let _entered = self.cx.connection_span().enter();
        let call = match completion {
            Completion::Open => self.invoke_caught(Event::Open).or_else(|| self.continue_transition()),
            Completion::Close => {
                let reason = self.cx.session().close_reason();
                self.invoke_caught(Event::Close(&reason))
            }
            Completion::Returned(result) => self.on_method_completed(Ok(result)),
            Completion::Panicked(panic) => {
                let (panic, unread) = *panic;
                self.cx.session().wire.restore_after_panic(unread);
                self.on_method_completed(Err(panic))
            }
            Completion::Cancelled => {
                self.cx.session().wire.finish_drain();
                None
            }
        };
        call.map(|call| NextStep::RunMethod(H::call(self, call)))
    }

    /// Runs the method for an event. Returns the call of an async method. The caller catches panics.
    #[inline]
    pub(super) fn invoke(&mut self, event: Event<'_, H::Info>) -> Option<H::Call> {
        match self.handle_event(event) {
            EventOutcome::Done => self.continue_transition(),
            EventOutcome::Call(call) => Some(call),
            outcome => self.apply_outcome(Ok(outcome)).or_else(|| self.continue_transition()),
        }
    }

    /// Like [`invoke`](Self::invoke), but a panic closes the connection.
    pub(super) fn invoke_caught(&mut self, event: Event<'_, H::Info>) -> Option<H::Call> {
        let outcome = catch(|| self.handle_event(event));
        self.apply_outcome(outcome)
    }

    // PERF: not inlined, so that the methods are inlined into `dispatch_borrowed`. budget: text64x16
    #[inline(never)]
    pub(super) fn handle_event(&mut self, event: Event<'_, H::Info>) -> EventOutcome<H::Call> {
        self.call_event(event)
    }

    /// Calls the handler. Nothing else calls `Handler::event`.
    // PERF: see `dispatch_borrowed`; without metrics, this is the call alone. budget: text64x16
    #[inline(always)]
    fn call_event(&mut self, event: Event<'_, H::Info>) -> EventOutcome<H::Call> {
        let attribute = event.attribute();
        EventOutcome::measure::<H>(attribute, || self.handler.event(event, &mut self.cx))
    }

    /// Runs the method for a message. Returns the call of an async method. The caller catches panics.
    // PERF: the handler's methods are inlined here. budget: text64x16
    // General path: `dispatch_message`, which takes messages of every kind.
    #[inline(always)]
    pub(super) fn dispatch_borrowed(&mut self, message: BorrowedMessage<'_>) -> Option<H::Call> {
        self.invoke_for_input(to_event::<H>(message))
    }

    /// Like [`dispatch_borrowed`](Self::dispatch_borrowed), but for messages that are rarer or take longer.
    #[inline(never)]
    pub(super) fn dispatch_message(&mut self, message: &InboundMessage<'_>) -> Option<H::Call> {
        self.invoke_for_input(match message {
            InboundMessage::Text(text) => to_event::<H>(BorrowedMessage::Text(text)),
            InboundMessage::Binary(bytes) => to_event::<H>(BorrowedMessage::Binary(bytes)),
            InboundMessage::Part(part) => Event::Part(part.part()),
            InboundMessage::Ping(payload) => Event::Ping(payload),
            InboundMessage::Pong(payload) => Event::Pong(payload),
        })
    }

    /// Like [`invoke`](Self::invoke), but for input from the client, and inlined.
    // PERF: see `dispatch_borrowed`. budget: text64x16
    #[inline(always)]
    fn invoke_for_input(&mut self, event: Event<'_, H::Info>) -> Option<H::Call> {
        let is_data = matches!(event, Event::Text(_) | Event::Binary(_));
        match self.call_event(event) {
            EventOutcome::Done => self.continue_transition(),
            EventOutcome::Call(call) => Some(call),
            EventOutcome::Unhandled if is_data => {
                self.on_unhandled();
                None
            }
            outcome => self.apply_outcome(Ok(outcome)).or_else(|| self.continue_transition()),
        }
    }

    /// Closes the connection if its options do not accept a message that no method handles.
    fn on_unhandled(&mut self) {
        let wire = &mut self.cx.session().wire;
        if wire.options().unhandled == Unhandled::Close {
            wire.close_with(CloseReason::Unsupported);
        }
    }

    /// Applies the result of an async method. Returns the call that is next: of `#[on_error]`, or of a
    /// transition.
    #[inline]
    pub(super) fn on_method_completed(
        &mut self,
        result: Result<Result<(), HandlerError>, Panic>,
    ) -> Option<H::Call> {
        let call = self.apply_outcome(result.map(EventOutcome::from_result));
        if call.is_none() {
            self.cx.set_in_on_error(false);
        }
        call.or_else(|| self.continue_transition())
    }

    /// Applies the outcome of a method. Returns the call of an async method. A transition has not begun.
    pub(super) fn apply_outcome(&mut self, outcome: Result<EventOutcome<H::Call>, Panic>) -> Option<H::Call> {
        match outcome {
            Ok(EventOutcome::Done | EventOutcome::Unhandled) => None,
            Ok(EventOutcome::Call(call)) => Some(call),
            Ok(EventOutcome::Failed(error)) => self.on_error(*error),
            Err(panic) => {
                self.on_panic(panic);
                None
            }
        }
    }

    /// Runs `#[on_error]`, or closes the connection if there is none or if it failed itself.
    fn on_error(&mut self, error: HandlerError) -> Option<H::Call> {
        if H::ON_ERROR && !self.cx.is_in_on_error() {
            self.cx.set_in_on_error(true);
            let call = self.invoke_caught(Event::Error(error));
            self.cx.set_in_on_error(call.is_some());
            return call;
        }
        // Errors that a client can cause at will do not fill the log.
        match &error {
            HandlerError::Decode(_) => tracing::debug!(%error, "payload refused"),
            _ => tracing::error!(
                %error,
                handler = type_name::<H>(),
                path = H::CHECKED_DECLARATION.path,
                peer = ?self.cx.peer_addr(),
                help = "add an `#[on_error]`, or return no error",
                "handler failed"
            ),
        }
        self.cx.session().wire.close_with_error(&error);
        None
    }

    /// Runs the functions of a test that read the handler.
    #[cfg(feature = "test-util")]
    pub(super) fn run_probes(&mut self) {
        let mailbox = self.cx.session().mailbox.clone();
        for probe in mailbox.iter().flat_map(|mailbox| mailbox.take_probes()) {
            probe(&self.handler);
        }
    }

    /// Closes the connection after a panic. Other connections are not affected.
    pub(super) fn on_panic(&mut self, panic: Panic) {
        panic.log(type_name::<H>(), H::CHECKED_DECLARATION.path, self.cx.peer_addr());
        self.cx.session().wire.close_with(CloseReason::Panic(panic.into_text()));
    }
}
