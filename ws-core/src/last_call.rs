//! The method that this thread has called last, for a report of one that held the thread.

use std::any::type_name;
use std::cell::Cell;

thread_local! {
    static LAST_CALL: Cell<Option<MethodCall>> = const { Cell::new(None) };
}

/// A call of a handler's method.
#[derive(Clone, Copy)]
pub(crate) struct MethodCall {
    handler: fn() -> &'static str,
    method: &'static str,
}

impl MethodCall {
    /// Returns the name of the handler's type.
    pub(crate) fn handler(self) -> &'static str {
        (self.handler)()
    }

    /// Returns the name of the method.
    pub(crate) fn method(self) -> &'static str {
        self.method
    }
}

/// Notes the call of a method of `H`.
// PERF: three stores for each call. budget: text64x16
#[inline(always)]
pub(crate) fn note<H>(method: &'static str) {
    LAST_CALL.set(Some(MethodCall { handler: type_name::<H>, method }));
}

/// Forgets the last call, and returns it.
#[inline]
pub(crate) fn take() -> Option<MethodCall> {
    LAST_CALL.take()
}
