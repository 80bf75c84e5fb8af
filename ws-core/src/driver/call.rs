//! The methods that a turn calls. They have the seat one after the other, and an async one that waits takes
//! it out of the turn.

use std::sync::Mutex;
use std::task::{Context as Task, Poll};

use super::links::Links;
use crate::close::CloseReason;
use crate::context::{Session, lock};
use crate::error::HandlerError;
use crate::event::Event;
use crate::handler::{Handler, Running, Seat};
use crate::panic::{Panic, catch};
use crate::topic::{Delivery, Fed};
use crate::wire::{UnreadInput, InboundMessage};

/// A read brings 64 KiB, which may be a thousand times as much when they are inflated: after that
/// many bytes the rest of it is another round's.
const MUCH: usize = 256 << 10;

/// Why a turn has ended other than by waiting for what comes. The first two have lost the seat.
pub(super) enum Left<'a, H: Handler> {
    /// To an async method that is pending, with what was read behind its message.
    Pending(Running<'a, H>, UnreadInput),
    /// In a method that has panicked.
    Panicked(Panic, UnreadInput),
    /// The connection closes.
    Closed,
}

/// What is to be done when a turn has ended: the same, and as small as every connection has room for.
pub(super) enum Next<'a, H: Handler> {
    /// An async method is to be run, or to be waited for.
    Method(Running<'a, H>),
    /// One that has panicked is to be closed for, before what was read and not used; or the connection
    /// closes. One variant for both, so that it is no larger than a method.
    Ends(Option<Box<(Panic, UnreadInput)>>),
}

impl<H: Handler> Next<'_, H> {
    /// Nothing is left to be done; what a panic said is returned.
    pub(super) fn take(&mut self) -> Option<Box<(Panic, UnreadInput)>> {
        match std::mem::replace(self, Next::Ends(None)) {
            Next::Ends(what) => what,
            Next::Method(_) => None,
        }
    }
}

impl<'a, H: Handler> Left<'a, H> {
    /// What was read behind a method that waits is given to the session, which it leaves alone.
    pub(super) fn next(self, session: Option<&Mutex<Session<H>>>) -> Next<'a, H> {
        match self {
            Self::Pending(method, rest) => {
                if let Some(session) = session {
                    lock(session).wire.restore_unread(rest);
                }
                Next::Method(method)
            }
            Self::Panicked(panic, rest) => Next::Ends(Some(Box::new((panic, rest)))),
            Self::Closed => Next::Ends(None),
        }
    }
}

/// What goes through a turn: the seat. It is gone if something has `left`.
pub(super) type Seated<'a, H> = Option<&'a mut Seat<H>>;

/// With what was read and not used. What a method that has panicked was given may wait to be sent.
#[cold]
pub(super) fn leave<H: Handler>(left: &mut Option<Left<'_, H>>, used: usize, input: &[u8]) {
    match left {
        Some(Left::Pending(_, rest)) => *rest = UnreadInput::with_offset(0, &input[used..]),
        Some(Left::Panicked(_, rest)) => *rest = UnreadInput::with_offset(used, input),
        Some(Left::Closed) | None => {}
    }
}

/// Runs a method; a panic ends that, and the connection.
#[inline(always)]
fn caught<'a, H: Handler>(
    left: &mut Option<Left<'a, H>>,
    method: impl FnOnce(&mut Option<Left<'a, H>>) -> Seated<'a, H>,
) -> Seated<'a, H> {
    match catch(|| method(left)) {
        Ok(seat) => seat,
        Err(panic) => panicked(left, panic),
    }
}

#[cold]
fn panicked<'a, H: Handler>(left: &mut Option<Left<'a, H>>, panic: Panic) -> Seated<'a, H> {
    *left = Some(Left::Panicked(panic, UnreadInput::default()));
    None
}

/// Runs an async method, and `#[on_error]` if that fails, as far as they go without waiting.
#[inline(always)]
fn run<'a, H: Handler>(
    task: &mut Task<'_>,
    seat: &'a mut Seat<H>,
    call: H::Call,
    left: &mut Option<Left<'a, H>>,
) -> Seated<'a, H> {
    let mut method = H::call(seat, call);
    match method.as_mut().poll(task) {
        Poll::Ready((seat, Ok(()))) if !seat.failing => Some(seat),
        Poll::Ready((seat, result)) => failed(task, seat, result, left),
        Poll::Pending => {
            *left = Some(Left::Pending(method, UnreadInput::default()));
            None
        }
    }
}

