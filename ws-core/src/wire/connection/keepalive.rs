//! Deadlines of an open connection: the idle timeout, pings and the maximum lifetime.

use std::time::Instant;

use super::Connection;
use super::rate_limits::MessageRate;
use crate::close::CloseReason;
use crate::options::Options;

/// The checks that few connections have, because their options are off by default.
#[derive(Debug)]
pub(super) struct OptionalChecks {
    pub(super) keepalive: Keepalive,
    pub(super) message_rate: MessageRate,
}

/// The state of pings, and the end of the connection's lifetime.
#[derive(Debug)]
pub(super) struct Keepalive {
    /// When the ping was sent to which no byte has answered yet.
    ping_sent_at: Option<Instant>,
    /// When the connection reaches [`Options::max_lifetime`].
    expires_at: Option<Instant>,
}

impl OptionalChecks {
    /// Returns the checks that `options` demand, or `None` if they demand none.
    pub(super) fn new(options: &Options, now: Instant) -> Option<Box<Self>> {
        let expires_at = options.max_lifetime.and_then(|lifetime| now.checked_add(lifetime));
        (options.ping_interval.is_some() || expires_at.is_some() || options.max_message_rate.is_some()).then(
            || {
                Box::new(Self {
                    keepalive: Keepalive { ping_sent_at: None, expires_at },
                    message_rate: MessageRate::new(now),
                })
            },
        )
    }
}

impl Keepalive {
    /// Handles bytes from the client: any byte answers the ping.
    pub(super) fn on_bytes_received(&mut self) {
        self.ping_sent_at = None;
    }
}

impl Connection {
    /// Returns when the open connection has to handle a timeout.
    pub(super) fn open_deadline(&mut self) -> Option<Instant> {
        // While the read-ahead queue is full, the client is not responsible for the silence.
        let may_time_out = !self.is_reading() || self.has_room();
        let idle = if may_time_out { self.idle_deadline() } else { None };
        // Most connections have no other deadline.
        if self.checks.is_none() {
            return idle;
        }
        let is_read = self.is_reading() && self.has_room();
        let ping = self.ping_deadline();
        let checks = self.checks.as_mut()?;
        if !is_read {
            checks.message_rate.on_reading_stopped(self.last_received_at);
        }
        [idle, checks.keepalive.expires_at, ping].into_iter().flatten().min()
    }

    fn idle_deadline(&self) -> Option<Instant> {
        self.idle_timeout.and_then(|timeout| self.last_received_at.checked_add(timeout))
    }

    /// Returns when to send the next ping, or when to give up on the answer to the last one.
    ///
    /// There is no such deadline while reading is stopped, because an answer would not be read.
    fn ping_deadline(&self) -> Option<Instant> {
        let interval = self.options.ping_interval.filter(|_| self.is_reading() && self.has_room())?;
        match self.checks.as_ref()?.keepalive.ping_sent_at {
            Some(ping_sent_at) => ping_sent_at.checked_add(self.options.pong_timeout),
            None => self.last_received_at.checked_add(interval),
        }
    }

    /// Returns whether the connection has more than the idle timeout to check: pings, a maximum lifetime
    /// or a message rate.
    #[inline]
    pub(crate) fn has_extra_deadlines(&self) -> bool {
        self.checks.is_some()
    }

    /// Handles the deadline of an open connection: sends a ping, or starts to drain the connection.
    pub(super) fn on_deadline(&mut self, now: Instant) {
        let is_due = |deadline: Option<Instant>| deadline.is_some_and(|deadline| deadline <= now);
        if is_due(self.checks.as_ref().and_then(|checks| checks.keepalive.expires_at)) {
            return self.begin_drain(CloseReason::Expired);
        }
        let is_ping_due = is_due(self.ping_deadline());
        match &mut self.checks {
            Some(checks) if checks.keepalive.ping_sent_at.is_none() && is_ping_due => {
                checks.keepalive.ping_sent_at = Some(now);
                self.ping(&[]);
            }
            _ => self.begin_drain(CloseReason::Timeout),
        }
    }
}
