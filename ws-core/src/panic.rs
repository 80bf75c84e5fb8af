//! Panics of the user's code, which end where they are caught.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What somebody panicked with, if that was text.
#[derive(Debug)]
pub(crate) struct Panic(String);

/// Runs user code; a panic in it is no panic any more. Whatever it left half done is the caller's to know.
#[inline(always)]
pub(crate) fn catch<R>(run: impl FnOnce() -> R) -> Result<R, Panic> {
    catch_unwind(AssertUnwindSafe(run)).map_err(Panic::from_payload)
}

impl Panic {
    #[cold]
    fn from_payload(payload: Box<dyn Any + Send>) -> Self {
        let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let panic = Self(text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default());
        // A value of the user's may panic when it is dropped, and what it panics with as well: that is
        // left where it is.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(payload))).map_err(std::mem::forget);
        panic
    }

    pub(crate) fn into_text(self) -> String {
        self.0
    }

    pub(crate) fn log(&self) {
        tracing::error!(message = %self.0, "handler panicked");
    }
}
