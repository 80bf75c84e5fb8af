//! The end: who wants it, what goes out for it, and how long it may take.

use std::io;
use std::time::Instant;

use super::super::ahead::Ahead;
use super::super::backlog::Backlog;
use super::super::frame::Opcode;
use super::Connection;
use crate::close::{Close, CloseReason, ProtocolError};

/// Why a connection ends, and how long that may take.
#[derive(Debug)]
pub(super) struct End {
    reason: CloseReason,
    phase: Phase,
    /// When the phase began, by the first look at the clock after that, or when the client last took
    /// some of what it is owed.
    since: Option<Instant>,
    /// When it ends by force, if somebody said so.
    limit: Option<Instant>,
}

/// How far it has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Ending,
    Closing {
        /// Whether the client's close frame is still to come.
        awaits: bool,
    },
}

impl End {
    fn new(reason: CloseReason, phase: Phase) -> Self {
        Self { reason, phase, since: None, limit: None }
    }
}

impl Connection {
    #[inline(always)]
    pub(crate) fn is_open(&self) -> bool {
        self.end.is_none()
    }

    #[inline]
    pub(crate) fn is_closing(&self) -> bool {
        matches!(self.phase(), Some(Phase::Closing { .. }))
    }

    pub(super) fn is_ending(&self) -> bool {
        self.phase() == Some(Phase::Ending)
    }

    /// How far it has ended, unless it is open.
    #[inline]
    pub(super) fn phase(&self) -> Option<Phase> {
        self.end.as_ref().map(|end| end.phase)
    }

    /// Why the connection ends, once it does.
    #[inline]
    pub(crate) fn reason(&self) -> Option<&CloseReason> {
        self.end.as_ref().map(|end| &end.reason)
    }

    /// The client is gone. What it said before is still handled.
    pub(crate) fn lost(&mut self, kind: io::ErrorKind) {
        self.awaits_no_more();
        self.end(CloseReason::ConnectionLost(kind));
    }

    /// The transport found that the client broke the protocol. What it said before is still
    /// handled.
    pub(crate) fn faulted(&mut self, fault: ProtocolError) {
        self.awaits_no_more();
        self.end(CloseReason::Protocol(fault));
    }

    /// The socket takes no more bytes.
    pub(crate) fn broken(&mut self, kind: io::ErrorKind) {
        self.lost(kind);
        self.is_broken = true;
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
        let reason = match self.end.take() {
            // What the client is owed does not reach it: that is the reason then.
            Some(_) if reason == CloseReason::Overflow => reason,
            Some(first) => first.reason,
            None => reason,
        };
        if !self.is_broken {
            match (&reason, reason.close_frame()) {
                (CloseReason::Remote(None), _) => self.outbox.push_last(Opcode::Close, &[]),
                (_, Some(close)) => self.outbox.push_last(Opcode::Close, &close.payload()),
                (_, None) => {}
            }
        }
        let awaits = is_answered(&reason) && !self.is_broken;
        self.end = Some(Box::new(End::new(reason, Phase::Closing { awaits })));
        self.decoder.discard();
        self.deflater = None;
        self.ahead = Ahead::default();
    }

    /// Ends the connection in order: nothing more is read, and what was read is handled first.
    pub(crate) fn end(&mut self, reason: CloseReason) {
        if self.is_open() {
            if !is_answered(&reason) {
                self.input = Backlog::default();
            }
            self.end = Some(Box::new(End::new(reason, Phase::Ending)));
        }
    }

    /// The next of what came before the end is handled, and has its time.
    pub(crate) fn goes_on(&mut self) {
        if let Some(end) = &mut self.end
            && end.phase == Phase::Ending
        {
            end.since = None;
        }
    }

    /// Everything that came before the end has been handled.
    pub(crate) fn settle(&mut self) {
        if let Some(end) = &self.end {
            let reason = end.reason.clone();
            self.close_with(reason);
        }
    }

    /// Whether the client should read before it is told more, now that the connection ends. That
    /// has a limit, which begins anew while it does read.
    pub(crate) fn holds_back(&self) -> bool {
        self.is_ending() && self.is_pressed() && !self.is_broken
    }

    #[inline]
    pub(crate) fn is_broken(&self) -> bool {
        self.is_broken
    }

    /// Whether nothing more is to be said or heard, but for what is in the outbox.
    pub(crate) fn is_finished(&self) -> bool {
        self.phase() == Some(Phase::Closing { awaits: false })
    }

    /// Whether the client may go on sending when the connection is finished, because it has neither
    /// closed nor gone.
    pub(crate) fn is_talking(&self) -> bool {
        matches!(self.reason(), Some(CloseReason::Protocol(_)))
    }

    /// Bytes came from the client.
    #[inline]
    pub(crate) fn heard(&mut self, now: Instant) {
        self.heard = now;
        if let Some(life) = &mut self.life {
            life.heard();
        }
    }

    /// When the last bytes came: what time it is in the middle of a turn, without a look at the clock.
    #[inline]
    pub(crate) fn last_heard(&self) -> Instant {
        self.heard
    }

    /// When `tick` wants to be called. The clock is only asked when an end begins.
    pub(crate) fn deadline(&mut self, now: impl FnOnce() -> Instant) -> Option<Instant> {
        if !self.is_open() {
            return self.end_deadline(now);
        }
        if self.deferred().is_some() { self.deferred() } else { self.open_deadline() }
    }

    fn end_deadline(&mut self, now: impl FnOnce() -> Instant) -> Option<Instant> {
        let handles = self.is_ending() && !self.holds_back();
        let end = self.end.as_mut()?;
        let timeout = if handles { self.options.cancel_timeout } else { self.options.close_timeout };
        let own = end.since.get_or_insert_with(now).checked_add(timeout);
        match end.limit {
            // A shutdown gives more time than other ends, and to other ends no more than to itself.
            Some(limit) if handles && end.reason == CloseReason::Shutdown => Some(limit),
            Some(limit) => own.map(|own| own.min(limit)),
            None => own,
        }
    }

    /// Looks at the clock. True if an end has taken as long as it may.
    pub(crate) fn tick(&mut self, now: Instant) -> bool {
        let due = self.deadline(|| now).is_some_and(|deadline| deadline <= now);
        if due && self.is_open() {
            // If reading was deferred, what the client said meanwhile is to be read first.
            if !self.end_deferral() {
                self.live(now);
            }
            return false;
        }
        due
    }

    /// Ends in order, by a deadline, which also counts for an end that has begun.
    pub(crate) fn end_by(&mut self, reason: CloseReason, deadline: Instant) {
        self.end(reason);
        if let Some(end) = &mut self.end
            && end.phase == Phase::Ending
        {
            end.limit = Some(deadline);
        }
    }

    pub(super) fn awaits_no_more(&mut self) {
        if let Some(end) = &mut self.end
            && let Phase::Closing { awaits } = &mut end.phase
        {
            *awaits = false;
        }
    }
}

/// Whether the client's close frame is awaited when the connection ends for that reason. After a
/// fault nothing that follows can be understood (§7.1.7).
pub(super) fn is_answered(reason: &CloseReason) -> bool {
    !matches!(reason, CloseReason::Remote(_) | CloseReason::Protocol(_) | CloseReason::ConnectionLost(_))
}
