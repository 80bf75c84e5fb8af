//! Batches: several messages in one, whose answers are sent together.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use serde_json::value::RawValue;

use super::batch_answers::Batch;
use super::{Caller, NamedMethods, dispatch_single};
use crate::context::Context;
use crate::envelope::{CallError, Envelope, Incoming};
use crate::error::HandlerError;
use crate::event::EventOutcome;
use crate::handler::{Handler, HandlerInstance, MethodFuture};
use crate::last_call::{CalledMethod, note_method};

/// The id of a call to a handler `H`.
type Id<H> = <<H as NamedMethods>::Envelope as Envelope>::Id;

/// A batch from its first async method on.
pub struct BatchRest<H: NamedMethods> {
    first: H::Call,
    waiting: WaitingEntries<H>,
}

/// The entries of a batch that have not run.
struct WaitingEntries<H: NamedMethods> {
    entries: VecDeque<OwnedEntry<Id<H>>>,
    batch: Arc<Batch>,
    /// The first failure of the entries that have run.
    failure: Option<HandlerError>,
}

impl<H: NamedMethods> BatchRest<H> {
    /// Returns the async method that is next.
    pub(super) fn into_first(self) -> H::Call {
        self.first
    }
}

impl<H: NamedMethods> fmt::Debug for BatchRest<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchRest").field("rest", &self.waiting.entries.len()).finish_non_exhaustive()
    }
}

/// An entry that waits while an async method runs.
enum OwnedEntry<I> {
    /// A call, or a message without an id.
    Named(Option<I>, String, Option<Box<RawValue>>),
    Invalid(I, CallError),
}

impl<I> OwnedEntry<I> {
    /// Copies an entry. An answer goes to its call at once.
    fn new<H: Handler>(entry: Incoming<'_, I>, cx: &mut Context<H>) -> Option<Self> {
        Some(match entry {
            Incoming::Call { id, name, params } => {
                Self::Named(Some(id), name.into(), params.map(ToOwned::to_owned))
            }
            Incoming::Message { name, params } => {
                Self::Named(None, name.into(), params.map(ToOwned::to_owned))
            }
            Incoming::Invalid { id, error } => Self::Invalid(id, error),
            Incoming::Answer { id, answer } => {
                cx.session().answer_call(id, answer);
                return None;
            }
            Incoming::Batch(_) | Incoming::Other => return None,
        })
    }
}

/// Runs the entries of a batch in order. If a method is async, the rest of the batch becomes one async call. If a
/// method leads to another state, the rest waits for that transition.
///
/// The first failure goes to `#[on_error]` after the batch.
pub(super) fn dispatch_batch<H: NamedMethods>(
    handler: &mut H,
    entries: Vec<Incoming<'_, Id<H>>>,
    cx: &mut Context<H>,
) -> EventOutcome<H::Call> {
    let batch = Arc::new(Batch::new());
    let mut failure = None;
    let mut entries = entries.into_iter();
    let mut call = None;
    while call.is_none() && !awaits_transition(cx) {
        let Some(entry) = entries.next() else { break };
        let dispatch = || dispatch_single(handler, entry, |id| Caller::in_batch(id, &batch), cx);
        match EventOutcome::measure::<H>("on_text", dispatch) {
            EventOutcome::Call(first) => call = Some(first),
            EventOutcome::Failed(error) => _ = failure.get_or_insert(*error),
            EventOutcome::Done | EventOutcome::Unhandled => {}
        }
    }
    let entries = entries.filter_map(|entry| OwnedEntry::new(entry, cx)).collect();
    WaitingEntries { entries, batch, failure }.into_outcome(call, cx)
}

/// Runs a batch from its first async method on.
pub fn run_batch<H: NamedMethods>(
    instance: &mut HandlerInstance<H>,
    batch: BatchRest<H>,
) -> MethodFuture<'_, H> {
    let BatchRest { first, mut waiting } = batch;
    // The call may not be `Send`; the future of its method is.
    let mut method = H::call(instance, first);
    Box::pin(async move {
        let instance = loop {
            let (instance, result) = method.await;
            if let Err(error) = result {
                waiting.failure.get_or_insert(error);
            }
            match waiting.start_next(instance) {
                Ok(next) => method = next,
                Err(instance) => break instance,
            }
        };
        let result = waiting.finish(&mut instance.cx);
        (instance, result)
    })
}

impl<H: NamedMethods> WaitingEntries<H> {
    /// Runs entries until a method is async, or leads to another state. Returns the call of an async method.
    fn run(&mut self, handler: &mut H, cx: &mut Context<H>) -> Option<H::Call> {
        while !awaits_transition(cx) {
            let entry = self.entries.pop_front()?;
            let dispatch = || dispatch_owned(handler, entry, &self.batch, cx);
            match EventOutcome::measure::<H>("on_text", dispatch) {
                EventOutcome::Call(call) => return Some(call),
                EventOutcome::Failed(error) => _ = self.failure.get_or_insert(*error),
                EventOutcome::Done | EventOutcome::Unhandled => {}
            }
        }
        None
    }

    /// Runs entries up to the next async method, and starts that method. Returns the instance if there is none.
    fn start_next<'a>(
        &mut self,
        instance: &'a mut HandlerInstance<H>,
    ) -> Result<MethodFuture<'a, H>, &'a mut HandlerInstance<H>> {
        let (handler, cx) = instance.parts();
        match self.run(handler, cx) {
            Some(call) => Ok(H::call(instance, call)),
            None => Err(instance),
        }
    }

    /// Returns the outcome of the entries that have run: the call of an async method with the rest of the batch, or
    /// its end.
    fn into_outcome(self, call: Option<H::Call>, cx: &mut Context<H>) -> EventOutcome<H::Call> {
        match call {
            Some(first) => EventOutcome::Call(H::batch(Box::new(BatchRest { first, waiting: self }))),
            None => {
                // The methods of the batch were measured one by one.
                note_method(const { &CalledMethod::new::<H>("") });
                EventOutcome::from_result(self.finish(cx))
            }
        }
    }

    /// Sends the answers. Entries that are left wait for a transition, and run after it.
    fn finish(mut self, cx: &mut Context<H>) -> Result<(), HandlerError> {
        if self.entries.is_empty() {
            let sent = self.batch.finish(&mut cx.session().replies());
            return self.failure.map_or(sent, Err);
        }
        cx.session().after_transition(Box::new(move |handler, cx| {
            let call = self.run(handler, cx);
            self.into_outcome(call, cx)
        }));
        Ok(())
    }
}

/// Returns whether a method has led to another state, so that the entries after it have to wait.
fn awaits_transition<H: NamedMethods>(cx: &mut Context<H>) -> bool {
    !H::STATES.is_empty() && cx.session().awaits_transition()
}

/// Dispatches an entry that has waited. A call while the connection closes is dropped.
fn dispatch_owned<H: NamedMethods>(
    handler: &mut H,
    entry: OwnedEntry<Id<H>>,
    batch: &Arc<Batch>,
    cx: &mut Context<H>,
) -> EventOutcome<H::Call> {
    if cx.session().wire.is_closing() {
        return EventOutcome::Done;
    }
    let caller = |id| Caller::in_batch(id, batch);
    match entry {
        OwnedEntry::Named(Some(id), name, params) => handler.named(&name, params.as_deref(), caller(id), cx),
        OwnedEntry::Named(None, name, params) => handler.named(&name, params.as_deref(), Caller::none(), cx),
        OwnedEntry::Invalid(id, error) => {
            dispatch_single(handler, Incoming::Invalid { id, error }, caller, cx)
        }
    }
}
