//! One turn of a connection whose handler is free.

use std::task::{Context as Task, Poll};

use tokio::io::{AsyncRead, AsyncWrite};

use super::clock::now;
use super::links::Links;
use super::pace::unhindered_if_spent;
use super::port::{Port, begin_turn};
use super::scratch::ReadBuffer;
use super::seat::{Panic, catch};
use crate::context::Session;
use crate::event::Event;
use crate::handler::{Handler, Running, Seat};
use crate::timer::Due;
use crate::wire::{Backlog, Incoming};

/// A read brings 64 KiB, which may be a thousand times as much when they are inflated: after that
/// many bytes the rest of it is another round's.
const MUCH: usize = 256 << 10;

/// Why a turn has ended other than by waiting for what comes. The first two have lost the seat.
pub(super) enum Left<'a, H: Handler> {
    /// To an async method that is pending, with what was read behind its message.
    Pending(Running<'a, H>, Backlog),
    /// In a method that has panicked.
    Panicked(Panic, Backlog),
    /// The connection closes.
    Closed,
}

/// What goes through a turn: the seat. A method that waits takes it out of the turn.
type Seated<'a, H> = Result<&'a mut Seat<H>, Left<'a, H>>;

impl<H: Handler> Left<'_, H> {
    /// With what was read and not used.
    fn behind(self, rest: Backlog) -> Self {
        match self {
            Self::Pending(method, _) => Self::Pending(method, rest),
            Self::Panicked(panic, _) => Self::Panicked(panic, rest),
            Self::Closed => Self::Closed,
        }
    }
}

/// Takes everything that has arrived, in order: what was read while a method was pending, timers,
/// mail, the socket. Then writes once. An async method that is ready at once is as a sync one.
pub(super) fn turn<'a, H, T>(
    task: &mut Task<'_>,
    mut seat: &'a mut Seat<H>,
    port: &mut Port<T>,
    links: &mut Links<'_>,
) -> Seated<'a, H>
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
        // Most turns have nothing but the socket, and find that out with one look.
        if is_calm(&seat.cx.session(), links) {
            let found;
            (seat, found) = read_socket(task, seat, port, links, &mut buffer)?;
            if found == Read::Some {
                continue;
            }
            let is_over = {
                let session = &mut *seat.cx.session();
                end_turn(task, session, port);
                links.set_clock(task, session);
                is_calm(session, links) || {
                    begin_turn(&mut session.wire);
                    false
                }
            };
            if is_over {
                links.pace.rest();
                return Ok(seat);
            }
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
        if !quiet {
            seat = deliver(task, seat, port, links)?;
        }
        if (ends || !quiet) && seat.cx.session().wire.reason().is_some() {
            seat = drain(task, seat, port)?;
        }
        let found;
        (seat, found) = read(task, seat, port, links, &mut buffer)?;
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
            return Ok(seat);
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
    Ok(seat)
}

/// Writes, also if a method has used up the budget.
#[inline(always)]
fn end_turn<H, T>(task: &mut Task<'_>, session: &mut Session<H>, port: &mut Port<T>)
where
    H: Handler,
    T: AsyncRead + AsyncWrite + Unpin,
{
    let _ = unhindered_if_spent::<H, _>(task, |task| {
        port.end_turn(task, &mut session.wire);
        Poll::Ready(())
    });
}

/// Whether nothing is to be done but to read from the socket, and to write to it what that brings.
#[inline(always)]
fn is_calm<H: Handler>(session: &Session<H>, links: &Links<'_>) -> bool {
    session.wire.is_calm()
        && links.is_calm()
        && !session.has_mail()
        && !session.has_due_timer(session.wire.last_heard())
}

/// Runs a method; a panic ends that, and the connection.
#[inline(always)]
fn caught<'a, H: Handler>(method: impl FnOnce() -> Seated<'a, H>) -> Seated<'a, H> {
    catch(method).unwrap_or_else(|panic| Err(Left::Panicked(panic, Backlog::default())))
}

/// Runs an async method, and `#[on_error]` if that fails, as far as they go without waiting.
fn run<'a, H: Handler>(task: &mut Task<'_>, mut seat: &'a mut Seat<H>, call: H::Call) -> Seated<'a, H> {
    let mut next = Some(call);
    while let Some(call) = next {
        let mut method = H::call(seat, call);
        let Poll::Ready((back, result)) = method.as_mut().poll(task) else {
            return Err(Left::Pending(method, Backlog::default()));
        };
        seat = back;
        next = seat.ended(Ok(result));
    }
    Ok(seat)
}

/// Handles an event that does not come from the socket.
fn invoke<'a, H: Handler>(
    task: &mut Task<'_>,
    seat: &'a mut Seat<H>,
    event: Event<'_, H::Info>,
) -> Seated<'a, H> {
    caught(|| match seat.invoke_uncaught(event) {
        Some(call) => run(task, seat, call),
        None => Ok(seat),
    })
}

/// The same of a message that was read ahead.
fn hear_ahead<'a, H: Handler>(
    task: &mut Task<'_>,
    seat: &'a mut Seat<H>,
    message: &Incoming<'_>,
) -> Seated<'a, H> {
    caught(|| match seat.hear_uncaught(message) {
        Some(call) => run(task, seat, call),
        None => Ok(seat),
    })
}

