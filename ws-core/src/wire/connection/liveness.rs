//! Signs of life that are asked for, the end of a life that is long enough, and how much may be said
//! in a second of it.

use std::time::Instant;

use super::super::decoder::Decoded;
use super::super::rate_limiter::RateLimiter;
use super::{Connection, IdleTimer};
use crate::close::CloseReason;
use crate::options::Options;

/// What a connection knows that is asked whether it lives, that lives for so long, or that may say so
/// much.
#[derive(Debug)]
pub(super) struct Liveness {
    /// When it was asked; nothing has come since.
    ping_sent_at: Option<Instant>,
    /// When it is as old as it may be.
    expires_at: Option<Instant>,
    /// The messages of the client.
    message_rate: RateLimiter,
    /// Since when what the client says may have been waiting, because reading was off.
    unread_since: Option<Instant>,
}

impl Liveness {
    /// Nothing, if the options want none of it.
    pub(super) fn new(options: &Options, now: Instant) -> Option<Box<Self>> {
        let expires_at = options.max_lifetime.and_then(|lifetime| now.checked_add(lifetime));
        (options.ping_interval.is_some() || expires_at.is_some() || options.max_message_rate.is_some()).then(
            || {
                Box::new(Self {
                    ping_sent_at: None,
                    expires_at,
                    message_rate: RateLimiter::new(now),
                    unread_since: None,
                })
            },
        )
    }

    /// Bytes came from the client.
    pub(super) fn on_bytes_received(&mut self) {
        self.ping_sent_at = None;
    }
}

impl Connection {
    /// When the open connection wants to be looked at.
    pub(super) fn open_deadline(&mut self) -> Option<Instant> {
        // While enough was read ahead, it is not the client who is late.
        let is_late = !self.is_reading() || self.has_room();
        let idle = if is_late { self.idle_deadline() } else { None };
        // This is asked every turn, and most connections have nothing else.
        if self.liveness.is_none() {
            return idle;
        }
        let is_read = self.is_reading() && self.has_room();
        let ping = self.ping_deadline();
        let liveness = self.liveness.as_mut()?;
        if !is_read {
            liveness.unread_since.get_or_insert(self.last_received_at);
        }
        [idle, liveness.expires_at, ping].into_iter().flatten().min()
    }

    /// Whether there is nothing but the idle timeout to wait for on an open connection, and that only
    /// moves back since it was [noted](Self::on_idle_timer_armed).
    #[inline(always)]
    pub(crate) fn has_only_idle_timeout(&self) -> bool {
        self.idle_timer == IdleTimer::Armed && !self.has_extra_deadlines()
    }

    /// The clock is set for the idle timeout.
    pub(crate) fn on_idle_timer_armed(&mut self) {
        self.idle_timer = IdleTimer::Armed;
    }

    fn idle_deadline(&self) -> Option<Instant> {
        self.idle_timeout.and_then(|timeout| self.last_received_at.checked_add(timeout))
    }

    /// When to send the next ping, or to stop waiting for an answer. Whoever is not read cannot be
    /// heard either.
    fn ping_deadline(&self) -> Option<Instant> {
        let interval = self.options.ping_interval.filter(|_| self.is_reading() && self.has_room())?;
        match self.liveness.as_ref()?.ping_sent_at {
            Some(ping_sent_at) => ping_sent_at.checked_add(self.options.pong_timeout),
            None => self.last_received_at.checked_add(interval),
        }
    }

    /// Whether the client may say this as well.
    #[inline]
    pub(super) fn check_rate(&mut self, message: &Decoded<'_>) -> bool {
        match message {
            Decoded::Text(_) | Decoded::Binary(_) => {
                match (&mut self.liveness, self.options.max_message_rate) {
                    (Some(liveness), Some(rate)) => liveness.message_rate.allows_delayed(
                        rate,
                        liveness.unread_since.unwrap_or(self.last_received_at),
                        self.last_received_at,
                    ),
                    // Most connections have no such limit.
                    _ => true,
                }
            }
            Decoded::Ping(_) | Decoded::Pong(_) => {
                let limiter = || Box::new(RateLimiter::new(self.last_received_at));
                self.options.max_control_rate.is_none_or(|rate| {
                    self.control_rate.get_or_insert_with(limiter).allows(rate, self.last_received_at)
                })
            }
            Decoded::Close(_) => true,
        }
    }

    /// Whether it is asked for signs of life, or anything else that most connections are not.
    #[inline(always)]
    pub(crate) fn has_extra_deadlines(&self) -> bool {
        self.liveness.is_some()
    }

    /// Everything that has come was read: what comes next has not waited.
    #[inline]
    pub(crate) fn on_input_drained(&mut self) {
        if let Some(liveness) = &mut self.liveness {
            liveness.unread_since = None;
        }
    }

    /// Does what is due on an open connection.
    pub(super) fn on_deadline(&mut self, now: Instant) {
        let is_due = |deadline: Option<Instant>| deadline.is_some_and(|deadline| deadline <= now);
        if is_due(self.liveness.as_ref().and_then(|liveness| liveness.expires_at)) {
            return self.begin_drain(CloseReason::Expired);
        }
        let is_ping_due = is_due(self.ping_deadline());
        match &mut self.liveness {
            Some(liveness) if liveness.ping_sent_at.is_none() && is_ping_due => {
                liveness.ping_sent_at = Some(now);
                self.ping(&[]);
            }
            _ => self.begin_drain(CloseReason::Timeout),
        }
    }
}
