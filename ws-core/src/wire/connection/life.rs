//! Signs of life that are asked for, and the end of a life that is long enough.

use std::time::Instant;

use super::Connection;
use crate::close::CloseReason;
use crate::options::Options;

/// What a connection knows that is asked whether it lives, or that lives for so long.
#[derive(Debug)]
pub(super) struct Life {
    /// When it was asked; nothing has come since.
    asked: Option<Instant>,
    /// When it is as old as it may be.
    expires: Option<Instant>,
}

impl Life {
    /// Nothing, if the options want neither.
    pub(super) fn of(options: &Options, now: Instant) -> Option<Box<Self>> {
        let expires = options.max_lifetime.and_then(|lifetime| now.checked_add(lifetime));
        (options.ping_interval.is_some() || expires.is_some())
            .then(|| Box::new(Self { asked: None, expires }))
    }

    /// Bytes came from the client.
    pub(super) fn heard(&mut self) {
        self.asked = None;
    }
}

impl Connection {
    /// When the open connection wants to be looked at.
    #[inline]
    pub(super) fn open_deadline(&self) -> Option<Instant> {
        // While enough was read ahead, it is not the client who is late.
        let is_late = !self.is_reading() || self.has_room();
        let idle = if is_late { self.idle_deadline() } else { None };
        match &self.life {
            // This is asked every turn, and most connections have nothing else.
            None => idle,
            Some(life) => [idle, life.expires, self.ping_deadline()].into_iter().flatten().min(),
        }
    }

    fn idle_deadline(&self) -> Option<Instant> {
        self.idle_timeout.and_then(|timeout| self.heard.checked_add(timeout))
    }

    /// When to send the next ping, or to stop waiting for an answer. Whoever is not read cannot be
    /// heard either.
    fn ping_deadline(&self) -> Option<Instant> {
        let interval = self.options.ping_interval.filter(|_| self.is_reading() && self.has_room())?;
        match self.life.as_ref()?.asked {
            Some(asked) => asked.checked_add(self.options.pong_timeout),
            None => self.heard.checked_add(interval),
        }
    }

    /// Does what is due on an open connection.
    pub(super) fn live(&mut self, now: Instant) {
        let is_over = |deadline: Option<Instant>| deadline.is_some_and(|deadline| deadline <= now);
        if is_over(self.life.as_ref().and_then(|life| life.expires)) {
            return self.end(CloseReason::Expired);
        }
        let asks = is_over(self.ping_deadline());
        match &mut self.life {
            Some(life) if life.asked.is_none() && asks => {
                life.asked = Some(now);
                self.ping(&[]);
            }
            _ => self.end(CloseReason::Timeout),
        }
    }
}
