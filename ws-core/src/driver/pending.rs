//! A connection while an async method is pending.

use std::future::{Future, poll_fn};
use std::task::{Context as TaskContext, Poll};

use super::budget::{MAX_ITERATIONS, without_coop_budget};
use super::invoke::Completion;
use super::io::ConnectionIo;
use super::next_step::NextStep;
use super::poll_context::PollContext;
use super::state::{Driver, MethodPhase};
use crate::clock::now;
use crate::close::CloseReason;
use crate::context::{Session, route_answer};
use crate::handler::Handler;
use crate::panic::catch;
use crate::scratch::{Scratch, with_scratch};
use crate::sync::lock;
use crate::transport::Transport;
use crate::wire::{InboundMessage, UnreadInput};

/// Polls the method of a [`NextStep::RunMethod`] until the method completes or is cancelled. Meanwhile the
/// connection answers pings, detects a close, writes its output and closes.
///
/// A [`NextStep::Finish`] has no method to poll and completes at once, with its panic if there is one. Both
/// steps share a closure, so that a connection is as large while it waits for a method as while it waits for
/// its client.
pub(super) fn run_method<'a, H, T>(
    mut next: NextStep<'a, H>,
    driver: &'a mut Driver<H, T>,
) -> impl Future<Output = Completion>
where
    H: Handler,
    T: Transport,
{
    if let (NextStep::RunMethod(_), Some(session)) = (&next, driver.shared.session()) {
        let wire = &mut lock(session).wire;
        wire.on_method_started(now);
        wire.metrics.on_method_started();
    }
    poll_fn(move |task| {
        let Driver { io, state, shared } = &mut *driver;
        let shared = &*shared;
        let _entered = shared.span().enter();
        let (method, session) = match (&mut next, shared.session()) {
            (NextStep::RunMethod(method), Some(session)) => (method, session),
            (next, _) => {
                return Poll::Ready(next.take_panic().map_or(Completion::Cancelled, Completion::Panicked));
            }
        };
        let mut completion = None;
        if state.method == MethodPhase::Polled {
            state.method = MethodPhase::Unpolled;
        } else {
            with_scratch(|scratch| scratch.lend_write_buffer(&mut lock(session).wire));
            completion = match catch(|| method.as_mut().poll(task)) {
                Ok(Poll::Ready((_, result))) => Some(Completion::Returned(result)),
                Ok(Poll::Pending) => None,
                Err(panic) => Some(Completion::Panicked(Box::new((panic, UnreadInput::default())))),
            };
        }
        if completion.is_none() {
            let timeout = without_coop_budget(task, |task| {
                with_scratch(|scratch| {
                    let mut poll = PollContext { task, io, state, shared, scratch };
                    poll.poll_io(&mut lock(session))
                })
            });
            if timeout.is_pending() || state.method == MethodPhase::OnClose {
                return Poll::Pending;
            }
        }
        {
            let mut session = lock(session);
            session.wire.on_method_finished();
            session.wire.metrics.on_method_finished();
            state.note_due_timers(&session);
        }
        // Dropping a method drops its values, which is the user's code.
        Poll::Ready(match catch(|| drop(next.take_panic())) {
            Ok(()) => completion.unwrap_or(Completion::Cancelled),
            Err(panic) => Completion::Panicked(Box::new((panic, UnreadInput::default()))),
        })
    })
}

impl<H: Handler, T: Transport> PollContext<'_, '_, H, T> {
    /// Polls the connection without the handler instance. Ready when the pending method has to be cancelled.
    fn poll_io(&mut self, session: &mut Session<H>) -> Poll<()> {
        self.register(session);
        self.state.begin_poll();
        self.state.budget.end_pending_poll();
        if T::IS_SESSION {
            self.poll_session(session);
        }
        session.forward();
        session.send_calls();
        self.check_signals_and_activity(session, true);
        while !session.wire.is_closing() {
            read_ahead(self.io, self.task, session, self.scratch);
            if session.wire.close_reason().is_some() {
                session.close_calls();
            }
            let can_reply = !session.wire.has_unfinished_message();
            if can_reply && session.has_work() && session.send_completed(self.task) {
                return Poll::Ready(());
            }
            let wire = &mut session.wire;
            let was_reading = wire.wants_input();
            self.io.flush_and_release(self.task, wire, self.scratch);
            let deadline = wire.deadline(now);
            if self.state.poll_deadline(self.task, wire, deadline) {
                let now = now();
                if self.state.is_timeout_final(self.task, wire, self.io, now)
                    && !self.io.outlives_silence(self.task, wire, now)
                    && wire.handle_timeout(now)
                {
                    return Poll::Ready(());
                }
            } else if wire.wants_input() == was_reading {
                session.wake_flushed();
                if session.can_forward() || (can_reply && session.has_unsent_calls()) {
                    // The flush made room for frames of topics or calls, and nothing else would wake the task.
                    self.task.waker().wake_by_ref();
                }
                return Poll::Pending;
            }
        }
        session.wake_flushed();
        session.cancel_work();
        session.close_calls();
        if self.poll_close(&mut session.wire).is_pending() {
            return Poll::Pending;
        }
        // After a close by the handler itself, the method may run until a shutdown's deadline.
        match session.wire.close_reason() {
            Some(CloseReason::Stop(_)) if !self.state.shutdown_deadline_passed(self.task, session) => {
                Poll::Pending
            }
            _ => Poll::Ready(()),
        }
    }
}

/// Reads ahead until there is no input, or the queue is full. The number of reads is limited, because frames
/// that complete no message, for example empty fragments, do not fill the queue. Answers to calls go to their calls.
fn read_ahead<H: Handler, T: Transport>(
    io: &mut ConnectionIo<T>,
    task: &mut TaskContext<'_>,
    session: &mut Session<H>,
    scratch: &mut Scratch,
) {
    let Session { wire, mailbox, .. } = session;
    let is_answer = |message: &InboundMessage<'_>| match message {
        InboundMessage::Text(text) => route_answer::<H>(mailbox.as_ref(), text),
        _ => false,
    };
    for _ in 0..MAX_ITERATIONS {
        if !wire.wants_input() || io.poll_read_ahead(task, wire, scratch, is_answer).is_pending() {
            return;
        }
    }
    task.waker().wake_by_ref();
}
