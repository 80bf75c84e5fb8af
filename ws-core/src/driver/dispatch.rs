//! The methods that a turn calls. They have the seat one after the other, and an async one that waits takes
//! it out of the turn.

use std::sync::Mutex;
use std::task::{Context as TaskContext, Poll};

use super::state::DriverState;
use crate::close::CloseReason;
use crate::context::{Session, lock};
use crate::error::HandlerError;
use crate::event::Event;
use crate::handler::{Handler, HandlerInstance, MethodFuture};
use crate::panic::{Panic, catch};
use crate::topic::{Delivery, QueueItem};
use crate::wire::{InboundMessage, UnreadInput};

/// A read brings 64 KiB, which may be a thousand times as much when they are inflated: after that
/// many bytes the rest of it is another round's.
const MAX_INFLATED_PER_ITERATION: usize = 256 << 10;

/// Why a turn has ended other than by waiting for what comes. The first two have lost the seat.
pub(super) enum PollExit<'a, H: Handler> {
    /// To an async method that is pending, with what was read behind its message.
    Pending(MethodFuture<'a, H>, UnreadInput),
    /// In a method that has panicked.
    Panicked(Panic, UnreadInput),
    /// The connection closes.
    Closed,
}

/// What is to be done when a turn has ended: the same, and as small as every connection has room for.
pub(super) enum NextStep<'a, H: Handler> {
    /// An async method is to be run, or to be waited for.
    RunMethod(MethodFuture<'a, H>),
    /// One that has panicked is to be closed for, before what was read and not used; or the connection
    /// closes. One variant for both, so that it is no larger than a method.
    Finish(Option<Box<(Panic, UnreadInput)>>),
}

impl<H: Handler> NextStep<'_, H> {
    /// Nothing is left to be done; what a panic said is returned.
    pub(super) fn take_panic(&mut self) -> Option<Box<(Panic, UnreadInput)>> {
        match std::mem::replace(self, NextStep::Finish(None)) {
            NextStep::Finish(panic) => panic,
            NextStep::RunMethod(_) => None,
        }
    }
}

impl<'a, H: Handler> PollExit<'a, H> {
    /// What was read behind a method that waits is given to the session, which it leaves alone.
    pub(super) fn into_next_step(self, session: Option<&Mutex<Session<H>>>) -> NextStep<'a, H> {
        match self {
            Self::Pending(method, rest) => {
                if let Some(session) = session {
                    lock(session).wire.restore_unread(rest);
                }
                NextStep::RunMethod(method)
            }
            Self::Panicked(panic, rest) => NextStep::Finish(Some(Box::new((panic, rest)))),
            Self::Closed => NextStep::Finish(None),
        }
    }
}

/// What goes through a turn: the seat. It is gone if something has `exit`.
pub(super) type IdleHandler<'a, H> = Option<&'a mut HandlerInstance<H>>;

/// With what was read and not used. What a method that has panicked was given may wait to be sent.
#[cold]
pub(super) fn save_unread_input<H: Handler>(exit: &mut Option<PollExit<'_, H>>, used: usize, input: &[u8]) {
    match exit {
        Some(PollExit::Pending(_, rest)) => *rest = UnreadInput::with_offset(0, &input[used..]),
        Some(PollExit::Panicked(_, rest)) => *rest = UnreadInput::with_offset(used, input),
        Some(PollExit::Closed) | None => {}
    }
}

/// Runs a method; a panic ends that, and the connection.
#[inline(always)]
fn catch_panic<'a, H: Handler>(
    exit: &mut Option<PollExit<'a, H>>,
    method: impl FnOnce(&mut Option<PollExit<'a, H>>) -> IdleHandler<'a, H>,
) -> IdleHandler<'a, H> {
    match catch(|| method(exit)) {
        Ok(instance) => instance,
        Err(panic) => on_panic(exit, panic),
    }
}

#[cold]
fn on_panic<'a, H: Handler>(exit: &mut Option<PollExit<'a, H>>, panic: Panic) -> IdleHandler<'a, H> {
    *exit = Some(PollExit::Panicked(panic, UnreadInput::default()));
    None
}

/// Runs an async method, and `#[on_error]` if that fails, as far as they go without waiting.
#[inline(always)]
fn poll_method<'a, H: Handler>(
    task: &mut TaskContext<'_>,
    instance: &'a mut HandlerInstance<H>,
    call: H::Call,
    exit: &mut Option<PollExit<'a, H>>,
) -> IdleHandler<'a, H> {
    let mut method = H::call(instance, call);
    match method.as_mut().poll(task) {
        Poll::Ready((instance, Ok(()))) if !instance.in_on_error => Some(instance),
        Poll::Ready((instance, result)) => on_method_error(task, instance, result, exit),
        Poll::Pending => {
            *exit = Some(PollExit::Pending(method, UnreadInput::default()));
            None
        }
    }
}

