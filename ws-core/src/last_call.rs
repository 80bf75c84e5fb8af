//! The method that this thread has called last: for metrics, and for a report of one that held the thread.

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

/// Notes the call of a method of `H`. Generated code does so before the method. An empty name stands for a batch of calls.
// PERF: three stores for each call. budget: text64x16
#[inline(always)]
pub fn note<H: ?Sized>(method: &'static str) {
    LAST_CALL.set(Some(MethodCall { handler: type_name::<H>, method }));
}

/// Returns the last call, unless it was forgotten.
pub(crate) fn get() -> Option<MethodCall> {
    LAST_CALL.get()
}

/// Forgets the last call.
#[inline]
pub(crate) fn clear() {
    LAST_CALL.set(None);
}
