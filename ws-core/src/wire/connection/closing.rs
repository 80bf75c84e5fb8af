//! The end: who wants it, what goes out for it, and how long it may take.

use std::io;
use std::time::Instant;

use super::super::frame::Opcode;
use super::super::read_ahead::ReadAheadQueue;
use super::super::unread::UnreadInput;
use super::Connection;
use crate::close::{Close, CloseReason, ProtocolError};

/// Why a connection ends, and how long that may take.
#[derive(Debug)]
pub(super) struct CloseState {
    reason: CloseReason,
    phase: Phase,
    /// When the phase began, by the first look at the clock after that, or when the client last took
    /// some of what it is owed.
    phase_started_at: Option<Instant>,
    /// When it ends by force, if somebody said so.
    deadline: Option<Instant>,
}

/// How far it has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Draining,
    Closing {
        /// Whether the client's close frame is still to come.
        awaiting_close: bool,
    },
}

impl CloseState {
    fn new(reason: CloseReason, phase: Phase) -> Self {
        Self { reason, phase, phase_started_at: None, deadline: None }
    }
}

impl Connection {
    #[inline(always)]
    pub(crate) fn is_open(&self) -> bool {
        self.close_state.is_none()
    }

    #[inline]
    pub(crate) fn is_closing(&self) -> bool {
        matches!(self.phase(), Some(Phase::Closing { .. }))
    }

    pub(super) fn is_draining(&self) -> bool {
        self.phase() == Some(Phase::Draining)
    }

    /// How far it has ended, unless it is open.
    #[inline]
    pub(super) fn phase(&self) -> Option<Phase> {
        self.close_state.as_ref().map(|state| state.phase)
    }

    /// Why the connection ends, once it does.
    #[inline]
    pub(crate) fn close_reason(&self) -> Option<&CloseReason> {
        self.close_state.as_ref().map(|state| &state.reason)
    }

    /// The client is gone. What it said before is still handled.
    pub(crate) fn on_disconnect(&mut self, kind: io::ErrorKind) {
        self.stop_awaiting_close();
        self.begin_drain(CloseReason::ConnectionLost(kind));
    }

    /// The transport found that the client broke the protocol. What it said before is still
    /// handled.
    pub(crate) fn on_protocol_error(&mut self, fault: ProtocolError) {
        self.stop_awaiting_close();
        self.begin_drain(CloseReason::Protocol(fault));
    }

    /// The socket takes no more bytes.
    pub(crate) fn on_write_error(&mut self, kind: io::ErrorKind) {
        self.on_disconnect(kind);
        self.has_write_failed = true;
        self.deflater = None;
        self.outbox.clear();
    }

    /// The handler closes: what was sent before goes out, nothing after it.
    pub(crate) fn close(&mut self, close: Close) {
        self.close_with(CloseReason::Stop(close));
    }

    /// Ends the connection at once: the close frame is queued, and nothing can be sent after it.
    /// The first reason counts, unless what the client is owed for it overflows.
    pub(crate) fn close_with(&mut self, reason: CloseReason) {
        if self.is_closing() {
            return;
        }
        let reason = match self.close_state.take() {
            // What the client is owed does not reach it: that is the reason then.
            Some(_) if reason == CloseReason::Overflow => reason,
            Some(first) => first.reason,
            None => reason,
        };
        if !self.has_write_failed {
            match (&reason, reason.close_frame()) {
                (CloseReason::Remote(None), _) => self.outbox.push_unbounded(Opcode::Close, &[]),
                (_, Some(close)) => self.outbox.push_unbounded(Opcode::Close, &close.payload()),
                (_, None) => {}
            }
        }
        let awaiting_close = expects_close_reply(&reason) && !self.has_write_failed;
        self.close_state = Some(Box::new(CloseState::new(reason, Phase::Closing { awaiting_close })));
        self.decoder.discard();
        self.deflater = None;
        self.read_ahead_queue = ReadAheadQueue::default();
    }

    /// Ends the connection in order: nothing more is read, and what was read is handled first.
    pub(crate) fn begin_drain(&mut self, reason: CloseReason) {
        if self.is_open() {
            if !expects_close_reply(&reason) {
                self.unread = UnreadInput::default();
            }
            self.close_state = Some(Box::new(CloseState::new(reason, Phase::Draining)));
        }
    }

