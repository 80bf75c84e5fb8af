//! A handler in its place: every call of it goes through here, one at a time.

use std::any::type_name;

use super::call::Next;
use super::reason;
use crate::close::CloseReason;
use crate::error::HandlerError;
use crate::event::{Event, EventOutcome};
use crate::handler::{Handler, Seat};
use crate::options::Unhandled;
use crate::panic::{Panic, catch};
use crate::wire::{UnreadInput, InboundMessage};

/// What was before a method that is to be run now. What is rare is boxed, because every connection has
/// room for it.
pub(super) enum Ended {
    /// Nothing: `#[on_open]` is the first.
    Open,
    /// Everything: `#[on_close]` is the last.
    Close,
    /// One that has ended by itself.
    Returned(Result<(), HandlerError>),
    /// One that has panicked, before what was read and not used.
    Panicked(Box<(Panic, UnreadInput)>),
    /// One that was given up.
    GivenUp,
}

#[inline(always)]
fn event_of<'a, I>(incoming: &'a InboundMessage<'_>) -> Event<'a, I> {
    match incoming {
        InboundMessage::Text(text) => Event::Text(text),
        InboundMessage::Binary(bytes) => Event::Binary(bytes),
        InboundMessage::Ping(payload) => Event::Ping(payload),
        InboundMessage::Pong(payload) => Event::Pong(payload),
    }
}

impl<H: Handler> Seat<H> {
    /// Runs the method that comes next, if any; an async one comes back as a future.
    pub(super) fn go_on(&mut self, ended: Ended) -> Option<Next<'_, H>> {
        let call = match ended {
            Ended::Open => self.invoke(Event::Open),
            Ended::Close => {
                let reason = reason(&mut self.cx.session());
                self.invoke(Event::Close(&reason))
            }
            Ended::Returned(result) => self.ended(Ok(result)),
            Ended::Panicked(what) => {
                let (panic, rest) = *what;
                self.cx.session().wire.restore_after_panic(rest);
                self.ended(Err(panic))
            }
            Ended::GivenUp => {
                self.cx.session().wire.finish_drain();
                None
            }
        };
        call.map(|call| Next::Method(H::call(self, call)))
    }

    /// Runs the method for an event; an async one comes back as a call. A panic closes the connection.
    pub(super) fn invoke(&mut self, event: Event<'_, H::Info>) -> Option<H::Call> {
        let step = catch(|| self.event(event));
        self.perform(step)
    }

    /// The same for those who catch panics themselves.
    #[inline(always)]
    pub(super) fn invoke_uncaught(&mut self, event: Event<'_, H::Info>) -> Option<H::Call> {
        match self.event(event) {
            EventOutcome::Done => None,
            EventOutcome::Call(call) => Some(call),
            step => self.perform(Ok(step)),
        }
    }

    /// Not inlined, so that the methods are, where messages come from the socket.
    #[inline(never)]
    fn event(&mut self, event: Event<'_, H::Info>) -> EventOutcome<H::Call> {
        self.handler.event(event, &mut self.cx)
    }

    /// Runs the method for a message, for those who catch panics themselves.
    #[inline(always)]
    pub(super) fn hear_uncaught(&mut self, incoming: &InboundMessage<'_>) -> Option<H::Call> {
        let event = event_of(incoming);
        let is_data = matches!(event, Event::Text(_) | Event::Binary(_));
        let step = self.handler.event(event, &mut self.cx);
        self.heard(step, is_data)
    }

    /// The same of one that is rarer, or longer to be handled.
    #[inline(never)]
    pub(super) fn hear_outlined(&mut self, incoming: &InboundMessage<'_>) -> Option<H::Call> {
        let event = event_of(incoming);
        let is_data = matches!(event, Event::Text(_) | Event::Binary(_));
        let step = self.event(event);
        self.heard(step, is_data)
    }

    #[inline(always)]
    fn heard(&mut self, step: EventOutcome<H::Call>, is_data: bool) -> Option<H::Call> {
        match step {
            EventOutcome::Done => None,
            EventOutcome::Call(call) => Some(call),
            EventOutcome::Unhandled if is_data => {
                self.unhandled();
                None
            }
            step => self.perform(Ok(step)),
        }
    }

    /// No method takes such a message.
    fn unhandled(&mut self) {
        let wire = &mut self.cx.session().wire;
        if wire.options().unhandled == Unhandled::Close {
            wire.close_with(CloseReason::Unsupported);
        }
    }

    /// An async method has ended; `#[on_error]` may be the next.
    #[inline]
    pub(super) fn ended(&mut self, result: Result<Result<(), HandlerError>, Panic>) -> Option<H::Call> {
        let call = self.perform(result.map(EventOutcome::from_result));
        self.failing &= call.is_some();
        call
    }

    fn perform(&mut self, step: Result<EventOutcome<H::Call>, Panic>) -> Option<H::Call> {
        match step {
            Ok(EventOutcome::Done | EventOutcome::Unhandled) => None,
            Ok(EventOutcome::Call(call)) => Some(call),
            Ok(EventOutcome::Failed(error)) => self.fail(error),
            Err(panic) => {
                self.crash(panic);
                None
            }
        }
    }

    fn fail(&mut self, error: HandlerError) -> Option<H::Call> {
        if H::ON_ERROR && !self.failing {
            self.failing = true;
            let call = self.invoke(Event::Error(error));
            self.failing = call.is_some();
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
    pub(super) fn crash(&mut self, panic: Panic) {
        panic.log();
        self.cx.session().wire.close_with(CloseReason::Panic(panic.into_text()));
    }
}
