//! One turn of a connection whose handler is free.

use std::task::{Context as TaskContext, Poll};

use tokio::io::{AsyncRead, AsyncWrite};

use super::budget::without_exhausted_budget;
use super::dispatch::{
    IdleHandler, PollExit, dispatch_event, dispatch_published, dispatch_read_ahead, process_messages,
    save_unread_input,
};
use super::fast_path::{self, IterationOutcome, flush};
use super::io::ConnectionIo;
use super::state::DriverState;
use crate::clock::now;
use crate::event::Event;
use crate::handler::{Handler, HandlerInstance};
use crate::panic::catch;
use crate::scratch::{Scratch, with_scratch};
use crate::timer::Due;
use crate::topic::QueueItem;
use crate::wire::ZERO_COPY_THRESHOLD;

/// Takes everything that has arrived, in order: what was read while a method was pending, timers,
/// mail, the socket. Then writes once. An async method that is ready at once is as a sync one.
#[inline(always)]
pub(super) fn poll_loop<'a, H, T>(
    task: &mut TaskContext<'_>,
    instance: &'a mut HandlerInstance<H>,
    io: &mut ConnectionIo<T>,
    state: &mut DriverState,
    exit: &mut Option<PollExit<'a, H>>,
) -> IdleHandler<'a, H>
where
    H: Handler,
    T: AsyncRead + AsyncWrite + Unpin,
{
    with_scratch(|scratch| poll_loop_inner(task, instance, io, state, scratch, exit))
}

#[inline(always)]
fn poll_loop_inner<'a, H, T>(
    task: &mut TaskContext<'_>,
    mut instance: &'a mut HandlerInstance<H>,
    io: &mut ConnectionIo<T>,
    state: &mut DriverState,
    scratch: &mut Scratch,
    exit: &mut Option<PollExit<'a, H>>,
) -> IdleHandler<'a, H>
where
    H: Handler,
    T: AsyncRead + AsyncWrite + Unpin,
{
    {
        let session = &mut *instance.cx.session();
        state.register(task, session);
        scratch.lend_write_buffer(&mut session.wire);
        // What everybody is sent is most often all there is, and then the rest of the turn is calm.
        session.forward();
    }
    while !state.budget.is_exhausted() {
        let fast_path = fast_path::try_fast_iteration(task, &mut instance.cx.session(), io, state, scratch);
        let outcome = match fast_path {
            Some(outcome) => outcome,
            None => {
                let outcome;
                (instance, outcome) = run_iteration(task, instance, io, state, scratch, exit)?;
                outcome
            }
        };
        match outcome {
            IterationOutcome::Input(len) => {
                instance = process_input(task, instance, io, state, &mut scratch.input()[..len], exit)?;
            }
            IterationOutcome::Continue => {}
            IterationOutcome::Idle => {
                state.budget.reset();
                return Some(instance);
            }
        }
    }
    yield_to_runtime(task, instance, io, state, scratch);
    Some(instance)
}

/// The other tasks of the thread get their turn.
#[inline(never)]
fn yield_to_runtime<H, T>(
    task: &mut TaskContext<'_>,
    instance: &mut HandlerInstance<H>,
    io: &mut ConnectionIo<T>,
    state: &mut DriverState,
    scratch: &mut Scratch,
) where
    H: Handler,
    T: AsyncRead + AsyncWrite + Unpin,
{
    state.budget.reset();
    let session = &mut *instance.cx.session();
    flush(task, session, io, scratch);
    // A client that never lets it come to an end is looked at by the clock all the same.
    state.arm_timer(task, session);
    state.note_due_timers(session, now());
    task.waker().wake_by_ref();
}

