//! A handler together with its context, both of which a running method borrows.

use std::future::Future;
use std::pin::Pin;

use super::Handler;
use crate::context::Context;
use crate::error::HandlerError;

/// The handler of a connection and its context. Only the driver creates and calls one.
#[derive(Debug)]
pub struct HandlerInstance<H: Handler> {
    pub(crate) handler: H,
    pub(crate) cx: Context<H>,
}

impl<H: Handler> HandlerInstance<H> {
    pub(crate) fn new(handler: H, cx: Context<H>) -> Self {
        Self { handler, cx }
    }

    /// Runs a function in the span of the connection.
    // PERF: called in every poll. budget: text64
    #[inline(always)]
    pub(crate) fn in_span<'a, R>(&'a mut self, run: impl FnOnce(&'a mut Self) -> R) -> R {
        let _entered = self.cx.connection_span().enter();
        run(self)
    }

    /// Borrows the arguments of a method.
    #[inline]
    pub fn parts(&mut self) -> (&mut H, &mut Context<H>) {
        (&mut self.handler, &mut self.cx)
    }
}

/// A running async method. Its box is the one allocation that the method costs: inside the connection's own
/// future, every idle connection would have the size of the largest method.
pub type MethodFuture<'a, H> = Pin<Box<dyn Future<Output = MethodOutput<'a, H>> + Send + 'a>>;

/// Output of an async method. The method holds the instance while it is pending and then returns it, so that
/// the poll loop can continue with the next event.
pub type MethodOutput<'a, H> = (&'a mut HandlerInstance<H>, Result<(), HandlerError>);
