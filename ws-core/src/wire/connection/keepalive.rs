//! Deadlines of an open connection: the idle timeout, pings and the maximum lifetime.

use std::num::NonZeroI64;
use std::time::{Duration, Instant};

use super::Connection;
use super::idle_timer::IdleTimer;
use super::rate_limits::MessageRate;
use crate::close::CloseReason;
use crate::options::Options;

/// The checks that few connections have, because their options are off by default.
#[derive(Debug)]
pub(super) struct OptionalChecks {
    /// When the connection reaches [`Options::max_lifetime`].
    expires_at: Option<Instant>,
    pub(super) message_rate: MessageRate,
    /// The taps of received messages.
    #[cfg(feature = "inspect")]
    pub(super) taps: super::tap::Taps,
}

/// The deadline that the client's silence has reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Silence {
    /// A ping is due.
    Ping,
    /// The client has not answered a ping, or was silent for too long.
    Lost,
}

/// When a ping was sent, in nanoseconds after the last byte from the client. Half as large as an `Instant`, and
/// enough for 292 years.
///
/// The number is negative if `last_received_at` has moved since, which a new idle timeout does. A ping that was
/// sent at that very time counts as a nanosecond later.
#[derive(Clone, Copy, Debug)]
pub(super) struct UnansweredPing(NonZeroI64);

impl UnansweredPing {
    fn new(sent_at: Instant, last_received_at: Instant) -> Self {
        let nanos = |time: Duration| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
        let nanos = match sent_at.checked_duration_since(last_received_at) {
            Some(later) => nanos(later),
            None => -nanos(last_received_at.duration_since(sent_at)),
        };
        Self(NonZeroI64::new(nanos).unwrap_or(const { NonZeroI64::new(1).unwrap() }))
    }

    fn sent_at(self, last_received_at: Instant) -> Option<Instant> {
        let nanos = Duration::from_nanos(self.0.unsigned_abs().into());
        if self.0.is_negative() {
            last_received_at.checked_sub(nanos)
        } else {
            last_received_at.checked_add(nanos)
        }
    }
}

impl OptionalChecks {
    /// Returns the checks that `options` demand, or `None` if they demand none.
    pub(super) fn new(options: &Options, now: Instant) -> Option<Self> {
        let expires_at = options.max_lifetime.and_then(|lifetime| now.checked_add(lifetime));
        (expires_at.is_some() || options.max_message_rate.is_some())
            .then(|| Self::with_expiry(expires_at, now))
    }

    fn with_expiry(expires_at: Option<Instant>, now: Instant) -> Self {
        Self {
            expires_at,
            message_rate: MessageRate::new(now),
            #[cfg(feature = "inspect")]
            taps: super::tap::Taps::default(),
        }
    }

    /// Returns checks that check nothing, for taps.
    #[cfg(feature = "inspect")]
    pub(super) fn for_taps(now: Instant) -> Self {
        Self::with_expiry(None, now)
    }

    /// Returns whether the checks exist for taps only.
    #[cfg(feature = "inspect")]
    pub(super) fn are_for_taps(&self, options: &Options) -> bool {
        self.expires_at.is_none() && options.max_message_rate.is_none()
    }
}

impl Connection {
    /// Handles the answer to a ping, which any byte from the client is.
    ///
    /// The next ping may be due earlier than the end of `pong_timeout`, for which the driver's timer is armed.
    #[cold]
    pub(super) fn on_ping_answered(&mut self) {
        self.unanswered_ping = None;
        self.idle_timer = IdleTimer::Stale;
    }

    /// Keeps the time of an unanswered ping when `last_received_at` becomes `now` without an answer.
    pub(super) fn rebase_ping(&mut self, now: Instant) {
        self.unanswered_ping = self.ping_sent_at().map(|sent_at| UnansweredPing::new(sent_at, now));
    }

    fn ping_sent_at(&self) -> Option<Instant> {
        self.unanswered_ping?.sent_at(self.last_received_at)
    }

    /// Returns when the open connection has to handle a timeout.
    pub(super) fn open_deadline(&mut self) -> Option<Instant> {
        // While the read-ahead queue is full, the client is not responsible for the silence.
        let may_time_out = !self.is_reading() || self.has_room();
        let idle = if may_time_out { self.idle_deadline() } else { None };
        let is_read = self.is_reading() && self.has_room();
        let ping = self.ping_deadline();
        let mut expiry = None;
        if let Some(checks) = self.extras.checks_mut() {
            expiry = checks.expires_at;
            if !is_read {
                checks.message_rate.on_reading_stopped(self.last_received_at);
            }
        }
        [idle, expiry, ping].into_iter().flatten().min()
    }

    fn idle_deadline(&self) -> Option<Instant> {
        self.idle_timeout.and_then(|timeout| self.last_received_at.checked_add(timeout.get()))
    }

    /// Returns when to send the next ping, or when to give up on the answer to the last one.
    ///
    /// There is no such deadline while reading is stopped, because an answer would not be read.
    fn ping_deadline(&self) -> Option<Instant> {
        let interval = self.options().ping_interval.filter(|_| self.is_reading() && self.has_room())?;
        match self.ping_sent_at() {
            Some(ping_sent_at) => ping_sent_at.checked_add(self.options().pong_timeout),
            None => self.last_received_at.checked_add(interval),
        }
    }

    /// Returns whether the connection has more to check than its idle timeout and its pings: a maximum
    /// lifetime or a message rate.
    #[inline]
    pub(crate) fn has_extra_deadlines(&self) -> bool {
        self.extras.checks().is_some()
    }

    /// Returns the deadline of the client's silence that has passed, unless the connection ends for another reason.
    pub(crate) fn silence_due(&self, now: Instant) -> Option<Silence> {
        let is_due = |deadline: Option<Instant>| deadline.is_some_and(|deadline| deadline <= now);
        let expires = self.extras.checks().and_then(|checks| checks.expires_at);
        if !self.is_open() || is_due(expires) {
            return None;
        }
        let may_time_out = !self.is_reading() || self.has_room();
        if is_due(self.ping_deadline()) {
            let is_first = self.unanswered_ping.is_none();
            return Some(if is_first { Silence::Ping } else { Silence::Lost });
        }
        (may_time_out && is_due(self.idle_deadline())).then_some(Silence::Lost)
    }

    /// Handles the deadline of an open connection: sends a ping, or starts to drain the connection.
    pub(super) fn on_deadline(&mut self, now: Instant) {
        let is_due = |deadline: Option<Instant>| deadline.is_some_and(|deadline| deadline <= now);
        if is_due(self.extras.checks().and_then(|checks| checks.expires_at)) {
            return self.begin_drain(CloseReason::Expired);
        }
        match (is_due(self.ping_deadline()), self.unanswered_ping) {
            (true, None) => {
                self.unanswered_ping = Some(UnansweredPing::new(now, self.last_received_at));
                self.awaits_pong = true;
                self.ping(&[]);
            }
            (true, Some(_)) => self.begin_drain(CloseReason::PongTimeout),
            (false, _) => self.begin_drain(CloseReason::Timeout),
        }
    }
}
