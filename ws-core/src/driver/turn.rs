//! One turn of a connection whose handler is free.

use std::task::{Context as Task, Poll};

use tokio::io::{AsyncRead, AsyncWrite};

use super::call::{Left, Seated, feed, handle, hear_ahead, invoke, leave};
use super::clock::now;
use super::links::Links;
use super::pace::{is_spent, unhindered};
use super::port::{Port, begin_turn};
use super::scratch::ReadBuffer;
use super::seat::catch;
use crate::context::Session;
use crate::event::Event;
use crate::handler::{Handler, Seat};
use crate::timer::Due;
use crate::topic::Fed;
use crate::wire::LARGE;

/// Takes everything that has arrived, in order: what was read while a method was pending, timers,
/// mail, the socket. Then writes once. An async method that is ready at once is as a sync one.
pub(super) fn turn<'a, H, T>(
    task: &mut Task<'_>,
    mut seat: &'a mut Seat<H>,
    port: &mut Port<T>,
    links: &mut Links,
    left: &mut Option<Left<'a, H>>,
) -> Seated<'a, H>
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
        let calm = {
            let session = &mut *seat.cx.session();
            if is_calm(session, links) {
                Some(match poll_read(task, session, port, &mut buffer) {
                    Poll::Pending => Calm::Over(is_over(task, session, port, links)),
                    Poll::Ready(input) => Calm::Read(input),
                })
            } else {
                None
            }
        };
        match calm {
            Some(Calm::Read(Some(input))) => {
                seat = take_in(task, seat, port, links, input, left)?;
                continue;
            }
            Some(Calm::Over(true)) => {
                links.pace.rest();
                return Some(seat);
            }
            Some(_) => continue,
            None => {}
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
        if !quiet {
            seat = deliver(task, seat, port, links, left)?;
        }
        if (ends || !quiet) && seat.cx.session().wire.reason().is_some() {
            seat = drain(task, seat, port, left)?;
        }
        let found;
        (seat, found) = read(task, seat, port, links, &mut buffer, left)?;
        if found == Read::Some {
            continue;
        }
        let is_over = {
            let session = &mut *seat.cx.session();
            let was_reading = session.wire.wants_input();
            end_turn(task, session, port);
            links.set_clock(task, session);
            // The write may have made room to read, or found that the client is gone.
            let wire = &session.wire;
            let ends = wire.reason().is_some() && !wire.holds_back();
            let stirred = wire.wants_input() != was_reading || wire.can_deliver_ahead() || ends;
            let mail = session.has_mail() && !session.wire.holds_back();
            (links.due.is_none() && !stirred && !mail) || {
                begin_turn(&mut session.wire);
                false
            }
        };
        if is_over {
            links.pace.rest();
            return Some(seat);
        }
        links.pace.next_round();
    }
    // The other tasks of the thread get their turn.
    links.pace.rest();
    {
        let session = &mut *seat.cx.session();
        end_turn(task, session, port);
        // A client that never lets it come to an end is looked at by the clock all the same.
        links.set_clock(task, session);
        links.note_due(session, now());
    }
    task.waker().wake_by_ref();
    Some(seat)
}

/// What a turn finds if it has nothing but the socket.
enum Calm<'b> {
    /// This, or that the client is gone.
    Read(Option<&'b mut [u8]>),
    /// Nothing, and whether it is the same after the write.
    Over(bool),
}

/// Whether the turn is over: it writes, and looks whether something has come of that.
#[inline(always)]
fn is_over<H, T>(task: &mut Task<'_>, session: &mut Session<H>, port: &mut Port<T>, links: &mut Links) -> bool
where
    H: Handler,
    T: AsyncRead + AsyncWrite + Unpin,
{
    end_turn(task, session, port);
    links.set_clock(task, session);
    let is_over = is_calm(session, links);
    if !is_over {
        begin_turn(&mut session.wire);
        links.pace.next_round();
    }
    is_over
}

/// Writes, also if a method has used up the budget.
#[inline(always)]
fn end_turn<H, T>(task: &mut Task<'_>, session: &mut Session<H>, port: &mut Port<T>)
where
    H: Handler,
    T: AsyncRead + AsyncWrite + Unpin,
{
    if is_spent::<H>() {
        let _ = unhindered(task, |task| {
            port.end_turn(task, &mut session.wire);
            Poll::Ready(())
        });
    } else {
        port.end_turn(task, &mut session.wire);
    }
}

/// Reads, with the same exception.
#[inline(always)]
fn poll_read<'b, H, T>(
    task: &mut Task<'_>,
    session: &mut Session<H>,
    port: &mut Port<T>,
    buffer: &'b mut ReadBuffer,
) -> Poll<Option<&'b mut [u8]>>
where
    H: Handler,
    T: AsyncRead + AsyncWrite + Unpin,
{
    if is_spent::<H>() {
        unhindered(task, |task| port.poll_read(task, &mut session.wire, buffer))
    } else {
        port.poll_read(task, &mut session.wire, buffer)
    }
}

/// Whether nothing is to be done but to read from the socket, and to write to it what that brings.
#[inline(always)]
fn is_calm<H: Handler>(session: &Session<H>, links: &Links) -> bool {
    session.wire.is_calm()
        && links.is_calm()
        && !session.has_mail()
        && !session.has_due_timer(session.wire.last_heard())
}

/// Handles what does not come from the socket, oldest first.
fn deliver<'a, H, T>(
    task: &mut Task<'_>,
    mut seat: &'a mut Seat<H>,
    port: &mut Port<T>,
    links: &mut Links,
    left: &mut Option<Left<'a, H>>,
) -> Seated<'a, H>
where
    H: Handler,
    T: AsyncRead + AsyncWrite + Unpin,
{
    while links.pace.takes_ahead() {
        port.relieve(task, &mut seat.cx.session().wire);
        let Some(message) = seat.cx.session().wire.next_ahead() else { break };
        seat = hear_ahead(task, seat, message, left)?;
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
            seat = invoke(task, seat, event, left)?;
        }
        links.due = None;
    }
    while links.pace.takes_mail() && seat.cx.session().wire.is_open() {
        port.relieve(task, &mut seat.cx.session().wire);
        let Some(info) = seat.cx.session().next_mail() else { break };
        seat = invoke(task, seat, Event::Info(info), left)?;
    }
    while links.pace.takes_published() && seat.cx.session().wire.is_open() {
        port.relieve(task, &mut seat.cx.session().wire);
        let Some(fed) = seat.cx.session().next_fed() else { break };
        seat = feed(task, seat, fed, left)?;
    }
    Some(seat)
}

