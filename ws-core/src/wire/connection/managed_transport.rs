//! Over a transport that speaks WebSocket itself.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::peer_activity::PeerActivity;
use super::Connection;
#[cfg(feature = "tungstenite")]
use crate::options::Options;

/// How long a pending method keeps a transport from being read that would close over its answer:
/// longer than most methods take, and shorter than anybody waits for a pong.
const DEFERRAL: Duration = Duration::from_millis(250);

/// What the connection knows of such a transport.
#[derive(Debug)]
pub(super) struct ManagedTransport {
    activity: Arc<PeerActivity>,
    deferral: Deferral,
    /// Whether a method of the handler is pending.
    is_pending: bool,
}

/// Whether the transport is left unread, so that pending methods can still answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deferral {
    /// It has been read since the last one: the next method that is pending begins one.
    Unused,
    /// While methods are pending.
    Until(Instant),
    /// It is to be read first. Methods that follow each other do not keep it from that for ever.
    Expired,
}

impl Connection {
    /// An open connection over a transport that speaks WebSocket itself: it puts messages together,
    /// answers pings, and answers a close frame when it reads it, after which it sends nothing more.
    /// So that no answer is lost that way, what waits is written before more is read, and a method
    /// that is pending has a moment to answer.
    #[cfg(feature = "tungstenite")]
    pub(crate) fn over_managed_transport(
        options: Arc<Options>,
        activity: Arc<PeerActivity>,
        now: Instant,
    ) -> Self {
        let managed = ManagedTransport { activity, deferral: Deferral::Unused, is_pending: false };
        let mut wire = Self { managed: Some(Box::new(managed)), ..Self::new(options, Vec::new(), now) };
        // Its messages come whole, whatever frames they had.
        wire.decoder.set_max_frame_size(None);
        wire
    }

    #[inline]
    pub(crate) fn is_managed(&self) -> bool {
        self.managed.is_some()
    }

    /// Looks whether the client did something that brought no bytes; it counts like a byte.
    #[inline]
    pub(crate) fn check_activity(&mut self, now: impl FnOnce() -> Instant) {
        if self.managed.as_ref().is_some_and(|managed| managed.activity.take()) {
            self.on_bytes_received(now());
            if self.is_above_high_water() {
                self.reset_drain_timer();
            }
        }
    }

    /// A method is run, and may be pending for a while.
    pub(crate) fn on_method_started(&mut self, now: impl FnOnce() -> Instant) {
        let time = self.options.cancel_timeout.min(DEFERRAL);
        let Some(managed) = &mut self.managed else { return };
        managed.is_pending = true;
        if managed.deferral == Deferral::Unused {
            managed.deferral = now().checked_add(time).map_or(Deferral::Expired, Deferral::Until);
        }
    }

    /// It has ended, or has been given up.
    pub(crate) fn on_method_finished(&mut self) {
        if let Some(managed) = &mut self.managed {
            managed.is_pending = false;
        }
    }

    /// The transport is read.
    #[inline]
    pub(crate) fn on_transport_read(&mut self) {
        if let Some(managed) = &mut self.managed {
            managed.deferral = Deferral::Unused;
        }
    }

    /// Whether a close frame that is read now would lose what waits for the client.
    #[inline]
    pub(super) fn must_write_first(&self) -> bool {
        self.is_managed() && !self.outbox.is_empty()
    }

    /// Until when the transport is not read, because a method is pending.
    #[inline]
    pub(super) fn deferred_until(&self) -> Option<Instant> {
        match self.managed.as_ref().map(|managed| (managed.deferral, managed.is_pending)) {
            Some((Deferral::Until(end), true)) => Some(end),
            _ => None,
        }
    }

    /// Lets the transport be read although a method is pending; false if it may be already.
    pub(super) fn end_deferral(&mut self) -> bool {
        let is_deferred = self.deferred_until().is_some();
        if let Some(managed) = self.managed.as_mut().filter(|_| is_deferred) {
            managed.deferral = Deferral::Expired;
        }
        is_deferred
    }
}
