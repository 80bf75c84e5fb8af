//! What can happen to a handler, as one closed enum.

use crate::close::CloseReason;
use crate::error::HandlerError;

/// One event of a connection. `I` is the enum of the messages that the handler takes.
///
/// Generated code matches on it; it is not meant to be written by hand.
#[derive(Debug)]
pub enum Event<'a, I> {
    /// The connection is open.
    Open,
    /// A text message.
    Text(&'a str),
    /// A binary message.
    Binary(&'a [u8]),
    /// A ping; its pong is in the outbox already.
    Ping(&'a [u8]),
    /// A pong.
    Pong(&'a [u8]),
    /// A message from the mailbox or a timer.
    Info(I),
    /// A timer of the declaration, by its id.
    Timer(usize),
    /// That many published messages were missed; 0 if nobody knows how many.
    Lagged(u64),
    /// Something failed.
    Error(HandlerError),
    /// The connection has ended.
    Close(&'a CloseReason),
}

/// What became of an event. `C` is the enum of the handler's async methods.
#[derive(Debug)]
pub enum EventOutcome<C> {
    /// A method has run, and what it replied is in the outbox.
    Done,
    /// No method is there for it.
    Unhandled,
    /// A payload did not decode, or the method failed.
    Failed(HandlerError),
    /// An async method is to be run.
    Call(C),
}

impl<C> EventOutcome<C> {
    /// The event failed.
    pub fn failed(error: impl Into<HandlerError>) -> Self {
        Self::Failed(error.into())
    }

    /// A method has run.
    #[inline]
    pub fn from_result(result: Result<(), HandlerError>) -> Self {
        match result {
            Ok(()) => Self::Done,
            Err(error) => Self::Failed(error),
        }
    }
}

/// What `#[on_lagged]` takes: implemented for `u64` and for nothing else, so that an error speaks of the
/// attribute, where the compiler's own would propose conversions of what it cannot see.
#[diagnostic::on_unimplemented(
    message = "`#[on_lagged]` cannot take a `{Self}`",
    label = "not the number of messages that were missed",
    note = "that number is a `u64`; write `missed: u64`, or leave it out"
)]
pub trait MissedCount {
    /// So many were missed.
    fn from_count(count: u64) -> Self;
}

impl MissedCount for u64 {
    #[inline]
    fn from_count(count: u64) -> Self {
        count
    }
}