    /// The next of what came before the end is handled, and has its time.
    pub(crate) fn reset_drain_timer(&mut self) {
        if let Some(state) = &mut self.close_state
            && state.phase == Phase::Draining
        {
            state.phase_started_at = None;
        }
    }

    /// Everything that came before the end has been handled.
    pub(crate) fn finish_drain(&mut self) {
        if let Some(state) = &self.close_state {
            let reason = state.reason.clone();
            self.close_with(reason);
        }
    }

    /// Whether the client should read before it is told more, now that the connection ends. That
    /// has a limit, which begins anew while it does read.
    pub(crate) fn is_blocked_by_client(&self) -> bool {
        self.is_draining() && self.is_above_high_water() && !self.has_write_failed
    }

    #[inline]
    pub(crate) fn has_write_failed(&self) -> bool {
        self.has_write_failed
    }

    /// Whether nothing more is to be said or heard, but for what is in the outbox.
    pub(crate) fn is_finished(&self) -> bool {
        self.phase() == Some(Phase::Closing { awaiting_close: false })
    }

    /// Whether the client may go on sending when the connection is finished, because it has neither
    /// closed nor gone.
    pub(crate) fn peer_may_send(&self) -> bool {
        matches!(self.close_reason(), Some(CloseReason::Protocol(_)))
    }

    /// Bytes came from the client.
    #[inline]
    pub(crate) fn on_bytes_received(&mut self, now: Instant) {
        self.last_received_at = now;
        if let Some(liveness) = &mut self.liveness {
            liveness.on_bytes_received();
        }
    }

    /// When the last bytes came: what time it is in the middle of a turn, without a look at the clock.
    #[inline]
    pub(crate) fn last_received_at(&self) -> Instant {
        self.last_received_at
    }

    /// When `handle_timeout` wants to be called. The clock is only asked when an end begins.
    pub(crate) fn deadline(&mut self, now: impl FnOnce() -> Instant) -> Option<Instant> {
        if !self.is_open() {
            return self.closing_deadline(now);
        }
        if self.deferred_until().is_some() { self.deferred_until() } else { self.open_deadline() }
    }

    fn closing_deadline(&mut self, now: impl FnOnce() -> Instant) -> Option<Instant> {
        let is_handling = self.is_draining() && !self.is_blocked_by_client();
        let state = self.close_state.as_mut()?;
        let timeout = if is_handling { self.options.cancel_timeout } else { self.options.close_timeout };
        let own = state.phase_started_at.get_or_insert_with(now).checked_add(timeout);
        match state.deadline {
            // A shutdown gives more time than other ends, and to other ends no more than to itself.
            Some(limit) if is_handling && state.reason == CloseReason::Shutdown => Some(limit),
            Some(limit) => own.map(|own| own.min(limit)),
            None => own,
        }
    }

    /// Looks at the clock. True if an end has taken as long as it may.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> bool {
        let due = self.deadline(|| now).is_some_and(|deadline| deadline <= now);
        if due && self.is_open() {
            // If reading was deferred, what the client said meanwhile is to be read first.
            if !self.end_deferral() {
                self.on_deadline(now);
            }
            return false;
        }
        due
    }

    /// Ends in order, by a deadline, which also counts for an end that has begun.
    pub(crate) fn drain_by(&mut self, reason: CloseReason, deadline: Instant) {
        self.begin_drain(reason);
        if let Some(state) = &mut self.close_state
            && state.phase == Phase::Draining
        {
            state.deadline = Some(deadline);
        }
    }

    pub(super) fn stop_awaiting_close(&mut self) {
        if let Some(state) = &mut self.close_state
            && let Phase::Closing { awaiting_close } = &mut state.phase
        {
            *awaiting_close = false;
        }
    }
}

/// Whether the client's close frame is awaited when the connection ends for that reason. After a
/// fault nothing that follows can be understood (§7.1.7).
pub(super) fn expects_close_reply(reason: &CloseReason) -> bool {
    !matches!(reason, CloseReason::Remote(_) | CloseReason::Protocol(_) | CloseReason::ConnectionLost(_))
}
