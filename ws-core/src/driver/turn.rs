//! One turn of a connection whose handler is free.

use std::task::{Context as Task, Poll};

use tokio::io::{AsyncRead, AsyncWrite};

use super::call::{Left, Seated, feed, handle, hear_ahead, invoke, leave};
use super::calm::{self, Found, end_turn};
use super::clock::now;
use super::links::Links;
use super::pace::unhindered_if_spent;
use super::port::Port;
use super::scratch::{self, Scratch};
use crate::event::Event;
use crate::handler::{Handler, Seat};
use crate::panic::catch;
use crate::timer::Due;
use crate::topic::Fed;
use crate::wire::ZERO_COPY_THRESHOLD;

/// Takes everything that has arrived, in order: what was read while a method was pending, timers,
/// mail, the socket. Then writes once. An async method that is ready at once is as a sync one.
#[inline(always)]
pub(super) fn turn<'a, H, T>(
    task: &mut Task<'_>,
    seat: &'a mut Seat<H>,
    port: &mut Port<T>,
    links: &mut Links,
    left: &mut Option<Left<'a, H>>,
) -> Seated<'a, H>
where
    H: Handler,
    T: AsyncRead + AsyncWrite + Unpin,
{
    scratch::lend(|scratch| rounds(task, seat, port, links, scratch, left))
}

#[inline(always)]
fn rounds<'a, H, T>(
    task: &mut Task<'_>,
    mut seat: &'a mut Seat<H>,
    port: &mut Port<T>,
    links: &mut Links,
    scratch: &mut Scratch,
    left: &mut Option<Left<'a, H>>,
) -> Seated<'a, H>
where
    H: Handler,
    T: AsyncRead + AsyncWrite + Unpin,
{
    {
        let session = &mut *seat.cx.session();
        links.register(task, session);
        scratch.lend_to(&mut session.wire);
        // What everybody is sent is most often all there is, and then the rest of the turn is calm.
        session.forward();
    }
    while links.pace.goes_on() {
        let calm = calm::round(task, &mut seat.cx.session(), port, links, scratch);
        let found = match calm {
            Some(found) => found,
            None => {
                let found;
                (seat, found) = round(task, seat, port, links, scratch, left)?;
                found
            }
        };
        match found {
            Found::Input(len) => {
                seat = take_in(task, seat, port, links, &mut scratch.input()[..len], left)?;
            }
            Found::More => {}
            Found::Nothing => {
                links.pace.rest();
                return Some(seat);
            }
        }
    }
    give_way(task, seat, port, links, scratch);
    Some(seat)
}

/// The other tasks of the thread get their turn.
#[inline(never)]
fn give_way<H, T>(
    task: &mut Task<'_>,
    seat: &mut Seat<H>,
    port: &mut Port<T>,
    links: &mut Links,
    scratch: &mut Scratch,
) where
    H: Handler,
    T: AsyncRead + AsyncWrite + Unpin,
{
    links.pace.rest();
    let session = &mut *seat.cx.session();
    end_turn(task, session, port, scratch);
    // A client that never lets it come to an end is looked at by the clock all the same.
    links.set_clock(task, session);
    links.note_due(session, now());
    task.waker().wake_by_ref();
}