/// The connection ends: what was accepted before is still handled, then it closes. Before that the
/// client may have to read.
fn drain<'a, H, T>(
    task: &mut Task<'_>,
    mut seat: &'a mut Seat<H>,
    port: &mut Port<T>,
    left: &mut Option<Left<'a, H>>,
) -> Seated<'a, H>
where
    H: Handler,
    T: AsyncRead + AsyncWrite + Unpin,
{
    seat.cx.session().close_mailbox();
    while !seat.cx.session().wire.is_closing() {
        port.relieve(task, &mut seat.cx.session().wire);
        if seat.cx.session().wire.holds_back() {
            return Some(seat);
        }
        seat.cx.session().wire.goes_on();
        let ahead = seat.cx.session().wire.next_ahead();
        seat = if let Some(message) = ahead {
            hear_ahead(task, seat, message, left)?
        } else {
            let mail = seat.cx.session().next_mail();
            let Some(fed) = mail.map(Fed::info).or_else(|| seat.cx.session().next_fed()) else { break };
            feed(task, seat, fed, left)?
        };
    }
    seat.cx.session().wire.settle();
    *left = Some(Left::Closed);
    None
}

#[derive(PartialEq, Eq)]
enum Read {
    Nothing,
    Some,
}

/// Reads once and handles what that brings.
fn read<'a, H, T>(
    task: &mut Task<'_>,
    seat: &'a mut Seat<H>,
    port: &mut Port<T>,
    links: &mut Links,
    buffer: &mut ReadBuffer,
    left: &mut Option<Left<'a, H>>,
) -> Option<(&'a mut Seat<H>, Read)>
where
    H: Handler,
    T: AsyncRead + AsyncWrite + Unpin,
{
    let backlog = {
        let wire = &mut seat.cx.session().wire;
        if wire.can_deliver_ahead() {
            // These come before anything new, but timers and mail get their turn between them.
            links.pace.next_round();
            Err(Read::Some)
        } else if !wire.wants_input() {
            Err(Read::Nothing)
        } else {
            Ok(wire.take_backlog())
        }
    };
    let mut backlog = match backlog {
        Err(read) => return Some((seat, read)),
        Ok(None) => {
            let read = poll_read(task, &mut seat.cx.session(), port, buffer);
            return match read {
                Poll::Ready(Some(input)) => {
                    Some((take_in(task, seat, port, links, input, left)?, Read::Some))
                }
                Poll::Ready(None) => Some((seat, Read::Some)),
                Poll::Pending => Some((seat, Read::Nothing)),
            };
        }
        Ok(Some(backlog)) => backlog,
    };
    let (heard, used) = handle(task, seat, links, backlog.bytes(), left);
    let Some(seat) = heard else {
        leave(left, used, backlog.bytes());
        return None;
    };
    seat.cx.session().wire.put_back(backlog, used);
    Some((seat, Read::Some))
}

/// Handles what came from the socket, and keeps what it cannot.
#[inline(always)]
fn take_in<'a, H, T>(
    task: &mut Task<'_>,
    seat: &'a mut Seat<H>,
    port: &mut Port<T>,
    links: &mut Links,
    input: &mut [u8],
    left: &mut Option<Left<'a, H>>,
) -> Seated<'a, H>
where
    H: Handler,
    T: AsyncRead + AsyncWrite + Unpin,
{
    links.pace.next_round();
    // What is sent of a large message need not be copied, unless a method may take the seat away.
    let is_large = !H::ASYNC && input.len() >= LARGE;
    if is_large {
        seat.cx.session().wire.outbox().handles_input(input);
    }
    let (heard, used) = handle(task, seat, links, input, left);
    let Some(seat) = heard else {
        leave(left, used, input);
        return None;
    };
    if used < input.len() {
        seat.cx.session().wire.keep(&input[used..]);
    }
    if is_large {
        port.handled(task, &mut seat.cx.session().wire, input);
    }
    Some(seat)
}
