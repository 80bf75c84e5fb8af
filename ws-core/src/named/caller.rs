//! The destination of an answer.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use super::batch_answers::Batch;
use crate::envelope::{CallError, Envelope};
use crate::error::HandlerError;
use crate::reply::Replies;

/// The destination of the answer to a call. A message has none.
pub struct Caller<E: Envelope>(Option<(E::Id, Option<Arc<Batch>>)>);

impl<E: Envelope> Caller<E> {
    pub(super) fn new(id: E::Id) -> Self {
        Self(Some((id, None)))
    }

    /// Creates the caller of a message, which is not answered.
    pub(super) fn none() -> Self {
        Self(None)
    }

    /// Creates the caller of a call in a batch, which waits for its answer.
    pub(super) fn in_batch(id: E::Id, batch: &Arc<Batch>) -> Self {
        batch.expect_answer();
        Self(Some((id, Some(Arc::clone(batch)))))
    }

    /// Returns whether the client waits for an answer.
    #[inline]
    pub fn is_call(&self) -> bool {
        self.0.is_some()
    }

    /// Writes the answer into the outbox. A result that does not serialize becomes the error −32603.
    pub(super) fn answer<T: Serialize + ?Sized>(
        self,
        answer: Result<&T, &CallError>,
        to: &mut Replies<'_>,
    ) -> Result<(), HandlerError> {
        let Some((id, batch)) = self.0 else { return Ok(()) };
        let Some(batch) = batch else {
            let result = to.text_with(|out| E::write_answer(&id, answer, out));
            return match (result, answer) {
                (Err(error), Ok(_)) => {
                    let error = not_serialized(&error);
                    to.text_with(|out| E::write_answer::<()>(&id, Err(&error), out))
                }
                (result, _) => result,
            };
        };
        batch.push(to, |out| {
            let start = out.len();
            match (E::write_answer(&id, answer, out), answer) {
                (Err(error), Ok(_)) => {
                    out.truncate(start);
                    E::write_answer::<()>(&id, Err(&not_serialized(&error)), out)
                }
                (result, _) => result,
            }
        })
    }
}

/// Returns the answer in place of a result that does not serialize.
#[cold]
fn not_serialized(error: &dyn fmt::Display) -> CallError {
    tracing::error!(%error, "the result of a call does not serialize");
    CallError::internal("the result does not serialize")
}

impl<E: Envelope> fmt::Debug for Caller<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").field("is_call", &self.is_call()).finish_non_exhaustive()
    }
}
