//! The poll loop of a connection whose handler is idle: iterations until nothing is left to do.

use std::ops::ControlFlow::{Break, Continue};
use std::task::Poll;

use super::budget::without_exhausted_budget;
use super::dispatch::Dispatcher;
use super::next_step::{IdleHandler, NextStep};
use super::poll_context::{IterationOutcome, PollContext};
use crate::clock::now;
use crate::context::Session;
use crate::event::Event;
use crate::handler::{Handler, HandlerInstance};
use crate::panic::catch;
use crate::timer::Due;
use crate::topic::QueueItem;
use crate::transport::Transport;
use crate::wire::ZERO_COPY_THRESHOLD;

/// The handler instance with the outcome of an iteration, or the step that ends the poll loop.
type Outcome<'a, H> = std::ops::ControlFlow<NextStep<'a, H>, (&'a mut HandlerInstance<H>, IterationOutcome)>;

impl<H: Handler, T: Transport> PollContext<'_, '_, H, T> {
    /// Queues frames of topics, then handles all that has arrived, in this order: read-ahead messages, timers,
    /// the mailbox, other messages of topics, the socket. Writes at the end, and earlier above the high-water
    /// mark.
    // PERF: runs in every poll. budget: text64
    // PERF: the only caller is the poll of the task. budget: text64
    #[inline(always)]
    pub(super) fn poll_loop<'a>(&mut self, mut instance: &'a mut HandlerInstance<H>) -> IdleHandler<'a, H> {
        {
            let session = &mut *instance.cx.session();
            self.register(session);
            self.state.begin_poll();
            self.scratch.lend_write_buffer(&mut session.wire);
            // No method is pending that could finish its message.
            session.wire.abandon_fragments();
            // PERF: frames of a topic are usually all there is, and then the fast path follows.
            // budget: fanout
            session.forward();
        }
        if T::IS_SESSION && !self.is_session_steady() {
            instance = self.check_session(instance)?;
        }
        while !self.state.budget.is_exhausted() {
            let fast = self.try_fast_iteration(&mut instance.cx.session());
            let outcome = match fast {
                Some(outcome) => outcome,
                None => {
                    let outcome;
                    (instance, outcome) = self.run_iteration(instance)?;
                    outcome
                }
            };
            match outcome {
                IterationOutcome::Input(len) => instance = self.process_input(instance, len)?,
                IterationOutcome::Continue => {}
                IterationOutcome::Idle => {
                    self.state.budget.reset();
                    return Continue(instance);
                }
            }
        }
        self.yield_to_runtime(&mut instance.cx.session());
        Continue(instance)
    }

    /// Ends a poll whose budget is exhausted, so that other tasks of the thread run. The task is woken.
    #[inline(never)]
    fn yield_to_runtime(&mut self, session: &mut Session<H>) {
        self.state.budget.reset();
        self.flush(session);
        // The timer of a client that always has input is checked here as well.
        self.state.arm_timer(self.task, session);
        self.state.note_due_timers(session);
        self.task.waker().wake_by_ref();
    }

    /// General path of an iteration: checks every source of work, reads, and flushes if nothing was read.
    #[inline(never)]
    fn run_iteration<'a>(&mut self, mut instance: &'a mut HandlerInstance<H>) -> Outcome<'a, H> {
        if T::IS_SESSION {
            // The fast path needs an open connection of a server that does not stop.
            instance = self.check_session(instance)?;
        }
        let (has_queued, is_draining) = {
            let session = &mut *instance.cx.session();
            self.check_signals_and_activity(session, false);
            let state = &mut self.state;
            state.note_due_timers(session);
            // PERF: a message is the usual reason for this path. budget: fanout
            let has_queued = session.has_messages_or_work()
                || state.is_due
                || session.wire.has_read_ahead()
                || (H::ON_DRAIN && session.wire.has_drained());
            (has_queued, session.wire.close_reason().is_some())
        };
        if has_queued {
            instance = self.dispatch_queued(instance)?;
        }
        if (is_draining || has_queued) && instance.cx.session().wire.close_reason().is_some() {
            instance = self.drain(instance)?;
        }
        let outcome;
        (instance, outcome) = self.read_input(instance)?;
        if outcome != IterationOutcome::Idle {
            return Continue((instance, outcome));
        }
        let outcome = self.finish_iteration(&mut instance.cx.session());
        Continue((instance, outcome))
    }

    /// Flushes and arms the timer. Decides whether another iteration follows.
    fn finish_iteration(&mut self, session: &mut Session<H>) -> IterationOutcome {
        let was_reading = session.wire.wants_input();
        self.flush(session);
        self.state.arm_timer(self.task, session);
        let wire = &session.wire;
        let is_closing = wire.close_reason().is_some();
        let after = AfterFlush {
            // The flush may have made room to read, or found that the client is gone.
            has_immediate_work: self.state.is_due
                || wire.wants_input() != was_reading
                || wire.can_deliver_read_ahead(),
            has_queued_work: session.has_messages() || (H::ON_DRAIN && wire.has_drained()) || is_closing,
            is_waiting: is_closing && (wire.is_blocked_by_client() || session.awaits_work()),
        };
        if !after.needs_iteration() {
            return IterationOutcome::Idle;
        }
        self.scratch.lend_write_buffer(&mut session.wire);
        self.state.budget.next_iteration();
        IterationOutcome::Continue
    }

    /// Dispatches queued work: read-ahead messages, timers, the mailbox, topics, `#[on_drain]`, and the outputs of
    /// futures.
    fn dispatch_queued<'a>(&mut self, mut instance: &'a mut HandlerInstance<H>) -> IdleHandler<'a, H> {
        #[cfg(feature = "test-util")]
        instance.run_probes();
        // PERF: most iterations have no read-ahead messages. budget: fanout
        while instance.cx.session().wire.has_read_ahead() && !self.state.budget.read_ahead.is_used_up() {
            self.flush_if_above_high_water(instance);
            let Some(message) = instance.cx.session().wire.next_read_ahead() else { break };
            self.state.budget.read_ahead.charge();
            instance = self.dispatcher().dispatch_read_ahead(instance, message)?;
        }
        if self.state.is_due {
            let mut due_by = now();
            {
                let wire = &mut instance.cx.session().wire;
                let is_final = self.state.is_timeout_final(self.task, wire, self.io, due_by);
                if is_final
                    && !self.io.outlives_silence(self.task, wire, due_by)
                    && wire.handle_timeout(due_by)
                {
                    // The client has not read its output in time; the remaining messages are dropped.
                    wire.finish_drain();
                }
            }
            while !self.state.budget.timers.is_used_up() && instance.cx.session().wire.is_open() {
                // The message of a repeating timer is cloned here, which is the user's code.
                let event = match catch(|| instance.cx.session().timers.pop(due_by)) {
                    Ok(None) => break,
                    Ok(Some(Due::Method(id))) => Event::Timer(id),
                    Ok(Some(Due::Info(info))) => Event::Info(info),
                    Err(panic) => {
                        instance.on_panic(panic);
                        break;
                    }
                };
                self.state.budget.timers.charge();
                instance = self.dispatcher().dispatch_event(instance, event)?;
                // The method may have taken longer than the next timer.
                due_by = now();
            }
            self.state.is_due = false;
        }
        instance.cx.session().send_calls();
        // PERF: a handler that only takes published messages has no mailbox. budget: fanout
        let has_mailbox = instance.cx.session().has_mailbox();
        while has_mailbox && !self.state.budget.mailbox.is_used_up() && instance.cx.session().wire.is_open() {
            self.flush_if_above_high_water(instance);
            let Some(info) = instance.cx.session().next_message() else { break };
            self.state.budget.mailbox.charge();
            instance = self.dispatcher().dispatch_event(instance, Event::Info(info))?;
        }
        while !self.state.budget.published.is_used_up() && instance.cx.session().wire.is_open() {
            self.flush_if_above_high_water(instance);
            let Some(item) = instance.cx.session().next_published() else { break };
            self.state.budget.published.charge();
            instance = self.dispatcher().dispatch_published(instance, item)?;
        }
        if H::ON_DRAIN && instance.cx.session().wire.take_drained() {
            instance = self.dispatcher().dispatch_event(instance, Event::Drain)?;
            self.flush_if_above_high_water(instance);
        }
        if instance.cx.session().has_work() {
            instance = self.dispatch_completed(instance)?;
        }
        Continue(instance)
    }

    /// Dispatches the outputs of futures that have completed, and registers the task with the others.
    // PERF: not inlined, because most handlers start no futures. budget: fanout
    #[inline(never)]
    fn dispatch_completed<'a>(&mut self, mut instance: &'a mut HandlerInstance<H>) -> IdleHandler<'a, H> {
        while instance.cx.session().wire.is_open() {
            if self.state.budget.completed.is_used_up() {
                self.task.waker().wake_by_ref();
                break;
            }
            self.flush_if_above_high_water(instance);
            let Some(completed) = instance.cx.session().next_completed(self.task) else { break };
            self.state.budget.completed.charge();
            instance = self.dispatcher().dispatch_completed(instance, completed)?;
        }
        Continue(instance)
    }

    /// Dispatches the messages that were accepted before the connection began to close, then closes it.
    ///
    /// Pauses with `Continue` while the client does not read, and while a shutdown waits for futures.
    fn drain<'a>(&mut self, mut instance: &'a mut HandlerInstance<H>) -> IdleHandler<'a, H> {
        instance.cx.session().close_mailbox();
        while !instance.cx.session().wire.is_closing() {
            self.flush_if_above_high_water(instance);
            if instance.cx.session().wire.is_blocked_by_client() {
                return Continue(instance);
            }
            instance.cx.session().wire.reset_drain_timer();
            let message = instance.cx.session().wire.next_read_ahead();
            instance = if let Some(message) = message {
                self.dispatcher().dispatch_read_ahead(instance, message)?
            } else {
                let info = instance.cx.session().next_message();
                let item = info.map(QueueItem::info).or_else(|| instance.cx.session().next_published());
                if let Some(item) = item {
                    self.dispatcher().dispatch_published(instance, item)?
                } else {
                    let completed = instance.cx.session().next_completed(self.task);
                    let Some(completed) = completed else {
                        if instance.cx.session().awaits_work() {
                            return Continue(instance);
                        }
                        break;
                    };
                    self.dispatcher().dispatch_completed(instance, completed)?
                }
            };
        }
        instance.cx.session().wire.finish_drain();
        Break(NextStep::Finish(None))
    }

    fn flush_if_above_high_water(&mut self, instance: &mut HandlerInstance<H>) {
        self.io.flush_if_above_high_water(self.task, &mut instance.cx.session().wire);
    }

    /// Processes input that an earlier poll left unread, or else reads once.
    fn read_input<'a>(&mut self, instance: &'a mut HandlerInstance<H>) -> Outcome<'a, H> {
        let unread = {
            let wire = &mut instance.cx.session().wire;
            if H::ON_DRAIN {
                wire.on_read_turn();
            }
            if wire.can_deliver_read_ahead() {
                // Read-ahead messages precede new input, but timers and the mailbox are due between them.
                self.state.budget.next_iteration();
                Err(IterationOutcome::Continue)
            } else if !wire.wants_input() {
                Err(IterationOutcome::Idle)
            } else {
                Ok(wire.take_unread())
            }
        };
        let mut unread = match unread {
            Err(outcome) => return Continue((instance, outcome)),
            Ok(None) => {
                let Self { task, io, scratch, .. } = self;
                let read = without_exhausted_budget::<H, _>(task, |task| {
                    io.poll_read(task, &mut instance.cx.session().wire, scratch)
                });
                let outcome = match read {
                    Poll::Ready(Some(len)) => IterationOutcome::Input(len),
                    Poll::Ready(None) => IterationOutcome::Continue,
                    Poll::Pending => IterationOutcome::Idle,
                };
                return Continue((instance, outcome));
            }
            Ok(Some(unread)) => unread,
        };
        let (idle, used) = self.dispatcher().process_messages(instance, unread.bytes());
        let instance = idle?;
        instance.cx.session().wire.return_unread(unread, used);
        Continue((instance, IterationOutcome::Continue))
    }

    /// Processes the first `len` bytes of the read buffer and stores the bytes that remain unread.
    // PERF: called for every read. budget: text64
    #[inline(always)]
    fn process_input<'a>(&mut self, instance: &'a mut HandlerInstance<H>, len: usize) -> IdleHandler<'a, H> {
        let Self { task, io, state, shared, scratch } = self;
        state.budget.next_iteration();
        let input = &mut scratch.input()[..len];
        // PERF: replies borrow from large input instead of copying it. budget: binary16k
        // Not with async methods, which may keep the instance while the buffer is reused.
        let is_large = !H::ASYNC && input.len() >= ZERO_COPY_THRESHOLD;
        if is_large {
            instance.cx.session().wire.outbox().begin_input(input);
        }
        let mut dispatcher = Dispatcher { task, budget: &mut state.budget, shared };
        let (idle, used) = dispatcher.process_messages(instance, input);
        let instance = idle?;
        if used < input.len() {
            instance.cx.session().wire.store_unread(&input[used..]);
        }
        if is_large {
            io.flush_borrowed(task, &mut instance.cx.session().wire, input);
        }
        Continue(instance)
    }
}

