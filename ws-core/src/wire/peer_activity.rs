//! Signs of life that bring no bytes.

use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the client did something that the connection does not get to see: it sent a part of a
/// message that the transport puts together, or took a part of what the transport is sending.
#[derive(Debug, Default)]
pub(crate) struct PeerActivity(AtomicBool);

impl PeerActivity {
    /// The client did something.
    #[cfg(feature = "tungstenite")]
    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether it has since the last time.
    pub(super) fn take(&self) -> bool {
        // Most looks find nothing, and a look that writes nothing is cheaper.
        self.0.load(Ordering::Relaxed) && self.0.swap(false, Ordering::Acquire)
    }
}
