//! One turn of a connection whose handler is free.

use std::task::{Context as Task, Poll};

use tokio::io::{AsyncRead, AsyncWrite};

use super::clock::now;
use super::links::Links;
use super::port::{Port, begin_turn};
use super::scratch::ReadBuffer;
use super::seat::{Seat, catch};
use crate::context::Session;
use crate::event::Event;
use crate::handler::Handler;
use crate::timer::Due;
use crate::topic::Fed;
use crate::wire::LARGE;

/// A read brings 64 KiB, which may be a thousand times as much when they are inflated: after that
/// many bytes the rest of it is another round's.
const MUCH: usize = 256 << 10;

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
        // What everybody is sent is most often all there is, and then the rest of the turn is calm.
        session.forward();
    }
    let mut buffer = ReadBuffer::take();
    while links.pace.goes_on() {
        // Most turns have nothing but the socket, and find that out with one look.
        if is_calm(&seat.cx.session(), links) {
            match read_socket(task, seat, port, links, &mut buffer) {
                Read::Call(call) => return Poll::Ready(Turn::Call(call)),
                Read::Some => continue,
                Read::Nothing => {}
            }
            let session = &mut *seat.cx.session();
            port.end_turn(task, &mut session.wire);
            links.set_clock(task, session);
            if is_calm(session, links) {
                links.pace.rest();
                return Poll::Pending;
            }
            begin_turn(&mut session.wire);
            links.pace.next_round();
            continue;
        }
        let (quiet, ends) = {
            let session = &mut *seat.cx.session();
            links.look(&mut session.wire);
            links.note_due(session, session.wire.last_heard());
            (
                links.due.is_none() && !session.wire.has_ahead() && !session.has_mail(),
                session.wire.reason().is_some(),
            )
        };
        if !quiet && let Some(call) = deliver(task, seat, port, links) {
            return Poll::Ready(Turn::Call(call));
        }
        if (ends || !quiet) && seat.cx.session().wire.reason().is_some() {
            match drain(task, seat, port) {
                Drain::Done => return Poll::Ready(Turn::Closed),
                Drain::Call(call) => return Poll::Ready(Turn::Call(call)),
                Drain::Held => {}
            }
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
                let ends = wire.reason().is_some() && !wire.holds_back();
                let stirred = wire.wants_input() != was_reading || wire.can_deliver_ahead() || ends;
                let mail = session.has_mail() && !session.wire.holds_back();
                if links.due.is_none() && !stirred && !mail {
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
    // A client that never lets it come to an end is looked at by the clock all the same.
    links.set_clock(task, session);
    links.note_due(session, now());
    task.waker().wake_by_ref();
    Poll::Pending
}

/// Whether nothing is to be done but to read from the socket, and to write to it what that brings.
#[inline(always)]
fn is_calm<H: Handler>(session: &Session<H>, links: &Links<'_>) -> bool {
    session.wire.is_calm()
        && links.is_calm()
        && !session.has_mail()
        && !session.has_due_timer(session.wire.last_heard())
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
    while links.pace.takes_ahead() {
        port.relieve(task, &mut seat.cx.session().wire);
        let Some(message) = seat.cx.session().wire.next_ahead() else { break };
        if let (Some(call), _) = seat.hear_owned(message) {
            return Some(call);
        }
    }
    if let Some(now) = links.due {
        if seat.cx.session().wire.tick(now) {
            // The client has not read what it is owed; the rest is not handled any more.
            seat.cx.session().wire.settle();
        }
        while seat.cx.session().wire.is_open() {
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
        links.due = None;
    }
    while links.pace.takes_mail() && seat.cx.session().wire.is_open() {
        port.relieve(task, &mut seat.cx.session().wire);
        let Some(info) = seat.cx.session().next_mail() else { break };
        if let Some(call) = seat.invoke(Event::Info(info)) {
            return Some(call);
        }
    }
    while links.pace.takes_published() && seat.cx.session().wire.is_open() {
        port.relieve(task, &mut seat.cx.session().wire);
        let Some(fed) = seat.cx.session().next_fed() else { break };
        if let Some(call) = seat.feed(fed) {
            return Some(call);
        }
    }
    None
}

/// How far the end has come.
enum Drain<C> {
    /// An async method is to be run.
    Call(C),
    /// The client is to read before more is said.
    Held,
    Done,
}

/// The connection ends: what was accepted before is still handled, then it closes.
fn drain<H, T>(task: &mut Task<'_>, seat: &mut Seat<H>, port: &mut Port<T>) -> Drain<H::Call>
where
    H: Handler,
    T: AsyncRead + AsyncWrite + Unpin,
{
    seat.cx.session().close_mailbox();
    while !seat.cx.session().wire.is_closing() {
        port.relieve(task, &mut seat.cx.session().wire);
        if seat.cx.session().wire.holds_back() {
            return Drain::Held;
        }
        seat.cx.session().wire.goes_on();
        let ahead = seat.cx.session().wire.next_ahead();
        let call = if let Some(message) = ahead {
            seat.hear_owned(message).0
        } else {
            let mail = seat.cx.session().next_mail();
            let Some(fed) = mail.map(Fed::info).or_else(|| seat.cx.session().next_fed()) else { break };
            seat.feed(fed)
        };
        if let Some(call) = call {
            return Drain::Call(call);
        }
    }
    seat.cx.session().wire.settle();
    Drain::Done
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
    let backlog = {
        let wire = &mut seat.cx.session().wire;
        if wire.can_deliver_ahead() {
            // These come before anything new, but timers and mail get their turn between them.
            links.pace.next_round();
            return Read::Some;
        }
        if !wire.wants_input() {
            return Read::Nothing;
        }
        wire.take_backlog()
    };
    let Some(mut backlog) = backlog else { return read_socket(task, seat, port, links, buffer) };
    let (call, used) = handle(seat, links, backlog.bytes());
    seat.cx.session().wire.put_back(backlog, used);
    call.map_or(Read::Some, Read::Call)
}

/// The same of the socket.
#[inline(always)]
fn read_socket<H, T>(
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
    let read = port.poll_read(task, &mut seat.cx.session().wire, buffer);
    match read {
        Poll::Ready(Some(input)) => {
            links.pace.next_round();
            // What is sent of a large message need not be copied.
            let is_large = input.len() >= LARGE;
            if is_large {
                seat.cx.session().wire.outbox().handles_input(input);
            }
            let (call, used) = handle(seat, links, input);
            let wire = &mut seat.cx.session().wire;
            wire.keep(&input[used..]);
            if is_large {
                port.handled(task, wire, input);
            }
            call.map_or(Read::Some, Read::Call)
        }
        Poll::Ready(None) => Read::Some,
        Poll::Pending => Read::Nothing,
    }
}

/// Handles the messages of an input until it is used up, a method is to be awaited, or nothing
/// more may be read. Returns how many bytes it used.
#[inline(always)]
fn handle<H: Handler>(
    seat: &mut Seat<H>,
    links: &mut Links<'_>,
    input: &mut [u8],
) -> (Option<H::Call>, usize) {
    let len = input.len();
    let mut rest = input;
    // One for all of them, as a panic ends them all.
    let call = seat.catching(|seat| hear(seat, links, &mut rest));
    (call, len - rest.len())
}

#[inline(always)]
fn hear<H: Handler>(seat: &mut Seat<H>, links: &mut Links<'_>, input: &mut &mut [u8]) -> Option<H::Call> {
    let mut inflated = 0;
    loop {
        let message = seat.cx.session().wire.next(input)?;
        let call = if message.is_owned() {
            let (call, len) = seat.hear_owned(message);
            inflated += len;
            call
        } else {
            seat.hear_uncaught(&message)
        };
        if call.is_some() {
            return call;
        }
        if inflated > MUCH {
            links.pace.next_round();
            return None;
        }
    }
}