/// State of a connection after the flush that ends an iteration, as far as another iteration depends on it.
#[derive(Clone, Copy, Debug)]
struct AfterFlush {
    /// Whether a deadline has passed, reading has begun or stopped, or a read-ahead message is deliverable.
    has_immediate_work: bool,
    /// Whether messages are queued, or the connection drains or closes.
    has_queued_work: bool,
    /// Whether the connection drains, and waits for the client to read or for a future to complete.
    is_waiting: bool,
}

impl AfterFlush {
    /// Returns whether another iteration has work to do:
    ///
    /// | immediate work | queued work | waiting | another iteration |
    /// |-----|-----|-----|-----|
    /// | yes | –   | –   | yes |
    /// | no  | yes | no  | yes |
    /// | no  | yes | yes | no  |
    /// | no  | no  | –   | no  |
    fn needs_iteration(self) -> bool {
        self.has_immediate_work || (self.has_queued_work && !self.is_waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::AfterFlush;

    #[test]
    fn needs_iteration_follows_its_table() {
        let table = [
            (true, true, true, true),
            (true, true, false, true),
            (true, false, true, true),
            (true, false, false, true),
            (false, true, false, true),
            (false, true, true, false),
            (false, false, true, false),
            (false, false, false, false),
        ];
        for (has_immediate_work, has_queued_work, is_waiting, expected) in table {
            let after = AfterFlush { has_immediate_work, has_queued_work, is_waiting };
            assert_eq!(after.needs_iteration(), expected, "{after:?}");
        }
    }
}
