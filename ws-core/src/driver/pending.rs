//! A connection while an async method is pending.

use std::future::{Future, poll_fn};
use std::task::{Context as TaskContext, Poll};

use tokio::io::{AsyncRead, AsyncWrite};

use super::budget::{MAX_ITERATIONS, without_coop_budget};
use super::dispatch::NextStep;
use super::invoke::Completion;
use super::io::ConnectionIo;
use super::state::{Driver, DriverState};
use crate::clock::now;
use crate::close::CloseReason;
use crate::context::{Session, lock};
use crate::handler::Handler;
use crate::panic::catch;
use crate::scratch::{Scratch, with_scratch};
use crate::wire::{Connection, UnreadInput};

/// Until when a method may go on.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum CancelPolicy {
    /// Until the connection has completion for longer than its options allow.
    #[default]
    AfterTimeout,
    /// Until it is done: `#[on_close]` runs whole.
    Never,
}

/// Runs an async method to its end, and keeps the wire alive meanwhile: pings are answered, a
/// close is seen, frames go out.
///
/// Written as one closure, because a connection that waits for its client is as large as one that waits
/// for a method.
pub(super) fn run_method<'a, H, T>(
    mut next: NextStep<'a, H>,
    driver: &'a mut Driver<H, T>,
) -> impl Future<Output = Completion>
where
    H: Handler,
    T: AsyncRead + AsyncWrite + Unpin,
{
    if let (NextStep::RunMethod(_), Some(session)) = (&next, driver.shared.session()) {
        lock(session).wire.on_method_started(now);
    }
    poll_fn(move |task| {
        let Driver { io, state, shared } = &mut *driver;
        let (method, session) = match (&mut next, shared.session()) {
            (NextStep::RunMethod(method), Some(session)) => (method, session),
            (next, _) => {
                return Poll::Ready(next.take_panic().map_or(Completion::Cancelled, Completion::Panicked));
            }
        };
        let mut completion = None;
        if !std::mem::take(&mut state.already_polled) {
            with_scratch(|scratch| scratch.lend_write_buffer(&mut lock(session).wire));
            completion = match catch(|| method.as_mut().poll(task)) {
                Ok(Poll::Ready((_, result))) => Some(Completion::Returned(result)),
                Ok(Poll::Pending) => None,
                Err(panic) => Some(Completion::Panicked(Box::new((panic, UnreadInput::default())))),
            };
        }
        if completion.is_none() {
            let method_time = without_coop_budget(task, |task| {
                with_scratch(|scratch| poll_io(task, &mut lock(session), io, state, scratch))
            });
            if method_time.is_pending() || state.cancel_policy == CancelPolicy::Never {
                return Poll::Pending;
            }
        }
        lock(session).wire.on_method_finished();
        // A method that is dropped drops what it holds, which is the user's code.
        Poll::Ready(match catch(|| drop(next.take_panic())) {
            Ok(()) => completion.unwrap_or(Completion::Cancelled),
            Err(panic) => Completion::Panicked(Box::new((panic, UnreadInput::default()))),
        })
    })
}

/// One turn without the handler. Ready when the method has had the time that it gets.
fn poll_io<H, T>(
    task: &mut TaskContext<'_>,
    session: &mut Session<H>,
    io: &mut ConnectionIo<T>,
    state: &mut DriverState,
    scratch: &mut Scratch,
) -> Poll<()>
where
    H: Handler,
    T: AsyncRead + AsyncWrite + Unpin,
{
    state.register(task, session);
    state.budget.reset();
    session.forward();
    state.check_shutdown_and_activity(&mut session.wire);
    while !session.wire.is_closing() {
        let wire = &mut session.wire;
        read_ahead(task, wire, io, scratch);
        let was_reading = wire.wants_input();
        io.flush_and_release(task, wire, scratch);
        let deadline = wire.deadline(now);
        if state.poll_deadline(task, deadline) {
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
    if state.poll_close(task, io, &mut session.wire, scratch).is_pending() {
        return Poll::Pending;
    }
    // A handler that closed by itself may go on after that, but not longer than the server.
    match session.wire.close_reason() {
        Some(CloseReason::Stop(_)) if !state.shutdown_deadline_passed(task) => Poll::Pending,
        _ => Poll::Ready(()),
    }
}

/// Reads until there is nothing more, or enough: frames that make no message, as empty fragments,
/// do not keep the thread.
fn read_ahead<T: AsyncRead + AsyncWrite + Unpin>(
    task: &mut TaskContext<'_>,
    wire: &mut Connection,
    io: &mut ConnectionIo<T>,
    scratch: &mut Scratch,
) {
    for _ in 0..MAX_ITERATIONS {
        if !wire.wants_input() {
            return;
        }
        if let Some(mut backlog) = wire.take_unread() {
            let used = wire.read_ahead(backlog.bytes());
            wire.return_unread(backlog, used);
            continue;
        }
        match io.poll_read(task, wire, scratch) {
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
