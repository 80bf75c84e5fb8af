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

/// The id of a call to a handler `H`.
type Id<H> = <<H as NamedMethods>::Envelope as Envelope>::Id;

/// A batch from its first async method on.
pub struct BatchRest<H: NamedMethods> {
    first: H::Call,
    rest: VecDeque<OwnedEntry<Id<H>>>,
    batch: Arc<Batch>,
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
        f.debug_struct("BatchRest").field("rest", &self.rest.len()).finish_non_exhaustive()
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

/// Runs the entries of a batch in order. If a method is async, the rest of the batch becomes one async call.
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
    while let Some(entry) = entries.next() {
        match dispatch_single(handler, entry, |id| Caller::in_batch(id, &batch), cx) {
            EventOutcome::Call(first) => {
                let rest = entries.filter_map(|entry| OwnedEntry::new(entry, cx)).collect();
                return EventOutcome::Call(H::batch(Box::new(BatchRest { first, rest, batch, failure })));
            }
            EventOutcome::Failed(error) => _ = failure.get_or_insert(*error),
            EventOutcome::Done | EventOutcome::Unhandled => {}
        }
    }
    EventOutcome::from_result(finish(&batch, failure, cx))
}

/// Runs a batch from its first async method on.
pub fn run_batch<H: NamedMethods>(
    instance: &mut HandlerInstance<H>,
    batch: BatchRest<H>,
) -> MethodFuture<'_, H> {
    let BatchRest { first, mut rest, batch, mut failure } = batch;
    // The call may not be `Send`; the future of its method is.
    let mut method = H::call(instance, first);
    Box::pin(async move {
        let instance = loop {
            let (instance, result) = method.await;
            if let Err(error) = result {
                failure.get_or_insert(error);
            }
            match start_next(instance, &mut rest, &batch, &mut failure) {
                Ok(next) => method = next,
                Err(instance) => break instance,
            }
        };
        let result = finish(&batch, failure, &mut instance.cx);
        (instance, result)
    })
}

/// Dispatches the entries up to the next async method, and starts that method. Returns the instance if no entry is
/// left.
fn start_next<'a, H: NamedMethods>(
    instance: &'a mut HandlerInstance<H>,
    rest: &mut VecDeque<OwnedEntry<Id<H>>>,
    batch: &Arc<Batch>,
    failure: &mut Option<HandlerError>,
) -> Result<MethodFuture<'a, H>, &'a mut HandlerInstance<H>> {
    while let Some(entry) = rest.pop_front() {
        match dispatch_owned(instance, entry, batch) {
            EventOutcome::Call(call) => return Ok(H::call(instance, call)),
            EventOutcome::Failed(error) => _ = failure.get_or_insert(*error),
            EventOutcome::Done | EventOutcome::Unhandled => {}
        }
    }
    Err(instance)
}

/// Dispatches an entry that has waited. A call while the connection closes is dropped.
fn dispatch_owned<H: NamedMethods>(
    instance: &mut HandlerInstance<H>,
    entry: OwnedEntry<Id<H>>,
    batch: &Arc<Batch>,
) -> EventOutcome<H::Call> {
    let (handler, cx) = instance.parts();
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

fn finish<H: NamedMethods>(
    batch: &Batch,
    failure: Option<HandlerError>,
    cx: &mut Context<H>,
) -> Result<(), HandlerError> {
    let sent = batch.finish(&mut cx.session().replies());
    failure.map_or(sent, Err)
}
