//! A handler in its place: every call of it goes through here, one at a time.

use std::any::type_name;

use super::close_reason;
use super::dispatch::NextStep;
use crate::close::CloseReason;
use crate::error::HandlerError;
use crate::event::{Event, EventOutcome};
use crate::handler::{Handler, HandlerInstance};
use crate::options::Unhandled;
use crate::panic::{Panic, catch};
use crate::wire::{InboundMessage, UnreadInput};

/// What was before a method that is to be run now. What is rare is boxed, because every connection has
/// room for it.
pub(super) enum Completion {
    /// Nothing: `#[on_open]` is the first.
    Open,
    /// Everything: `#[on_close]` is the last.
    Close,
    /// One that has ended by itself.
    Returned(Result<(), HandlerError>),
    /// One that has panicked, before what was read and not used.
    Panicked(Box<(Panic, UnreadInput)>),
    /// One that was given up.
    Cancelled,
}

#[inline(always)]
fn to_event<'a, I>(incoming: &'a InboundMessage<'_>) -> Event<'a, I> {
    match incoming {
        InboundMessage::Text(text) => Event::Text(text),
        InboundMessage::Binary(bytes) => Event::Binary(bytes),
        InboundMessage::Ping(payload) => Event::Ping(payload),
        InboundMessage::Pong(payload) => Event::Pong(payload),
    }
}

impl<H: Handler> HandlerInstance<H> {
    /// Runs the method that comes next, if any; an async one comes back as a future.
    pub(super) fn next_method(&mut self, completion: Completion) -> Option<NextStep<'_, H>> {
        let call = match completion {
            Completion::Open => self.invoke(Event::Open),
            Completion::Close => {
                let reason = close_reason(&mut self.cx.session());
                self.invoke(Event::Close(&reason))
            }
            Completion::Returned(result) => self.on_method_completed(Ok(result)),
            Completion::Panicked(panic) => {
                let (panic, rest) = *panic;
                self.cx.session().wire.restore_after_panic(rest);
                self.on_method_completed(Err(panic))
            }
            Completion::Cancelled => {
                self.cx.session().wire.finish_drain();
                None
            }
        };
        call.map(|call| NextStep::RunMethod(H::call(self, call)))
    }

    /// Runs the method for an event; an async one comes back as a call. A panic closes the connection.
    pub(super) fn invoke(&mut self, event: Event<'_, H::Info>) -> Option<H::Call> {
        let step = catch(|| self.handle_event(event));
        self.apply_outcome(step)
    }

    /// The same for those who catch panics themselves.
    #[inline(always)]
    pub(super) fn invoke_uncaught(&mut self, event: Event<'_, H::Info>) -> Option<H::Call> {
        match self.handle_event(event) {
            EventOutcome::Done => None,
            EventOutcome::Call(call) => Some(call),
            step => self.apply_outcome(Ok(step)),
        }
    }

    /// Not inlined, so that the methods are, where messages come from the socket.
    #[inline(never)]
    fn handle_event(&mut self, event: Event<'_, H::Info>) -> EventOutcome<H::Call> {
        self.handler.event(event, &mut self.cx)
    }

    /// Runs the method for a message, for those who catch panics themselves.
    #[inline(always)]
    pub(super) fn dispatch_message(&mut self, incoming: &InboundMessage<'_>) -> Option<H::Call> {
        let event = to_event(incoming);
        let is_data = matches!(event, Event::Text(_) | Event::Binary(_));
        let step = self.handler.event(event, &mut self.cx);
        self.finish_message(step, is_data)
    }

    /// The same of one that is rarer, or longer to be handled.
    #[inline(never)]
    pub(super) fn dispatch_message_outlined(&mut self, incoming: &InboundMessage<'_>) -> Option<H::Call> {
        let event = to_event(incoming);
        let is_data = matches!(event, Event::Text(_) | Event::Binary(_));
        let step = self.handle_event(event);
        self.finish_message(step, is_data)
    }

    #[inline(always)]
    fn finish_message(&mut self, step: EventOutcome<H::Call>, is_data: bool) -> Option<H::Call> {
        match step {
            EventOutcome::Done => None,
            EventOutcome::Call(call) => Some(call),
            EventOutcome::Unhandled if is_data => {
                self.on_unhandled();
                None
            }
            step => self.apply_outcome(Ok(step)),
        }
    }

    /// No method takes such a message.
    fn on_unhandled(&mut self) {
        let wire = &mut self.cx.session().wire;
        if wire.options().unhandled == Unhandled::Close {
            wire.close_with(CloseReason::Unsupported);
        }
    }

    /// An async method has ended; `#[on_error]` may be the next.
    #[inline]
    pub(super) fn on_method_completed(
        &mut self,
        result: Result<Result<(), HandlerError>, Panic>,
    ) -> Option<H::Call> {
        let call = self.apply_outcome(result.map(EventOutcome::from_result));
        self.in_on_error &= call.is_some();
        call
    }

    fn apply_outcome(&mut self, step: Result<EventOutcome<H::Call>, Panic>) -> Option<H::Call> {
        match step {
            Ok(EventOutcome::Done | EventOutcome::Unhandled) => None,
            Ok(EventOutcome::Call(call)) => Some(call),
            Ok(EventOutcome::Failed(error)) => self.on_error(error),
            Err(panic) => {
                self.on_panic(panic);
                None
            }
        }
    }

    fn on_error(&mut self, error: HandlerError) -> Option<H::Call> {
        if H::ON_ERROR && !self.in_on_error {
            self.in_on_error = true;
            let call = self.invoke(Event::Error(error));
            self.in_on_error = call.is_some();
            return call;
        }
        // What a client can bring about at will does not fill the log.
        match &error {
            HandlerError::Decode(_) => tracing::debug!(%error, "payload refused"),
            _ => tracing::error!(%error, handler = type_name::<H>(), "handler failed"),
        }
        let reason = CloseReason::Error { code: error.close_code(), message: error.to_string() };
        self.cx.session().wire.close_with(reason);
        None
    }

    /// A panic closes this connection and touches no other.
    pub(super) fn on_panic(&mut self, panic: Panic) {
        panic.log();
        self.cx.session().wire.close_with(CloseReason::Panic(panic.into_text()));
    }
}
