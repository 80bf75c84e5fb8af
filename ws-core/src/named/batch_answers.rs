//! The answers of a batch.

use std::sync::Mutex;

use crate::close::CloseReason;
use crate::error::HandlerError;
use crate::reply::Replies;
use crate::sync::lock;

/// The answers of a batch, which are collected until the last one is there.
#[derive(Debug)]
pub(super) struct Batch(Mutex<Answers>);

#[derive(Debug)]
struct Answers {
    /// The array without its end. Empty before the first answer.
    array: Vec<u8>,
    /// The number of answers that are missing, and one more while entries of the batch are dispatched.
    missing: usize,
}

impl Batch {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Answers { array: Vec::new(), missing: 1 }))
    }

    pub(super) fn expect_answer(&self) {
        lock(&self.0).missing += 1;
    }

    /// Adds an answer, and sends all of them if this is the last one. More bytes than the outbox may hold
    /// close the connection, as they would one by one.
    pub(super) fn push(
        &self,
        to: &mut Replies<'_>,
        write: impl FnOnce(&mut Vec<u8>) -> serde_json::Result<()>,
    ) -> Result<(), HandlerError> {
        if to.wire.is_closing() {
            return Ok(());
        }
        let mut answers = lock(&self.0);
        let start = answers.array.len();
        answers.array.push(if start == 0 { b'[' } else { b',' });
        let written = write(&mut answers.array);
        if written.is_err() {
            answers.array.truncate(start);
        }
        if answers.array.len() > to.wire.options().outbox_limit {
            answers.array = Vec::new();
            to.wire.close_with(CloseReason::Overflow);
            return Ok(());
        }
        let sent = answers.complete(to);
        written.map_err(|error| HandlerError::Reply(error.into())).and(sent)
    }

    /// Sends the answers if none is missing.
    pub(super) fn finish(&self, to: &mut Replies<'_>) -> Result<(), HandlerError> {
        lock(&self.0).complete(to)
    }
}

impl Answers {
    fn complete(&mut self, to: &mut Replies<'_>) -> Result<(), HandlerError> {
        self.missing -= 1;
        if self.missing > 0 || self.array.is_empty() {
            return Ok(());
        }
        let mut array = std::mem::take(&mut self.array);
        array.push(b']');
        to.text_with(|out| {
            out.extend_from_slice(&array);
            Ok::<_, HandlerError>(())
        })
    }
}
