//! One task for each connection: it owns the socket and the clock, calls the handler, and decides
//! nothing about the protocol.
//!
//! A *turn* is one poll of that task: [`turn`] takes what has arrived and runs methods until
//! nothing is left, then writes once. While an async method is pending, [`wait`] keeps the wire
//! alive instead.

mod admission;
mod clock;
#[cfg(feature = "tungstenite")]
mod drive;
mod links;
mod pace;
mod port;
mod scratch;
mod seat;
mod shutdown;
mod turn;
mod wait;

use std::any::type_name;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use tokio::io::{AsyncRead, AsyncWrite};

pub(crate) use admission::{Full, Limits};
use clock::Clock;
pub(crate) use clock::now;
#[cfg(feature = "tungstenite")]
pub use drive::drive;
use links::Links;
use pace::unhindered;
use port::Port;
use seat::catch;
pub(crate) use shutdown::{Connections, Ticket};
use turn::{Left, turn};
use wait::{Until, wait};

use crate::close::CloseReason;
use crate::context::{Context, lock};
use crate::event::Event;
use crate::handler::{Handler, Seat};
use crate::wire::Backlog;

/// Runs a handler on a byte stream from open to the end of TCP, and says why it ended.
///
/// Written as a function that returns a block, because an `async fn` keeps its arguments twice.
pub(crate) fn run<H, T>(
    handler: H,
    cx: Context<H>,
    io: T,
    ticket: Option<Ticket>,
) -> impl Future<Output = CloseReason> + Send
where
    H: Handler,
    T: AsyncRead + AsyncWrite + Unpin + Send,
{
    let mut seat = Seat::new(handler, cx);
    async move {
        let mut port = Port::new(io);
        let sleep = pin!(tokio::time::sleep(std::time::Duration::ZERO));
        let mut links = Links::new(Clock::new(sleep), ticket);

        start_timers(&mut seat);
        let shared = seat.cx.share();
        let mut call = seat.invoke(Event::Open);
        loop {
            let (ended, rest) = {
                // A method that follows another, or open, has not been polled yet.
                let begun = call.is_none();
                let left = match call {
                    Some(call) => Left::Pending(H::call(&mut seat, call), Backlog::default()),
                    None => {
                        let mut place = Some(&mut seat);
                        let left = poll_fn(|task| {
                            let Some(seat) = place.take() else { return Poll::Pending };
                            match turn(task, seat, &mut port, &mut links) {
                                Ok(seat) => {
                                    place = Some(seat);
                                    Poll::Pending
                                }
                                Err(left) => Poll::Ready(left),
                            }
                        });
                        left.await
                    }
                };
                match (left, &shared) {
                    (Left::Pending(method, rest), Some(session)) => {
                        lock(session).wire.restore(rest);
                        let method = wait(method, begun, session, &mut port, &mut links, Until::Cancelled);
                        (method.await, Backlog::default())
                    }
                    (Left::Panicked(panic, rest), _) => (Some(Err(panic)), rest),
                    _ => break,
                }
            };
            seat.cx.session().wire.restore(rest);
            call = seat.waited(ended);
        }

        let reason = end(&mut seat);
        let mut last = seat.invoke(Event::Close(&reason));
        while let (Some(call), Some(session)) = (last, &shared) {
            let method = H::call(&mut seat, call);
            let method = wait(method, false, session, &mut port, &mut links, Until::Done);
            let ended = method.await;
            last = seat.waited(ended);
        }
        tracing::debug!(
            %reason,
            handler = type_name::<H>(),
            peer = seat.cx.peer_addr().map(tracing::field::display),
            "connection ended"
        );

        let Seat { handler, mut cx, .. } = seat;
        if let Err(panic) = catch(|| drop(handler)) {
            panic.log();
        }
        poll_fn(|task| {
            links.register(task, &mut cx.session());
            unhindered(task, |task| links.poll_closing(task, &mut port, &mut cx.session().wire))
        })
        .await;
        reason
    }
}

/// The timers of the declaration begin when the connection is open.
fn start_timers<H: Handler>(seat: &mut Seat<H>) {
    if H::TIMERS.is_empty() {
        return;
    }
    let now = now();
    let mut session = seat.cx.session();
    for timer in H::TIMERS {
        if let Some(at) = now.checked_add(timer.delay) {
            session.timers.method(timer.id, at, timer.repeat.then_some(timer.delay));
        }
    }
}

/// The end of everything but the wire: no more mail, no more timers.
fn end<H: Handler>(seat: &mut Seat<H>) -> CloseReason {
    let (timers, mail, reason) = {
        let mut session = seat.cx.session();
        let reason = session.wire.reason().cloned().unwrap_or(CloseReason::Shutdown);
        (session.timers.take(), session.end_mailbox(), reason)
    };
    // Messages that nobody will handle are dropped now, so that whoever waits for an answer to one
    // gets to know. That is the user's code.
    if let Err(panic) = catch(|| drop((timers, mail))) {
        panic.log();
    }
    reason
}

#[cfg(test)]
mod tests;
