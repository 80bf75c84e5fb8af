//! Client activity that the connection cannot observe itself.

use std::sync::atomic::{AtomicBool, Ordering};

/// A flag that a managed transport sets when the client was active without yielding bytes.
///
/// Two events count: the client sent part of a message that the transport assembles, or read part of
/// the data that the transport is sending.
#[derive(Debug, Default)]
pub(crate) struct PeerActivity(AtomicBool);

impl PeerActivity {
    /// Records activity.
    #[cfg(feature = "tungstenite")]
    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Returns whether there was activity since the last call, and clears the flag.
    pub(super) fn take(&self) -> bool {
        // The flag is usually clear, and a load without a store is cheaper.
        self.0.load(Ordering::Relaxed) && self.0.swap(false, Ordering::Acquire)
    }
}
