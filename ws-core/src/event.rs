//! The events of a connection, as one closed enum, and their outcomes.

use std::any::type_name;

use crate::close::CloseReason;
use crate::error::HandlerError;
use crate::message::Part;
use crate::metrics::{CallTimer, on_async_call};

/// An event of a connection. `I` is the handler's message enum ([`Handler::Info`]).
///
/// Generated code matches on this enum; user code does not name it.
///
/// [`Handler::Info`]: crate::Handler::Info
#[derive(Debug)]
pub enum Event<'a, I> {
    /// The connection is open.
    Open,
    /// A text message.
    Text(&'a str),
    /// A binary message.
    Binary(&'a [u8]),
    /// A part of a message.
    Part(Part<'a>),
    /// A ping. The pong is already in the outbox.
    Ping(&'a [u8]),
    /// A pong.
    Pong(&'a [u8]),
    /// A message from the mailbox or a timer.
    Info(I),
    /// A declared timer is due. The field is the timer's id.
    Timer(usize),
    /// The handler missed this number of published messages; 0 if the number is unknown.
    Lagged(u64),
    /// The outbox is below its high-water mark again.
    Drain,
    /// A connection carries the session again.
    Attach,
    /// The session has lost its connection.
    Detach,
    /// A payload did not decode, a method failed, or a reply could not be sent.
    Error(HandlerError),
    /// The connection has ended.
    Close(&'a CloseReason),
    /// The handler has entered a state.
    Enter,
    /// The handler leaves a state.
    Leave,
}

impl<I> Event<'_, I> {
    /// Returns the attribute of the methods for such events, without `#[]`: the label of metrics for a handler that is
    /// written by hand.
    pub(crate) fn attribute(&self) -> &'static str {
        match self {
            Self::Open => "on_open",
            Self::Text(_) => "on_text",
            Self::Binary(_) => "on_binary",
            Self::Part(_) => "on_part",
            Self::Ping(_) => "on_ping",
            Self::Pong(_) => "on_pong",
            Self::Info(_) => "on_info",
            Self::Timer(_) => "timer",
            Self::Lagged(_) => "on_lagged",
            Self::Drain => "on_drain",
            Self::Attach => "on_attach",
            Self::Detach => "on_detach",
            Self::Error(_) => "on_error",
            Self::Close(_) => "on_close",
            Self::Enter => "on_enter",
            Self::Leave => "on_leave",
        }
    }
}

/// The outcome of an event. `C` is the enum of the handler's async methods.
#[derive(Debug)]
pub enum EventOutcome<C> {
    /// The method has run, and its reply is in the outbox.
    Done,
    /// The handler has no method for the event.
    Unhandled,
    /// A payload did not decode, or the method failed.
    // PERF: boxed, so that the outcome of most methods is a number in a register. budget: text64x16
    Failed(Box<HandlerError>),
    /// The driver has to run an async method.
    Call(C),
}

impl<C> EventOutcome<C> {
    /// Returns the outcome of an event that failed.
    #[cold]
    pub fn failed(error: impl Into<HandlerError>) -> Self {
        Self::Failed(Box::new(error.into()))
    }

    /// Returns the outcome of a sync method.
    #[inline]
    pub fn from_result(result: Result<(), HandlerError>) -> Self {
        match result {
            Ok(()) => Self::Done,
            Err(error) => Self::failed(error),
        }
    }

    /// Dispatches an event to a method, and measures how long a sync method runs.
    // PERF: without metrics, this is the dispatch alone. budget: text64x16
    #[inline(always)]
    pub(crate) fn measure<H: ?Sized>(attribute: &'static str, dispatch: impl FnOnce() -> Self) -> Self {
        let timer = CallTimer::start();
        let outcome = dispatch();
        match &outcome {
            Self::Call(_) => on_async_call(attribute),
            Self::Done | Self::Failed(_) => timer.finish(type_name::<H>(), attribute),
            Self::Unhandled => {}
        }
        outcome
    }
}

/// The argument type of `#[on_lagged]`. Only `u64` implements this trait.
///
/// With the trait, a compile error names the attribute. The compiler's own message would propose
/// conversions of a variable that the user cannot see.
#[diagnostic::on_unimplemented(
    message = "`#[on_lagged]` cannot take a `{Self}`",
    label = "not the number of messages that were missed",
    note = "that number is a `u64`; write `missed: u64`, or leave it out"
)]
pub trait MissedCount {
    /// Converts the number of missed messages.
    fn from_count(count: u64) -> Self;
}

impl MissedCount for u64 {
    #[inline]
    fn from_count(count: u64) -> Self {
        count
    }
}

/// The argument type of `#[on_part]`. Only [`Part`] implements this trait.
///
/// With the trait, a compile error names the attribute.
#[diagnostic::on_unimplemented(
    message = "`#[on_part]` cannot take a `{Self}`",
    label = "not a part of a message",
    note = "write `part: Part<'_>`; its bytes are `part.bytes()`, and its text is `part.text()`",
    note = "a method that takes whole messages has `#[on_text]` or `#[on_binary]`"
)]
pub trait FromPart<'a>: Sized {
    /// Converts the part.
    fn from_part(part: Part<'a>) -> Self;
}

impl<'a> FromPart<'a> for Part<'a> {
    #[inline]
    fn from_part(part: Part<'a>) -> Self {
        part
    }
}
