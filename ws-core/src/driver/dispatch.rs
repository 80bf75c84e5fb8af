//! Calls of handler methods from the poll loop. An async method that is ready on its first poll counts
//! like a sync one; a pending method takes the handler instance out of the loop.

use std::ops::ControlFlow::{Break, Continue};
use std::task::{Context as TaskContext, Poll};

use super::budget::IterationBudget;
use super::next_step::{IdleHandler, NextStep};
use crate::clock::now;
use crate::context::{SharedSession, has_envelope, route_answer};
use crate::error::HandlerError;
use crate::event::Event;
use crate::handler::{Handler, HandlerInstance};
use crate::panic::{Panic, catch};
use crate::sync::lock;
use crate::topic::{Delivery, QueueItem};
use crate::wire::{BorrowedMessage, InboundMessage, UnreadInput};
use crate::work::Completed;

/// Decompressed bytes after which the next iteration processes the remaining input. One read brings up to
/// 64 KiB, which may decompress to a thousand times as much.
const MAX_INFLATED_PER_ITERATION: usize = 256 << 10;

/// Messages of one read after which the next iteration processes the remaining input, if other work waits.
const MAX_MESSAGES_PER_ITERATION: u32 = 128;

/// The part of an iteration that calls methods: without the transport, so that there is one copy a handler.
pub(super) struct Dispatcher<'t, 'c, H: Handler> {
    pub(super) task: &'t mut TaskContext<'c>,
    pub(super) budget: &'t mut IterationBudget,
    pub(super) shared: &'t SharedSession<H>,
}

impl<H: Handler> Dispatcher<'_, '_, H> {
    /// Runs the method for an event of a timer, the mailbox or a topic. A panic in the method closes the
    /// connection.
    #[inline]
    pub(super) fn dispatch_event<'a>(
        &mut self,
        instance: &'a mut HandlerInstance<H>,
        event: Event<'_, H::Info>,
    ) -> IdleHandler<'a, H> {
        self.catch_panic(|dispatcher| match instance.invoke(event) {
            Some(call) => dispatcher.poll_method(instance, call),
            None => Continue(instance),
        })
    }

    /// Handles an item of a topic. A frame goes to the client without a method.
    pub(super) fn dispatch_published<'a>(
        &mut self,
        instance: &'a mut HandlerInstance<H>,
        item: QueueItem<H::Info>,
    ) -> IdleHandler<'a, H> {
        let event = match item {
            QueueItem::Message(Delivery::Info(info)) => Event::Info(info),
            QueueItem::Lagged(missed) => {
                instance.cx.session().wire.metrics.on_missed(missed);
                Event::Lagged(missed)
            }
            QueueItem::Message(Delivery::Frame(frame)) => {
                instance.cx.session().wire.send_prepared(&frame);
                return Continue(instance);
            }
            QueueItem::Overflowed => {
                instance.cx.session().wire.close_slow_client();
                return Continue(instance);
            }
        };
        self.dispatch_event(instance, event)
    }

    /// Handles the output of a future. A reply goes to the client without a method, unless it fails.
    pub(super) fn dispatch_completed<'a>(
        &mut self,
        instance: &'a mut HandlerInstance<H>,
        completed: Completed<H::Info>,
    ) -> IdleHandler<'a, H> {
        match completed {
            Completed::Info(info) => self.dispatch_event(instance, Event::Info(info)),
            Completed::Reply(reply) => self.catch_panic(|dispatcher| {
                let result = instance.cx.session().send_deferred(reply);
                dispatcher.on_method_error(instance, result)
            }),
            Completed::Failed(error) => {
                self.catch_panic(|dispatcher| dispatcher.on_method_error(instance, Err(error)))
            }
            Completed::Panicked(panic) => Break(on_panic(panic)),
        }
    }

    /// Runs the method for a message of the read-ahead queue.
    pub(super) fn dispatch_read_ahead<'a>(
        &mut self,
        instance: &'a mut HandlerInstance<H>,
        message: InboundMessage<'_>,
    ) -> IdleHandler<'a, H> {
        match dispatch_owned(instance, message).0 {
            Ok(Some(call)) => self.catch_panic(|dispatcher| dispatcher.poll_method(instance, call)),
            Ok(None) => Continue(instance),
            Err(panic) => Break(on_panic(panic)),
        }
    }

    /// Runs the methods for the messages in `input`, until the input is used up, a method is pending, or
    /// nothing more may be read.
    ///
    /// Returns the number of bytes that were used. If the poll loop ends, the other bytes are saved.
    // PERF: called for every read. budget: text64
    #[inline(always)]
    pub(super) fn process_messages<'a>(
        &mut self,
        instance: &'a mut HandlerInstance<H>,
        input: &mut [u8],
    ) -> (IdleHandler<'a, H>, usize) {
        let len = input.len();
        let mut remaining = &mut *input;
        // PERF: one `catch_unwind` for all messages of a read, because a panic ends them all.
        // budget: text64x16
        let mut idle =
            self.catch_panic(|dispatcher| dispatcher.process_messages_inner(instance, &mut remaining));
        let used = len - remaining.len();
        if let Break(step) = &mut idle {
            self.save_unread_input(step, used, input);
        }
        (idle, used)
    }

    // PERF: the loop over the messages of a read. budget: text64x16
    #[inline(always)]
    fn process_messages_inner<'a>(
        &mut self,
        mut instance: &'a mut HandlerInstance<H>,
        input: &mut &mut [u8],
    ) -> IdleHandler<'a, H> {
        let mut inflated = 0;
        let mut count = 0_u32;
        // The decoder is not called with empty input, because there is nothing to find.
        while !input.is_empty() {
            let short = instance.cx.session().wire.next_short_message(input);
            let call = match short {
                Some(BorrowedMessage::Text(text)) if is_answer(instance, text) => None,
                Some(message) => instance.dispatch_borrowed(message),
                None => {
                    let Some((call, len)) = dispatch_next(instance, input) else { break };
                    inflated += len;
                    match call {
                        Ok(call) => call,
                        Err(panic) => return Break(on_panic(panic)),
                    }
                }
            };
            if let Some(call) = call {
                instance = self.poll_method(instance, call)?;
            }
            count += 1;
            let is_long = count.is_multiple_of(MAX_MESSAGES_PER_ITERATION) && has_other_work(instance);
            if is_long || inflated > MAX_INFLATED_PER_ITERATION {
                self.budget.next_iteration();
                break;
            }
        }
        Continue(instance)
    }

    /// Polls an async method once, and `#[on_error]` if the method fails.
    // PERF: called for every message of an async method. budget: text64x16
    #[inline(always)]
    fn poll_method<'a>(&mut self, instance: &'a mut HandlerInstance<H>, call: H::Call) -> IdleHandler<'a, H> {
        let mut method = H::call(instance, call);
        match method.as_mut().poll(self.task) {
            // A transition may follow the method of a handler with states.
            Poll::Ready((instance, Ok(()))) if !instance.cx.is_in_on_error() && H::STATES.is_empty() => {
                Continue(instance)
            }
            Poll::Ready((instance, result)) => self.on_method_error(instance, result),
            Poll::Pending => Break(NextStep::RunMethod(method)),
        }
    }

    #[cold]
    fn on_method_error<'a>(
        &mut self,
        instance: &'a mut HandlerInstance<H>,
        result: Result<(), HandlerError>,
    ) -> IdleHandler<'a, H> {
        // An error of `#[on_error]` itself returns no further call.
        match instance.on_method_completed(Ok(result)) {
            Some(call) => self.poll_method(instance, call),
            None => Continue(instance),
        }
    }

    /// Runs methods; a panic ends the poll loop and closes the connection.
    // PERF: called for every read. budget: text64
    #[inline(always)]
    fn catch_panic<'a>(
        &mut self,
        methods: impl FnOnce(&mut Self) -> IdleHandler<'a, H>,
    ) -> IdleHandler<'a, H> {
        catch(|| methods(self)).unwrap_or_else(|panic| Break(on_panic(panic)))
    }

    /// Saves the input after the messages that were processed before `step`. After a panic all of the
    /// input is saved, because replies in the outbox may borrow from it.
    #[cold]
    fn save_unread_input(&self, step: &mut NextStep<'_, H>, used: usize, input: &[u8]) {
        match step {
            NextStep::RunMethod(_) => {
                if let Some(session) = self.shared.session() {
                    lock(session).wire.restore_unread(UnreadInput::with_offset(0, &input[used..]));
                }
            }
            NextStep::Finish(Some(panic)) => panic.1 = UnreadInput::with_offset(used, input),
            NextStep::Finish(None) => {}
        }
    }
}

