//! The method that this thread has called last: for metrics, and for a report of one that held the thread.

use std::any::type_name;
use std::cell::Cell;

thread_local! {
    static LAST_CALL: Cell<Option<&'static CalledMethod>> = const { Cell::new(None) };
}

/// A method of a handler, as generated code names it: a constant for each method.
#[derive(Debug)]
pub struct CalledMethod {
    handler: fn() -> &'static str,
    name: &'static str,
}

impl CalledMethod {
    /// Returns the method of `H` with a name. The empty name stands for a batch of calls.
    pub const fn new<H: ?Sized>(name: &'static str) -> Self {
        Self { handler: type_name::<H>, name }
    }

    /// Returns the name of the handler's type.
    pub(crate) fn handler(&self) -> &'static str {
        (self.handler)()
    }

    /// Returns the name of the method.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }
}

/// Notes the call of a method. Generated code does so before the method.
// PERF: one store for each call. budget: text64x16
#[inline(always)]
pub fn note_method(method: &'static CalledMethod) {
    LAST_CALL.set(Some(method));
}

/// Returns the last call, unless it was forgotten.
pub(crate) fn get() -> Option<&'static CalledMethod> {
    LAST_CALL.get()
}

/// Forgets the last call.
#[inline]
pub(crate) fn clear() {
    LAST_CALL.set(None);
}
