//! Over a transport that speaks WebSocket itself.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::activity::Activity;
use super::Connection;
#[cfg(feature = "tungstenite")]
use crate::options::Options;

/// How long a pending method keeps a transport from being read that would close over its answer:
/// longer than most methods take, and shorter than anybody waits for a pong.
const DEFERRAL: Duration = Duration::from_millis(250);

/// What the connection knows of such a transport.
#[derive(Debug)]
pub(super) struct Assistance {
    activity: Arc<Activity>,
    deferral: Deferral,
    /// Whether a method of the handler is pending.
    is_pending: bool,
}

/// Whether the transport is left unread, so that pending methods can still answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deferral {
    /// It has been read since the last one: the next method that is pending begins one.
    Fresh,
    /// While methods are pending.
    Until(Instant),
    /// It is to be read first. Methods that follow each other do not keep it from that for ever.
    Over,
}

impl Connection {
    /// An open connection over a transport that speaks WebSocket itself: it puts messages together,
    /// answers pings, and answers a close frame when it reads it, after which it sends nothing more.
    /// So that no answer is lost that way, what waits is written before more is read, and a method
    /// that is pending has a moment to answer.
    #[cfg(feature = "tungstenite")]
    pub(crate) fn assisted(options: Arc<Options>, activity: Arc<Activity>, now: Instant) -> Self {
        let assistance = Assistance { activity, deferral: Deferral::Fresh, is_pending: false };
        let mut wire = Self { assistance: Some(Box::new(assistance)), ..Self::new(options, Vec::new(), now) };
        // Its messages come whole, whatever frames they had.
        wire.decoder.set_max_frame_size(None);
        wire
    }

    #[inline]
    pub(crate) fn is_assisted(&self) -> bool {
        self.assistance.is_some()
    }

    /// Looks whether the client did something that brought no bytes; it counts like a byte.
    #[inline]
    pub(crate) fn look(&mut self, now: impl FnOnce() -> Instant) {
        if self.assistance.as_ref().is_some_and(|assistance| assistance.activity.take()) {
            self.heard(now());
            if self.is_pressed() {
                self.goes_on();
            }
        }
    }

    /// A method is run, and may be pending for a while.
    pub(crate) fn method_begins(&mut self, now: impl FnOnce() -> Instant) {
        let time = self.options.cancel_timeout.min(DEFERRAL);
        let Some(assistance) = &mut self.assistance else { return };
        assistance.is_pending = true;
        if assistance.deferral == Deferral::Fresh {
            assistance.deferral = now().checked_add(time).map_or(Deferral::Over, Deferral::Until);
        }
    }

    /// It has ended, or has been given up.
    pub(crate) fn method_ended(&mut self) {
        if let Some(assistance) = &mut self.assistance {
            assistance.is_pending = false;
        }
    }

    /// The transport is read.
    #[inline]
    pub(crate) fn reads(&mut self) {
        if let Some(assistance) = &mut self.assistance {
            assistance.deferral = Deferral::Fresh;
        }
    }

    /// Whether a close frame that is read now would lose what waits for the client.
    #[inline]
    pub(super) fn writes_first(&self) -> bool {
        self.is_assisted() && !self.outbox.is_empty()
    }

    /// Until when the transport is not read, because a method is pending.
    #[inline]
    pub(super) fn deferred(&self) -> Option<Instant> {
        match self.assistance.as_ref().map(|assistance| (assistance.deferral, assistance.is_pending)) {
            Some((Deferral::Until(end), true)) => Some(end),
            _ => None,
        }
    }

    /// Lets the transport be read although a method is pending; false if it may be already.
    pub(super) fn end_deferral(&mut self) -> bool {
        let is_deferred = self.deferred().is_some();
        if let Some(assistance) = self.assistance.as_mut().filter(|_| is_deferred) {
            assistance.deferral = Deferral::Over;
        }
        is_deferred
    }
}