/// Handles what does not come from the socket, oldest first.
fn deliver<'a, H, T>(
    task: &mut Task<'_>,
    mut seat: &'a mut Seat<H>,
    port: &mut Port<T>,
    links: &mut Links<'_>,
) -> Seated<'a, H>
where
    H: Handler,
    T: AsyncRead + AsyncWrite + Unpin,
{
    while links.pace.takes_ahead() {
        port.relieve(task, &mut seat.cx.session().wire);
        let Some(message) = seat.cx.session().wire.next_ahead() else { break };
        seat = hear_ahead(task, seat, &message)?;
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
            seat = invoke(task, seat, event)?;
        }
        links.due = None;
    }
    while links.pace.takes_mail() && seat.cx.session().wire.is_open() {
        port.relieve(task, &mut seat.cx.session().wire);
        let Some(info) = seat.cx.session().next_mail() else { break };
        seat = invoke(task, seat, Event::Info(info))?;
    }
    Ok(seat)
}

/// The connection ends: what was accepted before is still handled, then it closes. Before that the
/// client may have to read.
fn drain<'a, H, T>(task: &mut Task<'_>, mut seat: &'a mut Seat<H>, port: &mut Port<T>) -> Seated<'a, H>
where
    H: Handler,
    T: AsyncRead + AsyncWrite + Unpin,
{
    seat.cx.session().close_mailbox();
    while !seat.cx.session().wire.is_closing() {
        port.relieve(task, &mut seat.cx.session().wire);
        if seat.cx.session().wire.holds_back() {
            return Ok(seat);
        }
        seat.cx.session().wire.goes_on();
        let ahead = seat.cx.session().wire.next_ahead();
        seat = if let Some(message) = ahead {
            hear_ahead(task, seat, &message)?
        } else {
            let Some(info) = seat.cx.session().next_mail() else { break };
            invoke(task, seat, Event::Info(info))?
        };
    }
    seat.cx.session().wire.settle();
    Err(Left::Closed)
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
    links: &mut Links<'_>,
    buffer: &mut ReadBuffer,
) -> Result<(&'a mut Seat<H>, Read), Left<'a, H>>
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
        Err(read) => return Ok((seat, read)),
        Ok(None) => return read_socket(task, seat, port, links, buffer),
        Ok(Some(backlog)) => backlog,
    };
    let (heard, used) = handle(task, seat, links, backlog.bytes());
    match heard {
        Ok(seat) => {
            seat.cx.session().wire.put_back(backlog, used);
            Ok((seat, Read::Some))
        }
        Err(left) => {
            backlog.advance(used);
            Err(left.behind(backlog))
        }
    }
}

/// The same of the socket.
#[inline(always)]
fn read_socket<'a, H, T>(
    task: &mut Task<'_>,
    seat: &'a mut Seat<H>,
    port: &mut Port<T>,
    links: &mut Links<'_>,
    buffer: &mut ReadBuffer,
) -> Result<(&'a mut Seat<H>, Read), Left<'a, H>>
where
    H: Handler,
    T: AsyncRead + AsyncWrite + Unpin,
{
    let read =
        unhindered_if_spent::<H, _>(task, |task| port.poll_read(task, &mut seat.cx.session().wire, buffer));
    match read {
        Poll::Ready(Some(input)) => {
            links.pace.next_round();
            let (heard, used) = handle(task, seat, links, input);
            match heard {
                Ok(seat) => {
                    seat.cx.session().wire.keep(&input[used..]);
                    Ok((seat, Read::Some))
                }
                Err(left) => Err(left.behind(Backlog::from(input[used..].to_vec()))),
            }
        }
        Poll::Ready(None) => Ok((seat, Read::Some)),
        Poll::Pending => Ok((seat, Read::Nothing)),
    }
}

/// Handles the messages of an input until it is used up, a method waits, or nothing more may be
/// read. Says how many bytes it used.
#[inline(always)]
fn handle<'a, H: Handler>(
    task: &mut Task<'_>,
    seat: &'a mut Seat<H>,
    links: &mut Links<'_>,
    input: &mut [u8],
) -> (Seated<'a, H>, usize) {
    let len = input.len();
    let mut rest = input;
    // One for all of them, as a panic ends them all.
    let heard = caught(|| hear(task, seat, links, &mut rest));
    (heard, len - rest.len())
}

#[inline(always)]
fn hear<'a, H: Handler>(
    task: &mut Task<'_>,
    mut seat: &'a mut Seat<H>,
    links: &mut Links<'_>,
    input: &mut &mut [u8],
) -> Seated<'a, H> {
    let mut inflated = 0;
    loop {
        let Some(message) = seat.cx.session().wire.next(input) else { return Ok(seat) };
        let call = seat.hear_uncaught(&message);
        inflated += message.release();
        if let Some(call) = call {
            seat = run(task, seat, call)?;
        }
        if inflated > MUCH {
            links.pace.next_round();
            return Ok(seat);
        }
    }
}
