//! The end of a connection: its reason, the close frame and the time limits.

use std::io;
use std::time::Instant;

use super::super::discard::{DiscardedInput, ends_with_close_frame};
use super::super::frame::Opcode;
use super::super::unread::UnreadInput;
use super::Connection;
use super::high_water::LastWrite;
use crate::close::{Close, CloseCode, CloseReason, ProtocolError};
use crate::error::HandlerError;

/// The state of a connection that is not open any more.
#[derive(Debug)]
pub(super) struct CloseState {
    reason: CloseReason,
    /// [`Phase::Draining`] or [`Phase::Closing`].
    phase: Phase,
    /// When the current time limit started: with the first check of the clock in this phase, or when the
    /// client last made progress on the data that is queued for it.
    phase_started_at: Option<Instant>,
    /// When the phase ends by force, if the caller set a deadline.
    deadline: Option<Instant>,
    /// What the client sends after the server's close frame.
    discarded: DiscardedInput,
    /// The close frame of a shutdown, unless it is that of the options.
    shutdown_frame: Option<Close>,
    /// The code of the close frame that was queued.
    code: Option<CloseCode>,
    /// Whether the time limit started again because the client's bytes had arrived and were not read.
    is_prolonged: bool,
}

/// The progress of the close. [`Connection`] shows the transitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Messages are read and sent.
    Open,
    /// No more input is read. The handler receives the messages that were read before.
    Draining,
    /// No more messages are sent. Input is discarded.
    Closing {
        /// Whether the client's close frame is still expected.
        awaiting_close: bool,
    },
}

impl CloseState {
    fn new(reason: CloseReason, phase: Phase, discarded: DiscardedInput) -> Self {
        Self {
            reason,
            phase,
            phase_started_at: None,
            deadline: None,
            discarded,
            shutdown_frame: None,
            code: None,
            is_prolonged: false,
        }
    }
}

