//! One task for each connection: it owns the socket and the clock, calls the handler, and decides
//! nothing about the protocol.
//!
//! A *turn* is one poll of that task: [`turn`] takes what has arrived and runs methods until
//! nothing is left, then writes once. While an async method is pending, [`wait`] keeps the wire
//! alive instead.

mod admission;
mod call;
mod calm;
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
use std::task::{Context as Task, Poll};

use tokio::io::{AsyncRead, AsyncWrite};

pub(crate) use admission::{Full, Limits};
use call::Next;
pub(crate) use clock::now;
#[cfg(feature = "tungstenite")]
pub use drive::drive;
use links::{Links, Outside};
use pace::unhindered;
use port::Port;
pub(crate) use scratch::lend;
use seat::Ended;
pub(crate) use shutdown::{Connections, Ticket};
use turn::turn;
use wait::{Until, wait};

use crate::close::CloseReason;
use crate::context::{Context, Session};
use crate::handler::{Handler, Seat};
use crate::panic::catch;

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
    let is_vectored = io.is_write_vectored();
    over(handler, cx, Port::new(io), is_vectored, ticket)
}

/// The same on a TCP socket with nothing around it.
pub(crate) fn run_tcp<H, T>(
    handler: H,
    cx: Context<H>,
    io: T,
    ticket: Option<Ticket>,
) -> impl Future<Output = CloseReason> + Send
where
    H: Handler,
    T: AsyncRead + AsyncWrite + Unpin + Send,
{
    let is_vectored = io.is_write_vectored();
    over(handler, cx, Port::tcp(io), is_vectored, ticket)
}

fn over<H, T>(
    handler: H,
    cx: Context<H>,
    port: Port<T>,
    is_vectored: bool,
    ticket: Option<Ticket>,
) -> impl Future<Output = CloseReason> + Send
where
    H: Handler,
    T: AsyncRead + AsyncWrite + Unpin + Send,
{
    // What is moved into the block is in it twice if it is moved on there.
    let mut seat = Seat::new(handler, cx);
    seat.cx.session().wire.outbox().set_vectored(is_vectored);
    let mut outside = Outside { port, links: Links::new(ticket), shared: seat.cx.shared() };
    async move {
        start_timers(&mut seat);
        let mut ended = Ended::Open;
        loop {
            // An async method comes as a future at once: its call would be as large as its payload, in
            // every connection and for as long as that lives.
            loop {
                let Some(method) = seat.go_on(ended) else { break };
                ended = wait(method, &mut outside).await;
            }
            // What is needed here ends here, so that what is awaited next can have its room.
            let next = {
                let mut seat = Some(&mut seat);
                poll_fn(|task| poll_turn(task, &mut seat, &mut outside)).await
            };
            if matches!(next, Next::Ends(None)) {
                break;
            }
            outside.links.polled = matches!(next, Next::Method(_));
            ended = wait(next, &mut outside).await;
        }

        end(&mut seat);
        outside.links.until = Until::Done;
        let mut ended = Ended::Close;
        loop {
            let Some(method) = seat.go_on(ended) else { break };
            ended = wait(method, &mut outside).await;
        }
        log(&mut seat.cx);
        // The context stays where it is, so that there need not be room for it twice.
        let handler = seat.handler;
        if let Err(panic) = catch(|| drop(handler)) {
            panic.log();
        }
        poll_fn(|task| poll_end(task, &mut seat.cx.session(), &mut outside)).await;
        reason(&mut seat.cx.session())
    }
}

/// Takes a turn with the seat, and gives it back if the turn does.
#[inline(always)]
fn poll_turn<'a, H, T>(
    task: &mut Task<'_>,
    place: &mut Option<&'a mut Seat<H>>,
    Outside { port, links, shared }: &mut Outside<H, T>,
) -> Poll<Next<'a, H>>
where
    H: Handler,
    T: AsyncRead + AsyncWrite + Unpin,
{
    let mut left = None;
    let Some(seat) = place.take() else { return Poll::Ready(Next::Ends(None)) };
    *place = turn(task, seat, port, links, &mut left);
    match left {
        None => Poll::Pending,
        Some(left) => Poll::Ready(left.next(shared.session())),
    }
}

/// What is left to be done when there is no handler any more.
fn poll_end<H, T>(
    task: &mut Task<'_>,
    session: &mut Session<H>,
    Outside { port, links, .. }: &mut Outside<H, T>,
) -> Poll<()>
where
    H: Handler,
    T: AsyncRead + AsyncWrite + Unpin,
{
    links.register(task, session);
    unhindered(task, |task| {
        scratch::lend(|scratch| links.poll_closing(task, port, &mut session.wire, scratch))
    })
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
fn end<H: Handler>(seat: &mut Seat<H>) {
    let rest = {
        let mut session = seat.cx.session();
        (session.timers.take(), session.take_pending())
    };
    // Messages that nobody will handle are dropped now, so that whoever waits for an answer to one
    // gets to know. That is the user's code.
    if let Err(panic) = catch(|| drop(rest)) {
        panic.log();
    }
}

/// Why the connection has ended. It is asked for again and again, so that no task has to keep it.
fn reason<H: Handler>(session: &mut Session<H>) -> CloseReason {
    session.wire.close_reason().cloned().unwrap_or(CloseReason::Shutdown)
}

/// The last that is said of a connection.
fn log<H: Handler>(cx: &mut Context<H>) {
    let reason = reason(&mut cx.session());
    tracing::debug!(
        %reason,
        handler = type_name::<H>(),
        peer = cx.peer_addr().map(tracing::field::display),
        "connection ended"
    );
}

#[cfg(test)]
mod tests;
