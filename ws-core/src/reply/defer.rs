//! What a reply leaves for later: a future, or the next state of the handler.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use super::{NextState, Replies};
use crate::error::HandlerError;

/// A deferred reply that is ready to be sent.
pub(crate) type DeferredReply = Box<dyn FnOnce(&mut Replies<'_>) -> Result<(), HandlerError> + Send>;

/// The future of a deferred reply.
pub(crate) type ReplyFuture = Pin<Box<dyn Future<Output = DeferredReply> + Send>>;

/// The futures of a connection, as the destination of deferred replies.
pub(crate) trait Defer: fmt::Debug {
    /// Starts the future of a reply, unless `limit` futures run.
    fn defer(&mut self, limit: usize, reply: ReplyFuture) -> Result<(), HandlerError>;

    /// Returns the number of futures whose output has not been handled.
    #[cfg_attr(not(feature = "json"), allow(dead_code))]
    fn running(&self) -> usize;

    /// Requests another state of the handler.
    fn goto(&mut self, state: NextState) -> Result<(), HandlerError>;
}
