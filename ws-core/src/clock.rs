//! The clock of the runtime.

use std::time::Instant;

/// Returns the runtime's time, which tests can pause and advance.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
