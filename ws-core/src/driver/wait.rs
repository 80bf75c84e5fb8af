//! A connection while an async method is pending.

use std::future::{Future, poll_fn};
use std::task::{Context as Task, Poll};

use tokio::io::{AsyncRead, AsyncWrite};

use super::call::Next;
use super::clock::now;
use super::links::{Links, Outside};
use super::pace::{ROUNDS, unhindered};
use super::port::Port;
use super::scratch::{self, Scratch};
use super::seat::Ended;
use crate::close::CloseReason;
use crate::context::{Session, lock};
use crate::handler::Handler;
use crate::panic::catch;
use crate::wire::{UnreadInput, Connection};

/// Until when a method may go on.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Until {
    /// Until the connection has ended for longer than its options allow.
    #[default]
    Cancelled,
    /// Until it is done: `#[on_close]` runs whole.
    Done,
}

/// Runs an async method to its end, and keeps the wire alive meanwhile: pings are answered, a
/// close is seen, frames go out.
///
/// Written as one closure, because a connection that waits for its client is as large as one that waits
/// for a method.
pub(super) fn wait<'a, H, T>(
    mut next: Next<'a, H>,
    outside: &'a mut Outside<H, T>,
) -> impl Future<Output = Ended>
where
    H: Handler,
    T: AsyncRead + AsyncWrite + Unpin,
{
    if let (Next::Method(_), Some(session)) = (&next, outside.shared.session()) {
        lock(session).wire.on_method_started(now);
    }
    poll_fn(move |task| {
        let Outside { port, links, shared } = &mut *outside;
        let (method, session) = match (&mut next, shared.session()) {
            (Next::Method(method), Some(session)) => (method, session),
            (next, _) => return Poll::Ready(next.take().map_or(Ended::GivenUp, Ended::Panicked)),
        };
        let mut ended = None;
        if !std::mem::take(&mut links.polled) {
            scratch::lend(|scratch| scratch.lend_to(&mut lock(session).wire));
            ended = match catch(|| method.as_mut().poll(task)) {
                Ok(Poll::Ready((_, result))) => Some(Ended::Returned(result)),
                Ok(Poll::Pending) => None,
                Err(panic) => Some(Ended::Panicked(Box::new((panic, UnreadInput::default())))),
            };
        }
        if ended.is_none() {
            let time = unhindered(task, |task| {
                scratch::lend(|scratch| keep_alive(task, &mut lock(session), port, links, scratch))
            });
            if time.is_pending() || links.until == Until::Done {
                return Poll::Pending;
            }
        }
        lock(session).wire.on_method_finished();
        // A method that is dropped drops what it holds, which is the user's code.
        Poll::Ready(match catch(|| drop(next.take())) {
            Ok(()) => ended.unwrap_or(Ended::GivenUp),
            Err(panic) => Ended::Panicked(Box::new((panic, UnreadInput::default()))),
        })
    })
}

/// One turn without the handler. Ready when the method has had the time that it gets.
fn keep_alive<H, T>(
    task: &mut Task<'_>,
    session: &mut Session<H>,
    port: &mut Port<T>,
    links: &mut Links,
    scratch: &mut Scratch,
) -> Poll<()>
where
    H: Handler,
    T: AsyncRead + AsyncWrite + Unpin,
{
    links.register(task, session);
    links.pace.rest();
    session.forward();
    links.look(&mut session.wire);
    while !session.wire.is_closing() {
        let wire = &mut session.wire;
        read_ahead(task, wire, port, scratch);
        let was_reading = wire.wants_input();
        port.end_turn(task, wire, scratch);
        let deadline = wire.deadline(now);
        if links.poll_clock(task, deadline) {
            if wire.handle_timeout(now()) {
                return Poll::Ready(());
            }
        } else if wire.wants_input() == was_reading {
            if session.can_forward() {
                // The write has made room; nothing else would say so.
                task.waker().wake_by_ref();
            }
            return Poll::Pending;
        }
    }
    if links.poll_closing(task, port, &mut session.wire, scratch).is_pending() {
        return Poll::Pending;
    }
    // A handler that closed by itself may go on after that, but not longer than the server.
    match session.wire.close_reason() {
        Some(CloseReason::Stop(_)) if !links.shutdown_is_over(task) => Poll::Pending,
        _ => Poll::Ready(()),
    }
}

/// Reads until there is nothing more, or enough: frames that make no message, as empty fragments,
/// do not keep the thread.
fn read_ahead<T: AsyncRead + AsyncWrite + Unpin>(
    task: &mut Task<'_>,
    wire: &mut Connection,
    port: &mut Port<T>,
    scratch: &mut Scratch,
) {
    for _ in 0..ROUNDS {
        if !wire.wants_input() {
            return;
        }
        if let Some(mut backlog) = wire.take_unread() {
            let used = wire.read_ahead(backlog.bytes());
            wire.return_unread(backlog, used);
            continue;
        }
        match port.poll_read(task, wire, scratch) {
            Poll::Ready(Some(len)) => {
                let input = &mut scratch.input()[..len];
                let used = wire.read_ahead(input);
                wire.store_unread(&input[used..]);
            }
            Poll::Ready(None) => {}
            Poll::Pending => return,
        }
    }
    task.waker().wake_by_ref();
}