/// Looks at everything, reads, and writes if nothing has come.
#[inline(never)]
fn run_iteration<'a, H, T>(
    task: &mut TaskContext<'_>,
    mut instance: &'a mut HandlerInstance<H>,
    io: &mut ConnectionIo<T>,
    state: &mut DriverState,
    scratch: &mut Scratch,
    exit: &mut Option<PollExit<'a, H>>,
) -> Option<(&'a mut HandlerInstance<H>, IterationOutcome)>
where
    H: Handler,
    T: AsyncRead + AsyncWrite + Unpin,
{
    let (queues_are_empty, ends) = {
        let session = &mut *instance.cx.session();
        state.check_shutdown_and_activity(&mut session.wire);
        state.note_due_timers(session, session.wire.last_received_at());
        (
            state.due_at.is_none() && !session.wire.has_read_ahead() && !session.has_messages(),
            session.wire.close_reason().is_some(),
        )
    };
    if !queues_are_empty {
        instance = dispatch_queued(task, instance, io, state, exit)?;
    }
    if (ends || !queues_are_empty) && instance.cx.session().wire.close_reason().is_some() {
        instance = drain(task, instance, io, exit)?;
    }
    let outcome;
    (instance, outcome) = read_input(task, instance, io, state, scratch, exit)?;
    if outcome != IterationOutcome::Idle {
        return Some((instance, outcome));
    }
    let is_over = {
        let session = &mut *instance.cx.session();
        let was_reading = session.wire.wants_input();
        flush(task, session, io, scratch);
        state.arm_timer(task, session);
        // The write may have made room to read, or found that the client is gone.
        let wire = &session.wire;
        let ends = wire.close_reason().is_some() && !wire.is_blocked_by_client();
        let input_changed = wire.wants_input() != was_reading || wire.can_deliver_read_ahead() || ends;
        let mail = session.has_messages() && !session.wire.is_blocked_by_client();
        (state.due_at.is_none() && !input_changed && !mail) || {
            scratch.lend_write_buffer(&mut session.wire);
            state.budget.next_iteration();
            false
        }
    };
    Some((instance, if is_over { IterationOutcome::Idle } else { IterationOutcome::Continue }))
}

/// Handles what does not come from the socket, oldest first.
fn dispatch_queued<'a, H, T>(
    task: &mut TaskContext<'_>,
    mut instance: &'a mut HandlerInstance<H>,
    io: &mut ConnectionIo<T>,
    state: &mut DriverState,
    exit: &mut Option<PollExit<'a, H>>,
) -> IdleHandler<'a, H>
where
    H: Handler,
    T: AsyncRead + AsyncWrite + Unpin,
{
    while state.budget.take_read_ahead() {
        io.flush_if_above_high_water(task, &mut instance.cx.session().wire);
        let Some(message) = instance.cx.session().wire.next_read_ahead() else { break };
        instance = dispatch_read_ahead(task, instance, message, exit)?;
    }
    if let Some(now) = state.due_at {
        if instance.cx.session().wire.handle_timeout(now) {
            // The client has not read what it is owed; the rest is not handled any more.
            instance.cx.session().wire.finish_drain();
        }
        while instance.cx.session().wire.is_open() {
            // A message that repeats is cloned here, which is the user's code.
            let event = match catch(|| instance.cx.session().timers.pop(now)) {
                Ok(None) => break,
                Ok(Some(Due::Method(id))) => Event::Timer(id),
                Ok(Some(Due::Info(info))) => Event::Info(info),
                Err(panic) => {
                    instance.on_panic(panic);
                    break;
                }
            };
            instance = dispatch_event(task, instance, event, exit)?;
        }
        state.due_at = None;
    }
    while state.budget.take_mailbox() && instance.cx.session().wire.is_open() {
        io.flush_if_above_high_water(task, &mut instance.cx.session().wire);
        let Some(info) = instance.cx.session().next_message() else { break };
        instance = dispatch_event(task, instance, Event::Info(info), exit)?;
    }
    while state.budget.take_published() && instance.cx.session().wire.is_open() {
        io.flush_if_above_high_water(task, &mut instance.cx.session().wire);
        let Some(item) = instance.cx.session().next_published() else { break };
        instance = dispatch_published(task, instance, item, exit)?;
    }
    Some(instance)
}

