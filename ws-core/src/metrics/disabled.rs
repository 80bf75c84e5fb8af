//! Metrics without the feature `metrics`: nothing is counted.

use tungstenite::protocol::frame::coding::CloseCode;

use crate::close::CloseReason;

/// Whether metrics are counted.
pub(crate) const IS_ENABLED: bool = false;

/// The kinds of frames that are counted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum CountedKind {
    Text,
    Binary,
    Ping,
    Pong,
    Close,
}

/// The metrics of one connection, of which there are none.
#[derive(Debug, Default)]
pub(crate) struct ConnectionMetrics(());

#[expect(clippy::unused_self, reason = "with the feature, the metrics are in the value")]
impl ConnectionMetrics {
    #[inline]
    pub(crate) fn open(_: &'static str, _: &'static str) -> Self {
        Self(())
    }

    #[inline]
    pub(crate) fn on_closed(&self, _: &CloseReason, _: Option<CloseCode>) {}

    #[inline]
    pub(crate) fn on_received(&self, _: CountedKind) {}

    #[inline]
    pub(crate) fn on_sent(&self, _: CountedKind) {}

    #[inline]
    pub(crate) fn on_bytes_received(&self, _: usize) {}

    #[inline]
    pub(crate) fn on_bytes_sent(&self, _: usize) {}

    #[inline]
    pub(crate) fn flush(&self) {}

    #[inline]
    pub(crate) fn on_above_high_water(&self) {}

    #[inline]
    pub(crate) fn on_outbox_empty(&self) {}

    #[inline]
    pub(crate) fn on_missed(&self, _: u64) {}

    #[inline]
    pub(crate) fn on_method_started(&self) {}

    #[inline]
    pub(crate) fn on_method_finished(&self) {}
}

#[inline]
pub(crate) fn on_handshake_refused(_: &'static str, _: &'static str, _: u16) {}

#[inline]
pub(crate) fn on_mailbox_full() {}

#[inline]
pub(crate) fn on_published() {}

#[inline]
pub(crate) fn on_delivered(_: usize) {}

#[inline]
pub(crate) fn on_recovery(_: bool) {}

#[cfg(feature = "session")]
#[inline]
pub(crate) fn on_session_detached() {}

#[cfg(feature = "session")]
#[inline]
pub(crate) fn on_session_resumed() {}

/// The start of a call, which is not measured.
pub(crate) struct CallTimer;

#[expect(clippy::unused_self, reason = "with the feature, the start is in the value")]
impl CallTimer {
    #[inline]
    pub(crate) fn start() -> Self {
        Self
    }

    #[inline]
    pub(crate) fn finish(self, _: &'static str, _: &'static str) {}
}

#[inline]
pub(crate) fn on_async_call(_: &'static str) {}

/// The metrics of an event loop, which is not measured.
pub(crate) struct LoopMetrics;

impl LoopMetrics {
    #[inline]
    pub(crate) fn of_runtime() -> Self {
        Self
    }
}

/// The metrics of a connection to a broker, of which there are none.
#[cfg(feature = "nats")]
#[derive(Default)]
pub(crate) struct BrokerMetrics {}

#[cfg(feature = "nats")]
#[expect(clippy::unused_self, reason = "with the feature, the metrics are in the value")]
impl BrokerMetrics {
    pub(crate) fn on_connected(&self) {}

    pub(crate) fn on_disconnected(&self) {}
}
