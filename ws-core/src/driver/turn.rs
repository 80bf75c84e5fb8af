//! One turn of a connection whose handler is free.

use std::task::{Context as Task, Poll};

use tokio::io::{AsyncRead, AsyncWrite};

use super::clock::now;
use super::links::Links;
use super::port::{Port, begin_turn};
use super::scratch::ReadBuffer;
use super::seat::{Seat, catch};
use crate::event::Event;
use crate::handler::Handler;
use crate::timer::Due;

/// How many reads a turn may take before the other tasks of the thread get theirs.
const READS_PER_TURN: usize = 16;

/// How many messages of the mailbox are handled before the socket is looked at again.
const MAIL_PER_READ: usize = 64;

/// What a turn ends with, if not with waiting.
pub(super) enum Turn<C> {
    /// An async method is to be run.
    Call(C),
    /// The connection closes.
    Closed,
}

/// Takes everything that has arrived, in order: what was read while a method was pending, timers,
/// mail, the socket. Then writes once.
pub(super) fn turn<H, T>(
    task: &mut Task<'_>,
    seat: &mut Seat<H>,
    port: &mut Port<T>,
    links: &mut Links<'_>,
) -> Poll<Turn<H::Call>>
where
    H: Handler,
    T: AsyncRead + AsyncWrite + Unpin,
{
    {
        let session = &mut *seat.cx.session();
        links.register(task, session);
        begin_turn(&mut session.wire);
    }
    let mut buffer = ReadBuffer::take();
    let mut due = links.clock.has_fired();
    for _ in 0..READS_PER_TURN {
        // Most turns have nothing but the socket; they find that out with one look.
        let (quiet, ends) = {
            let session = &mut *seat.cx.session();
            links.look(&mut session.wire);
            (!due && !session.wire.has_ahead() && !session.has_mail(), session.wire.reason().is_some())
        };
        if !quiet && let Some(call) = deliver(seat, due) {
            return Poll::Ready(Turn::Call(call));
        }
        if (ends || !quiet) && seat.cx.session().wire.reason().is_some() {
            return Poll::Ready(drain(seat).map_or(Turn::Closed, Turn::Call));
        }
        match read(task, seat, port, &mut buffer) {
            Read::Call(call) => return Poll::Ready(Turn::Call(call)),
            Read::Some => due = false,
            Read::Nothing => {
                let session = &mut *seat.cx.session();
                let was_reading = session.wire.wants_input();
                port.end_turn(task, &mut session.wire);
                let wire = session.wire.deadline(now);
                let next = wire.into_iter().chain(session.timers.deadline()).min();
                due = links.clock.poll(task, next);
                // The write may have made room to read, or found that the client is gone.
                let stirred = session.wire.wants_input() != was_reading || session.has_mail();
                if !due && !stirred {
                    return Poll::Pending;
                }
                begin_turn(&mut session.wire);
            }
        }
    }
    port.end_turn(task, &mut seat.cx.session().wire);
    task.waker().wake_by_ref();
    Poll::Pending
}

/// Handles what does not come from the socket, oldest first.
fn deliver<H: Handler>(seat: &mut Seat<H>, due: bool) -> Option<H::Call> {
    loop {
        let Some(message) = seat.cx.session().wire.next_ahead() else { break };
        if let Some(call) = seat.hear(&message) {
            return Some(call);
        }
    }
    if due {
        let now = now();
        seat.cx.session().wire.tick(now);
        while !seat.cx.session().wire.is_closing() {
            // A message that repeats is cloned here, which is the user's code.
            let event = match catch(|| seat.cx.session().timers.pop(now)) {
                Ok(None) => break,
                Ok(Some(Due::Method(index))) => Event::Timer(index),
                Ok(Some(Due::Info(info))) => Event::Info(info),
                Err(panic) => {
                    seat.crash(panic);
                    break;
                }
            };
            if let Some(call) = seat.invoke(event) {
                return Some(call);
            }
        }
    }
    for _ in 0..MAIL_PER_READ {
        if seat.cx.session().wire.is_closing() {
            break;
        }
        let Some(info) = seat.cx.session().next_mail() else { break };
        if let Some(call) = seat.invoke(Event::Info(info)) {
            return Some(call);
        }
    }
    None
}

/// The connection ends: what was accepted before is still handled, then it closes.
fn drain<H: Handler>(seat: &mut Seat<H>) -> Option<H::Call> {
    seat.cx.session().close_mailbox();
    while !seat.cx.session().wire.is_closing() {
        let ahead = seat.cx.session().wire.next_ahead();
        let call = if let Some(message) = ahead {
            seat.hear(&message)
        } else {
            let Some(info) = seat.cx.session().next_mail() else { break };
            seat.invoke(Event::Info(info))
        };
        if call.is_some() {
            return call;
        }
    }
    seat.cx.session().wire.settle();
    None
}

enum Read<C> {
    Nothing,
    Some,
    Call(C),
}

/// Reads once and handles what that brings.
fn read<H, T>(
    task: &mut Task<'_>,
    seat: &mut Seat<H>,
    port: &mut Port<T>,
    buffer: &mut ReadBuffer,
) -> Read<H::Call>
where
    H: Handler,
    T: AsyncRead + AsyncWrite + Unpin,
{
    let read = {
        let wire = &mut seat.cx.session().wire;
        if !wire.wants_input() {
            return Read::Nothing;
        }
        match wire.take_backlog() {
            Some(backlog) => Err(backlog),
            None => Ok(port.poll_read(task, wire, buffer)),
        }
    };
    match read {
        Ok(Poll::Ready(Some(input))) => handle(seat, input),
        Ok(Poll::Ready(None)) => Read::Some,
        Ok(Poll::Pending) => Read::Nothing,
        Err(mut backlog) => handle(seat, &mut backlog),
    }
}

/// Handles the messages of an input until it is used up, a method is to be awaited, or nothing
/// more may be read.
fn handle<H: Handler>(seat: &mut Seat<H>, mut input: &mut [u8]) -> Read<H::Call> {
    loop {
        let message = {
            let wire = &mut seat.cx.session().wire;
            let Some(message) = wire.next(&mut input) else {
                wire.keep(input);
                return Read::Some;
            };
            message
        };
        if let Some(call) = seat.hear(&message) {
            seat.cx.session().wire.keep(input);
            return Read::Call(call);
        }
    }
}
