//! A handler in its place: every call of it goes through here, one at a time.

use std::any::type_name;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::close::CloseReason;
use crate::context::Context;
use crate::error::HandlerError;
use crate::event::{Event, Step};
use crate::handler::Handler;
use crate::options::Unhandled;
use crate::topic::{Delivery, Fed};
use crate::wire::Incoming;

/// The handler and its context.
pub(super) struct Seat<H: Handler> {
    pub(super) handler: H,
    pub(super) cx: Context<H>,
    /// Whether `#[on_error]` is at work: what fails in it closes the connection.
    failing: bool,
}

/// What a method panicked with.
pub(super) struct Panic(String);

impl Panic {
    pub(super) fn log(&self) {
        tracing::error!(message = %self.0, "handler panicked");
    }
}

/// Runs user code; a panic stays in this connection. Whatever the panic left half done is only
/// reached by `#[on_close]` and the handler's `Drop`, which know best.
pub(super) fn catch<R>(run: impl FnOnce() -> R) -> Result<R, Panic> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|payload| {
        let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
        Panic(text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default())
    })
}

impl<H: Handler> Seat<H> {
    pub(super) fn new(handler: H, cx: Context<H>) -> Self {
        Self { handler, cx, failing: false }
    }

    /// Runs the method for an event; an async one comes back as a call.
    pub(super) fn invoke(&mut self, event: Event<'_, H::Info>) -> Option<H::Call> {
        let step = catch(|| self.handler.event(event, &mut self.cx));
        self.perform(step)
    }

    /// Runs the method for a message that may have memory of its own, which what it sends of the message
    /// then keeps; says how many bytes it held. A panic is caught first, for what was sent before it is
    /// still sent.
    #[inline(never)]
    pub(super) fn hear_owned(&mut self, incoming: Incoming<'_>) -> (Option<H::Call>, usize) {
        self.cx.session().wire.handles(&incoming);
        let call = self.catching(|seat| seat.hear_uncaught(&incoming));
        (call, self.cx.session().wire.handled(incoming))
    }

    /// Hears messages; a panic ends that, and the connection.
    #[inline(always)]
    pub(super) fn catching(&mut self, hear: impl FnOnce(&mut Self) -> Option<H::Call>) -> Option<H::Call> {
        match catch(|| hear(self)) {
            Ok(call) => call,
            Err(panic) => {
                self.crash(panic);
                None
            }
        }
    }

    /// Runs the method for a message, for those who catch panics themselves.
    #[inline(always)]
    pub(super) fn hear_uncaught(&mut self, incoming: &Incoming<'_>) -> Option<H::Call> {
        let event = match incoming {
            Incoming::Text(text) => Event::Text(text),
            Incoming::Binary(bytes) => Event::Binary(bytes),
            Incoming::Ping(payload) => Event::Ping(payload),
            Incoming::Pong(payload) => Event::Pong(payload),
        };
        let is_data = matches!(event, Event::Text(_) | Event::Binary(_));
        match self.handler.event(event, &mut self.cx) {
            Step::Done => None,
            Step::Unhandled if is_data => {
                self.unhandled();
                None
            }
            step => self.perform(Ok(step)),
        }
    }

    /// Runs the method for what was published, or sends it to the client.
    pub(super) fn feed(&mut self, fed: Fed<H::Info>) -> Option<H::Call> {
        match fed {
            Fed::Message(Delivery::Info(info)) => self.invoke(Event::Info(info)),
            Fed::Lagged(missed) => self.invoke(Event::Lagged(missed)),
            Fed::Message(Delivery::Frame(frame)) => {
                self.cx.session().wire.broadcast(&frame);
                None
            }
            Fed::Overflown => {
                self.cx.session().wire.close_with(CloseReason::Overflow);
                None
            }
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
    pub(super) fn ended(&mut self, result: Result<Result<(), HandlerError>, Panic>) -> Option<H::Call> {
        let step = result.map(Step::of);
        let call = self.perform(step);
        self.failing &= call.is_some();
        call
    }

    fn perform(&mut self, step: Result<Step<H::Call>, Panic>) -> Option<H::Call> {
        match step {
            Ok(Step::Done | Step::Unhandled) => None,
            Ok(Step::Call(call)) => Some(call),
            Ok(Step::Failed(error)) => self.fail(error),
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
        let Panic(message) = panic;
        self.cx.session().wire.close_with(CloseReason::Panic(message));
    }
}
