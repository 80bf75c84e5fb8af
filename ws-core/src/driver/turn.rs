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
    while links.pace.goes_on() {
        // Most turns have nothing but the socket; they find that out with one look.
        let (quiet, ends) = {
            let session = &mut *seat.cx.session();
            links.look(&mut session.wire);
            links.due |= session.has_due_timer(session.wire.last_heard());
            (!links.due && !session.wire.has_ahead() && !session.has_mail(), session.wire.reason().is_some())
        };
        if !quiet && let Some(call) = deliver(task, seat, port, links) {
            return Poll::Ready(Turn::Call(call));
        }
        if (ends || !quiet) && seat.cx.session().wire.reason().is_some() {
            return Poll::Ready(drain(task, seat, port).map_or(Turn::Closed, Turn::Call));
        }
        match read(task, seat, port, links, &mut buffer) {
            Read::Call(call) => return Poll::Ready(Turn::Call(call)),
            Read::Some => {}
            Read::Nothing => {
                let session = &mut *seat.cx.session();
                let was_reading = session.wire.wants_input();
                port.end_turn(task, &mut session.wire);
                links.set_clock(task, session);
                // The write may have made room to read, or found that the client is gone.
                let wire = &session.wire;
                let stirred =
                    wire.wants_input() != was_reading || wire.can_deliver_ahead() || wire.reason().is_some();
                if !links.due && !stirred && !session.has_mail() {
                    links.pace.rest();
                    return Poll::Pending;
                }
                begin_turn(&mut session.wire);
                links.pace.next_round();
            }
        }
    }
    // The other tasks of the thread get their turn.
    links.pace.rest();
    let session = &mut *seat.cx.session();
    port.end_turn(task, &mut session.wire);
    links.due |= session.has_due_timer(now());
    task.waker().wake_by_ref();
    Poll::Pending
}

/// Handles what does not come from the socket, oldest first.
fn deliver<H, T>(
    task: &mut Task<'_>,
    seat: &mut Seat<H>,
    port: &mut Port<T>,
    links: &mut Links<'_>,
) -> Option<H::Call>
where
    H: Handler,
    T: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        port.relieve(task, &mut seat.cx.session().wire);
        let Some(message) = seat.cx.session().wire.next_ahead() else { break };
        if let Some(call) = seat.hear(&message) {
            return Some(call);
        }
    }
    if links.due {
        let now = now();
        seat.cx.session().wire.tick(now);
        while !seat.cx.session().wire.is_closing() {
            // A message that repeats is cloned here, which is the user's code.
            let event = match catch(|| seat.cx.session().timers.pop(now)) {
                Ok(None) => break,
                Ok(Some(Due::Method(id))) => Event::Timer(id),
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
        links.due = false;
    }
    while links.pace.takes_mail() && !seat.cx.session().wire.is_closing() {
        port.relieve(task, &mut seat.cx.session().wire);
        let Some(info) = seat.cx.session().next_mail() else { break };
        if let Some(call) = seat.invoke(Event::Info(info)) {
            return Some(call);
        }
    }
    None
}

/// The connection ends: the mail that was accepted before is still handled, then it closes. What
/// was read ahead has been delivered by now.
fn drain<H, T>(task: &mut Task<'_>, seat: &mut Seat<H>, port: &mut Port<T>) -> Option<H::Call>
where
    H: Handler,
    T: AsyncRead + AsyncWrite + Unpin,
{
    seat.cx.session().close_mailbox();
    while !seat.cx.session().wire.is_closing() {
        port.relieve(task, &mut seat.cx.session().wire);
        let Some(info) = seat.cx.session().next_mail() else { break };
        if let Some(call) = seat.invoke(Event::Info(info)) {
            return Some(call);
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
    links: &mut Links<'_>,
    buffer: &mut ReadBuffer,
) -> Read<H::Call>
where
    H: Handler,
    T: AsyncRead + AsyncWrite + Unpin,
{
    let read = {
        let wire = &mut seat.cx.session().wire;
        if wire.can_deliver_ahead() {
            // A method has just allowed reading again: these come first.
            return Read::Some;
        }
        if !wire.wants_input() {
            return Read::Nothing;
        }
        match wire.take_backlog() {
            Some(backlog) => Err(backlog),
            None => Ok(port.poll_read(task, wire, buffer)),
        }
    };
    match read {
        Ok(Poll::Ready(Some(input))) => {
            links.pace.next_round();
            let (call, used) = handle(seat, input);
            seat.cx.session().wire.keep(&input[used..]);
            call.map_or(Read::Some, Read::Call)
        }
        Ok(Poll::Ready(None)) => Read::Some,
        Ok(Poll::Pending) => Read::Nothing,
        Err(mut backlog) => {
            let (call, used) = handle(seat, backlog.bytes());
            seat.cx.session().wire.put_back(backlog, used);
            call.map_or(Read::Some, Read::Call)
        }
    }
}

/// Handles the messages of an input until it is used up, a method is to be awaited, or nothing
/// more may be read. Returns how many bytes it used.
fn handle<H: Handler>(seat: &mut Seat<H>, input: &mut [u8]) -> (Option<H::Call>, usize) {
    let len = input.len();
    let mut rest = input;
    loop {
        let message = seat.cx.session().wire.next(&mut rest);
        let call = message.as_ref().and_then(|message| seat.hear(message));
        if message.is_none() || call.is_some() {
            return (call, len - rest.len());
        }
    }
}
