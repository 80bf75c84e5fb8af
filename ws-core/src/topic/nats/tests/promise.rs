//! The promise, checked for one client and its reconnects.

use std::any::Any;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use super::hub::Line;
use crate::sync::lock;
use crate::topic::position::Position;
use crate::topic::published::Published;
use crate::topic::subscribers::Subscriber;

/// An event that a connection receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Received(Line, Position),
    Lagged(u64),
}

/// A subscriber that records its events.
#[derive(Clone, Default)]
pub(super) struct Recorder(Arc<Mutex<Vec<Event>>>);

impl Recorder {
    pub(super) fn take(&self) -> Vec<Event> {
        std::mem::take(&mut lock(&self.0))
    }
}

impl Subscriber<Published<Line>> for Recorder {
    fn deliver(&self, message: &Published<Line>) -> Option<Box<dyn Any + Send>> {
        lock(&self.0).push(Event::Received(**message, message.position().unwrap()));
        None
    }

    fn replay(&self, message: &Published<Line>) {
        self.deliver(message);
    }

    fn lagged(&self, missed: u64) {
        lock(&self.0).push(Event::Lagged(missed));
    }

    fn connection_id(&self) -> usize {
        usize::MAX
    }
}

/// What a client has received, over all connections that continued at its position.
#[derive(Debug, Default)]
pub(super) struct Account {
    received: HashSet<Line>,
    /// The last number of each process.
    last: HashMap<usize, u64>,
    /// Number of messages accepted in all processes when the client's subscription was ready.
    since: usize,
    told: Told,
    /// `told` at the client's position. Later reports are repeated after a reconnect.
    told_at_position: Told,
    pub(super) position: Option<Position>,
}

/// The losses that were reported to a client.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    missed: u64,
    /// Messages accepted before this number may be missing: a loss of unknown size was reported after them.
    unknown: usize,
}

impl Account {
    /// Begins anew at a position, after `accepted` messages: the client loads everything from elsewhere.
    pub(super) fn restart(&mut self, position: Option<Position>, accepted: usize) {
        *self = Self { since: accepted, position, ..Self::default() };
    }

    /// Records an event while `accepted` messages are accepted.
    pub(super) fn record(&mut self, event: Event, accepted: usize) {
        match event {
            Event::Lagged(0) => self.told.unknown = accepted,
            Event::Lagged(missed) => self.told.missed += missed,
            Event::Received(line, position) => {
                let last = self.last.insert(line.0, line.1).unwrap_or(0);
                assert!(line.1 > last, "{line:?} arrived after {last}");
                self.received.insert(line);
                (self.position, self.told_at_position) = (Some(position), self.told);
            }
        }
    }

    /// Continues at the client's position.
    pub(super) fn disconnect(&mut self) {
        self.told = self.told_at_position;
    }

    /// Checks that each message was received or reported, and that nothing else was reported. `accepted` has all
    /// messages in the order of their acceptance, and whether their loss can be known. Messages that the stream
    /// `lost` after it had stored them may be reported although the client has received them.
    pub(super) fn check(&self, accepted: &[(Line, bool)], lost: &HashSet<Line>) {
        let required = accepted.iter().enumerate().skip(self.since.max(self.told.unknown));
        let missing: Vec<_> = required
            .filter(|(_, (line, is_knowable))| *is_knowable && !self.received.contains(line))
            .map(|(_, (line, _))| *line)
            .collect();
        assert!(
            missing.len() as u64 <= self.told.missed,
            "{missing:?} are missing, {} were reported: {self:?}",
            self.told.missed
        );
        let is_lost = |line: &Line| !self.received.contains(line) || lost.contains(line);
        let lost = accepted.iter().filter(|(line, _)| is_lost(line)).count();
        assert!(self.told.missed <= lost as u64, "{} of {lost} were reported: {self:?}", self.told.missed);
    }
}
