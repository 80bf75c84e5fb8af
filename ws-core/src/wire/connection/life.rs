//! Signs of life that are asked for, the end of a life that is long enough, and how much may be said
//! in a second of it.

use std::time::Instant;

use super::super::decoder::Decoded;
use super::super::rate::Rate;
use super::{Connection, Idle};
use crate::close::CloseReason;
use crate::options::Options;

/// What a connection knows that is asked whether it lives, that lives for so long, or that may say so
/// much.
#[derive(Debug)]
pub(super) struct Life {
    /// When it was asked; nothing has come since.
    asked: Option<Instant>,
    /// When it is as old as it may be.
    expires: Option<Instant>,
    /// The messages of the client.
    messages: Rate,
    /// Since when what the client says may have been waiting, because reading was off.
    waiting: Option<Instant>,
}

impl Life {
    /// Nothing, if the options want none of it.
    pub(super) fn of(options: &Options, now: Instant) -> Option<Box<Self>> {
        let expires = options.max_lifetime.and_then(|lifetime| now.checked_add(lifetime));
        (options.ping_interval.is_some() || expires.is_some() || options.max_message_rate.is_some())
            .then(|| Box::new(Self { asked: None, expires, messages: Rate::new(now), waiting: None }))
    }

    /// Bytes came from the client.
    pub(super) fn heard(&mut self) {
        self.asked = None;
    }
}

impl Connection {
    /// When the open connection wants to be looked at.
    pub(super) fn open_deadline(&mut self) -> Option<Instant> {
        // While enough was read ahead, it is not the client who is late.
        let is_late = !self.is_reading() || self.has_room();
        let idle = if is_late { self.idle_deadline() } else { None };
        // This is asked every turn, and most connections have nothing else.
        if self.life.is_none() {
            return idle;
        }
        let is_read = self.is_reading() && self.has_room();
        let ping = self.ping_deadline();
        let life = self.life.as_mut()?;
        if !is_read {
            life.waiting.get_or_insert(self.heard);
        }
        [idle, life.expires, ping].into_iter().flatten().min()
    }

    /// Whether there is nothing but the idle timeout to wait for on an open connection, and that only
    /// moves back since it was [noted](Self::idle_noted).
    #[inline(always)]
    pub(crate) fn only_idles(&self) -> bool {
        self.idle == Idle::Noted && !self.has_life()
    }

    /// The clock is set for the idle timeout.
    pub(crate) fn idle_noted(&mut self) {
        self.idle = Idle::Noted;
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

    /// Whether the client may say this as well.
    #[inline]
    pub(super) fn admits(&mut self, message: &Decoded<'_>) -> bool {
        match message {
            Decoded::Text(_) | Decoded::Binary(_) => match (&mut self.life, self.options.max_message_rate) {
                (Some(life), Some(rate)) => {
                    life.messages.allowed(rate, life.waiting.unwrap_or(self.heard), self.heard)
                }
                // Most connections have no such limit.
                _ => true,
            },
            Decoded::Ping(_) | Decoded::Pong(_) => {
                let controls = || Box::new(Rate::new(self.heard));
                self.options
                    .max_control_rate
                    .is_none_or(|rate| self.controls.get_or_insert_with(controls).allows(rate, self.heard))
            }
            Decoded::Close(_) => true,
        }
    }

    /// Whether it is asked for signs of life, or anything else that most connections are not.
    #[inline(always)]
    pub(crate) fn has_life(&self) -> bool {
        self.life.is_some()
    }

    /// Everything that has come was read: what comes next has not waited.
    #[inline]
    pub(crate) fn drained(&mut self) {
        if let Some(life) = &mut self.life {
            life.waiting = None;
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