#[cold]
fn on_method_error<'a, H: Handler>(
    task: &mut TaskContext<'_>,
    instance: &'a mut HandlerInstance<H>,
    result: Result<(), HandlerError>,
    exit: &mut Option<PollExit<'a, H>>,
) -> IdleHandler<'a, H> {
    // What fails in `#[on_error]` calls nothing more.
    match instance.on_method_completed(Ok(result)) {
        Some(call) => poll_method(task, instance, call, exit),
        None => Some(instance),
    }
}

/// Handles an event that does not come from the socket.
#[inline]
pub(super) fn dispatch_event<'a, H: Handler>(
    task: &mut TaskContext<'_>,
    instance: &'a mut HandlerInstance<H>,
    event: Event<'_, H::Info>,
    exit: &mut Option<PollExit<'a, H>>,
) -> IdleHandler<'a, H> {
    catch_panic(exit, |exit| match instance.invoke_uncaught(event) {
        Some(call) => poll_method(task, instance, call, exit),
        None => Some(instance),
    })
}

/// The same of what was published, which the client may get as it is.
pub(super) fn dispatch_published<'a, H: Handler>(
    task: &mut TaskContext<'_>,
    instance: &'a mut HandlerInstance<H>,
    item: QueueItem<H::Info>,
    exit: &mut Option<PollExit<'a, H>>,
) -> IdleHandler<'a, H> {
    let event = match item {
        QueueItem::Message(Delivery::Info(info)) => Event::Info(info),
        QueueItem::Lagged(missed) => Event::Lagged(missed),
        QueueItem::Message(Delivery::Frame(frame)) => {
            instance.cx.session().wire.send_prepared(&frame);
            return Some(instance);
        }
        QueueItem::Overflowed => {
            instance.cx.session().wire.close_with(CloseReason::Overflow);
            return Some(instance);
        }
    };
    dispatch_event(task, instance, event, exit)
}

/// The same of a message that was read ahead.
pub(super) fn dispatch_read_ahead<'a, H: Handler>(
    task: &mut TaskContext<'_>,
    instance: &'a mut HandlerInstance<H>,
    message: InboundMessage<'_>,
    exit: &mut Option<PollExit<'a, H>>,
) -> IdleHandler<'a, H> {
    match dispatch_owned(instance, message).0 {
        Ok(Some(call)) => catch_panic(exit, |exit| poll_method(task, instance, call, exit)),
        Ok(None) => Some(instance),
        Err(panic) => on_panic(exit, panic),
    }
}

/// Runs the method for a message that may have memory of its own, which what it sends of the message
/// then keeps; says how many bytes it held. A panic is caught first, for what was sent before it is still
/// sent.
#[inline(never)]
fn dispatch_owned<H: Handler>(
    instance: &mut HandlerInstance<H>,
    message: InboundMessage<'_>,
) -> (Result<Option<H::Call>, Panic>, usize) {
    instance.cx.session().wire.begin_message(&message);
    let call = catch(|| instance.dispatch_message_outlined(&message));
    (call, instance.cx.session().wire.end_message(message))
}

/// Handles the messages of an input until it is used up, a method waits, or nothing more may be
/// read. Says how many bytes it used.
#[inline(always)]
pub(super) fn process_messages<'a, H: Handler>(
    task: &mut TaskContext<'_>,
    instance: &'a mut HandlerInstance<H>,
    state: &mut DriverState,
    input: &mut [u8],
    exit: &mut Option<PollExit<'a, H>>,
) -> (IdleHandler<'a, H>, usize) {
    let len = input.len();
    let mut rest = input;
    // One for all of them, as a panic ends them all.
    let idle = catch_panic(exit, |exit| process_messages_inner(task, instance, state, &mut rest, exit));
    (idle, len - rest.len())
}

#[inline(always)]
fn process_messages_inner<'a, H: Handler>(
    task: &mut TaskContext<'_>,
    mut instance: &'a mut HandlerInstance<H>,
    state: &mut DriverState,
    input: &mut &mut [u8],
    exit: &mut Option<PollExit<'a, H>>,
) -> IdleHandler<'a, H> {
    let mut inflated = 0;
    // What is behind the last message is not looked at, as there is nothing.
    while !input.is_empty() {
        let Some(message) = instance.cx.session().wire.next_message(input) else { break };
        let call = if message.is_owned() {
            let (call, len) = dispatch_owned(instance, message);
            inflated += len;
            match call {
                Ok(call) => call,
                Err(panic) => return on_panic(exit, panic),
            }
        } else {
            instance.dispatch_message(&message)
        };
        if let Some(call) = call {
            instance = poll_method(task, instance, call, exit)?;
        }
        if inflated > MAX_INFLATED_PER_ITERATION {
            state.budget.next_iteration();
            break;
        }
    }
    Some(instance)
}
