//! The parts of a connection that few connections have.

use super::encoder::Encoder;
use super::keepalive::OptionalChecks;
use super::managed_transport::ManagedTransport;
use crate::wire::rate_limiter::RateLimiter;
use crate::wire::read_ahead::ReadAheadQueue;

/// The parts of a connection that few connections have, behind one pointer instead of one for each.
#[derive(Debug, Default)]
pub(super) struct ConnectionExtras(Option<Box<ExtraParts>>);

/// Large parts are boxed, because a client that sends pings has a `control_rate`.
#[derive(Debug, Default)]
struct ExtraParts {
    /// The encoder, if compression was negotiated or messages are tapped. Closing drops the encoder.
    encoder: Option<Box<Encoder>>,
    /// Messages that were decoded while a method was pending.
    read_ahead: ReadAheadQueue,
    /// The maximum lifetime and the message rate, if the options demand them.
    checks: Option<Box<OptionalChecks>>,
    /// The state of a transport that implements the protocol itself.
    managed: Option<Box<ManagedTransport>>,
    /// The limit of pings and pongs, once the client sent one that answers no ping of the connection.
    control_rate: Option<RateLimiter>,
}

impl ConnectionExtras {
    fn parts(&mut self) -> &mut ExtraParts {
        self.0.get_or_insert_default()
    }

    /// Returns whether no part was needed.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    #[inline]
    pub(super) fn encoder(&self) -> Option<&Encoder> {
        self.0.as_ref()?.encoder.as_deref()
    }

    #[inline]
    pub(super) fn encoder_mut(&mut self) -> Option<&mut Encoder> {
        self.0.as_mut()?.encoder.as_deref_mut()
    }

    #[cfg(any(feature = "deflate", feature = "inspect"))]
    pub(super) fn encoder_or_insert_with(&mut self, encoder: impl FnOnce() -> Encoder) -> &mut Encoder {
        self.parts().encoder.get_or_insert_with(|| Box::new(encoder()))
    }

    pub(super) fn drop_encoder(&mut self) {
        if let Some(parts) = &mut self.0 {
            parts.encoder = None;
        }
    }

    /// Returns the read-ahead queue, unless the queue is empty.
    #[inline]
    pub(super) fn read_ahead(&self) -> Option<&ReadAheadQueue> {
        self.0.as_ref().map(|parts| &parts.read_ahead).filter(|queue| !queue.is_empty())
    }

    pub(super) fn read_ahead_mut(&mut self) -> &mut ReadAheadQueue {
        &mut self.parts().read_ahead
    }

    pub(super) fn drop_read_ahead(&mut self) {
        if let Some(parts) = &mut self.0 {
            parts.read_ahead = ReadAheadQueue::default();
        }
    }

    #[inline]
    pub(super) fn checks(&self) -> Option<&OptionalChecks> {
        self.0.as_ref()?.checks.as_deref()
    }

    #[inline]
    pub(super) fn checks_mut(&mut self) -> Option<&mut OptionalChecks> {
        self.0.as_mut()?.checks.as_deref_mut()
    }

    pub(super) fn checks_or_insert_with(
        &mut self,
        checks: impl FnOnce() -> OptionalChecks,
    ) -> &mut OptionalChecks {
        self.parts().checks.get_or_insert_with(|| Box::new(checks()))
    }

    #[cfg(feature = "inspect")]
    pub(super) fn drop_checks(&mut self) {
        if let Some(parts) = &mut self.0 {
            parts.checks = None;
        }
    }

    #[inline]
    pub(super) fn managed(&self) -> Option<&ManagedTransport> {
        self.0.as_ref()?.managed.as_deref()
    }

    #[inline]
    pub(super) fn managed_mut(&mut self) -> Option<&mut ManagedTransport> {
        self.0.as_mut()?.managed.as_deref_mut()
    }

    #[cfg(feature = "tungstenite")]
    pub(super) fn set_managed(&mut self, managed: ManagedTransport) {
        self.parts().managed = Some(Box::new(managed));
    }

    pub(super) fn control_rate(&mut self, limiter: impl FnOnce() -> RateLimiter) -> &mut RateLimiter {
        self.parts().control_rate.get_or_insert_with(limiter)
    }
}

#[cfg(test)]
mod tests {
    use super::ExtraParts;

    #[test]
    #[cfg(target_pointer_width = "64")]
    fn parts_of_a_client_that_sends_pings_are_small() {
        assert_eq!(size_of::<ExtraParts>(), 48);
    }
}