impl Connection {
    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        self.close_state.is_none()
    }

    #[inline]
    pub(crate) fn is_closing(&self) -> bool {
        matches!(self.phase(), Phase::Closing { .. })
    }

    pub(super) fn is_draining(&self) -> bool {
        self.phase() == Phase::Draining
    }

    #[inline]
    pub(super) fn phase(&self) -> Phase {
        self.close_state.as_ref().map_or(Phase::Open, |state| state.phase)
    }

    /// Returns why the connection ends, unless it is open.
    #[inline]
    pub(crate) fn close_reason(&self) -> Option<&CloseReason> {
        self.close_state.as_ref().map(|state| &state.reason)
    }

    /// Returns the code of the close frame for the client. `None` before the frame is queued, and if the client is lost.
    pub(crate) fn close_code(&self) -> Option<CloseCode> {
        self.close_state.as_ref().and_then(|state| state.code)
    }

    /// Handles the loss of the client. Messages that arrived before are still handled.
    pub(crate) fn on_disconnect(&mut self, kind: io::ErrorKind) {
        self.stop_awaiting_close();
        self.begin_drain(CloseReason::ConnectionLost(kind));
    }

    /// Handles a protocol error that the transport found. Messages that arrived before are still handled.
    pub(crate) fn on_protocol_error(&mut self, error: ProtocolError) {
        self.begin_drain(CloseReason::Protocol(error));
    }

    /// Handles a failed write: the socket accepts no more bytes.
    pub(crate) fn on_write_error(&mut self, kind: io::ErrorKind) {
        self.on_disconnect(kind);
        self.last_write = LastWrite::Failed;
        self.extras.drop_encoder();
        self.outbox.clear();
    }

    /// Closes the connection for the handler: earlier messages are still sent, later ones are not.
    pub(crate) fn close(&mut self, close: Close) {
        self.close_with(CloseReason::Stop(close));
    }

    /// Closes the connection for the program: earlier messages are still sent, messages that wait are not handled. A
    /// client that does not read, or reads slowly, has `close_timeout` in total.
    #[cold]
    pub(crate) fn close_by_program(&mut self, close: Close, now: Instant) {
        self.close_with(CloseReason::Requested(close));
        let limit = now.checked_add(self.options().close_timeout);
        if let Some(state) = &mut self.close_state {
            state.deadline = state.deadline.into_iter().chain(limit).min();
        }
    }

    /// Queues the close frame and moves to [`Phase::Closing`]. No frame can be queued after that.
    ///
    /// The first reason counts. The exception is [`CloseReason::Overflow`]: the client does not receive
    /// the data that was queued while the connection drained. Incomplete and read-ahead messages are
    /// dropped, as is the encoder. A connection that is already closing does not change.
    pub(crate) fn close_with(&mut self, reason: CloseReason) {
        let frame = reason.close_frame(&self.options().close_codes);
        self.close_with_frame(reason, frame);
    }

    /// Like [`close_with`](Self::close_with), for an error that no `#[on_error]` handled.
    pub(crate) fn close_with_error(&mut self, error: &HandlerError) {
        let codes = &self.options().close_codes;
        let (code, text) = if let HandlerError::Decode(_) = error { codes.decode } else { codes.error };
        let frame = Close::of_cause(code, text);
        let reason = CloseReason::Error { code: frame.code, message: error.to_string() };
        self.close_with_frame(reason, Some(frame));
    }

    fn close_with_frame(&mut self, reason: CloseReason, frame: Option<Close>) {
        if self.is_closing() {
            return;
        }
        let (reason, frame) = match self.close_state.take() {
            Some(mut first) if reason != CloseReason::Overflow => {
                let own = first.shutdown_frame.take();
                let frame = own.or_else(|| first.reason.close_frame(&self.options().close_codes));
                (first.reason, frame)
            }
            _ => (reason, frame),
        };
        let frame = frame.filter(|_| !self.has_write_failed());
        if let Some(frame) = &frame {
            self.outbox.push_unbounded(Opcode::Close, &frame.payload());
            self.count_sent(Opcode::Close);
        }
        let awaiting_close = expects_close_reply(&reason) && !self.has_write_failed();
        let discarded = DiscardedInput::new(self.decoder.stop());
        let mut state = CloseState::new(reason, Phase::Closing { awaiting_close }, discarded);
        state.code = frame.map(|frame| frame.code);
        self.close_state = Some(Box::new(state));
        self.extras.drop_encoder();
        self.extras.drop_read_ahead();
    }

    /// Closes the connection of a slow client: a message exceeds `outbox_limit`, or the messages of a topic
    /// exceed `mailbox`.
    #[cold]
    pub(crate) fn close_slow_client(&mut self) {
        self.close_with(CloseReason::Overflow);
    }

    /// Stops reading. The handler receives the messages that were read before, then the connection closes.
    pub(crate) fn begin_drain(&mut self, reason: CloseReason) {
        if self.is_open() {
            if !expects_close_reply(&reason) {
                self.unread = UnreadInput::default();
            }
            let discarded = DiscardedInput::new(0);
            self.close_state = Some(Box::new(CloseState::new(reason, Phase::Draining, discarded)));
        }
    }

    /// Lets the connection's futures complete after the client's close frame, within
    /// [`Options::cancel_timeout`](crate::Options::cancel_timeout). For a client that closes after its only message.
    pub(crate) fn complete_work(&mut self) {
        self.completes_work = true;
    }

    /// Returns whether a draining connection waits for its futures.
    pub(crate) fn awaits_work(&self) -> bool {
        self.is_draining()
            && match self.close_reason() {
                Some(CloseReason::Shutdown) => true,
                Some(CloseReason::Remote(_)) => self.completes_work,
                _ => false,
            }
    }

    /// Starts the time limit of the next message or method while the connection drains.
    pub(crate) fn reset_drain_timer(&mut self) {
        if let Some(state) = &mut self.close_state
            && state.phase == Phase::Draining
        {
            state.phase_started_at = None;
        }
    }

    /// Closes a connection whose earlier messages have all been handled.
    ///
    /// A client that does not read while the server stops has no more time than the messages: the deadline applies to the
    /// close as well.
    pub(crate) fn finish_drain(&mut self) {
        let is_blocked = self.is_blocked_by_client();
        if let Some(state) = &self.close_state {
            let (reason, deadline) = (state.reason.clone(), state.deadline);
            let is_blocked = is_blocked && reason == CloseReason::Shutdown;
            self.close_with(reason);
            if let Some(state) = self.close_state.as_mut().filter(|_| is_blocked) {
                state.deadline = deadline;
            }
        }
    }

    /// Returns whether a draining connection waits for the client to read from the outbox.
    ///
    /// The wait has a time limit, which starts again whenever the client reads.
    pub(crate) fn is_blocked_by_client(&self) -> bool {
        self.is_draining() && self.is_above_high_water() && !self.has_write_failed()
    }

    #[inline]
    pub(crate) fn has_write_failed(&self) -> bool {
        self.last_write == LastWrite::Failed
    }

    /// Returns whether the close handshake is complete except for flushing the outbox.
    pub(crate) fn is_finished(&self) -> bool {
        self.phase() == Phase::Closing { awaiting_close: false }
    }

    /// Discards input of a connection that has queued its close frame. Completes the close handshake if the
    /// client's close frame arrives.
    pub(super) fn discard(&mut self, input: &[u8]) {
        let now = self.last_received_at;
        let Some(state) = &mut self.close_state else { return };
        let is_close = state.discarded.push(input, now);
        let is_answer = || match &state.reason {
            reason @ CloseReason::Protocol(_) => reason
                .close_frame(&self.outbox.options().close_codes)
                .is_some_and(|frame| ends_with_close_frame(input, frame.code.into())),
            _ => false,
        };
        if is_close || is_answer() {
            self.stop_awaiting_close();
        }
    }

    /// Returns when the next input of a closing connection may be read and discarded.
    pub(crate) fn discard_paused_until(&self) -> Option<Instant> {
        self.close_state.as_ref().and_then(|state| state.discarded.resume_at())
    }

    /// Returns whether the client sent more than [`Options::discard_limit`](crate::Options::discard_limit)
    /// after the server's close frame.
    pub(crate) fn is_discard_limit_exceeded(&self) -> bool {
        let limit = self.options().discard_limit as u64;
        !self.is_finished() && self.close_state.as_ref().is_some_and(|state| state.discarded.len() > limit)
    }

    /// Handles the arrival of bytes from the client.
    #[inline]
    pub(crate) fn on_bytes_received(&mut self, now: Instant) {
        self.last_received_at = now;
        if self.unanswered_ping.is_some() {
            self.on_ping_answered();
        }
    }

    /// Returns when the last bytes arrived. Within an iteration this is the current time, without a call
    /// to the clock.
    #[inline]
    pub(crate) fn last_received_at(&self) -> Instant {
        self.last_received_at
    }

    /// Returns when [`handle_timeout`](Self::handle_timeout) has to be called.
    ///
    /// `now` is only called if a time limit starts.
    pub(crate) fn deadline(&mut self, now: impl FnOnce() -> Instant) -> Option<Instant> {
        if !self.is_open() {
            return self.closing_deadline(now);
        }
        if self.deferred_until().is_some() { self.deferred_until() } else { self.open_deadline() }
    }

    fn closing_deadline(&mut self, now: impl FnOnce() -> Instant) -> Option<Instant> {
        let is_handling = self.is_draining() && !self.is_blocked_by_client();
        let options = self.outbox.options();
        let state = self.close_state.as_mut()?;
        let timeout = if is_handling { options.cancel_timeout } else { options.close_timeout };
        let own = state.phase_started_at.get_or_insert_with(now).checked_add(timeout);
        match state.deadline {
            // A shutdown replaces the cancel timeout, but only shortens the limits of other reasons.
            Some(limit) if is_handling && state.reason == CloseReason::Shutdown => Some(limit),
            Some(limit) => own.map(|own| own.min(limit)),
            None => own,
        }
    }

    /// Returns whether the current deadline has passed.
    pub(crate) fn is_due(&mut self, now: Instant) -> bool {
        self.deadline(|| now).is_some_and(|deadline| deadline <= now)
    }

    /// Handles the discovery, at a deadline, that bytes of the client have arrived and are not read yet.
    ///
    /// In an open connection they count like bytes that were read. The wait for a close frame starts again,
    /// once, so that a client that sends other frames does not prolong the wait forever.
    pub(crate) fn on_unread_input(&mut self, now: Instant) {
        // Bytes that wait because they are discarded slowly prolong nothing.
        let is_paused = self.discard_paused_until().is_some();
        match &mut self.close_state {
            None => self.on_bytes_received(now),
            Some(state) if !state.is_prolonged && !is_paused => {
                state.is_prolonged = true;
                state.phase_started_at = None;
            }
            Some(_) => {}
        }
    }

    /// Handles a deadline that has passed. Returns true if the time limit of the current phase is over.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> bool {
        let due = self.is_due(now);
        if due && self.is_open() {
            // Input that arrived while reading was deferred must be read first.
            if !self.end_deferral() {
                self.on_deadline(now);
            }
            return false;
        }
        due
    }

    /// Like [`begin_drain`](Self::begin_drain), but with a deadline, which also applies to a drain that
    /// has already started.
    pub(crate) fn drain_by(&mut self, reason: CloseReason, deadline: Instant) {
        self.begin_drain(reason);
        if let Some(state) = &mut self.close_state
            && state.phase == Phase::Draining
        {
            state.deadline = Some(deadline);
        }
    }

    /// Sets the close frame of a connection that drains for a shutdown.
    #[cold]
    pub(crate) fn set_shutdown_frame(&mut self, frame: Close) {
        if let Some(state) = &mut self.close_state
            && state.reason == CloseReason::Shutdown
        {
            state.shutdown_frame = Some(frame);
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

/// Returns whether a connection that closes for `reason` waits for the client's close frame.
///
/// Also after a protocol error, although no later byte is interpreted otherwise (RFC 6455 §7.1.7): a TCP
/// connection that ends earlier can make a proxy drop the server's close frame.
pub(super) fn expects_close_reply(reason: &CloseReason) -> bool {
    !matches!(reason, CloseReason::Remote(_) | CloseReason::ConnectionLost(_))
}