/// The connection ends: what was accepted before is still handled, then it closes. Before that the
/// client may have to read.
fn drain<'a, H, T>(
    task: &mut TaskContext<'_>,
    mut instance: &'a mut HandlerInstance<H>,
    io: &mut ConnectionIo<T>,
    exit: &mut Option<PollExit<'a, H>>,
) -> IdleHandler<'a, H>
where
    H: Handler,
    T: AsyncRead + AsyncWrite + Unpin,
{
    instance.cx.session().close_mailbox();
    while !instance.cx.session().wire.is_closing() {
        io.flush_if_above_high_water(task, &mut instance.cx.session().wire);
        if instance.cx.session().wire.is_blocked_by_client() {
            return Some(instance);
        }
        instance.cx.session().wire.reset_drain_timer();
        let ahead = instance.cx.session().wire.next_read_ahead();
        instance = if let Some(message) = ahead {
            dispatch_read_ahead(task, instance, message, exit)?
        } else {
            let mail = instance.cx.session().next_message();
            let Some(item) = mail.map(QueueItem::info).or_else(|| instance.cx.session().next_published())
            else {
                break;
            };
            dispatch_published(task, instance, item, exit)?
        };
    }
    instance.cx.session().wire.finish_drain();
    *exit = Some(PollExit::Closed);
    None
}

/// Reads once. What was read before and left is handled at once.
fn read_input<'a, H, T>(
    task: &mut TaskContext<'_>,
    instance: &'a mut HandlerInstance<H>,
    io: &mut ConnectionIo<T>,
    state: &mut DriverState,
    scratch: &mut Scratch,
    exit: &mut Option<PollExit<'a, H>>,
) -> Option<(&'a mut HandlerInstance<H>, IterationOutcome)>
where
    H: Handler,
    T: AsyncRead + AsyncWrite + Unpin,
{
    let backlog = {
        let wire = &mut instance.cx.session().wire;
        if wire.can_deliver_read_ahead() {
            // These come before anything new, but timers and mail get their turn between them.
            state.budget.next_iteration();
            Err(IterationOutcome::Continue)
        } else if !wire.wants_input() {
            Err(IterationOutcome::Idle)
        } else {
            Ok(wire.take_unread())
        }
    };
    let mut backlog = match backlog {
        Err(outcome) => return Some((instance, outcome)),
        Ok(None) => {
            let read = without_exhausted_budget::<H, _>(task, |task| {
                io.poll_read(task, &mut instance.cx.session().wire, scratch)
            });
            let outcome = match read {
                Poll::Ready(Some(len)) => IterationOutcome::Input(len),
                Poll::Ready(None) => IterationOutcome::Continue,
                Poll::Pending => IterationOutcome::Idle,
            };
            return Some((instance, outcome));
        }
        Ok(Some(backlog)) => backlog,
    };
    let (idle, used) = process_messages(task, instance, state, backlog.bytes(), exit);
    let Some(instance) = idle else {
        save_unread_input(exit, used, backlog.bytes());
        return None;
    };
    instance.cx.session().wire.return_unread(backlog, used);
    Some((instance, IterationOutcome::Continue))
}

/// Handles what came from the socket, and keeps what it cannot.
#[inline(always)]
fn process_input<'a, H, T>(
    task: &mut TaskContext<'_>,
    instance: &'a mut HandlerInstance<H>,
    io: &mut ConnectionIo<T>,
    state: &mut DriverState,
    input: &mut [u8],
    exit: &mut Option<PollExit<'a, H>>,
) -> IdleHandler<'a, H>
where
    H: Handler,
    T: AsyncRead + AsyncWrite + Unpin,
{
    state.budget.next_iteration();
    // What is sent of a large message need not be copied, unless a method may take the seat away.
    let is_large = !H::ASYNC && input.len() >= ZERO_COPY_THRESHOLD;
    if is_large {
        instance.cx.session().wire.outbox().begin_input(input);
    }
    let (idle, used) = process_messages(task, instance, state, input, exit);
    let Some(instance) = idle else {
        save_unread_input(exit, used, input);
        return None;
    };
    if used < input.len() {
        instance.cx.session().wire.store_unread(&input[used..]);
    }
    if is_large {
        io.flush_borrowed(task, &mut instance.cx.session().wire, input);
    }
    Some(instance)
}
