//! Steps of a connection's task after the poll loop.

use std::ops::ControlFlow;

use crate::handler::{Handler, HandlerInstance, MethodFuture};
use crate::panic::Panic;
use crate::wire::UnreadInput;

/// Next step of a connection's task after the poll loop. Every waiting task has room for a step, so both
/// variants are two words long.
pub(super) enum NextStep<'a, H: Handler> {
    /// Run an async method, which holds the handler instance.
    RunMethod(MethodFuture<'a, H>),
    /// Close the connection. After a panic: the panic, and the input that its method left unread.
    Finish(Option<Box<(Panic, UnreadInput)>>),
}

impl<H: Handler> NextStep<'_, H> {
    /// Drops the method, if the step is one, and leaves `Finish(None)`. Returns the panic, if there was one.
    pub(super) fn take_panic(&mut self) -> Option<Box<(Panic, UnreadInput)>> {
        match std::mem::replace(self, NextStep::Finish(None)) {
            NextStep::Finish(panic) => panic,
            NextStep::RunMethod(_) => None,
        }
    }
}

/// The handler instance if no method holds it, or the step that ends the poll loop.
pub(super) type IdleHandler<'a, H> = ControlFlow<NextStep<'a, H>, &'a mut HandlerInstance<H>>;