/// Routes the answer to a call of the server. Returns whether the text was one.
///
/// The dispatch of named methods opens the message in any case, and routes answers itself.
// PERF: a constant for handlers without an envelope, and for those with named methods. budget: text64
#[inline(always)]
fn is_answer<H: Handler>(instance: &mut HandlerInstance<H>, text: &str) -> bool {
    has_envelope::<H>() && !H::NAMED && route_answer::<H>(instance.cx.session().mailbox.as_ref(), text)
}

/// Returns whether work may wait that is not from the socket: a timer, a future, or a message of the mailbox or a
/// topic.
#[cold]
fn has_other_work<H: Handler>(instance: &mut HandlerInstance<H>) -> bool {
    let session = &*instance.cx.session();
    session.has_messages()
        || session.has_work()
        || (!session.timers.is_empty() && session.has_due_timer(now()))
}

#[cold]
fn on_panic<'a, H: Handler>(panic: Panic) -> NextStep<'a, H> {
    NextStep::Finish(Some(Box::new((panic, UnreadInput::default()))))
}

/// What became of a message: the call of an async method or the panic of a sync one, and the length of the
/// message's own buffer.
type Dispatched<H> = (Result<Option<<H as Handler>::Call>, Panic>, usize);

/// Takes the next message, which may be of any kind, and dispatches it. Returns the length of its buffer, if the
/// message owns one; `None` if there is no message.
// PERF: cold, so that the loop over short messages prepares nothing for the call. budget: text64x16
#[cold]
#[inline(never)]
fn dispatch_next<H: Handler>(
    instance: &mut HandlerInstance<H>,
    input: &mut &mut [u8],
) -> Option<Dispatched<H>> {
    let message = instance.cx.session().wire.next_message_slow(input)?;
    if let InboundMessage::Text(text) = &message
        && is_answer(instance, text)
    {
        instance.cx.session().wire.recycle(message);
        return Some((Ok(None), 0));
    }
    if message.is_owned_or_part() {
        return Some(dispatch_owned(instance, message));
    }
    Some((Ok(instance.dispatch_message(&message)), 0))
}

/// Dispatches a message that may own its buffer; returns the buffer's length. Replies that borrow from the
/// buffer keep it alive. A panic is caught before that, so that earlier replies are still sent.
#[inline(never)]
fn dispatch_owned<H: Handler>(
    instance: &mut HandlerInstance<H>,
    message: InboundMessage<'_>,
) -> Dispatched<H> {
    instance.cx.session().wire.begin_message(&message);
    let call = catch(|| instance.dispatch_message(&message));
    (call, instance.cx.session().wire.end_message(message))
}
