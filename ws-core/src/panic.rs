//! Catches panics of the user's code.

use std::any::Any;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A caught panic with its message, which is empty if the payload was not text.
#[derive(Debug)]
pub(crate) struct Panic(String);

/// Runs the user's code and catches a panic. The caller has to know which state a panic may leave.
// PERF: runs once per read, around all messages of the read. budget: text64x16
#[inline(always)]
pub(crate) fn catch<R>(run: impl FnOnce() -> R) -> Result<R, Panic> {
    catch_unwind(AssertUnwindSafe(run)).map_err(Panic::from_payload)
}

impl Panic {
    #[cold]
    pub(crate) fn from_payload(payload: Box<dyn Any + Send>) -> Self {
        let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let panic = Self(text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default());
        // The drop of a payload may panic again, and so may the drop of that panic's payload. The second
        // payload is therefore leaked.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(payload))).map_err(std::mem::forget);
        panic
    }

    pub(crate) fn into_text(self) -> String {
        self.0
    }

    /// Logs the panic of a handler. `path` is that of the handler's declaration.
    pub(crate) fn log(&self, handler: &str, path: &str, peer: Option<SocketAddr>) {
        tracing::error!(handler, path, ?peer, panic = %self.0, "handler panicked");
    }
}
