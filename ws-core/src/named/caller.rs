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

    /// Writes the result into the outbox. A result that does not serialize becomes the error −32603; returns false
    /// then.
    pub(super) fn answer<T: Serialize + ?Sized>(
        self,
        result: &T,
        to: &mut Replies<'_>,
    ) -> Result<bool, HandlerError> {
        let Some((id, batch)) = self.0 else { return Ok(true) };
        let Some(batch) = batch else {
            return match to.text_with(|out| E::write_answer(&id, Ok(result), out)) {
                Ok(()) => Ok(true),
                Err(error) => {
                    let error = not_serialized(&error);
                    to.text_with(|out| E::write_answer::<()>(&id, Err(&error), out)).map(|()| false)
                }
            };
        };
        let mut is_result = true;
        let pushed = batch.push(to, |out| {
            let start = out.len();
            E::write_answer(&id, Ok(result), out).or_else(|error| {
                is_result = false;
                out.truncate(start);
                E::write_answer::<()>(&id, Err(&not_serialized(&error)), out)
            })
        });
        pushed.map(|()| is_result)
    }

    /// Writes an error into the outbox.
    pub(super) fn refuse(self, error: &CallError, to: &mut Replies<'_>) -> Result<(), HandlerError> {
        match self.0 {
            None => Ok(()),
            Some((id, None)) => to.text_with(|out| E::write_answer::<()>(&id, Err(error), out)),
            Some((id, Some(batch))) => batch.push(to, |out| E::write_answer::<()>(&id, Err(error), out)),
        }
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