/// Looks at everything, reads, and writes if nothing has come.
#[inline(never)]
fn round<'a, H, T>(
    task: &mut Task<'_>,
    mut seat: &'a mut Seat<H>,
    port: &mut Port<T>,
    links: &mut Links,
    scratch: &mut Scratch,
    left: &mut Option<Left<'a, H>>,
) -> Option<(&'a mut Seat<H>, Found)>
where
    H: Handler,
    T: AsyncRead + AsyncWrite + Unpin,
{
    let (quiet, ends) = {
        let session = &mut *seat.cx.session();
        links.look(&mut session.wire);
        links.note_due(session, session.wire.last_received_at());
        (
            links.due.is_none() && !session.wire.has_read_ahead() && !session.has_messages(),
            session.wire.close_reason().is_some(),
        )
    };
    if !quiet {
        seat = deliver(task, seat, port, links, left)?;
    }
    if (ends || !quiet) && seat.cx.session().wire.close_reason().is_some() {
        seat = drain(task, seat, port, left)?;
    }
    let found;
    (seat, found) = read(task, seat, port, links, scratch, left)?;
    if found != Found::Nothing {
        return Some((seat, found));
    }
    let is_over = {
        let session = &mut *seat.cx.session();
        let was_reading = session.wire.wants_input();
        end_turn(task, session, port, scratch);
        links.set_clock(task, session);
        // The write may have made room to read, or found that the client is gone.
        let wire = &session.wire;
        let ends = wire.close_reason().is_some() && !wire.is_blocked_by_client();
        let stirred = wire.wants_input() != was_reading || wire.can_deliver_read_ahead() || ends;
        let mail = session.has_messages() && !session.wire.is_blocked_by_client();
        (links.due.is_none() && !stirred && !mail) || {
            scratch.lend_to(&mut session.wire);
            links.pace.next_round();
            false
        }
    };
    Some((seat, if is_over { Found::Nothing } else { Found::More }))
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
        let Some(message) = seat.cx.session().wire.next_read_ahead() else { break };
        seat = hear_ahead(task, seat, message, left)?;
    }
    if let Some(now) = links.due {
        if seat.cx.session().wire.handle_timeout(now) {
            // The client has not read what it is owed; the rest is not handled any more.
            seat.cx.session().wire.finish_drain();
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
        let Some(info) = seat.cx.session().next_message() else { break };
        seat = invoke(task, seat, Event::Info(info), left)?;
    }
    while links.pace.takes_published() && seat.cx.session().wire.is_open() {
        port.relieve(task, &mut seat.cx.session().wire);
        let Some(fed) = seat.cx.session().next_published() else { break };
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
        if seat.cx.session().wire.is_blocked_by_client() {
            return Some(seat);
        }
        seat.cx.session().wire.reset_drain_timer();
        let ahead = seat.cx.session().wire.next_read_ahead();
        seat = if let Some(message) = ahead {
            hear_ahead(task, seat, message, left)?
        } else {
            let mail = seat.cx.session().next_message();
            let Some(fed) = mail.map(Fed::info).or_else(|| seat.cx.session().next_published()) else { break };
            feed(task, seat, fed, left)?
        };
    }
    seat.cx.session().wire.finish_drain();
    *left = Some(Left::Closed);
    None
}

/// Reads once. What was read before and left is handled at once.
fn read<'a, H, T>(
    task: &mut Task<'_>,
    seat: &'a mut Seat<H>,
    port: &mut Port<T>,
    links: &mut Links,
    scratch: &mut Scratch,
    left: &mut Option<Left<'a, H>>,
) -> Option<(&'a mut Seat<H>, Found)>
where
    H: Handler,
    T: AsyncRead + AsyncWrite + Unpin,
{
    let backlog = {
        let wire = &mut seat.cx.session().wire;
        if wire.can_deliver_read_ahead() {
            // These come before anything new, but timers and mail get their turn between them.
            links.pace.next_round();
            Err(Found::More)
        } else if !wire.wants_input() {
            Err(Found::Nothing)
        } else {
            Ok(wire.take_unread())
        }
    };
    let mut backlog = match backlog {
        Err(found) => return Some((seat, found)),
        Ok(None) => {
            let read = unhindered_if_spent::<H, _>(task, |task| {
                port.poll_read(task, &mut seat.cx.session().wire, scratch)
            });
            let found = match read {
                Poll::Ready(Some(len)) => Found::Input(len),
                Poll::Ready(None) => Found::More,
                Poll::Pending => Found::Nothing,
            };
            return Some((seat, found));
        }
        Ok(Some(backlog)) => backlog,
    };
    let (heard, used) = handle(task, seat, links, backlog.bytes(), left);
    let Some(seat) = heard else {
        leave(left, used, backlog.bytes());
        return None;
    };
    seat.cx.session().wire.return_unread(backlog, used);
    Some((seat, Found::More))
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
    let is_large = !H::ASYNC && input.len() >= ZERO_COPY_THRESHOLD;
    if is_large {
        seat.cx.session().wire.outbox().begin_input(input);
    }
    let (heard, used) = handle(task, seat, links, input, left);
    let Some(seat) = heard else {
        leave(left, used, input);
        return None;
    };
    if used < input.len() {
        seat.cx.session().wire.store_unread(&input[used..]);
    }
    if is_large {
        port.handled(task, &mut seat.cx.session().wire, input);
    }
    Some(seat)
}