#[cold]
fn failed<'a, H: Handler>(
    task: &mut Task<'_>,
    seat: &'a mut Seat<H>,
    result: Result<(), HandlerError>,
    left: &mut Option<Left<'a, H>>,
) -> Seated<'a, H> {
    // What fails in `#[on_error]` calls nothing more.
    match seat.ended(Ok(result)) {
        Some(call) => run(task, seat, call, left),
        None => Some(seat),
    }
}

/// Handles an event that does not come from the socket.
#[inline]
pub(super) fn invoke<'a, H: Handler>(
    task: &mut Task<'_>,
    seat: &'a mut Seat<H>,
    event: Event<'_, H::Info>,
    left: &mut Option<Left<'a, H>>,
) -> Seated<'a, H> {
    caught(left, |left| match seat.invoke_uncaught(event) {
        Some(call) => run(task, seat, call, left),
        None => Some(seat),
    })
}

/// The same of what was published, which the client may get as it is.
pub(super) fn feed<'a, H: Handler>(
    task: &mut Task<'_>,
    seat: &'a mut Seat<H>,
    fed: Fed<H::Info>,
    left: &mut Option<Left<'a, H>>,
) -> Seated<'a, H> {
    let event = match fed {
        Fed::Message(Delivery::Info(info)) => Event::Info(info),
        Fed::Lagged(missed) => Event::Lagged(missed),
        Fed::Message(Delivery::Frame(frame)) => {
            seat.cx.session().wire.send_prepared(&frame);
            return Some(seat);
        }
        Fed::Overflown => {
            seat.cx.session().wire.close_with(CloseReason::Overflow);
            return Some(seat);
        }
    };
    invoke(task, seat, event, left)
}

/// The same of a message that was read ahead.
pub(super) fn hear_ahead<'a, H: Handler>(
    task: &mut Task<'_>,
    seat: &'a mut Seat<H>,
    message: InboundMessage<'_>,
    left: &mut Option<Left<'a, H>>,
) -> Seated<'a, H> {
    match hear_owned(seat, message).0 {
        Ok(Some(call)) => caught(left, |left| run(task, seat, call, left)),
        Ok(None) => Some(seat),
        Err(panic) => panicked(left, panic),
    }
}

/// Runs the method for a message that may have memory of its own, which what it sends of the message
/// then keeps; says how many bytes it held. A panic is caught first, for what was sent before it is still
/// sent.
#[inline(never)]
fn hear_owned<H: Handler>(
    seat: &mut Seat<H>,
    message: InboundMessage<'_>,
) -> (Result<Option<H::Call>, Panic>, usize) {
    seat.cx.session().wire.begin_message(&message);
    let call = catch(|| seat.hear_outlined(&message));
    (call, seat.cx.session().wire.end_message(message))
}

/// Handles the messages of an input until it is used up, a method waits, or nothing more may be
/// read. Says how many bytes it used.
#[inline(always)]
pub(super) fn handle<'a, H: Handler>(
    task: &mut Task<'_>,
    seat: &'a mut Seat<H>,
    links: &mut Links,
    input: &mut [u8],
    left: &mut Option<Left<'a, H>>,
) -> (Seated<'a, H>, usize) {
    let len = input.len();
    let mut rest = input;
    // One for all of them, as a panic ends them all.
    let heard = caught(left, |left| hear(task, seat, links, &mut rest, left));
    (heard, len - rest.len())
}

#[inline(always)]
fn hear<'a, H: Handler>(
    task: &mut Task<'_>,
    mut seat: &'a mut Seat<H>,
    links: &mut Links,
    input: &mut &mut [u8],
    left: &mut Option<Left<'a, H>>,
) -> Seated<'a, H> {
    let mut inflated = 0;
    // What is behind the last message is not looked at, as there is nothing.
    while !input.is_empty() {
        let Some(message) = seat.cx.session().wire.next_message(input) else { break };
        let call = if message.is_owned() {
            let (call, held) = hear_owned(seat, message);
            inflated += held;
            match call {
                Ok(call) => call,
                Err(panic) => return panicked(left, panic),
            }
        } else {
            seat.hear_uncaught(&message)
        };
        if let Some(call) = call {
            seat = run(task, seat, call, left)?;
        }
        if inflated > MUCH {
            links.pace.next_round();
            break;
        }
    }
    Some(seat)
}
