//! Connections over a transport that implements the WebSocket protocol itself.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::peer_activity::PeerActivity;
use super::Connection;
#[cfg(feature = "tungstenite")]
use crate::options::Options;

/// The longest time for which a pending method stops a transport from being read.
///
/// Most methods complete sooner, and clients wait longer for a pong.
const DEFERRAL: Duration = Duration::from_millis(250);

/// The connection's state that concerns a managed transport.
#[derive(Debug)]
pub(super) struct ManagedTransport {
    activity: Arc<PeerActivity>,
    deferral: Deferral,
    /// Whether a method of the handler is pending.
    is_pending: bool,
    reads: ReadsWhileWriting,
}

/// A rule that says whether a managed transport is read while output waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ReadsWhileWriting {
    /// Not read, so that no reply is lost to a close frame.
    #[default]
    No,
    /// Read below the high-water mark. A peer that reads nothing before it has written does not block both sides.
    #[cfg(feature = "client")]
    BelowHighWater,
    /// Always read. For a client whose output does not depend on its input.
    Always,
}

/// The deferral of reading, so that a pending method can still send a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deferral {
    /// The transport was read after the last deferral. The next pending method starts a deferral.
    Unused,
    /// Reading is deferred until this time, as long as a method is pending.
    Until(Instant),
    /// The transport must be read before the next deferral, so that a series of methods does not stop
    /// reading forever.
    Expired,
}

impl Connection {
    /// Creates an open connection over a managed transport.
    ///
    /// Such a transport assembles messages and answers pings. When the transport reads a close frame, the
    /// transport answers that frame and sends nothing more. Two rules keep replies from being lost then:
    /// the outbox is written before more input is read, unless `reads` allows it, and a pending method has a moment
    /// to reply.
    #[cfg(feature = "tungstenite")]
    pub(crate) fn over_managed_transport(
        options: Arc<Options>,
        activity: Arc<PeerActivity>,
        reads: ReadsWhileWriting,
        now: Instant,
    ) -> Self {
        let managed = ManagedTransport { activity, deferral: Deferral::Unused, is_pending: false, reads };
        let mut wire = Self::new(options, Vec::new(), now);
        wire.extras.set_managed(managed);
        // The transport passes on complete messages, whatever the client's frames were.
        wire.decoder.set_max_frame_size(None);
        wire
    }

    #[inline]
    pub(crate) fn is_managed(&self) -> bool {
        self.extras.managed().is_some()
    }

    /// Treats activity of the client that yielded no bytes like the arrival of a byte.
    #[inline]
    pub(crate) fn check_activity(&mut self, now: impl FnOnce() -> Instant) {
        if self.extras.managed().is_some_and(|managed| managed.activity.take()) {
            self.on_bytes_received(now());
            if self.is_above_high_water() {
                self.reset_drain_timer();
            }
        }
    }

    /// Handles the start of a method, which may be pending for some time.
    pub(crate) fn on_method_started(&mut self, now: impl FnOnce() -> Instant) {
        let time = self.options().cancel_timeout.min(DEFERRAL);
        let Some(managed) = self.extras.managed_mut() else { return };
        managed.is_pending = true;
        if managed.deferral == Deferral::Unused {
            managed.deferral = now().checked_add(time).map_or(Deferral::Expired, Deferral::Until);
        }
    }

    /// Handles the end of a method, which completed or was cancelled.
    pub(crate) fn on_method_finished(&mut self) {
        if let Some(managed) = self.extras.managed_mut() {
            managed.is_pending = false;
        }
    }

    /// Handles a read from the transport.
    #[inline]
    pub(crate) fn on_transport_read(&mut self) {
        if let Some(managed) = self.extras.managed_mut() {
            managed.deferral = Deferral::Unused;
        }
    }

    /// Returns whether the outbox must be written before the transport is read: a close frame that is
    /// read now would discard the outbox.
    #[inline]
    pub(super) fn must_write_first(&self) -> bool {
        let Some(managed) = self.extras.managed() else { return false };
        !self.outbox.is_empty() && (managed.reads == ReadsWhileWriting::No || self.close_reason().is_some())
    }

    /// Returns whether input is read although the outbox is above its high-water mark.
    #[inline]
    pub(super) fn reads_above_high_water(&self) -> bool {
        self.extras.managed().is_some_and(|managed| managed.reads == ReadsWhileWriting::Always)
    }

    /// Returns until when a pending method defers reading.
    #[inline]
    pub(super) fn deferred_until(&self) -> Option<Instant> {
        match self.extras.managed().map(|managed| (managed.deferral, managed.is_pending)) {
            Some((Deferral::Until(end), true)) => Some(end),
            _ => None,
        }
    }

    /// Ends the deferral of reading. Returns false if there was none.
    pub(super) fn end_deferral(&mut self) -> bool {
        let is_deferred = self.deferred_until().is_some();
        if let Some(managed) = self.extras.managed_mut().filter(|_| is_deferred) {
            managed.deferral = Deferral::Expired;
        }
        is_deferred
    }
}
