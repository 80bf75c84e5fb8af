//! The driver: one task per connection, which owns the byte stream and the timer, calls the handler, and
//! decides nothing about the protocol.
//!
//! A poll of the task runs the [poll loop](poll_loop): *iterations* that take the events that have arrived
//! and call methods, until nothing is left to do, and then one write. While an async method is pending,
//! [`run_method`] serves the wire instead.

mod budget;
mod closing;
mod dispatch;
#[cfg(feature = "tungstenite")]
mod drive;
mod fast_path;
mod invoke;
mod io;
mod next_step;
mod pending;
mod poll_context;
mod poll_loop;
mod session;
mod signals;
mod state;
mod transition;

use std::any::type_name;
use std::future::{Future, poll_fn};
use std::ops::ControlFlow;
use std::task::{Context as TaskContext, Poll};

use budget::without_coop_budget;
#[cfg(feature = "tungstenite")]
pub use drive::drive;
#[cfg(feature = "client")]
pub(crate) use drive::{drive_stream, drive_transport};
use invoke::Completion;
use io::ConnectionIo;
use next_step::NextStep;
use pending::run_method;
use poll_context::PollContext;
use state::{Driver, DriverState, MethodPhase};

use crate::clock::now;
use crate::close::CloseReason;
use crate::connections::ConnectionPermit;
use crate::context::Context;
use crate::handler::{Handler, HandlerInstance};
use crate::metrics::{self, ConnectionMetrics};
use crate::panic::catch;
use crate::scratch::with_scratch;
use crate::transport::Transport;

/// Runs a handler over a transport, from `#[on_open]` to the end of the stream. Returns the close reason.
///
/// A function that returns a block, because an `async fn` stores its arguments twice.
pub(crate) fn run<H, T>(
    handler: H,
    cx: Context<H>,
    mut io: T,
    permit: Option<ConnectionPermit>,
) -> impl Future<Output = CloseReason> + Send
where
    H: Handler,
    T: Transport,
{
    // Built outside the `async` block: a value moved into the block and moved again occupies space twice in
    // the future.
    let mut instance = HandlerInstance::new(handler, cx);
    instance.cx.session().wire.metrics = ConnectionMetrics::open(type_name::<H>(), T::NAME);
    instance.cx.session().wire.outbox().set_vectored(io.is_write_vectored());
    instance.cx.session().permit = permit;
    if H::ON_PART {
        instance.cx.session().wire.deliver_in_parts();
    }
    if let Some(limits) = instance.cx.session().wire.options().send_limits() {
        io.set_send_limits(limits);
    }
    let state = DriverState::new(&io);
    let mut driver = Driver { io: ConnectionIo::new(io), state, shared: instance.cx.shared() };
    async move {
        instance.in_span(start);
        let mut completion = Completion::Open;
        loop {
            // An async method is a boxed future from the start: as a call, its payload would take room in
            // every connection.
            loop {
                let Some(method) = instance.next_method(completion) else { break };
                completion = run_method(method, &mut driver).await;
            }
            // The values of this block end with it, so that the next future can reuse their room.
            let next = {
                let mut instance = Some(&mut instance);
                poll_fn(|task| poll_iteration(task, &mut instance, &mut driver)).await
            };
            if matches!(next, NextStep::Finish(None)) {
                break;
            }
            if matches!(next, NextStep::RunMethod(_)) {
                driver.state.method = MethodPhase::Polled;
            }
            completion = run_method(next, &mut driver).await;
        }

        instance.in_span(discard_pending);
        driver.state.method = MethodPhase::OnClose;
        let mut completion = Completion::Close;
        loop {
            let Some(method) = instance.next_method(completion) else { break };
            completion = run_method(method, &mut driver).await;
        }
        instance.in_span(log_closed);
        // The context stays in place, so that the future needs no room for a second one.
        drop_handler(instance.handler, &instance.cx);
        poll_fn(|task| poll_shutdown(task, &mut instance.cx, &mut driver)).await;
        instance.cx.session().close_reason()
    }
}

/// Runs the poll loop with the handler instance, and returns the instance to its slot unless a method takes
/// it.
// PERF: the poll of the task. budget: text64
#[inline(always)]
fn poll_iteration<'a, H, T>(
    task: &mut TaskContext<'_>,
    slot: &mut Option<&'a mut HandlerInstance<H>>,
    driver: &mut Driver<H, T>,
) -> Poll<NextStep<'a, H>>
where
    H: Handler,
    T: Transport,
{
    let Some(instance) = slot.take() else { return Poll::Ready(NextStep::Finish(None)) };
    let poll = |instance| with_scratch(|scratch| PollContext::new(task, driver, scratch).poll_loop(instance));
    match instance.in_span(poll) {
        ControlFlow::Continue(instance) => {
            *slot = Some(instance);
            Poll::Pending
        }
        ControlFlow::Break(next) => Poll::Ready(next),
    }
}

/// Closes the stream after the handler has been dropped.
fn poll_shutdown<H, T>(task: &mut TaskContext<'_>, cx: &mut Context<H>, driver: &mut Driver<H, T>) -> Poll<()>
where
    H: Handler,
    T: Transport,
{
    let _entered = cx.connection_span().enter();
    let session = &mut *cx.session();
    driver.state.register(task, session);
    driver.state.begin_poll();
    without_coop_budget(task, |task| {
        with_scratch(|scratch| {
            let mut poll = PollContext::new(task, driver, scratch);
            if !session.has_no_signals() {
                poll.handle_signals(session, false);
            }
            if T::IS_SESSION {
                poll.poll_session(session);
            }
            poll.poll_close(&mut session.wire)
        })
    })
}

/// Logs that the connection opens, and starts the timers of the declaration.
fn start<H: Handler>(instance: &mut HandlerInstance<H>) {
    tracing::debug!("connection opened");
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

/// Drops the timers and the messages that no method will handle, and closes the mailbox.
fn discard_pending<H: Handler>(instance: &mut HandlerInstance<H>) {
    let pending = {
        let mut session = instance.cx.session();
        (session.timers.take(), session.take_pending())
    };
    // Dropped now, so that a sender that waits for an answer learns of it. Dropping runs the user's code.
    if let Err(panic) = catch(|| drop(pending)) {
        panic.log(type_name::<H>(), H::CHECKED_DECLARATION.path, instance.cx.peer_addr());
    }
}

/// Logs and counts the close reason of a connection.
fn log_closed<H: Handler>(instance: &mut HandlerInstance<H>) {
    let session = &mut *instance.cx.session();
    let code = session.wire.close_code();
    tracing::debug!(reason = %session.close_reason(), code = code.map(u16::from), "connection ended");
    if metrics::IS_ENABLED {
        let reason = session.close_reason();
        session.wire.metrics.on_closed(&reason, code);
    }
}

/// Drops the handler in the span of its connection.
fn drop_handler<H: Handler>(handler: H, cx: &Context<H>) {
    let _entered = cx.connection_span().enter();
    if let Err(panic) = catch(|| drop(handler)) {
        panic.log(type_name::<H>(), H::CHECKED_DECLARATION.path, cx.peer_addr());
    }
}

#[cfg(test)]
mod tests;
