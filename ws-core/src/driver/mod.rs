//! One task for each connection: it owns the socket and the clock, calls the handler, and decides
//! nothing about the protocol.
//!
//! A *turn* is one poll of that task: [`turn`] takes what has arrived and runs methods until
//! nothing is left, then writes once. While an async method is pending, [`wait`] keeps the wire
//! alive instead.

mod budget;
mod deadline_timer;
mod dispatch;
#[cfg(feature = "tungstenite")]
mod drive;
mod fast_path;
mod invoke;
mod io;
mod pending;
mod poll_loop;
mod state;

use std::any::type_name;
use std::future::{Future, poll_fn};
use std::task::{Context as TaskContext, Poll};

use tokio::io::{AsyncRead, AsyncWrite};

use budget::without_coop_budget;
use dispatch::NextStep;
#[cfg(feature = "tungstenite")]
pub use drive::drive;
use invoke::Completion;
use io::ConnectionIo;
use pending::{CancelPolicy, run_method};
use poll_loop::poll_loop;
use state::{Driver, DriverState};

use crate::clock::now;
use crate::close::CloseReason;
use crate::connections::ConnectionPermit;
use crate::context::{Context, Session};
use crate::handler::{Handler, HandlerInstance};
use crate::panic::catch;
use crate::scratch::with_scratch;

/// Runs a handler on a byte stream from open to the end of TCP, and says why it ended.
///
/// Written as a function that returns a block, because an `async fn` keeps its arguments twice.
pub(crate) fn run<H, T>(
    handler: H,
    cx: Context<H>,
    io: T,
    permit: Option<ConnectionPermit>,
) -> impl Future<Output = CloseReason> + Send
where
    H: Handler,
    T: AsyncRead + AsyncWrite + Unpin + Send,
{
    let is_vectored = io.is_write_vectored();
    run_io(handler, cx, ConnectionIo::new(io), is_vectored, permit)
}

/// The same on a TCP socket with nothing around it.
pub(crate) fn run_tcp<H, T>(
    handler: H,
    cx: Context<H>,
    io: T,
    permit: Option<ConnectionPermit>,
) -> impl Future<Output = CloseReason> + Send
where
    H: Handler,
    T: AsyncRead + AsyncWrite + Unpin + Send,
{
    let is_vectored = io.is_write_vectored();
    run_io(handler, cx, ConnectionIo::tcp(io), is_vectored, permit)
}

fn run_io<H, T>(
    handler: H,
    cx: Context<H>,
    io: ConnectionIo<T>,
    is_vectored: bool,
    permit: Option<ConnectionPermit>,
) -> impl Future<Output = CloseReason> + Send
where
    H: Handler,
    T: AsyncRead + AsyncWrite + Unpin + Send,
{
    // What is moved into the block is in it twice if it is moved on there.
    let mut instance = HandlerInstance::new(handler, cx);
    instance.cx.session().wire.outbox().set_vectored(is_vectored);
    let mut driver = Driver { io, state: DriverState::new(permit), shared: instance.cx.shared() };
    async move {
        start_timers(&mut instance);
        let mut completion = Completion::Open;
        loop {
            // An async method comes as a future at once: its call would be as large as its payload, in
            // every connection and for as long as that lives.
            loop {
                let Some(method) = instance.next_method(completion) else { break };
                completion = run_method(method, &mut driver).await;
            }
            // What is needed here ends here, so that what is awaited next can have its room.
            let next = {
                let mut instance = Some(&mut instance);
                poll_fn(|task| poll_iteration(task, &mut instance, &mut driver)).await
            };
            if matches!(next, NextStep::Finish(None)) {
                break;
            }
            driver.state.already_polled = matches!(next, NextStep::RunMethod(_));
            completion = run_method(next, &mut driver).await;
        }

        discard_pending(&mut instance);
        driver.state.cancel_policy = CancelPolicy::Never;
        let mut completion = Completion::Close;
        loop {
            let Some(method) = instance.next_method(completion) else { break };
            completion = run_method(method, &mut driver).await;
        }
        log_closed(&mut instance.cx);
        // The context stays where it is, so that there need not be room for it twice.
        let handler = instance.handler;
        if let Err(panic) = catch(|| drop(handler)) {
            panic.log();
        }
        poll_fn(|task| poll_shutdown(task, &mut instance.cx.session(), &mut driver)).await;
        close_reason(&mut instance.cx.session())
    }
}

/// Takes a turn with the seat, and gives it back if the turn does.
#[inline(always)]
fn poll_iteration<'a, H, T>(
    task: &mut TaskContext<'_>,
    instance_slot: &mut Option<&'a mut HandlerInstance<H>>,
    Driver { io, state, shared }: &mut Driver<H, T>,
) -> Poll<NextStep<'a, H>>
where
    H: Handler,
    T: AsyncRead + AsyncWrite + Unpin,
{
    let mut exit = None;
    let Some(instance) = instance_slot.take() else { return Poll::Ready(NextStep::Finish(None)) };
    *instance_slot = poll_loop(task, instance, io, state, &mut exit);
    match exit {
        None => Poll::Pending,
        Some(exit) => Poll::Ready(exit.into_next_step(shared.session())),
    }
}

/// What is left to be done when there is no handler any more.
fn poll_shutdown<H, T>(
    task: &mut TaskContext<'_>,
    session: &mut Session<H>,
    Driver { io, state, .. }: &mut Driver<H, T>,
) -> Poll<()>
where
    H: Handler,
    T: AsyncRead + AsyncWrite + Unpin,
{
    state.register(task, session);
    without_coop_budget(task, |task| {
        with_scratch(|scratch| state.poll_close(task, io, &mut session.wire, scratch))
    })
}

/// The timers of the declaration begin when the connection is open.
fn start_timers<H: Handler>(instance: &mut HandlerInstance<H>) {
    if H::TIMERS.is_empty() {
        return;
    }
    let now = now();
    let mut session = instance.cx.session();
    for timer in H::TIMERS {
        if let Some(at) = now.checked_add(timer.delay) {
            session.timers.method(timer.id, at, timer.repeat.then_some(timer.delay));
        }
    }
}

/// The end of everything but the wire: no more mail, no more timers.
fn discard_pending<H: Handler>(instance: &mut HandlerInstance<H>) {
    let pending = {
        let mut session = instance.cx.session();
        (session.timers.take(), session.take_pending())
    };
    // Messages that nobody will handle are dropped now, so that whoever waits for an answer to one
    // gets to know. That is the user's code.
    if let Err(panic) = catch(|| drop(pending)) {
        panic.log();
    }
}

/// Why the connection has ended. It is asked for again and again, so that no task has to keep it.
fn close_reason<H: Handler>(session: &mut Session<H>) -> CloseReason {
    session.wire.close_reason().cloned().unwrap_or(CloseReason::Shutdown)
}

/// The last that is said of a connection.
fn log_closed<H: Handler>(cx: &mut Context<H>) {
    let reason = close_reason(&mut cx.session());
    tracing::debug!(
        %reason,
        handler = type_name::<H>(),
        peer = cx.peer_addr().map(tracing::field::display),
        "connection ended"
    );
}

#[cfg(test)]
mod tests;
