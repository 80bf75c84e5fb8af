//! A handler in its place, which a method that runs has for itself.

use std::future::Future;
use std::pin::Pin;

use super::Handler;
use crate::context::Context;
use crate::error::HandlerError;

/// The handler of a connection and its context. Only the driver makes one, and calls it.
#[derive(Debug)]
pub struct HandlerInstance<H: Handler> {
    pub(crate) handler: H,
    pub(crate) cx: Context<H>,
    /// Whether `#[on_error]` is at work: what fails in it closes the connection.
    pub(crate) in_on_error: bool,
}

impl<H: Handler> HandlerInstance<H> {
    pub(crate) fn new(handler: H, cx: Context<H>) -> Self {
        Self { handler, cx, in_on_error: false }
    }

    /// What a method takes.
    #[inline]
    pub fn parts(&mut self) -> (&mut H, &mut Context<H>) {
        (&mut self.handler, &mut self.cx)
    }
}

/// An async method that runs: the one allocation that it costs. In the connection's own future it
/// would cost every waiting connection the size of the largest method.
pub type MethodFuture<'a, H> = Pin<Box<dyn Future<Output = MethodOutput<'a, H>> + Send + 'a>>;

/// What an async method ends with. It has the seat for itself while it is pending and gives it back,
/// so that whoever polled it can go on with the next event at once.
pub type MethodOutput<'a, H> = (&'a mut HandlerInstance<H>, Result<(), HandlerError>);
